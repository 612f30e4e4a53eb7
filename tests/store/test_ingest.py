"""Files are cut, hashed, encrypted and stored while they arrive."""

from __future__ import annotations

import random
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seafleet.clock import FixedClock
from seafleet.db.engine import Database, Transaction
from seafleet.errors import CollectionRan, StorageFailure
from seafleet.formats.chunking import FixedChunker
from seafleet.formats.ciphers import BlockCipher, FileKey, stored_size
from seafleet.formats.fs import FileObject, decode_fs
from seafleet.ids import ZERO_ID, ObjectId
from seafleet.store.contract import Kind
from seafleet.store.disk import RealDisk
from seafleet.store.ingest import FileIngest, IngestedFile
from seafleet.store.local import LocalBlobs
from seafleet.store.objects import ObjectStore

STORE = "11111111-1111-4111-8111-111111111111"
BLOCK_BYTES = 256
CIPHER = BlockCipher(FileKey(2, bytes(range(32)), bytes(16)))


class FullDisk(RealDisk):
    """A disk that takes so many bytes and no more."""

    def __init__(self, room_bytes: int) -> None:
        self.room_bytes = room_bytes

    def write(self, handle: int, data: bytes | memoryview) -> None:
        self.room_bytes -= len(data)
        if self.room_bytes < 0:
            raise OSError(28, "No space left on device")
        super().write(handle, data)


@pytest.fixture(params=[0, 2], ids=["waiting", "threads"])
def local_store(
    request: pytest.FixtureRequest, sqlite: Database, tmp_path: Path, clock: FixedClock
) -> ObjectStore:
    blobs = LocalBlobs(tmp_path, clock)
    return ObjectStore(sqlite, blobs, clock=clock, inline_block_bytes=100, sync_threads=request.param)


