"""The verbs that change a tree: what they do, what names become, what their commits are called."""

from __future__ import annotations

from typing import Any

import pytest

from seafleet import errors
from seafleet.formats.fs import EXECUTABLE_MODE
from seafleet.ids import ZERO_ID
from seafleet.library.edits import (
    AddFiles,
    CreateFile,
    Delete,
    MakeFolder,
    MakeFolders,
    NewFile,
    Rename,
    UpdateFile,
)
from seafleet.library.model import Edit
from tests.library.site import Site, new_file


def test_an_upload_is_one_commit_with_all_its_files(site: Site) -> None:
    library = site.library()
    outcome = site.do(library, AddFiles("/", (new_file("b.txt", "bee"), new_file("a.txt", "ay"))))
    assert site.tree(library) == {"/a.txt": "ay", "/b.txt": "bee"}
    assert site.texts(library) == ['Added "b.txt" and 1 more files.']
    assert [placed.path for placed in outcome.result] == ["/b.txt", "/a.txt"]
    head = site.head(library)
    assert (head.commit_id, head.root_id) == (outcome.commit_id, outcome.root_id)
    assert (head.size_bytes, head.file_count) == (5, 2)
    assert head.last_modifier == site.owner.email


def test_what_was_uploaded_says_who_and_when(site: Site) -> None:
    library = site.library()
    site.do(library, AddFiles("/", (new_file("a", "x"), new_file("b", "x", mtime=5))))
    now = site.clock.timestamp()
    assert (site.entry(library, "/a").mtime, site.entry(library, "/b").mtime) == (now, 5)
    assert site.entry(library, "/a").modifier == site.owner.email
    commit = site.commit(library)
    assert (commit.creator_name, commit.creator, commit.device_name) == (site.owner.email, ZERO_ID, None)
    assert commit.library_name == "Library"


def test_a_taken_name_of_an_upload_gets_a_number_and_the_text_the_name_asked_for(site: Site) -> None:
    library = site.library()
    site.build(library, {"/a.txt": "old", "/.rc": "old"})
    outcome = site.do(library, AddFiles("/", (new_file("a.txt", "1"), new_file("a.txt", "2"))))
    assert [placed.entry.name for placed in outcome.result] == ["a (1).txt", "a (2).txt"]
    site.do(library, AddFiles("/", (new_file("a.txt", "3"),)))
    assert site.texts(library)[0] == 'Added "a.txt".'
    outcome = site.do(library, AddFiles("/", (new_file(".rc", "3"),)))
    assert outcome.result[0].entry.name == " (1).rc"


def test_an_upload_that_replaces_says_what_it_replaced(site: Site) -> None:
    library = site.library()
    site.build(library, {"/a.txt": "old"})
    outcome = site.do(library, AddFiles("/", (new_file("a.txt", "newer"), new_file("b.txt")), replace=True))
    assert site.tree(library) == {"/a.txt": "newer", "/b.txt": ""}
    assert [placed.was is None for placed in outcome.result] == [False, True]
    assert site.head(library).size_bytes == 5


def test_an_upload_never_replaces_a_folder(site: Site) -> None:
    library = site.library()
    site.build(library, {"/d": None, "/d/kept": "x"})
    with pytest.raises(errors.NameTaken):
        site.do(library, AddFiles("/", (new_file("first", "x"), new_file("d", "x")), replace=True))
    assert site.tree(library) == {"/d": None, "/d/kept": "x"}, "nothing of a failed upload remains"


def test_a_relative_path_is_made_in_a_commit_of_its_own(site: Site) -> None:
    library = site.library()
    site.build(library, {"/p": None})
    site.do(library, AddFiles("/p", (new_file("f", "x"),), relative_path="a/b/"))
    assert site.tree(library) == {"/p": None, "/p/a": None, "/p/a/b": None, "/p/a/b/f": "x"}
    assert site.texts(library)[:2] == ['Added "f".', 'Added directory "a/b"']
    site.do(library, AddFiles("/p", (new_file("g", "x"),), relative_path="a/b"))
    assert site.texts(library)[:2] == ['Added "g".', 'Added "f".'], "what exists is not made again"


