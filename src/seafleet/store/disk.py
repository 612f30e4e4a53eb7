"""The few calls through which local files are written and read: the seam at which tests put a failing disk.

Everything that decides about durability goes through a `Disk`, one system call each, so that a simulated
disk which loses, tears and reorders whatever was not synced can stand in for the real one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from seafleet.errors import StorageFailure

_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700


@dataclass(frozen=True, slots=True)
class FileStat:
    """Size in bytes and modification time in Unix seconds of a regular file."""

    size_bytes: int
    modified_at: int


class Disk(Protocol):
    """File operations on absolute paths. All raise OSError. A symbolic link at the end is never followed."""

    def open_new(self, path: str) -> int:
        """Create a file that must not exist, readable by its owner alone; return a handle for writing."""
        ...

    def write(self, handle: int, data: bytes | memoryview) -> None:
        """Append all of `data`."""
        ...

    def fdatasync(self, handle: int) -> None:
        """Return when content and size are on disk. (Not the name: that takes `fsync_folder`.)"""
        ...

    def close(self, handle: int) -> None:
        """Close a handle."""
        ...

    def rename(self, source: str, target: str) -> None:
        """Give a file another name at once; replaces what has that name."""
        ...

    def link(self, source: str, target: str) -> None:
        """Give a file a second name. Raises FileExistsError when the name is taken."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file's name."""
        ...

    def make_folder(self, path: str) -> None:
        """Create a folder, its owner's alone. Raises FileExistsError."""
        ...

    def remove_folder(self, path: str) -> None:
        """Remove an empty folder."""
        ...

    def fsync_folder(self, path: str) -> None:
        """Return when the names in a folder are on disk."""
        ...

    def lock_folder(self, path: str) -> int | None:
        """Return a handle that keeps a folder locked until closed; None when another has it or removed it."""
        ...

    def open_read(self, path: str) -> int:
        """Open a file; return a handle for `pread` and `size`."""
        ...

    def pread(self, handle: int, length: int, offset: int) -> bytes:
        """Return up to `length` bytes from `offset`; fewer only at the end."""
        ...

    def size(self, handle: int) -> int:
        """Return the size of an open file in bytes."""
        ...

    def stat(self, path: str) -> FileStat | None:
        """Return size and age of a regular file; None when there is none of this name."""
        ...

    def set_modified(self, path: str, seconds: int) -> None:
        """Set the modification time, in Unix seconds."""
        ...

    def names(self, path: str) -> list[str]:
        """Return the names in a folder; empty when there is no such folder."""
        ...

    def scan(self, path: str) -> Iterator[tuple[str, FileStat]]:
        """Yield name and age of each regular file in a folder; nothing when there is no such folder."""
        ...


class RealDisk:
    """The operating system's files."""

    def open_new(self, path: str) -> int:
        """Create a file that must not exist, readable by its owner alone; return a handle for writing."""
        return os.open(path, _CREATE, FILE_MODE)

    def write(self, handle: int, data: bytes | memoryview) -> None:
        """Append all of `data`."""
        written = os.write(handle, data)
        while written < len(data):
            data = memoryview(data)[written:]
            written = os.write(handle, data)

    def fdatasync(self, handle: int) -> None:
        """Return when content and size are on disk."""
        os.fdatasync(handle)

    def close(self, handle: int) -> None:
        """Close a handle."""
        os.close(handle)

    def rename(self, source: str, target: str) -> None:
        """Give a file another name at once; replaces what has that name."""
        os.replace(source, target)

    def link(self, source: str, target: str) -> None:
        """Give a file a second name. Raises FileExistsError when the name is taken."""
        os.link(source, target, follow_symlinks=False)

    def remove(self, path: str) -> None:
        """Remove a file's name."""
        os.unlink(path)

    def make_folder(self, path: str) -> None:
        """Create a folder, its owner's alone. Raises FileExistsError."""
        os.mkdir(path, FOLDER_MODE)

    def remove_folder(self, path: str) -> None:
        """Remove an empty folder."""
        os.rmdir(path)

    def fsync_folder(self, path: str) -> None:
        """Return when the names in a folder are on disk."""
        handle = os.open(path, _FOLDER)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def lock_folder(self, path: str) -> int | None:
        """Return a handle that keeps a folder locked until closed; None when another has it or removed it."""
        handle = os.open(path, _FOLDER)
        if _locked(handle) and _is_still(handle, path):
            return handle
        os.close(handle)
        return None

    def open_read(self, path: str) -> int:
        """Open a file; return a handle for `pread` and `size`."""
        return os.open(path, _READ)

    def pread(self, handle: int, length: int, offset: int) -> bytes:
        """Return up to `length` bytes from `offset`; fewer only at the end."""
        data = os.pread(handle, length, offset)
        if len(data) == length:
            return data
        pieces = [data]
        while data and sum(map(len, pieces)) < length:
            got = sum(map(len, pieces))
            data = os.pread(handle, length - got, offset + got)
            pieces.append(data)
        return b"".join(pieces)

    def size(self, handle: int) -> int:
        """Return the size of an open file in bytes."""
        return os.fstat(handle).st_size

    def stat(self, path: str) -> FileStat | None:
        """Return size and age of a regular file; None when there is none of this name."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found = os.lstat(path)
            if stat.S_ISREG(found.st_mode):
                return FileStat(found.st_size, int(found.st_mtime))
        return None

    def set_modified(self, path: str, seconds: int) -> None:
        """Set the modification time, in Unix seconds."""
        os.utime(path, (seconds, seconds), follow_symlinks=False)

    def names(self, path: str) -> list[str]:
        """Return the names in a folder; empty when there is no such folder."""
        try:
            return os.listdir(path)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def scan(self, path: str) -> Iterator[tuple[str, FileStat]]:
        """Yield name and age of each regular file in a folder; nothing when there is no such folder."""
        for name in self.names(path):
            if found := self.stat(f"{path}/{name}"):
                yield name, found


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(handle: int, path: str) -> bool:
    """Tell whether `path` is still what was opened; its owner may have removed it before it was locked."""
    try:
        return os.path.samestat(os.fstat(handle), os.lstat(path))
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def storage_errors(what_failed: str) -> Iterator[None]:
    """Turn any OSError of the block into a StorageFailure that says what failed."""
    try:
        yield
    except OSError as error:
        raise StorageFailure(f"{what_failed}: {error.strerror or error}") from error


def read_part(disk: Disk, path: str, offset: int, length: int | None) -> bytes | None:
    """Return up to `length` bytes of a file from `offset`; None when there is no file. Raises OSError."""
    try:
        handle = disk.open_read(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        # Asking for no more than is there: reading allocates what it is asked for.
        present = max(0, disk.size(handle) - offset)
        return disk.pread(handle, present if length is None else min(length, present), offset)
    finally:
        disk.close(handle)
