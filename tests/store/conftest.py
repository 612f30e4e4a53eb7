"""Stores to test against: in memory and on local files, over both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete

from seafleet.clock import FixedClock
from seafleet.db.engine import Database, Transaction
from seafleet.db.tables import account, condemned_blob, garbage_library, library, library_trash, object_
from seafleet.store.contract import BlobStore
from seafleet.store.local import LocalBlobs
from seafleet.store.memory import MemoryBlobs
from seafleet.store.objects import ObjectStore

INLINE_BYTES = 100


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture(params=["memory", "local"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path, clock: FixedClock) -> BlobStore:
    if request.param == "memory":
        return MemoryBlobs(clock)
    return LocalBlobs(tmp_path, clock)


@pytest.fixture(scope="module")
def module_database(module_database_url: str) -> Iterator[Database]:
    opened = Database.open(module_database_url)
    yield opened
    opened.close()


@pytest.fixture
def database(module_database: Database) -> Database:
    """Each kind of database in turn, with nothing in the tables of the store and of the libraries."""

    def work(tx: Transaction) -> None:
        for table in (object_, condemned_blob, garbage_library, library_trash, library, account):
            tx.execute(delete(table))

    module_database.write(work)
    return module_database


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(str(tmp_path / "quick.db"))
    yield opened
    opened.close()


@pytest.fixture
def store(database: Database, tmp_path: Path, clock: FixedClock) -> ObjectStore:
    """Local files over each database; blocks up to INLINE_BYTES are rows."""
    return ObjectStore(database, LocalBlobs(tmp_path, clock), clock=clock, inline_block_bytes=INLINE_BYTES)


@pytest.fixture
def quick_store(sqlite: Database, clock: FixedClock) -> ObjectStore:
    """Memory over SQLite."""
    blobs = MemoryBlobs(clock)
    return ObjectStore(sqlite, blobs, clock=clock, inline_block_bytes=INLINE_BYTES, sync_threads=0)
