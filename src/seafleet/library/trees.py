"""Reading the trees of one object store: folders by id, entries by path, sums over subtrees.

Objects are immutable and named by their content, so decoded folders and sums are kept under their ids for as
long as there is room. Nothing here recurses: a pushed tree may be deeper than Python's stack.

Source: storage format §5, §6.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from seafleet import paths
from seafleet.errors import FolderNotFound, MalformedObject
from seafleet.formats import version0
from seafleet.formats.compression import decompress
from seafleet.formats.fs import (
    DIRECTORY_MODE,
    EMPTY_DIRECTORY,
    EMPTY_FILE,
    Directory,
    Dirent,
    FileObject,
    decode_fs,
    glimpse,
)
from seafleet.ids import ZERO_ID, LibraryId, ObjectId
from seafleet.library.cache import WeightedCache
from seafleet.library.source import TreeSource
from seafleet.store.contract import Kind
from seafleet.store.objects import ObjectStore

StoredObject = tuple[ObjectId, bytes]
"""An fs object as it is stored: its id and a zlib stream."""

DEFAULT_CACHE_BYTES: Final = 192 << 20
_STATS_KEPT: Final = 100_000
_PREFETCH: Final = 64
# What a decoded folder weighs in memory, with its entries' encoded texts.
_FOLDER_BYTES: Final = 400
_ENTRY_BYTES: Final = 650


@dataclass(frozen=True, slots=True)
class TreeStats:
    """The sums over a subtree. Sizes are the plain sizes of its files; the folder itself is not counted."""

    size_bytes: int = 0
    file_count: int = 0
    folder_count: int = 0


EMPTY_STATS: Final = TreeStats()


class Trees:
    """Reads the trees of every library. Safe to use from many threads.

    All methods raise ObjectMissing when an object of the tree is not stored, and MalformedObject when it
    cannot be read.
    """

    def __init__(self, objects: ObjectStore, cache_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        self._objects = objects
        self._folders: WeightedCache[tuple[str, ObjectId], Directory] = WeightedCache(cache_bytes)
        self._stats: WeightedCache[tuple[str, ObjectId], TreeStats] = WeightedCache(_STATS_KEPT)

    def directory(self, store_id: LibraryId, dir_id: ObjectId) -> Directory:
        """Return a folder. The zero id is the empty folder, which is not stored."""
        if dir_id == ZERO_ID:
            return EMPTY_DIRECTORY
        found = self._folders.get((store_id, dir_id))
        if found is None:
            found = _as_directory(dir_id, self._objects.get(store_id, Kind.FS, dir_id))
            self.remember(store_id, dir_id, found)
        return found

    def file(self, store_id: LibraryId, file_id: ObjectId) -> FileObject:
        """Return a file's blocks and size. The zero id is the empty file, which is not stored."""
        if file_id == ZERO_ID:
            return EMPTY_FILE
        found = decode_fs(self._objects.get(store_id, Kind.FS, file_id))
        if not isinstance(found, FileObject):
            raise MalformedObject("file", f"{file_id} is a directory")
        return found

    def find(
        self, store_id: LibraryId, root_id: ObjectId, path: str, *, passing: bool = False
    ) -> Dirent | None:
        """Return the entry at `path`, or None. The root is a folder without a name, dated 0.

        `passing` is for walks through old trees: folders that are met there are not kept in the cache.
        """
        look = self._glimpse if passing else self._entry
        entry = Dirent(root_id, DIRECTORY_MODE, 0, "")
        for name in paths.components(path):
            if not entry.is_dir:
                return None
            found = look(store_id, entry.id, name)
            if found is None:
                return None
            entry = found
        return entry

    def _entry(self, store_id: LibraryId, dir_id: ObjectId, name: str) -> Dirent | None:
        return self.directory(store_id, dir_id).get(name)

    def _glimpse(self, store_id: LibraryId, dir_id: ObjectId, name: str) -> Dirent | None:
        """Return an entry of a folder that nobody may ask for again, without decoding all of it."""
        folder = EMPTY_DIRECTORY if dir_id == ZERO_ID else self._folders.get((store_id, dir_id))
        if folder is not None:
            return folder.get(name)
        stored = self._objects.get(store_id, Kind.FS, dir_id)
        if not version0.looks_like(stored):
            found = glimpse(decompress(stored), name)
            if found is not None:
                return found
        return _as_directory(dir_id, stored).get(name)

    def folder(self, store_id: LibraryId, root_id: ObjectId, path: str) -> tuple[ObjectId, Directory]:
        """Return id and content of the folder at `path`. Raises FolderNotFound when there is none."""
        entry = self.find(store_id, root_id, path)
        if entry is None or not entry.is_dir:
            raise FolderNotFound(path)
        return entry.id, self.directory(store_id, entry.id)

    def walk(self, store_id: LibraryId, dir_id: ObjectId, path: str = "/") -> Iterator[tuple[str, Dirent]]:
        """Yield path and entry of everything below a folder that stands at `path`.

        Depth first, a folder before what is in it, names in ascending byte order. Memory is bound by depth
        times width, not by the size of the tree.
        """
        levels = [(path, self._listed(store_id, dir_id))]
        while levels:
            parent, entries = levels[-1]
            entry = next(entries, None)
            if entry is None:
                levels.pop()
                continue
            here = paths.join(parent, entry.name)
            yield here, entry
            if entry.is_dir:
                levels.append((here, self._listed(store_id, entry.id)))

    def stats(self, store_id: LibraryId, dir_id: ObjectId) -> TreeStats:
        """Return the sums over everything below a folder."""
        return self.stats_within(store_id, self.source(store_id), dir_id)

    def stats_within(self, store_id: LibraryId, source: TreeSource, dir_id: ObjectId) -> TreeStats:
        """Return the sums, reading from `source`, which may know objects that are not stored yet."""
        known = {ZERO_ID: EMPTY_STATS}
        pending = [dir_id]
        while pending:
            current = pending[-1]
            if self._known(known, store_id, current):
                pending.pop()
                continue
            folder = source.directory(current)
            missing = [e.id for e in folder if e.is_dir and not self._known(known, store_id, e.id)]
            if missing:
                self._prefetch(store_id, missing)
                pending.extend(missing)
            else:
                known[current] = _summed(folder, known)
                self._stats.put((store_id, current), known[current])
        return known[dir_id]

    def remember(self, store_id: LibraryId, dir_id: ObjectId, folder: Directory) -> None:
        """Keep a folder that has just been stored, for whoever reads it next."""
        self._folders.put((store_id, dir_id), folder, _FOLDER_BYTES + _ENTRY_BYTES * len(folder))

    def source(self, store_id: LibraryId) -> TreeSource:
        """Return a reader of one store's folders."""
        return _StoreSource(self, store_id)

    def _known(self, known: dict[ObjectId, TreeStats], store_id: LibraryId, dir_id: ObjectId) -> bool:
        """Tell whether the sums over a folder are in `known`, where they are put if they have been kept."""
        if dir_id not in known:
            kept = self._stats.get((store_id, dir_id))
            if kept is None:
                return False
            known[dir_id] = kept
        return True

    def _listed(self, store_id: LibraryId, dir_id: ObjectId) -> Iterator[Dirent]:
        folder = self.directory(store_id, dir_id)
        self._prefetch(store_id, [entry.id for entry in folder if entry.is_dir])
        return reversed(folder.entries)

    def _prefetch(self, store_id: LibraryId, dir_ids: Sequence[ObjectId]) -> None:
        """Read folders that will be asked for next in one query instead of one each."""
        wanted = [dir_id for dir_id in dir_ids[-_PREFETCH:] if dir_id != ZERO_ID]
        wanted = [dir_id for dir_id in wanted if self._folders.get((store_id, dir_id)) is None]
        if len(wanted) < 2:
            return
        for dir_id, stored in self._objects.get_many(store_id, Kind.FS, wanted).items():
            self.remember(store_id, dir_id, _as_directory(dir_id, stored))


