"""Bringing back what older commits hold: a file, a folder, or the whole library.

Source: merging §6, "Name clashes in web operations"; files page, "Reverts"; storage format §12.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

from seafleet import paths
from seafleet.errors import BlocksMissing, FileNotFound, FolderNotFound, ObjectMissing
from seafleet.formats.commit import Commit
from seafleet.formats.fs import DIRECTORY_MODE, Dirent, FileObject, decode_fs
from seafleet.ids import ZERO_ID, ObjectId
from seafleet.library import descriptions
from seafleet.library.editor import TreeEditor
from seafleet.library.edits import MakeFolders, Placed, kind_of
from seafleet.library.model import Activity, Author, Edit, EditOutcome, Effects
from seafleet.library.pushes import effects_between
from seafleet.library.rows import moment
from seafleet.library.workspace import Workspace
from seafleet.store.contract import Kind

_ENTRIES_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class _PutBack(Edit[Placed]):
    """Put an entry of an older tree where it stood. The same content there already is no change.

    A file replaces a file; a folder, or a file where a folder is now, takes a numbered name.
    """

    path: str
    entry: Dirent
    text: str

    def apply(self, editor: TreeEditor) -> Placed:
        parent, name = paths.split(self.path)
        there = editor.get(self.path)
        if there is not None and (there.id, there.is_dir) == (self.entry.id, self.entry.is_dir):
            return Placed(self.path, there, there)
        if there is not None and not there.is_dir and not self.entry.is_dir:
            editor.put(parent, self.entry, replace=True)
            return Placed(self.path, self.entry, there)
        entry = self.entry.replace(name=editor.free_name(parent, name))
        editor.put(parent, entry)
        return Placed(paths.join(parent, entry.name), entry)

    def describe(self, results: Sequence[Placed]) -> str:
        return self.text

    def effects(self, result: Placed) -> Effects:
        detail = {"obj_id": result.entry.id, "size": result.entry.size or 0}
        return Effects(
            (Activity("recover", kind_of(result.entry), result.path, detail),),
            overwritten=(result.path,) if result.was else (),
        )


class Restore:
    """Bring back a file or folder as a commit had it. A task for `Libraries.run_task`.

    Missing folders above it are made first, in a commit of their own. The result tells the path it has now;
    nothing is changed when the same content is there already. Raises CommitNotFound, FileNotFound or
    FolderNotFound when the commit has no such thing, BlocksMissing and ObjectMissing when its content is
    gone, FileLocked, QuotaExceeded.
    """

    def __init__(self, author: Author, commit_id: ObjectId, path: str, *, is_dir: bool) -> None:
        self.author = author
        self.commit_id = commit_id
        self.path = path
        self.is_dir = is_dir

    def __call__(self, work: Workspace) -> EditOutcome[Placed]:
        """Look it up and put it back."""
        work.guard_everything()
        commit = work.tools.commits.get(work.head.library_id, self.commit_id)
        entry = self._find(work, commit)
        require_content(work, entry)
        parent, name = paths.split(self.path)
        self._do(work, MakeFolders(paths.ROOT, parent))
        if self.is_dir:
            text = descriptions.recovered_folder(name)
        else:
            text = descriptions.reverted_file(name, moment(commit.ctime), work.tools.time_zone)
        return self._do(work, _PutBack(self.path, entry, text))

    def _find(self, work: Workspace, commit: Commit) -> Dirent:
        missing: type[FileNotFound | FolderNotFound] = FolderNotFound if self.is_dir else FileNotFound
        entry = work.tools.trees.find(work.head.store_id, commit.root_id, self.path)
        if entry is None or entry.is_dir is not self.is_dir or not entry.name:
            raise missing(self.path)
        return entry

    def _do(self, work: Workspace, edit: Edit[Placed] | MakeFolders) -> EditOutcome[Placed]:
        result, effects = work.apply(self.author, edit)
        changed = work.commit_edits(self.author, edit.describe([result]), [effects])
        return EditOutcome(work.head.commit_id, work.head.root_id, result, changed)


class RestoreLibrary:
    """Make the whole tree what a commit had. A task for `Libraries.run_task`.

    Raises CommitNotFound, BlocksMissing, ObjectMissing, FileLocked, QuotaExceeded.
    """

    def __init__(self, author: Author, commit_id: ObjectId) -> None:
        self.author = author
        self.commit_id = commit_id

    def __call__(self, work: Workspace) -> EditOutcome[None]:
        """Set the root back, in a new commit."""
        work.guard_everything()
        commit = work.tools.commits.get(work.head.library_id, self.commit_id)
        if commit.root_id == work.head.root_id:
            return EditOutcome(work.head.commit_id, work.head.root_id, None, changed=False)
        require_content(work, Dirent(commit.root_id, DIRECTORY_MODE, 0, ""))
        work.set_root(commit.root_id)
        effects = effects_between(work, work.head.root_id, commit.root_id)
        text = descriptions.reverted_library(moment(commit.ctime), work.tools.time_zone)
        work.add(work.make_commit(self.author, commit.root_id, text), self.author, (effects,))
        return EditOutcome(work.head.commit_id, work.head.root_id, None, changed=True)


def require_content(work: Workspace, entry: Dirent) -> None:
    """Raise ObjectMissing or BlocksMissing when collection has taken something of an old entry.

    Looks at everything below it, in the store and not in any cache, unless nothing was ever collected there.
    """
    objects, trees, store_id = work.tools.objects, work.tools.trees, work.head.store_id
    if not objects.generation(store_id).value:
        return
    below = trees.walk(store_id, entry.id) if entry.is_dir else iter(())
    everything = chain([entry], (each for _, each in below))
    stored = (each for each in everything if each.id != ZERO_ID)
    while batch := list(islice(stored, _ENTRIES_AT_ONCE)):
        _require_objects(work, batch)


def _require_objects(work: Workspace, entries: Sequence[Dirent]) -> None:
    objects, store_id = work.tools.objects, work.head.store_id
    stored = objects.get_many(store_id, Kind.FS, [entry.id for entry in entries])
    names: dict[ObjectId, str] = {}
    for entry in entries:
        if entry.id not in stored:
            raise ObjectMissing("folder" if entry.is_dir else "file", entry.id)
        if not entry.is_dir:
            value = decode_fs(stored[entry.id])
            names.update(dict.fromkeys(value.block_ids if isinstance(value, FileObject) else (), entry.name))
    found = objects.block_sizes(store_id, names)
    missing = {name for block_id, name in names.items() if block_id not in found}
    if missing:
        raise BlocksMissing(sorted(missing))
