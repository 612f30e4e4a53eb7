"""Verification reads what a library's head refers to, and reports what is missing or not what its name says.

Nothing is changed here; `repair` plans from the findings where each damaged path can be taken from instead.

Source: storage format §12, "fsck".
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha1
from typing import Final

from seafleet.errors import MalformedObject, ObjectMissing, StorageFailure
from seafleet.formats import version0
from seafleet.formats.ciphers import PADDING_BYTES
from seafleet.formats.commit import Commit
from seafleet.formats.fs import (
    EMPTY_DIRECTORY,
    EMPTY_FILE,
    Directory,
    Dirent,
    FileObject,
    decode_fs,
    decode_verified,
)
from seafleet.ids import ZERO_ID, ObjectId
from seafleet.store.contract import Kind
from seafleet.store.history import read_commit
from seafleet.store.marks import Marks
from seafleet.store.objects import ObjectStore

_READ_BYTES: Final = 1 << 20


class Problem(StrEnum):
    """What is wrong with an object."""

    COMMIT_MISSING = "commit missing"
    COMMIT_DAMAGED = "commit damaged"
    FOLDER_MISSING = "folder missing"
    FOLDER_DAMAGED = "folder damaged"
    FILE_MISSING = "file object missing"
    FILE_DAMAGED = "file object damaged"
    BLOCK_MISSING = "block missing"
    BLOCK_DAMAGED = "block damaged"
    BLOCK_UNREADABLE = "block unreadable"
    """The storage failed while the block was read. It may be readable another time: never repaired."""
    SIZE_DIFFERS = "size in the folder differs"
    """The folder gives another size than the file object."""
    LENGTH_DIFFERS = "length differs"
    """All blocks are right, but together they are longer or shorter than the file object says."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem and the path that shows it ("" for a commit). `object_id` is the object concerned."""

    problem: Problem
    path: str
    object_id: ObjectId
    detail: str = ""


