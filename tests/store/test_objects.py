"""The contract of the object store, over both databases and over local files."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable

import pytest

from seafleet.clock import FixedClock
from seafleet.db.engine import Database
from seafleet.errors import HashMismatch, MalformedObject, ObjectMissing
from seafleet.ids import ZERO_ID, ObjectId
from seafleet.store.contract import BlobStore, Kind
from seafleet.store.objects import ObjectStore
from tests.store.conftest import INLINE_BYTES

STORE = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"
ABSENT = ObjectId.of(b"never stored")


@pytest.fixture
def store(database: Database, blobs: BlobStore, clock: FixedClock) -> ObjectStore:
    """Every kind of blob store over every kind of database."""
    return ObjectStore(database, blobs, clock=clock, inline_block_bytes=INLINE_BYTES)


def small_block(number: int = 0) -> tuple[ObjectId, bytes]:
    data = random.Random(number).randbytes(INLINE_BYTES)
    return ObjectId.of(data), data


def large_block(number: int = 0) -> tuple[ObjectId, bytes]:
    data = random.Random(number).randbytes(INLINE_BYTES + 1)
    return ObjectId.of(data), data


def fs_object(number: int = 0) -> tuple[ObjectId, bytes]:
    text = b'{"block_ids": ["%040d"], "size": 1, "type": 1, "version": 1}' % number
    return ObjectId.of(text), zlib.compress(text)


@pytest.mark.parametrize("make", [small_block, large_block])
def test_a_block_is_read_back_whole_and_in_parts(
    store: ObjectStore, make: Callable[[], tuple[ObjectId, bytes]]
) -> None:
    block_id, data = make()
    store.put_block(STORE, block_id, data)
    assert store.get(STORE, Kind.BLOCK, block_id) == data
    assert store.read_block(STORE, block_id, 10, 20) == data[10:30]
    assert store.read_block(STORE, block_id, 90) == data[90:]
    assert store.read_block(STORE, block_id, len(data) + 5, 10) == b""
    assert store.block_size(STORE, block_id) == len(data)


def test_small_blocks_are_rows_and_large_ones_blobs(store: ObjectStore) -> None:
    store.put_block(STORE, *small_block())
    store.put_block(STORE, *large_block())
    assert [blob.object_id for blob in store.blobs.list(STORE)] == [large_block()[0]]


def test_an_fs_object_is_kept_as_it_came(store: ObjectStore) -> None:
    object_id, stored = fs_object()
    store.put(STORE, Kind.FS, [(object_id, stored)])
    assert store.get(STORE, Kind.FS, object_id) == stored


@pytest.mark.parametrize("make", [small_block, large_block, fs_object])
def test_bytes_that_do_not_hash_to_their_name_are_refused(
    store: ObjectStore, make: Callable[[int], tuple[ObjectId, bytes]]
) -> None:
    kind = Kind.FS if make is fs_object else Kind.BLOCK
    with pytest.raises(HashMismatch):
        store.put(STORE, kind, [make(1), (make(1)[0], make(2)[1])])
    assert store.missing(STORE, kind, [make(1)[0]]) == [make(1)[0]]


def test_an_empty_block_is_refused(store: ObjectStore) -> None:
    with pytest.raises(MalformedObject):
        store.put_block(STORE, ObjectId.of(b""), b"")


@pytest.mark.parametrize("kind", list(Kind))
def test_what_is_not_there_is_reported_as_missing(store: ObjectStore, kind: Kind) -> None:
    with pytest.raises(ObjectMissing):
        store.get(STORE, kind, ABSENT)
    assert store.get_many(STORE, kind, [ABSENT]) == {}
    assert store.missing(STORE, kind, [ABSENT]) == [ABSENT]


def test_sizes_are_given_for_the_blocks_that_are_there(store: ObjectStore) -> None:
    (small, _), (large, _) = small_block(), large_block()
    store.put(STORE, Kind.BLOCK, [small_block(), large_block()])
    assert store.block_sizes(STORE, [ABSENT, small, large]) == {small: INLINE_BYTES, large: INLINE_BYTES + 1}
    with pytest.raises(ObjectMissing):
        store.block_size(STORE, ABSENT)


def test_objects_belong_to_one_store_and_one_kind(store: ObjectStore) -> None:
    object_id, stored = fs_object()
    store.put(STORE, Kind.FS, [(object_id, stored)])
    assert store.missing(OTHER, Kind.FS, [object_id]) == [object_id]
    assert store.missing(STORE, Kind.COMMIT, [object_id]) == [object_id]


def test_missing_keeps_the_order_and_knows_the_zero_id(store: ObjectStore) -> None:
    absent = [ObjectId.of(bytes([n])) for n in range(5)]
    store.put(STORE, Kind.FS, [fs_object()])
    asked = [absent[3], fs_object()[0], ZERO_ID, absent[1], absent[2]]
    assert store.missing(STORE, Kind.FS, asked) == [absent[3], absent[1], absent[2]]


def test_thousands_are_asked_for_at_once(store: ObjectStore) -> None:
    objects = [fs_object(number) for number in range(1201)]
    store.put(STORE, Kind.FS, objects)
    ids = [object_id for object_id, _ in objects]
    assert store.get_many(STORE, Kind.FS, ids) == dict(objects)
    assert store.missing(STORE, Kind.FS, [*ids, ABSENT]) == [ABSENT]


def test_inserting_again_is_harmless(store: ObjectStore) -> None:
    for _ in range(2):
        store.database.write(lambda tx: store.insert(tx, STORE, Kind.FS, [fs_object(), fs_object(1)]))
    assert store.get(STORE, Kind.FS, fs_object(1)[0]) == fs_object(1)[1]


def touched_at(store: ObjectStore, kind: Kind, object_id: ObjectId) -> int:
    blob = store.blobs.stat(STORE, object_id)
    if blob is not None:
        return blob.touched_at
    with store.database.read() as connection:
        return store.rows.ages(connection, STORE, kind, [object_id])[object_id]


@pytest.mark.parametrize("make", [small_block, large_block])
def test_being_found_marks_an_object_as_used_once_an_hour(
    store: ObjectStore, clock: FixedClock, make: Callable[[], tuple[ObjectId, bytes]]
) -> None:
    block_id, data = make()
    store.put_block(STORE, block_id, data)
    first = clock.timestamp()
    clock.advance(3600)
    store.missing(STORE, Kind.BLOCK, [block_id])
    assert touched_at(store, Kind.BLOCK, block_id) == first
    clock.advance(1)
    store.missing(STORE, Kind.BLOCK, [block_id])
    assert touched_at(store, Kind.BLOCK, block_id) == first + 3601


@pytest.mark.parametrize("make", [small_block, large_block])
def test_being_written_again_marks_an_object_as_used(
    store: ObjectStore, clock: FixedClock, make: Callable[[], tuple[ObjectId, bytes]]
) -> None:
    block_id, data = make()
    store.put_block(STORE, block_id, data)
    clock.advance(7200)
    store.put_block(STORE, block_id, data)
    assert touched_at(store, Kind.BLOCK, block_id) == clock.timestamp()


def test_polling_writes_nothing(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put(STORE, Kind.BLOCK, [small_block(), large_block()])
    ids = [small_block()[0], large_block()[0], ABSENT]
    monkeypatch.setattr(store.database, "write", lambda work: pytest.fail("wrote"))
    assert store.missing(STORE, Kind.BLOCK, ids) == [ABSENT]


def test_blocks_are_copied_to_another_store(store: ObjectStore) -> None:
    store.put(STORE, Kind.BLOCK, [small_block(), large_block()])
    ids = [small_block()[0], large_block()[0]]
    store.copy_blocks(STORE, OTHER, ids)
    store.copy_blocks(STORE, OTHER, ids)
    assert store.get_many(OTHER, Kind.BLOCK, ids) == dict([small_block(), large_block()])
    with pytest.raises(ObjectMissing):
        store.copy_blocks(STORE, OTHER, [ABSENT])


def test_large_copies_go_through_memory_a_few_at_a_time(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = [(ObjectId.of(data), data) for data in (bytes([n]) * (3 << 20) for n in range(7))]
    store.put(STORE, Kind.BLOCK, blocks)
    monkeypatch.setattr(store.blobs, "copy", lambda source, target, name: False)
    held: list[int] = []
    get_many = store.get_many

    def counted(store_id: str, kind: Kind, ids: list[ObjectId]) -> dict[ObjectId, bytes]:
        found = get_many(store_id, kind, ids)
        held.append(sum(map(len, found.values())))
        return found

    monkeypatch.setattr(store, "get_many", counted)
    store.copy_blocks(STORE, OTHER, dict(blocks))
    assert held == [9 << 20, 9 << 20, 3 << 20]
    assert store.missing(OTHER, Kind.BLOCK, dict(blocks)) == []


def test_the_commits_of_a_library_are_listed(store: ObjectStore) -> None:
    commits = [(ObjectId.of(b"%d" % n), b"{}") for n in range(700)]
    store.put(STORE, Kind.COMMIT, commits)
    assert sorted(store.commit_ids(STORE)) == sorted(dict(commits))
