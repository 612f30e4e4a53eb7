"""The enforcement matrix: what a device in every state may do, on every way into the server.

One device with a client of Ines' and an agent is brought into each state; then each way is tried.

Source: device registry §7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from seafleet.devices.actions import Action
from seafleet.devices.origin import Origin
from tests.conformance.site import WORKSTATION, Site, copied, email, make_template

BY = Origin("user", "root@example.org", "native")
DISK = [{"code": "disk_encryption", "severity": "critical"}]
OK, GONE, WIPED = "ok", "gone", "wiped"


@dataclass
class Ways:
    """A server, and everything that Ines' client got of it while all was well."""

    site: Site
    library: str = ""
    sync_token: str = ""
    upload_link: str = ""
    download_link: str = ""
    commands: list[str] = field(default_factory=list)

    @property
    def device_id(self) -> int:
        """The number of the device."""
        return int(self.site.workstation["id"])

    def prepare(self) -> None:
        """Obtain everything that a client may hold."""
        site, token = self.site, self.site.facts.tg
        made = site.request("POST", "/api2/repos/", token, data={"name": "hers"})
        self.library = made.json()["repo_id"]
        path = f"/api2/repos/{self.library}"
        self.upload_link = site.request("GET", path + "/upload-link/", token, params={"p": "/"}).json()
        assert self.upload().status_code == 200
        self.download_link = site.request(
            "GET", path + "/file/", token, params={"p": "/a.txt", "reuse": "1"}
        ).json()
        self.sync_token = site.request("GET", path + "/download-info/", token).json()["token"]
        assert self.sync().status_code == 200
        order = {"type": "dhcp_renew"}
        assert site.admin("POST", f"/devices/{self.device_id}/commands/", json=order).status_code == 201

    def apply(self, action: Action) -> None:
        """Apply an action to the device."""
        registry = self.site.server.services.registry
        registry.apply(self.device_id, action, BY)

    # -- the ways in -------------------------------------------------------------------------------------

    def upload(self) -> httpx.Response:
        """Upload through the link that was made before."""
        files = {"file": ("a.txt", b"content")}
        return self.site.server.http.post(self.upload_link, data={"parent_dir": "/"}, files=files)

    def download(self) -> httpx.Response:
        """Download through the link that was made before."""
        return self.site.server.http.get(self.download_link)

    def sync(self, path: str = "permission-check/") -> httpx.Response:
        """Go on synchronising."""
        parameters = {
            "op": "download",
            "delta": "1",
            "client_id": "b" * 40,
            "client_name": "ines-p1",
            "client_ver": "9.0.5",
        }
        return self.site.server.request(
            "GET",
            f"/seafhttp/repo/{self.library}/{path}",
            headers={"Seafile-Repo-Token": self.sync_token},
            params=parameters,
        )

    def login(self) -> httpx.Response:
        """Log in again with the right password."""
        return self.site.login("ines", WORKSTATION)

    def report(self) -> httpx.Response:
        """Report as the agent."""
        return self.site.agent("PUT", "/report/", json={})

    def handed_out(self) -> httpx.Response:
        """Fetch commands as the agent."""
        return self.site.agent("GET", "/commands/")


@dataclass(frozen=True)
class State:
    """A row of the matrix: how to get there, and what each way answers then.

    `api` is `ok`, `gone` (401), `wiped` (401 with the header) or the word of a 403; `login` the status and
    the word in the header.
    """

    name: str
    enter: Callable[[Ways], None]
    api: str
    login: tuple[int, str]
    sync: str = ""
    links: int = 403
    report: int = 200
    commands: Sequence[str] | int = ()


ALL = ("dhcp_renew",)


def status(word: Any) -> Callable[[Ways], None]:
    return lambda ways: ways.apply(ways.site.server.services.registry.actions.set_status(word))


def heard_of_wipe(ways: Ways) -> None:
    status("STOLEN")(ways)
    assert ways.site.use(ways.site.facts.tg).status_code == 401


def stolen_without_wipe(ways: Ways) -> None:
    ways.site.settings(wipe_on_status=[])
    status("STOLEN")(ways)


