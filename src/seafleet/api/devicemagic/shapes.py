"""Devices and groups as this API shows them. The path's prefix decides the generation.

======================  =====================================  ===================================
                        1: below `/organizations`              2: below `/api/v2/organizations`
======================  =====================================  ===================================
names in XML            with hyphens                           with underscores
`groups`                names, separated by commas             objects with a `name`
system, application     not shown                              shown
======================  =====================================  ===================================

Source: Device Magic devices §1, §4, §6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from seafleet.api.devicemagic.formats import Format
from seafleet.api.kernel.replies import encode_json
from seafleet.devices.record import words
from seafleet.formats.xmlform import element, leaf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from seafleet.devices.groups import DeviceGroup
    from seafleet.devices.model import Verdict
    from seafleet.devices.record import App, Device

_SYSTEM: Final = ("os_version", "app_identifier", "app_version")
_AGENT: Final = "device-agent"
_IDENTIFIERS: Final = {"seafile-android": "com.seafile.seadroid2"}
"""Names by which applications are known to their platform, where those are not their own."""


@dataclass(frozen=True, slots=True)
class DeviceShape:
    """How devices are shown: generation 1 or 2, and whether what the vendor has no words for is added."""

    generation: int
    extended: bool
    now: datetime
    verdict: Callable[[Device], Verdict]

    def render(self, device: Device, wanted: Format) -> bytes:
        """Return one device in a format, without anything around it."""
        return self._xml(device).encode() if wanted is Format.XML else encode_json(self._json(device))

    def _json(self, device: Device) -> dict[str, Any]:
        members = self._members(device)
        names = [group.name for group in device.groups]
        members["groups"] = ",".join(names) if self.generation == 1 else [{"name": name} for name in names]
        members["custom_attributes"] = device.attributes
        return members | self._extension(device)

    def _xml(self, device: Device) -> str:
        parts = [self._leaf(name, value) for name, value in self._members(device).items()]
        parts += [self._groups(device), self._attributes(device)]
        parts += [self._leaf(name, value) for name, value in self._extension(device).items()]
        return element("device", *parts)

    def _members(self, device: Device) -> dict[str, Any]:
        """Return what is written alike in both formats, in the order of the documentation's sample."""
        app = _application(device)
        members = {
            "id": device.id,
            "identifier": device.identifier,
            "os_version": device.os_version,
            "app_identifier": app[0],
            "app_version": app[1],
            "organization_id": device.organization_id,
            "owner": device.owner_name,
            "description": device.description,
            "pending_approval": device.approval == "pending",
        }
        if self.generation == 1:
            return {name: value for name, value in members.items() if name not in _SYSTEM}
        return members

    def _extension(self, device: Device) -> dict[str, Any]:
        if not self.extended:
            return {}
        access = "allowed" if self.verdict(device).allowed else "refused"
        return {"status": words(device, self.now).mobilefirst, "access": access, "wipe": device.wipe.state}

    def _groups(self, device: Device) -> str:
        if self.generation == 1:
            return leaf("groups", ",".join(group.name for group in device.groups))
        return element("groups", *(leaf("name", group.name) for group in device.groups), type="array")

    def _attributes(self, device: Device) -> str:
        entry = self._name("custom_attribute")
        entries = (
            element(entry, leaf("key", key), leaf("value", value)) for key, value in device.attributes.items()
        )
        kind = {"type": "array"} if self.generation == 2 else {}
        return element(self._name("custom_attributes"), *entries, **kind)

    def _leaf(self, name: str, value: Any) -> str:
        if isinstance(value, bool):
            value = "true" if value else "false"
        return leaf(self._name(name), "" if value is None else str(value))

    def _name(self, name: str) -> str:
        return name.replace("_", "-") if self.generation == 1 else name


def _application(device: Device) -> tuple[str | None, str | None]:
    """Return identifier and version of the application that the device is reached by."""
    app = next((app for app in device.apps if _is_used(app, device)), None)
    if app is not None:
        return _IDENTIFIERS.get(app.name, app.name), app.version or None
    if device.agent is not None:
        return _AGENT, device.agent.version or None
    return None, None


def _is_used(app: App, device: Device) -> bool:
    return any(link.app_name == app.name for link in device.links)


def device_frame(wanted: Format) -> tuple[bytes, bytes, bytes]:
    """Return what stands before a list of devices, between two of them, and behind it."""
    if wanted is Format.JSON:
        return b'{"devices":[', b",", b"]}"
    return element("devices", "", type="array").removesuffix("</devices>").encode(), b"", b"</devices>"


# -- groups --------------------------------------------------------------------------------------------------


def groups_json(groups: Iterable[DeviceGroup]) -> dict[str, Any]:
    """Return a list of groups."""
    return {"groups": [group_json(group) for group in groups]}


def groups_xml(groups: Iterable[DeviceGroup]) -> str:
    """Return a list of groups."""
    return element("groups", *(group_xml(group) for group in groups), type="array")


def group_json(group: DeviceGroup) -> dict[str, Any]:
    """Return one group; forms and tags are not kept here."""
    return {
        "id": group.id,
        "name": group.name,
        "device_ids": list(group.device_ids),
        "form_ids": [],
        "tags": [],
    }


def group_xml(group: DeviceGroup) -> str:
    """Return one group; forms and tags are not kept here."""
    return element(
        "group",
        leaf("id", str(group.id)),
        leaf("name", group.name),
        element("device_ids", *(leaf("device_id", str(number)) for number in group.device_ids), type="array"),
        element("form_ids", type="array"),
        element("tags", type="array"),
    )
