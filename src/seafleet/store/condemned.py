"""Removing blobs without a moment in which a writer could lose one.

A transaction cannot remove a file, and a file removed inside one does not come back when the transaction
fails. So collection *condemns* a blob in its transaction, and removes it afterwards; a writer that stores
or finds a blob looks whether it is condemned, and *rescues* it. They meet safely because each acts before
it looks:

====================================  ==============================================
writer                                collection
====================================  ==============================================
stores the blob or marks it as used   condemns it
looks: is it condemned? rescues it    looks: is its mark new? then it stays
looks: is it still there?             removes it, and the note that condemned it
====================================  ==============================================

Rescuing excludes the last two steps of collection: each holds the note's row in a transaction. Where the
writer found no note, collection either had finished before, and then the last look shows what it did, or
will find the new mark.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from seafleet.db.engine import Database, Transaction
from seafleet.ids import ObjectId
from seafleet.store.contract import BlobStore
from seafleet.store.rows import ObjectRows

_BATCH: Final = 16


def rescue(database: Database, rows: ObjectRows, store_id: str, ids: Iterable[ObjectId]) -> None:
    """Take blobs off the list of those to be removed.

    Call it after storing them or marking them as used, and look afterwards whether they are still there:
    nobody removes them any more, but some may have been removed before.
    """
    names = list(ids)
    if not names:
        return
    with database.read() as connection:
        condemned = list(rows.condemned(connection, store_id, names))
    if condemned:
        database.write(lambda tx: rows.rescue(tx, store_id, condemned))


def remove_condemned(
    database: Database, rows: ObjectRows, blobs: BlobStore, store_id: str, ids: Iterable[ObjectId]
) -> list[ObjectId]:
    """Remove those blobs that are condemned and were not touched since; return them.

    Blobs are removed inside transactions that may run again or fail: both do no harm here, as a blob that
    is gone stays condemned until a transaction has committed. Few for each, because others wait for it.
    """
    removed: list[ObjectId] = []
    for some in _few(list(ids)):

        def work(tx: Transaction, some: list[ObjectId] = some) -> list[ObjectId]:
            condemned = rows.condemned(tx.connection, store_id, some, lock=True)
            gone = [name for name, before in condemned.items() if _removed(blobs, store_id, name, before)]
            rows.rescue(tx, store_id, condemned)
            return gone

        removed += database.write(work)
    return removed


def _few(ids: list[ObjectId]) -> Iterator[list[ObjectId]]:
    for start in range(0, len(ids), _BATCH):
        yield ids[start : start + _BATCH]


def _removed(blobs: BlobStore, store_id: str, name: ObjectId, touched_before: int) -> bool:
    blob = blobs.stat(store_id, name)
    if blob is None or blob.touched_at >= touched_before:
        return False
    blobs.remove(store_id, name)
    return True
