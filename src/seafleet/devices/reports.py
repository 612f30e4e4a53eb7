"""What agents say of their machine: checked, cut to what is kept, and written to the record.

Source: device registry §8, "Agent protocol".
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, select

from seafleet.db.engine import upsert
from seafleet.db.tables import device_alias, device_app, device_link
from seafleet.devices.enrolment import put_macs
from seafleet.devices.macs import is_storable_mac, normal_mac
from seafleet.devices.model import PLATFORMS
from seafleet.devices.posture import FACTS
from seafleet.errors import InvalidArgument
from seafleet.text import is_storable, storable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seafleet.devices.change import Change

MACHINE_TYPES: Final = ("desktop", "laptop", "phone", "tablet", "server", "vm", "other")
AGENT_TYPES: Final = ("persistent", "dissolvable", "mobile")
OS_FAMILIES: Final = {
    "windows": "Windows",
    "linux": "Linux",
    "mac": "macOS",
    "android": "Android",
    "ios": "iOS",
    "other": "",
}
MAX_ITEMS: Final = 500
MAX_MESSAGES: Final = 50

_is_hwid = re.compile(r"[A-Za-z0-9._:-]{8,128}").fullmatch
_is_client_id = re.compile(r"[\x21-\x7e]{1,40}").fullmatch

# Member of a report -> column and longest value.
_TEXTS: Final = {
    "hostname": ("host_name", 100),
    "os_name": ("os_name", 100),
    "os_version": ("os_version", 50),
    "architecture": ("architecture", 50),
    "model": ("model", 100),
    "agent_version": ("agent_version", 50),
}
_put_app = upsert(device_app).values({n: bindparam(n) for n in ("device_id", "name", "platform", "version")})
_PUT_APP: Final = _put_app.on_conflict_do_update(
    index_elements=["device_id", "name"], set_={"version": _put_app.excluded.version}
)
_LINKED_APPS: Final = select(device_link.c.app_name).where(device_link.c.device_id == bindparam("device"))
_PUT_CLIENT_ID: Final = (
    upsert(device_alias)
    .values(device_id=bindparam("device"), kind="client", platform=bindparam("on"), value=bindparam("value"))
    .on_conflict_do_nothing()
)


@dataclass(frozen=True, slots=True)
class Inventory:
    """A checked report. `columns` go into the record as they are; members that were not sent are None."""

    columns: dict[str, Any]
    hwid: str | None = None
    macs: tuple[dict[str, Any], ...] = ()
    client_ids: tuple[str, ...] | None = None
    apps: tuple[tuple[str, str], ...] | None = None
    posture: dict[str, bool | None] | None = None
    errors: tuple[tuple[str, str], ...] = ()

    @property
    def platform(self) -> str | None:
        """Return the platform, None if it was not sent."""
        return self.columns.get("platform")

    @property
    def addresses(self) -> frozenset[str]:
        """Return the MAC addresses alone."""
        return frozenset(str(item["mac"]) for item in self.macs)


def parse_inventory(value: object, *, enrolling: bool = False) -> Inventory:
    """Return a checked report. Raises InvalidArgument naming the member that is wrong.

    An enrolment has to name hardware id and platform.
    """
    if not isinstance(value, dict):
        raise InvalidArgument("body", "an object")
    columns: dict[str, Any] = {
        column: storable(_text(value, name), limit)
        for name, (column, limit) in _TEXTS.items()
        if value.get(name) is not None
    }
    for name, words in (("platform", (*PLATFORMS, "other")), ("machine_type", MACHINE_TYPES)):
        if value.get(name) is not None:
            columns[name] = _word(value, name, words)
    if value.get("agent_type") is not None:
        columns["agent_type"] = _word(value, "agent_type", AGENT_TYPES)
    if "platform" in columns:
        columns["os_family"] = OS_FAMILIES[columns["platform"]]
    if value.get("users") is not None:
        columns["reported_users"] = json.dumps([storable(str(u), 255) for u in _items(value, "users")][:20])
    hwid = value.get("hwid")
    if hwid is not None and (not isinstance(hwid, str) or _is_hwid(hwid) is None):
        raise InvalidArgument("hwid", "8 to 128 of A-Z a-z 0-9 . _ : -")
    if enrolling and (hwid is None or "platform" not in columns):
        raise InvalidArgument("platform" if hwid else "hwid", "missing")
    return Inventory(
        columns,
        hwid,
        _macs(value),
        None if value.get("client_ids") is None else tuple(_client_ids(value)),
        None if value.get("apps") is None else tuple(_apps(value)),
        None if value.get("posture") is None else _posture(value["posture"]),
        tuple(_errors(value)),
    )


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value[name]
    if not isinstance(text, str):
        raise InvalidArgument(name, "text")
    return text


def _word(value: Mapping[str, Any], name: str, words: Iterable[str]) -> str:
    text = value[name]
    if not isinstance(text, str) or text not in words:
        raise InvalidArgument(name, "one of " + ", ".join(sorted(words)))
    return text


def _items(value: Mapping[str, Any], name: str) -> list[Any]:
    items = value.get(name)
    if items is None:
        return []
    if not isinstance(items, list) or len(items) > MAX_ITEMS:
        raise InvalidArgument(name, f"a list of at most {MAX_ITEMS}")
    return items


def _objects(value: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    items = _items(value, name)
    if not all(isinstance(item, dict) for item in items):
        raise InvalidArgument(name, "a list of objects")
    return items


def _macs(value: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return the interfaces and the other addresses, each once; what identifies no interface is left out."""
    found: dict[str, dict[str, Any]] = {}
    for text in _items(value, "macs"):
        mac = _mac("macs", text)
        if is_storable_mac(mac):
            found[mac] = {"mac": mac}
    for item in _objects(value, "interfaces"):
        if item.get("mac") is None:
            continue
        mac = _mac("interfaces", item["mac"])
        if is_storable_mac(mac):
            found[mac] = {"mac": mac, **_interface(item)}
    return tuple(found.values())