def content(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def ingest(
    store: ObjectStore, data: bytes, cipher: BlockCipher | None = None, piece: int = 97
) -> IngestedFile:
    receiving = FileIngest(store, STORE, chunker=FixedChunker(BLOCK_BYTES), cipher=cipher)
    for start in range(0, len(data), piece):
        receiving.write(data[start : start + piece])
    return receiving.finish()


def commit(store: ObjectStore, file: IngestedFile) -> None:
    def work(tx: Transaction) -> None:
        for kind, object_id, data in file.pending:
            store.insert(tx, STORE, kind, [(object_id, data)])

    store.database.write(work)


def read(store: ObjectStore, file: IngestedFile, cipher: BlockCipher | None = None) -> bytes:
    blocks = [store.read_block(STORE, block_id) for block_id in file.block_ids]
    return b"".join(cipher.decrypt(block) if cipher else block for block in blocks)


def remains(store: ObjectStore, folder: Path) -> list[Path]:
    """Every file that is not the database's."""
    return [path for top in ("tmp", "blocks") for path in (folder / top).rglob("*") if path.is_file()]


@given(data=st.binary(max_size=1200), piece=st.integers(1, 700), encrypted=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_sent_is_read_back_however_it_was_split(
    quick_store: ObjectStore, data: bytes, piece: int, encrypted: bool
) -> None:
    cipher = CIPHER if encrypted else None
    file = ingest(quick_store, data, cipher, piece)
    commit(quick_store, file)
    assert read(quick_store, file, cipher) == data
    assert file == ingest(quick_store, data, cipher, 1 + piece // 2)
    if data:
        stored = decode_fs(quick_store.get(STORE, Kind.FS, file.file_id))
        assert stored == FileObject(file.block_ids, len(data))


def test_blocks_are_named_by_what_is_stored(quick_store: ObjectStore) -> None:
    data = content(600)
    cuts = [data[:256], data[256:512], data[512:]]
    assert ingest(quick_store, data).block_ids == tuple(map(ObjectId.of, cuts))
    sealed = [CIPHER.encrypt(cut) for cut in cuts]
    assert ingest(quick_store, data, CIPHER).block_ids == tuple(map(ObjectId.of, sealed))
    assert [len(block) for block in sealed] == [stored_size(len(cut)) for cut in cuts]


def test_the_empty_file_needs_no_objects(quick_store: ObjectStore) -> None:
    assert ingest(quick_store, b"") == IngestedFile(ZERO_ID, 0, (), ())


def test_small_blocks_wait_for_the_transaction_of_the_head(quick_store: ObjectStore) -> None:
    file = ingest(quick_store, content(BLOCK_BYTES + 50))
    assert [kind for kind, _, _ in file.pending] == [Kind.BLOCK, Kind.FS]
    assert quick_store.missing(STORE, Kind.BLOCK, file.block_ids) == [file.block_ids[1]]


def test_small_blocks_do_not_pile_up_in_memory(sqlite: Database, clock: FixedClock, tmp_path: Path) -> None:
    store = ObjectStore(sqlite, LocalBlobs(tmp_path, clock), clock=clock, inline_block_bytes=1 << 16)
    receiving = FileIngest(store, STORE, chunker=FixedChunker(1 << 16))
    data = content(5 << 20)
    receiving.write(data)
    file = receiving.finish()
    assert sum(len(block) for kind, _, block in file.pending if kind is Kind.BLOCK) <= 1 << 20
    commit(store, file)
    assert read(store, file) == data


def test_a_file_of_equal_blocks_is_stored_once(local_store: ObjectStore, tmp_path: Path) -> None:
    file = ingest(local_store, bytes(BLOCK_BYTES * 5))
    assert len(file.block_ids) == 5
    assert len(remains(local_store, tmp_path)) == 1


def test_a_file_that_is_there_already_is_not_written_again(local_store: ObjectStore, tmp_path: Path) -> None:
    first = ingest(local_store, content(1000))
    before = {path: path.stat().st_ino for path in remains(local_store, tmp_path)}
    assert ingest(local_store, content(1000)) == first
    assert {path: path.stat().st_ino for path in remains(local_store, tmp_path)} == before


@pytest.mark.parametrize("received", [0, 50, 150, 256, 1000])
def test_a_file_given_up_leaves_no_trace(local_store: ObjectStore, tmp_path: Path, received: int) -> None:
    receiving = FileIngest(local_store, STORE, chunker=FixedChunker(BLOCK_BYTES))
    receiving.write(content(received))
    receiving.abort()
    receiving.abort()
    assert remains(local_store, tmp_path) == []


@pytest.mark.parametrize("room_bytes", [0, 256, 300, 999])
def test_a_full_disk_fails_the_file_and_leaves_no_trace(
    sqlite: Database, tmp_path: Path, clock: FixedClock, room_bytes: int
) -> None:
    blobs = LocalBlobs(tmp_path, clock, disk=FullDisk(room_bytes))
    store = ObjectStore(sqlite, blobs, clock=clock, inline_block_bytes=100)
    receiving = FileIngest(store, STORE, chunker=FixedChunker(BLOCK_BYTES))
    with pytest.raises(StorageFailure):
        receiving.write(content(1024))
    receiving.abort()
    assert remains(store, tmp_path) == []


def test_nothing_of_a_file_is_visible_before_its_end(local_store: ObjectStore) -> None:
    receiving = FileIngest(local_store, STORE, chunker=FixedChunker(BLOCK_BYTES))
    receiving.write(content(1000))
    assert list(local_store.blobs.list(STORE)) == []
    receiving.finish()
    assert len(list(local_store.blobs.list(STORE))) == 4


def test_memory_does_not_grow_with_the_file(sqlite: Database, tmp_path: Path, clock: FixedClock) -> None:
    store = ObjectStore(sqlite, LocalBlobs(tmp_path, clock), clock=clock)
    batch = content(1 << 20)
    receiving = FileIngest(store, STORE, cipher=CIPHER)
    receiving.write(batch)
    tracemalloc.start()
    for _ in range(18):
        receiving.write(batch)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    receiving.abort()
    assert peak < 2.5 * (1 << 20)


def test_a_block_collected_while_it_is_found_again_fails_the_file(local_store: ObjectStore) -> None:
    file = ingest(local_store, content(BLOCK_BYTES))
    receiving = FileIngest(local_store, STORE, chunker=FixedChunker(BLOCK_BYTES))
    receiving.write(content(BLOCK_BYTES))
    local_store.database.write(lambda tx: local_store.rows.condemn(tx, STORE, file.block_ids, 1 << 40))
    local_store.blobs.remove(STORE, file.block_ids[0])
    with pytest.raises(CollectionRan):
        receiving.finish()
    again = ingest(local_store, content(BLOCK_BYTES))
    assert read(local_store, again) == content(BLOCK_BYTES)
