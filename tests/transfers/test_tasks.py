"""Copies and moves in the background: how far they are, how they are stopped, and how they end, honestly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from seafleet import errors
from seafleet.actor import Actor
from seafleet.db.engine import Database
from seafleet.ids import LibraryId
from seafleet.transfers.content import Contents
from seafleet.transfers.copying import Copier, Journey
from seafleet.transfers.keys import LibraryKeys
from seafleet.transfers.limits import Limits
from seafleet.transfers.tasks import COPIED, INTERRUPTED, KEEP_SECONDS, STALE_SECONDS, TransferTasks
from tests.library.site import Site
from tests.support.world import World

TREE: dict[str, str | None] = {"/d": None, "/d/a": "1", "/d/e": None, "/d/e/b": "22", "/c": "333"}


@pytest.fixture(scope="module")
def database(module_database_url: str) -> Iterator[Database]:
    """A database of each kind, which these tests share."""
    opened = Database.open(module_database_url, pool_size=12)
    yield opened
    opened.close()


@pytest.fixture
def bench(database: Database) -> Iterator[Bench]:
    """Two libraries, and one worker."""
    bench = Bench(database)
    yield bench
    bench.site.libraries.close()


@dataclass
class Bench:
    """Two libraries, and a worker whose threads run when a test says so."""

    database: Database
    waiting: list[Callable[[], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.site = Site(self.database)
        accounts = World(self.database, clock=self.site.clock).accounts
        limits = Limits(accounts, self.site.libraries)
        contents = Contents(self.site.objects, self.site.trees)
        keys = LibraryKeys(self.site.passwords)
        self.accounts = accounts
        self.copier = Copier(self.site.libraries, contents, keys, limits)
        self.tasks = self.worker()
        self.source, self.target = self.site.library("source"), self.site.library("target")
        self.site.build(self.source, TREE)
        self.actor = Actor(self.site.owner_id, self.site.owner.email)

    def worker(self) -> TransferTasks:
        """Return the tasks as another worker sees them."""
        return TransferTasks(
            self.database,
            self.site.clock,
            self.site.random,
            self.copier,
            lambda _name, work: self.waiting.append(work),
        )

    def start(self, *names: str, keep: bool = True) -> str:
        """Begin to bring entries of the source into the target."""
        heads = self.site.head(self.source), self.site.head(self.target)
        journey = Journey(heads[0], "/", names or ("d", "c"), heads[1], "/", keep)
        return self.tasks.start(self.actor, self.site.owner, journey)

    def run(self) -> None:
        """Run what waits."""
        while self.waiting:
            self.waiting.pop(0)()

    def after_each_commit(self, monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
        """Have something happen whenever a move has come a step further."""
        run_task = self.site.libraries.run_task

        def run_and_act(*arguments: Any) -> Any:
            result = run_task(*arguments)
            action()
            return result

        monkeypatch.setattr(self.site.libraries, "run_task", run_and_act)

    def told(self, task_id: str) -> tuple[str, int, int]:
        """Return state and counts."""
        found = self.tasks.progress(task_id, self.site.owner_id)
        return found.state, found.done, found.total

    def tree(self, library_id: LibraryId) -> dict[str, str | None]:
        """Return what a library holds."""
        return self.site.tree(library_id)


@pytest.mark.parametrize("keep", [True, False], ids=["copy", "move"])
def test_a_task_tells_how_far_it_is_and_that_it_succeeded(bench: Bench, keep: bool) -> None:
    task_id = bench.start(keep=keep)
    assert bench.told(task_id) == ("running", 0, 3)
    bench.run()
    assert bench.told(task_id) == ("done", 3, 3)
    assert bench.tree(bench.target) == TREE
    assert bench.tree(bench.source) == (TREE if keep else {})


def test_a_canceled_task_changes_nothing(bench: Bench) -> None:
    for keep in (True, False):
        task_id = bench.start(keep=keep)
        assert bench.worker().cancel(task_id, bench.site.owner_id)
        bench.run()
        assert bench.told(task_id)[0] == "canceled"
    assert (bench.tree(bench.source), bench.tree(bench.target)) == (TREE, {})


def test_a_move_that_has_put_everything_in_is_not_canceled_any_more(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = bench.start(keep=False)
    stopped: list[bool] = []
    bench.after_each_commit(
        monkeypatch, lambda: stopped.append(bench.tasks.cancel(task_id, bench.site.owner_id))
    )
    bench.run()
    assert stopped == [False, False]
    assert bench.told(task_id)[0] == "done"
    assert (bench.tree(bench.source), bench.tree(bench.target)) == ({}, TREE)


def test_a_move_whose_source_was_locked_meanwhile_says_what_is_where(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    friend_id, _ = bench.site.account()
    task_id = bench.start(keep=False)
    bench.after_each_commit(monkeypatch, lambda: _lock(bench, friend_id))
    bench.run()
    told = bench.tasks.progress(task_id, bench.site.owner_id)
    assert told.state == "failed"
    assert told.failed_reason.startswith(COPIED)
    assert (bench.tree(bench.source), bench.tree(bench.target)) == (TREE, TREE)


def _lock(bench: Bench, account_id: int) -> None:
    if bench.site.locks.get(bench.source, "/d/a") is None:
        bench.site.locks.lock(bench.source, "/d/a", account_id)


def test_what_cannot_be_done_fails_with_its_reason(bench: Bench) -> None:
    task_id = bench.start("c")
    bench.site.libraries.delete(bench.target, bench.site.owner)
    bench.run()
    told = bench.tasks.progress(task_id, bench.site.owner_id)
    assert (told.state, bool(told.failed_reason)) == ("failed", True)


def test_a_task_whose_worker_is_gone_is_reported_as_failed(bench: Bench) -> None:
    task_id = bench.start()
    bench.waiting.clear()  # the worker was killed
    for _ in range(3):
        bench.site.clock.advance(STALE_SECONDS // 2)
        bench.tasks.renew()
    assert bench.told(task_id)[0] == "running", "the worker that took it is alive"
    other = bench.worker()
    bench.site.clock.advance(STALE_SECONDS + 1)
    assert other.progress(task_id, bench.site.owner_id).failed_reason == INTERRUPTED
    other.renew()
    bench.site.clock.advance(-STALE_SECONDS)
    assert other.progress(task_id, bench.site.owner_id).failed_reason == INTERRUPTED, "it stays so"


def test_a_worker_that_stops_reports_its_tasks_as_failed(bench: Bench) -> None:
    task_id = bench.start()
    bench.tasks.close()
    bench.run()
    told = bench.tasks.progress(task_id, bench.site.owner_id)
    assert (told.state, told.failed_reason) == ("failed", INTERRUPTED)
    assert bench.tree(bench.target) == {}


def test_tasks_are_known_to_who_began_them_and_for_a_day(bench: Bench) -> None:
    task_id = bench.start("c")
    stranger_id, _ = bench.site.account()
    with pytest.raises(errors.TokenNotFound):
        bench.tasks.progress(task_id, stranger_id)
    assert not bench.tasks.cancel(task_id, stranger_id)
    bench.run()
    assert not bench.tasks.cancel(task_id, bench.site.owner_id), "it has ended"
    bench.site.clock.advance(KEEP_SECONDS + 1)
    assert bench.tasks.purge() >= 1
    with pytest.raises(errors.TokenNotFound):
        bench.told(task_id)


def test_room_is_looked_for_before_anything_is_copied(bench: Bench) -> None:
    owner = bench.accounts.get(bench.site.owner_id)
    bench.accounts.update(owner, quota_bytes=10)
    heads = bench.site.head(bench.source), bench.site.head(bench.target)
    journey = Journey(heads[0], "/", ("d", "c"), heads[1], "/", keep=True)
    with pytest.raises(errors.QuotaExceeded):
        bench.copier.check(bench.actor, journey)
    bench.copier.check(bench.actor, Journey(heads[0], "/", ("d", "c"), heads[1], "/", keep=False))


def test_copies_share_what_is_stored(bench: Bench) -> None:
    """Blocks are given to the other library by name: not a byte of them is read."""
    read: list[object] = []
    real = bench.site.objects.read_block

    def note(*args: Any) -> bytes:
        read.append(args)
        return real(*args)

    bench.site.objects.read_block = note  # type: ignore[assignment,method-assign]
    bench.start()
    bench.run()
    assert read == []
    assert bench.tree(bench.target) == TREE


def test_a_folder_does_not_come_into_itself_through_a_sub_library(bench: Bench) -> None:
    sub = bench.site.sub_libraries.create(bench.site.head(bench.source), "/d", "d", bench.site.owner)
    origin, sub = bench.site.head(bench.source), bench.site.head(sub.library_id)
    for folder in ("/", "/e"):
        with pytest.raises(errors.InvalidPath):
            bench.copier.check(bench.actor, Journey(origin, "/", ("d",), sub, folder, keep=False))
    bench.copier.run(bench.actor, bench.site.owner, Journey(origin, "/", ("c",), sub, "/e", keep=False))
    bench.site.sub_libraries.run_pending()
    assert bench.tree(bench.source) == {
        "/d": None,
        "/d/a": "1",
        "/d/e": None,
        "/d/e/b": "22",
        "/d/e/c": "333",
    }
