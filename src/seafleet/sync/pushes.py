"""Commits that sync clients send, and what has to be right with one before it becomes the head.

A client stores its commit first, then the objects and blocks of its tree, and asks last that the head moves
to the commit. Only then all of it is looked at: whether the commit builds on something known, whether names
can be names, whether every new folder, file and block is there. What is found is marked as used, so that
collection leaves it alone until the head refers to it.

Source: sync protocol §3, "PUT commit" and "PUT commit/HEAD"; storage format §4, §9, §12.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from typing import Final

from seafleet.decision import Decision
from seafleet.errors import (
    AccessDenied,
    BlocksMissing,
    CommitNotFound,
    HashMismatch,
    InvalidName,
    MalformedObject,
    ObjectMissing,
)
from seafleet.formats.commit import VERSION, Commit, decode, names_itself_rightly
from seafleet.formats.fs import FileObject, decode_fs
from seafleet.ids import ZERO_ID, ObjectId
from seafleet.library.diff import iter_changes
from seafleet.library.model import Author, Head, PushOutcome
from seafleet.library.pushes import Push
from seafleet.library.service import Libraries
from seafleet.paths import MAX_NAME_BYTES, join
from seafleet.store.contract import NOUNS, Kind
from seafleet.sync.differences import Difference, differences

MayWrite = Callable[[str], bool]
"""Tells whether somebody may write at a path."""

FOLDER_RULE: Final = "folder_permission"
"""The rule of refusals that name one path among those of a push."""

_BATCH: Final = 500
_NAMES_TOLD: Final = 100

_Files = list[tuple[str, ObjectId]]


class Pushes:
    """Takes commits from sync clients. Safe to use from many threads."""

    def __init__(self, libraries: Libraries) -> None:
        self._libraries = libraries
        self._objects = libraries.objects

    def store(self, head: Head, commit_id: ObjectId, text: bytes) -> None:
        """Keep a commit of this library, without any effect yet; it is on disk on return.

        The same commit again changes nothing. Raises MalformedObject, HashMismatch.
        """
        commit = _checked(head, commit_id, text)
        try:
            known = self._libraries.commits.get(head.library_id, commit_id)
        except CommitNotFound:
            self._objects.put(head.library_id, Kind.COMMIT, [(commit_id, text)])
            return
        # Ids say nothing about parents: taking one commit for another would lose what one of them holds.
        if known.parent_ids != commit.parent_ids:
            raise MalformedObject("commit", "another commit of this id has other parents")

    def begin(
        self, head: Head, commit_id: ObjectId, author: Author, may_write: MayWrite | None = None
    ) -> Future[PushOutcome]:
        """Check a stored commit, and queue it to become the head or to be merged into it.

        The future is done when it is on disk. Pushing what is part of the history already changes nothing.
        `may_write` is asked about every path that the commit changes; None allows all. Raises, at once or
        through the future,

        * CommitNotFound when the commit is not stored, MalformedObject when its parent is not or the tree
          cannot be right;
        * InvalidName, BlocksMissing, ObjectMissing for what is wrong with the tree;
        * AccessDenied by FOLDER_RULE, FileLocked, QuotaExceeded, LibraryNotFound, LibraryDamaged;
        * CollectionRan, HeadMoved, StorageFailure: the same push may succeed later.
        """
        seen = self._objects.generation(head.store_id)
        commits = self._libraries.commits
        if not commits.in_history(head.library_id, commit_id):
            commit = commits.get(head.library_id, commit_id)
            self._check(head, self._base_of(head, commit), commit, may_write)
            author = replace(author, device_name=commit.device_name, client_version=commit.client_version)
        return self._libraries.submit_task(head.library_id, Push(author, head.library_id, commit_id, seen))

    def _base_of(self, head: Head, commit: Commit) -> Commit:
        """Return the newest commit behind a pushed one that is part of the history.

        That is its parent, unless that one was pushed in vain: what it brought has to be checked as well.
        Raises MalformedObject when there is none.
        """
        commits, seen = self._libraries.commits, {commit.commit_id}
        while commit.parent_id is not None and commit.parent_id not in seen:
            seen.add(commit.parent_id)
            try:
                commit = commits.get(head.library_id, commit.parent_id)
            except CommitNotFound:
                break
            if commits.in_history(head.library_id, commit.commit_id):
                return commit
        raise MalformedObject("commit", "its parent is not known here")

    def _check(self, head: Head, base: Commit, commit: Commit, may_write: MayWrite | None) -> None:
        """Look at everything that the commit adds to its parent, and mark it as used."""
        if may_write is not None:
            self._require_writable(head, base, commit, may_write)
        incomplete: list[str] = []
        for portion in differences(self._objects, head.store_id, commit.root_id, base.root_id):
            _check_names(portion)
            self._require_folders(head.store_id, [folder.folder_id for folder in portion])
            for batch in _batches(portion):
                incomplete += self._incomplete(head.store_id, batch)
            if len(incomplete) >= _NAMES_TOLD:
                break
        if incomplete:
            raise BlocksMissing(incomplete[:_NAMES_TOLD])

    def _require_folders(self, store_id: str, ids: list[ObjectId]) -> None:
        for folder_id in self._objects.missing(store_id, Kind.FS, ids):
            raise ObjectMissing(NOUNS[Kind.FS], folder_id)

    def _require_writable(self, head: Head, base: Commit, commit: Commit, may_write: MayWrite) -> None:
        source = self._libraries.trees.source(head.store_id)
        for change in iter_changes(source, base.root_id, commit.root_id, fold=False):
            if not may_write(change.path):
                text = f"Update to path {change.path[1:]} is not allowed by folder permission settings"
                raise AccessDenied(Decision(False, text, FOLDER_RULE))

    def _incomplete(self, store_id: str, files: _Files) -> list[str]:
        """Return the paths, without a slash before them, of files whose object or blocks are not there."""
        ids = dict.fromkeys(file_id for _, file_id in files)
        absent = set(self._objects.missing(store_id, Kind.FS, ids))
        blocks: dict[ObjectId, tuple[ObjectId, ...]] = {}
        for file_id, stored in self._objects.get_many(store_id, Kind.FS, ids.keys() - absent).items():
            blocks[file_id] = _blocks_of(file_id, stored)
        wanted = dict.fromkeys(itertools.chain.from_iterable(blocks.values()))
        gone = set(self._objects.missing(store_id, Kind.BLOCK, wanted))
        bad = absent | {file_id for file_id, named in blocks.items() if not gone.isdisjoint(named)}
        return [path[1:] for path, file_id in files if file_id in bad]


def _checked(head: Head, commit_id: ObjectId, text: bytes) -> Commit:
    """Return the commit in `text` if it is one of this library, under its own name."""
    commit = decode(text)
    if commit.library_id != head.library_id:
        raise MalformedObject("commit", "of another library")
    if commit.commit_id != commit_id or not names_itself_rightly(text):
        raise HashMismatch("commit", commit_id, commit.commit_id)
    if commit.version != VERSION:
        raise MalformedObject("commit", f"of version {commit.version}")
    if (commit.encryption is None) != (head.encryption is None):
        raise MalformedObject("commit", "not encrypted as its library is")
    return commit


def _batches(portion: Iterable[Difference]) -> Iterator[_Files]:
    """Yield paths and ids of the files that differ and are not empty, a few hundred at a time."""
    files = (
        (join(folder.path, entry.name), entry.id)
        for folder in portion
        for entry in folder.entries
        if not entry.is_dir and entry.id != ZERO_ID
    )
    while batch := list(itertools.islice(files, _BATCH)):
        yield batch


def _check_names(portion: Iterable[Difference]) -> None:
    """Refuse what leads out of a folder. Clients may use any other name, control characters included."""
    for folder in portion:
        for entry in folder.entries:
            if entry.name in (".", ".."):
                raise InvalidName(entry.name, "stands for a folder")
            if len(entry.name) > MAX_NAME_BYTES >> 2 and len(entry.name.encode()) > MAX_NAME_BYTES:
                raise InvalidName(entry.name, f"longer than {MAX_NAME_BYTES} bytes")


def _blocks_of(file_id: ObjectId, stored: bytes) -> tuple[ObjectId, ...]:
    value = decode_fs(stored)
    if not isinstance(value, FileObject):
        raise MalformedObject("file", f"{file_id} is a directory")
    return value.block_ids
