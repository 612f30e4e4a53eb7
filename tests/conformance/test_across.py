"""Cases 134 to 158: what one dialect does, seen through the others."""

from __future__ import annotations

from typing import Any

from tests.conformance.site import (
    AGENT,
    DAY,
    HWID,
    LAPTOP,
    MACS,
    SIGHTED_MAC,
    WORKSTATION,
    Site,
    email,
)

DISK = [{"code": "disk_encryption", "severity": "critical"}]


def blocked(answer: Any, status: str) -> None:
    assert answer.status_code == 403, answer.text
    assert answer.json()["device_status"] == status
    assert answer.headers["X-Device-Status"] == status


def wiped(answer: Any) -> None:
    assert answer.status_code == 401
    assert answer.headers["X-Seafile-Wiped"] == "true"


def own_devices(site: Site, token: str) -> list[str]:
    return [row["platform"] for row in site.request("GET", "/api2/devices/", token).json()]


def magic_device(site: Site, device: dict[str, Any]) -> dict[str, Any]:
    answer = site.magic("GET", f"/devices/{device['id']}.json")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def enforce(site: Site) -> None:
    """Make G non-compliant and have that refused."""
    site.settings(posture_policy=DISK, posture_mode="enforce")
    answer = site.agent("PUT", "/report/", json={"posture": {"disk_encryption": False}})
    assert answer.json()["posture"] == "non_compliant"


def exempt(site: Site, hours: int) -> None:
    answer = site.act("exempt", ids=[HWID], params={"exempt_time": hours})
    assert answer.json() == {HWID: 1}


# -- lost and stolen -----------------------------------------------------------------------------------------


def test_case_134_a_lost_device_is_refused_everywhere_and_still_listed(site: Site) -> None:
    device = site.laptop
    site.set_status(device, "LOST")
    answer = site.use(site.facts.tl)
    blocked(answer, "LOST")
    assert answer.json()["error_msg"] == "This device has been reported lost."
    refused = site.sync()
    assert (refused.status_code, refused.json()) == (
        403,
        {"reason": "device blocked", "device_status": "LOST"},
    )
    assert site.metaaccess_status(device["hwid"]) == "quarantined"
    assert magic_device(site, device)["pending_approval"] is False
    assert own_devices(site, site.facts.tp) == ["linux", "android"]
    assert site.use(site.facts.tp).status_code == 200


def test_case_135_a_lost_device_cannot_log_in(site: Site) -> None:
    site.set_status(site.laptop, "LOST")
    answer = site.login("mara", LAPTOP)
    assert (answer.status_code, answer.json()) == (
        400,
        {"non_field_errors": ["This device is blocked (LOST)."]},
    )
    assert answer.headers["X-Device-Status"] == "LOST"
    stranger = site.login("mara", LAPTOP, password="wrong")
    assert stranger.json() == {"non_field_errors": ["Unable to login with provided credentials."]}


def test_case_136_setting_it_active_brings_everything_back_without_a_login(site: Site) -> None:
    device = site.laptop
    for status in ("LOST", "DISABLED"):
        site.set_status(device, status)
        blocked(site.use(site.facts.tl), status)
    site.set_status(device, "ACTIVE")
    assert site.use(site.facts.tl).status_code == 200
    assert site.sync().status_code == 200


def test_case_137_a_stolen_device_is_told_to_wipe(site: Site) -> None:
    device = site.laptop
    site.set_status(device, "STOLEN")
    assert site.laptop["wipe"]["state"] == "requested"
    assert site.sync().status_code == 403
    wiped(site.use(site.facts.tl))
    assert own_devices(site, site.facts.tp) == ["android"]
    told = site.laptop["wipe"]
    assert (told["state"], told["source"], told["requested_by"]) == ("delivered", "status", email("ops"))
    wiped(site.use(site.facts.tl))
    report = site.request("POST", "/api2/device-wiped/", data={"token": site.facts.tl})
    assert report.status_code == 200
    assert site.laptop["wipe"]["state"] == "done"
    assert "X-Seafile-Wiped" not in site.use(site.facts.tl).headers


def test_case_138_a_wipe_that_nobody_heard_of_can_be_taken_back(site: Site) -> None:
    device = site.laptop
    site.set_status(device, "STOLEN")
    site.set_status(device, "ACTIVE")
    assert site.laptop["wipe"]["state"] == "none"
    assert site.use(site.facts.tl).status_code == 200
    assert site.sync().status_code == 200


