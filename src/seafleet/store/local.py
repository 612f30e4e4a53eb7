"""Blobs as files: ``blocks/<store id>/<2 hex>/<38 hex>`` in the data folder, Seafile's own layout.

A blob is written to ``tmp/``, synced, given its final name, and the folders that name it are synced::

    open_new tmp/blocks-<random>/<n>
    write …
    fdatasync                              the bytes are on disk
    link    blocks/<store>/<2>/<38>        readers see all of it or nothing
    unlink  tmp/blocks-<random>/<n>
    fsync   blocks/<store>/<2>             (settle) the name is on disk
    fsync   the folders above              once each, the first time this process sees them

A second name and not a rename, because a rename between two folders is safe only when both are synced, and
whoever merely finds a blob does not know where it came from.

Each process has a folder of its own below ``tmp/`` and keeps it locked; whatever lies in a folder that nobody
has locked was left by a process that died, and is removed by the next one that starts or writes.

Source: storage format §2 (layout).
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from seafleet.clock import Clock
from seafleet.errors import InvalidId, StorageFailure
from seafleet.ids import LibraryId, ObjectId, RandomSource, looks_like_library_id, looks_like_object_id
from seafleet.store.contract import RENEW_AFTER_SECONDS, BlobStat
from seafleet.store.disk import Disk, RealDisk, read_part, storage_errors

_TEMPORARY_PREFIX: Final = "blocks-"
_NO_LINK: Final = {errno.EEXIST, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class LocalBlobs:
    """A `BlobStore` in a folder of the local file system.

    `data_folder` must exist; ``blocks`` and ``tmp`` are made in it when first needed and must lie on one file
    system. Everything is readable by the server's own user alone.
    """

    cheap_misses: Final = True

    def __init__(
        self,
        data_folder: str | os.PathLike[str],
        clock: Clock,
        *,
        disk: Disk | None = None,
        rng: RandomSource | None = None,
    ) -> None:
        self._top = os.path.abspath(data_folder)
        self._blocks = f"{self._top}/blocks"
        self._clock = clock
        self._disk: Disk = disk or RealDisk()
        self._temporary = TemporaryFolder(f"{self._top}/tmp", self._disk, rng or random.SystemRandom())
        # Folders whose own name is known to be on disk. They are few (256 for each store) and stay.
        self._settled: set[str] = {self._top}

    def begin(self, store_id: str) -> LocalWriter:
        """Return a writer for a new blob of this store."""
        self._store_folder(store_id)
        with storage_errors("cannot create a temporary file"):
            path = self._temporary.new_path()
            return LocalWriter(self, store_id, path, self._disk)

    def settle(self, store_id: str, object_ids: Iterable[ObjectId]) -> None:
        """Return when the names of these blobs are durable: one sync for each folder touched."""
        folders = {os.path.dirname(self._path(store_id, object_id)) for object_id in object_ids}
        with storage_errors("cannot sync a folder"):
            for folder in sorted(folders):
                self._settle_name(folder)
                self._disk.fsync_folder(folder)

    def put(self, store_id: str, object_id: ObjectId, data: bytes | memoryview) -> None:
        """Store one blob, durable on return."""
        if not self.renew(store_id, object_id, len(data)):
            writer = self.begin(store_id)
            try:
                writer.write(data)
                writer.complete(object_id)
                writer.publish()
            finally:
                writer.abort()
        self.settle(store_id, (object_id,))

    def stat(self, store_id: str, object_id: ObjectId) -> BlobStat | None:
        """Return size and age of a blob, or None when it is not there."""
        with storage_errors("cannot look at a block"):
            found = self._disk.stat(self._path(store_id, object_id))
        return BlobStat(object_id, found.size_bytes, found.modified_at) if found else None

    def read(self, store_id: str, object_id: ObjectId, offset: int, length: int | None) -> bytes | None:
        """Return up to `length` bytes from `offset` (None: to the end); None when the blob is not there."""
        with storage_errors("cannot read a block"):
            return read_part(self._disk, self._path(store_id, object_id), offset, length)

    def touch(self, store_id: str, object_id: ObjectId) -> bool:
        """Mark a blob as used if its mark is old; return whether it is there."""
        return self.renew(store_id, object_id, None)

    def copy(self, source_id: str, target_id: str, object_id: ObjectId) -> bool:
        """Give another store the same blob under a second name: no bytes are copied."""
        source, target = self._path(source_id, object_id), self._path(target_id, object_id)
        with storage_errors("cannot copy a block"):
            found = self._disk.stat(source)
            if found is None:
                return False
            if not self.renew(target_id, object_id, found.size_bytes):
                if not self._linked(source, target):
                    return False
                self.touch(target_id, object_id)
        self.settle(target_id, (object_id,))
        return True

    def remove(self, store_id: str, object_id: ObjectId) -> bool:
        """Remove a blob; return whether it was there."""
        with storage_errors("cannot remove a block"):
            try:
                self._disk.remove(self._path(store_id, object_id))
            except (FileNotFoundError, NotADirectoryError):
                return False
        return True

    def list(self, store_id: str) -> Iterator[BlobStat]:
        """Yield every blob of a store; anything else that lies there is passed over."""
        folder = self._store_folder(store_id)
        with storage_errors("cannot list blocks"):
            for prefix in self._disk.names(folder):
                for name, found in self._disk.scan(f"{folder}/{prefix}"):
                    if looks_like_object_id(prefix + name):
                        yield BlobStat(ObjectId(prefix + name), found.size_bytes, found.modified_at)

    def store_ids(self) -> Iterator[LibraryId]:
        """Yield the ids of the stores that have a folder."""
        with storage_errors("cannot list stores"):
            yield from map(LibraryId, filter(looks_like_library_id, self._disk.names(self._blocks)))

    def remove_store(self, store_id: str) -> None:
        """Remove all blobs of a store, and its folders unless something else lies in them."""
        folder = self._store_folder(store_id)
        for blob in list(self.list(store_id)):
            self.remove(store_id, blob.object_id)
        with storage_errors("cannot remove a store"):
            for path in [f"{folder}/{prefix}" for prefix in self._disk.names(folder)] + [folder]:
                self._settled.discard(path)
                with contextlib.suppress(OSError):
                    self._disk.remove_folder(path)

    def renew(self, store_id: str, object_id: ObjectId, size_bytes: int | None) -> bool:
        """Mark a blob as used; return whether it is there, with this size if one is given."""
        path, now = self._path(store_id, object_id), self._clock.timestamp()
        with storage_errors("cannot mark a block as used"):
            found = self._disk.stat(path)
            if found is None or size_bytes not in (None, found.size_bytes):
                return False
            if found.modified_at < now - RENEW_AFTER_SECONDS:
                try:
                    self._disk.set_modified(path, now)
                except FileNotFoundError:
                    return False
        return True

    def name(self, temporary: str, store_id: str, object_id: ObjectId) -> None:
        """Give a synced file the name of a blob; replaces a file of that name, which has the wrong size."""
        target = self._path(store_id, object_id)
        with storage_errors("cannot store a block"):
            self._disk.set_modified(temporary, self._clock.timestamp())
            if not self._linked(temporary, target):
                self._with_folders(target, lambda: self._disk.rename(temporary, target))
                self._disk.fsync_folder(os.path.dirname(temporary))

    def tidy(self) -> None:
        """Remove the temporary files of processes that died; those of living ones are left alone."""
        self._temporary.tidy()

    def close(self) -> None:
        """Give up the folder for temporary files. Writing again makes a new one."""
        self._temporary.release()

    def _linked(self, source: str, target: str) -> bool:
        """Give a file a second name; False if the name is taken or the file system knows no second names."""
        try:
            self._with_folders(target, lambda: self._disk.link(source, target))
        except OSError as error:
            if error.errno in _NO_LINK:
                return False
            raise
        return True

    def _with_folders(self, target: str, action: Callable[[], None]) -> None:
        """Do `action`, which makes `target`; if there is no folder for it, make the folders and try again."""
        try:
            action()
        except FileNotFoundError:
            self._make_folders(os.path.dirname(target))
            action()

    def _make_folders(self, folder: str) -> None:
        if folder == self._top:
            return
        self._make_folders(os.path.dirname(folder))
        self._settled.discard(folder)
        with contextlib.suppress(FileExistsError):
            self._disk.make_folder(folder)

    def _settle_name(self, folder: str) -> None:
        """Sync what names `folder`, unless that is known to be done: another process may have made it.

        From the top down, and remembered only at the end, because other threads trust what is remembered.
        """
        if folder not in self._settled:
            above = os.path.dirname(folder)
            self._settle_name(above)
            self._disk.fsync_folder(above)
            self._settled.add(folder)

    def _store_folder(self, store_id: str) -> str:
        if not looks_like_library_id(store_id):
            raise InvalidId("store id", store_id)
        return f"{self._blocks}/{store_id}"

    def _path(self, store_id: str, object_id: ObjectId) -> str:
        if not looks_like_object_id(object_id):
            raise InvalidId("block id", object_id)
        return f"{self._store_folder(store_id)}/{object_id[:2]}/{object_id[2:]}"


class LocalWriter:
    """A `BlobWriter` on a temporary file."""

    def __init__(self, blobs: LocalBlobs, store_id: str, path: str, disk: Disk) -> None:
        self._blobs = blobs
        self._store_id = store_id
        self._path = path
        self._disk = disk
        self._size_bytes = 0
        self._object_id: ObjectId | None = None
        self._handle: int | None = disk.open_new(path)
        self._has_file = True

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes."""
        assert self._handle is not None, "written to after its end"
        with storage_errors("cannot write a block"):
            self._disk.write(self._handle, data)
        self._size_bytes += len(data)

    def complete(self, object_id: ObjectId) -> None:
        """Sync the bytes, unless the blob is there already."""
        assert self._handle is not None, "completed twice"
        self._object_id = object_id
        if self._blobs.renew(self._store_id, object_id, self._size_bytes):
            self._drop()
            return
        with storage_errors("cannot sync a block"):
            self._disk.fdatasync(self._handle)
        self._close()

    def publish(self) -> None:
        """Give the file its final name, unless the blob is there already."""
        assert self._object_id is not None, "published before it was complete"
        if not self._has_file:
            return
        if not self._blobs.renew(self._store_id, self._object_id, self._size_bytes):
            self._blobs.name(self._path, self._store_id, self._object_id)
        self._drop()

    def abort(self) -> None:
        """Drop what was written."""
        with contextlib.suppress(StorageFailure):
            self._drop()

    def _drop(self) -> None:
        self._close()
        if self._has_file:
            self._has_file = False
            with storage_errors("cannot remove a temporary file"), contextlib.suppress(FileNotFoundError):
                self._disk.remove(self._path)

    def _close(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            with storage_errors("cannot close a temporary file"):
                self._disk.close(handle)


class TemporaryFolder:
    """The folder of this process below ``tmp``: made and locked when first used; then remains are removed."""

    def __init__(self, parent: str, disk: Disk, rng: RandomSource) -> None:
        self._parent = parent
        self._disk = disk
        self._rng = rng
        self._numbers = itertools.count(1)
        self._guard = threading.Lock()
        self._path: str | None = None
        self._lock: int | None = None

    def new_path(self) -> str:
        """Return a path in the folder that nobody else is given. Raises OSError."""
        return f"{self._path or self._claim()}/{os.getpid()}-{next(self._numbers)}"

    def tidy(self) -> None:
        """Remove what dead processes left. Never raises."""
        with self._guard, contextlib.suppress(OSError):
            self._remove_remains()

    def release(self) -> None:
        """Remove the folder, if it is empty, and its lock."""
        with self._guard:
            path, lock, self._path, self._lock = self._path, self._lock, None, None
            if path is not None and lock is not None:
                with contextlib.suppress(OSError):
                    self._disk.remove_folder(path)
                self._disk.close(lock)

    def _claim(self) -> str:
        with self._guard:
            if self._path is None:
                with contextlib.suppress(FileExistsError):
                    self._disk.make_folder(self._parent)
                self._path = self._locked_folder()
                self._remove_remains()
            return self._path

    def _locked_folder(self) -> str:
        while True:
            path = f"{self._parent}/{_TEMPORARY_PREFIX}{self._rng.randbytes(8).hex()}"
            self._disk.make_folder(path)
            # Another process that is cleaning up may have taken the folder between these two calls.
            with contextlib.suppress(FileNotFoundError):
                self._lock = self._disk.lock_folder(path)
            if self._lock is not None:
                return path

    def _remove_remains(self) -> None:
        for name in self._disk.names(self._parent):
            path = f"{self._parent}/{name}"
            if name.startswith(_TEMPORARY_PREFIX) and path != self._path:
                with contextlib.suppress(OSError):
                    self._remove_if_dead(path)

    def _remove_if_dead(self, path: str) -> None:
        lock = self._disk.lock_folder(path)
        if lock is None:
            return
        try:
            for name in self._disk.names(path):
                self._disk.remove(f"{path}/{name}")
            self._disk.remove_folder(path)
        finally:
            self._disk.close(lock)
