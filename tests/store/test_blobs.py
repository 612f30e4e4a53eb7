"""One contract for every blob store, then what only local files have to answer for."""

from __future__ import annotations

import errno
import os
import random
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from seafleet.clock import FixedClock
from seafleet.errors import InvalidId, StorageFailure
from seafleet.ids import ObjectId
from seafleet.store.contract import BlobStat, BlobStore
from seafleet.store.disk import RealDisk
from seafleet.store.local import LocalBlobs

STORE = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"
DATA = random.Random(1).randbytes(70_000)
NAME = ObjectId.of(DATA)
ABSENT = ObjectId.of(b"never stored")


def write(blobs: BlobStore, data: bytes = DATA, store_id: str = STORE) -> ObjectId:
    """Store a blob piece by piece."""
    writer, name = blobs.begin(store_id), ObjectId.of(data)
    for start in range(0, len(data), 10_000):
        writer.write(memoryview(data)[start : start + 10_000])
    writer.complete(name)
    writer.publish()
    blobs.settle(store_id, [name])
    return name


# --- the contract -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("store", [write, lambda blobs: blobs.put(STORE, NAME, DATA)])
def test_a_blob_is_read_back_whole_and_in_parts(blobs: BlobStore, store: Callable[[BlobStore], None]) -> None:
    store(blobs)
    assert blobs.read(STORE, NAME, 0, None) == DATA
    assert blobs.read(STORE, NAME, 69_990, 100) == DATA[-10:]
    assert blobs.read(STORE, NAME, 80_000, 10) == b""
    assert blobs.read(STORE, NAME, 5, 0) == b""


def test_a_blob_that_is_not_there_is_none(blobs: BlobStore) -> None:
    blobs.put(STORE, NAME, DATA)
    for store_id, name in ((STORE, ABSENT), (OTHER, NAME)):
        assert blobs.read(store_id, name, 0, None) is None
        assert blobs.stat(store_id, name) is None
        assert not blobs.touch(store_id, name)
        assert not blobs.remove(store_id, name)
        assert not blobs.copy(store_id, STORE, name)


def test_nothing_is_seen_of_a_blob_before_it_is_published(blobs: BlobStore) -> None:
    writer = blobs.begin(STORE)
    writer.write(DATA)
    assert blobs.stat(STORE, NAME) is None
    writer.complete(NAME)
    assert blobs.stat(STORE, NAME) is None
    writer.publish()
    assert blobs.read(STORE, NAME, 0, None) == DATA


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_an_aborted_blob_is_not_there(blobs: BlobStore, steps: int) -> None:
    writer = blobs.begin(STORE)
    actions: list[Callable[[], None]] = [lambda: writer.write(DATA), lambda: writer.complete(NAME)]
    for action in actions[:steps]:
        action()
    writer.abort()
    writer.abort()
    assert list(blobs.list(STORE)) == []


def test_abort_does_nothing_to_a_published_blob(blobs: BlobStore) -> None:
    writer = blobs.begin(STORE)
    writer.write(DATA)
    writer.complete(NAME)
    writer.publish()
    writer.abort()
    assert blobs.read(STORE, NAME, 0, None) == DATA


def test_writing_again_marks_a_blob_as_used_when_its_mark_is_old(blobs: BlobStore, clock: FixedClock) -> None:
    blobs.put(STORE, NAME, DATA)
    first = clock.timestamp()
    for again in (write, lambda blobs: blobs.put(STORE, NAME, DATA), lambda blobs: blobs.touch(STORE, NAME)):
        clock.advance(3600)
        again(blobs)
        assert blobs.stat(STORE, NAME) == BlobStat(NAME, len(DATA), first)
        clock.advance(1)
        again(blobs)
        first = clock.timestamp()
        assert blobs.stat(STORE, NAME) == BlobStat(NAME, len(DATA), first)


