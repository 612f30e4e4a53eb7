"""A simulated disk that promises what POSIX promises, and not a bit more.

Everything is in memory. The running program sees each of its writes at once, as through a page cache. What a
power cut leaves behind is decided by a seeded generator:

* Data of a file is safe once ``fsync`` or ``fdatasync`` of that file returned. Of the writes and
  truncations since then any may be lost; a write may be torn at sectors, sectors arrive in any order, a
  file may have grown without its data (zeros), and a sector on its way may hold garbage, unless it is
  overwritten with what it holds. Bytes beside a written range keep their value.
* Names (created, renamed, deleted, made folders) are safe once ``fsync_folder`` of their folder returned; a
  rename across folders needs both. Until then any of them may be lost; a rename is never half done.

Use it like the ``os`` module (paths are absolute, ``open`` answers a descriptor)::

    disk = Disk()
    disk.makedirs("/blocks/tmp")
    descriptor = disk.open("/blocks/tmp/a", create=True)
    disk.pwrite(descriptor, b"data", 0)
    disk.fdatasync(descriptor)
    disk.close(descriptor)
    disk.rename("/blocks/tmp/a", "/blocks/a")
    disk.fsync_folder("/blocks/tmp")
    disk.fsync_folder("/blocks")

``disk.cut_at(n)`` cuts the power during the n-th changing operation from now: that operation and every
later one raise ``PowerCut``. ``disk.crash(random.Random(seed))`` answers the disk that the next boot finds;
it may be called again with other seeds, at any time. ``limit_bytes`` makes the disk full (ENOSPC),
``fault(operation, path)`` may answer any other error; operations are read, write, truncate, sync, create,
mkdir, unlink, rmdir and rename. A sync that fails loses for good what it was to save, though the program
still sees it, and later syncs succeed: Linux does so, too.
"""

from __future__ import annotations

import errno
import posixpath
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

SECTOR_BYTES = 512


class PowerCut(BaseException):
    """The machine is off. Not an Exception, so that no program handles it by accident."""


@dataclass(slots=True)
class Write:
    """Bytes written since the last sync; a truncation is a write of nothing that sets the size."""

    offset: int
    data: bytes
    size_after: int
    truncates: bool = False


@dataclass(slots=True, eq=False)
class File:
    """`data` is what the program sees, `synced` what is safe, `pending` what the next sync will save."""

    data: bytearray = field(default_factory=bytearray)
    synced: bytearray = field(default_factory=bytearray)
    pending: list[Write] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Folder:
    """`names` is what the program sees, `synced` what is safe beside what `Disk` remembers."""

    names: dict[str, Node] = field(default_factory=dict)
    synced: dict[str, Node] = field(default_factory=dict)


Node = File | Folder
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class NameChange:
    """One change of names that happens as a whole; safe when every folder that it touches was synced."""

    edits: list[tuple[Folder, str, Node | None]]
    unsynced: list[Folder]


class Survival(Enum):
    """How much of what was not synced arrived; a crash draws one for the names and one for each file."""

    NOTHING = 0
    EVERYTHING = 1
    PREFIX = 2
    SUBSET = 3
    SECTORS = 4  # files only: subset, torn


