"""A disk that fails or is full: nobody is told that something was done, and the database goes on."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import insert, select

from seafleet.db.engine import Database, Transaction
from seafleet.db.tables import object_
from seafleet.errors import StorageFailure
from tests.db.cells import INSERT, failing_insertion, insertion, value_of
from tests.durability.disk import Disk
from tests.durability.vfs import mounted

URL = "sqlite:///file:/seafleet.db?vfs=simulated&uri=true"


@pytest.fixture(scope="module")
def new_disk() -> Disk:
    with mounted(Disk()) as disk:
        Database.open(URL).close()
    return disk.copy()


@pytest.fixture
def disk(new_disk: Disk) -> Iterator[Disk]:
    with mounted(new_disk.copy()) as disk:
        yield disk


@pytest.fixture
def database(disk: Disk) -> Iterator[Database]:
    database = Database.open(URL)
    yield database
    disk.fault = None
    database.close()


def write_big(tx: Transaction) -> None:
    row = {"store_id": "s", "kind": 2, "object_id": "b" * 40, "touched_at": 0, "data": bytes(1_000_000)}
    tx.execute(insert(object_), row)


def fail_on(disk: Disk, operation: str) -> None:
    disk.fault = lambda done, _path: OSError(errno.EIO, "broken") if done == operation else None


def test_a_full_disk_is_a_storage_failure_and_writing_goes_on_when_there_is_room(
    disk: Disk, database: Database
) -> None:
    disk.limit_bytes = disk.used_bytes() + 200_000
    with pytest.raises(StorageFailure, match="full"):
        database.write(write_big)
    database.write(insertion("small"))
    disk.limit_bytes = None
    database.write(write_big)
    with database.read() as connection:
        assert len(connection.execute(select(object_.c.data)).scalars().all()) == 1
    assert value_of(database, "small") == "1"


def test_when_a_commit_cannot_be_synced_nobody_of_the_batch_is_told_that_it_was_done(
    disk: Disk, database: Database
) -> None:
    actions: list[str] = []

    def with_action(tx: Transaction) -> None:
        tx.execute(INSERT, {"key": "c", "value": "1"})
        tx.after_commit(lambda: actions.append("ran"))

    started, may_go = threading.Event(), threading.Event()

    def blocks_the_writer(tx: Transaction) -> None:
        started.set()
        may_go.wait(10)

    first = database.submit(blocks_the_writer)
    started.wait(10)
    batch = [database.submit(work) for work in (insertion("a"), failing_insertion("b"), with_action)]
    may_go.set()
    first.result()
    errors = [type(future.exception()).__name__ for future in batch]
    assert errors == ["NoneType", "Refusal", "NoneType"]
    assert actions == ["ran"]

    fail_on(disk, "sync")
    batch = [database.submit(work) for work in (insertion("d"), insertion("e"))]
    assert all(isinstance(future.exception(), StorageFailure) for future in batch)
    disk.fault = None
    database.write(insertion("f"))
    assert [value_of(database, key) for key in "abcdef"] == ["1", None, "1", None, None, "1"]


def test_a_failed_write_to_the_log_is_a_storage_failure(disk: Disk, database: Database) -> None:
    fail_on(disk, "write")
    with pytest.raises(StorageFailure):
        database.write(insertion("a"))
    disk.fault = None
    database.write(insertion("a"))
    assert value_of(database, "a") == "1"


def test_a_read_that_the_disk_refuses_is_a_storage_failure_and_the_next_one_works(
    disk: Disk, database: Database
) -> None:
    database.write(insertion("a"))
    fail_on(disk, "read")
    with pytest.raises(StorageFailure):
        value_of(database, "a")
    disk.fault = None
    assert value_of(database, "a") == "1"


def test_a_database_that_cannot_be_opened_is_a_storage_failure(disk: Disk) -> None:
    fail_on(disk, "read")
    with pytest.raises(StorageFailure):
        Database.open(URL)
    disk.fault = None


def test_a_damaged_file_is_a_storage_failure(disk: Disk) -> None:
    descriptor = disk.open("/seafleet.db")
    disk.pwrite(descriptor, b"garbage!" * 512, 0)
    with pytest.raises(StorageFailure, match="not a database"):
        Database.open(URL)
