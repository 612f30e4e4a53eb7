"""The file operations of the object store on the simulated disk."""

from __future__ import annotations

import errno
import itertools
import posixpath
from collections.abc import Iterator

from seafleet.store.disk import FileStat
from tests.durability.disk import Disk


class BlobDisk:
    """A `seafleet.store.disk.Disk` on a simulated one. Times and locks do not survive a crash."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self._offsets: dict[int, int] = {}
        self._modified: dict[str, int] = {}
        self._locks: dict[int, str] = {}
        self._lock_numbers = itertools.count(1_000_000)

    def open_new(self, path: str) -> int:
        handle = self.disk.open(path, create=True, exclusive=True)
        self._offsets[handle] = 0
        return handle

    def write(self, handle: int, data: bytes | memoryview) -> None:
        self._offsets[handle] += self.disk.pwrite(handle, data, self._offsets[handle])

    def fdatasync(self, handle: int) -> None:
        self.disk.fdatasync(handle)

    def close(self, handle: int) -> None:
        if self._locks.pop(handle, None) is None:
            self.disk.close(handle)

    def rename(self, source: str, target: str) -> None:
        self.disk.rename(source, target)
        self._modified[target] = self._modified.pop(source, 0)

    def link(self, source: str, target: str) -> None:
        folder, name = self.disk._parent(target)
        file = self.disk._file(source)
        if name in folder.names:
            raise OSError(errno.EEXIST, "exists", target)
        with self.disk._changing("link", target):
            self.disk._change((folder, name, file))
        self._modified[target] = self._modified.get(source, 0)

    def remove(self, path: str) -> None:
        self.disk.unlink(path)

    def make_folder(self, path: str) -> None:
        self.disk.mkdir(path)

    def remove_folder(self, path: str) -> None:
        self.disk.rmdir(path)

    def fsync_folder(self, path: str) -> None:
        self.disk.fsync_folder(path)

    def lock_folder(self, path: str) -> int | None:
        if path in self._locks.values():
            return None
        self.disk.listdir(path)
        handle = next(self._lock_numbers)
        self._locks[handle] = path
        return handle

    def open_read(self, path: str) -> int:
        return self.disk.open(path)

    def pread(self, handle: int, length: int, offset: int) -> bytes:
        return self.disk.pread(handle, length, offset)

    def size(self, handle: int) -> int:
        return self.disk.file_size(handle)

    def stat(self, path: str) -> FileStat | None:
        try:
            return FileStat(self.disk.size(path), self._modified.get(path, 0))
        except OSError:
            return None

    def set_modified(self, path: str, seconds: int) -> None:
        self.disk.size(path)
        self._modified[path] = seconds

    def names(self, path: str) -> list[str]:
        return self.disk.listdir(path) if self.disk.exists(path) else []

    def scan(self, path: str) -> Iterator[tuple[str, FileStat]]:
        for name in self.names(path):
            if found := self.stat(posixpath.join(path, name)):
                yield name, found
