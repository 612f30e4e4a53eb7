"""Cases 90 to 125: MetaAccess."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.conformance.site import HWID, MACS, SIGHTED_MAC, Site

ACTION = "/o/api/v3/devices/action"
CALLBACK = "https://nac.example.org/back"
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.fixture
def token(site: Site) -> str:
    """An access token; the rate is as wide as the cases want it."""
    site.settings(metaaccess_rate_limit=1000)
    return site.oauth_token()


def credentials(site: Site, **more: str) -> dict[str, str]:
    return {"client_id": site.facts.client_id, "client_secret": site.facts.client_secret, **more}


def ask(site: Site, form: dict[str, str], method: str = "POST") -> httpx.Response:
    """Ask the token endpoint, by GET with everything in the query."""
    place = {"params": form} if method == "GET" else {"data": form}
    return site.server.request(method, "/o/oauth/token", **place)


def call(
    site: Site, token: str | None, path: str, body: Any = None, method: str = "POST", **more: Any
) -> httpx.Response:
    """Make a call with the token in the query."""
    parameters = {} if token is None else {"access_token": token}
    parameters |= more.pop("params", {})
    options = more if body is None else {"json": body, **more}
    return site.server.request(method, "/o/api" + path, params=parameters, **options)


def act(site: Site, token: str, types: Any, **body: Any) -> Any:
    """Send an action that has to be answered with 200."""
    answer = call(site, token, "/v3/devices/action", {"types": types, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def status(site: Site, token: str, key: str = HWID) -> str:
    """Return the word for a device."""
    return str(call(site, token, "/v3/devices/detail", {"ids": [key]}).json()[0]["status"])


def group_id(site: Site, token: str, name: str) -> str:
    groups = call(site, token, "/v3/groups", {"search": name}).json()
    return str(next(group["group_id"] for group in groups if group["group_name"] == name))


def magic_groups(site: Site) -> list[str]:
    """Return G's groups in Device Magic's words."""
    device = site.magic("GET", f"/devices/{site.workstation['id']}.json").json()
    return [group["name"] for group in device["groups"]]


def code(site: Site) -> str:
    """Log the administrator in, let the application in, and return the code that the browser takes along."""
    accounts = site.server.services.accounts
    accounts.set_password(accounts.get_by_email("root@example.org"), "pw-root")
    asked = {
        "client_id": site.facts.client_id,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "state": "s1",
    }
    with httpx.Client(base_url=site.server.url, timeout=60) as browser:
        page = browser.get("/o/oauth/authorize", params=asked)
        login = page.headers["Location"]
        form = {"username": "root@example.org", "password": "pw-root", "form_token": _hidden(browser, login)}
        consent = browser.post(login, data=form).headers["Location"]
        answer = browser.post(consent, data={"decision": "allow", "form_token": _hidden(browser, consent)})
    assert answer.status_code == 302, answer.text
    assert answer.headers["Location"].startswith(CALLBACK + "?code=")
    parameters = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert parameters["state"] == ["s1"]
    return parameters["code"][0]


def _hidden(browser: httpx.Client, path: str) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', browser.get(path).text)
    assert found is not None
    return found[1]


# -- tokens --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [pytest.param("POST", id="case_090"), pytest.param("GET", id="case_091")])
def test_client_credentials_give_a_token(site: Site, method: str) -> None:
    answer = ask(site, credentials(site, grant_type="client_credentials"), method)
    assert answer.status_code == 200
    body = answer.json()
    assert body["access_token"]
    assert body["token_type"]
    assert body["expires_in"] > 0
    assert answer.headers["Cache-Control"] == "no-store"
    assert call(site, body["access_token"], "/v2/account", method="GET").status_code == 200


def test_case_092_a_wrong_secret_is_refused(site: Site) -> None:
    form = {**credentials(site, grant_type="client_credentials"), "client_secret": "WRONG"}
    answer = ask(site, form)
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"


def test_case_093_a_code_gives_tokens_once(site: Site) -> None:
    form = credentials(site, grant_type="authorization_code", redirect_uri=CALLBACK, code=code(site))
    answer = ask(site, form)
    assert answer.status_code == 200
    assert answer.json()["refresh_token"]
    again = ask(site, form)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


def test_case_094_refreshing_by_get_gives_a_new_refresh_token(site: Site) -> None:
    first = ask(site, credentials(site, grant_type="client_credentials")).json()["refresh_token"]
    form = credentials(site, grant_type="refresh_token", refresh_token=first)
    answer = ask(site, form, "GET")
    assert answer.status_code == 200
    assert answer.json()["refresh_token"] != first
    assert ask(site, form, "GET").status_code == 400


def test_case_095_nobody_is_sent_to_an_address_that_is_not_registered(site: Site) -> None:
    asked = {
        "client_id": site.facts.client_id,
        "redirect_uri": "https://evil.example.org/",
        "response_type": "code",
    }
    answer = site.server.request("GET", "/o/oauth/authorize", params=asked)
    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert answer.headers["Content-Type"].startswith("text/html")


def test_case_096_without_a_good_token_nothing_is_done(site: Site) -> None:
    for shown in (None, "rubbish", "0" * 40):
        answer = call(site, shown, "/v3/devices/action", {"types": "delete", "ids": [HWID]})
        assert answer.status_code == 401
        assert answer.json()["error"] == "invalid_token"
    assert site.workstation["removed_at"] is None


def test_case_097_a_token_ends_with_its_time(site: Site, token: str) -> None:
    assert call(site, token, "/v2/account", method="GET").status_code == 200
    site.move_clock(3601)
    assert call(site, token, "/v2/account", method="GET").status_code == 401


# -- actions -------------------------------------------------------------------------------------------------


def test_case_098_exempting_a_device_shows(site: Site, token: str) -> None:
    assert act(site, token, "exempt", ids=[HWID], params={"exempt_time": 48}) == {HWID: 1}
    assert status(site, token) == "exempted"


def test_case_099_ending_an_exemption_twice_is_fine(site: Site, token: str) -> None:
    for _ in range(2):
        assert act(site, token, "unexempt", ids=[HWID]) == {HWID: 1}


def test_case_100_an_unknown_device_cannot_be_exempted(site: Site, token: str) -> None:
    assert act(site, token, "exempt", macs=[SIGHTED_MAC]) == {SIGHTED_MAC: -1}


def test_case_101_an_unknown_device_can_be_ignored(site: Site, token: str) -> None:
    for action, word in (("ignore", "ignored"), ("unignore", "unknown")):
        assert act(site, token, action, macs=[SIGHTED_MAC]) == {SIGHTED_MAC: 1}
        assert status(site, token, SIGHTED_MAC) == word


def test_case_102_a_managed_device_cannot_be_ignored(site: Site, token: str) -> None:
    assert act(site, token, "ignore", ids=[HWID]) == {HWID: -1}


def test_case_103_renewing_the_address_needs_an_agent(site: Site, token: str) -> None:
    without = site.laptop["hwid"]
    assert act(site, token, "dhcprenew", ids=[HWID, without]) == {HWID: 1, without: -1}
    assert "dhcp_renew" in site.agent("GET", "/commands/").text


def test_case_104_identifying_anew_needs_an_agent(site: Site, token: str) -> None:
    assert act(site, token, "re-identify", ids=[HWID]) == {HWID: 1}
    assert act(site, token, "re-identify", macs=[SIGHTED_MAC]) == {SIGHTED_MAC: -1}


def test_case_105_assigning_to_a_group_makes_it_the_first(site: Site, token: str) -> None:
    sales = group_id(site, token, "Sales")
    assert act(site, token, "assign_to_group", ids=[HWID], params={"group_id": sales}) == {HWID: 1}
    assert magic_groups(site)[0] == "Sales"


def test_case_106_a_group_that_does_not_exist_is_a_failure(site: Site, token: str) -> None:
    before = magic_groups(site)
    for unknown in ("99999", "Sales", "", "9" * 30, "-1"):
        assert act(site, token, "assign_to_group", ids=[HWID], params={"group_id": unknown}) == {HWID: 0}
    assert magic_groups(site) == before


def test_case_107_without_a_group_it_is_the_default_one(site: Site, token: str) -> None:
    sales = group_id(site, token, "Sales")
    act(site, token, "assign_to_group", ids=[HWID], params={"group_id": sales})
    assert act(site, token, "assign_to_group", ids=[HWID]) == {HWID: 1}
    assert magic_groups(site)[0] == "Default"


def test_case_108_a_domain_controller_is_not_assigned(site: Site, token: str) -> None:
    path = f"/devices/{site.workstation['id']}/"
    assert site.admin("PATCH", path, json={"is_domain_controller": True}).status_code == 200
    assert act(site, token, "assign_to_group", ids=[HWID]) == {HWID: -1}


def test_case_109_known_and_unknown_devices_come_in_one_answer(site: Site, token: str) -> None:
    assert act(site, token, "exempt", ids=[HWID, "nope"]) == {HWID: 1, "nope": 0}


def refused(site: Site, token: str, *bodies: dict[str, Any]) -> None:
    """Check that bodies are refused and nothing is done."""
    for body in bodies:
        answer = call(site, token, "/v3/devices/action", body)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), body
    assert status(site, token) == "installed"


def test_case_110_ids_and_addresses_do_not_go_together(site: Site, token: str) -> None:
    both = {"types": "exempt", "ids": [HWID]}
    refused(site, token, {**both, "macs": MACS}, {**both, "macs": []})


def test_case_111_devices_are_named_in_a_list_of_texts(site: Site, token: str) -> None:
    wrong: list[dict[str, Any]] = [{}, {"ids": []}, {"ids": "x"}, {"ids": [1]}]
    refused(site, token, *({"types": "exempt", **one} for one in wrong))


def test_case_112_the_action_is_one_known_word(site: Site, token: str) -> None:
    wrong: list[dict[str, Any]] = [
        {},
        {"types": "Exempt"},
        {"types": ["exempt"]},
        {"types": "fetch_agent_log"},
    ]
    refused(site, token, *({"ids": [HWID], **one} for one in wrong))


def test_case_113_an_exemption_lasts_less_than_65000_whole_hours(site: Site, token: str) -> None:
    wrong: list[Any] = [-1, 65000, 1.5, "5"]
    body = {"types": "exempt", "ids": [HWID]}
    refused(site, token, *({**body, "params": {"exempt_time": one}} for one in wrong))
    assert act(site, token, "exempt", ids=[HWID], params={"exempt_time": 64999}) == {HWID: 1}
    assert status(site, token) == "exempted"


def test_case_114_addresses_are_read_in_any_spelling(site: Site, token: str) -> None:
    for spelled in ("00-16-3E-AA-01-7F", "0016.3eaa.017f", "00163eaa017f"):
        assert act(site, token, "exempt", macs=[spelled]) == {spelled: 1}


def test_case_115_a_deleted_device_is_gone_everywhere(site: Site, token: str) -> None:
    device = site.workstation
    assert act(site, token, "delete", ids=[HWID]) == {HWID: 1}
    assert site.mfp("DELETE", f"/runtimes/mfp/devices/{device['uid']}").status_code == 404
    assert site.magic("GET", f"/devices/{device['id']}.json").status_code == 404
    assert site.use(site.facts.tg).status_code == 401


# -- rates and forms -----------------------------------------------------------------------------------------


def test_case_116_the_eleventh_call_in_a_minute_is_refused(site: Site) -> None:
    token = site.oauth_token()
    answers = [call(site, token, "/v2/account", method="GET") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == [*"9876543210", "0"]
    assert {answer.headers["X-RateLimit-Limit"] for answer in answers} == {"10"}
    assert all("X-RateLimit-Reset-Time" in answer.headers for answer in answers)
    last = answers[-1]
    assert last.headers["Retry-After"] == last.headers["X-RateLimit-Reset-Time"]
    assert 1 <= int(last.headers["Retry-After"]) <= 60
    assert last.json()["error"] == "rate_limit_exceeded"


def test_case_117_a_minute_later_calls_go_through(site: Site) -> None:
    token = site.oauth_token()
    answers = [call(site, token, "/v2/account", method="GET") for _ in range(11)]
    assert answers[-1].status_code == 429
    site.move_clock(61)
    assert call(site, token, "/v2/account", method="GET").status_code == 200


def test_case_118_verb_media_type_and_json_are_checked(site: Site, token: str) -> None:
    assert call(site, token, "/v3/devices/action", method="GET").status_code == 405
    plain: dict[str, Any] = {"content": b"types=exempt", "headers": {"Content-Type": "text/plain"}}
    assert call(site, token, "/v3/devices/action", **plain).status_code == 415
    broken: dict[str, Any] = {"content": b'{"types": ', "headers": {"Content-Type": "application/json"}}
    assert call(site, token, "/v3/devices/action", **broken).status_code == 400


# -- reading -------------------------------------------------------------------------------------------------


def test_case_119_lists_have_managed_and_unknown_devices(site: Site, token: str) -> None:
    answer = call(site, token, "/v3/devices", {"limit": 50, "page": 1})
    assert answer.status_code == 200
    rows = {row["device_id"]: row for row in answer.json()}
    assert rows[HWID]["mac_addresses"] == MACS
    assert rows[HWID]["status"] == "installed"
    [seen] = [row for row in rows.values() if SIGHTED_MAC in row["mac_addresses"]]
    assert seen["status"] == "unknown"


def test_case_120_limits_and_pages_have_bounds(site: Site, token: str) -> None:
    assert call(site, token, "/v3/devices", {"limit": 51}).status_code == 406
    assert call(site, token, "/v3/devices", {"page": 999}).status_code == 413
    assert len(call(site, token, "/v3/devices", {}).json()) == 1


def test_case_121_details_are_found_by_address(site: Site, token: str) -> None:
    [device] = call(site, token, "/v3/devices/detail", {"ids": [MACS[1]]}).json()
    assert device["device_id"] == HWID
    assert [each["mac"] for each in device["network_info"]] == MACS


def test_case_122_groups_are_listed_with_their_sizes(site: Site, token: str) -> None:
    groups = call(site, token, "/v3/groups", {"limit": 50}).json()
    assert [group["group_name"] for group in groups] == ["Default", "Field", "Sales"]
    assert groups[0]["number_of_devices"] >= 3
    assert all(isinstance(group["group_id"], str) for group in groups)


def test_case_123_the_old_details_are_found_by_address(site: Site, token: str) -> None:
    answer = call(site, token, f"/v2.1/devices/{MACS[0]}", method="GET", params={"opt": "1"})
    assert answer.status_code == 200
    body = answer.json()
    assert body["hwid"] == HWID
    assert RFC3339.fullmatch(body["last_seen"])
    assert body["total_critical_issue"] == 0


def test_case_124_the_old_removal_answers_by_position(site: Site, token: str) -> None:
    answer = call(site, token, "/v2/devices/delete", {"HWID_list": [HWID, "x"], "opt": 1})
    assert (answer.status_code, answer.json()) == (200, {"result": [1, 0]})
    assert site.devices(q=HWID) == []


def test_case_125_later_versions_answer_a_list(site: Site, token: str) -> None:
    answer = call(site, token, "/v3.2/devices/action", {"types": "exempt", "ids": [HWID, "x"]})
    assert answer.json() == [
        {"id": HWID, "status": 1, "command_id": ""},
        {"id": "x", "status": 0, "command_id": ""},
    ]
