"""The queue of each library: what waits together is written together, and nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, get_ident
from typing import Any

import pytest

from seafleet import errors
from seafleet.db.engine import Database
from seafleet.ids import LibraryId
from seafleet.library.editor import TreeEditor
from seafleet.library.edits import AddFiles, Delete, MakeFolder, Placed, Rename, UpdateFile
from seafleet.library.model import Author, Edit, EditOutcome, HeadChanged
from tests.library.site import Site, new_file

WAIT_SECONDS = 20.0


class Doing(Edit[None]):
    """Calls a function while it is applied, and uploads a marker so that there is something to commit."""

    def __init__(self, action: Callable[[], object]) -> None:
        self.action = action

    def apply(self, editor: TreeEditor) -> None:
        self.action()
        editor.make_folder(f"/marker {len(editor.list('/'))}")

    def describe(self, results: Sequence[None]) -> str:
        return "Doing"


@contextmanager
def holding(site: Site, library: LibraryId) -> Iterator[None]:
    """Keep the queue of a library busy, so that what is submitted inside makes one batch."""
    started, go_on = Event(), Event()

    def wait() -> None:
        started.set()
        assert go_on.wait(WAIT_SECONDS)

    leader = site.libraries.submit_edit(library, site.owner, Doing(wait))
    assert started.wait(WAIT_SECONDS)
    try:
        yield
    finally:
        go_on.set()
        leader.result(WAIT_SECONDS)


def upload(name: str, content: str = "x", **more: Any) -> AddFiles:
    return AddFiles("/", (new_file(name, content),), **more)


def files(site: Site, library: LibraryId) -> set[str]:
    return {path for path, content in site.tree(library).items() if content is not None}


def test_uploads_that_wait_together_are_one_commit(site: Site) -> None:
    library = site.library()
    with holding(site, library):
        waiting = [site.libraries.submit_edit(library, site.owner, upload(f"{n}.txt")) for n in range(5)]
    outcomes = [future.result(WAIT_SECONDS) for future in waiting]
    assert files(site, library) == {f"/{n}.txt" for n in range(5)}
    assert site.texts(library)[0] == 'Added "0.txt" and 4 more files.'
    assert {outcome.commit_id for outcome in outcomes} == {site.head(library).commit_id}
    site.check(library)


def test_the_same_name_from_many_gets_a_number_each(site: Site) -> None:
    library = site.library()
    with holding(site, library):
        waiting = [site.libraries.submit_edit(library, site.owner, upload("a.txt")) for _ in range(3)]
    names = [future.result(WAIT_SECONDS).result[0].entry.name for future in waiting]
    assert names == ["a.txt", "a (1).txt", "a (2).txt"]


def test_every_author_gets_a_commit(site: Site) -> None:
    library = site.library()
    _, other = site.account()
    with holding(site, library):
        for name, author in (("a", site.owner), ("b", other), ("c", site.owner)):
            site.libraries.submit_edit(library, author, upload(name))
    site.libraries.commit_edit(library, site.owner, upload("d"))
    entries = site.history.commits(site.head(library), limit=3)
    assert [(entry.description, entry.creator_name) for entry in entries] == [
        ('Added "d".', site.owner.email),
        ('Added "b".', other.email),
        ('Added "a" and 1 more files.', site.owner.email),
    ]
    assert site.entry(library, "/b").modifier == other.email


def test_edits_that_do_not_combine_are_chained_in_one_batch(site: Site) -> None:
    library = site.library()
    edits: list[Edit[Any]] = [
        upload("a"),
        MakeFolder("/d"),
        Rename("/a", "b"),
        Delete.path("/b"),
        upload("c"),
    ]
    with holding(site, library):
        waiting = [site.libraries.submit_edit(library, site.owner, edit) for edit in edits]
    outcomes = [future.result(WAIT_SECONDS) for future in waiting]
    assert site.texts(library)[:4] == [
        'Deleted "b"',
        'Renamed "a"',
        'Added directory "d"',
        'Added "a" and 1 more files.',
    ]
    commits = [site.libraries.commits.get(library, outcome.commit_id) for outcome in outcomes[:4]]
    assert [each.parent_id for each in commits[1:]] == [each.commit_id for each in commits[:-1]]
    assert files(site, library) == {"/c"}


def test_an_edit_that_fails_spoils_no_other(site: Site) -> None:
    library = site.library()
    site.build(library, {"/d": None})
    edits: list[Edit[Any]] = [
        upload("a"),
        AddFiles("/", (new_file("half", "x"), new_file("d", "x")), replace=True),
        upload(".."),
        UpdateFile("/gone", new_file("x", "x")),
        upload("b"),
    ]
    with holding(site, library):
        waiting = [site.libraries.submit_edit(library, site.owner, edit) for edit in edits]
    found = [type(future.exception(WAIT_SECONDS)) for future in waiting]
    assert found == [type(None), errors.NameTaken, errors.InvalidName, errors.FileNotFound, type(None)]
    assert files(site, library) == {"/a", "/b"}
    site.check(library)


def test_a_batch_that_is_too_large_fails_for_the_one_that_is(site: Site) -> None:
    library = site.library()
    site.quotas[site.owner_id] = 100
    contents = {"small": "x" * 10, "huge": "x" * 1000, "little": "x" * 10}
    with holding(site, library):
        waiting = [
            site.libraries.submit_edit(library, site.owner, upload(name, content))
            for name, content in contents.items()
        ]
    assert [type(future.exception(WAIT_SECONDS)) for future in waiting] == [
        type(None),
        errors.QuotaExceeded,
        type(None),
    ]
    assert files(site, library) == {"/small", "/little"}


def test_a_mistake_in_an_edit_reaches_who_made_it(site: Site) -> None:
    library = site.library()

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        site.libraries.commit_edit(library, site.owner, Doing(fail))
    assert site.do(library, upload("a")).changed, "the queue goes on"


def test_what_was_cancelled_while_it_waited_is_not_done(site: Site) -> None:
    library = site.library()
    with holding(site, library):
        dropped = site.libraries.submit_edit(library, site.owner, upload("dropped"))
        kept = site.libraries.submit_edit(library, site.owner, upload("kept"))
        assert dropped.cancel()
    kept.result(WAIT_SECONDS)
    assert files(site, library) == {"/kept"}


def test_an_event_loop_can_wait_for_edits(site: Site) -> None:
    library = site.library()

    async def main() -> list[EditOutcome[tuple[Placed, ...]]]:
        futures = (site.libraries.submit_edit(library, site.owner, upload(f"{n}")) for n in range(20))
        return await asyncio.gather(*map(asyncio.wrap_future, futures))

    outcomes = asyncio.run(main())
    assert {outcome.result[0].path for outcome in outcomes} == files(site, library)


def test_an_edit_that_is_begun_is_applied_by_the_calling_thread_if_nobody_is_at_it(site: Site) -> None:
    library, at_work = site.library(), list[int]()
    begun = site.libraries.begin_edit(library, site.owner, Doing(lambda: at_work.append(get_ident())))
    assert at_work == [get_ident()]
    assert begun.result(WAIT_SECONDS).changed


def test_an_edit_that_is_begun_behind_others_waits_without_holding_its_thread(site: Site) -> None:
    library = site.library()
    with holding(site, library):
        begun = site.libraries.begin_edit(library, site.owner, upload("a"))
        assert not begun.done()
    assert begun.result(WAIT_SECONDS).changed


def test_listeners_hear_of_every_batch_after_it_is_written(site: Site) -> None:
    library = site.library()
    heard: list[HeadChanged] = []
    site.libraries.listen(heard.append)
    outcome = site.do(library, upload("a"))
    site.do(library, Delete.path("/gone"))
    assert heard == [HeadChanged(library, outcome.commit_id, needs_propagation=False)]


def test_closing_finishes_what_waits_and_refuses_the_rest(each_site: Site) -> None:
    site = each_site
    library = site.library()
    with ThreadPoolExecutor(1) as closing:
        with holding(site, library):
            waiting = [site.libraries.submit_edit(library, site.owner, upload(f"{n}")) for n in range(3)]
            closed = closing.submit(site.libraries.close)
        for future in waiting:
            future.result(WAIT_SECONDS)
        closed.result(WAIT_SECONDS)
    with pytest.raises(errors.StorageFailure):
        site.libraries.submit_edit(library, site.owner, upload("late"))
    assert files(site, library) == {"/0", "/1", "/2"}


def test_commits_of_one_second_that_would_share_an_id_are_dated_later(site: Site) -> None:
    library = site.library()
    site.upload(library, "/a", "x")
    for old, new in (("/a", "b"), ("/b", "a"), ("/a", "b"), ("/b", "a")):
        site.libraries.commit_edit(library, site.owner, Rename(old, new))
    entries = site.history.commits(site.head(library))
    assert len({entry.commit_id for entry in entries}) == len(entries) == 6
    assert site.texts(library) == ['Renamed "b"', 'Renamed "a"', 'Renamed "b"', 'Renamed "a"', 'Added "a".']


# --- other processes


@pytest.fixture
def two_sites(database_url: str) -> Iterator[tuple[Site, Site]]:
    """Two processes' worth of services on one database."""
    databases = [Database.open(database_url) for _ in range(2)]
    sites = [Site(database) for database in databases]
    yield sites[0], sites[1]
    for site, database in zip(sites, databases, strict=True):
        site.libraries.close()
        database.close()