def test_case_139_a_wipe_that_was_heard_of_cannot(site: Site) -> None:
    device = site.laptop
    site.set_status(device, "STOLEN")
    wiped(site.use(site.facts.tl))
    site.set_status(device, "ACTIVE")
    wiped(site.use(site.facts.tl))
    assert site.sync().status_code == 403
    answer = site.login("mara", LAPTOP)
    assert answer.status_code == 200
    assert site.use(answer.json()["token"]).status_code == 200


def test_case_140_a_stolen_device_is_handed_the_wipe_only(site: Site) -> None:
    device = site.workstation
    assert site.act("dhcprenew", ids=[HWID]).json() == {HWID: 1}
    site.set_status(device, "STOLEN")
    handed = site.agent("GET", "/commands/").json()
    assert [command["type"] for command in handed] == ["wipe"]
    assert handed[0]["params"] == {"libraries": "all"}
    site.set_status(device, "ACTIVE")
    handed = site.agent("GET", "/commands/").json()
    assert "dhcp_renew" in [command["type"] for command in handed]


# -- approval ------------------------------------------------------------------------------------------------


def newcomer(site: Site) -> tuple[str, dict[str, Any]]:
    """Log Ines in from a phone that has to wait for approval."""
    site.settings(require_approval=True)
    form = {"platform": "ios", "device_id": "9" * 36, "device_name": "ines-phone"}
    answer = site.login("ines", form)
    assert answer.status_code == 200
    assert answer.headers["X-Device-Status"] == "PENDING_APPROVAL"
    return answer.json()["token"], site.device("ines-phone")


def test_case_141_a_newcomer_waits_for_approval(site: Site) -> None:
    token, device = newcomer(site)
    blocked(site.use(token), "PENDING_APPROVAL")
    assert magic_device(site, device)["pending_approval"] is True
    assert site.mfp_status(device) == "DISABLED"
    assert site.metaaccess_status(device["hwid"]) == "pending"
    assert site.magic("POST", f"/devices/{device['id']}/approve").status_code == 200
    assert site.use(token).status_code == 200
    assert site.mfp_status(device) == "ACTIVE"


def test_case_142_setting_it_active_approves(site: Site) -> None:
    token, device = newcomer(site)
    site.set_status(device, "ACTIVE")
    assert magic_device(site, device)["pending_approval"] is False
    assert site.use(token).status_code == 200


def test_case_143_approving_a_lost_device_leaves_it_lost(site: Site) -> None:
    token, device = newcomer(site)
    site.set_status(device, "LOST")
    assert site.magic("POST", f"/devices/{device['id']}/approve").status_code == 200
    assert site.mfp_status(device) == "LOST"
    blocked(site.use(token), "LOST")


# -- posture -------------------------------------------------------------------------------------------------


def test_case_144_bad_posture_is_refused_with_the_issue(site: Site) -> None:
    enforce(site)
    answer = site.use(site.facts.tg)
    blocked(answer, "NON_COMPLIANT")
    sentence = "This device does not meet the security policy: The disk is not encrypted."
    assert answer.json()["error_msg"] == sentence
    assert site.use(site.facts.tl).status_code == 200


def test_case_145_an_exemption_lasts_until_its_end(site: Site) -> None:
    enforce(site)
    exempt(site, 1)
    assert site.use(site.facts.tg).status_code == 200
    site.settings(clock_offset_seconds=61 * 60, run_daily_task=False)
    blocked(site.use(site.facts.tg), "NON_COMPLIANT")
    site.move_clock(61 * 60)
    assert site.workstation["exemption"] is None
    blocked(site.use(site.facts.tg), "NON_COMPLIANT")


def test_case_146_an_exemption_for_ever_has_to_be_ended(site: Site) -> None:
    enforce(site)
    exempt(site, 0)
    assert site.use(site.facts.tg).status_code == 200
    site.move_clock(3650 * DAY)
    assert site.use(site.facts.tg).status_code == 200
    assert site.act("unexempt", ids=[HWID]).json() == {HWID: 1}
    blocked(site.use(site.facts.tg), "NON_COMPLIANT")


def test_case_147_an_exemption_does_not_help_a_lost_device(site: Site) -> None:
    site.set_status(site.workstation, "LOST")
    exempt(site, 48)
    blocked(site.use(site.facts.tg), "LOST")
    assert site.metaaccess_status(HWID) == "quarantined"


# -- removal -------------------------------------------------------------------------------------------------


