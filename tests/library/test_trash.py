"""The trash: what was deleted and can be brought back, and the ways to bring it back."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import select, update

from seafleet import errors
from seafleet.db.tables import activity
from seafleet.db.tables import library as library_table
from seafleet.ids import LibraryId, ObjectId
from seafleet.library.edits import AddFiles, Delete, Placed, Rename
from seafleet.library.history import DAY_SECONDS
from seafleet.library.model import EditOutcome
from seafleet.library.moves import Move
from seafleet.library.reverts import Restore, RestoreLibrary
from seafleet.store.contract import Kind
from tests.library.site import Site, new_file


def trash(site: Site, library: LibraryId, folder: str = "/", show_days: int = 0) -> list[tuple[str, bool]]:
    page = site.trash.scan(site.head(library), folder, show_days=show_days)
    assert page.next_commit_id is None
    return [(deleted.path, deleted.entry.is_dir) for deleted in page.entries]


def restore(
    site: Site, library: LibraryId, commit_id: ObjectId, path: str, *, is_dir: bool = False
) -> EditOutcome[Placed]:
    site.clock.advance(1)
    return site.libraries.run_task(library, Restore(site.owner, commit_id, path, is_dir=is_dir))


def test_deleted_files_and_folders_are_in_the_trash(each_site: Site) -> None:
    site = each_site
    library = site.library()
    before = site.build(library, {"/a": "x", "/d": None, "/d/e": None, "/d/e/f": "y", "/kept": "z"})
    site.do(library, Delete("/", ("a", "d")))
    page = site.trash.scan(site.head(library))
    assert {deleted.path for deleted in page.entries} == {"/a", "/d"}, "a folder is one entry"
    for deleted in page.entries:
        assert deleted.commit_id == before
        assert (deleted.deleted_at, deleted.deleted_by) == (site.clock.timestamp(), site.owner.email)


def test_the_newest_deletion_of_a_path_counts(site: Site) -> None:
    library = site.library()
    site.upload(library, "/a", "1")
    site.delete(library, "/a")
    before = site.upload(library, "/a", "2")
    site.delete(library, "/a")
    (deleted,) = site.trash.scan(site.head(library)).entries
    assert deleted.commit_id == before
    assert site.content(library, deleted.entry) == "2"


def test_what_is_there_again_or_was_only_moved_is_not_deleted(site: Site) -> None:
    library = site.library()
    site.build(library, {"/d": None, "/a": "1", "/b": "2", "/c": "3"})
    site.delete(library, "/a")
    site.upload(library, "/a", "again")
    site.do(library, Rename("/b", "renamed"))
    site.do(library, Move("/", ("c",), "/d"))
    assert trash(site, library) == []


def test_only_what_was_below_a_folder_is_asked_for(site: Site) -> None:
    library = site.library()
    site.build(library, {"/d": None, "/d/a": "1", "/b": "2", "/de": "3"})
    for path in ("/d/a", "/b", "/de"):
        site.delete(library, path)
    assert trash(site, library, "/d") == [("/d/a", False)]
    assert len(trash(site, library)) == 3
    site.delete(library, "/d")
    assert trash(site, library, "/d") == [("/d", True), ("/d/a", False)]


def test_deletions_are_shown_for_some_days(site: Site) -> None:
    library = site.library()
    for number in range(3):
        site.upload(library, f"/{number}", "x")
    for number in range(3):
        site.clock.advance(DAY_SECONDS)
        site.delete(library, f"/{number}")
    assert [path for path, _ in trash(site, library)] == ["/2", "/1", "/0"]
    assert [path for path, _ in trash(site, library, show_days=2)] == ["/2", "/1"]
    site.libraries.set_history_limit(library, 1)
    assert [path for path, _ in trash(site, library)] == ["/2"]
    site.libraries.set_history_limit(library, 0)
    assert trash(site, library) == []


def test_a_long_trash_comes_in_pages(site: Site) -> None:
    library = site.library()
    site.do(library, AddFiles("/", tuple(new_file(f"{n}", f"{n}") for n in range(10))))
    for number in range(10):
        site.delete(library, f"/{number}")
    head = site.head(library)
    found, start = [], None
    while True:
        page = site.trash.scan(head, start=start, limit=4)
        found += [deleted.path for deleted in page.entries]
        start = page.next_commit_id
        if start is None:
            break
        assert len(page.entries) == 4
    assert found == [f"/{number}" for number in reversed(range(10))]
    few = site.trash.scan(head, commits=3)
    assert [deleted.path for deleted in few.entries] == ["/9", "/8", "/7"]
    with pytest.raises(errors.CommitNotFound):
        site.trash.scan(head, start=ObjectId.of(b"unknown"))


def test_the_trash_can_be_emptied(site: Site) -> None:
    library = site.library()
    site.build(library, {"/a": "x", "/b": "x", "/c": "x"})
    site.delete(library, "/a")
    site.clock.advance(5 * DAY_SECONDS)
    site.delete(library, "/b")
    site.trash.empty(site.head(library), site.owner, keep_days=3)
    assert trash(site, library) == [("/b", False)]
    site.trash.empty(site.head(library), site.owner)
    assert trash(site, library) == []
    valid_since = site.head(library).valid_since
    site.trash.empty(site.head(library), site.owner, keep_days=30)
    assert site.head(library).valid_since == valid_since, "what was forgotten does not come back"
    site.delete(library, "/c")
    assert trash(site, library) == [("/c", False)]
    with site.database.read() as connection:
        rows = connection.execute(select(activity.c.op_type).where(activity.c.library_id == library))
        assert list(rows.scalars()).count("clean-up-trash") == 3


# --- restoring


def test_a_sub_librarys_trash_is_emptied_with_its_origins(site: Site) -> None:
    origin = site.library()
    site.build(origin, {"/d": None, "/d/a": "x"})
    sub = site.sub_libraries.create(site.head(origin), "/d", "d", site.owner).library_id
    site.delete(sub, "/a")
    with pytest.raises(errors.InvalidArgument):
        site.trash.empty(site.head(sub), site.owner)
    assert trash(site, sub) == [("/a", False)]
    site.sub_libraries.run_pending()
    site.trash.empty(site.head(origin), site.owner)
    assert trash(site, sub) == trash(site, origin) == []


def test_a_file_is_restored_from_the_commit_before(each_site: Site) -> None:
    site = each_site
    library = site.library()
    commit_id = site.build(library, {"/d": None, "/d/a.txt": "old"})
    shown = site.clock.now().strftime("%Y-%m-%d %H:%M:%S")
    before = site.entry(library, "/d/a.txt")
    site.delete(library, "/d/a.txt")
    outcome = restore(site, library, commit_id, "/d/a.txt")
    assert outcome.changed
    assert outcome.result.entry == before == site.entry(library, "/d/a.txt")
    assert site.texts(library)[0] == f'Reverted file "a.txt" to status at {shown}'
    site.check(library)
    assert trash(site, library) == []


def test_a_file_replaces_a_file_but_not_a_folder(site: Site) -> None:
    library = site.library()
    commit_id = site.upload(library, "/a.txt", "old")
    site.upload(library, "/a.txt", "newer")
    assert restore(site, library, commit_id, "/a.txt").result.path == "/a.txt"
    assert site.tree(library) == {"/a.txt": "old"}
    site.delete(library, "/a.txt")
    site.make_folder(library, "/a.txt")
    assert restore(site, library, commit_id, "/a.txt").result.path == "/a (1).txt"
    site.check(library)


def test_what_is_as_it_was_is_not_restored(site: Site) -> None:
    library = site.library()
    commit_id = site.build(library, {"/a": "x", "/d": None, "/d/b": "y"})
    for path, is_dir in (("/a", False), ("/d", True)):
        outcome = restore(site, library, commit_id, path, is_dir=is_dir)
        assert (outcome.changed, outcome.commit_id, outcome.result.path) == (False, commit_id, path)
    assert site.head(library).commit_id == commit_id


def test_missing_folders_are_made_in_a_commit_of_their_own(site: Site) -> None:
    library = site.library()
    commit_id = site.build(library, {"/p/q": None, "/p/q/a": "x", "/p/other": "y"})
    site.delete(library, "/p")
    restore(site, library, commit_id, "/p/q/a")
    assert site.tree(library) == {"/p": None, "/p/q": None, "/p/q/a": "x"}
    assert site.texts(library)[1] == 'Added directory "p/q"'


def test_a_folder_is_restored_with_everything_in_it(site: Site) -> None:
    library = site.library()
    commit_id = site.build(library, {"/d": None, "/d/e": None, "/d/e/f": "x"})
    site.delete(library, "/d")
    restore(site, library, commit_id, "/d", is_dir=True)
    assert site.tree(library) == {"/d": None, "/d/e": None, "/d/e/f": "x"}
    assert site.texts(library)[0] == 'Recovered deleted directory "d"'
    site.upload(library, "/d/new", "y")
    assert restore(site, library, commit_id, "/d", is_dir=True).result.path == "/d (1)"
    site.check(library)


def test_only_what_a_commit_has_can_be_restored(site: Site) -> None:
    library = site.library()
    commit_id = site.build(library, {"/d": None, "/d/a": "x"})
    with pytest.raises(errors.FileNotFound):
        restore(site, library, commit_id, "/d")
    with pytest.raises(errors.FolderNotFound):
        restore(site, library, commit_id, "/d/a", is_dir=True)
    with pytest.raises(errors.FolderNotFound):
        restore(site, library, commit_id, "/", is_dir=True)
    with pytest.raises(errors.CommitNotFound):
        restore(site, library, ObjectId.of(b"unknown"), "/d/a")


def test_a_locked_file_is_not_replaced_by_its_past(site: Site) -> None:
    library = site.library()
    commit_id = site.upload(library, "/a", "old")
    site.upload(library, "/a", "new")
    friend_id, _ = site.account()
    site.locks.lock(library, "/a", friend_id)
    with pytest.raises(errors.FileLocked):
        restore(site, library, commit_id, "/a")


def test_the_whole_library_goes_back(site: Site) -> None:
    library = site.library()
    commit_id = site.build(library, {"/a": "1", "/d": None, "/d/b": "22"})
    shown = site.clock.now().strftime("%Y-%m-%d %H:%M:%S")
    before = site.tree(library)
    site.delete(library, "/d")
    site.upload(library, "/a", "changed")
    site.clock.advance(1)
    outcome = site.libraries.run_task(library, RestoreLibrary(site.owner, commit_id))
    assert outcome.changed
    assert site.tree(library) == before
    assert site.texts(library)[0] == f"Reverted repo to status at {shown}."
    site.check(library)
    assert not site.libraries.run_task(library, RestoreLibrary(site.owner, commit_id)).changed


@pytest.mark.parametrize("what", ["folder", "file", "block"])
def test_what_collection_has_taken_is_not_promised(site: Site, what: str) -> None:
    library = site.library()
    commit_id = site.build(library, {"/d": None, "/d/a": "only here"})
    file = new_file("a", "only here")
    gone = {
        "folder": (Kind.FS, site.entry(library, "/d").id),
        "file": (Kind.FS, file.file_id),
        "block": (Kind.BLOCK, file.pending[0][1]),
    }
    kind, object_id = gone[what]
    site.delete(library, "/d")
    remove = partial(site.objects.rows.remove, store_id=library, kind=kind, ids=[object_id])
    site.database.write(partial(remove, touched_before=site.clock.timestamp() + 1))
    collected = update(library_table).where(library_table.c.id == library).values(generation="1-x")
    site.database.write(lambda tx: tx.execute(collected).rowcount)
    expected = errors.BlocksMissing if what == "block" else errors.ObjectMissing
    with pytest.raises(expected):
        restore(site, library, commit_id, "/d", is_dir=True)
    with pytest.raises(expected):
        site.libraries.run_task(library, RestoreLibrary(site.owner, commit_id))
    if what != "folder":  # which the file alone does not need
        with pytest.raises(expected):
            restore(site, library, commit_id, "/d/a")
    assert site.tree(library) == {}
