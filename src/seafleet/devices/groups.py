"""Device groups: ordered memberships, of which the first is the primary one.

`Default` exists in every organization and can neither be renamed nor deleted.

Source: Device Magic devices §6; device registry §2, §5, §6.9.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, func, insert, select, update

from seafleet.db.engine import upsert
from seafleet.db.tables import device, device_group, device_group_member
from seafleet.devices.change import write_event
from seafleet.devices.errors import DeviceGroupNotFound, DeviceNotFound, StillInUse
from seafleet.devices.record import GroupRef
from seafleet.errors import AlreadyExists, InvalidArgument
from seafleet.text import is_storable

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction
    from seafleet.devices.change import Change
    from seafleet.devices.origin import Origin

DEFAULT: Final = "Default"
MAX_NAME: Final = 100
_PART: Final = 500

_group, _member = device_group.c, device_group_member.c
_OF_DEVICE: Final = (
    select(_group.id, _group.name)
    .join(device_group_member, _member.group_id == _group.id)
    .where(_member.device_id == bindparam("device"))
    .order_by(_member.position, _group.name)
)
_LEAVE: Final = delete(device_group_member).where(_member.device_id == bindparam("device"))
_LEAVE_GROUP: Final = delete(device_group_member).where(
    _member.group_id == bindparam("group"), _member.device_id.in_(bindparam("devices", expanding=True))
)
_JOIN: Final = insert(device_group_member)
_BY_ID: Final = select(device_group).where(
    _group.organization_id == bindparam("organization"), _group.id == bindparam("group")
)
_BY_NAMES: Final = select(_group.id, _group.name).where(
    _group.organization_id == bindparam("organization"), _group.name.in_(bindparam("names", expanding=True))
)
_ALL: Final = (
    select(device_group).where(_group.organization_id == bindparam("organization")).order_by(_group.id)
)
_MEMBERS: Final = (
    select(_member.group_id, _member.device_id)
    .where(_member.group_id.in_(bindparam("groups", expanding=True)))
    .order_by(_member.device_id)
)
_SIZES: Final = (
    select(_member.group_id, func.count())
    .where(_member.group_id.in_(bindparam("groups", expanding=True)))
    .group_by(_member.group_id)
)
_MAKE: Final = (
    upsert(device_group)
    .values({name: bindparam(name) for name in ("organization_id", "name", "created_at", "updated_at")})
    .on_conflict_do_nothing()
)
_LAST_POSITIONS: Final = (
    select(_member.device_id, func.max(_member.position).label("last"))
    .where(_member.device_id.in_(bindparam("devices", expanding=True)))
    .group_by(_member.device_id)
)
_KNOWN_DEVICES: Final = select(device.c.id).where(
    device.c.organization_id == bindparam("organization"),
    device.c.removed_at.is_(None),
    device.c.id.in_(bindparam("devices", expanding=True)),
)


@dataclass(frozen=True, slots=True)
class DeviceGroup:
    """A group with the numbers of its devices, in ascending order. Times are whole Unix seconds."""

    id: int
    organization_id: int
    name: str
    created_at: int
    updated_at: int
    device_ids: tuple[int, ...] = ()


# -- memberships of one device, inside a change --------------------------------------------------------------


def of_device(tx: Transaction, device_id: int) -> list[GroupRef]:
    """Return a device's groups, the primary one first."""
    return [GroupRef(row.id, row.name) for row in tx.execute(_OF_DEVICE, {"device": device_id})]


def replace_all(change: Change, names: Sequence[str]) -> None:
    """Put the device into exactly these groups, in this order. Raises DeviceGroupNotFound for the first
    unknown name.
    """
    wanted = list(dict.fromkeys(names))
    found = by_names(change.tx, change["organization_id"], wanted)
    for name in wanted:
        if name not in found:
            raise DeviceGroupNotFound(name)
    _set(change, [GroupRef(found[name], name) for name in wanted])


def make_primary(change: Change, group_id: int | None) -> None:
    """Put a group in the place of the primary one; the other memberships stay. None means `Default`.

    Raises DeviceGroupNotFound.
    """
    organization_id = change["organization_id"]
    group = (
        default_group(change.tx, organization_id, change.now)
        if group_id is None
        else _require(change.tx, organization_id, group_id)
    )
    present = of_device(change.tx, change.device_id)
    if present and present[0].id == group.id:
        return
    _set(change, [group, *(known for known in present[1:] if known.id != group.id)])


def join_default(change: Change) -> None:
    """Put a new device into `Default`, unless it is in a group."""
    if not of_device(change.tx, change.device_id):
        make_primary(change, None)


