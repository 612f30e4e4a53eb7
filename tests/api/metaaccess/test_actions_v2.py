"""The calls that Device Action v3 replaced."""

from __future__ import annotations

from typing import Any

import pytest

from seafleet.devices.record import Device
from tests.api.metaaccess.conftest import Caller, error
from tests.support.registry import RegistrySite, Tenant

MAC = "00:16:3e:cc:00:01"
OTHER_MAC = "00:16:3e:cc:00:02"


@pytest.fixture
def device(site: RegistrySite, tenant: Tenant) -> Device:
    """A device with an agent and an address."""
    return site.enrol(tenant, agent_type="persistent", macs=[MAC])[0]


@pytest.fixture
def laptop(site: RegistrySite, tenant: Tenant) -> Device:
    """A device without an agent."""
    return site.laptop(tenant)[1]


# -- many ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opt", [1, "1"])
def test_actions_answer_by_position(caller: Caller, device: Device, laptop: Device, opt: object) -> None:
    body = {"types": "dhcprenew", "opt": opt, "HWID_list": ["x", device.hwid, laptop.hwid, device.hwid]}
    assert caller.json("/v2/devices/action", body) == {"result": [0, 1, 0, 1]}


def test_addresses_are_the_default(caller: Caller, device: Device) -> None:
    body = {"types": "exempt_all", "MAC_list": ["0016.3ecc.0001", OTHER_MAC]}
    assert caller.json("/v2/devices/action", body) == {"result": [1, 0]}
    exemption = caller.now(device).exemption
    assert exemption is not None
    assert exemption.until is None
    assert caller.json("/v2/devices/action", {"types": "unexempt", "MAC_list": [MAC]}) == {"result": [1]}
    assert caller.now(device).exemption is None


@pytest.mark.parametrize(
    "body",
    [
        {"types": "exempt_all", "HWID_list": ["x"]},
        {"types": "exempt_all", "opt": 1, "MAC_list": ["x"]},
        {"types": "exempt_all", "opt": 2, "MAC_list": ["x"]},
        {"types": "exempt_all", "opt": True, "HWID_list": ["x"]},
        {"types": "exempt_all", "opt": [1], "HWID_list": ["x"]},
        {"types": "exempt_all", "MAC_list": ["x"], "HWID_list": ["x"]},
        {"types": "exempt_all"},
        {"types": "exempt", "MAC_list": ["x"]},
        {"types": "exempt_critical", "MAC_list": ["x"]},
        {"MAC_list": ["x"]},
        {"types": "exempt_all", "MAC_list": []},
    ],
)
def test_wrong_values_are_refused(caller: Caller, body: dict[str, Any]) -> None:
    assert error(caller.post("/v2/devices/action", body)) == (400, "invalid_request")


@pytest.mark.parametrize("opt", [None, 1, 2])
def test_devices_are_removed(caller: Caller, device: Device, laptop: Device, opt: int | None) -> None:
    body = {"HWID_list": [device.hwid, "x", laptop.hwid], "opt": opt}
    assert caller.json("/v2/devices/delete", body) == {"result": [1, 0, 1]}
    assert caller.json("/v2/devices/delete", {"MAC_list": [MAC]}) == {"result": [0]}


def test_or_only_their_agents_are(site: RegistrySite, caller: Caller, device: Device, laptop: Device) -> None:
    body = {"HWID_list": [device.hwid, laptop.hwid], "opt": 0}
    assert caller.json("/v2/devices/delete", body) == {"result": [1, 0]}
    assert [command.type for command in site.registry.commands_of(device.id)] == ["uninstall_agent"]
    assert not caller.now(device).is_removed


@pytest.mark.parametrize(
    "body", [{}, {"HWID_list": ["x"], "MAC_list": ["x"]}, {"HWID_list": ["x"], "opt": 3}, {"HWID_list": "x"}]
)
def test_a_removal_of_nothing_is_refused(caller: Caller, body: dict[str, Any]) -> None:
    assert error(caller.post("/v2/devices/delete", body)) == (400, "invalid_request")


# -- one -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["dhcprenew", "exempt_critical", "exempt_all", "unexempt"])
def test_an_action_on_one_device_by_hardware_id(caller: Caller, device: Device, action: str) -> None:
    answer = caller.json(f"/v2/devices/{device.hwid}/action", params={"types": action, "opt": 1})
    assert answer == {"result": 1, "msg": "OK"}


@pytest.mark.parametrize("opt", [{}, {"opt": "0"}])
def test_an_action_on_one_device_by_address(caller: Caller, device: Device, opt: dict[str, str]) -> None:
    answer = caller.json(f"/v2/devices/{MAC}/action", params={"types": "exempt_critical", **opt})
    assert answer == {"result": 1, "msg": "OK"}
    exemption = caller.now(device).exemption
    assert exemption is not None
    assert exemption.reason == "critical issues only"


def test_what_does_not_apply_is_told(caller: Caller, laptop: Device) -> None:
    answer = caller.json(f"/v2/devices/{laptop.hwid}/action", params={"types": "dhcprenew", "opt": 1})
    assert answer == {"result": 0, "msg": "The device has no persistent agent"}


@pytest.mark.parametrize("query", [{}, {"types": "delete"}, {"types": "unexempt", "opt": "2"}])
def test_a_wrong_action_on_one_device_is_refused(caller: Caller, device: Device, query: Any) -> None:
    answer = caller.post(f"/v2/devices/{device.hwid}/action", params=query)
    assert error(answer) == (400, "invalid_request")


@pytest.mark.parametrize("version", ["v2", "v2.2"])
@pytest.mark.parametrize("by_mac", [True, False])
def test_one_device_is_removed(caller: Caller, device: Device, version: str, by_mac: bool) -> None:
    path = f"/{version}/devices/{'00163ECC0001' if by_mac else device.hwid}/delete"
    assert caller.json(path) == {"result": 1, "msg": "Device has been deleted"}
    answer = caller.post(path)
    assert error(answer) == (404, "not_found")
    assert (answer.json()["result"], answer.json()["msg"]) == (0, "There is no such device")


def test_or_only_its_agent_is(caller: Caller, device: Device, laptop: Device) -> None:
    asked = caller.json(f"/v2/devices/{device.hwid}/delete", params={"opt": 0})
    assert asked == {"result": 1, "msg": "Agent will be uninstalled"}
    assert caller.now(device).pending == ("uninstall_agent",)
    refused = caller.json(f"/v2/devices/{laptop.hwid}/delete", params={"opt": 0})
    assert refused == {"result": 0, "msg": "The device has no agent"}


def test_an_address_that_several_devices_have_names_none(
    site: RegistrySite, tenant: Tenant, caller: Caller, device: Device
) -> None:
    site.enrol(tenant, macs=[MAC])
    answer = caller.post(f"/v2/devices/{MAC}/delete")
    assert error(answer) == (400, "invalid_request")
    assert not caller.now(device).is_removed
