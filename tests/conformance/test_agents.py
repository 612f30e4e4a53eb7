"""Cases 126 to 133: agents and enrolment."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.site import AGENT, DAY, HWID, MACS, SIGHTED_MAC, Site

DISK = [{"code": "disk_encryption", "severity": "critical"}]


def commands(site: Site, token: str | None = None) -> list[dict[str, Any]]:
    answer = site.agent("GET", "/commands/", token)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def order(site: Site, kind: str, **values: Any) -> int:
    answer = site.admin("POST", f"/devices/{site.workstation['id']}/commands/", json={"type": kind, **values})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def test_case_126_nobody_enrols_without_a_credential(site: Site) -> None:
    before = len(site.devices())
    body = {"hwid": "0123456789ABCDEF", "platform": "linux"}
    for headers in ({}, {"Authorization": "Enrol"}, {"Authorization": "Enrol wrong"}):
        answer = site.server.request("POST", AGENT + "/enroll/", json=body, headers=headers)
        assert answer.status_code == 401
    assert len(site.devices()) == before


def test_case_127_a_code_for_one_use_is_good_once(site: Site) -> None:
    code = site.enrolment_code(max_uses=1)
    assert site.enrol(code).status_code == 201
    assert site.enrol(code, hwid="ANOTHER-HWID").status_code == 401


def test_a_code_ends_at_its_time(site: Site) -> None:
    code = site.enrolment_code(max_uses=0, expires_at="2026-01-01T00:00:00Z")
    assert site.enrol(code).status_code == 401


def test_case_128_enrolling_again_gives_a_new_token_to_the_same_record(site: Site) -> None:
    answer = site.enrol(hwid=HWID.lower(), macs=MACS, client_ids=["b" * 40])
    assert answer.status_code == 200
    assert answer.json()["uid"] == site.workstation["uid"]
    assert answer.json()["agent_token"] != site.facts.ag
    assert site.agent("POST", "/ping/").status_code == 401
    assert site.agent("POST", "/ping/", answer.json()["agent_token"]).status_code == 200


def test_case_129_a_sighting_becomes_a_managed_device(site: Site) -> None:
    sighting = site.sighting
    answer = site.enrol(hwid="PRINTER-0001", macs=[SIGHTED_MAC], hostname="printer-2")
    assert (answer.status_code, answer.json()["uid"]) == (200, sighting["uid"])
    assert site.sighting["kind"] == "managed"


def test_case_130_an_agent_finds_the_laptop_by_its_client_id(site: Site) -> None:
    laptop = site.laptop
    answer = site.enrol(hwid="MARA-LAPTOP-01", client_ids=["a" * 40])
    assert (answer.status_code, answer.json()["uid"]) == (200, laptop["uid"])
    assert site.use(site.facts.tl).status_code == 200
    assert site.sync().status_code == 200
    for hwid in ("mara-laptop-01", laptop["hwid"]):
        assert site.act("exempt", ids=[hwid]).json() == {hwid: 1}
        assert site.metaaccess_status(hwid) == "exempted"
    assert site.laptop["aliases"] == [laptop["hwid"]]


def test_case_131_posture_is_judged_at_once(site: Site) -> None:
    site.settings(posture_policy=DISK)
    answer = site.agent("PUT", "/report/", json={"posture": {"disk_encryption": False}})
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ACTIVE",
        "access": "allowed",
        "posture": "non_compliant",
        "issues": [{"code": "disk_encryption", "severity": "critical", "text": "The disk is not encrypted"}],
        "commands": 0,
    }
    assert site.metaaccess_status(HWID) == "non_compliant"
    again = site.agent("PUT", "/report/", json={"posture": {"disk_encryption": None}})
    assert again.json()["posture"] == "compliant"


def test_case_132_a_command_comes_again_until_its_result(site: Site) -> None:
    number = order(site, "dhcp_renew")
    for _ in range(2):
        (command,) = commands(site)
        assert (command["id"], command["type"], command["params"]) == (number, "dhcp_renew", {})
    for status in ("done", "failed"):
        answer = site.agent("POST", f"/commands/{number}/result/", json={"status": status, "detail": "x"})
        assert answer.status_code == 200
    assert commands(site) == []
    (told,) = site.admin("GET", f"/devices/{site.workstation['id']}/commands/").json()["commands"]
    assert told["state"] == "done"


def test_the_result_of_somebody_elses_command_is_not_found(site: Site) -> None:
    order(site, "report_now")
    other = site.enrol().json()
    (command,) = commands(site)
    path = f"/commands/{command['id']}/result/"
    answer = site.agent("POST", path, other["agent_token"], json={"status": "done"})
    assert answer.status_code == 404


def test_case_133_a_retired_agent_leaves_the_client_alone(site: Site) -> None:
    assert site.agent("DELETE", "/self/").status_code == 204
    assert site.agent("POST", "/ping/").status_code == 401
    assert site.use(site.facts.tg).status_code == 200


# -- what the cases do not number ----------------------------------------------------------------------------


def test_a_blocked_device_cannot_be_enrolled_anew(site: Site) -> None:
    site.server.services.registry.apply(
        site.workstation["id"], site.server.services.registry.actions.set_status("LOST"), _operator()
    )
    answer = site.enrol(hwid=HWID, macs=MACS)
    expected = {"error_msg": "This device is blocked (LOST).", "device_status": "LOST"}
    assert (answer.status_code, answer.json()) == (403, expected)
    with_own_token = site.enrol(hwid=HWID, macs=MACS, agent_token=site.facts.ag)
    assert with_own_token.status_code == 200


def test_a_cloned_disk_is_refused(site: Site) -> None:
    assert site.agent("PUT", "/report/", json={}).status_code == 200
    answer = site.enrol(hwid=HWID, macs=["00:16:3e:cc:00:01"], client_ids=["c" * 40])
    assert answer.status_code == 409
    site.move_clock(3700)
    assert site.enrol(hwid=HWID, macs=["00:16:3e:cc:00:01"], client_ids=["c" * 40]).status_code == 200


def test_a_user_enrols_his_own_device_and_nobody_elses(site: Site) -> None:
    headers = {"Authorization": f"Token {site.facts.tp}"}
    body = {"hwid": "MARA-LAPTOP-01", "platform": "linux", "client_ids": ["a" * 40, "b" * 40]}
    answer = site.server.request("POST", AGENT + "/enroll/", headers=headers, json=body)
    assert (answer.status_code, answer.json()["uid"]) == (200, site.laptop["uid"])
    stolen = site.server.request("POST", AGENT + "/enroll/", headers=headers, json={**body, "hwid": HWID})
    assert stolen.status_code == 409
    fresh = {"hwid": "MARA-DESKTOP-1", "platform": "windows"}
    made = site.server.request("POST", AGENT + "/enroll/", headers=headers, json=fresh)
    assert made.status_code == 201
    assert [link["user"] for link in site.device("MARA-DESKTOP-1")["links"]] == ["mara@example.org"]


@pytest.mark.parametrize(
    "changes",
    [
        {"hwid": "short"},
        {"hwid": None},
        {"hwid": "has blanks in it"},
        {"platform": "amiga"},
        {"platform": None},
        {"macs": "00:16:3e:aa:01:7f"},
        {"macs": ["rubbish"]},
        {"client_ids": [7]},
        {"machine_type": "fridge"},
        {"hostname": 7},
        {"interfaces": [{"mac": MACS[0], "ipv4": "rubbish"}]},
    ],
)
def test_bad_fields_are_refused_and_the_code_is_not_used_up(site: Site, changes: dict[str, Any]) -> None:
    code = site.enrolment_code(max_uses=1)
    assert site.enrol(code, **changes).status_code == 400
    assert site.enrol(code).status_code == 201


def test_a_code_brings_a_device_into_its_group_approved(site: Site) -> None:
    site.settings(require_approval=True)
    plain = site.enrol(hwid="PLAIN-0001", hostname="plain").json()
    code = site.enrolment_code(group="Sales", auto_approve=True)
    chosen = site.enrol(code, hwid="CHOSEN-0001", hostname="chosen").json()
    assert (plain["approval"], chosen["approval"]) == ("pending", "approved")
    assert [group["name"] for group in site.device("PLAIN-0001")["groups"]] == ["Default"]
    assert [group["name"] for group in site.device("CHOSEN-0001")["groups"]] == ["Sales"]


def test_a_report_is_kept(site: Site) -> None:
    report = {
        "hostname": "ines-p1",
        "os_name": "Fedora 41",
        "os_version": "41",
        "model": "ThinkPad P1",
        "agent_version": "1.4.0",
        "interfaces": [
            {"name": "eth0", "mac": MACS[0], "ipv4": "192.0.2.5", "ipv6": "fe80::1", "dhcp": True}
        ],
        "apps": [{"name": "editor", "version": "3"}],
        "users": ["ines"],
        "errors": [{"repo_id": site.facts.library, "message": "The disk is full."}],
    }
    assert site.agent("PUT", "/report/", json=report).status_code == 200
    device = site.workstation
    assert (device["os_name"], device["model"], device["users"]) == ("Fedora 41", "ThinkPad P1", ["ines"])
    told = next(each for each in device["interfaces"] if each["mac"] == MACS[0])
    assert (told["name"], told["ipv4"], told["dhcp"]) == ("eth0", "192.0.2.5", True)
    assert {"name": "editor", "app_id": "editor$linux$3", "version": "3", "status": "ENABLED"} in device[
        "apps"
    ]
    (error,) = site.request("GET", "/api/v2.1/admin/device-errors/", site.facts.adm).json()
    assert (error["repo_name"], error["error_msg"]) == ("notes", "The disk is full.")


def test_the_users_answer_becomes_the_owner(site: Site) -> None:
    number = order(site, "re_identify")
    (command,) = commands(site)
    detail = '{"owner": "Ines K.", "room": "4.11"}'
    site.agent("POST", f"/commands/{number}/result/", json={"status": "done", "detail": detail})
    assert command["type"] == "re_identify"
    assert site.workstation["owner"] == "Ines K."
    assert site.workstation["custom_attributes"] == {"identity.room": "4.11"}


def test_waiting_for_commands_ends_when_there_is_one(site: Site) -> None:
    order(site, "message", text="hello")
    (command,) = site.agent("GET", "/commands/", params={"wait": "25"}).json()
    assert command["params"] == {"text": "hello"}
    assert site.agent("GET", "/commands/", params={"wait": "26"}).status_code == 400


def test_an_agent_that_was_uninstalled_is_gone(site: Site) -> None:
    number = order(site, "uninstall_agent")
    commands(site)
    site.agent("POST", f"/commands/{number}/result/", json={"status": "done"})
    assert site.agent("POST", "/ping/").status_code == 401
    assert site.workstation["agent"] is None


def test_commands_are_given_up_after_thirty_days_but_a_wipe_never(site: Site) -> None:
    order(site, "report_now")
    order(site, "wipe")
    site.move_clock(31 * DAY)
    assert [command["type"] for command in commands(site)] == ["wipe"]


def test_enrolling_again_cancels_what_was_ordered_before(site: Site) -> None:
    order(site, "report_now")
    order(site, "wipe")
    token = site.enrol(hwid=HWID, macs=MACS).json()["agent_token"]
    assert [command["type"] for command in commands(site, token)] == ["wipe"]


def _operator() -> Any:
    from seafleet.devices.origin import Origin

    return Origin("user", "root@example.org", "native")