@dataclass(frozen=True, slots=True)
class LibraryReport:
    """What verification found in one library.

    `base` is the commit whose tree was walked: the head; if it or its root cannot be read the newest commit
    with a readable root; None if there is no such commit at all. Folders that occur more than once are looked
    at once, under the first path, and so are blocks.
    """

    library_id: str
    store_id: str
    head_id: ObjectId
    base: Commit | None
    findings: tuple[Finding, ...]
    folders: int
    files: int
    read_bytes: int

    @property
    def is_good(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


@dataclass(slots=True)
class Counts:
    """What was looked at so far."""

    folders: int = 0
    files: int = 0
    read_bytes: int = 0


class Verifier:
    """Verifies libraries. With `read_blocks` every block is read and hashed, else it is only looked for.

    `progress` is called after every folder, with the library's id.
    """

    def __init__(
        self,
        objects: ObjectStore,
        *,
        read_blocks: bool = True,
        progress: Callable[[str, Counts], None] = lambda library_id, counts: None,
    ) -> None:
        self._objects = objects
        self._read_blocks = read_blocks
        self._progress = progress

    def verify(self, library_id: str, store_id: str, head_id: ObjectId) -> LibraryReport:
        """Verify the tree of a library's head. Raises StorageFailure when fs objects cannot be asked for."""
        counts = Counts()
        base, findings = readable_base(self._objects, library_id, store_id, head_id)
        if base is not None:
            with Marks() as good, Marks() as seen:
                check = TreeCheck(
                    self._objects,
                    store_id,
                    BlockCheck(self._objects, store_id, good, counts, read=self._read_blocks),
                    seen,
                    counts,
                    encrypted=base.encryption is not None,
                    progress=lambda: self._progress(library_id, counts),
                )
                findings += check.folder("/", base.root_id)
        return LibraryReport(
            library_id=library_id,
            store_id=store_id,
            head_id=head_id,
            base=base,
            findings=tuple(findings),
            folders=counts.folders,
            files=counts.files,
            read_bytes=counts.read_bytes,
        )


def readable_base(
    objects: ObjectStore, library_id: str, store_id: str, head_id: ObjectId
) -> tuple[Commit | None, list[Finding]]:
    """Return the head, or else the newest commit with a readable root, and what is wrong with the head."""
    try:
        head = read_commit(objects, library_id, head_id)
    except (ObjectMissing, MalformedObject) as error:
        problem = Problem.COMMIT_MISSING if isinstance(error, ObjectMissing) else Problem.COMMIT_DAMAGED
        return _newest_readable(objects, library_id, store_id), [Finding(problem, "", head_id, str(error))]
    root = read_folder(objects, store_id, head.root_id, "/")
    if isinstance(root, Finding):
        return _newest_readable(objects, library_id, store_id), [root]
    return head, []


def _newest_readable(objects: ObjectStore, library_id: str, store_id: str) -> Commit | None:
    commits = readable_commits(objects, library_id)
    roots = ((commit, read_folder(objects, store_id, commit.root_id, "/")) for commit in commits)
    return next((commit for commit, root in roots if isinstance(root, Directory)), None)


def readable_commits(objects: ObjectStore, library_id: str) -> list[Commit]:
    """Return all commits of a library that can be read, newest first, whether or not a head leads to them."""
    commits = []
    for commit_id in objects.commit_ids(library_id):
        with contextlib.suppress(ObjectMissing, MalformedObject):
            commits.append(read_commit(objects, library_id, commit_id))
    return sorted(commits, key=lambda commit: commit.ctime, reverse=True)


def read_folder(objects: ObjectStore, store_id: str, folder_id: ObjectId, path: str) -> Directory | Finding:
    """Return the directory that belongs at `path`, hashed again, or what is wrong with it."""
    if folder_id == ZERO_ID:
        return EMPTY_DIRECTORY
    value = _read_fs(objects, store_id, folder_id, path, Problem.FOLDER_MISSING, Problem.FOLDER_DAMAGED)
    if isinstance(value, FileObject):
        return Finding(Problem.FOLDER_DAMAGED, path, folder_id, "a file object")
    return value


def read_file(objects: ObjectStore, store_id: str, file_id: ObjectId, path: str) -> FileObject | Finding:
    """Return the file object that belongs at `path`, hashed again, or what is wrong with it."""
    if file_id == ZERO_ID:
        return EMPTY_FILE
    value = _read_fs(objects, store_id, file_id, path, Problem.FILE_MISSING, Problem.FILE_DAMAGED)
    if isinstance(value, Directory):
        return Finding(Problem.FILE_DAMAGED, path, file_id, "a directory object")
    return value


def _read_fs(
    objects: ObjectStore, store_id: str, object_id: ObjectId, path: str, missing: Problem, damaged: Problem
) -> Directory | FileObject | Finding:
    try:
        stored = objects.get(store_id, Kind.FS, object_id)
        # The names of version 0 were made in another way.
        return decode_fs(stored) if version0.looks_like(stored) else decode_verified(object_id, stored)
    except ObjectMissing:
        return Finding(missing, path, object_id)
    except MalformedObject as error:
        return Finding(damaged, path, object_id, str(error))


class BlockCheck:
    """Tells what is wrong with a block; reads each block once, as `good` remembers those that are right."""

    def __init__(
        self, objects: ObjectStore, store_id: str, good: Marks, counts: Counts, *, read: bool
    ) -> None:
        self._objects = objects
        self._store_id = store_id
        self._good = good
        self._counts = counts
        self._read = read
        self._bad: dict[ObjectId, tuple[Problem, str]] = {}

    def sizes(self, file: FileObject) -> dict[ObjectId, int]:
        """Return the stored sizes of those blocks that are there."""
        return self._objects.block_sizes(self._store_id, file.block_ids)

    def problem(self, block_id: ObjectId, size_bytes: int) -> tuple[Problem, str] | None:
        """Return what is wrong with a block that is there, and a detail."""
        if not self._read or not self._good.without(Kind.BLOCK, [block_id]):
            return None
        if block_id not in self._bad:
            found = self._read_and_hash(block_id, size_bytes)
            if found is None:
                self._good.add(Kind.BLOCK, [block_id])
                return None
            self._bad[block_id] = found
        return self._bad[block_id]

    def _read_and_hash(self, block_id: ObjectId, size_bytes: int) -> tuple[Problem, str] | None:
        digest = sha1(usedforsecurity=False)
        try:
            for offset in range(0, size_bytes, _READ_BYTES):
                data = self._objects.read_block(self._store_id, block_id, offset, _READ_BYTES)
                digest.update(data)
                self._counts.read_bytes += len(data)
        except ObjectMissing:
            return Problem.BLOCK_MISSING, ""
        except StorageFailure as error:
            return Problem.BLOCK_UNREADABLE, str(error)
        if digest.hexdigest() != block_id:
            return Problem.BLOCK_DAMAGED, f"hashes to {digest.hexdigest()}"
        return None


class TreeCheck:
    """Walks trees of one store; each folder once, as `seen` remembers, however often it occurs."""

    def __init__(
        self,
        objects: ObjectStore,
        store_id: str,
        blocks: BlockCheck,
        seen: Marks,
        counts: Counts,
        *,
        encrypted: bool,
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._objects = objects
        self._store_id = store_id
        self._blocks = blocks
        self._seen = seen
        self._counts = counts
        self._encrypted = encrypted
        self._progress = progress

    def entry(self, path: str, entry: Dirent) -> Iterator[Finding]:
        """Yield what is wrong with a file or folder and everything below it."""
        return self.folder(path, entry.id) if entry.is_dir else self._file(path, entry)

    def folder(self, path: str, folder_id: ObjectId) -> Iterator[Finding]:
        """Yield what is wrong with a folder and everything below it."""
        waiting = [(path, folder_id)]
        while waiting:
            path, folder_id = waiting.pop()
            if not self._seen.add(Kind.FS, [folder_id]):
                continue
            folder = read_folder(self._objects, self._store_id, folder_id, path)
            if isinstance(folder, Finding):
                yield folder
                continue
            for entry in folder:
                below = f"{path.rstrip('/')}/{entry.name}"
                if entry.is_dir:
                    waiting.append((below, entry.id))
                else:
                    yield from self._file(below, entry)
            self._counts.folders += 1
            self._progress()

    def _file(self, path: str, entry: Dirent) -> Iterator[Finding]:
        self._counts.files += 1
        file = read_file(self._objects, self._store_id, entry.id, path)
        if isinstance(file, Finding):
            yield file
            return
        if entry.size not in (None, file.size):
            detail = f"{entry.size} in the folder, {file.size} in the file object"
            yield Finding(Problem.SIZE_DIFFERS, path, entry.id, detail)
        yield from self._content(path, entry.id, file)

    def _content(self, path: str, file_id: ObjectId, file: FileObject) -> Iterator[Finding]:
        sizes = self._blocks.sizes(file)
        is_whole = True
        for block_id in dict.fromkeys(file.block_ids):
            found = (
                self._blocks.problem(block_id, sizes[block_id])
                if block_id in sizes
                else (Problem.BLOCK_MISSING, "")
            )
            if found is not None:
                is_whole = False
                yield Finding(found[0], path, block_id, found[1])
        stored_bytes = sum(sizes[block_id] for block_id in file.block_ids) if is_whole else None
        if stored_bytes is not None and not self._fits(file, stored_bytes):
            detail = f"{file.size} in the file object, {stored_bytes} stored"
            yield Finding(Problem.LENGTH_DIFFERS, path, file_id, detail)

    def _fits(self, file: FileObject, stored_bytes: int) -> bool:
        """Tell whether blocks of that many bytes can hold the file: padding adds 1 to 16 bytes to each."""
        if not self._encrypted:
            return file.size == stored_bytes
        blocks = len(file.block_ids)
        return stored_bytes - PADDING_BYTES * blocks <= file.size <= stored_bytes - blocks
