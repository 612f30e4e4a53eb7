"""Giving another store the objects of a subtree: what a copy between libraries needs before its entries are
put in.

Files of a tree are read folder by folder; of each only what the target lacks is copied. Content of encrypted
libraries is not looked into: callers copy between libraries of one key, or write the files anew.

Source: encryption §5, "Copying or moving"; storage format §11.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Final

from seafleet import paths
from seafleet.errors import FileNotFound, InvalidArgument
from seafleet.formats.fs import Dirent
from seafleet.ids import ZERO_ID, LibraryId, ObjectId
from seafleet.library.edits import Delete, Placed
from seafleet.library.model import Author, EditOutcome, Head
from seafleet.library.moves import PutEntries
from seafleet.library.service import Libraries
from seafleet.library.trees import Trees
from seafleet.store.contract import Kind
from seafleet.store.objects import ObjectStore

_FILES_AT_ONCE: Final = 64

Progress = Callable[[int], None]
"""Told of the number of files that were copied since the last call; may raise to stop."""


def _ignored(files: int) -> None:
    return None


def copy_across(
    libraries: Libraries,
    author: Author,
    source: Head,
    paths_of: Iterable[str],
    target_id: LibraryId,
    folder: str,
    *,
    progress: Progress = _ignored,
) -> EditOutcome[tuple[Placed, ...]]:
    """Copy what stands at some paths into a folder of another library, in one commit there.

    Raises FileNotFound for the first path that is missing, FolderNotFound for the folder, QuotaExceeded, and
    InvalidArgument between libraries that do not share a key.
    """
    target = libraries.get(target_id)
    require_same_key(source, target)
    entries = _entries(libraries.trees, source, paths_of)
    seen = libraries.objects.generation(target.store_id)
    copy_subtrees(
        libraries.objects, libraries.trees, source.store_id, target.store_id, entries, progress=progress
    )
    return libraries.commit_edit(target_id, author, PutEntries(folder, entries, seen))


def move_across(
    libraries: Libraries,
    author: Author,
    source: Head,
    paths_of: Sequence[str],
    target_id: LibraryId,
    folder: str,
    *,
    progress: Progress = _ignored,
) -> EditOutcome[tuple[Placed, ...]]:
    """Do the same, then delete at the source what was copied; what changed there meanwhile stays."""
    entries = _entries(libraries.trees, source, paths_of)
    outcome = copy_across(libraries, author, source, paths_of, target_id, folder, progress=progress)
    for parent in dict.fromkeys(paths.split(path)[0] for path in paths_of):
        named = {
            entry.name: entry.id
            for path, entry in zip(paths_of, entries, strict=True)
            if paths.split(path)[0] == parent
        }
        libraries.commit_edit(
            source.library_id, author, Delete(parent, tuple(named), only_if=tuple(named.values()))
        )
    return outcome


def require_same_key(source: Head, target: Head) -> None:
    """Raise InvalidArgument unless blocks of one library can be read in the other."""
    keys = [
        head.encryption and (head.encryption.random_key, head.encryption.salt) for head in (source, target)
    ]
    if keys[0] != keys[1]:
        raise InvalidArgument("library", "content of an encrypted library cannot be shared with another one")


def _entries(trees: Trees, source: Head, paths_of: Iterable[str]) -> tuple[Dirent, ...]:
    found = []
    for path in dict.fromkeys(paths_of):
        entry = trees.find(source.store_id, source.root_id, path)
        if entry is None or not entry.name:
            raise FileNotFound(path)
        found.append(entry)
    return tuple(found)


def copy_subtrees(
    objects: ObjectStore,
    trees: Trees,
    source_id: LibraryId,
    target_id: LibraryId,
    entries: Iterable[Dirent],
    *,
    progress: Progress = _ignored,
) -> None:
    """Give the store `target_id` everything that `entries` of the store `source_id` hold, durable on return.

    Blocks come before the files that name them and folders last, so that nothing in the target ever names
    what is not there. Raises ObjectMissing when the source is incomplete.
    """
    if source_id == target_id:
        return
    folders: list[ObjectId] = []
    files = _files(trees, source_id, entries, folders)
    while batch := list(islice(files, _FILES_AT_ONCE)):
        ids = dict.fromkeys(entry.id for entry in batch if entry.id != ZERO_ID)
        blocks = [block_id for file_id in ids for block_id in trees.file(source_id, file_id).block_ids]
        objects.copy(source_id, target_id, Kind.BLOCK, blocks)
        objects.copy(source_id, target_id, Kind.FS, ids)
        progress(len(batch))
    objects.copy(source_id, target_id, Kind.FS, dict.fromkeys(reversed(folders)))


def _files(
    trees: Trees, store_id: LibraryId, entries: Iterable[Dirent], folders: list[ObjectId]
) -> Iterator[Dirent]:
    """Yield all files; put the ids of all folders into `folders`, parents before children."""
    for top in entries:
        below = trees.walk(store_id, top.id) if top.is_dir else iter(())
        for _, entry in chain([(top.name, top)], below):
            if not entry.is_dir:
                yield entry
            elif entry.id != ZERO_ID:
                folders.append(entry.id)
