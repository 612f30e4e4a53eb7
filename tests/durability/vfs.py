"""SQLite on the simulated disk: a VFS for the very library that Python's ``sqlite3`` module uses.

It makes the calls of SQLite's own Unix VFS at the same moments: a file is synced when SQLite asks for it; the
folder of a new journal or log is synced with the first sync of that file, and after a deletion when SQLite
asks for it; the main file's name is never synced for itself. The shared memory of the log's index lies
outside of the disk and is gone after a power cut. Use it by URL, while a disk is mounted::

    with mounted(disk):
        sqlite3.connect("file:/data.db?vfs=simulated", uri=True)

Source: SQLite's documentation of ``sqlite3_vfs`` and ``sqlite3_io_methods``.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import posixpath
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import POINTER, Structure, c_char_p, c_double, c_int, c_int64, c_void_p
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.durability.disk import Disk, PowerCut

OK, BUSY, NOMEM, IOERR, NOTFOUND, FULL, CANTOPEN = 0, 5, 7, 10, 12, 13, 14
IOERR_SHORT_READ = IOERR | 2 << 8
OPEN_CREATE, OPEN_EXCLUSIVE, OPEN_DELETE_ON_CLOSE = 0x4, 0x10, 0x8
OPEN_JOURNALS = 0x800 | 0x4000 | 0x80000  # main journal, super journal, log
LOCK_SHARED, LOCK_RESERVED, LOCK_PENDING, LOCK_EXCLUSIVE = 1, 2, 3, 4
SHM_UNLOCK, SHM_EXCLUSIVE = 1, 8
POWERSAFE_OVERWRITE = 0x1000
SECTOR_BYTES = 4096
JULIAN_DAY_OF_1970 = 2440587.5


class SqliteFile(Structure):
    """What SQLite allocates for each open file; `number` leads to the Python side."""

    _fields_: ClassVar = [("methods", c_void_p), ("number", c_int64)]


FileP = POINTER(SqliteFile)


def _method(*arguments: Any, result: Any = c_int) -> Any:
    return ctypes.CFUNCTYPE(result, *arguments)


class IoMethods(Structure):
    """Version 2: with shared memory, without memory-mapped reading."""

    _fields_: ClassVar = [
        ("version", c_int),
        ("close", _method(FileP)),
        ("read", _method(FileP, c_void_p, c_int, c_int64)),
        ("write", _method(FileP, c_void_p, c_int, c_int64)),
        ("truncate", _method(FileP, c_int64)),
        ("sync", _method(FileP, c_int)),
        ("file_size", _method(FileP, POINTER(c_int64))),
        ("lock", _method(FileP, c_int)),
        ("unlock", _method(FileP, c_int)),
        ("check_reserved_lock", _method(FileP, POINTER(c_int))),
        ("file_control", _method(FileP, c_int, c_void_p)),
        ("sector_size", _method(FileP)),
        ("device_characteristics", _method(FileP)),
        ("shm_map", _method(FileP, c_int, c_int, c_int, POINTER(c_void_p))),
        ("shm_lock", _method(FileP, c_int, c_int, c_int)),
        ("shm_barrier", _method(FileP, result=None)),
        ("shm_unmap", _method(FileP, c_int)),
    ]


class Vfs(Structure):
    """Version 1."""

    _fields_: ClassVar = [
        ("version", c_int),
        ("file_bytes", c_int),
        ("longest_path", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", _method(c_void_p, c_char_p, FileP, c_int, POINTER(c_int))),
        ("delete", _method(c_void_p, c_char_p, c_int)),
        ("access", _method(c_void_p, c_char_p, c_int, POINTER(c_int))),
        ("full_pathname", _method(c_void_p, c_char_p, c_int, c_void_p)),
        ("dl_open", c_void_p),
        ("dl_error", c_void_p),
        ("dl_sym", c_void_p),
        ("dl_close", c_void_p),
        ("randomness", _method(c_void_p, c_int, c_void_p)),
        ("sleep", _method(c_void_p, c_int)),
        ("current_time", _method(c_void_p, POINTER(c_double))),
        ("get_last_error", _method(c_void_p, c_int, c_void_p)),
    ]


@dataclass(eq=False)
class Handle:
    """One open file of one connection."""

    path: str
    descriptor: int
    deletes_on_close: bool
    syncs_folder: bool


@dataclass
class Shared:
    """What the connections to one file share in memory: locks, and the log's index."""

    levels: dict[Handle, int] = field(default_factory=dict)
    regions: list[Any] = field(default_factory=list)
    mapped_by: set[Handle] = field(default_factory=set)
    shared_slots: dict[int, set[Handle]] = field(default_factory=dict)
    exclusive_slots: dict[int, Handle] = field(default_factory=dict)


