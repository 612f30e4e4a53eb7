"""What was deleted from a library, found by walking its commits; nothing is kept apart for it.

Something is in the trash when a kept commit deleted it and its path is free now. The newest deletion of a
path counts, and things that were moved are not deleted. It is restored from the commit before the one that
deleted it.

Source: storage format §12, "History limit and trash"; libraries page, "History, trash, retention".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from sqlalchemy import bindparam, update

from seafleet import paths
from seafleet.db.engine import Transaction
from seafleet.db.tables import library
from seafleet.errors import InvalidArgument
from seafleet.formats.fs import Dirent
from seafleet.ids import ObjectId
from seafleet.library.diff import Change, Status, diff_trees
from seafleet.library.heads import record_activity
from seafleet.library.history import DAY_SECONDS, KEEP_HEAD_ONLY, SCAN_SECONDS, History, HistoryEntry
from seafleet.library.model import Activity, Author, Head
from seafleet.library.rows import seconds
from seafleet.library.service import Libraries

COMMITS_AT_ONCE: Final = 200
_DELETED: Final = (Status.DELETED, Status.DELETED_DIR)
_SET_VALID_SINCE: Final = (
    update(library).where(library.c.id == bindparam("library")).values(valid_since=bindparam("since"))
)


@dataclass(frozen=True, slots=True)
class DeletedEntry:
    """Something that can be restored from `commit_id`. `deleted_at` is in Unix seconds."""

    path: str
    entry: Dirent
    commit_id: ObjectId
    deleted_at: int
    deleted_by: str


@dataclass(frozen=True, slots=True)
class TrashPage:
    """Deletions, newest first; `next_commit_id` tells where to look on, None that this is all."""

    entries: tuple[DeletedEntry, ...]
    next_commit_id: ObjectId | None


class Trash:
    """Lists and empties the trash of libraries."""

    def __init__(self, libraries: Libraries, history: History) -> None:
        self._libraries = libraries
        self._history = history
        self._clock = libraries.clock

    def scan(
        self,
        head: Head,
        folder: str = "/",
        *,
        show_days: int = 0,
        start: ObjectId | None = None,
        limit: int = 100,
        commits: int = COMMITS_AT_ONCE,
    ) -> TrashPage:
        """Return what was deleted below a folder, in the last `show_days` or (0) in all of the kept history.

        `start` continues an earlier page. A page ends after the commit that fills it to `limit` entries, or
        after so many commits or seconds. Raises CommitNotFound for a start that is unknown.
        """
        deadline = self._clock.timestamp() + SCAN_SECONDS
        found: dict[str, DeletedEntry] = {}
        steps = self._steps(head, start or head.commit_id, show_days)
        for number, (commit, older) in enumerate(steps, 1):
            for entry in self._deleted_by(head, commit, older, folder):
                found.setdefault(entry.path, entry)
            if len(found) >= limit or number >= commits or self._clock.timestamp() > deadline:
                return TrashPage(tuple(found.values()), older.commit_id)
        return TrashPage(tuple(found.values()), None)

    def empty(self, head: Head, author: Author, keep_days: int = 0) -> None:
        """Forget deletions that are older than `keep_days`, or all; the next collection removes the content.

        History shows nothing from before either. What was forgotten does not come back. The trash of a
        sub-library is emptied with its origin's: InvalidArgument.
        """
        if head.is_sub_library:
            raise InvalidArgument("library", "a sub-library is kept as its origin is")
        now = self._clock.timestamp()
        since = now - keep_days * DAY_SECONDS if keep_days > 0 else seconds(head.updated_at)
        if head.valid_since is not None:
            since = max(since, seconds(head.valid_since))
        activity = Activity("clean-up-trash", "repo", "/", {"days": keep_days})

        def work(tx: Transaction) -> None:
            tx.execute(_SET_VALID_SINCE, {"library": head.library_id, "since": since})
            record_activity(tx, head, head.commit_id, author.email, activity, now)

        self._libraries.database.write(work)

    def _steps(
        self, head: Head, start: ObjectId, show_days: int
    ) -> Iterator[tuple[HistoryEntry, HistoryEntry]]:
        """Yield each kept commit with the head before it."""
        truncate_time = self._history.truncate_time(head)
        if truncate_time == KEEP_HEAD_ONLY:
            return
        if show_days > 0:
            truncate_time = max(truncate_time, self._clock.timestamp() - show_days * DAY_SECONDS)
        emptied_at = self._history.emptied_at(head)
        for commit, older in pairwise(self._history.heads(head.library_id, start)):
            # Whoever empties the trash does not want to see what was deleted in the same second.
            if commit.ctime < truncate_time or (emptied_at is not None and commit.ctime <= emptied_at):
                return
            yield commit, older

    def _deleted_by(
        self, head: Head, commit: HistoryEntry, older: HistoryEntry, folder: str
    ) -> Iterator[DeletedEntry]:
        trees = self._libraries.trees
        if commit.root_id == older.root_id:
            return
        if folder != paths.ROOT:
            now, before = (
                trees.find(head.store_id, each.root_id, folder, passing=True) for each in (commit, older)
            )
            if now is not None and before is not None and now.id == before.id:
                return
        for change in diff_trees(trees.source(head.store_id), older.root_id, commit.root_id):
            if self._counts(head, change, folder):
                yield DeletedEntry(
                    change.path, change.entry, older.commit_id, commit.ctime, commit.creator_name
                )

    def _counts(self, head: Head, change: Change, folder: str) -> bool:
        return (
            change.status in _DELETED
            and paths.is_inside(change.path, folder)
            and self._libraries.trees.find(head.store_id, head.root_id, change.path) is None
        )