class Disk:
    """The disk of a machine that runs. Safe to use from several threads."""

    def __init__(self, root: Folder | None = None) -> None:
        self.operations = 0
        self.is_dead = False
        self.limit_bytes: int | None = None
        self.fault: Callable[[str, str], OSError | None] | None = None
        self._root = root or Folder()
        self._changes: list[NameChange] = []
        self._open: dict[int, tuple[str, File]] = {}
        self._next_descriptor = 3
        self._cut_at: int | None = None
        self._lock = threading.RLock()

    # --- power ----------------------------------------------------------------------------------------------

    def cut_at(self, operation: int) -> None:
        """Cut the power during the `operation`-th change from now, counted from 1."""
        self._cut_at = self.operations + operation

    def crash(self, rng: random.Random) -> Disk:
        """Answer what the next boot finds. This disk stays as it is: one state can crash in many ways."""
        with self._lock:
            names = self._surviving_names(rng)
            return Disk(_boot(self._root, names, rng, {}))

    def copy(self) -> Disk:
        """Answer a disk that holds what this one shows, all of it safe."""
        with self._lock:
            return Disk(_copied(self._root))

    # --- files ----------------------------------------------------------------------------------------------

    def open(self, path: str, *, create: bool = False, exclusive: bool = False) -> int:
        """Open a file for reading and writing; answer its descriptor."""
        with self._lock:
            folder, name = self._parent(path)
            node = folder.names.get(name)
            if node is None and create:
                node = self._create(folder, name, path)
            elif node is None:
                raise OSError(errno.ENOENT, "no such file", path)
            elif exclusive:
                raise OSError(errno.EEXIST, "exists", path)
            if isinstance(node, Folder):
                raise OSError(errno.EISDIR, "is a folder", path)
            self._check_power()
            descriptor, self._next_descriptor = self._next_descriptor, self._next_descriptor + 1
            self._open[descriptor] = path, node
            return descriptor

    def close(self, descriptor: int) -> None:
        """Forget a descriptor; syncs nothing. Works without power, for the sake of clean-up code."""
        self._open.pop(descriptor, None)

    def pread(self, descriptor: int, length: int, offset: int) -> bytes:
        """Read; shorter at the end of the file."""
        path, file = self._open[descriptor]
        self._check("read", path)
        return bytes(file.data[offset : offset + length])

    def pwrite(self, descriptor: int, data: bytes | memoryview, offset: int) -> int:
        """Write, growing the file as needed."""
        path, file = self._open[descriptor]
        with self._changing("write", path):
            grown = max(0, offset + len(data) - len(file.data))
            self._check_space(grown, path)
            _apply(file.data, write := Write(offset, bytes(data), len(file.data) + grown))
            file.pending.append(write)
        return len(data)

    def ftruncate(self, descriptor: int, size: int) -> None:
        """Cut the file off at `size`, or fill it up with zeros."""
        path, file = self._open[descriptor]
        with self._changing("truncate", path):
            _apply(file.data, write := Write(size, b"", size, truncates=True))
            file.pending.append(write)

    def fsync(self, descriptor: int) -> None:
        """Make the data and the size of a file safe; not its name."""
        path, file = self._open[descriptor]
        with self._lock:
            try:
                self._syncing(path)
            except OSError:
                file.pending.clear()
                raise
            for write in file.pending:
                _apply(file.synced, write)
            file.pending.clear()

    fdatasync = fsync

    def size(self, path: str) -> int:
        """Answer the size of a file."""
        self._check_power()
        return len(self._file(path).data)

    def file_size(self, descriptor: int) -> int:
        """Answer the size of an open file."""
        self._check_power()
        return len(self._open[descriptor][1].data)

    def read(self, path: str) -> bytes:
        """Answer a whole file."""
        self._check_power()
        return bytes(self._file(path).data)

    def used_bytes(self) -> int:
        """Answer the sizes of all files together."""
        return sum(self.size(path) for path in self.walk())

    # --- names ----------------------------------------------------------------------------------------------

    def exists(self, path: str) -> bool:
        """Tell whether there is a file or folder of this name."""
        self._check_power()
        try:
            return self._node(path) is not None
        except OSError:
            return False

    def listdir(self, path: str) -> list[str]:
        """Answer the names in a folder, sorted."""
        self._check_power()
        return sorted(self._folder(path).names)

    def walk(self, path: str = "/") -> Iterator[str]:
        """Yield the path of every file below a folder, sorted."""
        for name in self.listdir(path):
            child = posixpath.join(path, name)
            if isinstance(self._node(child), Folder):
                yield from self.walk(child)
            else:
                yield child

    def mkdir(self, path: str, *, exist_ok: bool = False) -> None:
        """Make one folder."""
        folder, name = self._parent(path)
        if name in folder.names:
            if exist_ok and isinstance(folder.names[name], Folder):
                return
            raise OSError(errno.EEXIST, "exists", path)
        with self._changing("mkdir", path):
            self._change((folder, name, Folder()))

    def makedirs(self, path: str) -> None:
        """Make a folder and what is missing above it."""
        if path != "/" and not self.exists(path):
            self.makedirs(posixpath.dirname(path))
            self.mkdir(path)

    def unlink(self, path: str) -> None:
        """Remove the name of a file; open descriptors keep the file."""
        folder, name = self._parent(path)
        self._file(path)
        with self._changing("unlink", path):
            self._change((folder, name, None))

    def rmdir(self, path: str) -> None:
        """Remove an empty folder."""
        if self._folder(path).names:
            raise OSError(errno.ENOTEMPTY, "not empty", path)
        folder, name = self._parent(path)
        with self._changing("rmdir", path):
            self._change((folder, name, None))

    def rename(self, source: str, target: str) -> None:
        """Rename in one step, replacing a file that has the name."""
        source_folder, source_name = self._parent(source)
        target_folder, target_name = self._parent(target)
        node = self._node(source)
        if node is None:
            raise OSError(errno.ENOENT, "no such file", source)
        with self._changing("rename", target):
            self._change((source_folder, source_name, None), (target_folder, target_name, node))

    replace = rename

    def fsync_folder(self, path: str) -> None:
        """Make the names in a folder safe."""
        folder = self._folder(path)
        with self._lock:
            self._syncing(path)
            for change in self._changes:
                change.unsynced = [other for other in change.unsynced if other is not folder]
            while self._changes and not self._changes[0].unsynced:
                _rename_in(lambda folder: folder.synced, self._changes.pop(0))

    # --- inner ----------------------------------------------------------------------------------------------

    @contextmanager
    def _changing(self, operation: str, path: str) -> Iterator[None]:
        """Do a change; the power may go while it is under way, so that it may arrive or not."""
        with self._lock:
            cut = self._step(operation, path)
            yield
        if cut:
            raise PowerCut

    def _syncing(self, path: str) -> None:
        """Begin a sync; when the power goes, it has not happened."""
        if self._step("sync", path):
            raise PowerCut

    def _step(self, operation: str, path: str) -> bool:
        self._check(operation, path)
        self.operations += 1
        self.is_dead = self.operations == self._cut_at
        return self.is_dead

    def _check(self, operation: str, path: str) -> None:
        self._check_power()
        if self.fault is not None and (error := self.fault(operation, path)) is not None:
            raise error

    def _check_power(self) -> None:
        if self.is_dead:
            raise PowerCut

    def _check_space(self, grown: int, path: str) -> None:
        if self.limit_bytes is not None and grown and self.used_bytes() + grown > self.limit_bytes:
            raise OSError(errno.ENOSPC, "no space left", path)

    def _create(self, folder: Folder, name: str, path: str) -> File:
        file = File()
        with self._changing("create", path):
            self._change((folder, name, file))
        return file

    def _change(self, *edits: tuple[Folder, str, Node | None]) -> None:
        change = NameChange(list(edits), [folder for folder, _, _ in edits])
        _rename_in(lambda folder: folder.names, change)
        self._changes.append(change)

    def _node(self, path: str) -> Node | None:
        if path == "/":
            return self._root
        folder, name = self._parent(path)
        return folder.names.get(name)

    def _parent(self, path: str) -> tuple[Folder, str]:
        above, name = posixpath.split(posixpath.normpath(path))
        return self._folder(above), name

    def _folder(self, path: str) -> Folder:
        node = self._node(path)
        if not isinstance(node, Folder):
            raise OSError(errno.ENOENT if node is None else errno.ENOTDIR, "no such folder", path)
        return node

    def _file(self, path: str) -> File:
        node = self._node(path)
        if not isinstance(node, File):
            raise OSError(errno.ENOENT if node is None else errno.EISDIR, "no such file", path)
        return node

    def _surviving_names(self, rng: random.Random) -> dict[int, dict[str, Node]]:
        """Answer the names of every folder that changed, by the folder's identity."""
        names: dict[int, dict[str, Node]] = {}

        def names_of(folder: Folder) -> dict[str, Node]:
            return names.setdefault(id(folder), dict(folder.synced))

        unsafe = [change for change in self._changes if change.unsynced]
        lucky = {id(change) for change in _choose(unsafe, _draw(rng, *list(Survival)[:4]), rng)}
        for change in self._changes:
            if not change.unsynced or id(change) in lucky:
                _rename_in(names_of, change)
        return names