def test_case_148_unlinking_one_user_leaves_the_other(site: Site) -> None:
    hers = site.login("mara", WORKSTATION).json()["token"]
    form = {"platform": "linux", "device_id": WORKSTATION["device_id"]}
    assert site.request("DELETE", "/api2/devices/", site.facts.tp, data=form).status_code == 200
    assert site.use(hers).status_code == 401
    assert site.use(site.facts.tg).status_code == 200
    items = site.mfp("GET", "/runtimes/mfp/devices").json()["items"]
    item = next(each for each in items if each["id"] == site.workstation["uid"])
    assert item["userIds"] == [{"str": email("ines")}]


def test_case_149_a_removed_device_starts_anew(site: Site) -> None:
    old = site.laptop
    body = {"device": {"groups": "Sales", "custom_attributes": {"city": "Bonn"}}}
    assert site.magic("PUT", f"/devices/{old['id']}.json", json=body).status_code == 202
    assert site.magic("DELETE", f"/devices/{old['id']}").status_code == 200
    assert site.use(site.facts.tl).status_code == 401
    token = site.login("mara", LAPTOP).json()["token"]
    new = site.laptop
    assert all(new[key] != old[key] for key in ("id", "uid", "identifier"))
    assert [group["name"] for group in new["groups"]] == ["Default"]
    assert new["custom_attributes"] == {}
    assert site.use(token).status_code == 200


def test_case_150_one_that_was_blocked_comes_back_waiting(site: Site) -> None:
    old = site.laptop
    site.set_status(old, "LOST")
    assert site.magic("DELETE", f"/devices/{old['id']}").status_code == 200
    answer = site.login("mara", LAPTOP)
    new = site.laptop
    assert new["id"] != old["id"]
    assert new["approval"] == "pending"
    blocked(site.use(answer.json()["token"]), "PENDING_APPROVAL")
    assert [event["action"] for event in site.events(action="returned_after_block")] == [
        "returned_after_block"
    ]


def test_case_151_the_agent_of_a_removed_device_ends_its_work(site: Site) -> None:
    site.set_status(site.workstation, "STOLEN")
    assert site.act("delete", ids=[HWID]).json() == {HWID: 1}
    handed = site.agent("GET", "/commands/").json()
    assert sorted(command["type"] for command in handed) == ["uninstall_agent", "wipe"]
    report = site.agent("PUT", "/report/", json={})
    assert (report.status_code, report.json()) == (410, {"error_msg": "Device removed.", "wipe": True})
    for command in handed:
        path = f"/commands/{command['id']}/result/"
        assert site.agent("POST", path, json={"status": "done"}).status_code == 200
    gone = site.agent("GET", "/commands/")
    assert (gone.status_code, gone.json()) == (410, {"error_msg": "Device removed.", "wipe": False})


def test_a_wipe_that_was_open_is_still_told_after_the_removal(site: Site) -> None:
    device = site.laptop
    site.set_status(device, "STOLEN")
    assert site.magic("DELETE", f"/devices/{device['id']}").status_code == 200
    wiped(site.use(site.facts.tl))
    assert site.login("mara", LAPTOP).status_code == 200
    wiped(site.use(site.facts.tl))
    assert site.laptop["approval"] == "pending"


# -- the rest ------------------------------------------------------------------------------------------------


def test_case_152_assigning_a_group_replaces_the_primary_one_only(site: Site) -> None:
    device = site.workstation
    path = f"/devices/{device['id']}.json"
    assert site.magic("PUT", path, json={"device": {"groups": "Field,Sales"}}).status_code == 202
    assert site.act("assign_to_group", ids=[HWID]).json() == {HWID: 1}
    assert [group["name"] for group in magic_device(site, device)["groups"]] == ["Default", "Sales"]


def test_case_153_links_made_with_the_token_of_a_lost_device_are_refused(site: Site) -> None:
    path = f"/api2/repos/{site.facts.library}/upload-link/"
    link = site.request("GET", path, site.facts.tl, params={"p": "/"}).json()
    site.set_status(site.laptop, "LOST")
    answer = site.server.http.post(link, data={"parent_dir": "/"}, files={"file": ("a.txt", b"a")})
    assert answer.status_code == 403