def leave_all(change: Change) -> None:
    """Take the device out of its groups."""
    _set(change, [])


def add_behind(change: Change, more: Sequence[GroupRef]) -> None:
    """Add memberships behind those that are there."""
    present = of_device(change.tx, change.device_id)
    known = {group.id for group in present}
    _set(change, [*present, *(group for group in more if group.id not in known)])


def _set(change: Change, wanted: Sequence[GroupRef]) -> None:
    before = of_device(change.tx, change.device_id)
    if [group.id for group in before] == [group.id for group in wanted]:
        return
    change.tx.execute(_LEAVE, {"device": change.device_id})
    rows = [
        {"device_id": change.device_id, "group_id": group.id, "position": position}
        for position, group in enumerate(wanted)
    ]
    if rows:
        change.tx.execute(_JOIN, rows)
    change.note("groups", [group.name for group in before], [group.name for group in wanted])


def by_names(tx: Transaction, organization_id: int, names: Sequence[str]) -> dict[str, int]:
    """Return the numbers of the groups among these names that exist."""
    storable = [name for name in names if is_storable(name)]
    rows = tx.execute(_BY_NAMES, {"organization": organization_id, "names": storable})
    return {row.name: row.id for row in rows}


def default_group(tx: Transaction, organization_id: int, now: int) -> GroupRef:
    """Return the group `Default` of an organization, made if it is not there."""
    found = by_names(tx, organization_id, [DEFAULT])
    if DEFAULT not in found:
        row = {"organization_id": organization_id, "name": DEFAULT, "created_at": now, "updated_at": now}
        tx.execute(_MAKE, row)
        found = by_names(tx, organization_id, [DEFAULT])
    return GroupRef(found[DEFAULT], DEFAULT)


def _require(tx: Transaction, organization_id: int, group_id: int) -> GroupRef:
    row = tx.execute(_BY_ID, {"organization": organization_id, "group": group_id}).one_or_none()
    if row is None:
        raise DeviceGroupNotFound(group_id)
    return GroupRef(row.id, row.name)


# -- the groups of an organization ---------------------------------------------------------------------------


class DeviceGroups:
    """The groups of each organization. Names compare exactly, after NFC."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def all(self, organization_id: int) -> list[DeviceGroup]:
        """Return every group of an organization with its devices, in the order of their making."""
        rows = self._rows(organization_id)
        with self._database.read() as connection:
            return _with_members(connection, rows)

    def sizes(self, organization_id: int) -> list[tuple[DeviceGroup, int]]:
        """Return every group, with the number of its devices in their place, in the order of their making."""
        rows = self._rows(organization_id)
        with self._database.read() as connection:
            counted = connection.execute(_SIZES, {"groups": [row.id for row in rows]})
            sizes: dict[int, int] = {row[0]: row[1] for row in counted}
        return [(DeviceGroup(*row), sizes.get(row.id, 0)) for row in rows]

    def _rows(self, organization_id: int) -> Sequence[Any]:
        with self._database.read() as connection:
            rows = connection.execute(_ALL, {"organization": organization_id}).all()
        if any(row.name == DEFAULT for row in rows):
            return rows
        self._database.write(lambda tx: default_group(tx, organization_id, self._clock.timestamp()))
        return self._rows(organization_id)

    def names(self, organization_id: int) -> list[GroupRef]:
        """Return every group of an organization without its devices, in the order of their making."""
        with self._database.read() as connection:
            rows = connection.execute(_ALL, {"organization": organization_id}).all()
        return [GroupRef(row.id, row.name) for row in rows]

    def get(self, organization_id: int, group_id: int) -> DeviceGroup:
        """Return a group. Raises DeviceGroupNotFound."""
        with self._database.read() as connection:
            rows = connection.execute(_BY_ID, {"organization": organization_id, "group": group_id}).all()
            if not rows:
                raise DeviceGroupNotFound(group_id)
            return _with_members(connection, rows)[0]

    def create(self, organization_id: int, names: Sequence[str], origin: Origin) -> list[DeviceGroup]:
        """Make groups, all or none, and return them in this order; a name that exists is returned as it is.

        Raises InvalidArgument("name").
        """
        wanted = list(dict.fromkeys(check_name(name) for name in names))
        now = self._clock.timestamp()

        def work(tx: Transaction) -> list[int]:
            known = by_names(tx, organization_id, wanted)
            new = [name for name in wanted if name not in known]
            for name in new:
                row = {"organization_id": organization_id, "name": name, "created_at": now, "updated_at": now}
                tx.execute(_MAKE, row)
            if new:
                after = {"groups": new}
                write_event(tx, origin, "group_created", now, organization_id=organization_id, after=after)
            found = by_names(tx, organization_id, wanted)
            return [found[name] for name in wanted]

        return [self.get(organization_id, group_id) for group_id in self._database.write(work)]

    def update(
        self,
        organization_id: int,
        group_id: int,
        origin: Origin,
        *,
        name: str | None = None,
        device_ids: Sequence[int] | None = None,
    ) -> DeviceGroup:
        """Rename a group or replace its devices.

        Raises DeviceGroupNotFound, InvalidArgument("name"), AlreadyExists, StillInUse for the name of
        `Default`, DeviceNotFound for the first unknown device; then nothing is changed.
        """
        new_name = None if name is None else check_name(name)
        now = self._clock.timestamp()

        def work(tx: Transaction) -> None:
            group = _require(tx, organization_id, group_id)
            before: dict[str, Any] = {}
            after: dict[str, Any] = {}
            if new_name is not None and new_name != group.name:
                _rename(tx, organization_id, group, new_name, now)
                before["name"], after["name"] = group.name, new_name
            if device_ids is not None:
                old, new = _replace_members(tx, organization_id, group_id, device_ids)
                if old != new:
                    before["device_ids"], after["device_ids"] = old, new
            if after:
                write_event(
                    tx,
                    origin,
                    "group_changed",
                    now,
                    organization_id=organization_id,
                    before=before,
                    after=after,
                )

        self._database.write(work)
        return self.get(organization_id, group_id)

    def delete(self, organization_id: int, group_id: int, origin: Origin) -> None:
        """Delete a group and its memberships. Raises DeviceGroupNotFound, StillInUse for `Default`."""
        now = self._clock.timestamp()

        def work(tx: Transaction) -> None:
            group = _require(tx, organization_id, group_id)
            if group.name == DEFAULT:
                raise StillInUse("group", "every organization has it")
            tx.execute(delete(device_group).where(_group.id == group_id))
            before = {"name": group.name}
            write_event(tx, origin, "group_deleted", now, organization_id=organization_id, before=before)

        self._database.write(work)


def check_name(name: str) -> str:
    """Return a group's name in the form in which it is kept. Raises InvalidArgument("name")."""
    name = unicodedata.normalize("NFC", name)
    if not 1 <= len(name) <= MAX_NAME or "," in name or not is_storable(name) or not name.isprintable():
        raise InvalidArgument("name", f"1 to {MAX_NAME} printable characters without a comma")
    return name