def lost_with_wipe(ways: Ways) -> None:
    ways.site.settings(wipe_on_status=["LOST"])
    status("LOST")(ways)


def pending(ways: Ways) -> None:
    ways.apply(Action("test", lambda change: change.set(approval="pending")))


def unlinked(ways: Ways, *, wipe: bool = False) -> None:
    form = {
        "platform": "linux",
        "device_id": "b" * 40,
        "user": email("ines"),
        "wipe_device": str(wipe).lower(),
    }
    answer = ways.site.request("DELETE", "/api/v2.1/admin/devices/", ways.site.facts.adm, data=form)
    assert answer.status_code == 200


def removed(ways: Ways) -> None:
    ways.apply(ways.site.server.services.registry.actions.remove())


def app_disabled(ways: Ways) -> None:
    actions = ways.site.server.services.registry.actions
    ways.apply(actions.set_app_status("seafile-desktop", enabled=False))


def bad_posture(mode: str, *, exempt: bool = False) -> Callable[[Ways], None]:
    def enter(ways: Ways) -> None:
        ways.site.settings(posture_policy=DISK, posture_mode=mode)
        answer = ways.site.agent("PUT", "/report/", json={"posture": {"disk_encryption": False}})
        assert answer.json()["posture"] == "non_compliant"
        if exempt:
            ways.apply(ways.site.server.services.registry.actions.exempt())

    return enter


def unreported(ways: Ways) -> None:
    ways.site.settings(posture_mode="enforce", posture_unreported="block")


def out_of_license(ways: Ways) -> None:
    ways.site.settings(device_limit=1)


REFUSED = 400
STATES = [
    State("active", lambda ways: None, OK, (200, ""), OK, 200, commands=ALL),
    State("expired", lambda ways: ways.site.move_clock(91 * 86_400), OK, (200, ""), OK, 200),
    State("pending", pending, "PENDING_APPROVAL", (200, "PENDING_APPROVAL"), "PENDING_APPROVAL"),
    State("disabled", status("DISABLED"), "DISABLED", (REFUSED, "DISABLED"), "DISABLED"),
    State("lost", status("LOST"), "LOST", (REFUSED, "LOST"), "LOST"),
    State("lost-wiping", lost_with_wipe, WIPED, (REFUSED, "LOST"), "LOST", commands=("wipe",)),
    State("stolen", status("STOLEN"), WIPED, (REFUSED, "STOLEN"), "STOLEN", commands=("wipe",)),
    State("stolen-delivered", heard_of_wipe, WIPED, (REFUSED, "STOLEN"), GONE, commands=("wipe",)),
    State("stolen-unwiped", stolen_without_wipe, "STOLEN", (REFUSED, "STOLEN"), "STOLEN"),
    State("unlinked", unlinked, GONE, (200, ""), GONE, commands=ALL),
    State(
        "unlinked-wiping",
        lambda ways: unlinked(ways, wipe=True),
        WIPED,
        (200, ""),
        GONE,
        commands=("dhcp_renew", "wipe"),
    ),
    State("removed", removed, GONE, (200, ""), GONE, report=410, commands=("uninstall_agent",)),
    State(
        "app-disabled", app_disabled, "APP_DISABLED", (REFUSED, "APP_DISABLED"), "APP_DISABLED", commands=ALL
    ),
    State(
        "enforced",
        bad_posture("enforce"),
        "NON_COMPLIANT",
        (200, "NON_COMPLIANT"),
        "NON_COMPLIANT",
        commands=ALL,
    ),
    State("exempt", bad_posture("enforce", exempt=True), OK, (200, ""), OK, 200, commands=ALL),
    State("warned", bad_posture("warn"), OK, (200, ""), OK, 200, commands=ALL),
    State("posture-off", bad_posture("off"), OK, (200, ""), OK, 200, commands=ALL),
    State("license-out", out_of_license, OK, (200, ""), OK, 200, commands=ALL),
    # Last, for the agent's report ends it.
    State(
        "unreported",
        unreported,
        "NON_COMPLIANT",
        (200, "NON_COMPLIANT"),
        "NON_COMPLIANT",
        commands=ALL,
    ),
]


