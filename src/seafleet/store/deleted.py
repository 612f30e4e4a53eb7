"""Stores of deleted libraries are removed whole: no marking, since nothing can refer to them any more.

A library that is purged leaves a row in `garbage_library`. That row goes last, so that an interrupted removal
is taken up again.

Source: storage format §12, "History limit and trash".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, delete, or_, select, union_all

from seafleet.db.engine import Transaction
from seafleet.db.tables import garbage_library, library, library_trash
from seafleet.store.collect import Progress
from seafleet.store.objects import ObjectStore

_garbage = select(garbage_library.c.library_id).order_by(garbage_library.c.library_id)
# A library of this id, or one that keeps its objects under it; in use or in the trash.
_users = union_all(
    *(
        select(key).where(or_(key == bindparam("id"), table.c.store_id == bindparam("id")))
        for table, key in ((library, library.c.id), (library_trash, library_trash.c.library_id))
    )
).limit(1)
_purged = select(garbage_library.c.library_id).where(garbage_library.c.library_id == bindparam("id"))
_forget = delete(garbage_library).where(garbage_library.c.library_id == bindparam("id"))

IN_USE: Final = "it is in use again"


@dataclass(frozen=True, slots=True)
class RemovalReport:
    """What became of a deleted library's store. `removed_objects` counts rows, the others count blobs."""

    library_id: str
    dry_run: bool = False
    removed_objects: int = 0
    removed_blobs: int = 0
    removed_bytes: int = 0
    skipped: str | None = None


def remove_deleted(
    objects: ObjectStore,
    *,
    dry_run: bool = False,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Iterator[RemovalReport]:
    """Remove the stores of all purged libraries, and forget these. Yields one report for each."""
    with objects.database.read() as connection:
        library_ids = list(connection.execute(_garbage).scalars())
    for library_id in library_ids:
        yield _remove(objects, library_id, progress, dry_run=dry_run)


def orphaned_stores(objects: ObjectStore) -> Iterator[str]:
    """Yield the ids of stores whose blobs belong to no library, neither in use nor in the trash nor purged.

    An upload that was under way while its library was purged leaves such a store; nothing is removed here.
    """
    for store_id in objects.blobs.store_ids():
        with objects.database.read() as connection:
            known = _is_used(connection, store_id) or connection.execute(_purged, {"id": store_id}).first()
        if not known:
            yield store_id


def _remove(
    objects: ObjectStore, library_id: str, progress: Callable[[Progress], None], *, dry_run: bool
) -> RemovalReport:
    with objects.database.read() as connection:
        if _is_used(connection, library_id):
            return RemovalReport(library_id, dry_run, skipped=IN_USE)
    blobs = list(objects.blobs.list(library_id))
    removed_bytes = sum(blob.size_bytes for blob in blobs)
    if dry_run:
        return RemovalReport(library_id, dry_run, 0, len(blobs), removed_bytes)
    removed = _remove_rows(objects, library_id, progress)
    if removed is None:
        return RemovalReport(library_id, skipped=IN_USE)
    objects.blobs.remove_store(library_id)
    objects.database.write(lambda tx: _finish(objects, tx, library_id))
    return RemovalReport(library_id, dry_run, removed, len(blobs), removed_bytes)


def _remove_rows(objects: ObjectStore, library_id: str, progress: Callable[[Progress], None]) -> int | None:
    """Remove all small objects, some at a time; return how many, or None if the library is in use."""

    def work(tx: Transaction) -> int | None:
        return None if _is_used(tx.connection, library_id) else objects.rows.remove_some(tx, library_id)

    removed = 0
    while some := objects.database.write(work):
        removed += some
        progress(Progress("remove", library_id, removed))
    return removed if some is not None else None


def _finish(objects: ObjectStore, tx: Transaction, library_id: str) -> None:
    objects.rows.forget_condemned(tx, library_id)
    tx.execute(_forget, {"id": library_id})


def _is_used(connection: Connection, library_id: str) -> bool:
    return connection.execute(_users, {"id": library_id}).first() is not None
