"""The calls that Device Action v3 replaced: actions, removal, one device or many.

What does not apply is 0 here: there is no -1. What `opt` means differs from call to call.

Source: MetaAccess devices §4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from seafleet.api.metaaccess.actions import MAX_DEVICES, apply
from seafleet.api.metaaccess.bodies import choice, chosen, json_object, one_list, text
from seafleet.api.metaaccess.errors import invalid
from seafleet.api.metaaccess.keys import Kind, numbers, required
from seafleet.api.metaaccess.surface import origin, serves
from seafleet.devices.errors import NotApplicable

if TYPE_CHECKING:
    from seafleet.api.kernel import ApiRequest
    from seafleet.devices.actions import Action, Actions

MACS, HWIDS = "MAC_list", "HWID_list"
_KINDS: Final[Mapping[str, Literal["hwid", "mac"]]] = {MACS: "mac", HWIDS: "hwid"}
_UNINSTALL: Final = 0
_REMOVAL: Final = (_UNINSTALL, 1, 2)
_CRITICAL_ONLY: Final = "critical issues only"  # what was asked for; there is one kind of exemption

_ACTIONS: Final[Mapping[str, Callable[[Actions], Action]]] = {
    "dhcprenew": lambda actions: actions.dhcp_renew(),
    "exempt_all": lambda actions: actions.exempt(),
    "unexempt": lambda actions: actions.unexempt(),
}
_ACTIONS_ON_ONE: Final[Mapping[str, Callable[[Actions], Action]]] = {
    **_ACTIONS,
    "exempt_critical": lambda actions: actions.exempt(reason=_CRITICAL_ONLY),
}


@serves("POST", "/devices/action", "v2", operation="metaaccess-devices-action")
def devices_action(request: ApiRequest) -> dict[str, list[int]]:
    """Apply an action to many devices, named as `opt` says: 0 by MAC, 1 by HWID."""
    values = json_object(request)
    action = _named(_ACTIONS, text(values, "types"), request)
    by_mac = chosen(values, "opt", 0, among=(0, 1)) == 0
    place, spelled = one_list(values, MACS, HWIDS, MAX_DEVICES)
    if place != (MACS if by_mac else HWIDS):
        raise invalid(f"opt does not go with {place}.")
    return _listed(request, place, spelled, action)


@serves("POST", "/devices/delete", "v2", operation="metaaccess-delete-devices")
def delete_devices(request: ApiRequest) -> dict[str, list[int]]:
    """Remove devices; with `opt` 0 only have their agents uninstall themselves."""
    values = json_object(request)
    action = _removal(request, chosen(values, "opt", 1, among=_REMOVAL))
    place, spelled = one_list(values, MACS, HWIDS, MAX_DEVICES)
    return _listed(request, place, spelled, action)


@serves("POST", "/devices/{value}/action", "v2", operation="metaaccess-one-device-action")
def one_device_action(request: ApiRequest) -> dict[str, Any]:
    """Apply an action to one device, named as `opt` says: 0 by MAC, 1 by HWID."""
    action = _named(_ACTIONS_ON_ONE, request.query("types") or "", request)
    kind: Kind = "hwid" if choice(request, "opt", 0, among=(0, 1)) else "mac"
    return _applied(request, kind, action, "OK")


@serves("POST", "/devices/{value}/delete", "v2", "v2.2", operation="metaaccess-delete-device")
def delete_device(request: ApiRequest) -> dict[str, Any]:
    """Remove one device, named by MAC or HWID; with `opt` 0 only have its agent uninstall itself."""
    mode = choice(request, "opt", 1, among=_REMOVAL)
    text = "Agent will be uninstalled" if mode == _UNINSTALL else "Device has been deleted"
    return _applied(request, "either", _removal(request, mode), text)


def _named(actions: Mapping[str, Callable[[Actions], Action]], word: str, request: ApiRequest) -> Action:
    if word not in actions:
        raise invalid("types is not an action.")
    return actions[word](request.services.registry.actions)


def _removal(request: ApiRequest, mode: int) -> Action:
    actions = request.services.registry.actions
    return actions.uninstall_agent() if mode == _UNINSTALL else actions.remove()


def _listed(request: ApiRequest, place: str, spelled: list[str], action: Action) -> dict[str, list[int]]:
    done = apply(request, numbers(request, _KINDS[place], spelled), action)
    return {"result": [max(0, int(done.outcome(each))) for each in spelled]}


def _applied(request: ApiRequest, kind: Kind, action: Action, message: str) -> dict[str, Any]:
    """Raises ApiError (404) for a device that is not there."""
    device = required(request, kind)
    try:
        request.services.registry.apply(
            device.id, action, origin(request), organization_id=device.organization_id
        )
    except NotApplicable as error:
        return {"result": 0, "msg": f"{error.reason[:1].upper()}{error.reason[1:]}"}
    return {"result": 1, "msg": message}
