"""An existing Seafile data folder as a read-only layer: a deployment is adopted where it is.

======================================================  ===============================================
path below the data folder                              what
======================================================  ===============================================
``storage/commits/<library id>/<2 hex>/<38 hex>``       commits, JSON text
``storage/fs/<store id>/<2 hex>/<38 hex>``              directory and file objects, zlib streams
``storage/blocks/<store id>/<2 hex>/<38 hex>``          blocks
``storage/<type>/<2 hex>/<38 hex>``                     the same, of stores that are older than 2014
======================================================  ===============================================

Anything else in these folders is a leftover of an interrupted write. Nothing is ever written here.

Source: storage format §2, §13.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final

from seafleet.ids import LibraryId, ObjectId, looks_like_library_id, looks_like_object_id
from seafleet.store.contract import Kind
from seafleet.store.disk import Disk, RealDisk, read_part, storage_errors

_FOLDERS: Final = {Kind.COMMIT: "commits", Kind.FS: "fs", Kind.BLOCK: "blocks"}
_is_prefix = re.compile(r"[0-9a-f]{2}").fullmatch


class SeafileFolder:
    """A `ReadLayer` over the ``storage`` folder of `data_folder`. Raises StorageFailure."""

    def __init__(self, data_folder: str | os.PathLike[str], *, disk: Disk | None = None) -> None:
        self._top = os.path.abspath(data_folder) + "/storage"
        self._disk: Disk = disk or RealDisk()
        # Objects of the oldest stores lie there without a library id: looked for only if there are any.
        self._shared = {
            kind: any(map(_is_prefix, self._disk.names(f"{self._top}/{folder}")))
            for kind, folder in _FOLDERS.items()
        }

    def read(
        self, store_id: str, kind: Kind, object_id: ObjectId, offset: int = 0, length: int | None = None
    ) -> bytes | None:
        """Return the stored bytes, or a part of them, or None when the object is not there."""
        with storage_errors("cannot read an object"):
            for path in self._paths(store_id, kind, object_id):
                data = read_part(self._disk, path, offset, length)
                if data is not None:
                    return data
        return None

    def size(self, store_id: str, kind: Kind, object_id: ObjectId) -> int | None:
        """Return the stored size in bytes, or None when the object is not there."""
        with storage_errors("cannot look at an object"):
            found = (self._disk.stat(path) for path in self._paths(store_id, kind, object_id))
            return next((stat.size_bytes for stat in found if stat is not None), None)

    def list(self, store_id: str, kind: Kind) -> Iterator[ObjectId]:
        """Yield the ids of all objects of a kind in the store's own folder, in no order."""
        if not looks_like_library_id(store_id):
            return
        folder = f"{self._top}/{_FOLDERS[kind]}/{store_id}"
        with storage_errors("cannot list objects"):
            for prefix in self._disk.names(folder):
                for name in self._disk.names(f"{folder}/{prefix}"):
                    if looks_like_object_id(prefix + name):
                        yield ObjectId(prefix + name)

    def library_ids(self) -> Iterator[LibraryId]:
        """Yield the ids of all libraries that have commits here, deleted ones and sub-libraries too."""
        with storage_errors("cannot list libraries"):
            for name in self._disk.names(f"{self._top}/{_FOLDERS[Kind.COMMIT]}"):
                if looks_like_library_id(name):
                    yield LibraryId(name)

    def _paths(self, store_id: str, kind: Kind, object_id: ObjectId) -> Iterator[str]:
        if not looks_like_object_id(object_id):
            return
        folder, name = f"{self._top}/{_FOLDERS[kind]}", f"{object_id[:2]}/{object_id[2:]}"
        if looks_like_library_id(store_id):
            yield f"{folder}/{store_id}/{name}"
        if self._shared[kind]:
            yield f"{folder}/{name}"
