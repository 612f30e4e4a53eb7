"""The SQL of the object table, in both dialects. A statement names at most `BATCH` objects.

Functions that take a connection may be given a reading one or that of a transaction.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Delete,
    Executable,
    Select,
    String,
    any_,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.dml import ReturningDelete, ReturningUpdate

from seafleet.db.engine import Transaction, upsert
from seafleet.db.prepared import Prepared, insertion
from seafleet.db.tables import condemned_blob, object_
from seafleet.ids import ObjectId
from seafleet.store.contract import RENEW_AFTER_SECONDS, Kind

BATCH: Final = 500

Dialect = Literal["sqlite", "postgresql"]


def batches(ids: Iterable[ObjectId]) -> Iterator[list[ObjectId]]:
    """Yield the ids in lists of at most `BATCH`."""
    rest = iter(ids)
    while batch := list(itertools.islice(rest, BATCH)):
        yield batch


@dataclass(frozen=True, slots=True)
class _Statements:
    """The statements that name many objects: how a list is passed differs between the dialects."""

    data: Select[tuple[str, bytes]]
    sizes: Select[tuple[str, int]]
    ages: Select[tuple[str, int]]
    touch: ReturningUpdate[*tuple[Any, ...]]
    remove: ReturningDelete[*tuple[Any, ...]]
    condemned: Select[tuple[str, int]]
    condemned_locked: Select[tuple[str, int]]
    rescue: Delete


_o = object_.c
_here = (_o.store_id == bindparam("store"), _o.kind == bindparam("of_kind"))


def _statements(dialect: Dialect) -> _Statements:
    named = (*_here, _one_of(_o.object_id, dialect))
    condemned = (
        condemned_blob.c.store_id == bindparam("store"),
        _one_of(condemned_blob.c.object_id, dialect),
    )
    found = select(condemned_blob.c.object_id, condemned_blob.c.touched_before).where(*condemned)
    return _Statements(
        data=select(_o.object_id, _o.data).where(*named),
        sizes=select(_o.object_id, func.length(_o.data)).where(*named),
        ages=select(_o.object_id, _o.touched_at).where(*named),
        touch=update(object_).where(*named).values(touched_at=bindparam("now")).returning(_o.object_id),
        remove=delete(object_)
        .where(*named, _o.touched_at < bindparam("touched_before"))
        .returning(_o.object_id),
        condemned=found,
        condemned_locked=found.with_for_update(),
        rescue=delete(condemned_blob).where(*condemned),
    )


def _one_of(column: Column[str], dialect: Dialect) -> ColumnElement[bool]:
    """Return the test for a list of ids under one statement text, however many they are."""
    if dialect == "postgresql":
        return column == any_(bindparam("ids", type_=ARRAY(String)))
    listed = func.json_each(bindparam("ids")).table_valued("value")
    return column.in_(select(listed.c.value))


_BY_DIALECT: Final[dict[Dialect, _Statements]] = {
    "sqlite": _statements("sqlite"),
    "postgresql": _statements("postgresql"),
}
_one = Prepared(select(_o.data).where(*_here, _o.object_id == bindparam("object_id")))
_size = select(func.length(_o.data)).where(*_here, _o.object_id == bindparam("object_id"))
_new = insertion(upsert(object_), object_)
_insert = Prepared(
    _new.on_conflict_do_update(
        index_elements=[_o.store_id, _o.kind, _o.object_id],
        set_={"touched_at": _new.excluded.touched_at},
        where=_o.touched_at < _new.excluded.touched_at - RENEW_AFTER_SECONDS,
    )
)
_page = (
    select(_o.object_id)
    .where(*_here, _o.object_id > bindparam("after"))
    .order_by(_o.object_id)
    .limit(bindparam("limit"))
)
_old = (
    select(_o.object_id, func.length(_o.data))
    .where(*_here, _o.object_id > bindparam("after"), _o.touched_at < bindparam("touched_before"))
    .order_by(_o.object_id)
    .limit(bindparam("limit"))
)
_any_of_store = (
    select(_o.kind, _o.object_id).where(_o.store_id == bindparam("store")).limit(bindparam("limit"))
)
_remove_one = delete(object_).where(*_here, _o.object_id == bindparam("object_id"))
_condemn = upsert(condemned_blob).on_conflict_do_nothing(index_elements=list(condemned_blob.primary_key))
_all_condemned = (
    select(condemned_blob.c.object_id)
    .where(condemned_blob.c.store_id == bindparam("store"))
    .limit(bindparam("limit"))
)
_forget_condemned = delete(condemned_blob).where(condemned_blob.c.store_id == bindparam("store"))


class ObjectRows:
    """Reads and writes the table `object`, and `condemned_blob` beside it. Lists may be of any length."""

    def __init__(self, dialect: Dialect) -> None:
        self._statements = _BY_DIALECT[dialect]
        self._encode: Callable[[list[ObjectId]], object] = json.dumps if dialect == "sqlite" else list

    def get(self, connection: Connection, store_id: str, kind: Kind, object_id: ObjectId) -> bytes | None:
        """Return the bytes of one object, or None."""
        found: bytes | None = _one.scalar(connection, _key(store_id, kind, object_id))
        return found

    def size(self, connection: Connection, store_id: str, kind: Kind, object_id: ObjectId) -> int | None:
        """Return the stored size of one object in bytes, or None."""
        return connection.execute(_size, _key(store_id, kind, object_id)).scalar()

    def get_many(
        self, connection: Connection, store_id: str, kind: Kind, ids: Iterable[ObjectId]
    ) -> dict[ObjectId, bytes]:
        """Return the bytes of those that are there."""
        found = self._query(connection, self._statements.data, store_id, kind, ids)
        return {ObjectId(object_id): bytes(data) for object_id, data in found}

    def sizes(
        self, connection: Connection, store_id: str, kind: Kind, ids: Iterable[ObjectId]
    ) -> dict[ObjectId, int]:
        """Return the stored sizes in bytes of those that are there."""
        found = self._query(connection, self._statements.sizes, store_id, kind, ids)
        return {ObjectId(object_id): size for object_id, size in found}

    def ages(
        self, connection: Connection, store_id: str, kind: Kind, ids: Iterable[ObjectId]
    ) -> dict[ObjectId, int]:
        """Return when those that are there were touched last, in Unix seconds."""
        found = self._query(connection, self._statements.ages, store_id, kind, ids)
        return {ObjectId(object_id): touched_at for object_id, touched_at in found}

    def touch(
        self, tx: Transaction, store_id: str, kind: Kind, ids: Iterable[ObjectId], now: int
    ) -> set[ObjectId]:
        """Mark objects as used; return those that are there."""
        found = self._query(tx.connection, self._statements.touch, store_id, kind, ids, now=now)
        return {ObjectId(object_id) for (object_id,) in found}

    def insert(
        self,
        tx: Transaction,
        store_id: str,
        kind: Kind,
        objects: Iterable[tuple[ObjectId, bytes]],
        now: int,
    ) -> None:
        """Add objects; mark those that are there as used, if their mark is old."""
        # In the order of ids, so that two transactions that add the same objects wait for each other in turn.
        rows = [
            {
                "store_id": store_id,
                "kind": kind.value,
                "object_id": object_id,
                "touched_at": now,
                "data": data,
            }
            for object_id, data in sorted(objects)
        ]
        if rows:
            tx.run(_insert, rows)

    def page(self, connection: Connection, store_id: str, kind: Kind, after: str) -> list[ObjectId]:
        """Return up to `BATCH` ids above `after`, in order."""
        values = {"store": store_id, "of_kind": kind.value, "after": after, "limit": BATCH}
        return [ObjectId(object_id) for object_id in connection.execute(_page, values).scalars()]

    def old(
        self, connection: Connection, store_id: str, kind: Kind, after: str, touched_before: int
    ) -> dict[ObjectId, int]:
        """Return up to `BATCH` ids above `after`, with sizes, of objects not touched since a time."""
        values = {"store": store_id, "of_kind": kind.value, "after": after, "limit": BATCH}
        found = connection.execute(_old, {**values, "touched_before": touched_before})
        return {ObjectId(object_id): size for object_id, size in found}

    def remove(
        self, tx: Transaction, store_id: str, kind: Kind, ids: Iterable[ObjectId], touched_before: int
    ) -> list[ObjectId]:
        """Remove those objects that were not touched since a time; return them."""
        statement = self._statements.remove
        found = self._query(tx.connection, statement, store_id, kind, ids, touched_before=touched_before)
        return [ObjectId(object_id) for (object_id,) in found]

    def remove_some(self, tx: Transaction, store_id: str) -> int:
        """Remove up to `BATCH` objects of a store, whatever they are; return how many."""
        found = tx.execute(_any_of_store, {"store": store_id, "limit": BATCH}).all()
        if found:
            tx.execute(_remove_one, [_key(store_id, Kind(kind), ObjectId(name)) for kind, name in found])
        return len(found)

    def condemn(self, tx: Transaction, store_id: str, ids: Iterable[ObjectId], touched_before: int) -> None:
        """Note that collection is about to remove blobs."""
        rows = [
            {"store_id": store_id, "object_id": object_id, "touched_before": touched_before}
            for object_id in sorted(ids)
        ]
        if rows:
            tx.execute(_condemn, rows)

    def condemned(
        self, connection: Connection, store_id: str, ids: Iterable[ObjectId], *, lock: bool = False
    ) -> dict[ObjectId, int]:
        """Return those that are condemned, with the time before which they must have been touched last.

        With `lock`, inside a transaction, nobody else gets past the same call until the transaction ends.
        """
        statement = self._statements.condemned_locked if lock else self._statements.condemned
        found = self._query(connection, statement, store_id, Kind.BLOCK, ids)
        return {ObjectId(object_id): touched_before for object_id, touched_before in found}

    def rescue(self, tx: Transaction, store_id: str, ids: Iterable[ObjectId]) -> None:
        """Take the note back."""
        for batch in batches(ids):
            tx.execute(self._statements.rescue, self._names(store_id, Kind.BLOCK, batch))

    def all_condemned(self, connection: Connection, store_id: str, limit: int) -> list[ObjectId]:
        """Return up to `limit` condemned blobs of a store."""
        found = connection.execute(_all_condemned, {"store": store_id, "limit": limit})
        return [ObjectId(object_id) for object_id in found.scalars()]

    def forget_condemned(self, tx: Transaction, store_id: str) -> None:
        """Forget all condemned blobs of a store that is gone."""
        tx.execute(_forget_condemned, {"store": store_id})

    def _query(
        self,
        connection: Connection,
        statement: Executable,
        store_id: str,
        kind: Kind,
        ids: Iterable[ObjectId],
        **more: object,
    ) -> list[Any]:
        found: list[Any] = []
        for batch in batches(ids):
            found += connection.execute(statement, self._names(store_id, kind, batch, **more)).all()
        return found

    def _names(self, store_id: str, kind: Kind, ids: list[ObjectId], **more: object) -> dict[str, object]:
        return {"store": store_id, "of_kind": kind.value, "ids": self._encode(ids), **more}


def _key(store_id: str, kind: Kind, object_id: ObjectId) -> dict[str, object]:
    return {"store": store_id, "of_kind": kind.value, "object_id": object_id}
