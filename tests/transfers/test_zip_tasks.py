"""The rows that tell how far archives are, on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from seafleet.clock import FixedClock
from seafleet.db.engine import Database
from seafleet.errors import TokenNotFound
from seafleet.transfers.tasks import CanceledError
from seafleet.transfers.zip_tasks import KEEP_SECONDS, ZipProgress, ZipTasks

TOKEN = "0b5c7c3e-0000-4000-8000-000000000001"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def tasks(database_url: str, clock: FixedClock) -> Iterator[ZipTasks]:
    database = Database.open(database_url)
    yield ZipTasks(database, clock)
    database.close()


def test_what_waits_to_be_fetched_counts_as_packed(tasks: ZipTasks) -> None:
    tasks.create(TOKEN, None, 7)
    assert tasks.progress(TOKEN) == ZipProgress(7, 7)


def test_nothing_to_pack_counts_as_one(tasks: ZipTasks) -> None:
    tasks.create(TOKEN, None, 0)
    assert tasks.progress(TOKEN) == ZipProgress(1, 1)


def test_files_are_counted_every_two_seconds_while_they_are_sent(tasks: ZipTasks, clock: FixedClock) -> None:
    tasks.create(TOKEN, None, 7)
    watch = tasks.begin(TOKEN)
    watch.note(1)
    assert tasks.progress(TOKEN).zipped == 0
    clock.advance(2)
    watch.note(2)
    watch.note(3)
    assert tasks.progress(TOKEN) == ZipProgress(2, 7)
    watch.end(7, complete=True)
    assert tasks.progress(TOKEN) == ZipProgress(7, 7)


def test_what_breaks_off_has_failed(tasks: ZipTasks) -> None:
    tasks.create(TOKEN, None, 7)
    tasks.begin(TOKEN).end(4, complete=False)
    assert tasks.progress(TOKEN) == ZipProgress(4, 7, "internal error")


def test_canceling_stops_the_packing_soon(tasks: ZipTasks, clock: FixedClock) -> None:
    tasks.create(TOKEN, None, 7)
    watch = tasks.begin(TOKEN)
    tasks.cancel(TOKEN)
    watch.note(1)
    clock.advance(2)
    with pytest.raises(CanceledError):
        watch.note(2)
    watch.end(2, complete=False)
    assert tasks.progress(TOKEN) == ZipProgress(2, 7, "", canceled=True)
    with pytest.raises(CanceledError):
        tasks.begin(TOKEN)


def test_what_was_sent_cannot_be_canceled(tasks: ZipTasks) -> None:
    tasks.create(TOKEN, None, 7)
    tasks.begin(TOKEN).end(7, complete=True)
    tasks.cancel(TOKEN)
    assert tasks.progress(TOKEN) == ZipProgress(7, 7)


def test_unknown_and_old_tokens_are_not_found(tasks: ZipTasks, clock: FixedClock) -> None:
    with pytest.raises(TokenNotFound):
        tasks.progress(TOKEN)
    tasks.cancel(TOKEN)
    tasks.create(TOKEN, None, 7)
    clock.advance(KEEP_SECONDS + 1)
    with pytest.raises(TokenNotFound):
        tasks.progress(TOKEN)


def test_an_archive_that_nobody_noted_is_sent_all_the_same(tasks: ZipTasks, clock: FixedClock) -> None:
    watch = tasks.begin(TOKEN)
    clock.advance(2)
    watch.note(1)
    watch.end(1, complete=True)
