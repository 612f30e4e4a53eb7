"""Random edits of a library against a plain dictionary: tree, sums, history, trash and restoring agree."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from seafleet import errors, paths
from seafleet.db.engine import Database
from seafleet.ids import ObjectId
from seafleet.library.edits import AddFiles, CreateFile, Delete, MakeFolder, MakeFolders, Rename, UpdateFile
from seafleet.library.model import Edit
from seafleet.library.moves import Copy, Move
from seafleet.library.reverts import Restore, RestoreLibrary
from tests.library.site import Site, new_file

Tree = dict[str, str | None]

NAMES = st.sampled_from(["a", "b", "a.txt", "B", "ä", "é.txt", ".x", "a (1)", "end.", "日本"])
CONTENTS = st.sampled_from(["", "x", "yy", "zzz", "a longer text"])
WORDS = st.integers(0, 1 << 16)


class LibraryMachine(RuleBasedStateMachine):
    """Applies the same edits to a library and to a dictionary of paths."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.site = Site(database)
        self.library = self.site.library()
        self.tree: Tree = {}
        self.states: list[tuple[ObjectId, Tree]] = [(self.site.head(self.library).commit_id, {})]
        self.deleted: set[str] = set()

    def teardown(self) -> None:
        self.site.libraries.close()

    # --- the model

    def folders(self) -> list[str]:
        return ["/", *(path for path, content in self.tree.items() if content is None)]

    def pick_folder(self, word: int) -> str:
        return self.folders()[word % len(self.folders())]

    def pick(self, word: int) -> str | None:
        everything = sorted(self.tree)
        return everything[word % len(everything)] if everything else None

    def below(self, path: str) -> Tree:
        return {each: content for each, content in self.tree.items() if paths.is_inside(each, path)}

    def free(self, parent: str, name: str) -> str:
        candidates = (name, *paths.numbered_names(name))
        return next(each for each in candidates if paths.join(parent, each) not in self.tree)

    def remove(self, path: str) -> Tree:
        gone = self.below(path)
        for each in gone:
            del self.tree[each]
        return gone

    def place(self, subtree: Tree, old: str, new: str) -> None:
        self.tree.update({paths.rebase(path, old, new): content for path, content in subtree.items()})

    def do(self, edit: Edit[Any]) -> Any:
        outcome = self.site.do(self.library, edit)
        self.note()
        return outcome.result

    def note(self) -> None:
        commit_id = self.site.head(self.library).commit_id
        if commit_id != self.states[-1][0]:
            self.states.append((commit_id, dict(self.tree)))

    # --- edits

    @initialize()
    def begin(self) -> None:
        self.do(MakeFolders("/", "a/b"))
        self.tree |= {"/a": None, "/a/b": None}
        self.note_tree()

    def note_tree(self) -> None:
        self.states[-1] = (self.states[-1][0], dict(self.tree))

    @rule(word=WORDS, names=st.lists(NAMES, min_size=1, max_size=3), content=CONTENTS)
    def upload(self, word: int, names: list[str], content: str) -> None:
        parent = self.pick_folder(word)
        result = self.do(AddFiles(parent, tuple(new_file(name, content) for name in names)))
        for placed in result:
            assert placed.path not in self.tree
            self.tree[placed.path] = content
        self.note_tree()

    @rule(word=WORDS, name=NAMES, content=CONTENTS)
    def replace(self, word: int, name: str, content: str) -> None:
        parent = self.pick_folder(word)
        path = paths.join(parent, name)
        edit = AddFiles(parent, (new_file(name, content),), replace=True)
        if path in self.tree and self.tree[path] is None:
            with pytest.raises(errors.NameTaken):
                self.do(edit)
            return
        self.do(edit)
        self.tree[path] = content
        self.note_tree()

    @rule(word=WORDS, name=NAMES)
    def create(self, word: int, name: str) -> None:
        parent = self.pick_folder(word)
        path = paths.join(parent, self.free(parent, name))
        assert self.do(CreateFile(parent, new_file(name))).path == path
        self.tree[path] = ""
        self.note_tree()

    @rule(word=WORDS, content=CONTENTS)
    def update(self, word: int, content: str) -> None:
        path = self.pick(word)
        if path is None or self.tree[path] is None:
            return
        self.do(UpdateFile(path, new_file("x", content)))
        self.tree[path] = content
        self.note_tree()

    @rule(word=WORDS, name=NAMES)
    def make_folder(self, word: int, name: str) -> None:
        parent = self.pick_folder(word)
        path = paths.join(parent, self.free(parent, name))
        assert self.do(MakeFolder(paths.join(parent, name))).path == path
        self.tree[path] = None
        self.note_tree()

    @rule(word=WORDS, name=NAMES)
    def rename(self, word: int, name: str) -> None:
        old = self.pick(word)
        if old is None or paths.split(old)[1] == name:
            return
        new = paths.join(paths.split(old)[0], self.free(paths.split(old)[0], name))
        assert self.do(Rename(old, name)).path == new
        self.place(self.remove(old), old, new)
        self.note_tree()

    @rule(word=WORDS, other=WORDS)
    def move(self, word: int, other: int) -> None:
        old, target = self.pick(word), self.pick_folder(other)
        if old is None:
            return
        parent, name = paths.split(old)
        edit = Move(parent, (name,), target)
        if self.tree[old] is None and paths.is_inside(target, old):
            with pytest.raises(errors.InvalidPath):
                self.do(edit)
            return
        new = old if target == parent else paths.join(target, self.free(target, name))
        assert self.do(edit)[0].path == new
        self.place(self.remove(old), old, new)
        self.note_tree()

    @rule(word=WORDS, other=WORDS)
    def copy(self, word: int, other: int) -> None:
        old, target = self.pick(word), self.pick_folder(other)
        if old is None:
            return
        parent, name = paths.split(old)
        new = paths.join(target, self.free(target, name))
        subtree = self.below(old)
        assert self.do(Copy(parent, (name,), target))[0].path == new
        self.place(subtree, old, new)
        self.note_tree()

    @rule(word=WORDS)
    def delete(self, word: int) -> None:
        path = self.pick(word)
        if path is not None:
            self.do(Delete.path(path))
            self.remove(path)
            self.deleted.add(path)
            self.note_tree()

    # --- looking back

    @rule(word=WORDS)
    def restore_from_trash(self, word: int) -> None:
        entries = self.site.trash.scan(self.site.head(self.library)).entries
        if not entries:
            return
        deleted = entries[word % len(entries)]
        assert deleted.path not in self.tree
        state = dict(self.states)[deleted.commit_id]
        old = {path: each for path, each in state.items() if paths.is_inside(path, deleted.path)}
        assert old
        self.clear_the_way(deleted.path)
        self.site.clock.advance(1)
        task = Restore(self.site.owner, deleted.commit_id, deleted.path, is_dir=deleted.entry.is_dir)
        assert self.site.libraries.run_task(self.library, task).result.path == deleted.path
        for folder in paths.with_parents(deleted.path)[1:-1]:
            self.tree.setdefault(folder, None)
        self.tree |= old
        self.note()
        self.note_tree()

    def clear_the_way(self, path: str) -> None:
        """Delete files that stand where folders have to be made."""
        for folder in paths.with_parents(path)[1:-1]:
            if self.tree.get(folder) is not None:
                self.do(Delete.path(folder))
                self.remove(folder)
                self.deleted.add(folder)
                self.note_tree()

    @rule(word=WORDS)
    def restore_library(self, word: int) -> None:
        commit_id, tree = self.states[word % len(self.states)]
        self.site.clock.advance(1)
        self.site.libraries.run_task(self.library, RestoreLibrary(self.site.owner, commit_id))
        self.tree = dict(tree)
        self.note()

    @invariant()
    def trees_agree(self) -> None:
        assert self.site.tree(self.library) == self.tree

    @invariant()
    def sums_agree(self) -> None:
        head = self.site.head(self.library)
        files = [content for content in self.tree.values() if content is not None]
        assert (head.size_bytes, head.file_count) == (sum(map(len, files)), len(files))

    @invariant()
    def history_agrees(self) -> None:
        entries = self.site.history.commits(self.site.head(self.library))
        known = dict(self.states)  # a restore may have made folders in a commit of its own
        found = [entry.commit_id for entry in entries if entry.commit_id in known]
        assert found == [commit_id for commit_id, _ in reversed(self.states)]

    @rule(word=WORDS)
    def a_file_has_the_versions_that_it_had(self, word: int) -> None:
        path = self.pick(word)
        if path is None or self.tree[path] is None:
            return
        contents = [self.tree[path]]
        for _, tree in reversed(self.states):
            if tree.get(path) is None:
                break
            if tree[path] != contents[-1]:
                contents.append(tree[path])
        head = self.site.head(self.library)
        found = self.site.history.revisions(head, path, follow_renames=False).revisions
        assert [self.site.content(head.store_id, each.entry) for each in found] == contents

    @invariant()
    def the_trash_agrees(self) -> None:
        states = dict(self.states)
        found = {each.path: each for each in self.site.trash.scan(self.site.head(self.library)).entries}
        assert self.deleted - self.tree.keys() <= found.keys()
        for path, each in found.items():
            assert path not in self.tree
            content = states[each.commit_id][path]
            assert (content is None) == each.entry.is_dir
            if content is not None:
                assert self.site.content(self.library, each.entry) == content

    @rule(word=WORDS)
    def an_old_state_is_still_there(self, word: int) -> None:
        commit_id, tree = self.states[word % len(self.states)]
        assert self.site.tree(self.library, commit_id) == tree

    @invariant()
    def folders_are_sorted_and_names_unique(self) -> None:
        head = self.site.head(self.library)
        for path in self.folders():
            _, folder = self.site.trees.folder(head.store_id, head.root_id, path)
            names = [entry.name.encode() for entry in folder]
            assert names == sorted(set(names), reverse=True)


@pytest.mark.slow
def test_a_library_is_what_its_edits_make_of_it(sqlite: Database) -> None:
    run_state_machine_as_test(
        partial(LibraryMachine, sqlite),  # type: ignore[arg-type]
        settings=settings(max_examples=20, stateful_step_count=20),
    )