@pytest.fixture(scope="module", params=STATES, ids=lambda state: state.name)
def row(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[State, Ways]]:
    """A state of the matrix, and the ways of a device that is in it."""
    template = _template(tmp_path_factory)
    with copied(template, tmp_path_factory.mktemp("matrix")) as site:
        ways = Ways(site)
        ways.prepare()
        request.param.enter(ways)
        yield request.param, ways


def _template(factory: pytest.TempPathFactory, made: dict[str, Any] = {}) -> Any:  # noqa: B006
    if "folder" not in made:
        made["folder"] = make_template(factory.mktemp("template"))
    return made["folder"]


def check(answer: httpx.Response, expected: str, name: str) -> None:
    if expected == OK:
        assert answer.status_code == 200, answer.text
        assert answer.headers.get("X-Device-Status") == ("NON_COMPLIANT" if name == "warned" else None)
    elif expected in (GONE, WIPED):
        assert answer.status_code == 401, answer.text
        assert ("X-Seafile-Wiped" in answer.headers) == (expected == WIPED)
    else:
        assert answer.status_code == 403, answer.text
        assert answer.json()["device_status"] == expected
        assert answer.headers["X-Device-Status"] == expected


# First, for the first contact with an API token delivers a wipe, and ends sync tokens for good.
@pytest.mark.parametrize("path", ["permission-check/", "commit/HEAD", "quota-check/"])
def test_sync_token(row: tuple[State, Ways], path: str) -> None:
    state, ways = row
    answer = ways.sync(path)
    if state.sync == OK:
        assert answer.status_code == 200
        return
    assert answer.status_code == 403
    if state.sync != GONE:
        assert answer.json() == {"reason": "device blocked", "device_status": state.sync}


@pytest.mark.parametrize(
    "path", ["/api2/auth/ping/", "/api2/repos/", "/api/v2.1/repos/", "/api2/account/info/", "/api2/devices/"]
)
def test_api_token(row: tuple[State, Ways], path: str) -> None:
    state, ways = row
    check(ways.site.request("GET", path, ways.site.facts.tg), state.api, state.name)


def test_administrators_and_other_devices_are_not_concerned(row: tuple[State, Ways]) -> None:
    state, ways = row
    assert ways.site.use(ways.site.facts.adm).status_code == 200
    # In one state only all devices are concerned, for none of them has ever reported.
    assert ways.site.use(ways.site.facts.tl).status_code == (403 if state.name == "unreported" else 200)


@pytest.mark.parametrize("way", ["upload", "download"])
def test_links_that_were_made_before(row: tuple[State, Ways], way: str) -> None:
    state, ways = row
    assert getattr(ways, way)().status_code == state.links


def test_suspended_tokens_may_still_ping_the_server(row: tuple[State, Ways]) -> None:
    _, ways = row
    for path in ("/api2/ping/", "/api2/server-info/"):
        assert ways.site.request("GET", path, ways.site.facts.tg).status_code == 200


def test_commands_that_are_handed_out(row: tuple[State, Ways]) -> None:
    state, ways = row
    answer = ways.handed_out()
    assert answer.status_code == 200
    assert sorted(command["type"] for command in answer.json()) == sorted(state.commands)  # type: ignore[arg-type]


def test_password_login_from_the_device(row: tuple[State, Ways]) -> None:
    state, ways = row
    status_code, word = state.login
    answer = ways.login()
    assert answer.status_code == status_code, answer.text
    if state.name != "warned":
        assert answer.headers.get("X-Device-Status", "") == word
    if status_code == 200 and state.api in (GONE, WIPED):
        assert answer.json()["token"] != ways.site.facts.tg
        assert ways.site.use(answer.json()["token"]).status_code == 200
    elif status_code == 200:
        assert answer.json()["token"] == ways.site.facts.tg


def test_agent_report(row: tuple[State, Ways]) -> None:
    state, ways = row
    assert ways.report().status_code == state.report
