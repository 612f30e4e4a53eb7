"""Devices, runtimes and transactions as this API shows them: JSON members, or attributes of XML elements.

Source: MobileFirst devices §3, §4, §7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from seafleet.api.mobilefirst.surface import PRODUCT_VERSION
from seafleet.devices.record import words
from seafleet.formats.xmlform import element

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from seafleet.devices.organizations import Organization
    from seafleet.devices.record import App, Device
    from seafleet.devices.transactions import TransactionRecord

SYNCHRONIZED: Final = "ok"
API_VERSION: Final = "2.0"


def iso(moment: datetime) -> str:
    """Return a time in UTC with milliseconds and `Z`."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def attributes(members: Mapping[str, Any]) -> dict[str, str]:
    """Return members as attributes, in the order of their names: null as nothing, true and false as words."""
    return {name: _plain(value) for name, value in sorted(members.items())}


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


# -- devices -------------------------------------------------------------------------------------------------


def device_json(device: Device, now: datetime) -> dict[str, Any]:
    """Return a device."""
    status = words(device, now).mobilefirst
    apps = [_association(app, device, status) for app in device.apps]
    users = [{"str": email} for email in _users(device)]
    return {**_device_members(device, status), "userIds": users, "applicationDeviceAssociations": apps}


def device_xml(device: Device, now: datetime) -> str:
    """Return a device."""
    status = words(device, now).mobilefirst
    apps = (
        element("applicationDeviceAssociation", **attributes(_association(app, device, status)))
        for app in device.apps
    )
    users = (element("userId", str=email) for email in _users(device))
    return element(
        "item",
        element("applicationDeviceAssociations", *apps),
        element("userIds", *users),
        **attributes(_device_members(device, status)),
    )


def _device_members(device: Device, status: str | None) -> dict[str, Any]:
    return {
        "id": device.uid,
        "deviceDisplayName": device.display_name,
        "deviceModel": device.model,
        "deviceOs": _system(device),
        "status": status,
        "lastAccessed": None if device.last_seen is None else iso(device.last_seen),
    }


def _association(app: App, device: Device, status: str | None) -> dict[str, Any]:
    return {
        "appId": app.app_id,
        "appName": app.name,
        "certSerialNumber": "",
        "deviceId": device.uid,
        "deviceStatus": status,
        "status": app.status,
    }


def _system(device: Device) -> str:
    """Return the system with its version, which may stand in the name already."""
    if device.os_version in device.os_name:
        return device.os_name
    return f"{device.os_name} {device.os_version}".strip()


def _users(device: Device) -> list[str]:
    """Return who uses the device: everybody with a link that he did not cut himself."""
    return list(dict.fromkeys(link.email for link in device.links if link.wipe_source != "unlink"))


# -- transactions --------------------------------------------------------------------------------------------


def transaction_json(record: TransactionRecord, runtime: str, server: str) -> dict[str, Any]:
    """Return a transaction."""
    return {
        **_transaction_members(record, server),
        "project": {"name": runtime},
        "description": dict(record.description),
        "errors": [{"details": text} for text in record.errors],
    }


def transaction_xml(record: TransactionRecord, runtime: str, server: str, **more: str) -> str:
    """Return a transaction; `more` are further attributes."""
    return element(
        "transaction",
        element("description", **attributes(record.description)),
        element("errors", *(element("error", details=text) for text in record.errors)),
        element("project", name=runtime),
        **attributes({**_transaction_members(record, server), **more}),
    )


def _transaction_members(record: TransactionRecord, server: str) -> dict[str, Any]:
    return {
        "id": record.id,
        "type": record.type,
        "status": record.status,
        "appServerId": server,
        "userName": record.user_name,
        "timeCreated": iso(record.created_at),
        "timeUpdated": iso(record.updated_at),
    }


# -- runtimes ------------------------------------------------------------------------------------------------


def project_members(organization: Organization, link: str) -> dict[str, Any]:
    """Return a runtime as the list of runtimes has it."""
    return {
        "apiVersion": API_VERSION,
        "link": link,
        "name": organization.runtime,
        "running": organization.running,
        "synchronizationStatus": SYNCHRONIZED,
    }


def projects(members: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], str]:
    """Return the list of runtimes in JSON and XML."""
    json = {"productVersion": PRODUCT_VERSION, "projects": list(members)}
    listed = element("projects", *(element("project", **attributes(each)) for each in members))
    return json, element("projectconfiguration", listed, productVersion=PRODUCT_VERSION)


def runtime_members(organization: Organization, active: int, expired: int, apps: int) -> dict[str, Any]:
    """Return a runtime by itself, with the vendor's spelling. There are no adapters here."""
    return {
        "name": organization.runtime,
        "running": organization.running,
        "synchronizationStatus": SYNCHRONIZED,
        "productVersion": PRODUCT_VERSION,
        "numberOfActiveDevices": active,
        "numberOfDecommisionedDevices": expired,
        "numberOfApplications": apps,
        "numberOfAdapters": 0,
    }


def runtime(members: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return a runtime in JSON and XML; configurations, which may hold secrets, are not shown."""
    json = {**members, "config": {}, "confidentialClients": []}
    return json, element("runtime", element("config"), element("confidentialClients"), **attributes(members))
