"""What a library was: its commits newest first, and the revisions of one file.

Commits are read from `commit_index`, in the order of their times, a few hundred at once; what an adopted
library did before this server indexed it is read from the commits themselves.

Source: storage format §4.1, §12; libraries page, "History, trash, retention"; files page, "History of a
file".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, bindparam, select

from seafleet import paths
from seafleet.clock import Clock
from seafleet.db.engine import Database
from seafleet.db.tables import commit_index
from seafleet.errors import CommitNotFound, FileNotFound, FolderNotFound
from seafleet.formats.commit import Commit
from seafleet.formats.fs import Dirent
from seafleet.ids import LibraryId, ObjectId
from seafleet.library.commits import Commits
from seafleet.library.diff import diff_trees
from seafleet.library.model import Head
from seafleet.library.rows import seconds
from seafleet.library.service import Libraries

KEEP_ALL: Final = -1
KEEP_HEAD_ONLY: Final = 0
DAY_SECONDS: Final = 86_400
SCAN_SECONDS: Final = 2
"""So long about the commits of wide folders are looked at for one page."""
_READ_AT_ONCE: Final = 200

_AnyRow = Row[*tuple[Any, ...]]
_index = commit_index.c
_ROWS: Final[Select[*tuple[Any, ...]]] = select(commit_index).where(_index.library_id == bindparam("library"))
_ONE: Final = _ROWS.where(_index.commit_id == bindparam("commit"))
_FROM: Final = (
    _ROWS.where(_index.ctime <= bindparam("ctime")).order_by(_index.ctime.desc()).limit(bindparam("limit"))
)


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One commit of a history. `ctime` is in Unix seconds."""

    commit_id: ObjectId
    parent_id: ObjectId | None
    second_parent_id: ObjectId | None
    root_id: ObjectId
    creator_name: str
    description: str
    ctime: int
    device_name: str | None
    client_version: str | None
    new_merge: bool
    conflict: bool

    @property
    def is_quiet_merge(self) -> bool:
        """Whether this merely joined two lines, without a conflict: listings leave it out."""
        return self.new_merge and not self.conflict

    @property
    def parent_ids(self) -> tuple[ObjectId, ...]:
        """The parents, if any."""
        return tuple(parent for parent in (self.parent_id, self.second_parent_id) if parent)


@dataclass(frozen=True, slots=True)
class Revision:
    """A version of a file: the commit that brought it, and the path that it had from then on.

    `renamed_from` is its path before, when the commit moved it here.
    """

    commit: HistoryEntry
    path: str
    entry: Dirent
    renamed_from: str | None = None


@dataclass(frozen=True, slots=True)
class RevisionPage:
    """Revisions, newest first, and where to go on: at that commit, with that path; None at the end."""

    revisions: tuple[Revision, ...]
    next_commit_id: ObjectId | None = None
    next_path: str | None = None


