"""The real client on a machine that an operator blocks: by its own login, and over HTTP alone.

Source: device registry §4, §7, §8.2; MobileFirst devices §4; Seafile devices §4.
"""

from __future__ import annotations

from typing import Any, Final

import pytest

from seafleet.accounts.model import Account
from tests.clients.conftest import Pair
from tests.support.seafile_client import as_snapshot, snapshot, wait_until

pytestmark = [pytest.mark.clients, pytest.mark.slow, pytest.mark.timeout(240)]

DEVICES: Final = "/mfpadmin/management-apis/2.0/runtimes/mfp/devices"
PASSWORD: Final = "a user's password"


@pytest.fixture
def operator(bare: Pair) -> tuple[str, str]:
    """Name and password of an administrator, who may do everything in every runtime."""
    account = bare.server.account(is_staff=True)
    bare.server.services.accounts.set_password(account, PASSWORD)
    return account.email, PASSWORD


@pytest.fixture
def owner(bare: Pair) -> Account:
    """The owner of the library, who has a password."""
    bare.server.services.accounts.set_password(bare.owner, PASSWORD)
    return bare.owner


def log_in_and_sync(pair: Pair, owner: Account) -> None:
    """Have the client log in with the password, and keep the library in step with a new folder."""
    client = pair.machines[0]
    folder = client.home / f"of-{owner.id}"
    folder.mkdir()
    account = ["-s", client.server, "-u", owner.email, "-p", PASSWORD]
    client.run("sync", "-l", pair.library.library_id, *account, "-d", str(folder))
    pair.folders.append(folder)
    pair.await_state(lambda: "synchronized" in pair.state(0), "the library is in step")


def device_of(pair: Pair, operator: tuple[str, str], owner: Account) -> dict[str, Any]:
    """Return the one device that MobileFirst lists for somebody."""
    answer = pair.server.request("GET", DEVICES, params={"query": owner.email}, auth=operator)
    assert answer.status_code == 200, answer.text
    [found] = answer.json()["items"]
    device: dict[str, Any] = found
    return device


def set_status(pair: Pair, operator: tuple[str, str], device: dict[str, Any], status: str) -> None:
    answer = pair.server.request("PUT", f"{DEVICES}/{device['id']}", json={"status": status}, auth=operator)
    assert (answer.status_code, answer.json()["ok"]) == (200, True)


def test_a_machine_that_is_lost_is_kept_out_until_it_is_active_again(
    bare: Pair, owner: Account, operator: tuple[str, str]
) -> None:
    def names() -> list[str]:
        return bare.server.names(bare.library)

    log_in_and_sync(bare, owner)
    (bare.here / "before").write_bytes(b"1")
    wait_until(lambda: names() == ["before"], "the first file is on the server")
    device = device_of(bare, operator, owner)
    assert device["status"] == "ACTIVE"
    set_status(bare, operator, device, "LOST")
    (bare.here / "lost").write_bytes(b"2")
    bare.await_state(lambda: "Permission denied" in bare.state(0), "the client is refused")
    assert names() == ["before"]
    assert snapshot(bare.here) == as_snapshot({"before": b"1", "lost": b"2"})
    set_status(bare, operator, device, "ACTIVE")
    (bare.here / "found").write_bytes(b"3")
    wait_until(lambda: names() == ["before", "found", "lost"], "everything is on the server", 120)
    assert device_of(bare, operator, owner)["status"] == "ACTIVE"


def test_what_the_client_keeps_in_step_is_shown_with_its_device(bare: Pair, owner: Account) -> None:
    log_in_and_sync(bare, owner)
    token = bare.server.api_token(owner)
    answer = bare.server.request("GET", "/api2/devices/", headers={"Authorization": f"Token {token}"})
    [device] = answer.json()
    assert device["is_desktop_client"] is True
    [synced] = device["synced_repos"]
    assert (synced["repo_id"], synced["repo_name"]) == (bare.library.library_id, bare.library.name)
    assert synced["sync_time"] > 0