def _rename_in(names_of: Callable[[Folder], dict[str, Node]], change: NameChange) -> None:
    for folder, name, node in change.edits:
        if node is None:
            names_of(folder).pop(name, None)
        else:
            names_of(folder)[name] = node


def _boot(
    folder: Folder, names: dict[int, dict[str, Node]], rng: random.Random, files: dict[int, File]
) -> Folder:
    """Copy what survived. `files` keeps a file that survived under two names one file."""
    found = Folder()
    for name, node in names.get(id(folder), folder.synced).items():
        if isinstance(node, Folder):
            found.names[name] = _boot(node, names, rng, files)
        else:
            found.names[name] = files.setdefault(id(node), _boot_file(node, rng))
    found.synced = dict(found.names)
    return found


def _boot_file(file: File, rng: random.Random) -> File:
    survival = _draw(rng, *Survival)
    data = bytearray(file.synced)
    for write in _choose(file.pending, survival, rng):
        _apply(data, write, _torn(write, rng, data) if survival is Survival.SECTORS else None)
    return File(data, data[:])


def _copied(folder: Folder) -> Folder:
    copy = Folder()
    for name, node in folder.names.items():
        copy.names[name] = _copied(node) if isinstance(node, Folder) else File(node.data[:], node.data[:])
    copy.synced = dict(copy.names)
    return copy