class SimulatedVfs:
    """The Python side of the VFS. One disk is mounted at a time."""

    def __init__(self) -> None:
        self.disk = Disk()
        self.mistakes: list[BaseException] = []
        self._handles: dict[int, Handle] = {}
        self._numbers = itertools.count(1)
        self._shared: dict[str, Shared] = {}
        self._keep: list[Any] = []

    def mount(self, disk: Disk) -> None:
        """Make `disk` the one that SQLite sees; connections to the former must be closed."""
        assert not self._handles, "a connection is still open"
        self.disk = disk
        self._shared = {}

    def register(self, library: ctypes.CDLL) -> None:
        """Make SQLite know this VFS under the name "simulated"."""
        methods = self._filled(IoMethods, version=2)
        self._methods = ctypes.addressof(methods)
        vfs = self._filled(
            Vfs, version=1, file_bytes=ctypes.sizeof(SqliteFile), longest_path=512, name=b"simulated"
        )
        self._keep += [methods, vfs]
        library.sqlite3_vfs_register.argtypes = [c_void_p, c_int]
        assert library.sqlite3_vfs_register(ctypes.addressof(vfs), 0) == OK

    def _filled(self, kind: type[Structure], **values: object) -> Structure:
        """Answer a structure whose function pointers lead to the methods named `x_…` here."""
        structure = kind()
        for name, value in values.items():
            setattr(structure, name, value)
        for name, type_ in kind._fields_:  # type: ignore[misc]
            if (implementation := getattr(self, f"x_{name}", None)) is not None:
                setattr(structure, name, type_(self._guarded(implementation)))
        return structure

    def _guarded(self, implementation: Callable[..., int | None]) -> Callable[..., int | None]:
        """Turn errors into result codes: ctypes would swallow them and report success."""

        def call(*arguments: Any) -> int | None:
            try:
                return implementation(*arguments)
            except PowerCut:
                return IOERR
            except OSError as error:
                return {errno.ENOSPC: FULL, errno.ENOENT: CANTOPEN}.get(error.errno or 0, IOERR)
            except BaseException as error:  # noqa: BLE001 - kept, and raised when the disk is unmounted
                self.mistakes.append(error)
                return IOERR

        return call

    def _handle(self, file: Any) -> Handle:
        return self._handles[file.contents.number]

    def _shared_of(self, file: Any) -> tuple[Handle, Shared]:
        handle = self._handle(file)
        return handle, self._shared.setdefault(handle.path, Shared())

    # --- the file system ----------------------------------------------------------------------

    def x_open(self, _vfs: Any, name: bytes | None, file: Any, flags: int, flags_out: Any) -> int:
        file.contents.methods = None
        if name is None:
            return CANTOPEN  # temporary files: `temp_store` keeps them in memory
        path = name.decode()
        create = bool(flags & OPEN_CREATE)
        descriptor = self.disk.open(path, create=create, exclusive=bool(flags & OPEN_EXCLUSIVE))
        number = next(self._numbers)
        self._handles[number] = Handle(
            path, descriptor, bool(flags & OPEN_DELETE_ON_CLOSE), create and bool(flags & OPEN_JOURNALS)
        )
        file.contents.number = number
        file.contents.methods = self._methods
        if flags_out:
            flags_out[0] = flags
        return OK

    def x_delete(self, _vfs: Any, name: bytes, sync_folder: int) -> int:
        path = name.decode()
        if not self.disk.exists(path):
            return IOERR | 23 << 8  # nothing to delete: SQLite takes this for success
        self.disk.unlink(path)
        if sync_folder:
            self.disk.fsync_folder(posixpath.dirname(path))
        return OK

    def x_access(self, _vfs: Any, name: bytes, _flags: int, result: Any) -> int:
        path = name.decode()
        result[0] = int(self.disk.exists(path))
        return OK

    def x_full_pathname(self, _vfs: Any, name: bytes, size: int, out: int) -> int:
        if len(name) >= size:
            return CANTOPEN
        ctypes.memmove(out, name + b"\0", len(name) + 1)
        return OK

    def x_randomness(self, _vfs: Any, size: int, out: int) -> int:
        ctypes.memset(out, 7, size)
        return size

    def x_sleep(self, _vfs: Any, microseconds: int) -> int:
        time.sleep(microseconds / 1e6)
        return microseconds

    def x_current_time(self, _vfs: Any, result: Any) -> int:
        result[0] = JULIAN_DAY_OF_1970
        return OK

    def x_get_last_error(self, _vfs: Any, _size: int, _out: Any) -> int:
        return 0

    # --- one file ----------------------------------------------------------------------

    def x_close(self, file: Any) -> int:
        handle = self._handles.pop(file.contents.number)
        self.disk.close(handle.descriptor)
        self._shared.get(handle.path, Shared()).levels.pop(handle, None)
        if handle.deletes_on_close:
            self.disk.unlink(handle.path)
        return OK

    def x_read(self, file: Any, out: int, length: int, offset: int) -> int:
        data = self.disk.pread(self._handle(file).descriptor, length, offset)
        ctypes.memmove(out, data, len(data))
        if len(data) == length:
            return OK
        ctypes.memset(out + len(data), 0, length - len(data))
        return IOERR_SHORT_READ

    def x_write(self, file: Any, data: int, length: int, offset: int) -> int:
        self.disk.pwrite(self._handle(file).descriptor, ctypes.string_at(data, length), offset)
        return OK

    def x_truncate(self, file: Any, size: int) -> int:
        self.disk.ftruncate(self._handle(file).descriptor, size)
        return OK

    def x_sync(self, file: Any, _flags: int) -> int:
        handle = self._handle(file)
        self.disk.fsync(handle.descriptor)
        if handle.syncs_folder:
            self.disk.fsync_folder(posixpath.dirname(handle.path))
            handle.syncs_folder = False
        return OK

    def x_file_size(self, file: Any, result: Any) -> int:
        result[0] = self.disk.file_size(self._handle(file).descriptor)
        return OK

    def x_file_control(self, _file: Any, _operation: int, _argument: Any) -> int:
        return NOTFOUND

    def x_sector_size(self, _file: Any) -> int:
        return SECTOR_BYTES

    def x_device_characteristics(self, _file: Any) -> int:
        return POWERSAFE_OVERWRITE

    # --- locks and shared memory ----------------------------------------------------------------------

    def x_lock(self, file: Any, level: int) -> int:
        handle, shared = self._shared_of(file)
        mine = shared.levels.get(handle, 0)
        highest = max((other for key, other in shared.levels.items() if key is not handle), default=0)
        if mine >= level:
            return OK
        if level == LOCK_EXCLUSIVE and 0 < highest < LOCK_RESERVED:
            shared.levels[handle] = LOCK_PENDING
        limit = {LOCK_SHARED: LOCK_PENDING, LOCK_RESERVED: LOCK_RESERVED}.get(level, LOCK_SHARED)
        if highest >= limit:
            return BUSY
        shared.levels[handle] = level
        return OK

    def x_unlock(self, file: Any, level: int) -> int:
        handle, shared = self._shared_of(file)
        shared.levels[handle] = min(level, shared.levels.get(handle, 0))
        return OK

    def x_check_reserved_lock(self, file: Any, result: Any) -> int:
        _, shared = self._shared_of(file)
        result[0] = int(any(level >= LOCK_RESERVED for level in shared.levels.values()))
        return OK

    def x_shm_map(self, file: Any, region: int, size: int, extend: int, result: Any) -> int:
        handle, shared = self._shared_of(file)
        shared.mapped_by.add(handle)
        while extend and len(shared.regions) <= region:
            shared.regions.append(ctypes.create_string_buffer(size))
        found = region < len(shared.regions)
        result[0] = ctypes.addressof(shared.regions[region]) if found else None
        return OK

    def x_shm_lock(self, file: Any, first: int, count: int, flags: int) -> int:
        handle, shared = self._shared_of(file)
        slots = range(first, first + count)
        if flags & SHM_UNLOCK:
            for slot in slots:
                shared.shared_slots.get(slot, set()).discard(handle)
                if shared.exclusive_slots.get(slot) is handle:
                    del shared.exclusive_slots[slot]
            return OK
        exclusive = bool(flags & SHM_EXCLUSIVE)
        if any(_is_taken(shared, handle, slot, exclusive) for slot in slots):
            return BUSY
        for slot in slots:
            if exclusive:
                shared.exclusive_slots[slot] = handle
            else:
                shared.shared_slots.setdefault(slot, set()).add(handle)
        return OK

    def x_shm_barrier(self, _file: Any) -> None:
        return None

    def x_shm_unmap(self, file: Any, _delete: int) -> int:
        handle, shared = self._shared_of(file)
        shared.mapped_by.discard(handle)
        if not shared.mapped_by:
            shared.regions.clear()
        return OK


