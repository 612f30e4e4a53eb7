"""How a writer learns that collection may have removed what it relies on.

Between the moment when objects are stored, or reported as present, and the transaction that moves the head to
them, nothing refers to them: collection may take them for garbage. Therefore

* a writer notes the generation of the store *before* it stores or looks for the first object
  (`read_generation`);
* in the transaction that moves the head it compares (`require_kept` or `require_same`), and starts again
  from the beginning on CollectionRan;
* collection, in each transaction that removes objects, reads the heads once more and writes a new generation.

Transactions behave as if they ran one after the other, so either the new head is seen by the collection,
which then keeps its objects, or the new generation is seen by the writer.

A generation is kept in the row of the library whose id is the store id, as ``<touched before>-<random>``.
The first part, in Unix seconds, never falls: whatever was touched at or after it has never been removed.

Source: storage format §12, "Doing it while the server runs".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, select, update

from seafleet.db.engine import Transaction
from seafleet.db.prepared import Prepared
from seafleet.db.tables import library
from seafleet.errors import CollectionRan
from seafleet.ids import RandomSource
from seafleet.store.contract import RENEW_AFTER_SECONDS

_TOKEN_BYTES: Final = 8

_read = Prepared(select(library.c.generation).where(library.c.id == bindparam("store")))
_write = update(library).where(library.c.id == bindparam("store")).values(generation=bindparam("new"))


@dataclass(frozen=True, slots=True)
class Generation:
    """The generation of a store as somebody saw it; `seen_at` is in Unix seconds."""

    store_id: str
    value: str
    seen_at: int


def read_generation(connection: Connection, store_id: str, now: int) -> Generation:
    """Return the present generation of a store; an empty one when nothing was ever collected."""
    return Generation(store_id, _value(connection, store_id), now)


def require_kept(tx: Transaction, seen: Generation) -> None:
    """Raise CollectionRan if anything may be gone that was stored or reported as present since `seen`.

    Enough for a head whose tree consists of such objects and of those of the head that it replaces. A
    collection that only took older things disturbs nobody.
    """
    value = _value(tx.connection, seen.store_id)
    # Marks of use may be that old when they are found fresh enough.
    if value != seen.value and touched_before(value) > seen.seen_at - RENEW_AFTER_SECONDS:
        raise CollectionRan(seen.store_id)


def require_same(tx: Transaction, seen: Generation) -> None:
    """Raise CollectionRan if anything at all was removed since `seen`.

    For a head whose tree takes objects from somewhere else without looking for each: from an older commit, or
    from the trash.
    """
    if _value(tx.connection, seen.store_id) != seen.value:
        raise CollectionRan(seen.store_id)


def advance(tx: Transaction, store_id: str, before: int, rng: RandomSource) -> bool:
    """Write a new generation: what was touched before that time may be gone. False if the library is gone."""
    before = max(before, touched_before(_value(tx.connection, store_id)))
    new = f"{before}-{rng.randbytes(_TOKEN_BYTES).hex()}"
    return tx.execute(_write, {"store": store_id, "new": new}).rowcount == 1


def touched_before(value: str) -> int:
    """Return the time before which objects may have been removed; 0 for the empty generation."""
    head = value.partition("-")[0]
    return int(head) if head.isdecimal() else 0


def _value(connection: Connection, store_id: str) -> str:
    return _read.scalar(connection, {"store": store_id}) or ""
