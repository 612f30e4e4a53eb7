"""Stores to test against: in memory and on local files, over both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from seafleet.clock import FixedClock
from seafleet.db.engine import Database
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


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database.open(database_url)
    yield opened
    opened.close()


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
    return ObjectStore(sqlite, MemoryBlobs(clock), clock=clock, inline_block_bytes=INLINE_BYTES)
