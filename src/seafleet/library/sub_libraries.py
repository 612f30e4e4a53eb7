"""Sub-libraries: one folder of an origin shown as a library of its own, and how both are kept in step.

A sub-library has its own id, commits and rows; fs objects and blocks lie in the origin's store. After each
change of either side a row of `sub_library_pending` says so, written in the same transaction. A worker then
compares three folders:

====  ==========================================================
base  at the path in the origin's commit at which both were equal
orig  at the path in the origin's head
sub   the root of the sub-library's head
====  ==========================================================

================  ====================================================================================
sub = orig        nothing
base = sub        the sub-library gets orig, in a commit
base = orig       the origin gets sub at the path, in a commit
all differ        the merge of them goes to both: to the sub-library first, so that a crash in between
                  leaves something that merges to the same again
the path is gone  the folder was moved by one of the commits since base: the path follows, and the
                  library's name with the folder's own. Else the sub-library goes too
================  ====================================================================================

Whatever is done is done by compare-and-set on what was compared, so that many workers may run at once.

Source: storage format §11; merging §7.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any, Final

from sqlalchemy import Row, bindparam, delete, insert, select, update

from seafleet import paths
from seafleet.db.engine import Transaction, upsert
from seafleet.db.tables import library, sub_library, sub_library_pending
from seafleet.errors import (
    CommitNotFound,
    FolderNotFound,
    HeadMoved,
    InvalidPath,
    PasswordRequired,
    SeafleetError,
)
from seafleet.formats.commit import Commit, Encryption
from seafleet.formats.encryption import for_sub_library
from seafleet.ids import ZERO_ID, LibraryId, ObjectId
from seafleet.library.bin import LIBRARY_CHANGED, drop_sub_library
from seafleet.library.descriptions import describe_merge
from seafleet.library.diff import Status, diff_trees
from seafleet.library.heads import announce, insert_commit
from seafleet.library.history import History, HistoryEntry
from seafleet.library.merge import ConflictNaming, MergeResult, three_way
from seafleet.library.model import Author, Head
from seafleet.library.pushes import effects_between
from seafleet.library.rows import library_row
from seafleet.library.service import Libraries, new_head
from seafleet.library.trees import StoredObject
from seafleet.library.workspace import Workspace

ATTEMPTS: Final = 10
_COMMITS_FOLLOWED: Final = 10_000

_log = logging.getLogger(__name__)

_sub = sub_library.c
_pending = sub_library_pending.c
_ROWS: Final = select(sub_library)
_ONE: Final = _ROWS.where(_sub.library_id == bindparam("library"))
_OF_ORIGIN: Final = _ROWS.where(_sub.origin_library_id == bindparam("origin")).order_by(_sub.path)
_AT_PATH: Final = _ROWS.where(
    _sub.origin_library_id == bindparam("origin"), _sub.path_hash == bindparam("hash")
)
_INSERT: Final = insert(sub_library)
_INSERT_LIBRARY: Final = insert(library)
_ADVANCE: Final = (
    update(sub_library)
    .where(_sub.library_id == bindparam("library"), _sub.base_commit_id == bindparam("old_base"))
    .values(base_commit_id=bindparam("base"), path=bindparam("new_path"), path_hash=bindparam("hash"))
)
_HEAD: Final = select(library.c.head_commit_id).where(library.c.id == bindparam("library"))
_WAITING: Final = (
    select(_pending.library_id, _pending.queued_at).order_by(_pending.queued_at).limit(bindparam("limit"))
)
_DONE: Final = delete(sub_library_pending).where(
    _pending.library_id == bindparam("library"), _pending.queued_at == bindparam("seen")
)
_QUEUE: Final = upsert(sub_library_pending).on_conflict_do_nothing(index_elements=[_pending.library_id])


@dataclass(frozen=True, slots=True)
class SubLibrary:
    """What a sub-library shows: the folder at `path` of its origin; both were equal at `base_commit_id`."""

    library_id: LibraryId
    origin_id: LibraryId
    path: str
    base_commit_id: ObjectId


class _Stale(Exception):
    """What was compared has changed since: compare again."""


@dataclass(frozen=True, slots=True)
class _Step:
    """What is compared, and the path where the folder stands in the origin's head."""

    shown: SubLibrary
    origin: Head
    sub: Head
    path: str