class History:
    """Reads histories. Safe to share between threads."""

    def __init__(self, libraries: Libraries) -> None:
        self._libraries = libraries
        self._database: Database = libraries.database
        self._commits: Commits = libraries.commits
        self._clock: Clock = libraries.clock

    # --- how far back

    def limit_days(self, head: Head) -> int:
        """Return for how many days history is kept: negative for ever, 0 for the head alone."""
        owner = self._origin(head)
        if owner.history_limit_days is None:
            return self._libraries.default_history_days
        return owner.history_limit_days

    def truncate_time(self, head: Head) -> int:
        """Return the time, in Unix seconds, before which history may be gone: KEEP_ALL, or KEEP_HEAD_ONLY.

        A sub-library is kept as its origin is.
        """
        days = self.limit_days(head)
        if days == 0:
            return KEEP_HEAD_ONLY
        emptied_at = self.emptied_at(head)
        since = KEEP_ALL if emptied_at is None else emptied_at
        return since if days < 0 else max(since, self._clock.timestamp() - days * DAY_SECONDS)

    def emptied_at(self, head: Head) -> int | None:
        """Return up to when deletions were forgotten, in Unix seconds: None if the trash was never emptied.

        That of a sub-library is emptied with its origin's.
        """
        valid_since = self._origin(head).valid_since
        return None if valid_since is None else seconds(valid_since)

    def _origin(self, head: Head) -> Head:
        return (self._libraries.find(head.store_id) or head) if head.is_sub_library else head

    # --- commits

    def entry(self, library_id: LibraryId, commit_id: ObjectId) -> HistoryEntry:
        """Return one commit that is part of the history. Raises CommitNotFound."""
        return _Reader(self._database, self._commits, library_id).get(commit_id)

    def commits(self, head: Head, *, offset: int = 0, limit: int | None = None) -> list[HistoryEntry]:
        """Return what the head is made of, newest first, merges and both of their sides included."""
        last = None if limit is None else offset + limit
        found = []
        for number, entry in enumerate(self.walk(head)):
            if number == last:
                break
            if number >= offset:
                found.append(entry)
        return found

    def walk(self, head: Head) -> Iterator[HistoryEntry]:
        """Yield the kept commits, each once: a commit never before one that came after it."""
        truncate_time = self.truncate_time(head)
        reader = _Reader(self._database, self._commits, head.library_id)
        first = reader.get(head.commit_id)
        waiting = [(-first.ctime, 0, first)]
        seen = {first.commit_id}
        while waiting:
            entry = heappop(waiting)[2]
            if entry is not first and entry.ctime < truncate_time:
                continue
            yield entry
            if truncate_time == KEEP_HEAD_ONLY:
                return
            for parent_id in entry.parent_ids:
                if parent_id not in seen and (parent := reader.find(parent_id)):
                    seen.add(parent_id)
                    heappush(waiting, (-parent.ctime, len(seen), parent))

    def heads(self, library_id: LibraryId, commit_id: ObjectId) -> Iterator[HistoryEntry]:
        """Yield a commit and what was the head before it, and before that, as far as it is known."""
        reader = _Reader(self._database, self._commits, library_id)
        seen: set[ObjectId] = set()
        entry: HistoryEntry | None = reader.get(commit_id)
        while entry is not None and entry.commit_id not in seen:
            yield entry
            seen.add(entry.commit_id)
            entry = reader.find(entry.parent_id) if entry.parent_id else None

    # --- files

    def file_at(self, head: Head, commit_id: ObjectId, path: str) -> Dirent:
        """Return a file as it was. Raises CommitNotFound, FileNotFound, ObjectMissing."""
        entry = self._find(head, self.entry(head.library_id, commit_id), path)
        if entry is None or entry.is_dir:
            raise FileNotFound(path)
        return entry

    def folder_at(self, head: Head, commit_id: ObjectId, path: str) -> Dirent:
        """Return a folder as it was. Raises CommitNotFound, FolderNotFound, ObjectMissing."""
        entry = self._find(head, self.entry(head.library_id, commit_id), path)
        if entry is None or not entry.is_dir:
            raise FolderNotFound(path)
        return entry

    def revisions(
        self,
        head: Head,
        path: str,
        *,
        start: ObjectId | None = None,
        limit: int = 100,
        scan: int = 2000,
        follow_renames: bool = True,
    ) -> RevisionPage:
        """Return versions of the file that stands at `path` in the commit `start` (the head).

        Ends where the file was made, or with `follow_renames` off where it got this path. At most `limit`
        revisions and about `scan` commits are looked at; the rest is told by the page's `next_*`. Raises
        FileNotFound.
        """
        truncate_time = self.truncate_time(head)
        deadline = self._clock.timestamp() + SCAN_SECONDS
        found: list[Revision] = []
        entries = self.heads(head.library_id, start or head.commit_id)
        commit = next(entries)
        entry = self._find(head, commit, path)
        if entry is None or entry.is_dir:
            raise FileNotFound(path)
        for scanned, older in enumerate(entries):
            if older.ctime < truncate_time or truncate_time == KEEP_HEAD_ONLY:
                break
            if len(found) >= limit or scanned >= scan or self._clock.timestamp() > deadline:
                return RevisionPage(tuple(found), commit.commit_id, path)
            before = self._find(head, older, path) if older.root_id != commit.root_id else entry
            if before is None or before.is_dir:
                came_from = self._came_from(head, older, commit, path) if follow_renames else None
                found.append(Revision(commit, path, entry, came_from))
                if came_from is None:
                    return RevisionPage(tuple(found))
                path = came_from
                before = self._find(head, older, path)
                assert before is not None
            elif before.id != entry.id:
                found.append(Revision(commit, path, entry))
            commit, entry = older, before
        found.append(Revision(commit, path, entry))
        return RevisionPage(tuple(found))

    def _find(self, head: Head, at: HistoryEntry, path: str) -> Dirent | None:
        return self._libraries.trees.find(head.store_id, at.root_id, path, passing=True)

    def _came_from(self, head: Head, older: HistoryEntry, newer: HistoryEntry, path: str) -> str | None:
        """Return the path that a file had before the commit `newer` brought it to `path`, if it moved."""
        source = self._libraries.trees.source(head.store_id)
        for change in diff_trees(source, older.root_id, newer.root_id):
            if change.new_path is not None and paths.is_inside(path, change.new_path):
                return paths.rebase(path, change.new_path, change.path)
        return None


