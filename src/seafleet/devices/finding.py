"""Finds the record that a key or a newcomer belongs to, inside one organization.

Source: device registry §3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, or_, select

from seafleet.db.tables import device, device_alias, device_link, device_mac
from seafleet.devices.macs import is_random_mac, normal_mac
from seafleet.devices.rows import unindexed
from seafleet.text import is_storable

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from seafleet.devices.reports import Inventory

_of, _alias, _link = device.c, device_alias.c, device_link.c
_HERE: Final = unindexed(_of.organization_id) == bindparam("organization")
_PRESENT: Final = _of.removed_at.is_(None)

_BY_HWID: Final = select(_of.id).where(
    _of.organization_id == bindparam("organization"), _of.hwid_key == bindparam("key")
)
_BY_ALIAS: Final = (
    select(_of.id)
    .join(device_alias, _alias.device_id == _of.id)
    .where(_HERE, _PRESENT, _alias.kind == "hwid", _alias.value == bindparam("key"))
    .order_by(_of.id)
    .limit(1)
)
_BY_TOKEN: Final = select(_of.id).where(_HERE, _PRESENT, _of.agent_token_hash == bindparam("key"))
_IDS: Final[Any] = bindparam("ids", expanding=True)
_BY_LINK: Final = (
    select(_of.id)
    .join(device_link, _link.device_id == _of.id)
    .where(_HERE, _PRESENT, _link.platform == bindparam("on"), _link.client_device_id.in_(_IDS))
    .order_by(_of.id)
    .limit(1)
)
_BY_OWN_LINK: Final = _BY_LINK.where(_link.account_id == bindparam("account"))
_BY_CLIENT: Final = (
    select(_of.id)
    .join(device_alias, _alias.device_id == _of.id)
    .where(
        _HERE,
        _PRESENT,
        _alias.kind == "client",
        _alias.platform == bindparam("on"),
        _alias.value.in_(_IDS),
    )
    .order_by(_of.id)
    .limit(1)
)
_BY_MAC: Final = (
    select(_of.id)
    .join(device_mac, device_mac.c.device_id == _of.id)
    .where(_HERE, _PRESENT, device_mac.c.mac == bindparam("key"))
    .order_by(_of.id)
)
_SIGHTINGS: Final = (
    select(_of.id)
    .distinct()
    .join(device_mac, device_mac.c.device_id == _of.id)
    .where(_HERE, _PRESENT, _of.kind == "sighting", device_mac.c.mac.in_(_IDS))
)
_BLOCKED_BEFORE: Final = (
    select(_of.id)
    .join(device_alias, _alias.device_id == _of.id)
    .where(
        _HERE,
        _of.removed_at.is_not(None),
        _of.merged_into.is_(None),
        or_(_of.admin_state != "ACTIVE", _of.wipe == "requested"),
        or_(
            (_alias.kind == "hwid") & (_alias.value == bindparam("key")),
            (_alias.kind == "client") & (_alias.platform == bindparam("on")) & _alias.value.in_(_IDS),
        ),
    )
    .limit(1)
)


def find_by_hwid(connection: Connection, hwid: str, organization_id: int) -> int | None:
    """Return the number of the device with this hardware id or alias, without case and outer blanks."""
    key = hwid.strip().lower()
    if not is_storable(key):
        return None
    for statement in (_BY_HWID, _BY_ALIAS):
        parameters = {"key": key, "organization": organization_id}
        found = connection.execute(statement, parameters).scalar_one_or_none()
        if found is not None:
            return int(found)
    return None


def find_by_mac(connection: Connection, mac: str, organization_id: int) -> list[int]:
    """Return the numbers of the devices with this address, in any of its spellings."""
    normal = normal_mac(mac)
    if normal is None:
        return []
    parameters = {"key": normal, "organization": organization_id}
    return list(connection.execute(_BY_MAC, parameters).scalars())


def find_by_token(connection: Connection, token_hash: str, organization_id: int) -> int | None:
    """Return the number of the device whose agent has this token."""
    parameters = {"key": token_hash, "organization": organization_id}
    return connection.execute(_BY_TOKEN, parameters).scalar_one_or_none()


def find_by_clients(
    connection: Connection, found: Inventory, organization_id: int, account_id: int | None
) -> int | None:
    """Return the number of the device that one of the reported client ids belongs to.

    With an account only through a link of its own: what an agent reports of clients is a claim.
    """
    if not found.client_ids:
        return None
    parameters = {"organization": organization_id, "on": found.platform, "ids": list(found.client_ids)}
    if account_id is not None:
        return connection.execute(_BY_OWN_LINK, {**parameters, "account": account_id}).scalar_one_or_none()
    number = connection.execute(_BY_LINK, parameters).scalar_one_or_none()
    return number or connection.execute(_BY_CLIENT, parameters).scalar_one_or_none()


def find_sighting(connection: Connection, macs: Sequence[str], organization_id: int) -> int | None:
    """Return the number of the sighting that has one of these addresses, if exactly one has.

    Addresses that devices made up say nothing.
    """
    lasting = [mac for mac in macs if not is_random_mac(mac)]
    if not lasting:
        return None
    rows = connection.execute(_SIGHTINGS, {"organization": organization_id, "ids": lasting}).all()
    return int(rows[0].id) if len(rows) == 1 else None


def was_blocked(connection: Connection, found: Inventory, organization_id: int) -> bool:
    """Tell whether a removed record of this machine was blocked, or was to be wiped, when it went."""
    parameters = {
        "organization": organization_id,
        "key": (found.hwid or "").lower(),
        "on": found.platform,
        "ids": list(found.client_ids or ()),
    }
    return connection.execute(_BLOCKED_BEFORE, parameters).first() is not None
