"""Lists, details, groups and the small calls."""

from __future__ import annotations

from typing import Any

import pytest

from seafleet.devices.record import Device
from tests.api.metaaccess.conftest import Caller, error, make_caller
from tests.support.registry import ORIGIN, RegistrySite, Tenant

DISK = [
    {"code": "disk_encryption", "severity": "critical"},
    {"code": "firewall", "severity": "warning"},
    {"code": "report_age", "severity": "warning", "value": 1000},
]
MACS = ["00:16:3e:dd:00:01", "00:16:3e:dd:00:02"]


def report(site: RegistrySite, token: str, **body: Any) -> None:
    """Have an agent report."""
    headers = {"Authorization": f"Device {token}"}
    answer = site.request("PUT", "/api/v2.1/device-agent/report/", headers=headers, json=body)
    assert answer.status_code == 200, answer.text


@pytest.fixture
def device(site: RegistrySite, tenant: Tenant) -> Device:
    """A device with bad posture and much to tell."""
    site.registry.organizations.update(tenant.id, ORIGIN, posture_policy=DISK)
    device, token = site.enrol(
        tenant,
        hostname="mara-x13",
        platform="linux",
        os_name="Fedora 41",
        os_version="41",
        architecture="x86_64",
        machine_type="laptop",
        agent_type="persistent",
        macs=MACS,
    )
    report(
        site,
        token,
        interfaces=[
            {"name": "eth0", "mac": MACS[0], "ipv4": "192.0.2.16", "ipv6": "", "dhcp": True},
            {"name": "wlan0", "mac": MACS[1]},
        ],
        posture={"disk_encryption": False, "firewall": False},
        users=["WORK\\mara"],
    )
    return device


def ids(rows: list[dict[str, Any]]) -> set[str]:
    return {row["device_id"] for row in rows}


# -- one device ----------------------------------------------------------------------------------------------


def test_details_have_everything_that_is_known(
    site: RegistrySite, tenant: Tenant, caller: Caller, device: Device
) -> None:
    [row] = caller.details(device.hwid)
    group = site.registry.groups.all(tenant.id)[0]
    enrolled, seen = row.pop("enrolled_at"), row.pop("last_seen")
    assert enrolled[-1] == seen[-1] == "Z"
    assert row == {
        "device_id": device.hwid,
        "device_name": "mara-x13",
        "nick_name": "mara-x13",
        "status": "non_compliant",
        "status_detail": {},
        "severity": "critical",
        "issue": {"total_issues": 2, "total_critical_issues": 1},
        "group_name": "Default",
        "group_id": str(group.id),
        "agent_type": "persistent",
        "agent_version": "1.4.0",
        "device_type": "laptop",
        "mac_addresses": MACS,
        "os_info": {"family": "Linux", "name": "Fedora 41", "version": "41", "architecture": "64-Bit"},
        "user_info": {"username": "mara", "domain": "WORK"},
        "link_user": {"username": "", "group": ""},
        "public_ip": "127.0.0.1",
        "network_info": [
            {
                "description": "eth0",
                "mac": MACS[0],
                "ipv4": "192.0.2.16",
                "ipv6": "",
                "media_state": "connected",
                "dhcp_enabled": True,
            },
            {
                "description": "wlan0",
                "mac": MACS[1],
                "ipv4": "",
                "ipv6": "",
                "media_state": "unknown",
                "dhcp_enabled": None,
            },
        ],
    }


def test_details_may_leave_out_the_system_and_add_categories(caller: Caller, device: Device) -> None:
    [row] = caller.details(device.hwid, verbose={"system_info": 0, "categories": 1})
    assert row.keys().isdisjoint(("os_info", "user_info", "network_info"))
    assert [(each["category"], each["severity"]) for each in row["categories"]] == [
        ("encryption", "critical"),
        ("firewall", "warning"),
    ]
    assert row["categories"][0]["issues"] == [
        {"code": "disk_encryption", "severity": "critical", "description": "The disk is not encrypted"}
    ]


def test_a_sighting_says_little(site: RegistrySite, tenant: Tenant, caller: Caller) -> None:
    seen = site.registry.get(site.sighting(tenant))
    [row] = caller.details(seen.hwid)
    assert (row["status"], row["agent_type"], row["enrolled_at"]) == ("unknown", "", None)
    assert (row["device_name"], row["group_id"], row["group_name"]) == ("printer", "default", "Default")


