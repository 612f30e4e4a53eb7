"""The registry's own API, for administrators and for a user's own devices.

Source: device registry §9, §10, §13.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.site import HWID, MACS, REGISTRY, SIGHTED_MAC, Site, email

PLACES = [
    ("GET", "/settings/"),
    ("PUT", "/settings/"),
    ("GET", "/organizations/"),
    ("POST", "/organizations/"),
    ("PATCH", "/organizations/1/"),
    ("POST", "/organizations/1/api-token/"),
    ("GET", "/role-grants/"),
    ("GET", "/oauth-clients/"),
    ("GET", "/enrolment-codes/"),
    ("POST", "/observations/"),
    ("GET", "/devices/"),
    ("GET", "/devices/1/"),
    ("PATCH", "/devices/1/"),
    ("POST", "/devices/1/merge/"),
    ("GET", "/devices/1/commands/"),
    ("GET", "/events/"),
    ("PATCH", "/users/mara@example.org/"),
]


@pytest.mark.parametrize(("method", "path"), PLACES)
def test_only_administrators_get_in(site: Site, method: str, path: str) -> None:
    assert site.request(method, REGISTRY + path, site.facts.tl).status_code == 403
    assert site.request(method, REGISTRY + path).status_code == 403
    assert site.request(method, REGISTRY + path, "f" * 40).status_code == 401
    agent = site.server.request(method, REGISTRY + path, headers={"Authorization": f"Device {site.facts.ag}"})
    assert agent.status_code == 403


# -- settings ------------------------------------------------------------------------------------------------


def test_settings_are_changed_together_or_not_at_all(site: Site) -> None:
    before = site.admin("GET", "/settings/").json()
    answer = site.admin("PUT", "/settings/", json={"device_limit": 5, "posture_mode": "rubbish"})
    assert answer.status_code == 400
    assert answer.json()["error_msg"] == "posture_mode invalid."
    assert site.admin("PUT", "/settings/", json={"rubbish": 1}).status_code == 400
    assert site.admin("GET", "/settings/").json() == before
    changed = site.admin("PUT", "/settings/", json={"device_limit": 5}).json()
    assert changed == {**before, "device_limit": 5}


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"a": 1, "a": 2}', "application/json", 400),
        (b"a=1", "application/x-www-form-urlencoded", 415),
        (b"\xff", "application/json", 400),
        (b"[" * 40 + b"]" * 40, "application/json", 400),
        (b"", "application/json", 200),
    ],
)
def test_bodies_are_json_objects(site: Site, body: bytes, content_type: str, status: int) -> None:
    answer = site.admin("PUT", "/settings/", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == status


# -- who may speak -------------------------------------------------------------------------------------------


def test_the_life_of_an_organization(site: Site) -> None:
    made = site.admin("POST", "/organizations/", json={"name": "Third", "runtime": "third"})
    assert made.status_code == 201
    path = f"/organizations/{made.json()['id']}/"
    assert site.admin("POST", "/organizations/", json={"name": "x", "runtime": "third"}).status_code == 409
    assert site.admin("POST", "/organizations/", json={"name": "x", "runtime": "a/b"}).status_code == 400
    assert site.admin("POST", "/organizations/", json={"runtime": "x"}).status_code == 400
    policy = [{"code": "firewall", "severity": "critical"}]
    changed = site.admin("PATCH", path, json={"running": False, "posture_policy": policy}).json()
    assert (changed["running"], changed["posture_policy"]) == (False, policy)
    assert site.admin("PATCH", path, json={"posture_policy": "x"}).status_code == 400
    assert site.admin("PATCH", path, json={"posture_policy": None}).json()["posture_policy"] is None
    token = site.admin("POST", path + "api-token/").json()["token"]
    assert len(token) == 40
    assert site.admin("GET", path).json()["has_api_token"] is True
    assert site.admin("DELETE", path + "api-token/").status_code == 200
    assert site.admin("DELETE", path).json() == {"success": True}
    assert site.admin("GET", path).status_code == 404
    assert site.admin("DELETE", "/organizations/2/").status_code == 409
    runtimes = [each["runtime"] for each in site.admin("GET", "/organizations/").json()["organizations"]]
    assert runtimes == ["mfp", "lab"]


def test_roles_applications_and_codes_come_and_go(site: Site) -> None:
    grant = site.admin(
        "POST", "/role-grants/", json={"user": email("none"), "role": "mfpadmin", "runtime": "*"}
    )
    assert grant.status_code == 201
    for body in ({"user": email("none"), "role": "king", "runtime": "*"}, {"role": "mfpadmin"}):
        assert site.admin("POST", "/role-grants/", json=body).status_code == 400
    unknown = {"user": "nobody@example.org", "role": "mfpadmin", "runtime": "*"}
    assert site.admin("POST", "/role-grants/", json=unknown).status_code == 404
    client = site.admin("POST", "/oauth-clients/", json={"name": "app", "organization_id": 2})
    assert client.status_code == 201
    code = site.admin("POST", "/enrolment-codes/", json={"max_uses": 3, "group": "Sales"})
    assert (code.json()["group"], code.json()["max_uses"]) == ("Sales", 3)
    for kind, made, secret in (
        ("role-grants", grant, None),
        ("oauth-clients", client, "client_secret"),
        ("enrolment-codes", code, "code"),
    ):
        number = made.json()["id"]
        listed = site.admin("GET", f"/{kind}/").json()[kind.replace("-", "_")]
        (row,) = [each for each in listed if each["id"] == number]
        if secret is not None:
            assert made.json()[secret]
            assert secret not in row
        assert site.admin("DELETE", f"/{kind}/{number}/").json() == {"success": True}
        assert site.admin("DELETE", f"/{kind}/{number}/").status_code == 404
        assert site.admin("DELETE", f"/{kind}/rubbish/").status_code == 400


def test_observations_are_new_once(site: Site) -> None:
    body = {"organization_id": 1, "mac": "0016.3ebb.0099", "ip": "192.0.2.80", "hostname": "tv"}
    assert site.admin("POST", "/observations/", json=body).status_code == 201
    assert site.admin("POST", "/observations/", json=body).status_code == 200
    assert site.admin("POST", "/observations/", json={**body, "mac": "rubbish"}).status_code == 400
    assert site.admin("POST", "/observations/", json={**body, "organization_id": 9}).status_code == 404


# -- devices -------------------------------------------------------------------------------------------------


def test_a_device_is_shown_with_all_its_keys(site: Site) -> None:
    device = site.workstation
    by_uid = site.admin("GET", f"/devices/{device['uid']}/").json()
    by_number = site.admin("GET", f"/devices/{device['id']}/").json()
    assert by_uid == by_number == device
    documented = {
        "id", "uid", "identifier", "hwid", "macs", "links", "apps", "groups", "approval", "admin_state",
        "expired", "wipe", "posture", "exemption", "license", "access", "pending", "row_version",
    }  # fmt: skip
    assert documented <= device.keys()
    assert device["access"] == {"allowed": True, "reason": None}
    assert device["wipe"].keys() == {
        "state", "source", "requested_at", "requested_by", "delivered_at", "done_at",
    }  # fmt: skip
    assert device["identifier"] == f"Linux_{device['uid']}"
    assert device["macs"] == MACS
    for path in ("/devices/999999/", "/devices/rubbish/", "/devices/" + "9" * 30 + "/"):
        assert site.admin("GET", path).status_code == 404


@pytest.mark.parametrize("sort", ["id", "-id", "name", "-name", "status", "last_seen", "-uid", "enrolled"])
def test_cursors_lead_through_the_whole_list(site: Site, sort: str) -> None:
    seen: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        page = site.admin("GET", "/devices/", params={"sort": sort, "limit": "2", "cursor": cursor}).json()
        seen += [device["id"] for device in page["devices"]]
        assert page["total"] == 5
        cursor = page["next_cursor"]
    assert sorted(seen) == sorted(set(seen))
    assert len(seen) == 5


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": "0"},
        {"limit": "501"},
        {"limit": "x"},
        {"sort": "rubbish"},
        {"cursor": "rubbish"},
        {"cursor": "WyJuYW1lIiwxLDFd"},
        {"kind": "rubbish"},
        {"status": "rubbish"},
        {"organization": "x"},
    ],
)
def test_wrong_parameters_are_refused(site: Site, parameters: dict[str, str]) -> None:
    assert site.admin("GET", "/devices/", params=parameters).status_code == 400


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({"kind": "sighting"}, 1),
        ({"organization": "2"}, 1),
        ({"user": email("mara")}, 2),
        ({"group": "Default"}, 4),
        ({"group": "Sales"}, 0),
        ({"group": "rubbish"}, 0),
        ({"status": "ACTIVE"}, 4),
        ({"status": "installed"}, 4),
        ({"status": "unknown"}, 1),
        ({"q": "MARA"}, 2),
        ({"q": HWID.lower()}, 1),
        ({"q": SIGHTED_MAC}, 1),
        ({"q": "%"}, 0),
        ({"q": "mara", "kind": "sighting"}, 0),
    ],
)
def test_lists_are_filtered(site: Site, parameters: dict[str, str], count: int) -> None:
    answer = site.admin("GET", "/devices/", params=parameters).json()
    assert (len(answer["devices"]), answer["total"]) == (count, count)


def test_edits_know_the_version(site: Site) -> None:
    device = site.laptop
    path = f"/devices/{device['id']}/"
    body = {
        "display_name": "Mara's laptop",
        "owner": "Mara",
        "description": None,
        "is_domain_controller": True,
    }
    stale = site.admin("PATCH", path, json=body, headers={"If-Match": str(device["row_version"] - 1)})
    assert stale.status_code == 412
    fresh = site.admin("PATCH", path, json=body, headers={"If-Match": f'"{device["row_version"]}"'})
    assert fresh.status_code == 200
    changed = fresh.json()
    assert (changed["display_name"], changed["owner"]) == ("Mara's laptop", "Mara")
    assert changed["is_domain_controller"] is True
    assert changed["row_version"] == device["row_version"] + 1
    for wrong in ({"display_name": ""}, {"display_name": 7}, {"owner": "x" * 300}, {"owner": None}):
        assert site.admin("PATCH", path, json=wrong).status_code == 400
    assert site.admin("PATCH", path, json=body, headers={"If-Match": "x"}).status_code == 400


def test_two_records_become_one(site: Site) -> None:
    laptop, workstation = site.laptop, site.workstation
    path = f"/devices/{laptop['id']}/merge/"
    answer = site.admin("POST", path, json={"into": workstation["id"]})
    assert answer.status_code == 200
    assert {link["user"] for link in answer.json()["links"]} == {email("mara"), email("ines")}
    assert site.use(site.facts.tl).status_code == 200
    led = site.admin("GET", f"/devices/{laptop['uid']}/").json()
    assert led["id"] == workstation["id"]
    gone = site.admin("GET", f"/devices/{laptop['id']}/", params={"removed": "true"}).json()
    assert gone["merged_into"] == workstation["id"]
    assert site.admin("POST", path, json={}).status_code == 400
    sighting = site.sighting
    answer = site.admin("POST", f"/devices/{sighting['id']}/merge/", json={"into": workstation["id"]})
    assert answer.status_code == 409


def test_commands_are_ordered_told_and_cancelled(site: Site) -> None:
    path = f"/devices/{site.workstation['id']}/commands/"
    made = site.admin("POST", path, json={"type": "message", "text": "hello"})
    assert (made.status_code, made.json()["params"]) == (201, {"text": "hello"})
    assert site.workstation["pending"] == ["message"]
    assert site.admin("POST", path, json={"type": "message"}).status_code == 400
    assert site.admin("POST", path, json={"type": "rubbish"}).status_code == 400
    number = made.json()["id"]
    assert site.admin("DELETE", f"{path}{number}/").json() == {"success": True}
    assert site.admin("DELETE", f"{path}{number}/").status_code == 409
    assert site.admin("DELETE", f"{path}999999/").status_code == 404
    assert [each["state"] for each in site.admin("GET", path).json()["commands"]] == ["cancelled"]
    without_agent = f"/devices/{site.laptop['id']}/commands/"
    assert site.admin("POST", without_agent, json={"type": "report_now"}).status_code == 409


# -- the log -------------------------------------------------------------------------------------------------


def test_the_log_tells_who_did_what(site: Site) -> None:
    laptop = site.laptop
    site.admin("PATCH", f"/devices/{laptop['id']}/", json={"owner": "Andrea"})
    (event, *_) = site.events(device=str(laptop["id"]))
    assert event["actor"] == {"kind": "user", "name": "root@example.org"}
    assert (event["dialect"], event["action"]) == ("native", "edited")
    assert (event["before"], event["after"]) == ({"owner": None}, {"owner": "Andrea"})
    assert event["device"] == {"id": laptop["id"], "uid": laptop["uid"], "name": "mara-x13"}
    assert event["address"] == "127.0.0.1"
    assert event["request_id"]
    assert site.events(device=laptop["uid"], action="edited") == [event]
    assert site.events(actor="nobody") == []
    page: Any = site.admin("GET", "/events/", params={"limit": "2"}).json()
    following = site.admin("GET", "/events/", params={"limit": "2", "cursor": page["next_cursor"]}).json()
    assert following["events"][0]["id"] < page["events"][-1]["id"]
    for wrong in ({"since": "rubbish"}, {"cursor": "x"}, {"limit": "0"}):
        assert site.admin("GET", "/events/", params=wrong).status_code == 400
    assert site.events(since="2999-01-01T00:00:00Z") == []


def test_users_see_the_log_of_their_own_devices(site: Site) -> None:
    laptop = site.laptop
    site.admin("PATCH", f"/devices/{laptop['id']}/", json={"owner": "Andrea"})
    path = "/api/v2.1/devices/events/"
    hers = site.request("GET", path, site.facts.tp).json()["events"]
    assert "edited" in [event["action"] for event in hers]
    other = site.request("GET", path, site.facts.tg).json()["events"]
    assert laptop["id"] not in [event["device"]["id"] for event in other]
    assert site.request("GET", path).status_code == 403


def test_the_clock_cannot_be_moved_on_an_ordinary_server(site: Site) -> None:
    settings = site.server.services.registry.settings
    settings.test_clock = False
    answer = site.admin("PUT", "/settings/", json={"clock_offset_seconds": 5})
    assert (answer.status_code, answer.json()["error_msg"]) == (400, "clock_offset_seconds invalid.")
    assert "clock_offset_seconds" not in site.admin("GET", "/settings/").json()