@pytest.mark.parametrize("times", [1, 4])
def test_an_edit_is_applied_again_when_another_process_moved_the_head(
    two_sites: tuple[Site, Site], times: int
) -> None:
    here, there = two_sites
    library = here.library()
    done: list[EditOutcome[Any]] = []

    def interfere() -> None:
        if len(done) < times:
            done.append(there.do(library, upload("a.txt")))

    outcome = here.libraries.commit_edit(library, here.owner, Doing(interfere))
    assert here.commit(library).parent_id == done[-1].commit_id
    assert here.head(library).commit_id == outcome.commit_id
    assert len(files(here, library)) == times
    here.check(library)


@pytest.mark.slow
def test_two_processes_lose_no_edit_of_each_other(two_sites: tuple[Site, Site]) -> None:
    library = two_sites[0].library()

    def work(number: int) -> list[str]:
        site = two_sites[number % 2]
        made = []
        for turn in range(6):
            outcome = site.libraries.commit_edit(library, site.owner, upload("same.txt", f"{number} {turn}"))
            made.append(outcome.result[0].path)
        return made

    with ThreadPoolExecutor(8) as pool:
        found = [path for paths in pool.map(work, range(8)) for path in paths]
    assert len(set(found)) == 48, "every upload got a name of its own"
    assert set(found) == files(two_sites[1], library)
    two_sites[0].check(library)