def _rename(tx: Transaction, organization_id: int, group: GroupRef, name: str, now: int) -> None:
    if group.name == DEFAULT:
        raise StillInUse("group", "every organization has one of this name")
    if by_names(tx, organization_id, [name]):
        raise AlreadyExists("group", name)
    tx.execute(update(device_group).where(_group.id == group.id).values(name=name, updated_at=now))


def _replace_members(
    tx: Transaction, organization_id: int, group_id: int, device_ids: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Replace the devices of a group; new ones get it as their last. Return the numbers before and after."""
    wanted = sorted(set(device_ids))
    known: set[int] = set()
    for part in _parts(wanted):
        parameters = {"organization": organization_id, "devices": part}
        known.update(tx.execute(_KNOWN_DEVICES, parameters).scalars())
    for device_id in wanted:
        if device_id not in known:
            raise DeviceNotFound(device_id)
    present = [row.device_id for row in tx.execute(_MEMBERS, {"groups": [group_id]})]
    gone, new = sorted(set(present) - known), sorted(known - set(present))
    for part in _parts(gone):
        parameters = {"group": group_id, "devices": part}
        tx.execute(_LEAVE_GROUP, parameters)
    for part in _parts(new):
        last = {row.device_id: row.last for row in tx.execute(_LAST_POSITIONS, {"devices": part})}
        rows = [{"device_id": n, "group_id": group_id, "position": last.get(n, -1) + 1} for n in part]
        tx.execute(_JOIN, rows)
    return present, wanted


def _parts(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yield the numbers some hundreds at once: statements take only so many values."""
    return (numbers[at : at + _PART] for at in range(0, len(numbers), _PART))


def _with_members(connection: Connection, rows: Sequence[Any]) -> list[DeviceGroup]:
    members: dict[int, list[int]] = defaultdict(list)
    for group_id, device_id in connection.execute(_MEMBERS, {"groups": [row.id for row in rows]}):
        members[group_id].append(device_id)
    return [
        DeviceGroup(
            row.id, row.organization_id, row.name, row.created_at, row.updated_at, tuple(members[row.id])
        )
        for row in rows
    ]
