"""One attempt to bring changes onto a head: what they do to the tree, and the commits that say so.

A workspace starts from a head as it was read. Every commit added to it is the head that the next one builds
on; in the end `head_move` holds all of them, to be written in one transaction. If that fails because the head
has moved meanwhile, the workspace is thrown away and the same changes are tried in a new one.

Source: storage format §4, §4.1; merging §2, §3.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import Any, Final

from seafleet.db.engine import Transaction
from seafleet.errors import LibraryDamaged, MalformedObject, ObjectMissing
from seafleet.formats.commit import Commit
from seafleet.ids import ObjectId
from seafleet.library.commits import Commits
from seafleet.library.diff import tree_delta
from seafleet.library.editor import TreeEditor
from seafleet.library.heads import Authored, HeadMove
from seafleet.library.locks import FileLock, read_locks, require_unlocked
from seafleet.library.merge import ConflictNaming
from seafleet.library.model import Author, Edit, Effects, Head, PendingObject
from seafleet.library.rows import moment, seconds
from seafleet.library.source import TreeSource
from seafleet.library.trees import OverlaySource, StoredObject, Trees
from seafleet.store.generation import require_kept, require_same
from seafleet.store.objects import ObjectStore

MAX_SIZE_BYTES: Final = 1 << 60
MAX_FILES: Final = 1 << 40
"""A tree may name the same content many times over; one that claims more than this is refused."""


def _as_it_is(who: str) -> str:
    return who


@dataclass(frozen=True, slots=True)
class Tools:
    """What workspaces read from. Commit texts and conflict names show times in `time_zone`."""

    objects: ObjectStore
    trees: Trees
    commits: Commits
    time_zone: tzinfo = UTC
    display_name: Callable[[str], str] = _as_it_is


class Workspace:
    """The head at hand, and what has been done to it so far. For one thread."""

    def __init__(self, tools: Tools, head: Head, now: datetime) -> None:
        self.tools = tools
        self.head = head
        self.now = now
        self._before = head
        self._authored: list[Authored] = []
        self._older: list[Commit] = []
        self._objects: list[StoredObject] = []
        self._pending: list[PendingObject] = []
        self._size_delta = 0
        self._file_delta = 0
        self._guards: list[Callable[[Transaction], None]] = []
        self._locks: dict[str, FileLock] | None = None
        self.needs_propagation = False
        self.quota_exempt = False
        self._fresh = OverlaySource(tools.trees.source(head.store_id))
        self._open(head.root_id)

    # --- edits

    def apply(self, author: Author, edit: Edit[Any]) -> tuple[Any, Effects]:
        """Apply one edit to the tree, or nothing of it. Raises what the edit raises, and FileLocked."""
        self.editor.modifier = author.email
        savepoint = self.editor.savepoint()
        done = False
        try:
            if edit.takes_from_history:
                self.guard_everything()
            result = edit.apply(self.editor)
            effects = edit.effects(result)
            require_unlocked(self.locks, author.holds_locks_as, effects.taken_away)
            done = True
        finally:
            if not done:
                self.editor.rollback(savepoint)
        self.take_pending(edit)
        return result, effects

    def take_pending(self, edit: Edit[Any]) -> None:
        """Take over what an edit needs to be stored."""
        self._pending.extend(edit.pending)
        if edit.generation is not None:
            self._guards.append(partial(require_kept, seen=edit.generation))

    def commit_edits(self, author: Author, description: str, effects: Sequence[Effects]) -> bool:
        """Make one commit of what was applied since the last; False when the tree is as it was."""
        edited = self.editor.finish()
        if edited.root_id == self.head.root_id:
            return False
        self._objects.extend(edited.objects)
        self._grow(edited.size_delta, edited.file_delta)
        self.add(self.make_commit(author, edited.root_id, description), author, effects)
        return True

    @property
    def locks(self) -> dict[str, FileLock]:
        """The locks of the library, as they were when they were asked for first."""
        if self._locks is None:
            with self.tools.objects.database.read() as connection:
                self._locks = read_locks(connection, self.head.library_id, seconds(self.now))
        return self._locks

    # --- other changes

    @property
    def source(self) -> TreeSource:
        """The folders of the library's store, and those that this workspace is about to store."""
        return self._fresh

    def naming(self, creator_name: str | None) -> ConflictNaming:
        """Return how a merge names what it puts aside for a commit of `creator_name`."""
        return ConflictNaming(creator_name, self.now, self.tools.time_zone, self.tools.display_name)

    def add_objects(self, objects: Iterable[StoredObject]) -> None:
        """Have folders stored, and found by `source` from now on."""
        new = list(objects)
        self._fresh.add(new)
        self._objects.extend(new)

    def set_root(self, root_id: ObjectId) -> None:
        """Go on from another tree, whose folders are stored or were added.

        Raises LibraryDamaged when the root cannot be read, MalformedObject when the tree claims to be larger
        than anything can be, and ObjectMissing.
        """
        delta = tree_delta(self._fresh, self.head.root_id, root_id)
        self._grow(delta.size_bytes, delta.file_count)
        self._open(root_id)

    def set_identity(self, **changes: Any) -> None:
        """Change what the library says of itself: `name`, `description` or `encryption`."""
        self.head = dataclasses.replace(self.head, **changes)

    def make_commit(self, author: Author, root_id: ObjectId, description: str) -> Commit:
        """Return a commit on top of the head, with an id that the library does not have yet."""
        head = self.head
        commit = Commit.make(
            library_id=head.library_id,
            root_id=root_id,
            creator_name=author.email,
            description=description,
            ctime=seconds(self.now),
            parent_id=head.commit_id,
            library_name=head.name,
            library_description=head.description,
            device_name=author.device_name,
            client_version=author.client_version,
            encryption=head.encryption,
        )
        return self.with_free_id(commit)

    def with_free_id(self, commit: Commit) -> Commit:
        """Return the commit as it is, or dated later when the library has another one of its id."""
        taken = {authored.commit.commit_id for authored in self._authored}
        while commit.commit_id in taken or self.tools.commits.is_stored(commit.library_id, commit.commit_id):
            commit = commit.later()
        return commit

    def add(self, commit: Commit, author: Author, effects: Sequence[Effects] = ()) -> None:
        """Make a commit the head; its tree is that of the last `finish` or `set_root`."""
        self._authored.append(Authored(commit, author, tuple(effects)))
        self.head = dataclasses.replace(
            self.head,
            commit_id=commit.commit_id,
            root_id=commit.root_id,
            updated_at=moment(commit.ctime),
            last_modifier=commit.creator_name or "",
        )

    def add_older(self, commits: Iterable[Commit]) -> None:
        """Make commits part of the history without any of them being the head."""
        self._older.extend(commits)

    def also(self, action: Callable[[Transaction], None]) -> None:
        """Have something checked or done in the transaction that moves the head."""
        self._guards.append(action)

    def guard_everything(self) -> None:
        """Refuse to move the head if the store loses any object from now on."""
        seen = self.tools.objects.generation(self.head.store_id)
        self._guards.append(partial(require_same, seen=seen))

    # --- the end

    @property
    def has_moved(self) -> bool:
        """Whether there is anything to write."""
        return bool(self._authored)

    @property
    def grows(self) -> bool:
        """Whether the library is larger than before."""
        return self._size_delta > 0

    def head_move(self, quota_bytes: int | None) -> HeadMove:
        """Return everything that has to be written; `quota_bytes` is the owner's, None for no limit."""
        return HeadMove(
            before=self._before,
            after=self.head,
            authored=self._authored,
            older_commits=self._older,
            objects=self._objects,
            pending=self._pending,
            size_delta=self._size_delta,
            file_delta=self._file_delta,
            quota_bytes=quota_bytes,
            guards=self._guards,
        )

    def keep_folders(self) -> None:
        """Hand new folders to the cache, once they have been stored."""
        self.editor.keep_folders()

    # --- parts

    def _open(self, root_id: ObjectId) -> None:
        try:
            self.editor = TreeEditor(
                self.tools.trees, self.head.store_id, root_id, now=seconds(self.now), source=self._fresh
            )
        except (ObjectMissing, MalformedObject) as error:
            raise LibraryDamaged(self.head.library_id, f"the root cannot be read: {error}") from error

    def _grow(self, size_delta: int, file_delta: int) -> None:
        self._size_delta += size_delta
        self._file_delta += file_delta
        too_large = self._before.size_bytes + self._size_delta > MAX_SIZE_BYTES
        if too_large or self._before.file_count + self._file_delta > MAX_FILES:
            raise MalformedObject("tree", "it claims to hold more than any store can")
