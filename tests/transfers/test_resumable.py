"""Chunks of unfinished uploads: kept in order, each durable before it is acknowledged."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert

from seafleet.clock import FixedClock
from seafleet.db import tables
from seafleet.db.engine import Database
from seafleet.errors import InvalidArgument, StorageFailure
from seafleet.transfers.resumable import LIFETIME_SECONDS, Place, ResumableUploads, Stretch

LIBRARY = "00000000-1111-4222-8333-444444444444"
PLACE = Place(LIBRARY, "/folder/a.bin", "alice@example.com")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database.open(database_url)
    account = {"id": 1, "email": "alice@example.com", "created_at_us": 0}
    library = {
        "id": LIBRARY,
        "store_id": LIBRARY,
        "name": "library",
        "owner_id": 1,
        "created_at": 0,
        "updated_at": 0,
        "head_commit_id": "0" * 40,
        "root_id": "0" * 40,
    }
    opened.write(lambda tx: tx.execute(insert(tables.account), account).rowcount)
    opened.write(lambda tx: tx.execute(insert(tables.library), library).rowcount)
    yield opened
    opened.close()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def restart(database: Database, clock: FixedClock, tmp_path: Path) -> Callable[[], ResumableUploads]:
    """Makes the service anew, as another process would."""
    seeds = iter(range(1000))
    return lambda: ResumableUploads(database, clock, random.Random(next(seeds)), tmp_path / "uploads")


@pytest.fixture
def uploads(restart: Callable[[], ResumableUploads]) -> ResumableUploads:
    return restart()


def add(uploads: ResumableUploads, first: int, data: bytes, total: int, place: Place = PLACE) -> None:
    chunk = uploads.begin()
    chunk.write(data)
    try:
        uploads.add(place, Stretch(first, first + len(data) - 1, total), chunk)
    except BaseException:
        chunk.discard()
        raise


def whole(uploads: ResumableUploads, first: int, data: bytes, total: int, place: Place = PLACE) -> bytes:
    chunk = uploads.begin()
    chunk.write(data)
    try:
        return b"".join(uploads.content(place, Stretch(first, first + len(data) - 1, total), chunk))
    finally:
        chunk.discard()


def files(folder: Path) -> int:
    return len(list((folder / "uploads").iterdir()))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes 0-5",
        "bytes 0-5/*",
        "bytes */6",
        "bytes 5-4/6",
        "bytes 0-6/6",
        "bytes 0-0/0",
        "bytes -1-5/6",
        "items 0-5/6",
        "bytes 0-5/6x",
        "bytes 0-" + "9" * 30 + "/" + "9" * 31,
    ],
)
def test_a_range_that_is_no_part_of_a_file_is_refused(header: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        Stretch.parse(header)
    assert raised.value.name == "Content-Range"


def test_a_range_knows_its_length_and_whether_it_is_the_last() -> None:
    stretch = Stretch.parse("bytes 10-19/20")
    assert (stretch, stretch.length, stretch.is_last) == (Stretch(10, 19, 20), 10, True)
    assert not Stretch.parse(" bytes  0-18/20 ").is_last


def test_chunks_add_up_to_the_file(uploads: ResumableUploads) -> None:
    add(uploads, 0, b"01234", 15)
    add(uploads, 5, b"56789", 15)
    assert uploads.received_bytes(PLACE) == 10
    assert whole(uploads, 10, b"abcde", 15) == b"0123456789abcde"


def test_an_upload_goes_on_after_a_restart(
    uploads: ResumableUploads, restart: Callable[[], ResumableUploads]
) -> None:
    add(uploads, 0, b"01234", 10)
    again = restart()
    assert again.received_bytes(PLACE) == 5
    assert whole(again, 5, b"56789", 10) == b"0123456789"


def test_one_chunk_may_be_all_of_it(uploads: ResumableUploads) -> None:
    assert whole(uploads, 0, b"01234", 5) == b"01234"


def test_a_chunk_that_leaves_a_hole_is_refused(uploads: ResumableUploads, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument):
        add(uploads, 5, b"56789", 20)
    add(uploads, 0, b"01234", 20)
    with pytest.raises(InvalidArgument):
        add(uploads, 6, b"6789", 20)
    with pytest.raises(InvalidArgument):
        whole(uploads, 10, b"0123456789", 20)
    assert uploads.received_bytes(PLACE) == 5
    assert files(tmp_path) == 1


@pytest.mark.parametrize("sent", [b"", b"0123", b"012345"])
def test_a_chunk_that_is_not_as_long_as_it_says_is_refused(uploads: ResumableUploads, sent: bytes) -> None:
    chunk = uploads.begin()
    chunk.write(sent)
    with pytest.raises(InvalidArgument):
        uploads.add(PLACE, Stretch(0, 4, 10), chunk)
    with pytest.raises(InvalidArgument):
        list(uploads.content(PLACE, Stretch(0, 4, 5), chunk))
    chunk.discard()
    assert uploads.received_bytes(PLACE) == 0


def test_a_chunk_that_comes_again_overwrites_and_loses_nothing(uploads: ResumableUploads) -> None:
    add(uploads, 0, b"0____", 15)
    add(uploads, 5, b"56789", 15)
    add(uploads, 0, b"01234", 15)
    add(uploads, 3, b"3456", 15)
    assert uploads.received_bytes(PLACE) == 10
    assert whole(uploads, 10, b"abcde", 15) == b"0123456789abcde"


def test_another_size_begins_a_new_upload(uploads: ResumableUploads, tmp_path: Path) -> None:
    add(uploads, 0, b"old file", 100)
    with pytest.raises(InvalidArgument):
        add(uploads, 8, b"x", 20)
    add(uploads, 0, b"new", 20)
    assert uploads.received_bytes(PLACE) == 3
    assert files(tmp_path) == 1


def test_accounts_do_not_continue_each_others_uploads(uploads: ResumableUploads) -> None:
    bobs = Place(PLACE.library_id, PLACE.path, "bob@example.com")
    add(uploads, 0, b"alice", 10)
    assert uploads.received_bytes(bobs) == 0
    with pytest.raises(InvalidArgument):
        whole(uploads, 5, b"bobbb", 10, bobs)
    add(uploads, 0, b"bob", 10, bobs)
    assert uploads.received_bytes(bobs) == 3
    assert uploads.received_bytes(PLACE) == 0


def test_uploads_of_different_files_are_apart(uploads: ResumableUploads) -> None:
    other = Place(LIBRARY, "/folder/b.bin", PLACE.account_email)
    add(uploads, 0, b"aaa", 6)
    add(uploads, 0, b"bbb", 6, other)
    assert whole(uploads, 3, b"AAA", 6) == b"aaaAAA"
    assert whole(uploads, 3, b"BBB", 6, other) == b"bbbBBB"


def test_a_finished_upload_leaves_nothing(uploads: ResumableUploads, tmp_path: Path) -> None:
    add(uploads, 0, b"01234", 10)
    whole(uploads, 5, b"56789", 10)
    uploads.forget(PLACE)
    assert uploads.received_bytes(PLACE) == 0
    assert files(tmp_path) == 0
    uploads.forget(PLACE)


def test_an_upload_whose_file_is_gone_is_reported_and_begins_anew(
    uploads: ResumableUploads, tmp_path: Path
) -> None:
    add(uploads, 0, b"01234", 10)
    for path in (tmp_path / "uploads").iterdir():
        path.unlink()
    with pytest.raises(StorageFailure):
        whole(uploads, 5, b"56789", 10)
    assert uploads.received_bytes(PLACE) == 0
    add(uploads, 0, b"01234", 10)
    assert whole(uploads, 5, b"56789", 10) == b"0123456789"


def test_uploads_that_nobody_goes_on_with_are_removed_after_three_days(
    uploads: ResumableUploads, clock: FixedClock, tmp_path: Path
) -> None:
    add(uploads, 0, b"01234", 10)
    age_files(tmp_path, clock)
    clock.advance(LIFETIME_SECONDS)
    assert uploads.purge() == 0
    assert uploads.received_bytes(PLACE) == 5
    clock.advance(1)
    assert uploads.purge() == 1
    assert uploads.received_bytes(PLACE) == 0
    assert files(tmp_path) == 0


def test_chunks_that_were_left_behind_by_a_crash_are_removed_when_old(
    uploads: ResumableUploads, clock: FixedClock, tmp_path: Path
) -> None:
    assert uploads.purge() == 0  # without a folder, too
    uploads.begin().write(b"never finished")
    age_files(tmp_path, clock)
    assert uploads.purge() == 0
    clock.advance(LIFETIME_SECONDS + 1)
    assert uploads.purge() == 1


def age_files(folder: Path, clock: FixedClock) -> None:
    """Date the files by the clock of the test."""
    for path in (folder / "uploads").iterdir():
        os.utime(path, (clock.timestamp(), clock.timestamp()))


def test_files_can_be_read_by_their_owner_alone(uploads: ResumableUploads, tmp_path: Path) -> None:
    add(uploads, 0, b"01234", 10)
    (path,) = (tmp_path / "uploads").iterdir()
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0
