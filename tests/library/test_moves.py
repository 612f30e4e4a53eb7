"""Moving and copying: inside a library, into another one, and what refers to paths along the way."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, select

from seafleet import errors, paths
from seafleet.db.tables import file_lock, folder_user_permission, share_link, starred_item
from seafleet.ids import LibraryId
from seafleet.library.edits import Delete, Rename
from seafleet.library.moves import Copy, Move, PutEntries
from seafleet.library.transfer import copy_across, copy_subtrees, move_across
from seafleet.store.contract import Kind
from tests.library.site import Site

TREE: dict[str, str | None] = {"/a": "1", "/d": None, "/d/b": "22", "/d/e": None, "/t": None}


def test_a_move_takes_everything_along(site: Site) -> None:
    library = site.library()
    site.build(library, TREE)
    moved = site.entry(library, "/a")
    outcome = site.do(library, Move("/", ("a", "d"), "/t"))
    assert [(each.old_path, each.path) for each in outcome.result] == [("/a", "/t/a"), ("/d", "/t/d")]
    expected = {"/t": None, "/t/a": "1", "/t/d": None, "/t/d/b": "22", "/t/d/e": None}
    assert site.tree(library) == expected
    assert site.entry(library, "/t/a") == moved
    assert site.entry(library, "/t").mtime == site.clock.timestamp()
    assert site.texts(library)[0] == 'Moved "a" and 1 more files'
    site.check(library)


def test_the_text_of_a_single_move_tells_its_kind(site: Site) -> None:
    library = site.library()
    site.build(library, TREE)
    site.do(library, Move("/", ("a",), "/t"))
    site.do(library, Move("/", ("d",), "/t"))
    assert site.texts(library)[:2] == ['Moved directory "d"', 'Moved "a"']


def test_a_move_numbers_taken_names_or_refuses_them(site: Site) -> None:
    library = site.library()
    site.build(library, {**TREE, "/t/a": "taken"})
    with pytest.raises(errors.NameTaken):
        site.do(library, Move("/", ("a",), "/t", numbering=None))
    assert site.do(library, Move("/", ("a",), "/t")).result[0].path == "/t/a (1)"
    assert site.do(library, Move("/t", ("a",), "/", new_name="z")).result[0].path == "/z"


def test_a_move_to_where_things_are_changes_nothing(site: Site) -> None:
    library = site.library()
    before = site.build(library, TREE)
    outcome = site.do(library, Move("/", ("a", "d"), "/"))
    assert (outcome.changed, outcome.commit_id) == (False, before)
    assert [each.path for each in outcome.result] == ["/a", "/d"]


def test_what_cannot_be_moved_moves_nothing(site: Site) -> None:
    library = site.library()
    site.build(library, TREE)
    before = site.tree(library)
    cases: list[tuple[Move, type[Exception]]] = [
        (Move("/", ("a", "gone"), "/t"), errors.FileNotFound),
        (Move("/", ("a",), "/gone"), errors.FolderNotFound),
        (Move("/", ("a",), "/a"), errors.FolderNotFound),
        (Move("/", ("a", "d"), "/d/e"), errors.InvalidPath),
        (Move("/", ("",), "/t"), errors.InvalidPath),
    ]
    for move, expected in cases:
        with pytest.raises(expected):
            site.do(library, move)
    assert site.tree(library) == before


def test_a_copy_leaves_the_original(site: Site) -> None:
    library = site.library()
    site.build(library, TREE)
    _, friend = site.account()
    outcome = site.do(library, Copy("/", ("a", "d"), "/t"), friend)
    assert [each.path for each in outcome.result] == ["/t/a", "/t/d"]
    assert site.tree(library) == {**TREE, "/t/a": "1", "/t/d": None, "/t/d/b": "22", "/t/d/e": None}
    assert site.entry(library, "/t/a").modifier == friend.email
    assert site.entry(library, "/t/a").mtime == site.entry(library, "/a").mtime
    assert site.texts(library)[0] == 'Added "a" and 1 more files'
    site.check(library)


def test_a_copy_beside_the_original_gets_a_number(site: Site) -> None:
    library = site.library()
    site.build(library, TREE)
    assert site.do(library, Copy("/", ("d",), "/")).result[0].path == "/d (1)"
    assert site.texts(library)[0] == 'Added directory "d (1)"'
    assert site.do(library, Copy("/", ("d",), "/d")).result[0].path == "/d/d"
    assert site.do(library, Copy("/", ("a",), "/", new_name="z")).result[0].path == "/z"
    with pytest.raises(errors.NameTaken):
        site.do(library, Copy("/", ("a",), "/", numbering=None))
    site.check(library)


# --- other libraries


def test_a_copy_into_another_library_brings_its_objects(each_site: Site) -> None:
    site = each_site
    source, target = site.library("source"), site.library("target")
    site.build(source, {**TREE, "/d/big": "x" * 200_000, "/d/empty": ""})
    site.make_folder(target, "/in")
    done: list[int] = []
    outcome = copy_across(
        site.libraries, site.owner, site.head(source), ["/d", "/a"], target, "/in", progress=done.append
    )
    assert [placed.path for placed in outcome.result] == ["/in/d", "/in/a"]
    expected = {
        "/in": None,
        "/in/a": "1",
        "/in/d": None,
        "/in/d/b": "22",
        "/in/d/big": "x" * 200_000,
        "/in/d/e": None,
        "/in/d/empty": "",
    }
    assert site.tree(target) == expected
    assert sum(done) == 4
    assert site.texts(target)[0] == 'Added "d" and 1 more files'
    site.check(target)
    site.libraries.delete(source, site.owner)
    assert Site(site.database).objects.missing(target, Kind.FS, [site.entry(target, "/in/d").id]) == []


def test_a_move_into_another_library_deletes_at_the_source_what_was_copied(site: Site) -> None:
    source, target = site.library("source"), site.library("target")
    site.build(source, TREE)
    head = site.head(source)
    site.upload(source, "/a", "changed meanwhile")
    move_across(site.libraries, site.owner, head, ["/a", "/d"], target, "/")
    assert site.tree(target) == {"/a": "1", "/d": None, "/d/b": "22", "/d/e": None}
    assert site.tree(source) == {"/a": "changed meanwhile", "/t": None}
    assert site.texts(source)[0] == 'Removed directory "d"'
    site.check(source)


def test_a_copy_may_be_stopped_on_the_way(site: Site) -> None:
    source, target = site.library("source"), site.library("target")
    site.build(source, TREE)

    def stop(files: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        copy_across(site.libraries, site.owner, site.head(source), ["/d"], target, "/", progress=stop)
    assert site.tree(target) == {}


def test_what_is_missing_is_told_before_anything_is_copied(site: Site) -> None:
    source, target = site.library("source"), site.library("target")
    site.build(source, TREE)
    head = site.head(source)
    for path in ("/gone", "/"):
        with pytest.raises(errors.FileNotFound):
            copy_across(site.libraries, site.owner, head, [path], target, "/")
    with pytest.raises(errors.FolderNotFound):
        copy_across(site.libraries, site.owner, head, ["/a"], target, "/gone")
    site.quotas[site.owner_id] = 4
    with pytest.raises(errors.QuotaExceeded):
        copy_across(site.libraries, site.owner, head, ["/d"], target, "/")


def test_content_under_another_key_is_not_shared(site: Site) -> None:
    plain = site.library("plain")
    site.upload(plain, "/a", "x")
    one = site.libraries.create(site.owner_id, "one", password="pw").library_id
    other = site.libraries.create(site.owner_id, "other", password="pw").library_id
    for source, target in ((plain, one), (one, other), (one, plain)):
        with pytest.raises(errors.InvalidArgument):
            copy_across(site.libraries, site.owner, site.head(source), [], target, "/")


def test_between_a_library_and_its_sub_library_nothing_is_copied(site: Site) -> None:
    library = site.library()
    site.build(library, TREE)
    sub = site.sub_libraries.create(site.head(library), "/d", "sub", site.owner).library_id
    copy_across(site.libraries, site.owner, site.head(library), ["/a"], sub, "/")
    assert site.tree(sub) == {"/a": "1", "/b": "22", "/e": None}


def test_the_same_content_is_copied_once(site: Site) -> None:
    source, target = site.library("source"), site.library("target")
    site.build(source, TREE)
    head = site.head(source)
    copy_subtrees(site.objects, site.trees, source, target, [site.entry(source, "/d")])
    copy_subtrees(site.objects, site.trees, source, target, [site.entry(source, "/d")])
    site.do(target, PutEntries("/", (site.entry(source, "/d"),)))
    assert site.tree(target) == {"/d": None, "/d/b": "22", "/d/e": None}
    copy_subtrees(site.objects, site.trees, source, source, [site.entry(source, "/d")])
    assert site.head(source) == head


# --- what refers to paths


def rows(site: Site, library: LibraryId, table: Any) -> set[tuple[str, bool]]:
    """Return the paths that a table speaks of, and whether their hashes are right."""
    with site.database.read() as connection:
        found = connection.execute(select(table).where(table.c.library_id == library)).all()
    return {(row.path, row.path_hash == paths.path_hash(library, row.path)) for row in found}


def refer(site: Site, library: LibraryId, table: Any, path: str, **more: object) -> None:
    row = {
        "library_id": library,
        "account_id": site.owner_id,
        "path": path,
        "path_hash": paths.path_hash(library, path),
        **more,
    }
    site.database.write(lambda tx: tx.execute(insert(table), row).rowcount)


def test_locks_stars_links_and_rules_follow_a_rename(each_site: Site) -> None:
    site = each_site
    library = site.library()
    site.build(library, {**TREE, "/de": "x"})
    site.locks.lock(library, "/d/b", site.owner_id)
    refer(site, library, starred_item, "/d", is_dir=True)
    refer(site, library, starred_item, "/de", is_dir=False)
    refer(site, library, folder_user_permission, "/d/e", permission="r")
    token = f"token of {library}"
    refer(site, library, share_link, "/d/b", token=token, is_dir=False, created_at=0)
    site.do(library, Rename("/d", "new"))
    site.do(library, Move("/", ("new",), "/t"))
    assert rows(site, library, file_lock) == {("/t/new/b", True)}
    assert rows(site, library, starred_item) == {("/t/new", True), ("/de", True)}
    assert rows(site, library, folder_user_permission) == {("/t/new/e", True)}
    assert rows(site, library, share_link) == {("/t/new/b", True)}
    assert site.locks.get(library, "/t/new/b") is not None


def test_what_was_said_of_a_path_gives_way_to_what_is_moved_there(site: Site) -> None:
    library = site.library()
    site.build(library, TREE)
    refer(site, library, starred_item, "/a", is_dir=False)
    refer(site, library, starred_item, "/z", is_dir=False)  # deleted long ago
    site.do(library, Rename("/a", "z"))
    assert rows(site, library, starred_item) == {("/z", True)}


def test_locks_go_with_what_was_locked(site: Site) -> None:
    library = site.library()
    site.build(library, TREE)
    site.locks.lock(library, "/d/b", site.owner_id)
    refer(site, library, starred_item, "/d/b", is_dir=False)
    site.do(library, Delete.path("/d"))
    assert rows(site, library, file_lock) == set()
    assert rows(site, library, starred_item) == {("/d/b", True)}, "it may be restored"