def test_an_exempt_device_still_tells_its_issues(caller: Caller, device: Device) -> None:
    caller.act("exempt", ids=[device.hwid], params={"exempt_time": 48})
    [row] = caller.details(device.hwid)
    assert row["status"] == "exempted"
    assert row["status_detail"]["exempt_until"].endswith("Z")
    assert row["issue"]["total_critical_issues"] == 1
    caller.act("exempt", ids=[device.hwid])
    assert caller.details(device.hwid)[0]["status_detail"] == {"exempt_until": None}
    old = caller.get(f"/v2.1/devices/{device.hwid}").json()
    assert [old[key] for key in ("status", "critical_issue", "total_critical_issue", "exempt")] == [
        0,
        0,
        0,
        1,
    ]
    assert old["total_issue"] == 2


def test_details_come_once_for_each_device_that_is_there(
    site: RegistrySite, caller: Caller, device: Device
) -> None:
    stranger, _ = site.enrol(site.tenant())
    rows = caller.details(device.hwid.lower(), "x", stranger.hwid, MACS[0].upper(), device.hwid)
    assert [row["device_id"] for row in rows] == [device.hwid]
    answer = caller.post("/v3/devices/detail", {"ids": [stranger.hwid]})
    assert error(answer) == (404, "not_found")


@pytest.mark.parametrize("name", ["identifier", "uid"])
def test_ids_of_other_apis_are_found_when_asked_for(caller: Caller, device: Device, name: str) -> None:
    key = getattr(device, name)
    assert ids(caller.details(key, opt=1)) == {device.hwid}
    for wrong in ({"ids": [key]}, {"ids": [device.hwid], "opt": 1}):
        assert error(caller.post("/v3/devices/detail", wrong)) == (404, "not_found")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ids": []},
        {"ids": ["x"] * 51},
        {"ids": "x"},
        {"ids": ["x"], "opt": 2},
        {"ids": ["x"], "verbose": 1},
        {"ids": ["x"], "verbose": {"categories": 2}},
    ],
)
def test_wrong_questions_for_details_are_refused(caller: Caller, body: dict[str, Any]) -> None:
    assert error(caller.post("/v3/devices/detail", body)) == (400, "invalid_request")


@pytest.mark.parametrize("version", ["v3.0", "v3.1", "v3.2", "v3.3"])
def test_details_and_lists_have_several_versions(caller: Caller, device: Device, version: str) -> None:
    assert ids(caller.json(f"/{version}/devices/detail", {"ids": [device.hwid]})) == {device.hwid}
    assert ids(caller.json(f"/{version}/devices", {"limit": 50})) == {device.hwid}


def test_the_old_details_are_numbers(caller: Caller, device: Device) -> None:
    for version in ("v2.1", "v2.3", "v2.5"):
        body = caller.get(f"/{version}/devices/{device.hwid}").json()
        assert (body["hwid"], body["hostname"], body["machine_type"]) == (device.hwid, "mara-x13", "laptop")
        assert (body["status"], body["critical_issue"], body["exempt"], body["active"]) == (1, 1, 0, 1)
        assert (body["total_issue"], body["total_critical_issue"]) == (2, 1)
        assert body["network_info"][0] == {
            "mac_addr": MACS[0],
            "ipv4_addr": "192.0.2.16",
            "ipv6_addr": "",
        }


@pytest.mark.parametrize(
    ("value", "opt", "status"),
    [(MACS[0], "1", 200), (MACS[0], "0", 404), ("x", "0", 404), ("x", "1", 404), ("x", "2", 400)],
)
def test_the_old_details_are_found_as_opt_says(
    caller: Caller, device: Device, value: str, opt: str, status: int
) -> None:
    assert caller.get(f"/v2.1/devices/{value}", params={"opt": opt}).status_code == status


def test_information_tells_status_and_categories(caller: Caller, device: Device) -> None:
    body = caller.json("/v3/device_info", {"ids": MACS[0]})
    assert (body["device_id"], body["device_name"]) == (device.hwid, "mara-x13")
    assert (body["status"], body["severity"]) == ("non-compliant", "critical")
    assert [each["category"] for each in body["categories"]] == ["encryption", "firewall"]
    wanted = {"ids": device.hwid, "select": {"categories": ["firewall", "threats"]}}
    assert [each["category"] for each in caller.json("/v3/device_info", wanted)["categories"]] == ["firewall"]
    assert error(caller.post("/v3/device_info", {"ids": "x"})) == (404, "not_found")
    assert error(caller.post("/v3/device_info", {"ids": [device.hwid]})) == (400, "invalid_request")


# -- lists ---------------------------------------------------------------------------------------------------


def test_pages_are_numbered_and_show_each_device_once(
    site: RegistrySite, tenant: Tenant, caller: Caller
) -> None:
    made = {site.enrol(tenant)[0].hwid for _ in range(5)}
    pages = [caller.json("/v3/devices", {"limit": 2, "page": number}) for number in (1, 2, 3)]
    assert [len(rows) for rows in pages] == [2, 2, 1]
    assert set().union(*map(ids, pages)) == made
    answer = caller.post("/v3/devices", {"limit": 2, "page": 4})
    assert error(answer) == (413, "page_out_of_range")