class _StoreSource:
    """The folders of one store."""

    __slots__ = ("_store_id", "_trees")

    def __init__(self, trees: Trees, store_id: LibraryId) -> None:
        self._trees = trees
        self._store_id = store_id

    def directory(self, dir_id: ObjectId) -> Directory:
        return self._trees.directory(self._store_id, dir_id)


class OverlaySource:
    """Folders that are not stored yet, in front of another source."""

    __slots__ = ("_base", "_fresh")

    def __init__(self, base: TreeSource, objects: Iterable[StoredObject] = ()) -> None:
        self._base = base
        self._fresh: dict[ObjectId, Directory] = {}
        self.add(objects)

    def add(self, objects: Iterable[StoredObject]) -> None:
        """Put the folders among `objects` in front."""
        for object_id, stored in objects:
            value = decode_fs(stored)
            if isinstance(value, Directory):
                self._fresh[object_id] = value

    def keep(self, dir_id: ObjectId, folder: Directory) -> None:
        """Put one decoded folder in front."""
        self._fresh[dir_id] = folder

    def directory(self, dir_id: ObjectId) -> Directory:
        """Return a folder, the ones in front first."""
        found = self._fresh.get(dir_id)
        return self._base.directory(dir_id) if found is None else found

    def items(self) -> Iterable[tuple[ObjectId, Directory]]:
        """Return the folders in front."""
        return self._fresh.items()


def _summed(folder: Directory, below: Mapping[ObjectId, TreeStats]) -> TreeStats:
    size_bytes = file_count = folder_count = 0
    for entry in folder:
        if entry.is_dir:
            inside = below[entry.id]
            size_bytes += inside.size_bytes
            file_count += inside.file_count
            folder_count += inside.folder_count + 1
        else:
            size_bytes += entry.size or 0
            file_count += 1
    return TreeStats(size_bytes, file_count, folder_count)


def _as_directory(dir_id: ObjectId, stored: bytes) -> Directory:
    found = decode_fs(stored)
    if not isinstance(found, Directory):
        raise MalformedObject("directory", f"{dir_id} is a file")
    return found