def test_an_upload_needs_its_folder(site: Site) -> None:
    library = site.library()
    site.build(library, {"/file": "x"})
    for parent, relative_path in (("/gone", ""), ("/gone", "a"), ("/file", "")):
        with pytest.raises(errors.FolderNotFound):
            site.do(library, AddFiles(parent, (new_file("f"),), relative_path=relative_path))
    with pytest.raises(errors.NameTaken):
        site.do(library, AddFiles("/", (new_file("f"),), relative_path="file/a"))


@pytest.mark.parametrize("name", ["", "..", "a/b", "x" * 256, "tab\t"])
def test_bad_names_are_refused_wherever_something_is_made(site: Site, name: str) -> None:
    library = site.library()
    site.build(library, {"/a": "x"})
    new = NewFile(name)
    edits: list[Edit[Any]] = [AddFiles("/", (new,)), CreateFile("/", new), Rename("/a", name)]
    for edit in edits:
        with pytest.raises(errors.InvalidName):
            site.do(library, edit)
    assert site.tree(library) == {"/a": "x"}


def test_paths_may_not_grow_beyond_what_a_path_may_be(site: Site) -> None:
    library = site.library()
    deep = "/" + "/".join(["d" * 250] * 16)
    site.make_folder(library, deep)
    edits: list[Edit[Any]] = [MakeFolder(f"{deep}/{'x' * 100}"), AddFiles(deep, (NewFile("x" * 100),))]
    for edit in edits:
        with pytest.raises(errors.InvalidPath):
            site.do(library, edit)


def test_a_created_file_has_no_full_stop_in_its_text(site: Site) -> None:
    library = site.library()
    site.do(library, CreateFile("/", NewFile(".hid")))
    outcome = site.do(library, CreateFile("/", NewFile(".hid")))
    assert outcome.result.path == "/.hid (1)"
    assert site.texts(library) == ['Added ".hid (1)"', 'Added ".hid"']
    with pytest.raises(errors.NameTaken):
        site.do(library, CreateFile("/", NewFile(".hid"), numbering=None))
    replaced = site.do(library, CreateFile("/", new_file(".hid", "x"), replace=True))
    assert replaced.result.was is not None
    assert site.tree(library)["/.hid"] == "x"


def test_an_update_keeps_the_mode_and_says_modified(site: Site) -> None:
    library = site.library()
    site.build(library, {"/a": "x"})
    site.set_mode(library, "/a", EXECUTABLE_MODE)
    outcome = site.do(library, UpdateFile("/a", new_file("other name", "longer")))
    assert outcome.changed
    assert site.tree(library) == {"/a": "longer"}
    assert site.entry(library, "/a").mode == EXECUTABLE_MODE
    assert site.texts(library)[0] == 'Modified "a"'
    site.check(library)


def test_an_update_with_the_same_content_makes_no_commit(site: Site) -> None:
    library = site.library()
    before = site.build(library, {"/a": "x"})
    outcome = site.do(library, UpdateFile("/a", new_file("a", "x")))
    assert (outcome.changed, outcome.commit_id) == (False, before)
    assert site.head(library).commit_id == before


def test_an_update_needs_its_file(site: Site) -> None:
    library = site.library()
    site.build(library, {"/d": None})
    for path in ("/gone", "/d", "/gone/f", "/"):
        with pytest.raises(errors.FileNotFound):
            site.do(library, UpdateFile(path, new_file("f", "x")))


def test_a_folder_is_made_with_a_number_or_refused(site: Site) -> None:
    library = site.library()
    site.do(library, MakeFolder("/v1.2"))
    assert site.do(library, MakeFolder("/v1.2")).result.path == "/v1 (1).2"
    with pytest.raises(errors.NameTaken):
        site.do(library, MakeFolder("/v1.2", numbering=None))
    with pytest.raises(errors.FolderNotFound):
        site.do(library, MakeFolder("/gone/a"))
    assert site.texts(library) == ['Added directory "v1 (1).2"', 'Added directory "v1.2"']