def test_two_writers_of_one_blob_get_along(blobs: BlobStore) -> None:
    writers = [blobs.begin(STORE) for _ in range(2)]
    for writer in writers:
        writer.write(DATA)
        writer.complete(NAME)
    for writer in writers:
        writer.publish()
        writer.abort()
    assert [blob.size_bytes for blob in blobs.list(STORE)] == [len(DATA)]


def test_a_copy_stays_when_the_original_goes(blobs: BlobStore, clock: FixedClock) -> None:
    blobs.put(STORE, NAME, DATA)
    clock.advance(7200)
    assert blobs.copy(STORE, OTHER, NAME)
    assert blobs.copy(STORE, OTHER, NAME)
    assert blobs.stat(OTHER, NAME) == BlobStat(NAME, len(DATA), clock.timestamp())
    assert blobs.remove(STORE, NAME)
    assert blobs.read(OTHER, NAME, 0, None) == DATA


def test_blobs_and_stores_are_listed_and_removed(blobs: BlobStore) -> None:
    names = {write(blobs, bytes([number])) for number in range(1, 20)}
    write(blobs, DATA, OTHER)
    assert {blob.object_id for blob in blobs.list(STORE)} == names
    assert sorted(blobs.store_ids()) == [STORE, OTHER]
    blobs.remove_store(STORE)
    assert list(blobs.list(STORE)) == []
    assert list(blobs.store_ids()) == [OTHER]
    write(blobs, DATA)
    assert blobs.read(STORE, NAME, 0, None) == DATA


def test_many_threads_may_write_and_read_at_once(blobs: BlobStore) -> None:
    def work(number: int) -> bool:
        data = random.Random(number % 10).randbytes(5000)
        name = write(blobs, data)
        return blobs.read(STORE, name, 0, None) == data

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(100)))
    assert len(list(blobs.list(STORE))) == 10


# --- local files --------------------------------------------------------------------------------------------


@pytest.fixture
def local(tmp_path: Path, clock: FixedClock) -> LocalBlobs:
    return LocalBlobs(tmp_path, clock)


class FailingDisk(RealDisk):
    """A disk of which one operation fails."""

    def __init__(self, operation: str, number: int = errno.EIO) -> None:
        self.operation = operation
        self.number = number

    def __getattribute__(self, name: str) -> object:
        if name == object.__getattribute__(self, "operation"):
            raise OSError(self.number, os.strerror(self.number))
        return object.__getattribute__(self, name)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_files_lie_where_seafile_has_them(local: LocalBlobs, tmp_path: Path) -> None:
    write(local)
    assert files(tmp_path) == [f"blocks/{STORE}/{NAME[:2]}/{NAME[2:]}"]


def test_files_are_their_owners_alone(local: LocalBlobs, tmp_path: Path) -> None:
    write(local)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "blocks").rglob("*") if path.is_dir()}
    assert modes == {0o700}
    assert stat.S_IMODE((tmp_path / files(tmp_path)[0]).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "tmp").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "operation", ["open_new", "write", "fdatasync", "link", "set_modified", "fsync_folder"]
)
def test_a_failing_disk_fails_the_write_and_leaves_no_temporary_file(
    tmp_path: Path, clock: FixedClock, operation: str
) -> None:
    blobs = LocalBlobs(tmp_path, clock, disk=FailingDisk(operation))
    with pytest.raises(StorageFailure):
        blobs.put(STORE, NAME, DATA)
    assert not [name for name in files(tmp_path) if name.startswith("tmp/")]
    assert LocalBlobs(tmp_path, clock).read(STORE, NAME, 0, None) in (None, DATA)


def test_a_file_that_cannot_be_read_is_not_a_missing_one(tmp_path: Path, clock: FixedClock) -> None:
    LocalBlobs(tmp_path, clock).put(STORE, NAME, DATA)
    for operation in ("open_read", "pread", "size"):
        with pytest.raises(StorageFailure):
            LocalBlobs(tmp_path, clock, disk=FailingDisk(operation)).read(STORE, NAME, 0, None)