def test_case_154_each_change_is_told_once(site: Site) -> None:
    device = site.laptop
    site.set_status(device, "LOST")
    (lost,) = site.events(device=device["id"], dialect="mobilefirst")
    assert lost["actor"] == {"kind": "user", "name": email("ops")}
    assert (lost["before"], lost["after"]) == ({"admin_state": "ACTIVE"}, {"admin_state": "LOST"})
    site.set_status(device, "LOST")
    assert len(site.events(device=device["id"], dialect="mobilefirst")) == 1
    exempt(site, 1)
    (exempted,) = site.events(device=site.workstation["id"], dialect="metaaccess")
    assert exempted["actor"]["kind"] == "oauth_client"
    assert exempted["after"]["exempt_until"] is not None
    _, waiting = newcomer(site)
    site.magic("POST", f"/devices/{waiting['id']}/approve")
    (approved,) = site.events(device=waiting["id"], dialect="devicemagic")
    assert (approved["before"], approved["after"]) == ({"approval": "pending"}, {"approval": "approved"})
    assert approved["actor"]["kind"] == "api_token"
    site.magic("DELETE", f"/devices/{device['id']}")
    (removed,) = site.events(device=device["id"], dialect="devicemagic")
    assert removed["action"] == "removed"
    assert removed["after"]["removed_at"] is not None


def test_case_155_other_organizations_see_nothing(site: Site) -> None:
    device = site.laptop
    assert site.magic("GET", f"/devices/{device['id']}.json", site.facts.t2).status_code == 403
    listed = site.admin("GET", "/organizations/").json()["organizations"]
    second = next(each for each in listed if each["runtime"] == "lab")
    grant = {"user": email("ops"), "role": "mfpoperator", "runtime": "*"}
    assert site.admin("POST", "/role-grants/", json=grant).status_code == 201
    path = f"/runtimes/lab/devices/{device['uid']}"
    assert site.mfp("PUT", path, json={"status": "LOST"}).status_code == 404
    client = {"name": "other", "organization_id": second["id"], "redirect_uris": []}
    made = site.admin("POST", "/oauth-clients/", json=client).json()
    site.facts.client_id, site.facts.client_secret = made["client_id"], made["client_secret"]
    assert site.act("exempt", ids=[HWID]).json() == {HWID: 0}
    assert site.use(site.facts.tl).status_code == 200


def test_case_156_each_credential_works_in_its_own_tree_only(site: Site) -> None:
    people = site.basic("GET", "/api/v2/organizations/1/devices.json", email("ops"), "pw-ops")
    assert people.status_code == 401
    magic = {"access_token": site.facts.t1}
    assert site.server.request("POST", "/o/api/v3/devices", params=magic, json={}).status_code == 401
    assert site.use(site.oauth_token()).status_code == 401
    agent = site.server.request(
        "GET", "/api2/auth/ping/", headers={"Authorization": f"Token {site.facts.ag}"}
    )
    assert agent.status_code == 401


def test_case_157_an_ignored_sighting_that_enrols_is_managed(site: Site) -> None:
    assert site.act("ignore", macs=[SIGHTED_MAC]).json() == {SIGHTED_MAC: 1}
    answer = site.enrol(hwid="PRINTER-0001", macs=[SIGHTED_MAC])
    assert answer.status_code == 200
    device = site.device("PRINTER-0001")
    assert (device["kind"], device["ignored"]) == ("managed", False)
    assert site.metaaccess_status("PRINTER-0001") == "installed"


def test_case_158_out_of_license_devices_are_used_but_not_exempted(site: Site) -> None:
    site.settings(device_limit=1)
    assert site.act("exempt", ids=[HWID]).json() == {HWID: -1}
    assert site.metaaccess_status(HWID) == "out_of_license_usage"
    assert site.use(site.facts.tg).status_code == 200
    site.settings(device_limit=0)
    assert site.act("exempt", ids=[HWID]).json() == {HWID: 1}


def test_time_makes_silent_devices_expire_and_contact_brings_them_back(site: Site) -> None:
    site.move_clock(91 * DAY)
    assert {device["status"] for device in site.devices(kind="managed", organization=1)} == {"EXPIRED"}
    assert site.use(site.facts.tl).status_code == 200
    assert site.laptop["status"] == "ACTIVE"


def test_plain_tokens_can_be_refused_but_not_those_of_administrators(site: Site) -> None:
    plain = site.login("mara").json()["token"]
    site.settings(allow_unbound_tokens=False)
    answer = site.use(plain)
    blocked(answer, "UNBOUND")
    assert answer.json()["error_msg"] == "Device information is required."
    assert site.login("mara").json() == {"non_field_errors": ["Device information is required."]}
    assert site.use(site.facts.tl).status_code == 200
    site.settings(allow_unbound_tokens=True)
    assert site.use(plain).status_code == 200


def test_macs_and_agents_of_the_fixture_are_as_the_cases_say(site: Site) -> None:
    device = site.workstation
    assert device["macs"] == MACS
    assert device["agent"]["type"] == "persistent"
    assert [link["user"] for link in device["links"]] == [email("ines")]
    assert site.sighting["kind"] == "sighting"
    assert site.server.request("POST", AGENT + "/ping/").status_code == 401
