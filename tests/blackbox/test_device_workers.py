"""Two workers on one database: what is done to a device through one holds at the next request to the other.

Source: device registry §7; architecture page, "Access".
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest

from tests.support.server import ADMIN_EMAIL, ADMIN_PASSWORD, ApiClient, RunningServer, until

pytestmark = pytest.mark.slow

NATIVE: Final = "/api/v2.1/admin/device-registry"
MOBILEFIRST: Final = "/mfpadmin/management-apis/2.0/runtimes/mfp/devices"
CONNECTIONS: Final = 8
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server of two processes, once on each database."""
    folder = tmp_path_factory.mktemp("workers") / "data"
    running = RunningServer(folder, module_database_url, {"SEAFLEET_WORKERS": "2"}).start()
    yield running
    running.stop()


@dataclass
class Laptop:
    """A client with all that it was given, and connections of which each stays with one worker."""

    server: RunningServer
    connections: list[httpx.Client]
    token: str
    library_id: str
    sync_token: str
    link: str
    uid: str
    number: int

    def answers(self) -> list[tuple[int, int, int]]:
        """Return what API token, sync token and download link are answered on each connection."""
        return [
            (self._api(each), self._sync(each), each.get(self.link).status_code) for each in self.connections
        ]

    def _api(self, http: httpx.Client) -> int:
        return http.get("/api2/repos/", headers={"Authorization": f"Token {self.token}"}).status_code

    def _sync(self, http: httpx.Client) -> int:
        path = f"/seafhttp/repo/{self.library_id}/commit/HEAD"
        return http.get(path, headers={"Seafile-Repo-Token": self.sync_token}).status_code

    def set_status(self, status: str, http: httpx.Client) -> None:
        """Set the status as MobileFirst does, through one of the workers."""
        path, auth = f"{MOBILEFIRST}/{self.uid}", (ADMIN_EMAIL, ADMIN_PASSWORD)
        assert http.put(path, json={"status": status}, auth=auth).status_code == 200


@pytest.fixture
def laptop(server: RunningServer) -> Iterator[Laptop]:
    """A laptop that both workers have just let in."""
    user, device_id = server.user("mara"), f"{next(_numbers):040x}"
    name = f"laptop-{device_id[-8:]}"
    form = {"username": user.email, "password": user.password, "platform": "linux"}
    form |= {"device_id": device_id, "device_name": name}
    token = user.http.post("/api2/auth-token/", data=form).json()["token"]
    own = ApiClient(server, user.email, user.password, token)
    library_id = own.create_library("notes")
    own.upload(library_id, "/a.txt", b"content")
    path = f"/api2/repos/{library_id}"
    sync_token = own.json("GET", f"{path}/download-info/")["token"]
    link = own.json("GET", f"{path}/file/", params={"p": "/a.txt", "reuse": "1"})
    [found] = server.admin.json("GET", f"{NATIVE}/devices/", params={"q": name})["devices"]
    with ExitStack() as stack:
        clients = [httpx.Client(base_url=server.url, timeout=120) for _ in range(CONNECTIONS)]
        opened = [stack.enter_context(client) for client in clients]
        own_facts: tuple[Any, ...] = (token, library_id, sync_token, link, found["uid"], found["id"])
        made = Laptop(server, opened, *own_facts)
        assert set(made.answers()) == {(200, 200, 200)}
        yield made


def test_a_transition_through_one_worker_holds_at_the_next_request_to_any(laptop: Laptop) -> None:
    for turn, status in enumerate(("LOST", "ACTIVE", "DISABLED", "EXPIRED", "LOST", "ACTIVE")):
        laptop.set_status(status, laptop.connections[turn])
        expected = (200, 200, 200) if status in ("ACTIVE", "EXPIRED") else (403, 403, 403)
        assert set(laptop.answers()) == {expected}, status


def test_a_removal_through_one_worker_holds_at_the_next_request_to_any(laptop: Laptop) -> None:
    path, auth = f"{MOBILEFIRST}/{laptop.uid}", (ADMIN_EMAIL, ADMIN_PASSWORD)
    assert laptop.connections[0].delete(path, auth=auth).status_code == 200
    assert set(laptop.answers()) == {(401, 403, 403)}


def test_a_setting_that_one_worker_was_told_is_in_force_at_the_other_within_a_second_or_so(
    server: RunningServer, laptop: Laptop
) -> None:
    path = f"{NATIVE}/settings/"
    strict = {"posture_mode": "enforce", "posture_unreported": "block"}
    server.admin.json("PUT", path, json=strict)
    try:
        until(lambda: set(laptop.answers()) == {(403, 403, 403)}, 60)
    finally:
        server.admin.json("PUT", path, json={"posture_mode": "off", "posture_unreported": "allow"})
    until(lambda: set(laptop.answers()) == {(200, 200, 200)}, 60)