def _draw(rng: random.Random, *ways: Survival) -> Survival:
    return rng.choice(ways)


def _choose(pending: list[T], survival: Survival, rng: random.Random) -> list[T]:
    if survival is Survival.NOTHING:
        return []
    if survival is Survival.EVERYTHING:
        return pending
    if survival is Survival.PREFIX:
        return pending[: rng.randint(0, len(pending))]
    return [item for item in pending if rng.random() < 0.5]


@dataclass(slots=True)
class Piece:
    """A part of a write that arrived."""

    offset: int
    data: bytes


def _torn(write: Write, rng: random.Random, before: bytearray) -> list[Piece]:
    """Answer the sectors that arrived, one in sixteen of those that change as garbage."""
    pieces = []
    start = write.offset
    end = write.offset + len(write.data)
    while start < end:
        stop = min(end, (start // SECTOR_BYTES + 1) * SECTOR_BYTES)
        data = write.data[start - write.offset : stop - write.offset]
        if data != before[start:stop] and rng.random() < 0.5:
            pieces.append(Piece(start, rng.randbytes(stop - start) if rng.random() < 1 / 16 else data))
        start = stop
    return pieces


def _apply(data: bytearray, write: Write, pieces: list[Piece] | None = None) -> None:
    """Do a write, or the pieces of it that arrived; the size may arrive without the data."""
    if write.truncates:
        del data[write.size_after :]
    if len(data) < write.size_after:
        data.extend(bytes(write.size_after - len(data)))
    for piece in [Piece(write.offset, write.data)] if pieces is None else pieces:
        data[piece.offset : piece.offset + len(piece.data)] = piece.data
