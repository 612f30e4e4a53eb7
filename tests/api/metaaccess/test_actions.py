"""Device Action v3: what it takes, what it answers, what it changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from seafleet.devices.record import Device
from tests.api.metaaccess.conftest import Caller, error
from tests.support.registry import RegistrySite, Tenant

ACTION = "/v3/devices/action"
PERSISTENT = {"agent_type": "persistent", "agent_version": "1.4.0"}


@pytest.fixture
def device(site: RegistrySite, tenant: Tenant) -> Device:
    """A device with an agent."""
    return site.enrol(tenant, **PERSISTENT)[0]


def mac(number: int) -> str:
    return ":".join(f"{0x001600000000 + number:012x}"[at : at + 2] for at in range(0, 12, 2))


# -- keys ----------------------------------------------------------------------------------------------------


def test_hardware_ids_are_read_without_case_and_outer_blanks(caller: Caller, device: Device) -> None:
    spelled = [device.hwid.lower(), f" {device.hwid}\t", device.hwid]
    assert caller.act("exempt", ids=spelled) == dict.fromkeys(spelled, 1)


def test_two_spellings_of_one_device_run_the_action_once(
    site: RegistrySite, caller: Caller, device: Device
) -> None:
    caller.act("dhcprenew", ids=[device.hwid, device.hwid.lower(), device.hwid])
    assert [command.type for command in site.registry.commands_of(device.id)] == ["dhcp_renew"]


def test_an_exact_repetition_is_one_key(caller: Caller) -> None:
    assert caller.act("exempt", ids=["nope", "nope"]) == {"nope": 0}


def test_an_old_hardware_id_leads_to_the_device(site: RegistrySite, tenant: Tenant, caller: Caller) -> None:
    person, before, client = site.laptop(tenant)
    site.enrol(tenant, client_ids=[client.device_id], **PERSISTENT)
    assert site.device(person).hwid != before.hwid
    assert caller.act("exempt", ids=[before.hwid]) == {before.hwid: 1}


def test_an_address_that_several_devices_have_means_none_of_them(
    site: RegistrySite, tenant: Tenant, caller: Caller
) -> None:
    both = [site.enrol(tenant, macs=[mac(1), mac(number)])[0] for number in (2, 3)]
    assert caller.act("exempt", macs=[mac(1), mac(2)]) == {mac(1): 0, mac(2): 1}
    assert [caller.status(each) for each in both] == ["exempted", "installed"]


@pytest.mark.parametrize("text", ["nope", "00:16:3e", "00:16:3e:aa:01:7g", "0016.3eaa-017f", "\0", "\ud800"])
def test_what_is_no_key_is_a_failure(caller: Caller, text: str) -> None:
    body = {"types": "exempt", "macs": [text]}
    for name in ("macs", "ids"):
        answer = caller.post(ACTION, {"types": "exempt", name: body["macs"]})
        assert answer.status_code == 200
        assert list(answer.json().values()) == [0]


def test_devices_of_other_organizations_are_not_there(
    site: RegistrySite, caller: Caller, device: Device
) -> None:
    stranger, _ = site.enrol(site.tenant(), macs=[mac(9)])
    for action in ("exempt", "delete", "dhcprenew", "assign_to_group"):
        assert caller.act(action, ids=[stranger.hwid]) == {stranger.hwid: 0}
    assert caller.act("delete", macs=[mac(9)]) == {mac(9): 0}
    assert not caller.now(stranger).is_removed


def test_five_hundred_devices_are_the_most(caller: Caller) -> None:
    assert len(caller.act("exempt", ids=[f"id {number}" for number in range(500)])) == 500
    answer = caller.post(ACTION, {"types": "exempt", "ids": ["x"] * 501})
    assert error(answer) == (400, "invalid_request")


# -- bodies --------------------------------------------------------------------------------------------------


def test_null_stands_for_a_member_that_is_not_there(caller: Caller, device: Device) -> None:
    body: dict[str, Any] = {"ids": [device.hwid], "macs": None, "params": None}
    assert caller.act("exempt", **body) == {device.hwid: 1}
    assert caller.act("exempt", **body | {"params": {"exempt_time": None, "group_id": None}}) == {
        device.hwid: 1
    }


def test_members_that_nobody_knows_are_ignored(caller: Caller, device: Device) -> None:
    assert caller.act("exempt", ids=[device.hwid], note="x", params={"x": 1}) == {device.hwid: 1}


def test_parameters_of_other_actions_are_not_looked_at(caller: Caller, device: Device) -> None:
    assert caller.act("unexempt", ids=[device.hwid], params={"exempt_time": "x", "group_id": 1}) == {
        device.hwid: 1
    }


@pytest.mark.parametrize(
    "body",
    [
        {"types": None, "ids": ["x"]},
        {"types": 1, "ids": ["x"]},
        {"types": "", "ids": ["x"]},
        {"types": "exempt", "ids": None},
        {"types": "exempt", "ids": {}},
        {"types": "exempt", "ids": [""]},
        {"types": "exempt", "ids": [" "]},
        {"types": "exempt", "ids": [None]},
        {"types": "exempt", "ids": [["x"]]},
        {"types": "exempt", "ids": ["x"], "params": []},
        {"types": "exempt", "ids": ["x"], "params": "x"},
        {"types": "unexempt", "ids": ["x"], "params": 1},
        {"types": "exempt", "ids": ["x"], "params": {"exempt_time": True}},
        {"types": "assign_to_group", "ids": ["x"], "params": {"group_id": 3}},
    ],
)
def test_wrong_values_are_refused(caller: Caller, body: dict[str, Any]) -> None:
    assert error(caller.post(ACTION, body)) == (400, "invalid_request")


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"null",
        b"1",
        b'"x"',
        b'{"types": "exempt", "types": "delete", "ids": ["x"]}',
        b'{"types": "exempt", "ids": ["x"], "params": {"exempt_time": 1e3}}',
        b'{"types": "exempt", "ids": ["x"], "params": {"exempt_time": NaN}}',
        b'{"types": "exempt", "ids": ["x"], "x": ' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"types": "\xff", "ids": ["x"]}',
        b"9" * 5000,
        b'{"types": "exempt", "ids": ["' + b"x" * (1 << 20) + b'"]}',
    ],
)
def test_bodies_that_are_no_such_json_are_refused(caller: Caller, content: bytes) -> None:
    answer = caller.post(ACTION, content=content, headers={"Content-Type": "application/json"})
    assert error(answer) == (400, "invalid_request")


def test_an_empty_body_lacks_what_is_required(caller: Caller) -> None:
    assert error(caller.post(ACTION)) == (400, "invalid_request")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_media_type_is_refused(caller: Caller, media_type: str) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    assert error(caller.post(ACTION, content=b"{}", headers=headers)) == (415, "unsupported_media_type")


def test_a_media_type_may_have_parameters(caller: Caller) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    answer = caller.post(ACTION, content=b'{"types": "exempt", "ids": ["x"]}', headers=headers)
    assert answer.json() == {"x": 0}


# -- effects -------------------------------------------------------------------------------------------------


def test_an_exemption_has_the_end_that_was_asked_for(
    site: RegistrySite, caller: Caller, device: Device
) -> None:
    caller.act("exempt", ids=[device.hwid], params={"exempt_time": 48})
    exemption = caller.now(device).exemption
    assert exemption is not None
    assert exemption.until is not None
    assert abs(exemption.until - site.registry.now() - timedelta(hours=48)) < timedelta(minutes=1)
    assert exemption.by == "NAC"


@pytest.mark.parametrize("params", [{}, {"exempt_time": 0}])
def test_a_new_exemption_replaces_the_end(caller: Caller, device: Device, params: dict[str, int]) -> None:
    caller.act("exempt", ids=[device.hwid], params={"exempt_time": 1})
    caller.act("exempt", ids=[device.hwid], params=params)
    exemption = caller.now(device).exemption
    assert exemption is not None
    assert exemption.until is None


def test_what_is_so_already_counts_as_done_and_is_not_told(
    site: RegistrySite, caller: Caller, device: Device
) -> None:
    before = len(site.events(device_id=device.id))
    for action in ("unexempt", "assign_to_group"):
        assert caller.act(action, ids=[device.hwid]) == {device.hwid: 1}
    assert len(site.events(device_id=device.id)) == before


def test_ignoring_twice_is_not_supported(site: RegistrySite, tenant: Tenant, caller: Caller) -> None:
    key = site.registry.get(site.sighting(tenant)).hwid
    outcomes = [caller.act(action, ids=[key])[key] for action in ("ignore", "ignore", "unignore", "unignore")]
    assert outcomes == [1, -1, 1, -1]


def test_a_sighting_can_be_grouped_and_deleted(site: RegistrySite, tenant: Tenant, caller: Caller) -> None:
    key = site.registry.get(site.sighting(tenant)).hwid
    assert caller.act("assign_to_group", ids=[key]) == {key: 1}
    assert caller.act("delete", ids=[key]) == {key: 1}
    assert caller.act("delete", ids=[key]) == {key: 0}


def test_the_event_names_the_application(site: RegistrySite, caller: Caller, device: Device) -> None:
    caller.act("exempt", ids=[device.hwid])
    newest = site.events(device_id=device.id)[0]
    assert (newest.actor_kind, newest.actor_name, newest.dialect) == ("oauth_client", "NAC", "metaaccess")
    assert newest.action == "exempted"
    assert newest.address == "127.0.0.1"
    assert newest.request_id


def test_groups_are_told_apart_by_organization(
    site: RegistrySite, tenant: Tenant, caller: Caller, device: Device
) -> None:
    foreign = site.registry.groups.all(1)[0].id
    own = next(group.id for group in site.registry.groups.all(tenant.id))
    for group_id, outcome in ((foreign, 0), (own, 1)):
        params = {"group_id": str(group_id)}
        assert caller.act("assign_to_group", ids=[device.hwid], params=params) == {device.hwid: outcome}


def test_an_unknown_group_is_a_failure_for_every_device(caller: Caller, device: Device) -> None:
    params = {"group_id": "nope"}
    assert caller.act("assign_to_group", ids=[device.hwid, "x"], params=params) == {device.hwid: 0, "x": 0}


# -- versions ------------------------------------------------------------------------------------------------


def test_the_version_may_be_written_with_its_zero(caller: Caller, device: Device) -> None:
    assert caller.act("exempt", "v3.0", ids=[device.hwid]) == {device.hwid: 1}


@pytest.mark.parametrize("version", ["v3.1", "v3.2"])
def test_later_versions_tell_the_number_of_the_command(
    site: RegistrySite, caller: Caller, device: Device, version: str
) -> None:
    key = device.hwid.lower()
    first = caller.act("dhcprenew", version, ids=[key])
    [command] = site.registry.commands_of(device.id)
    assert first == [{"id": key, "status": 1, "command_id": str(command.id)}]
    assert caller.act("dhcprenew", version, ids=[key]) == first


@pytest.mark.parametrize(
    ("version", "action", "status"),
    [
        ("v3", "fetch_agent_log", 400),
        ("v3", "scan_threats", 400),
        ("v3.1", "fetch_agent_log", 200),
        ("v3.1", "scan_threats", 400),
        ("v3.2", "fetch_agent_log", 200),
        ("v3.2", "scan_threats", 200),
    ],
)
def test_actions_of_later_versions_are_known_there_and_not_supported(
    caller: Caller, device: Device, version: str, action: str, status: int
) -> None:
    answer = caller.post(f"/{version}/devices/action", {"types": action, "ids": [device.hwid, "x"]})
    assert answer.status_code == status
    if status == 200:
        assert answer.json() == [
            {"id": device.hwid, "status": -1, "command_id": ""},
            {"id": "x", "status": 0, "command_id": ""},
        ]
