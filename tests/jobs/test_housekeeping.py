"""Housekeeping: once in a while, by one worker, and only what nobody refers to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from seafleet.accounts.model import Account
from seafleet.api.services import Services
from seafleet.app import build_services, close_services
from seafleet.clock import FixedClock
from seafleet.errors import LibraryNotFound
from seafleet.ids import LibraryId
from seafleet.jobs.housekeeping import Housekeeping
from seafleet.library.edits import AddFiles, Delete, NewFile
from seafleet.library.model import Author
from seafleet.settings import Settings
from seafleet.store.contract import Kind
from seafleet.store.ingest import FileIngest

DAY = 86_400


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    found = build_services(Settings.load(data=tmp_path / "data", inline_block_bytes=64))
    yield found
    close_services(found)


@pytest.fixture
def owner(services: Services) -> Account:
    return services.accounts.create("owner@example.com", "a long password")


def housekeeping(services: Services, clock: FixedClock, **change: int) -> Housekeeping:
    values = {"every_hours": 24, "keep_deleted_days": 30} | change
    return Housekeeping(
        services.db, clock, services.objects, services.collector, services.library_bin, **values
    )


def upload(services: Services, library_id: LibraryId, name: str, content: bytes) -> None:
    ingest = FileIngest(services.objects, library_id)
    ingest.write(content)
    files = (NewFile.received(name, ingest.finish()),)
    services.libraries.commit_edit(library_id, Author("owner@example.com"), AddFiles("/", files))


def test_comes_an_interval_after_the_first_start_and_then_regularly(services: Services) -> None:
    clock = FixedClock()
    keeper = housekeeping(services, clock)
    assert not keeper.run_if_due()
    clock.advance(DAY - 1)
    assert not keeper.run_if_due()
    clock.advance(1)
    assert keeper.run_if_due()
    assert not keeper.run_if_due()
    clock.advance(DAY)
    assert keeper.run_if_due()


def test_one_worker_is_enough(services: Services) -> None:
    clock = FixedClock()
    first, second = housekeeping(services, clock), housekeeping(services, clock)
    first.run_if_due()
    clock.advance(DAY)
    assert [first.run_if_due(), second.run_if_due()] == [True, False]


def test_never_comes_when_it_is_switched_off(services: Services) -> None:
    clock = FixedClock()
    keeper = housekeeping(services, clock, every_hours=0)
    clock.advance(100 * DAY)
    assert not keeper.run_if_due()


def test_removes_libraries_that_were_deleted_long_ago(services: Services, owner: Account) -> None:
    head = services.libraries.create(owner.id, "old")
    upload(services, head.library_id, "a.bin", b"x" * 1000)
    services.library_bin.delete(head.library_id, Author(owner.email))
    clock = FixedClock(services.clock.timestamp() + 29 * DAY)
    housekeeping(services, clock).run()
    assert services.library_bin.get(head.library_id).name == "old"
    clock.advance(2 * DAY)
    housekeeping(services, clock, keep_deleted_days=-1).run()
    assert services.library_bin.get(head.library_id).name == "old"
    housekeeping(services, clock).run()
    with pytest.raises(LibraryNotFound):
        services.library_bin.get(head.library_id)
    assert list(services.objects.commit_ids(head.library_id)) == []
    assert list(services.objects.blobs.store_ids()) == []


def test_keeps_what_is_in_use(services: Services, owner: Account) -> None:
    head = services.libraries.create(owner.id, "used")
    upload(services, head.library_id, "a.bin", b"x" * 1000)
    housekeeping(services, FixedClock(services.clock.timestamp() + 400 * DAY)).run()
    now = services.libraries.get(head.library_id)
    entry = services.trees.find(now.store_id, now.root_id, "/a.bin")
    assert entry is not None
    blocks = services.trees.file(now.store_id, entry.id).block_ids
    assert services.objects.missing(now.store_id, Kind.BLOCK, blocks) == []


def test_the_libraries_of_a_deleted_account_go_to_the_bin(services: Services, owner: Account) -> None:
    head = services.libraries.create(owner.id, "left behind")
    upload(services, head.library_id, "a.bin", b"x" * 1000)
    services.libraries.commit_edit(head.library_id, Author(owner.email), Delete("/", ("no",)))
    assert services.accounts.delete(owner)
    assert services.libraries.find(head.library_id) is None
    heir = services.accounts.create("heir@example.com", "a long password")
    services.library_bin.restore(head.library_id, heir.id)
    assert services.libraries.get(head.library_id).owner_email == heir.email
