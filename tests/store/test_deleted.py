"""Stores of purged libraries are removed whole."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import delete, insert, select

from seafleet.db.engine import Transaction
from seafleet.db.tables import garbage_library, library, library_trash
from seafleet.ids import LibraryId
from seafleet.store.collect import Progress
from seafleet.store.deleted import IN_USE, orphaned_stores, remove_deleted
from seafleet.store.objects import ObjectStore
from tests.store.sample import SampleLibrary, everything

PURGED = LibraryId("11111111-1111-4111-8111-111111111111")
OTHER = LibraryId("22222222-2222-4222-8222-222222222222")
TREE = {"a": random.Random(1).randbytes(300), "b": b"small"}


def purge(store: ObjectStore, library_id: str) -> None:
    def work(tx: Transaction) -> None:
        tx.execute(delete(library).where(library.c.id == library_id))
        tx.execute(insert(garbage_library), {"library_id": library_id, "store_id": library_id})

    store.database.write(work)


def waiting(store: ObjectStore) -> list[str]:
    with store.database.read() as connection:
        return list(connection.execute(select(garbage_library.c.library_id)).scalars())


def test_everything_of_a_purged_library_goes_and_nothing_of_another(store: ObjectStore) -> None:
    purged, other = SampleLibrary(store, PURGED), SampleLibrary(store, OTHER)
    purged.save(TREE)
    other.save(TREE)
    purge(store, PURGED)
    (report,) = remove_deleted(store)
    assert (report.removed_objects, report.removed_blobs, report.removed_bytes) == (6, 1, 256)
    assert everything(store, PURGED) == set()
    assert list(store.commit_ids(PURGED)) == []
    assert other.content() == TREE
    assert waiting(store) == []


def test_a_dry_run_removes_nothing(store: ObjectStore) -> None:
    SampleLibrary(store, PURGED).save(TREE)
    purge(store, PURGED)
    before = everything(store, PURGED)
    (report,) = remove_deleted(store, dry_run=True)
    assert (report.removed_blobs, report.removed_bytes) == (1, 256)
    assert everything(store, PURGED) == before
    assert waiting(store) == [PURGED]


@pytest.mark.parametrize("user", ["the library", "a sub-library", "the trash"])
def test_a_store_that_is_in_use_stays(store: ObjectStore, user: str) -> None:
    SampleLibrary(store, PURGED).save(TREE)
    purge(store, PURGED)
    if user == "the trash":
        ids = {"library_id": PURGED, "store_id": PURGED, "head_commit_id": "0" * 40, "row": "{}"}
        numbers = {"size_bytes": 0, "encrypted": False, "deleted_at": 1}
        row = {**ids, **numbers, "name": "n", "owner_email": ""}
        store.database.write(lambda tx: tx.execute(insert(library_trash), row).rowcount)
    else:
        SampleLibrary(store, OTHER if user == "a sub-library" else PURGED, PURGED)
    before = everything(store, PURGED)
    (report,) = remove_deleted(store)
    assert report.skipped == IN_USE
    assert everything(store, PURGED) == before


def test_an_interrupted_removal_is_taken_up_again(store: ObjectStore) -> None:
    SampleLibrary(store, PURGED).save(TREE)
    purge(store, PURGED)

    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(remove_deleted(store, progress=interrupt))
    assert waiting(store) == [PURGED]
    assert [report.removed_blobs for report in remove_deleted(store)] == [1]
    assert everything(store, PURGED) == set()
    assert waiting(store) == []


def test_a_store_without_any_library_is_pointed_out(store: ObjectStore) -> None:
    for library_id in (PURGED, OTHER):
        SampleLibrary(store, library_id).save(TREE)
    assert list(orphaned_stores(store)) == []
    store.database.write(lambda tx: tx.execute(delete(library).where(library.c.id == PURGED)).rowcount)
    assert list(orphaned_stores(store)) == [PURGED]
    purge(store, PURGED)
    assert list(orphaned_stores(store)) == []