def _mac(name: str, text: object) -> str:
    mac = normal_mac(text) if isinstance(text, str) else None
    if mac is None:
        raise InvalidArgument(name, "not a MAC address")
    return mac


def _interface(item: Mapping[str, Any]) -> dict[str, Any]:
    dhcp = item.get("dhcp")
    if dhcp is not None and not isinstance(dhcp, bool):
        raise InvalidArgument("interfaces", "dhcp is true, false or null")
    return {
        "interface": storable(str(item.get("name") or ""), 100),
        "ipv4": _address(item.get("ipv4"), ipaddress.IPv4Address),
        "ipv6": _address(item.get("ipv6"), ipaddress.IPv6Address),
        "dhcp": dhcp,
    }


def _address(text: object, kind: Callable[[str], object]) -> str:
    if text in (None, ""):
        return ""
    try:
        return str(kind(str(text).partition("%")[0].partition("/")[0]))
    except ValueError:
        raise InvalidArgument("interfaces", "not an IP address") from None


def _client_ids(value: Mapping[str, Any]) -> Iterable[str]:
    for text in _items(value, "client_ids"):
        if not isinstance(text, str) or _is_client_id(text) is None:
            raise InvalidArgument("client_ids", "1 to 40 printable characters")
        yield text


def _apps(value: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for item in _objects(value, "apps"):
        name, version = item.get("name"), item.get("version")
        if not isinstance(name, str) or not name.strip() or not is_storable(name):
            raise InvalidArgument("apps", "each has a name")
        yield name.strip()[:64], storable(str(version or ""), 50)


def _posture(value: object) -> dict[str, bool | None]:
    if not isinstance(value, dict):
        raise InvalidArgument("posture", "an object")
    for name, fact in value.items():
        if name in FACTS and fact is not None and not isinstance(fact, bool):
            raise InvalidArgument("posture", f"{name} is true, false or null")
    return {name: fact for name, fact in value.items() if name in FACTS}


def _errors(value: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for item in _objects(value, "errors")[:MAX_MESSAGES]:
        library_id, message = item.get("repo_id") or "", item.get("message") or ""
        if not isinstance(library_id, str) or not isinstance(message, str):
            raise InvalidArgument("errors", "repo_id and message are text")
        yield storable(library_id, 36), storable(message, 255)


# -- writing -------------------------------------------------------------------------------------------------


def write_inventory(change: Change, found: Inventory) -> None:
    """Write a report to the record."""
    change.set(**found.columns)
    put_macs(change.tx, change.device_id, found.macs, change.now)
    for client_id in found.client_ids or ():
        row = {"device": change.device_id, "on": change["platform"], "value": client_id}
        change.tx.execute(_PUT_CLIENT_ID, row)
    if found.apps is not None:
        _write_apps(change, found.apps)


def _write_apps(change: Change, apps: tuple[tuple[str, str], ...]) -> None:
    """Keep the applications that were reported, those that log in, and those that are disabled."""
    for name, version in apps:
        row = {
            "device_id": change.device_id,
            "name": name,
            "platform": change["platform"],
            "version": version,
        }
        change.tx.execute(_PUT_APP, row)
    kept = {name for name, _ in apps}
    kept.update(change.tx.execute(_LINKED_APPS, {"device": change.device_id}).scalars())
    change.tx.execute(
        delete(device_app).where(
            device_app.c.device_id == change.device_id,
            device_app.c.status == "ENABLED",
            device_app.c.name.not_in(sorted(kept)),
        )
    )