# --- many threads


@pytest.mark.slow
def test_thirty_two_threads_lose_no_acknowledged_edit(each_site: Site) -> None:
    site = each_site
    library = site.library()
    authors = [site.account()[1] for _ in range(4)]
    site.make_folder(library, "/shared")

    def work(number: int) -> dict[str, str]:
        author = authors[number % len(authors)]

        def do(edit: Edit[Any]) -> Any:
            return site.libraries.commit_edit(library, author, edit).result

        own: dict[str, str] = {}
        for turn in range(4):
            content = f"{number} {turn}"
            placed = do(AddFiles("/shared", (new_file("same.txt", content),)))[0]
            own[placed.path] = content
        first, second, *_ = own
        own.pop(first)
        do(Delete.path(first))
        renamed = do(Rename(second, f"mine {number}")).path
        own[renamed] = f"changed {number}"
        own.pop(second)
        do(UpdateFile(renamed, new_file("", f"changed {number}")))
        return own

    with ThreadPoolExecutor(32) as pool:
        expected = {path: text for own in pool.map(work, range(32)) for path, text in own.items()}
    assert site.tree(library) == {"/shared": None, **expected}
    site.check(library)


def test_many_libraries_are_written_at_once(each_site: Site) -> None:
    site = each_site
    libraries = [site.library(f"{n}") for n in range(12)]
    waiting: list[Future[Any]] = [
        site.libraries.submit_edit(library, site.owner, upload(f"{turn}.txt"))
        for turn in range(5)
        for library in libraries
    ]
    for future in waiting:
        future.result(WAIT_SECONDS)
    for library in libraries:
        assert files(site, library) == {f"/{turn}.txt" for turn in range(5)}


def test_authors_differ_by_device_but_not_by_address() -> None:
    assert Author("a@x", ip="1.2.3.4") == Author("a@x", ip="5.6.7.8")
    assert Author("a@x", device_name="pc") != Author("a@x", device_name="phone")
