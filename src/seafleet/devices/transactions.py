"""What MobileFirst tells of its changes: a transaction for each, written together with the change itself.

So there is none without its change and no change without it, and none is ever left half done: they are all
successes. A call that is refused leaves none.

Source: MobileFirst devices §4, §7.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, insert, or_, select

from seafleet.db.tables import mfp_transaction
from seafleet.devices.errors import TransactionNotFound
from seafleet.devices.listing import Position

if TYPE_CHECKING:
    from seafleet.db.engine import Database, Transaction
    from seafleet.devices.actions import Action
    from seafleet.devices.change import Change
    from seafleet.devices.origin import Origin
    from seafleet.devices.record import Device
    from seafleet.devices.registry import Registry

TransactionType = Literal["CHANGE_DEVICE_STATUS", "CHANGE_DEVICE_APPLICATION_STATUS", "REMOVE_DEVICE"]

KEPT_SECONDS: Final = 400 * 86_400
PENDING: Final = "PENDING"
SUCCESS: Final = "SUCCESS"
FAILURE: Final = "FAILURE"

_of = mfp_transaction.c
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INSERT: Final = insert(mfp_transaction)
_PURGE: Final = delete(mfp_transaction).where(_of.created_at_ms < bindparam("before"))
_ONE: Final = select(mfp_transaction).where(
    _of.organization_id == bindparam("organization"), _of.id == bindparam("number")
)


class TransactionSort(StrEnum):
    """An order of transactions; what is equal comes by number, ascending in either direction."""

    CREATED = "created"
    UPDATED = "updated"
    TYPE = "type"
    STATUS = "status"
    USER = "user"
    NUMBER = "number"


_KEYS: Final[Mapping[TransactionSort, ColumnElement[Any]]] = {
    TransactionSort.CREATED: _of.created_at_ms,
    TransactionSort.UPDATED: _of.updated_at_ms,
    TransactionSort.TYPE: _of.type,
    TransactionSort.STATUS: _of.status,
    TransactionSort.USER: _of.user_name,
    TransactionSort.NUMBER: _of.id,
}


@dataclass(frozen=True, slots=True)
class TransactionRecord:
    """One change as MobileFirst tells of it. `description` says what became of what."""

    id: int
    organization_id: int
    type: str
    status: str
    user_name: str
    description: Mapping[str, str]
    errors: tuple[str, ...]
    created_at: datetime
    updated_at: datetime

    def as_accepted(self) -> TransactionRecord:
        """Return it as it was when it was taken on."""
        return replace(self, status=PENDING, updated_at=self.created_at)


@dataclass(frozen=True, slots=True)
class TransactionPage:
    """Part of a list; the members mean what they mean in a page of devices."""

    transactions: tuple[TransactionRecord, ...]
    total: int
    first: Position | None
    last: Position | None
    has_more: bool


class Transactions:
    """Applies actions with a record of them, and lists the records."""

    def __init__(self, database: Database, registry: Registry) -> None:
        self._database = database
        self._registry = registry

    def run(
        self,
        device: Device,
        action: Action,
        kind: TransactionType,
        origin: Origin,
        description: Mapping[str, str],
    ) -> TransactionRecord:
        """Apply an action to a device and record it, both or neither. Raises what `Registry.apply` does."""
        started = _milliseconds(self._registry.now())
        numbers: list[int] = []

        def work(change: Change) -> None:
            action.work(change)
            row = {
                "organization_id": device.organization_id,
                "type": kind,
                "status": SUCCESS,
                "user_name": origin.name,
                "description": json.dumps(dict(description)),
                "errors": "[]",
                "created_at_ms": started,
                "updated_at_ms": max(started, _milliseconds(self._registry.now())),
            }
            key = change.tx.execute(_INSERT, row).inserted_primary_key
            assert key is not None
            numbers.append(int(key[0]))

        recorded = replace(action, work=work)
        self._registry.apply(device.id, recorded, origin, organization_id=device.organization_id)
        return self.get(device.organization_id, numbers[-1])  # the last try is the one that counts

    def get(self, organization_id: int, number: int) -> TransactionRecord:
        """Return a transaction. Raises TransactionNotFound."""
        if not 0 < number < 1 << 62:
            raise TransactionNotFound(number)
        with self._database.read() as connection:
            parameters = {"organization": organization_id, "number": number}
            row = connection.execute(_ONE, parameters).one_or_none()
        if row is None:
            raise TransactionNotFound(number)
        return _record(row)

    def page(
        self,
        organization_id: int,
        *,
        sort: TransactionSort = TransactionSort.CREATED,
        descending: bool = False,
        errors_only: bool = False,
        limit: int = 100,
        after: Position | None = None,
        before: Position | None = None,
    ) -> TransactionPage:
        """Return the transactions after a position, or the last ones before it."""
        backwards = before is not None and after is None
        every = _condition(organization_id, errors_only=errors_only)
        border = before if backwards else after
        condition = every
        if border is not None:
            condition = and_(every, _beyond(sort, border, descending=descending, backwards=backwards))
        key = _KEYS[sort]
        first_by = key.asc() if descending == backwards else key.desc()
        then_by = _of.id.desc() if backwards else _of.id.asc()
        order = (first_by,) if key is _of.id else (first_by, then_by)
        statement = select(mfp_transaction).where(condition).order_by(*order).limit(limit + 1)
        with self._database.read() as connection:
            total = int(connection.execute(_counting(every)).scalar_one())
            rows: Sequence[Any] = connection.execute(statement).all()
        has_more, rows = len(rows) > limit, rows[:limit]
        if backwards:
            rows = rows[::-1]
        first, last = (_position(sort, rows[0]), _position(sort, rows[-1])) if rows else (None, None)
        return TransactionPage(tuple(map(_record, rows)), total, first, last, has_more)

    def count_before(
        self,
        organization_id: int,
        sort: TransactionSort,
        position: Position,
        *,
        descending: bool,
        errors_only: bool = False,
    ) -> int:
        """Return how many transactions come before a place in an order."""
        earlier = _beyond(sort, position, descending=descending, backwards=True)
        condition = and_(_condition(organization_id, errors_only=errors_only), earlier)
        with self._database.read() as connection:
            return int(connection.execute(_counting(condition)).scalar_one())


def purge(tx: Transaction, now: int) -> int:
    """Remove records of more than 400 days ago, as the log does with its entries; return how many."""
    return tx.execute(_PURGE, {"before": (now - KEPT_SECONDS) * 1000}).rowcount


def _condition(organization_id: int, *, errors_only: bool) -> ColumnElement[bool]:
    mine = _of.organization_id == organization_id
    return and_(mine, _of.status == FAILURE) if errors_only else mine


def _counting(condition: ColumnElement[bool]) -> Any:
    return select(func.count()).select_from(mfp_transaction).where(condition)


def _beyond(
    sort: TransactionSort, border: Position, *, descending: bool, backwards: bool
) -> ColumnElement[bool]:
    key = _KEYS[sort]
    upwards = descending == backwards
    further = key > border.key if upwards else key < border.key
    if key is _of.id:
        return further
    behind = _of.id < border.tie if backwards else _of.id > border.tie
    return or_(further, and_(key == border.key, behind))


def _position(sort: TransactionSort, row: Any) -> Position:
    return Position(row._mapping[_KEYS[sort]], row.id)


def _record(row: Any) -> TransactionRecord:
    return TransactionRecord(
        id=row.id,
        organization_id=row.organization_id,
        type=row.type,
        status=row.status,
        user_name=row.user_name,
        description=json.loads(row.description),
        errors=tuple(json.loads(row.errors)),
        created_at=_moment(row.created_at_ms),
        updated_at=_moment(row.updated_at_ms),
    )


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _moment(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)
