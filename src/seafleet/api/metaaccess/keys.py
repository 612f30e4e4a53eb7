"""Devices by the keys of this API: hardware ids and MAC addresses, as callers spell them.

Source: MetaAccess devices §3; device registry §3, §13.21.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

from seafleet.api.metaaccess.errors import invalid, not_found
from seafleet.api.metaaccess.surface import caller_of
from seafleet.devices.errors import DeviceNotFound
from seafleet.devices.macs import normal_mac

if TYPE_CHECKING:
    from seafleet.api.kernel import ApiRequest
    from seafleet.devices.record import Device

Kind = Literal["hwid", "mac", "either"]
Numbers = Mapping[str, int | None]


def numbers(request: ApiRequest, kind: Literal["hwid", "mac"], spelled: Iterable[str]) -> Numbers:
    """Return the numbers of devices by the caller's spelling, each once, in his order.

    None for what no device has, and for a MAC address that several have: none of them is meant then.
    """
    registry, organization_id = request.services.registry, caller_of(request).organization_id
    if kind == "hwid":
        return registry.numbers_by_hwid(spelled, organization_id)
    found = registry.numbers_by_mac(spelled, organization_id)
    return {text: several[0] if len(several) == 1 else None for text, several in found.items()}


def find(request: ApiRequest, kind: Kind, text: str) -> Device | None:
    """Return the device that a key names, None for none and for several."""
    registry, organization_id = request.services.registry, caller_of(request).organization_id
    if kind == "mac" or (kind == "either" and normal_mac(text) is not None):
        devices = registry.by_mac(text, organization_id)
        return devices[0] if len(devices) == 1 else None
    try:
        return registry.by_hwid(text, organization_id)
    except DeviceNotFound:
        return None


def find_custom(request: ApiRequest, text: str) -> Device | None:
    """Return the device that another API knows by this id: an identifier or a uid."""
    registry, organization_id = request.services.registry, caller_of(request).organization_id
    for look in (registry.by_identifier, registry.by_uid):
        try:
            return look(text, organization_id)
        except DeviceNotFound:
            continue
    return None


def required(request: ApiRequest, kind: Kind) -> Device:
    """Return the device that `value` in the path names. Raises ApiError: 404, and 400 for an address that
    several have.
    """
    text = request.path_params["value"]
    device = find(request, kind, text)
    if device is None:
        organization_id = caller_of(request).organization_id
        if kind != "hwid" and len(request.services.registry.by_mac(text, organization_id)) > 1:
            raise invalid("Several devices have this MAC address.")
        raise not_found()
    return device
