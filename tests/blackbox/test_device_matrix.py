"""The enforcement matrix: what a device in every state may do, on every way into the server.

One device with a client of Ines' and an agent is brought into each state; then each way is tried.

Source: device registry §7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from seafleet.devices.actions import Action
from tests.blackbox.device_ways import API, SYNC, TRANSFERS, Ways
from tests.conformance.site import copied, email, make_template

DISK = [{"code": "disk_encryption", "severity": "critical"}]
OK, GONE, WIPED = "ok", "gone", "wiped"


@dataclass(frozen=True)
class State:
    """A row of the matrix: how to get there, and what each way answers then.

    `api` is `ok`, `gone` (401), `wiped` (401 with the header) or the word of a 403; `login` the status and
    the word in the header. `sync` is the same without the header; `newcomer` what a sync token that was
    obtained without a device answers under this client's id, `plain` an API token without a device.
    """

    name: str
    enter: Callable[[Ways], None]
    api: str
    login: tuple[int, str]
    sync: str = ""
    links: int = 403
    report: int = 200
    commands: Sequence[str] = ()
    newcomer: str = ""
    plain: str = OK


ALL = ("dhcp_renew",)


def status(word: Any) -> Callable[[Ways], None]:
    return lambda ways: ways.apply(ways.site.server.services.registry.actions.set_status(word))


def heard_of_wipe(ways: Ways) -> None:
    status("STOLEN")(ways)
    assert ways.site.use(ways.site.facts.tg).status_code == 401


def wiped_itself(ways: Ways) -> None:
    heard_of_wipe(ways)
    report_wiped(ways)


def report_wiped(ways: Ways) -> None:
    answer = ways.site.request("POST", "/api2/device-wiped/", data={"token": ways.token})
    assert answer.status_code == 200


def disabled_before_the_wipe_was_heard_of(ways: Ways) -> None:
    status("STOLEN")(ways)
    status("DISABLED")(ways)


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


def unlinked_and_wiped(ways: Ways) -> None:
    unlinked(ways, wipe=True)
    report_wiped(ways)


def removed(ways: Ways) -> None:
    ways.apply(ways.site.server.services.registry.actions.remove())


def removed_while(word: Any) -> Callable[[Ways], None]:
    def enter(ways: Ways) -> None:
        status(word)(ways)
        removed(ways)

    return enter


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


def bound_tokens_only(ways: Ways) -> None:
    ways.site.settings(allow_unbound_tokens=False)


REFUSED = 400
NO = (REFUSED, "DISABLED")
LOST, STOLEN = (REFUSED, "LOST"), (REFUSED, "STOLEN")
IN, WAITS = (200, ""), (200, "PENDING_APPROVAL")
NOT_COMPLIANT = (200, "NON_COMPLIANT")
STATES = [
    State("active", lambda ways: None, OK, IN, OK, 200, commands=ALL),
    State("expired", lambda ways: ways.site.move_clock(91 * 86_400), OK, IN, OK, 200),
    State("pending", pending, "PENDING_APPROVAL", WAITS, "PENDING_APPROVAL"),
    State("disabled", status("DISABLED"), "DISABLED", NO, "DISABLED"),
    State("disabled-not-wiped", disabled_before_the_wipe_was_heard_of, "DISABLED", NO, "DISABLED"),
    State("lost", status("LOST"), "LOST", LOST, "LOST"),
    State("lost-wiping", lost_with_wipe, WIPED, LOST, "LOST", commands=("wipe",)),
    State("stolen", status("STOLEN"), WIPED, STOLEN, "STOLEN", commands=("wipe",)),
    State("stolen-delivered", heard_of_wipe, WIPED, STOLEN, GONE, commands=("wipe",), newcomer="STOLEN"),
    State("stolen-wiped", wiped_itself, GONE, STOLEN, GONE, commands=("wipe",), newcomer="STOLEN"),
    State("stolen-unwiped", stolen_without_wipe, "STOLEN", STOLEN, "STOLEN"),
    State("unlinked", unlinked, GONE, IN, GONE, commands=ALL, newcomer=OK),
    State(
        "unlinked-wiping",
        lambda ways: unlinked(ways, wipe=True),
        WIPED,
        IN,
        GONE,
        commands=("dhcp_renew", "wipe"),
        newcomer="WIPED",
    ),
    State("unlinked-wiped", unlinked_and_wiped, GONE, IN, GONE, commands=("dhcp_renew", "wipe"), newcomer=OK),
    State("removed", removed, GONE, IN, GONE, report=410, commands=("uninstall_agent",), newcomer=OK),
    State(
        "removed-lost",
        removed_while("LOST"),
        GONE,
        WAITS,
        GONE,
        report=410,
        commands=("uninstall_agent",),
        newcomer="PENDING_APPROVAL",
    ),
    State(
        "removed-stolen",
        removed_while("STOLEN"),
        WIPED,
        WAITS,
        GONE,
        report=410,
        commands=("uninstall_agent", "wipe"),
        newcomer="PENDING_APPROVAL",
    ),
    State(
        "app-disabled", app_disabled, "APP_DISABLED", (REFUSED, "APP_DISABLED"), "APP_DISABLED", commands=ALL
    ),
    State("enforced", bad_posture("enforce"), "NON_COMPLIANT", NOT_COMPLIANT, "NON_COMPLIANT", commands=ALL),
    State("exempt", bad_posture("enforce", exempt=True), OK, IN, OK, 200, commands=ALL),
    State("warned", bad_posture("warn"), OK, IN, OK, 200, commands=ALL),
    State("posture-off", bad_posture("off"), OK, IN, OK, 200, commands=ALL),
    State("license-out", out_of_license, OK, IN, OK, 200, commands=ALL),
    State("bound-only", bound_tokens_only, OK, IN, OK, 200, commands=ALL, plain="UNBOUND"),
    # Last, for the agent's report ends it.
    State("unreported", unreported, "NON_COMPLIANT", NOT_COMPLIANT, "NON_COMPLIANT", commands=ALL),
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
    """Check the answer of the Web API, where `name` is the state."""
    if expected == OK:
        assert answer.status_code in (200, 201), answer.text
        assert answer.headers.get("X-Device-Status") == ("NON_COMPLIANT" if name == "warned" else None)
    elif expected in (GONE, WIPED):
        assert answer.status_code == 401, answer.text
        assert ("X-Seafile-Wiped" in answer.headers) == (expected == WIPED)
    else:
        assert answer.status_code == 403, answer.text
        assert answer.json()["device_status"] == expected
        assert answer.headers["X-Device-Status"] == expected


def check_sync(answer: httpx.Response, expected: str) -> None:
    """Check the answer of the sync protocol."""
    if expected == OK:
        assert answer.status_code == 200, answer.text
        return
    assert answer.status_code == 403
    if expected != GONE:
        assert answer.json() == {"reason": "device blocked", "device_status": expected}


# First, for the first contact with an API token delivers a wipe, and ends sync tokens for good.
@pytest.mark.parametrize("way", SYNC)
def test_sync_token(row: tuple[State, Ways], way: str) -> None:
    state, ways = row
    check_sync(ways.sync(way), state.sync)


def test_news_by_web_socket(row: tuple[State, Ways]) -> None:
    state, ways = row
    assert ways.subscribe() == ("repo-update" if state.sync == OK else "jwt-expired")


@pytest.mark.parametrize("way", API)
def test_api_token(row: tuple[State, Ways], way: str) -> None:
    state, ways = row
    check(ways.api(way), state.api, state.name)


def test_api_token_shown_to_the_file_server(row: tuple[State, Ways]) -> None:
    state, ways = row
    answer = ways.download_by_path()
    assert (answer.status_code == 200) == (state.api == OK)
    if state.api != OK:
        assert answer.status_code in (401, 403)
        assert b"content" not in answer.content


@pytest.mark.parametrize("way", TRANSFERS)
def test_links_that_were_made_before(row: tuple[State, Ways], way: str) -> None:
    state, ways = row
    assert ways.transfer(way).status_code == state.links


@pytest.mark.parametrize("way", ["libraries", "make-folder", "sync-token"])
def test_token_without_a_device(row: tuple[State, Ways], way: str) -> None:
    state, ways = row
    check(ways.api(way, ways.plain_token), state.plain, "")


def test_what_no_device_is_bound_to(row: tuple[State, Ways]) -> None:
    _, ways = row
    assert ways.browse().status_code == 200
    assert ways.open_share_link().status_code == 200
    assert ways.download_by_share_link().content == b"content"


def test_administrators_and_other_devices_are_not_concerned(row: tuple[State, Ways]) -> None:
    state, ways = row
    assert ways.site.use(ways.site.facts.adm).status_code == 200
    # In one state only all devices are concerned, for none of them has ever reported.
    assert ways.site.use(ways.site.facts.tl).status_code == (403 if state.name == "unreported" else 200)


def test_suspended_tokens_may_still_ping_the_server(row: tuple[State, Ways]) -> None:
    _, ways = row
    for path in ("/api2/ping/", "/api2/server-info/"):
        assert ways.site.request("GET", path, ways.token).status_code == 200


def test_commands_that_are_handed_out(row: tuple[State, Ways]) -> None:
    state, ways = row
    answer = ways.handed_out()
    assert answer.status_code == 200
    assert sorted(command["type"] for command in answer.json()) == sorted(state.commands)


# Before the login, which would take up what this makes.
def test_sync_token_that_was_obtained_without_a_device(row: tuple[State, Ways]) -> None:
    state, ways = row
    answer = ways.sync("permission-check", ways.unbound_sync_token)
    check_sync(answer, state.newcomer or state.sync)


def test_password_login_from_the_device(row: tuple[State, Ways]) -> None:
    state, ways = row
    status_code, word = state.login
    answer = ways.login()
    assert answer.status_code == status_code, answer.text
    if state.name != "warned":
        assert answer.headers.get("X-Device-Status", "") == word
    if status_code == 200 and state.api in (GONE, WIPED):
        assert answer.json()["token"] != ways.token
        check(ways.api("ping", answer.json()["token"]), word or OK, state.name)
    elif status_code == 200:
        assert answer.json()["token"] == ways.token


def test_agent_reports_and_pings(row: tuple[State, Ways]) -> None:
    state, ways = row
    assert ways.site.agent("POST", "/ping/").status_code == state.report
    assert ways.report().status_code == state.report


# Last, for it ends the link in every state that has one.
def test_logging_out_is_open_to_suspended_tokens(row: tuple[State, Ways]) -> None:
    _, ways = row
    known = ways.api("ping").status_code != 401 or "X-Seafile-Wiped" in ways.api("ping").headers
    answer = ways.site.request("POST", "/api2/logout-device/", ways.token)
    assert answer.status_code == (200 if known else 401)
    check(ways.api("ping"), GONE, "")
