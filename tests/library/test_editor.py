"""The tree editor: what it changes, what it leaves alone, and how it takes things back."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from seafleet import errors, paths
from seafleet.db.engine import Database
from seafleet.formats.fs import Directory, Dirent
from seafleet.ids import ZERO_ID, ObjectId
from seafleet.library.editor import EditedTree, Savepoint, TreeEditor
from seafleet.store.contract import Kind
from tests.library.site import Site

NOW = 5_000
OLD = 1_000


def file(name: str, content: str = "", size: int = 1) -> Dirent:
    return Dirent.file(name, ObjectId.of(content.encode()), size=size, mtime=OLD, modifier="a@x")


def open_editor(site: Site, root_id: ObjectId = ZERO_ID) -> TreeEditor:
    return TreeEditor(site.trees, site.library(), root_id, now=NOW, modifier="m@x")


def store(site: Site, editor: TreeEditor) -> EditedTree:
    """Finish, and store what was made."""
    edited = editor.finish()
    site.objects.put(editor.store_id, Kind.FS, edited.objects)
    return edited


def reopened(site: Site, editor: TreeEditor) -> TreeEditor:
    """Return a new editor, a while later, on what the old one made."""
    edited = store(site, editor)
    return TreeEditor(site.trees, editor.store_id, edited.root_id, now=NOW + 1)


def test_nothing_changed_is_the_same_tree(site: Site) -> None:
    editor = open_editor(site)
    assert editor.finish() == EditedTree(ZERO_ID, (), 0, 0)
    assert editor.get("/a") is None
    assert editor.exists("/")
    assert editor.is_folder("/")
    assert editor.list("/") == Directory()


def test_a_folder_is_encoded_once_however_much_is_put_into_it(site: Site) -> None:
    editor = open_editor(site)
    editor.make_folder("/d")
    for number in range(50):
        editor.put("/d", file(f"{number}"))
    edited = editor.finish()
    assert len(edited.objects) == 2
    assert (edited.size_delta, edited.file_delta) == (50, 50)


def test_what_becomes_empty_is_not_stored(site: Site) -> None:
    editor = open_editor(site)
    editor.make_folder("/d")
    editor.put("/d", file("f"))
    editor = reopened(site, editor)
    editor.remove("/d/f")
    entry = editor.get("/d")
    assert entry is not None
    assert entry.id == ZERO_ID
    editor.remove("/d")
    edited = editor.finish()
    assert edited.root_id == ZERO_ID
    assert (edited.size_delta, edited.file_delta) == (-1, -1)


def test_a_changed_folder_is_found_with_its_new_id(site: Site) -> None:
    editor = open_editor(site)
    editor.make_folder("/a", parents=False)
    editor.make_folder("/a/b")
    before = editor.get("/a")
    editor.put("/a/b", file("f"))
    after = editor.get("/a")
    assert before is not None
    assert after is not None
    assert before.id != after.id
    assert editor.list("/a").entries[0].id == editor.get("/a/b").id  # type: ignore[union-attr]
    edited = editor.finish()
    assert site.trees.stats_within(editor.store_id, editor.source, edited.root_id).folder_count == 2


def test_a_listed_folder_is_told_to_its_parent_later(site: Site) -> None:
    editor = open_editor(site)
    editor.make_folder("/a")
    editor.put("/a", file("f"))
    editor.list("/a")
    edited = store(site, editor)
    assert site.trees.find(editor.store_id, edited.root_id, "/a/f") == file("f")


def test_folders_on_the_way_to_what_was_put_or_removed_are_dated(site: Site) -> None:
    editor = open_editor(site)
    for path in ("/a", "/a/b", "/a/c", "/x"):
        editor.make_folder(path)
    editor.put("/a/b", file("f"))
    editor = reopened(site, editor)
    editor.put("/a/b", file("g"))
    times = {path: editor.get(path).mtime for path in ("/a", "/a/b", "/a/c", "/x")}  # type: ignore[union-attr]
    assert times == {"/a": NOW + 1, "/a/b": NOW + 1, "/a/c": NOW, "/x": NOW}


def test_a_rename_dates_nothing_but_changes_the_ids_above(site: Site) -> None:
    editor = open_editor(site)
    editor.make_folder("/a")
    editor.put("/a", file("f"))
    editor = reopened(site, editor)
    before = editor.get("/a")
    assert editor.rename("/a/f", "g") == file("g", "")
    after = editor.get("/a")
    assert before is not None
    assert after is not None
    assert (after.mtime, after.id == before.id) == (NOW, False)


def test_a_loaded_folder_moves_with_its_changes(site: Site) -> None:
    editor = open_editor(site)
    for path in ("/a", "/a/b", "/x"):
        editor.make_folder(path)
    editor.put("/a/b", file("f"))
    editor.rename("/a", "c")
    editor.move("/c/b", "/x", "moved")
    editor.put("/x/moved", file("g"))
    edited = store(site, editor)
    found = {path for path, _ in site.trees.walk(editor.store_id, edited.root_id)}
    assert found == {"/c", "/x", "/x/moved", "/x/moved/f", "/x/moved/g"}
    assert (edited.size_delta, edited.file_delta) == (2, 2)


def test_a_stored_folder_is_weighed_when_it_is_put_in(site: Site) -> None:
    editor = open_editor(site)
    editor.put("/", file("f", size=7))
    edited = store(site, editor)
    editor.put("/", Dirent.directory("copy", edited.root_id, mtime=OLD))
    again = editor.finish()
    assert (again.size_delta, again.file_delta) == (7, 1)


def test_names_that_are_taken_are_refused(site: Site) -> None:
    editor = open_editor(site)
    editor.make_folder("/d")
    editor.put("/", file("f"))
    for refused in (
        partial(editor.put, "/", file("f")),
        partial(editor.put, "/", file("d"), replace=True),
        partial(editor.put, "/", Dirent.directory("f", mtime=0), replace=True),
        partial(editor.make_folder, "/d"),
        partial(editor.make_folder, "/f", parents=True),
        partial(editor.rename, "/f", "d"),
        partial(editor.move, "/f", "/", "d"),
    ):
        with pytest.raises(errors.NameTaken):
            refused()
    editor.put("/", file("f", "other", size=9), replace=True)
    assert editor.finish().size_delta == 9


def test_what_is_not_there_is_told(site: Site) -> None:
    editor = open_editor(site)
    editor.put("/", file("f"))
    missing = [
        partial(editor.remove, "/x"),
        partial(editor.rename, "/x", "y"),
        partial(editor.move, "/x", "/", "y"),
    ]
    for absent in missing:
        with pytest.raises(errors.FileNotFound):
            absent()
    nowhere: list[partial[Any]] = [
        partial(editor.put, "/x", file("g")),
        partial(editor.put, "/f", file("g")),
        partial(editor.remove, "/f/g"),
        partial(editor.list, "/f"),
        partial(editor.move, "/f", "/x", "y"),
        partial(editor.free_name, "/x", "y"),
    ]
    for refused in nowhere:
        with pytest.raises(errors.FolderNotFound):
            refused()


def test_a_folder_cannot_go_into_itself_nor_the_root_anywhere(site: Site) -> None:
    editor = open_editor(site)
    editor.make_folder("/a")
    editor.make_folder("/a/b")
    for refused in (
        partial(editor.move, "/a", "/a/b", "c"),
        partial(editor.move, "/a", "/a", "c"),
        partial(editor.remove, "/"),
        partial(editor.rename, "/", "x"),
        partial(editor.make_folder, "/"),
    ):
        with pytest.raises(errors.InvalidPath):
            refused()


def test_a_free_name_is_the_first_that_is_free(site: Site) -> None:
    editor = open_editor(site)
    assert editor.free_name("/", "a.txt") == "a.txt"
    for name in ("a.txt", "a (1).txt", "a (3).txt"):
        editor.put("/", file(name))
    assert editor.free_name("/", "a.txt") == "a (2).txt"
    with pytest.raises(errors.TooManySameNames):
        editor.free_name("/", "a.txt", lambda _: iter(["a (1).txt"]))


def test_missing_folders_above_are_made_on_demand(site: Site) -> None:
    editor = open_editor(site)
    assert editor.make_folder("/a/b/c", parents=True) == Dirent.directory("c", mtime=NOW)
    assert editor.make_folder("/a/b", parents=True).name == "b"
    with pytest.raises(errors.FolderNotFound):
        editor.make_folder("/x/y")


@pytest.mark.slow
def test_deep_trees_can_be_edited(site: Site) -> None:
    editor = open_editor(site)
    path = "/d" * 1500
    editor.make_folder(path, parents=True)
    editor.put(path, file("f"))
    edited = store(site, editor)
    assert site.trees.find(editor.store_id, edited.root_id, path + "/f") == file("f")


def test_ten_thousand_entries_are_one_folder_object(site: Site) -> None:
    editor = open_editor(site)
    for number in range(10_000):
        editor.put("/", file(f"file {number}"))
    editor = reopened(site, editor)
    editor.remove("/file 5000")
    editor.put("/", file("one more"))
    edited = editor.finish()
    assert len(edited.objects) == 1
    assert len(editor.list("/")) == 10_000


Model = dict[str, Dirent | None]
NAMES = st.sampled_from("abcd")
WORDS = st.integers(0, 1 << 12)


class EditorMachine(RuleBasedStateMachine):
    """Edits with savepoints, rollbacks and intermediate results, against a dictionary of paths."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.site = site
        self.editor = open_editor(site)
        self.model: Model = {}
        self.saved: list[tuple[Savepoint, Model]] = []
        self.size = self.count = 0
        self.number = 0

    def folder(self, word: int) -> str:
        folders = ["/", *(path for path, entry in self.model.items() if entry is None)]
        return folders[word % len(folders)]

    def any(self, word: int) -> str | None:
        return sorted(self.model)[word % len(self.model)] if self.model else None

    def take(self, path: str) -> Model:
        inside = {each: self.model[each] for each in self.model if paths.is_inside(each, path)}
        for each in inside:
            del self.model[each]
        return inside

    @rule(word=WORDS, name=NAMES)
    def put(self, word: int, name: str) -> None:
        parent = self.folder(word)
        path = paths.join(parent, name)
        self.number += 1
        entry = file(name, f"{self.number}", size=self.number)
        if path in self.model and self.model[path] is None:
            with pytest.raises(errors.NameTaken):
                self.editor.put(parent, entry, replace=True)
        else:
            self.editor.put(parent, entry, replace=True)
            self.model[path] = entry

    @rule(word=WORDS, name=NAMES)
    def make_folder(self, word: int, name: str) -> None:
        path = paths.join(self.folder(word), name)
        if path not in self.model:
            self.editor.make_folder(path)
            self.model[path] = None

    @rule(word=WORDS)
    def remove(self, word: int) -> None:
        path = self.any(word)
        if path is not None:
            self.editor.remove(path)
            self.take(path)

    @rule(word=WORDS, name=NAMES)
    def rename(self, word: int, name: str) -> None:
        path = self.any(word)
        if path is None:
            return
        new = paths.join(paths.split(path)[0], name)
        if new in self.model:
            with pytest.raises(errors.NameTaken):
                self.editor.rename(path, name)
        else:
            self.editor.rename(path, name)
            self.relocate(path, new)

    @rule(word=WORDS, other=WORDS, name=NAMES)
    def move(self, word: int, other: int, name: str) -> None:
        path, target = self.any(word), self.folder(other)
        if path is None:
            return
        new = paths.join(target, name)
        if new in self.model or (self.model[path] is None and paths.is_inside(target, path)):
            with pytest.raises((errors.NameTaken, errors.InvalidPath)):
                self.editor.move(path, target, name)
        else:
            self.editor.move(path, target, name)
            self.relocate(path, new)

    def relocate(self, old: str, new: str) -> None:
        for path, entry in self.take(old).items():
            moved = paths.rebase(path, old, new)
            self.model[moved] = entry and entry.replace(name=paths.split(moved)[1])

    @rule(word=WORDS)
    def look(self, word: int) -> None:
        """Asking for an entry or a listing encodes folders, and must change nothing."""
        self.editor.list(self.folder(word))
        path = self.any(word)
        if path is not None:
            found = self.editor.get(path)
            assert found is not None
            assert self.model[path] in (None, found)

    @rule()
    def save(self) -> None:
        self.saved.append((self.editor.savepoint(), dict(self.model)))

    @rule(word=WORDS)
    def roll_back(self, word: int) -> None:
        if self.saved:
            del self.saved[word % len(self.saved) + 1 :]
            savepoint, self.model = self.saved.pop()
            self.editor.rollback(savepoint)

    @rule()
    def finish(self) -> None:
        edited = store(self.site, self.editor)
        self.saved.clear()
        self.size += edited.size_delta
        self.count += edited.file_delta
        files = [entry for entry in self.model.values() if entry is not None]
        assert (self.size, self.count) == (sum(entry.size or 0 for entry in files), len(files))
        found: dict[str, Any] = {
            path: None if entry.is_dir else entry
            for path, entry in self.site.trees.walk(self.editor.store_id, edited.root_id)
        }
        assert found == self.model

    @invariant()
    def names_agree(self) -> None:
        for path, entry in self.model.items():
            assert self.editor.exists(path)
            assert self.editor.is_folder(path) is (entry is None)


@pytest.mark.slow
def test_an_editor_is_what_its_edits_make_of_it(sqlite: Database) -> None:
    run_state_machine_as_test(
        partial(EditorMachine, Site(sqlite)),  # type: ignore[arg-type]
        settings=settings(max_examples=40, stateful_step_count=25),
    )