def _is_taken(shared: Shared, handle: Handle, slot: int, exclusive: bool) -> bool:
    holder = shared.exclusive_slots.get(slot)
    others = shared.shared_slots.get(slot, set()) - {handle}
    return (holder is not None and holder is not handle) or (exclusive and bool(others))


_registered: list[SimulatedVfs] = []


def simulated_vfs() -> SimulatedVfs:
    """Answer the VFS of this process. Skips the test where SQLite's library is out of reach."""
    if not _registered:
        vfs = SimulatedVfs()
        vfs.register(_library())
        _registered.append(vfs)
    return _registered[0]


@contextmanager
def mounted(disk: Disk) -> Iterator[Disk]:
    """Let SQLite see `disk` for the length of a ``with`` block; every connection is closed inside of it."""
    vfs = simulated_vfs()
    vfs.mount(disk)
    yield disk
    vfs.mount(Disk())
    assert not vfs.mistakes, vfs.mistakes


def _library() -> ctypes.CDLL:
    """Answer the library that the ``sqlite3`` module is linked with, loaded already."""
    sqlite3.connect(":memory:").close()
    maps = Path("/proc/self/maps")
    lines = maps.read_text().splitlines() if maps.exists() else []
    paths = {line.split()[-1] for line in lines if "libsqlite3" in line}
    if len(paths) != 1:
        pytest.skip("this Python carries SQLite inside of itself, where no VFS can be added")
    return ctypes.CDLL(paths.pop())
