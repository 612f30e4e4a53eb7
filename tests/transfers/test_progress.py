"""How far uploads are, told by any worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from seafleet.clock import FixedClock
from seafleet.db.engine import Database
from seafleet.transfers.progress import KEEP_SECONDS, UploadProgress


@pytest.fixture(scope="module")
def database(module_database_url: str) -> Iterator[Database]:
    opened = Database.open(module_database_url)
    yield opened
    opened.close()


def test_any_worker_tells_how_far_an_upload_is(database: Database) -> None:
    clock = FixedClock()
    one, other = UploadProgress(database, clock), UploadProgress(database, clock)
    count = one.begin("chosen by the page", 100)
    assert count.add(40), "the first bytes are told at once"
    count.write()
    assert other.of("chosen by the page") == (40, 100)
    assert not count.add(10), "and then once a second"
    clock.advance(1)
    assert count.add(50)
    count.write()
    assert other.of("chosen by the page") == (100, 100)
    assert other.of("another") is None


def test_a_size_that_nobody_announced_is_what_has_come(database: Database) -> None:
    progress = UploadProgress(database, FixedClock())
    count = progress.begin("chunked", 0)
    count.add(7)
    count.write()
    assert progress.of("chunked") == (7, 7)


def test_what_came_long_ago_is_forgotten(database: Database) -> None:
    clock = FixedClock()
    progress = UploadProgress(database, clock)
    progress.begin("old", 10).write()
    clock.advance(KEEP_SECONDS + 1)
    assert progress.of("old") is None
