"""Object stores and services on each database."""

from __future__ import annotations

import itertools
import uuid
from typing import TYPE_CHECKING

import pytest

from seafleet.clock import FixedClock
from seafleet.db.engine import Database
from seafleet.ids import LibraryId
from seafleet.store.memory import MemoryBlobs
from seafleet.store.objects import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Iterator

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def database(module_database_url: str) -> Iterator[Database]:
    """An open database, once for each kind."""
    opened = Database.open(module_database_url)
    yield opened
    opened.close()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def objects(database: Database, clock: FixedClock) -> ObjectStore:
    """An object store; rows up to 100 bytes."""
    return ObjectStore(database, MemoryBlobs(clock), clock=clock, inline_block_bytes=100)


@pytest.fixture
def store_id() -> LibraryId:
    """A store that is this test's alone."""
    return LibraryId(str(uuid.UUID(int=next(_numbers), version=4)))