class _Reader:
    """Reads the commits of one library; what is asked for next has mostly been read already."""

    def __init__(self, database: Database, commits: Commits, library_id: LibraryId) -> None:
        self._database = database
        self._commits = commits
        self._library_id = library_id
        self._known: dict[ObjectId, HistoryEntry] = {}
        self._crowded: int | None = None

    def get(self, commit_id: ObjectId) -> HistoryEntry:
        """Return a commit. Raises CommitNotFound."""
        found = self.find(commit_id)
        if found is None:
            raise CommitNotFound(commit_id)
        return found

    def find(self, commit_id: ObjectId) -> HistoryEntry | None:
        """Return a commit, or None when it is not stored any more."""
        found = self._known.pop(commit_id, None) or self._read(commit_id)
        return found or self._of_store(commit_id)

    def _read(self, commit_id: ObjectId) -> HistoryEntry | None:
        with self._database.read() as connection:
            row = connection.execute(_ONE, {"library": self._library_id, "commit": commit_id}).one_or_none()
            if row is not None and row.ctime != self._crowded:
                self._read_around(connection, row.ctime)
        return None if row is None else _entry(row)

    def _read_around(self, connection: Connection, ctime: int) -> None:
        """Read what is as old or older: mostly what will be asked for next."""
        around = {"library": self._library_id, "ctime": ctime, "limit": _READ_AT_ONCE}
        older = connection.execute(_FROM, around).all()
        self._known.update((ObjectId(row.commit_id), _entry(row)) for row in older)
        if len(older) == _READ_AT_ONCE and older[-1].ctime == ctime:
            self._crowded = ctime  # so many in one second: the same ones would be read again and again

    def _of_store(self, commit_id: ObjectId) -> HistoryEntry | None:
        try:
            return _entry_of_commit(self._commits.get(self._library_id, commit_id))
        except CommitNotFound:
            return None


def _entry(row: _AnyRow) -> HistoryEntry:
    return HistoryEntry(
        commit_id=ObjectId(row.commit_id),
        parent_id=None if row.parent_id is None else ObjectId(row.parent_id),
        second_parent_id=None if row.second_parent_id is None else ObjectId(row.second_parent_id),
        root_id=ObjectId(row.root_id),
        creator_name=row.creator_name,
        description=row.description,
        ctime=row.ctime,
        device_name=row.device_name,
        client_version=row.client_version,
        new_merge=row.new_merge,
        conflict=row.conflict,
    )


def _entry_of_commit(commit: Commit) -> HistoryEntry:
    return HistoryEntry(
        commit_id=commit.commit_id,
        parent_id=commit.parent_id,
        second_parent_id=commit.second_parent_id,
        root_id=commit.root_id,
        creator_name=commit.creator_name or "",
        description=commit.description,
        ctime=commit.ctime,
        device_name=commit.device_name,
        client_version=commit.client_version,
        new_merge=commit.new_merge,
        conflict=commit.conflict,
    )