class SubLibraries:
    """Makes and finds sub-libraries, and brings them into step with their origins."""

    def __init__(self, libraries: Libraries, history: History) -> None:
        self._libraries = libraries
        self._history = history
        self._database = libraries.database
        self._trees = libraries.trees
        self._clock = libraries.clock

    # --- finding

    def get(self, library_id: str) -> SubLibrary | None:
        """Return what a library shows of another one, or None when it is no sub-library."""
        with self._database.read() as connection:
            row = connection.execute(_ONE, {"library": library_id}).one_or_none()
        return None if row is None else _of_row(row)

    def of_origin(self, origin_id: str) -> list[SubLibrary]:
        """Return the sub-libraries of a library, by path."""
        with self._database.read() as connection:
            return [_of_row(row) for row in connection.execute(_OF_ORIGIN, {"origin": origin_id})]

    def find(self, origin_id: str, path: str) -> SubLibrary | None:
        """Return the sub-library that shows the folder at `path`, or None."""
        place = {"origin": origin_id, "hash": paths.path_hash(origin_id, path)}
        with self._database.read() as connection:
            row = connection.execute(_AT_PATH, place).one_or_none()
        return None if row is None else _of_row(row)

    # --- making

    def create(
        self,
        parent: Head,
        path: str,
        name: str,
        author: Author,
        *,
        description: str | None = None,
        password: str | None = None,
    ) -> Head:
        """Return the sub-library of a folder, made if there is none yet; its owner is the origin's.

        A folder of a sub-library is one of the origin. The first commit's text is the description, or else
        the name. Raises InvalidPath for the root, InvalidName, FolderNotFound, and for an encrypted library
        PasswordRequired or WrongPassword.
        """
        if path == paths.ROOT:
            raise InvalidPath(path, "a sub-library of the whole library is the library")
        paths.validate_name(name)
        origin, path = self._on_origin(parent, path)
        entry = self._trees.find(origin.store_id, origin.root_id, path)
        if entry is None or not entry.is_dir:
            raise FolderNotFound(path)
        new_id = LibraryId.random(self._libraries.random)
        encryption = _encryption(origin, new_id, password)
        commit = Commit.make(
            library_id=new_id,
            root_id=entry.id,
            creator_name=author.email,
            description=name if description is None else description,
            ctime=self._clock.timestamp(),
            library_name=name,
            library_description=name if description is None else description,
            encryption=encryption,
        )
        made_id = self._database.write(lambda tx: self._create(tx, origin, path, commit))
        return self._libraries.get(made_id)

    def _on_origin(self, parent: Head, path: str) -> tuple[Head, str]:
        """Return the origin and the path there of a folder, which may be given by a path in a sub-library."""
        shown = self.get(parent.library_id)
        if shown is None:
            return parent, path
        return self._libraries.get(shown.origin_id), paths.join(shown.path, path.strip("/"))

    def _create(self, tx: Transaction, origin: Head, path: str, commit: Commit) -> LibraryId:
        path_hash = paths.path_hash(origin.library_id, path)
        row = tx.execute(_AT_PATH, {"origin": origin.library_id, "hash": path_hash}).one_or_none()
        if row is not None:
            return LibraryId(row.library_id)
        stats = self._trees.stats(origin.store_id, commit.root_id)
        head = new_head(commit, origin.owner_id, origin.owner_email, store_id=origin.library_id)
        sums = {"size_bytes": stats.size_bytes, "file_count": stats.file_count}
        tx.execute(_INSERT_LIBRARY, {**library_row(head), **sums, "organization_id": origin.organization_id})
        shows = {
            "library_id": head.library_id,
            "origin_library_id": origin.library_id,
            "path": path,
            "path_hash": path_hash,
            "base_commit_id": origin.commit_id,
        }
        tx.execute(_INSERT, shows)
        insert_commit(tx, self._libraries.objects, commit)
        now = self._clock.timestamp()
        if tx.execute(_HEAD, {"library": origin.library_id}).scalar() != origin.commit_id:
            tx.execute(_QUEUE, {"library_id": head.library_id, "queued_at": now})
        announce(tx, LIBRARY_CHANGED, head.library_id, {}, now)
        return head.library_id

    # --- keeping in step

    def run_pending(self, limit: int = 100) -> int:
        """Bring up to `limit` sub-libraries that wait for it into step; return how many were.

        One that fails is logged and stays in the queue.
        """
        with self._database.read() as connection:
            waiting = connection.execute(_WAITING, {"limit": limit}).all()
        done = 0
        for library_id, seen in waiting:
            try:
                self.propagate(library_id)
            except SeafleetError:
                _log.warning("sub-library %s could not be brought into step", library_id, exc_info=True)
                continue
            self._finish(library_id, seen)
            done += 1
        return done

    def propagate(self, library_id: str) -> None:
        """Bring one sub-library and its origin into step. Raises HeadMoved when both change all the time."""
        for _ in range(ATTEMPTS):
            shown = self.get(library_id)
            if shown is None:
                return
            try:
                self._step(shown)
            except _Stale:
                continue
            return
        raise HeadMoved(library_id)

    def _finish(self, library_id: str, seen: int) -> None:
        values = {"library": library_id, "seen": seen}
        self._database.write(lambda tx: tx.execute(_DONE, values).rowcount)

    def _step(self, shown: SubLibrary) -> None:
        sub, origin = self._libraries.get(shown.library_id), self._libraries.get(shown.origin_id)
        path = self._present_path(shown, origin)
        if path is None:
            self._drop(shown, origin)
            return
        step = _Step(shown, origin, sub, path)
        orig_id, base_id = self._folder_id(origin, path), self._base_id(shown)
        if sub.root_id == orig_id:
            self._advance(step)
        elif base_id == sub.root_id:
            self._to_sub(step, orig_id, (), advance=True)
        elif base_id == orig_id:
            self._to_origin(step, orig_id, sub.root_id, ())
        else:
            self._merge(step, base_id, orig_id)
        self._follow_name(step)

    def _merge(self, step: _Step, base_id: ObjectId, orig_id: ObjectId) -> None:
        merged = self._merged(step, base_id, orig_id)
        in_origin = merged.root_id == orig_id
        if merged.root_id != step.sub.root_id:
            self._to_sub(step, merged.root_id, merged.objects, advance=in_origin)
        if not in_origin:
            self._to_origin(step, orig_id, merged.root_id, merged.objects)

    def _merged(self, step: _Step, base_id: ObjectId, orig_id: ObjectId) -> MergeResult:
        naming = ConflictNaming(self._creator(step.sub).email, self._clock.now(), self._libraries.time_zone)
        source = self._trees.source(step.origin.store_id)
        return three_way(source, base_id, orig_id, step.sub.root_id, naming=naming)

    def _to_sub(
        self, step: _Step, root_id: ObjectId, objects: Sequence[StoredObject], *, advance: bool
    ) -> None:
        """Give the sub-library another root."""
        author = self._creator(step.origin)

        def task(work: Workspace) -> None:
            old_root = work.head.root_id
            if work.head.commit_id != step.sub.commit_id:
                raise _Stale
            work.quota_exempt = True
            work.add_objects(objects)
            work.set_root(root_id)
            text = describe_merge(diff_trees(work.source, old_root, root_id))
            effects = effects_between(work, old_root, root_id, ignores_locks=True)
            work.add(work.make_commit(author, root_id, text), author, (effects,))
            if advance:
                work.also(lambda tx: _advance(tx, step, step.origin.commit_id))

        self._libraries.run_task(step.sub.library_id, task)

    def _to_origin(
        self, step: _Step, orig_id: ObjectId, root_id: ObjectId, objects: Sequence[StoredObject]
    ) -> None:
        """Give the origin another folder at the path."""
        author = self._creator(step.sub)

        def task(work: Workspace) -> None:
            entry = work.editor.get(step.path)
            if entry is None or not entry.is_dir or entry.id != orig_id:
                raise _Stale
            work.quota_exempt = True
            work.add_objects(objects)
            work.editor.put(paths.split(step.path)[0], entry.replace(id=root_id), replace=True)
            text = describe_merge(diff_trees(work.source, orig_id, root_id))
            effects = effects_between(work, orig_id, root_id, under=step.path, ignores_locks=True)
            work.commit_edits(author, text, [effects])
            work.also(lambda tx: _advance(tx, step, work.head.commit_id))

        self._libraries.run_task(step.origin.library_id, task)

    def _advance(self, step: _Step) -> None:
        """Note that both sides are equal now."""
        if (step.shown.base_commit_id, step.shown.path) != (step.origin.commit_id, step.path):
            self._database.write(lambda tx: _advance(tx, step, step.origin.commit_id))

    def _follow_name(self, step: _Step) -> None:
        """Give the library the new name of its folder."""
        name = paths.split(step.path)[1]
        if name not in (paths.split(step.shown.path)[1], step.sub.name):
            self._libraries.rename(step.sub.library_id, self._creator(step.origin), name=name)

    def _drop(self, shown: SubLibrary, origin: Head) -> None:
        """Remove a sub-library whose folder is gone."""

        def work(tx: Transaction) -> None:
            if tx.execute(_HEAD, {"library": origin.library_id}).scalar() != origin.commit_id:
                raise _Stale
            drop_sub_library(tx, shown.library_id, self._clock.timestamp())

        self._database.write(work)

    # --- parts

    def _present_path(self, shown: SubLibrary, origin: Head) -> str | None:
        """Return where the folder stands in the origin's head, wherever commits have moved it."""
        if self._is_folder(origin, origin.root_id, shown.path):
            return shown.path
        path: str | None = shown.path
        for newer, older in reversed(list(pairwise(self._commits_since(shown, origin)))):
            if path is not None and not self._is_folder(origin, newer.root_id, path):
                path = self._moved_to(origin, older, newer, path)
        return path

    def _commits_since(self, shown: SubLibrary, origin: Head) -> list[HistoryEntry]:
        """Return the origin's heads back to the base, newest first."""
        found = []
        for entry in islice(self._history.heads(origin.library_id, origin.commit_id), _COMMITS_FOLLOWED):
            found.append(entry)
            if entry.commit_id == shown.base_commit_id:
                break
        return found

    def _moved_to(self, origin: Head, older: HistoryEntry, newer: HistoryEntry, path: str) -> str | None:
        source = self._trees.source(origin.store_id)
        for change in diff_trees(source, older.root_id, newer.root_id):
            if change.status is Status.RENAMED_DIR and paths.is_inside(path, change.path):
                assert change.new_path is not None
                return paths.rebase(path, change.path, change.new_path)
        return None

    def _is_folder(self, origin: Head, root_id: ObjectId, path: str) -> bool:
        entry = self._trees.find(origin.store_id, root_id, path)
        return entry is not None and entry.is_dir

    def _folder_id(self, origin: Head, path: str) -> ObjectId:
        entry = self._trees.find(origin.store_id, origin.root_id, path)
        assert entry is not None
        return entry.id

    def _base_id(self, shown: SubLibrary) -> ObjectId:
        """Return the folder at which both sides were equal; an empty one, which loses nothing, if unknown."""
        try:
            commit = self._libraries.commits.get(shown.origin_id, shown.base_commit_id)
        except CommitNotFound:
            return ZERO_ID
        entry = self._trees.find(shown.origin_id, commit.root_id, shown.path)
        return ZERO_ID if entry is None else entry.id

    def _creator(self, head: Head) -> Author:
        commit = self._libraries.commits.get(head.library_id, head.commit_id)
        return Author(commit.creator_name or head.last_modifier)


def _advance(tx: Transaction, step: _Step, base_id: ObjectId) -> None:
    """Write the commit at which both sides are equal, and the path; only on what was compared."""
    values = {
        "library": step.shown.library_id,
        "old_base": step.shown.base_commit_id,
        "base": base_id,
        "new_path": step.path,
        "hash": paths.path_hash(step.shown.origin_id, step.path),
    }
    if tx.execute(_ADVANCE, values).rowcount != 1:
        raise _Stale


def _encryption(origin: Head, new_id: LibraryId, password: str | None) -> Encryption | None:
    if origin.encryption is None:
        return None
    if not password:
        raise PasswordRequired(origin.library_id)
    return for_sub_library(origin.encryption, origin.library_id, new_id, password)


def _of_row(row: Row[*tuple[Any, ...]]) -> SubLibrary:
    return SubLibrary(
        LibraryId(row.library_id),
        LibraryId(row.origin_library_id),
        row.path,
        ObjectId(row.base_commit_id),
    )
