"""The audit log of the registry, read newest first, page by page.

Source: device registry §10, §13.15.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, delete, or_, select

from seafleet.db.tables import device_event, device_link
from seafleet.devices.loading import sure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnElement

    from seafleet.db.engine import Database, Transaction

KEPT_SECONDS: Final = 400 * 86_400

_of = device_event.c
_PURGE: Final = delete(device_event).where(_of.at < bindparam("before"))


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """One entry. `device_id` is None for what concerns the registry itself."""

    id: int
    at: datetime
    organization_id: int
    device_id: int | None
    device_uid: str
    device_name: str
    actor_kind: str
    actor_name: str
    dialect: str
    action: str
    before: dict[str, Any]
    after: dict[str, Any]
    address: str
    request_id: str


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which entries; members that are None do not restrict. `actor` is the whole name."""

    organization_id: int | None = None
    device_id: int | None = None
    actor: str | None = None
    dialect: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class EventPage:
    """Entries, and the number below which the next page begins; None at the end."""

    events: tuple[DeviceEvent, ...]
    next_before: int | None


class EventLog:
    """Reads the log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, wanted: EventFilter, *, limit: int = 50, before: int | None = None) -> EventPage:
        """Return entries, newest first, those numbered below `before`."""
        return self._page([*_conditions(wanted)], limit, before)

    def of_account(
        self, account_id: int, email: str, *, limit: int = 50, before: int | None = None
    ) -> EventPage:
        """Return what happened to the devices that an account uses, leaving out what concerns others only."""
        own = select(device_link.c.device_id).where(device_link.c.account_id == account_id)
        on_own_devices = and_(_of.device_id.in_(own), _of.account_email.is_(None))
        return self._page([or_(on_own_devices, _of.account_email == email)], limit, before)

    def _page(self, conditions: Sequence[ColumnElement[bool]], limit: int, before: int | None) -> EventPage:
        statement = select(device_event).where(*conditions).order_by(_of.id.desc()).limit(limit + 1)
        if before is not None:
            statement = statement.where(_of.id < before)
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        events = tuple(_event(row) for row in rows[:limit])
        return EventPage(events, events[-1].id if len(rows) > limit else None)


def purge(tx: Transaction, now: int) -> int:
    """Remove entries of more than 400 days ago; return how many."""
    return tx.execute(_PURGE, {"before": now - KEPT_SECONDS}).rowcount


def _conditions(wanted: EventFilter) -> Iterator[ColumnElement[bool]]:
    for column, value in (
        (_of.organization_id, wanted.organization_id),
        (_of.device_id, wanted.device_id),
        (_of.actor_name, wanted.actor),
        (_of.dialect, wanted.dialect),
        (_of.action, wanted.action),
    ):
        if value is not None:
            yield column == value
    if wanted.since is not None:
        yield _of.at >= int(wanted.since.timestamp())
    if wanted.until is not None:
        yield _of.at <= int(wanted.until.timestamp())


def _event(row: Any) -> DeviceEvent:
    return DeviceEvent(
        id=row.id,
        at=sure(row.at),
        organization_id=row.organization_id,
        device_id=row.device_id,
        device_uid=row.device_uid,
        device_name=row.device_name,
        actor_kind=row.actor_kind,
        actor_name=row.actor_name,
        dialect=row.dialect,
        action=row.action,
        before=json.loads(row.before),
        after=json.loads(row.after),
        address=row.address,
        request_id=row.request_id,
    )
