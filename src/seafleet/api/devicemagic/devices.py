"""One device: showing, approving, deleting, changing it.

Source: Device Magic devices §5.2 to §5.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seafleet.api.devicemagic import bodies
from seafleet.api.devicemagic.formats import Format, split_suffix
from seafleet.api.devicemagic.shapes import DeviceShape
from seafleet.api.devicemagic.surface import (
    answer,
    caller_organization,
    generation,
    origin,
    serves,
    wanted_format,
)
from seafleet.api.kernel import ApiRequest, Reply
from seafleet.devices.errors import DeviceNotFound
from seafleet.formats.xmlform import DECLARATION

if TYPE_CHECKING:
    from seafleet.api.kernel.request import RequestBase
    from seafleet.devices.actions import Action
    from seafleet.devices.record import Device
    from seafleet.devices.registry import Registry

_MAX_DIGITS = 18


@serves("GET", "/devices/{device_id}", operation="device-magic-device")
def show_device(request: ApiRequest) -> Reply:
    """Return a device by its number or identifier."""
    return _shown(request, _device(request), extended=is_extended(request.query("extended")))


@serves(
    "POST",
    "/devices/{device_id}/approve",
    "/devices/{device_id}/approve.json",
    "/devices/{device_id}/approve.xml",
    operation="device-magic-approve-device",
)
def approve_device(request: ApiRequest) -> Reply:
    """Let a waiting device in; it is no mistake to do so again."""
    return _shown(request, _apply(request, request.services.registry.actions.approve()))


@serves("DELETE", "/devices/{device_id}", operation="device-magic-delete-device")
def delete_device(request: ApiRequest) -> Reply:
    """Remove a device; the answer has no body."""
    _apply(request, request.services.registry.actions.remove())
    return Reply(None)


@serves("PUT", "/devices/{device_id}", operation="device-magic-update-device")
def update_device(request: ApiRequest) -> Reply:
    """Write what the body names, all of it or nothing, and return the device."""
    _device(request)
    edit = bodies.device_edit(bodies.read_body(request))
    device = _apply(request, request.services.registry.actions.edit(edit))
    return _shown(request, device, status=202)


def is_extended(value: str | None) -> bool:
    """Tell whether a caller asks for what the vendor's devices do not have."""
    return value is not None and value.lower() in ("1", "true")


def device_shape(request: RequestBase, *, extended: bool) -> DeviceShape:
    """Return how devices are shown to a caller."""
    services = request.services

    def decide(device: Device) -> Any:
        return services.devices.verdict(device.state())

    return DeviceShape(generation(request), extended, services.registry.now(), decide)


def _shown(request: ApiRequest, device: Device, *, extended: bool = False, status: int = 200) -> Reply:
    wanted = wanted_format(request)
    data = device_shape(request, extended=extended).render(device, wanted)
    return answer(DECLARATION.encode() + data if wanted is Format.XML else data, wanted, status)


def _device(request: ApiRequest) -> Device:
    """Return the device that the path names. Raises DeviceNotFound."""
    name, _ = split_suffix(request.path_params["device_id"])
    return _find(request.services.registry, caller_organization(request).id, name)


def _find(registry: Registry, organization_id: int, name: str) -> Device:
    """Return the managed device of a number, or else of an identifier. Raises DeviceNotFound."""
    found: Device | None = None
    if name.isascii() and name.isdigit() and len(name) <= _MAX_DIGITS:
        try:
            found = registry.get(int(name), organization_id)
        except DeviceNotFound:
            found = None
    if found is None:
        found = registry.by_identifier(name, organization_id)
    if not found.is_listed:
        raise DeviceNotFound(name)
    return found


def _apply(request: ApiRequest, action: Action) -> Device:
    device = _device(request)
    registry = request.services.registry
    applied = registry.apply(
        device.id, action, origin(request), organization_id=caller_organization(request).id
    )
    return applied.device
