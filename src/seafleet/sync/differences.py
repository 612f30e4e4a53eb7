"""What the tree of one commit has that another tree does not have at the same path.

Two trees are walked side by side, folder by folder, and only where they differ. Objects are read from the
store itself, many at a time, and nothing is kept but the names of folders: a library of 500,000 files is
walked within a few MiB, and no cache is emptied by it.

Source: sync protocol §3, "fs-id-list".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from seafleet.errors import MalformedObject, ObjectMissing
from seafleet.formats.fs import EMPTY_DIRECTORY, Directory, Dirent, decode_fs
from seafleet.ids import ZERO_ID, ObjectId
from seafleet.library.pairing import unequal_pairs
from seafleet.paths import ROOT, join
from seafleet.store.contract import NOUNS, Kind
from seafleet.store.objects import ObjectStore

_FIRST_BATCH: Final = 8
_LARGEST_BATCH: Final = 256
_BATCH_BYTES: Final = 256 << 10
"""So many stored bytes of folders are read at once, as far as the last batch allows a guess."""
_CHUNK_BYTES: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Difference:
    """A folder that the old tree does not have as it is, and those of its entries that have another id."""

    path: str
    folder_id: ObjectId
    entries: tuple[Dirent, ...]


def differences(
    objects: ObjectStore, store_id: str, new_root: ObjectId, old_root: ObjectId = ZERO_ID
) -> Iterator[list[Difference]]:
    """Yield, in portions, every folder of the new tree that differs, a folder before those in it.

    A folder that lies at several places is looked at in the first of them only: what equals the old tree
    there is known already, so nothing is passed over, and the walk is bounded whatever the tree is. A folder
    of the old tree that is not stored any more counts as empty. Raises ObjectMissing, MalformedObject.
    """
    walk = _Walk(objects, store_id)
    walk.visit(ROOT, old_root, new_root)
    return walk.run() if old_root != new_root else iter(())


def missing_ids(
    objects: ObjectStore,
    store_id: str,
    new_root: ObjectId,
    old_root: ObjectId = ZERO_ID,
    *,
    folders_only: bool = False,
) -> Iterator[list[ObjectId]]:
    """Yield, in portions, the ids of all objects of the new tree that the old one does not hold there.

    An id may come twice, the zero id never. Raises as `differences` does.
    """
    for portion in differences(objects, store_id, new_root, old_root):
        found: list[ObjectId] = []
        for folder in portion:
            found.append(folder.folder_id)
            if not folders_only:
                found.extend(e.id for e in folder.entries if not e.is_dir and e.id != ZERO_ID)
        yield found


def json_array(portions: Iterable[Iterable[str]]) -> Iterator[bytes]:
    """Yield the text of a JSON array of ids, in pieces of about 64 KiB."""
    pieces, size = [b"["], 1
    separator = ""
    for portion in portions:
        if text := '","'.join(portion):
            pieces.append(f'{separator}"{text}"'.encode("ascii"))
            size += len(pieces[-1])
            separator = ","
        if size >= _CHUNK_BYTES:
            yield b"".join(pieces)
            pieces, size = [], 0
    yield b"".join([*pieces, b"]"])


class _Walk:
    def __init__(self, objects: ObjectStore, store_id: str) -> None:
        self._objects = objects
        self._store_id = store_id
        self._seen: set[ObjectId] = {ZERO_ID}
        self._pending: list[tuple[str, ObjectId, ObjectId]] = []
        self._batch = _FIRST_BATCH

    def visit(self, path: str, old_id: ObjectId, new_id: ObjectId) -> None:
        """Note a folder to look at: where it is, what the old tree has there, what the new one has."""
        if new_id not in self._seen:
            self._seen.add(new_id)
            self._pending.append((path, old_id, new_id))

    def run(self) -> Iterator[list[Difference]]:
        while self._pending:
            batch = self._pending[-self._batch :]
            del self._pending[-self._batch :]
            folders = self._read({object_id for _, *pair in batch for object_id in pair})
            yield [self._compare(folders, *each) for each in batch]

    def _compare(
        self, folders: dict[ObjectId, Directory], path: str, old_id: ObjectId, new_id: ObjectId
    ) -> Difference:
        if new_id not in folders:
            raise ObjectMissing(NOUNS[Kind.FS], new_id)
        differing: list[Dirent] = []
        for was, entry in unequal_pairs(folders.get(old_id, EMPTY_DIRECTORY), folders[new_id]):
            if entry is None or (was is not None and was.id == entry.id):
                continue
            differing.append(entry)
            if entry.is_dir:
                self.visit(join(path, entry.name), ZERO_ID if was is None else was.id, entry.id)
        return Difference(path, new_id, tuple(differing))

    def _read(self, ids: set[ObjectId]) -> dict[ObjectId, Directory]:
        stored = self._objects.get_many(self._store_id, Kind.FS, ids - {ZERO_ID})
        small = sum(map(len, stored.values())) < _BATCH_BYTES
        self._batch = min(self._batch * 2, _LARGEST_BATCH) if small else max(self._batch // 4, 1)
        return {object_id: _directory(object_id, data) for object_id, data in stored.items()}


def _directory(object_id: ObjectId, stored: bytes) -> Directory:
    found = decode_fs(stored)
    if not isinstance(found, Directory):
        raise MalformedObject("directory", f"{object_id} is a file")
    return found
