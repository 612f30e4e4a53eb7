"""Locks on files: who may take them, how long they hold, and what they keep others from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from seafleet import errors
from seafleet.db.tables import library_stamp
from seafleet.ids import LibraryId
from seafleet.library.edits import AddFiles, CreateFile, Delete, Placed, Rename, UpdateFile
from seafleet.library.locks import require_unlocked
from seafleet.library.model import Author, Edit
from seafleet.library.moves import Copy, Move
from tests.library.site import Site, new_file


def locked(site: Site) -> tuple[LibraryId, int, Author]:
    """Make a library in which a friend holds a lock; return it and the friend."""
    library = site.library()
    site.build(library, {"/d": None, "/d/a": "x", "/b": "y", "/t": None})
    friend_id, friend = site.account()
    site.locks.lock(library, "/d/a", friend_id)
    return library, friend_id, friend


def test_a_lock_says_who_and_since_when(each_site: Site) -> None:
    site = each_site
    library, friend_id, friend = locked(site)
    lock = site.locks.get(library, "/d/a")
    assert lock is not None
    assert (lock.path, lock.account_id, lock.holder_email) == ("/d/a", friend_id, friend.email)
    assert (lock.locked_at, lock.expires_at) == (site.clock.now(), None)
    assert site.locks.of(library) == {"/d/a": lock}
    assert site.locks.get(library, "/b") is None


def test_a_locked_file_is_not_locked_again(each_site: Site) -> None:
    site = each_site
    library, friend_id, _ = locked(site)
    for account_id in (site.owner_id, friend_id):
        with pytest.raises(errors.FileLocked):
            site.locks.lock(library, "/d/a", account_id)
    with pytest.raises(errors.FileLocked):
        site.locks.refresh(library, "/d/a", site.owner_id)
    site.clock.advance(5)
    assert site.locks.refresh(library, "/d/a", friend_id).locked_at == site.clock.now()


def test_a_lock_is_given_back_by_its_holder_or_broken(site: Site) -> None:
    library, friend_id, friend = locked(site)
    with pytest.raises(errors.FileLocked) as caught:
        site.locks.unlock(library, "/d/a", site.owner_id)
    assert caught.value.holder == friend.email
    assert site.locks.unlock(library, "/d/a", friend_id)
    assert not site.locks.unlock(library, "/d/a", friend_id)
    site.locks.lock(library, "/d/a", friend_id)
    assert site.locks.unlock(library, "/d/a", None)


def test_a_lock_runs_out(site: Site) -> None:
    library = site.library()
    site.upload(library, "/a", "x")
    friend_id, _ = site.account()
    until = site.clock.now() + timedelta(seconds=10)
    assert site.locks.lock(library, "/a", friend_id, until=until).expires_at == until
    site.clock.advance(9)
    assert site.locks.get(library, "/a") is not None
    with pytest.raises(errors.FileLocked):
        site.libraries.commit_edit(library, site.owner, Delete.path("/a"))
    site.clock.advance(1)
    assert site.locks.of(library) == {}
    assert site.locks.lock(library, "/a", site.owner_id).account_id == site.owner_id
    site.locks.unlock(library, "/a", site.owner_id)
    site.locks.lock(library, "/a", friend_id, until=site.clock.now() + timedelta(seconds=1))
    site.clock.advance(1)
    assert site.locks.purge() >= 1


TAKES_AWAY: list[Edit[Any]] = [
    UpdateFile("/d/a", new_file("a", "new")),
    AddFiles("/d", (new_file("a", "new"),), replace=True),
    CreateFile("/d", new_file("a", "new"), replace=True),
    Delete.path("/d/a"),
    Delete.path("/d"),
    Rename("/d/a", "z"),
    Rename("/d", "z"),
    Move("/d", ("a",), "/t"),
    Move("/", ("d",), "/t"),
]
LEAVES: list[Edit[Any]] = [
    AddFiles("/d", (new_file("a", "new"),)),
    Copy("/", ("d",), "/t"),
    Delete.path("/b"),
    Rename("/b", "z"),
]


@pytest.mark.parametrize("edit", TAKES_AWAY, ids=lambda edit: type(edit).__name__)
def test_nobody_else_takes_a_locked_file_away(site: Site, edit: Edit[Any]) -> None:
    library, _, friend = locked(site)
    before = site.head(library)
    with pytest.raises(errors.FileLocked) as caught:
        site.do(library, edit)
    assert (caught.value.path, caught.value.holder) == ("/d/a", friend.email)
    assert site.head(library) == before
    assert site.do(library, edit, friend).changed, "its holder may"


def test_whoever_comes_by_a_link_holds_none_of_its_makers_locks(site: Site) -> None:
    library, _, friend = locked(site)
    for edit in TAKES_AWAY:
        with pytest.raises(errors.FileLocked):
            site.do(library, edit, Author(friend.email, by_link=True))
    assert site.tree(library)["/d/a"] == "x"


@pytest.mark.parametrize("edit", LEAVES, ids=lambda edit: type(edit).__name__)
def test_what_leaves_a_locked_file_alone_is_allowed(site: Site, edit: Edit[Any]) -> None:
    library, _, _ = locked(site)
    assert site.do(library, edit).changed


def test_a_lock_taken_while_an_edit_is_on_its_way_is_seen(site: Site) -> None:
    library = site.library()
    site.upload(library, "/a", "x")
    friend_id, _ = site.account()

    class Slow(UpdateFile):
        """Lets somebody lock the file after the edit has been applied and found allowed."""

        def describe(self, results: Sequence[Placed]) -> str:
            site.locks.lock(library, "/a", friend_id)
            return super().describe(results)

    with pytest.raises(errors.FileLocked):
        site.libraries.commit_edit(library, site.owner, Slow("/a", new_file("a", "new")))
    assert site.tree(library)["/a"] == "x"


def test_clients_can_ask_whether_locks_changed(site: Site) -> None:
    library, friend_id, _ = locked(site)
    stamp = select(library_stamp.c.lock_stamp).where(library_stamp.c.library_id == library)

    def read() -> int:
        with site.database.read() as connection:
            return int(connection.execute(stamp).scalar_one())

    assert read() == site.clock.timestamp()
    site.clock.advance(7)
    site.locks.unlock(library, "/d/a", friend_id)
    assert read() == site.clock.timestamp()


def test_a_folder_holds_the_locks_of_everything_in_it(site: Site) -> None:
    library, _, friend = locked(site)
    locks = site.locks.of(library)
    for path in ("/d/a", "/d", "/"):
        with pytest.raises(errors.FileLocked):
            require_unlocked(locks, site.owner.email, [path])
        require_unlocked(locks, friend.email, [path])
    for path in ("/d/a2", "/d/a/b", "/da", "/b"):
        require_unlocked(locks, site.owner.email, [path])


# --- sub-libraries


def shown(site: Site) -> tuple[LibraryId, LibraryId, int, Author]:
    """Make a library in which a friend holds a lock, and a sub-library of the folder."""
    library, friend_id, friend = locked(site)
    sub = site.sub_libraries.create(site.head(library), "/d", "d", site.owner)
    return library, sub.library_id, friend_id, friend


def test_a_file_has_one_lock_by_whichever_library_it_is_reached(each_site: Site) -> None:
    site = each_site
    library, sub, friend_id, _ = shown(site)
    assert list(site.locks.of(sub)) == ["/a"]
    with pytest.raises(errors.FileLocked):
        site.locks.lock(sub, "/a", site.owner_id)
    assert site.locks.unlock(sub, "/a", friend_id)
    assert site.locks.of(library) == site.locks.of(sub) == {}
    taken = site.locks.lock(sub, "/a", friend_id)
    assert (taken.path, site.locks.get(sub, "/a")) == ("/a", taken)
    assert list(site.locks.of(library)) == ["/d/a"]
    site.locks.lock(library, "/b", friend_id)
    assert list(site.locks.of(sub)) == ["/a"]


@pytest.mark.parametrize(
    "edit",
    [UpdateFile("/a", new_file("a", "new")), Delete.path("/a"), Rename("/a", "z")],
    ids=lambda e: type(e).__name__,
)
def test_a_sub_library_is_no_way_round_a_lock(site: Site, edit: Edit[Any]) -> None:
    library, sub, _, friend = shown(site)
    with pytest.raises(errors.FileLocked) as caught:
        site.do(sub, edit)
    assert caught.value.path == "/a"
    assert site.do(sub, edit, friend).changed, "its holder may"
    site.sub_libraries.run_pending()
    assert site.tree(library).get("/d/a") != "x"


def test_a_lock_follows_a_file_that_its_holder_renames_in_a_sub_library(site: Site) -> None:
    library, sub, _, friend = shown(site)
    site.do(sub, Rename("/a", "z"), friend)
    site.sub_libraries.run_pending()
    assert (list(site.locks.of(library)), list(site.locks.of(sub))) == (["/d/z"], ["/z"])


def test_clients_of_every_library_that_shows_a_file_are_told_of_its_lock(site: Site) -> None:
    library, sub, friend_id, _ = shown(site)
    site.clock.advance(7)
    site.locks.unlock(library, "/d/a", friend_id)
    stamps = select(library_stamp.c.library_id, library_stamp.c.lock_stamp)
    with site.database.read() as connection:
        found = {row.library_id: row.lock_stamp for row in connection.execute(stamps)}
    assert found[library] == found[sub] == site.clock.timestamp()