def test_folders_are_made_with_their_parents_in_one_commit(site: Site) -> None:
    library = site.library()
    site.do(library, MakeFolder("/a"))
    outcome = site.do(library, MakeFolders("/", "a/b/c"))
    assert outcome.result == ("/a/b", "/a/b/c")
    assert site.texts(library)[0] == 'Added directory "a/b/c"'
    again = site.do(library, MakeFolders("/", "/a/b"))
    assert (again.changed, again.result) == (False, ())


def test_a_rename_keeps_everything_but_the_name_and_the_times_of_parents(site: Site) -> None:
    library = site.library()
    site.build(library, {"/p": None, "/p/a.txt": "x"})
    before, parent = site.entry(library, "/p/a.txt"), site.entry(library, "/p")
    outcome = site.do(library, Rename("/p/a.txt", "b.txt"))
    assert outcome.result.entry == before.replace(name="b.txt")
    assert site.entry(library, "/p").mtime == parent.mtime
    assert site.texts(library)[0] == 'Renamed "a.txt"'
    site.do(library, Rename("/p", "q"))
    assert site.texts(library)[0] == 'Renamed directory "p"'
    assert site.tree(library) == {"/q": None, "/q/b.txt": "x"}


def test_a_rename_to_a_taken_name_gets_a_number_or_is_refused(site: Site) -> None:
    library = site.library()
    site.build(library, {"/a": "x", "/b": "y"})
    with pytest.raises(errors.NameTaken):
        site.do(library, Rename("/a", "b", numbering=None))
    with pytest.raises(errors.NameUnchanged):
        site.do(library, Rename("/a", "a"))
    assert site.do(library, Rename("/a", "b")).result.path == "/b (1)"


def test_a_rename_tells_what_kind_is_missing(site: Site) -> None:
    library = site.library()
    site.build(library, {"/a": "x"})
    with pytest.raises(errors.FileNotFound):
        site.do(library, Rename("/gone", "b"))
    with pytest.raises(errors.FolderNotFound):
        site.do(library, Rename("/a", "b", is_dir=True))
    with pytest.raises(errors.InvalidPath):
        site.do(library, Rename("/", "b"))


def test_a_deletion_takes_what_is_there(site: Site) -> None:
    library = site.library()
    site.build(library, {"/a": "1", "/b": "22", "/d": None, "/d/c": "333"})
    outcome = site.do(library, Delete("/", ("b", "gone", "d", "b")))
    assert [placed.path for placed in outcome.result] == ["/b", "/d"]
    assert site.texts(library)[0] == 'Deleted "b" and 1 more files'
    assert site.tree(library) == {"/a": "1"}
    site.check(library)
    site.delete(library, "/a")
    assert site.texts(library)[0] == 'Deleted "a"'
    assert site.head(library).root_id == ZERO_ID


def test_a_deletion_of_nothing_makes_no_commit(site: Site) -> None:
    library = site.library()
    before = site.build(library, {"/d": None})
    for edit in (Delete("/", ("gone",)), Delete("/gone", ("a",)), Delete.path("/"), Delete("/", ())):
        assert not site.do(library, edit).changed
    assert site.head(library).commit_id == before
    site.delete(library, "/d")
    assert site.texts(library)[0] == 'Removed directory "d"'


def test_a_deletion_can_be_bound_to_what_was_seen(site: Site) -> None:
    library = site.library()
    site.build(library, {"/a": "old", "/b": "old"})
    seen = site.entry(library, "/a").id
    site.upload(library, "/b", "new")
    outcome = site.do(library, Delete("/", ("a", "b"), only_if=(seen, seen)))
    assert [placed.path for placed in outcome.result] == ["/a"]


def test_the_time_of_every_folder_above_an_upload_or_deletion_is_now(site: Site) -> None:
    library = site.library()
    site.build(library, {"/a/b": None, "/other": None})
    site.upload(library, "/a/b/f", "x")
    now = site.clock.timestamp()
    assert [site.entry(library, path).mtime for path in ("/a", "/a/b")] == [now, now]
    assert site.entry(library, "/other").mtime < now
    site.delete(library, "/a/b/f")
    assert [site.entry(library, path).mtime for path in ("/a", "/a/b")] == [now + 1, now + 1]