def test_the_first_page_of_nothing_is_empty(caller: Caller) -> None:
    assert caller.json("/v3/devices") == []
    assert caller.json("/v3.5/devices") == {"next_token": None, "devices": []}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"limit": 51}, 406, "limit_too_large"),
        ({"limit": 0}, 400, "invalid_request"),
        ({"limit": "5"}, 400, "invalid_request"),
        ({"limit": 1.0}, 400, "invalid_request"),
        ({"page": 0}, 400, "invalid_request"),
        ({"page": 10**12}, 413, "page_out_of_range"),
        ({"page": 10**30}, 400, "invalid_request"),
        ({"filter": []}, 400, "invalid_request"),
        ({"filter": {"os": "beos"}}, 400, "invalid_request"),
        ({"filter": {"os": []}}, 400, "invalid_request"),
        ({"filter": {"os": [1]}}, 400, "invalid_request"),
        ({"filter": {"category": ["firewall"]}}, 400, "invalid_request"),
        ({"filter": {"group_id": 3}}, 400, "invalid_request"),
    ],
)
def test_wrong_questions_for_lists_are_refused(
    caller: Caller, body: dict[str, Any], status: int, code: str
) -> None:
    assert error(caller.post("/v3/devices", body)) == (status, code)


@pytest.mark.parametrize("version", ["v3.4", "v3.5"])
def test_tokens_lead_through_all_devices_by_enrolment(
    site: RegistrySite, tenant: Tenant, caller: Caller, version: str
) -> None:
    made = [site.enrol(tenant)[0].hwid for _ in range(5)]
    found: list[str] = []
    token: str | None = ""
    while token is not None:
        body = caller.json(f"/{version}/devices", {"limit": 2, "token": token})
        found += [row["device_id"] for row in body["devices"]]
        token = body["next_token"]
    assert found == made


@pytest.mark.parametrize("token", ["x", "!!", "WzEsMl0", "bnVsbA==", "WyJhIiwxXQ==", "W3RydWUsMV0=", "ü"])
def test_a_token_that_we_did_not_give_is_refused(caller: Caller, token: str) -> None:
    assert error(caller.post("/v3.5/devices", {"token": token})) == (400, "invalid_request")


def test_filters_choose_what_fits_all_of_them(
    site: RegistrySite, tenant: Tenant, caller: Caller, device: Device
) -> None:
    phone = site.enrol(tenant, platform="android", machine_type="phone")[0]
    seen = site.registry.get(site.sighting(tenant))
    cases: list[tuple[dict[str, Any], set[str]]] = [
        ({}, {device.hwid, phone.hwid, seen.hwid}),
        ({"os": ["linux", "android"]}, {device.hwid, phone.hwid}),
        ({"os": "android"}, {phone.hwid}),
        ({"device_type": ["phone", "tablet"]}, {phone.hwid}),
        ({"os": ["linux"], "device_type": ["phone"]}, set()),
        ({"severity": ["critical"]}, {device.hwid}),
        ({"severity": ["critical", "no_issues"]}, {device.hwid, phone.hwid, seen.hwid}),
        ({"device_status": ["non_compliant", "unknown"]}, {device.hwid, seen.hwid}),
        ({"device_status": ["installed"]}, {phone.hwid}),
        ({"device_status": ["quarantined", "pending", "ignored", "out_of_license_usage"]}, set()),
        ({"group_id": ["default"]}, {device.hwid, phone.hwid}),
        ({"group_id": ["99999"]}, set()),
        ({"group_id": "nope"}, set()),
        ({"os": None}, {device.hwid, phone.hwid, seen.hwid}),
    ]
    for wanted, expected in cases:
        assert ids(caller.json("/v3/devices", {"limit": 50, "filter": wanted})) == expected, wanted


def test_agents_are_filtered_by_when_they_reported(
    site: RegistrySite, tenant: Tenant, caller: Caller
) -> None:
    offset = site.registry.settings.current.clock_offset_seconds
    made = []
    for days in (200, 100, 0):  # until long ago, until lately, until now
        device, token = site.enrol(tenant, agent_type="persistent")
        report(site, token)
        made.append(device.hwid)
        offset += days * 86_400
        site.set(clock_offset_seconds=offset)
    caller.token = caller.ask("client_credentials").json()["access_token"]
    site.set(expire_after_days=150)

    def found(*words: str) -> set[str]:
        return ids(caller.json("/v3/devices", {"limit": 50, "filter": {"agent_status": [*words]}}))

    assert found("connected") == {made[2]}
    assert found("disconnected") == {made[1]}
    assert found("unseen") == {made[0]}
    assert found("connected", "unseen") == {made[0], made[2]}
    site.set(expire_after_days=90)