def test_a_file_system_without_links_will_do(tmp_path: Path, clock: FixedClock) -> None:
    blobs = LocalBlobs(tmp_path, clock, disk=FailingDisk("link", errno.EPERM))
    write(blobs)
    assert blobs.read(STORE, NAME, 0, None) == DATA
    assert not blobs.copy(STORE, OTHER, NAME)
    assert len(files(tmp_path)) == 1


def test_a_truncated_file_is_replaced_when_the_block_comes_again(local: LocalBlobs, tmp_path: Path) -> None:
    write(local)
    path = tmp_path / files(tmp_path)[0]
    path.write_bytes(DATA[:500])
    write(local)
    assert path.read_bytes() == DATA
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize(
    "bad", ["..", "../../etc", "", "11111111-1111-4111-8111-11111111111G", STORE + "/.."]
)
def test_ids_that_could_lead_elsewhere_are_refused(local: LocalBlobs, bad: str) -> None:
    with pytest.raises(InvalidId):
        local.read(bad, NAME, 0, None)
    with pytest.raises(InvalidId):
        local.put(STORE, ObjectId(bad), DATA)
    with pytest.raises(InvalidId):
        local.begin(bad)


def test_symbolic_links_are_not_followed(local: LocalBlobs, tmp_path: Path) -> None:
    write(local)
    path = tmp_path / files(tmp_path)[0]
    path.unlink()
    secret = tmp_path / "secret"
    secret.write_bytes(b"top secret")
    path.symlink_to(secret)
    assert local.stat(STORE, NAME) is None
    assert list(local.list(STORE)) == []
    with pytest.raises(StorageFailure):
        local.read(STORE, NAME, 0, None)


def test_leftovers_in_a_store_are_passed_over(local: LocalBlobs, tmp_path: Path) -> None:
    write(local)
    for name in (f"{NAME[:2]}/{NAME[2:]}.aB3xYz", "xx/" + "0" * 38, "stray", f"{NAME[:2]}/{'A' * 38}"):
        path = tmp_path / "blocks" / STORE / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"?")
    (tmp_path / "blocks" / "not-a-store").mkdir()
    assert [blob.object_id for blob in local.list(STORE)] == [NAME]
    assert list(local.store_ids()) == [STORE]


def test_a_store_with_foreign_files_keeps_them_when_it_is_removed(local: LocalBlobs, tmp_path: Path) -> None:
    write(local)
    foreign = tmp_path / "blocks" / STORE / NAME[:2] / "precious"
    foreign.write_bytes(b"!")
    local.remove_store(STORE)
    assert files(tmp_path) == [str(foreign.relative_to(tmp_path))]


def test_what_a_dead_process_left_is_removed_by_the_next_writer(tmp_path: Path, clock: FixedClock) -> None:
    (tmp_path / "tmp/blocks-0123").mkdir(parents=True)
    (tmp_path / "tmp/blocks-0123/77-1").write_bytes(DATA)
    (tmp_path / "tmp/another-domain").mkdir()
    living = LocalBlobs(tmp_path, clock)
    writer = living.begin(STORE)
    assert not (tmp_path / "tmp/blocks-0123").exists()
    another = LocalBlobs(tmp_path, clock)
    write(another, b"x")
    writer.write(DATA)
    writer.complete(NAME)
    writer.publish()
    assert living.read(STORE, NAME, 0, None) == DATA
    living.close()
    another.close()
    assert [path.name for path in (tmp_path / "tmp").iterdir()] == ["another-domain"]


def test_nothing_is_made_on_disk_before_the_first_write(local: LocalBlobs, tmp_path: Path) -> None:
    assert local.read(STORE, NAME, 0, None) is None
    assert list(local.list(STORE)) == []
    assert list(local.store_ids()) == []
    assert list(tmp_path.iterdir()) == []
