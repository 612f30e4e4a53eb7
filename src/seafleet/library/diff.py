"""What changed between trees.

Two entries are the same when id, mode and mtime are equal; directories when their ids are. Only directories
whose ids differ are read, so a change costs the folders on its path, not the library.

======  =================================================================================================
status  meaning
======  =================================================================================================
A       added file
D       deleted file
M       modified file: another id, mode or mtime
R       renamed (moved) file: one deleted and one added with the same id
B       added directory: an *empty* one; with folding any, as one entry without its content
C       deleted directory; without folding its content is listed as well
N       renamed directory, as R
======  =================================================================================================

Trees are walked depth first, names descending, files before directories of the same name. Result lists are
the walk backwards: what was walked last comes first, which mostly is the smallest name. That is the order
which decides who is named in a commit's description.

Source: merging §5.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from seafleet.formats.fs import Dirent
from seafleet.ids import ZERO_ID, ObjectId
from seafleet.library.pairing import Pair, named, unequal_names, unequal_pairs
from seafleet.library.recursion import evaluate
from seafleet.library.source import TreeSource
from seafleet.paths import ROOT, join


class Status(StrEnum):
    """What became of an entry."""

    ADDED = "A"
    DELETED = "D"
    MODIFIED = "M"
    RENAMED = "R"
    ADDED_DIR = "B"
    DELETED_DIR = "C"
    RENAMED_DIR = "N"


@dataclass(frozen=True, slots=True)
class Change:
    """One entry that differs. `path` is the old path of a rename, which also has a `new_path`.

    `old` is None for what was added, `new` for what was deleted; all others have both.
    """

    status: Status
    path: str
    old: Dirent | None
    new: Dirent | None
    new_path: str | None = None

    @property
    def entry(self) -> Dirent:
        """The entry as it is now, or as it was when it is deleted."""
        found = self.new or self.old
        assert found is not None
        return found

    @property
    def name(self) -> str:
        """The base name that descriptions give: the old one of a rename."""
        found = self.old or self.new
        assert found is not None
        return found.name


# -- two trees --------------------------------------------------------------------------------------------


def diff_trees(
    source: TreeSource, old_root: ObjectId, new_root: ObjectId, *, fold: bool = True
) -> list[Change]:
    """Return all changes, renames found, last walked first. Raises ObjectMissing.

    Holds every change in memory: where they may be many, use `iter_changes`.
    """
    return resolve_renames(iter_changes(source, old_root, new_root, fold=fold))


def iter_changes(
    source: TreeSource, old_root: ObjectId, new_root: ObjectId, *, fold: bool = True
) -> Iterator[Change]:
    """Yield changes as they are walked, without renames. Raises ObjectMissing.

    Holds one folder for each level, however many changes there are.
    """
    walks = [_FolderWalk(source, ROOT, old_root, new_root)]
    while walks:
        walk = walks[-1]
        pair = next(walk.pairs, None)
        if pair is None:
            walks.pop()
            continue
        change = _change(walk.path, pair, fold)
        if change is not None:
            yield change
        inside = _inside(pair, fold)
        if inside is not None:
            walks.append(_FolderWalk(source, join(walk.path, _either(pair).name), *inside))


class _FolderWalk:
    """A folder in two trees, and how far it has been walked."""

    __slots__ = ("pairs", "path")

    def __init__(self, source: TreeSource, path: str, old_id: ObjectId, new_id: ObjectId) -> None:
        self.path = path
        self.pairs = _walked(source, old_id, new_id)


def _walked(source: TreeSource, old_id: ObjectId, new_id: ObjectId) -> Iterator[Pair]:
    if old_id == new_id:
        return iter(())
    return unequal_pairs(source.directory(old_id), source.directory(new_id))


def _either(pair: Pair) -> Dirent:
    found = pair[1] or pair[0]
    assert found is not None
    return found


def _change(folder: str, pair: Pair, fold: bool) -> Change | None:
    old, new = pair
    entry = _either(pair)
    status = _folder_status(pair, fold) if entry.is_dir else _file_status(pair)
    return None if status is None else Change(status, join(folder, entry.name), old, new)


def _file_status(pair: Pair) -> Status | None:
    old, new = pair
    if old is None:
        return Status.ADDED
    if new is None:
        return Status.DELETED
    return None if same_file(old, new) else Status.MODIFIED


def _folder_status(pair: Pair, fold: bool) -> Status | None:
    old, new = pair
    if new is None:
        return Status.DELETED_DIR
    if old is None and (fold or new.id == ZERO_ID):
        return Status.ADDED_DIR
    return None


def _inside(pair: Pair, fold: bool) -> tuple[ObjectId, ObjectId] | None:
    """Return the two ids of a folder that has to be walked as well."""
    old, new = pair
    if not _either(pair).is_dir or (fold and (old is None or new is None)):
        return None
    return _id(old), _id(new)


def _id(entry: Dirent | None) -> ObjectId:
    return ZERO_ID if entry is None else entry.id


def same_file(one: Dirent, other: Dirent) -> bool:
    """Tell whether two file entries are the same to a diff: id, mode and mtime. Never compares names."""
    return one.id == other.id and one.mode == other.mode and one.mtime == other.mtime


# -- renames ----------------------------------------------------------------------------------------------

_RENAMES: Final = {
    Status.RENAMED: (Status.DELETED, Status.ADDED),
    Status.RENAMED_DIR: (Status.DELETED_DIR, Status.ADDED_DIR),
}


def resolve_renames(changes: Iterable[Change]) -> list[Change]:
    """Return changes given in the order of the walk as a result list, last walked first, renames joined.

    A rename is one deleted and one added entry of the same id, files with files and directories with
    directories; it stands where its old entry stood. Of several candidates with one id the last walked are
    taken, once. The zero id is joined only when exactly one entry with it was deleted and one added.
    """
    result: list[Change | None] = list(changes)
    result.reverse()
    for renamed, (deleted, added) in _RENAMES.items():
        _join_renames(result, renamed, deleted, added)
    return [change for change in result if change is not None]


def _join_renames(changes: list[Change | None], renamed: Status, deleted: Status, added: Status) -> None:
    news = _first_of_each_id(changes, added)
    if not news:
        return
    for object_id, at in _first_of_each_id(changes, deleted).items():
        to = news.get(object_id)
        old, new = changes[at], None if to is None else changes[to]
        if to is not None and old is not None and new is not None:
            changes[at] = replace(old, status=renamed, new=new.new, new_path=new.path)
            changes[to] = None


def _first_of_each_id(changes: list[Change | None], status: Status) -> dict[ObjectId, int]:
    places = [
        (change.entry.id, at) for at, change in enumerate(changes) if change and change.status is status
    ]
    first = dict(reversed(places))
    if Counter(object_id for object_id, _ in places)[ZERO_ID] > 1:
        del first[ZERO_ID]
    return first


# -- a merge and its two parents --------------------------------------------------------------------------


def diff_merge(
    source: TreeSource, merged_root: ObjectId, first_root: ObjectId, second_root: ObjectId
) -> list[Change]:
    """Return what a merge did that neither parent had: files only, last walked first. Raises ObjectMissing.

    A file is added when neither parent has it, modified when it differs from every parent that has it, and
    deleted when both have it and the merge does not. Folders that one parent has just so are not read.
    """
    return resolve_renames(_iter_merge(source, merged_root, first_root, second_root))


def _iter_merge(
    source: TreeSource, merged_root: ObjectId, first_root: ObjectId, second_root: ObjectId
) -> Iterator[Change]:
    walks = [_MergeWalk(source, ROOT, merged_root, first_root, second_root)]
    while walks:
        walk = walks[-1]
        name = next(walk.names, None)
        if name is None:
            walks.pop()
            continue
        path = join(walk.path, name)
        change = _merge_change(path, *walk.entries(name, is_dir=False))
        if change is not None:
            yield change
        inside = _inside_merge(*walk.entries(name, is_dir=True))
        if inside is not None:
            walks.append(_MergeWalk(source, path, *inside))


_Three = tuple[Dirent | None, Dirent | None, Dirent | None]
_ThreeIds = tuple[ObjectId, ObjectId, ObjectId]


class _MergeWalk:
    """A folder in a merge and in its parents, and how far it has been walked."""

    __slots__ = ("_folders", "names", "path")

    def __init__(
        self, source: TreeSource, path: str, merged: ObjectId, first: ObjectId, second: ObjectId
    ) -> None:
        self.path = path
        self.names: Iterator[str] = iter(())
        if merged not in (first, second):
            self._folders = source.directory(merged), source.directory(first), source.directory(second)
            self.names = unequal_names(self._folders[1], self._folders[0])

    def entries(self, name: str, *, is_dir: bool) -> _Three:
        """Return the entries of this name that are of that kind, in the merge and in both parents."""
        merged, first, second = (named(folder, name, is_dir=is_dir) for folder in self._folders)
        return merged, first, second


def _merge_change(
    path: str, merged: Dirent | None, first: Dirent | None, second: Dirent | None
) -> Change | None:
    parents = [entry for entry in (first, second) if entry is not None]
    if merged is None:
        return Change(Status.DELETED, path, first, None) if len(parents) == 2 else None
    if not parents:
        return Change(Status.ADDED, path, None, merged)
    if any(same_file(parent, merged) for parent in parents):
        return None
    return Change(Status.MODIFIED, path, parents[0], merged)


def _inside_merge(merged: Dirent | None, first: Dirent | None, second: Dirent | None) -> _ThreeIds | None:
    if merged is None and (first is None or second is None):
        return None
    return _id(merged), _id(first), _id(second)


# -- what a push has to be checked for --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TreeDelta:
    """How much larger a tree became. All numbers may be negative; `size_bytes` counts plain sizes."""

    size_bytes: int = 0
    file_count: int = 0
    folder_count: int = 0


def tree_delta(source: TreeSource, old_root: ObjectId, new_root: ObjectId) -> TreeDelta:
    """Return how much larger `new_root` is than `old_root`. Raises ObjectMissing.

    Reads what changed, and every changed folder once: also a tree that names one folder in a billion places
    is counted at once, so ask this before anything that lists what changed.
    """

    def visit(ids: tuple[ObjectId, ObjectId]) -> Generator[tuple[ObjectId, ObjectId], TreeDelta, TreeDelta]:
        size = files = folders = 0
        for old, new in _walked(source, *ids):
            count = (new is not None) - (old is not None)
            if _either((old, new)).is_dir:
                inside = yield _id(old), _id(new)
                size += inside.size_bytes
                files += inside.file_count
                folders += inside.folder_count + count
            else:
                size += _size(new) - _size(old)
                files += count
        return TreeDelta(size, files, folders)

    return evaluate(visit, (old_root, new_root))


def _size(entry: Dirent | None) -> int:
    return 0 if entry is None else entry.size or 0


def changed_entries(
    source: TreeSource, base_root: ObjectId, new_root: ObjectId
) -> Iterator[tuple[str, Dirent]]:
    """Yield path and entry of every added or modified file and every added directory. Raises ObjectMissing.

    Parents come before their content, nothing is left out for being a duplicate name. A folder that changed
    in the same way at several places is walked at the first of them only: enough to check names and blocks,
    and bounded whatever the tree is.
    """
    seen = set[tuple[ObjectId, ObjectId]]()
    walks = [_FolderWalk(source, ROOT, base_root, new_root)]
    while walks:
        pair = next(walks[-1].pairs, None)
        if pair is None:
            walks.pop()
            continue
        old, new = pair
        if new is None or (not new.is_dir and old is not None and same_file(old, new)):
            continue
        path = join(walks[-1].path, new.name)
        if old is None or not new.is_dir:
            yield path, new
        if new.is_dir and (ids := (_id(old), new.id)) not in seen:
            seen.add(ids)
            walks.append(_FolderWalk(source, path, *ids))


def changed_files(
    source: TreeSource, base_root: ObjectId, new_root: ObjectId
) -> Iterator[tuple[str, Dirent]]:
    """Yield path and entry of every file with content that was added or modified. Raises ObjectMissing.

    These are the files whose blocks have to be there. Walks as `changed_entries` does.
    """
    for path, entry in changed_entries(source, base_root, new_root):
        if not entry.is_dir and entry.id != ZERO_ID:
            yield path, entry