def test_a_list_shows_only_the_own_organization(site: RegistrySite, caller: Caller, device: Device) -> None:
    other = make_caller(site, site.tenant(), "Other")
    assert other.json("/v3/devices", {"limit": 50}) == []
    assert error(other.post("/v3/devices/detail", {"ids": [device.hwid]})) == (404, "not_found")


# -- changes -------------------------------------------------------------------------------------------------


def test_changes_and_removals_are_told(site: RegistrySite, tenant: Tenant, caller: Caller) -> None:
    kept, gone = site.enrol(tenant)[0], site.enrol(tenant, macs=[MACS[0]])[0]
    caller.act("delete", ids=[gone.hwid])
    body = caller.json("/v3/devices/status_changed", {"age": 300})
    assert ids(body["monitored_devices"]) == {kept.hwid}
    assert "os_info" not in body["monitored_devices"][0]
    [removed] = body["deleted_devices"]
    assert removed.pop("deleted_at").endswith("Z")
    assert removed == {"device_id": gone.hwid, "device_name": "agent", "mac_addresses": [MACS[0]]}
    verbose = caller.json("/v3/devices/status_changed", {"verbose": 1})["monitored_devices"][0]
    assert verbose.keys() >= {"os_info", "categories"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"age": 86_401}, 400),
        ({"age": -1}, 400),
        ({"verbose": 2}, 400),
        ({"limit": 51}, 406),
        ({"page": 2}, 413),
    ],
)
def test_wrong_questions_for_changes_are_refused(caller: Caller, body: dict[str, int], status: int) -> None:
    assert caller.post("/v3/devices/status_changed", body).status_code == status


# -- groups, account, users ----------------------------------------------------------------------------------


def test_groups_are_searched_sorted_and_paged(
    site: RegistrySite, tenant: Tenant, caller: Caller, device: Device
) -> None:
    site.registry.groups.create(tenant.id, ["alpha", "Beta", "Gamma"], ORIGIN)

    def names(**body: Any) -> list[str]:
        return [group["group_name"] for group in caller.json("/v3/groups", body)]

    assert names() == ["alpha", "Beta", "Default", "Gamma"]
    assert names(sort={"order": "desc"}) == ["Gamma", "Default", "Beta", "alpha"]
    assert names(sort={"field": "number_of_devices", "order": "desc"})[0] == "Default"
    assert names(search="A") == ["alpha", "Beta", "Default", "Gamma"]
    assert names(search="AM") == ["Gamma"]
    assert names(limit=3, page=2) == ["Gamma"]
    for body, status in (
        ({"limit": 3, "page": 3}, 413),
        ({"limit": 51}, 406),
        ({"sort": {"field": "x"}}, 400),
        ({"sort": {"order": "up"}}, 400),
        ({"search": 1}, 400),
    ):
        assert caller.post("/v3/groups", body).status_code == status
    [default] = caller.json("/v3/groups", {"search": "default"})
    assert default["number_of_devices"] == 1
    assert default["created_date"].endswith("Z")


def test_the_account_counts_its_devices(
    site: RegistrySite, tenant: Tenant, caller: Caller, device: Device
) -> None:
    site.sighting(tenant)
    site.enrol(tenant)
    body = caller.get("/v2/account").json()
    assert body["name"] == tenant.organization.name
    assert body["email"] == caller.maker.email
    assert body["date_created"].endswith("Z")
    assert (body["devices_used"], body["devices_uncompliant"], body["devices_critical"]) == (2, 1, 1)


def test_linking_a_user_is_a_label(caller: Caller, device: Device) -> None:
    body = {"username": "mara", "group": "Sales"}
    path = f"/v2/devices/{MACS[0]}/link_user"
    assert caller.json(path, body) == {"result": 1, "msg": "OK"}
    assert caller.details(device.hwid)[0]["link_user"] == {"username": "mara", "group": "Sales"}
    assert caller.now(device).links == ()
    by_hwid = caller.json(f"/v2/devices/{device.hwid}/link_user", {"username": "ines"}, params={"opt": "1"})
    assert by_hwid["result"] == 1
    assert caller.details(device.hwid)[0]["link_user"] == {"username": "ines", "group": ""}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"username": ""},
        {"username": "x" * 257},
        {"username": "a\0b"},
        {"username": 1},
        {"username": "\ud800"},
    ],
)
def test_a_user_without_a_proper_name_is_refused(caller: Caller, device: Device, body: Any) -> None:
    assert error(caller.post(f"/v2/devices/{MACS[0]}/link_user", body)) == (400, "invalid_request")


def test_linking_a_user_to_nothing_is_told(caller: Caller) -> None:
    answer = caller.post(f"/v2/devices/{MACS[0]}/link_user", {"username": "mara"})
    assert error(answer) == (404, "not_found")
    assert answer.json()["result"] == 0
