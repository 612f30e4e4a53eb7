"""Blocks that arrive in pieces, and small ones that arrive together."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from seafleet.db.engine import Database, Work
from seafleet.errors import FileTooLarge, HashMismatch, MalformedObject, StorageFailure
from seafleet.ids import LibraryId, ObjectId
from seafleet.store.objects import ObjectStore
from seafleet.sync import blocks
from seafleet.sync.blocks import BlockReceiver, SmallBlocks


@pytest.mark.parametrize("size", [1, 100, 101, 5000])
@pytest.mark.parametrize("piece", [1, 99, 10_000])
def test_a_block_is_stored_whatever_its_pieces(
    objects: ObjectStore, store_id: LibraryId, size: int, piece: int
) -> None:
    data = bytes(range(256)) * 20
    data = data[:size]
    receiver = BlockReceiver(objects, store_id, ObjectId.of(data))
    for at in range(0, size, piece):
        receiver.write(data[at : at + piece])
    receiver.finish()
    receiver.abort()
    assert objects.read_block(store_id, ObjectId.of(data)) == data


@pytest.mark.parametrize("size", [50, 5000])
def test_a_block_of_another_name_is_not_stored(objects: ObjectStore, store_id: LibraryId, size: int) -> None:
    wrong = ObjectId("1" * 40)
    receiver = BlockReceiver(objects, store_id, wrong)
    receiver.write(b"x" * size)
    with pytest.raises(HashMismatch):
        receiver.finish()
    receiver.abort()
    assert objects.block_sizes(store_id, [wrong, ObjectId.of(b"x" * size)]) == {}


def test_an_empty_block_is_refused(objects: ObjectStore, store_id: LibraryId) -> None:
    receiver = BlockReceiver(objects, store_id, ObjectId.of(b""))
    receiver.write(b"")
    with pytest.raises(MalformedObject):
        receiver.finish()


def test_a_block_that_does_not_end_is_refused(
    objects: ObjectStore, store_id: LibraryId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "MAX_BLOCK_BYTES", 1000)
    receiver = BlockReceiver(objects, store_id, ObjectId.of(b"x" * 1001))
    receiver.write(b"x" * 1000)
    with pytest.raises(FileTooLarge):
        receiver.write(b"x")
    receiver.abort()
    assert objects.block_sizes(store_id, [ObjectId.of(b"x" * 1001)]) == {}


# -- small blocks --------------------------------------------------------------------------------------------


class Held:
    """A database whose works wait until they are let go."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.works: list[tuple[Work[Any], Future[Any]]] = []

    def submit(self, work: Work[Any]) -> Future[Any]:
        self.works.append((work, Future()))
        return self.works[-1][1]

    def let_go(self) -> None:
        for work, future in self.works:
            future.set_result(self._database.write(work))
        self.works.clear()

    def break_down(self) -> None:
        for _, future in self.works:
            future.set_exception(StorageFailure("the disk is full"))
        self.works.clear()


@pytest.fixture
def held(objects: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Held:
    database = Held(objects.database)
    monkeypatch.setattr(objects, "database", database)
    return database


def named(data: bytes) -> tuple[ObjectId, bytes]:
    return ObjectId.of(data), data


def stored(database: Database, objects: ObjectStore, store_id: LibraryId, *contents: bytes) -> list[bytes]:
    objects.database = database
    return [data for data in contents if ObjectId.of(data) in objects.block_sizes(store_id, [named(data)[0]])]


def test_small_blocks_that_wait_together_are_stored_by_one_work(
    objects: ObjectStore, store_id: LibraryId, database: Database, held: Held
) -> None:
    small = SmallBlocks(objects)
    futures = [small.submit(store_id, *named(data)) for data in (b"one", b"two", b"one")]
    assert len(held.works) == 1
    assert not any(future.done() for future in futures)
    held.let_go()
    assert all(future.result() is None for future in futures)
    assert stored(database, objects, store_id, b"one", b"two") == [b"one", b"two"]


def test_a_small_block_that_comes_after_a_work_began_waits_for_the_next(
    objects: ObjectStore, store_id: LibraryId, database: Database, held: Held
) -> None:
    small = SmallBlocks(objects)
    small.submit(store_id, *named(b"early"))
    held.let_go()
    late = small.submit(store_id, *named(b"late"))
    assert not late.done()
    held.let_go()
    assert late.result() is None
    assert stored(database, objects, store_id, b"early", b"late") == [b"early", b"late"]


def test_small_blocks_of_different_stores_do_not_share_a_work(objects: ObjectStore, held: Held) -> None:
    small = SmallBlocks(objects)
    for number in (1, 2):
        small.submit(LibraryId(f"{number:08}-0000-4000-8000-000000000000"), *named(b"same"))
    assert len(held.works) == 2


def test_small_blocks_are_taken_again_after_a_transaction_failed(
    objects: ObjectStore, store_id: LibraryId, database: Database, held: Held
) -> None:
    small = SmallBlocks(objects)
    lost = small.submit(store_id, *named(b"lost"))
    held.break_down()
    kept = small.submit(store_id, *named(b"kept"))
    held.let_go()
    with pytest.raises(StorageFailure):
        lost.result()
    assert kept.result() is None
    assert stored(database, objects, store_id, b"lost", b"kept") == [b"kept"]


def test_a_small_block_of_another_name_is_refused_and_disturbs_no_other(
    objects: ObjectStore, store_id: LibraryId, database: Database, held: Held
) -> None:
    small = SmallBlocks(objects)
    good = small.submit(store_id, *named(b"good"))
    with pytest.raises(HashMismatch):
        small.submit(store_id, ObjectId("1" * 40), b"bad")
    held.let_go()
    assert good.result() is None
    assert stored(database, objects, store_id, b"good", b"bad") == [b"good"]
