"""Blocks that were acknowledged survive power cuts, and no part of a block ever stands under its name."""

from __future__ import annotations

import errno
import os
import random
from collections import Counter
from collections.abc import Iterator

import pytest

from seafleet.clock import FixedClock
from seafleet.db.engine import Database
from seafleet.errors import StorageFailure
from seafleet.formats.chunking import FixedChunker
from seafleet.ids import ObjectId, looks_like_object_id
from seafleet.store.contract import Kind
from seafleet.store.ingest import FileIngest
from seafleet.store.local import LocalBlobs
from seafleet.store.objects import ObjectStore
from tests.durability.blob_disk import BlobDisk
from tests.durability.disk import Disk, PowerCut

STORES = ("11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222")
CHUNK = 100
# 480 runs with three power cuts each, each of them looked at in four ways: 5,760 disks that came back.
GROUPS = range(200 if os.environ.get("SEAFLEET_HYPOTHESIS") == "deep" else 8)
RUNS_OF_EACH = 60
CRASHES_OF_EACH = 4
OUTCOMES: Counter[str] = Counter()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Only asked whether collection has condemned a block: no rows are written here."""
    opened = Database.open(str(tmp_path_factory.mktemp("database") / "test.db"))
    yield opened
    opened.close()


class Machine:
    """A server that takes blocks in, and remembers what it has acknowledged."""

    def __init__(
        self, disk: Disk, database: Database, rng: random.Random, acknowledged: set[tuple[str, ObjectId]]
    ) -> None:
        self.disk = disk
        self.rng = rng
        self.acknowledged = acknowledged
        self.clock = FixedClock(1_700_000_000 + rng.randrange(100) * 3600)
        blobs = LocalBlobs("/data", self.clock, disk=BlobDisk(disk), rng=rng)
        self.store = ObjectStore(database, blobs, clock=self.clock, inline_block_bytes=0, sync_threads=0)

    def work(self, operations: int) -> None:
        for _ in range(operations):
            action = self.rng.choice(
                (self.put, self.put, self.upload, self.upload, self.ask, self.copy, self.remove)
            )
            try:
                action(self.rng.choice(STORES))
            except StorageFailure:
                OUTCOMES["failed"] += 1

    def put(self, store_id: str) -> None:
        data = self.some_bytes()
        self.store.put_block(store_id, ObjectId.of(data), data)
        self.acknowledge(store_id, [ObjectId.of(data)])

    def upload(self, store_id: str) -> None:
        receiving = FileIngest(self.store, store_id, chunker=FixedChunker(CHUNK))
        try:
            for _ in range(self.rng.randrange(4)):
                receiving.write(self.some_bytes())
            if self.rng.random() < 0.8:
                self.acknowledge(store_id, receiving.finish().block_ids)
        finally:
            receiving.abort()

    def ask(self, store_id: str) -> None:
        """A client asks which blocks to send: it will not send those that are there."""
        names = [ObjectId.of(bytes_of(number)) for number in range(10)]
        missing = self.store.missing(store_id, Kind.BLOCK, names)
        self.acknowledge(store_id, set(names) - set(missing))

    def copy(self, store_id: str) -> None:
        held = [name for of_store, name in sorted(self.acknowledged) if of_store != store_id]
        self.store.copy_blocks(next(other for other in STORES if other != store_id), store_id, held[:3])
        self.acknowledge(store_id, held[:3])

    def remove(self, store_id: str) -> None:
        for of_store, name in sorted(self.acknowledged)[:2]:
            if of_store == store_id:
                self.acknowledged.discard((store_id, name))
                self.store.blobs.remove(store_id, name)

    def acknowledge(self, store_id: str, names: object) -> None:
        assert isinstance(names, (list, tuple, set))
        OUTCOMES["acknowledged"] += len(names)
        self.acknowledged.update((store_id, name) for name in names)

    def some_bytes(self) -> bytes:
        return bytes_of(self.rng.randrange(10))


def bytes_of(number: int) -> bytes:
    """Few contents, so that blocks come again; of a block, of less, and of several."""
    return random.Random(number).randbytes((CHUNK, 37, 3 * CHUNK)[number % 3])


def new_disk() -> Disk:
    disk = Disk()
    disk.mkdir("/data")
    disk.fsync_folder("/")
    return disk


def assert_consistent(disk: Disk, acknowledged: set[tuple[str, ObjectId]]) -> None:
    found = set()
    for path in disk.walk("/data"):
        *_, store_id, prefix, rest = path.split("/")
        if looks_like_object_id(prefix + rest):
            assert ObjectId.of(disk.read(path)) == prefix + rest, f"{path} is not what its name says"
            found.add((store_id, prefix + rest))
    assert acknowledged <= found, f"lost {acknowledged - found}"


def cut_at_random(machine: Machine, rng: random.Random) -> None:
    machine.disk.cut_at(rng.randrange(1, 120))
    try:
        machine.work(12)
    except PowerCut:
        OUTCOMES["cut"] += 1


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_acknowledged_blocks_survive_power_cuts(database: Database, group: int) -> None:
    for seed in range(group * RUNS_OF_EACH, (group + 1) * RUNS_OF_EACH):
        rng = random.Random(seed)
        disk, acknowledged = new_disk(), set[tuple[str, ObjectId]]()
        for _ in range(3):
            cut_at_random(Machine(disk, database, rng, acknowledged), rng)
            for crash in range(CRASHES_OF_EACH):
                assert_consistent(disk.crash(random.Random(crash)), acknowledged)
            disk = disk.crash(rng)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_disk_that_fails_now_and_then_loses_nothing_acknowledged(database: Database, number: int) -> None:
    for seed in range(RUNS_OF_EACH):
        rng = random.Random(seed)
        disk, acknowledged = new_disk(), set[tuple[str, ObjectId]]()
        disk.fault = lambda operation, path, rng=rng: (
            OSError(number, operation) if rng.random() < 0.03 else None
        )
        machine = Machine(disk, database, rng, acknowledged)
        machine.work(12)
        for crash in range(CRASHES_OF_EACH):
            assert_consistent(disk.crash(random.Random(crash)), acknowledged)


def test_the_runs_above_mean_something() -> None:
    assert OUTCOMES["cut"] > RUNS_OF_EACH
    assert OUTCOMES["acknowledged"] > 10 * RUNS_OF_EACH
    assert OUTCOMES["failed"] > 10


@pytest.mark.parametrize("forgotten", ["fdatasync", "fsync_folder"])
def test_a_store_that_forgets_a_sync_is_found_out(
    database: Database, monkeypatch: pytest.MonkeyPatch, forgotten: str
) -> None:
    monkeypatch.setattr(BlobDisk, forgotten, lambda self, what: None)
    with pytest.raises(AssertionError, match=r"is not what its name says|lost"):
        test_acknowledged_blocks_survive_power_cuts(database, 0)


def test_temporary_files_do_not_pile_up(database: Database) -> None:
    disk = new_disk()
    for seed in range(30):
        rng = random.Random(seed)
        cut_at_random(Machine(disk, database, rng, set()), rng)
        disk = disk.crash(rng)
    fresh = b"what no run before has written"
    Machine(disk, database, random.Random(0), set()).store.put_block(STORES[0], ObjectId.of(fresh), fresh)
    assert list(disk.walk("/data/tmp")) == []
