"""Devices and groups in this API's words.

Source: MetaAccess devices §5, §6; device registry §4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from seafleet.api.metaaccess.actions import DEFAULT_GROUP
from seafleet.devices.groups import DEFAULT
from seafleet.devices.macs import shown_mac
from seafleet.devices.record import words

if TYPE_CHECKING:
    from seafleet.devices.groups import DeviceGroup
    from seafleet.devices.record import Device, Interface, Issue

CONNECTED: Final = timedelta(hours=2)
"""How long ago a device that is connected was last heard of: agents report every hour."""

_FAMILIES: Final = {
    "windows": "Windows",
    "linux": "Linux",
    "mac": "macOS",
    "android": "Android",
    "ios": "iOS",
}
_32_BIT: Final = frozenset(("x86", "i386", "i486", "i586", "i686", "arm", "armhf", "armv6l", "armv7l"))
CATEGORIES: Final[Mapping[str, str]] = {
    "disk_encryption": "encryption",
    "firewall": "firewall",
    "screen_lock": "user_authentication",
    "os_up_to_date": "patch_management",
    "antivirus": "anti-malware",
    "min_os_version": "operating_system",
}
"""Categories of issues by the checks of the posture policy; other checks are `custom_check`."""

CUSTOM: Final = "custom_check"


def time(moment: datetime | None) -> str | None:
    """Return a time as RFC 3339 has it, in UTC and whole seconds."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# -- version 3 -----------------------------------------------------------------------------------------------


def device(one: Device, now: datetime) -> dict[str, Any]:
    """Return a device as lists show it."""
    group = one.primary_group
    return {
        "device_id": one.hwid,
        "device_name": one.host_name or one.display_name,
        "nick_name": one.display_name,
        "status": words(one, now).metaaccess,
        "status_detail": _status_detail(one, now),
        "severity": severity(one),
        "issue": {"total_issues": len(one.posture.issues), "total_critical_issues": one.posture.critical},
        "group_name": group.name if group else DEFAULT,
        "group_id": str(group.id) if group else DEFAULT_GROUP,
        "agent_type": one.agent.type if one.agent else "",
        "agent_version": one.agent.version if one.agent else "",
        "device_type": one.machine_type,
        "mac_addresses": [shown_mac(each.mac) for each in one.macs],
        "os_info": _os_info(one),
        "user_info": _user_info(one),
        "link_user": _link_user(one),
        "public_ip": one.last_ip,
        "enrolled_at": time(one.enrolled_at),
        "last_seen": time(one.last_seen),
    }


def detail(one: Device, now: datetime, *, system: bool, categories: bool) -> dict[str, Any]:
    """Return a device with its network, and with its issues by category if they are wanted."""
    shown = device(one, now)
    if system:
        shown["network_info"] = [_network(each) for each in one.macs]
    else:
        del shown["os_info"], shown["user_info"]
    if categories:
        shown["categories"] = issues(one)
    return shown


def information(one: Device, now: datetime, wanted: Iterable[str]) -> dict[str, Any]:
    """Return what Device Information says; an empty `wanted` means every category."""
    word = words(one, now).metaaccess or ""
    names = frozenset(wanted)
    return {
        "device_id": one.hwid,
        "device_name": one.host_name or one.display_name,
        "status": word.replace("_", "-"),
        "severity": severity(one),
        "categories": [each for each in issues(one) if not names or each["category"] in names],
    }


def removed(one: Device) -> dict[str, Any]:
    """Return a device that is gone."""
    return {
        "device_id": one.hwid,
        "device_name": one.host_name or one.display_name,
        "mac_addresses": [shown_mac(each.mac) for each in one.macs],
        "deleted_at": time(one.removed_at),
    }


def severity(one: Device) -> str:
    """Return how bad the issues are."""
    if one.posture.critical:
        return "critical"
    return "warning" if one.posture.issues else "no_issues"


def issues(one: Device) -> list[dict[str, Any]]:
    """Return the issues by category, in the order in which they were found."""
    found: dict[str, list[Issue]] = {}
    for issue in one.posture.issues:
        found.setdefault(CATEGORIES.get(issue.code, CUSTOM), []).append(issue)
    return [
        {
            "category": category,
            "severity": "critical" if any(each.severity == "critical" for each in several) else "warning",
            "issues": [
                {"code": each.code, "severity": each.severity, "description": each.text} for each in several
            ],
        }
        for category, several in found.items()
    ]


def _status_detail(one: Device, now: datetime) -> dict[str, Any]:
    if one.exemption is None or not one.is_exempt(now):
        return {}
    return {"exempt_until": time(one.exemption.until)}


def _os_info(one: Device) -> dict[str, str]:
    return {
        "family": one.os_family or _FAMILIES.get(one.platform, ""),
        "name": one.os_name,
        "version": one.os_version,
        "architecture": _architecture(one.architecture),
    }


def _architecture(name: str) -> str:
    if "64" in name:
        return "64-Bit"
    return "32-Bit" if name.lower() in _32_BIT else name


def _user_info(one: Device) -> dict[str, str]:
    user = one.reported_users[0] if one.reported_users else ""
    domain, _, name = user.rpartition("\\")
    return {"username": name, "domain": domain}


def _link_user(one: Device) -> dict[str, str]:
    user = one.linked_user or next(iter(one.emails), "")
    return {"username": user, "group": one.linked_user_group}


def _network(one: Interface) -> dict[str, Any]:
    return {
        "description": one.name,
        "mac": shown_mac(one.mac),
        "ipv4": one.ipv4,
        "ipv6": one.ipv6,
        "media_state": "connected" if one.ipv4 or one.ipv6 else "unknown",
        "dhcp_enabled": one.dhcp,
    }


# -- version 2 -----------------------------------------------------------------------------------------------


def device_v2(one: Device, now: datetime) -> dict[str, Any]:
    """Return a device in numbers. An exempt one answers as compliant; `total_issue` still counts."""
    exempt = words(one, now).metaaccess == "exempted"
    critical = 0 if exempt else one.posture.critical
    return {
        "hwid": one.hwid,
        "status": words(one, now).metaaccess_code,
        "critical_issue": int(critical > 0),
        "total_issue": len(one.posture.issues),
        "total_critical_issue": critical,
        "exempt": int(exempt),
        "hostname": one.host_name or one.display_name,
        "machine_type": one.machine_type,
        "agent_version": one.agent.version if one.agent else "",
        "active": int(one.last_seen is not None and now - one.last_seen <= CONNECTED),
        "last_seen": time(one.last_seen),
        "user_info": _user_info(one),
        "os_info": _os_info(one),
        "network_info": [
            {"mac_addr": shown_mac(each.mac), "ipv4_addr": each.ipv4, "ipv6_addr": each.ipv6}
            for each in one.macs
        ],
    }


# -- groups --------------------------------------------------------------------------------------------------


def group(one: DeviceGroup, size: int) -> dict[str, Any]:
    """Return a group of so many devices. Policies belong to organizations here, so it has none of its own."""
    return {
        "group_id": str(one.id),
        "group_name": one.name,
        "domain_name": "",
        "auto_join": one.name == DEFAULT,
        "policy_id": "",
        "policy_name": "",
        "number_of_devices": size,
        "description": "",
        "created_date": time(datetime.fromtimestamp(one.created_at, UTC)),
        "last_modified": time(datetime.fromtimestamp(one.updated_at, UTC)),
    }
