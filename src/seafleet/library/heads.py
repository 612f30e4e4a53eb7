"""The one transaction that moves a head.

Objects, commits, the head itself (by compare-and-set), sums, records and whatever refers to paths change
together or not at all. Nothing else in the program writes `library.head_commit_id` of a library that exists.

Source: storage format §10, §11; merging §3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import bindparam, insert, or_, select, update

from seafleet.db.engine import Transaction, upsert
from seafleet.db.prepared import Prepared, insertion
from seafleet.db.tables import (
    activity,
    audit_event,
    commit_index,
    library,
    sub_library,
    sub_library_pending,
)
from seafleet.errors import LibraryNotFound, QuotaExceeded
from seafleet.formats.commit import Commit, encode
from seafleet.library.feed import announce
from seafleet.library.locks import read_locks, require_unlocked
from seafleet.library.model import Activity, Author, Effects, Head, PendingObject
from seafleet.library.relocation import forget_locks, relocate
from seafleet.library.rows import head_columns, identity_columns, index_row, read_usage
from seafleet.library.trees import StoredObject
from seafleet.store.contract import Kind
from seafleet.store.objects import ObjectStore
from seafleet.text import storable

__all__ = [
    "HEAD_CHANGED",
    "Authored",
    "Head",
    "HeadMove",
    "HeadTaken",
    "announce",
    "insert_commit",
    "move_head",
    "record_activity",
]

HEAD_CHANGED: Final = "head"
"""The kind of the rows of `change_feed` that tell of a moved head; the payload names the commit."""

_detail: Final = msgspec.json.Encoder(enc_hook=str)
_library = library.c
_MOVE: Final = Prepared(
    update(library)
    .where(_library.id == bindparam("library"), _library.head_commit_id == bindparam("expected"))
    .values(
        size_bytes=_library.size_bytes + bindparam("size_delta"),
        file_count=_library.file_count + bindparam("file_delta"),
        head_commit_id=bindparam("head_commit_id"),
        root_id=bindparam("root_id"),
        updated_at=bindparam("updated_at"),
        last_modifier=bindparam("last_modifier"),
    )
)
_IDENTITY: Final = update(library).where(_library.id == bindparam("library"))
_EXISTS: Final = select(_library.id).where(_library.id == bindparam("library"))
_INDEX: Final = Prepared(
    insertion(upsert(commit_index), commit_index).on_conflict_do_nothing(
        index_elements=[commit_index.c.library_id, commit_index.c.commit_id]
    )
)
_ACTIVITY: Final = Prepared(insertion(insert(activity), activity, "id"))
_AUDIT: Final = Prepared(insertion(insert(audit_event), audit_event, "id"))
_AUDITED: Final = 20
"""So many changes of one commit are named in the audit log; the commit tells the rest."""

AUDIT_TAG: Final = "library:commit:created"
_now = bindparam("now", type_=sub_library_pending.c.queued_at.type)
_involved = or_(
    sub_library.c.origin_library_id == bindparam("library"), sub_library.c.library_id == bindparam("library")
)
_QUEUE: Final = Prepared(
    upsert(sub_library_pending)
    .from_select(["library_id", "queued_at"], select(sub_library.c.library_id, _now).where(_involved))
    .on_conflict_do_update(
        index_elements=[sub_library_pending.c.library_id],
        # A value that differs from the one a worker has seen, even within the same second.
        set_={"queued_at": sub_library_pending.c.queued_at + 1},
    )
)


class HeadTaken(Exception):
    """Another process moved the head first: read it again and start over."""


@dataclass(frozen=True, slots=True)
class Authored:
    """What one author's edits, written as one commit, mean beyond the tree."""

    commit: Commit
    author: Author
    effects: tuple[Effects, ...] = ()

    @property
    def taken_away(self) -> Iterable[str]:
        """Every path whose content is no longer there as it was."""
        return (path for effect in self.effects for path in effect.taken_away)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadMove:
    """A chain of commits on top of a head, and everything that has to be stored for them.

    `before` is the head as it was read, `after` as it is to be; commits are in order, oldest first.
    `quota_bytes` is the owner's, None for no limit. `guards` look whether objects that are relied on are
    still there.
    """

    before: Head
    after: Head
    authored: Sequence[Authored]
    older_commits: Sequence[Commit] = ()
    objects: Sequence[StoredObject] = ()
    pending: Sequence[PendingObject] = ()
    size_delta: int = 0
    file_delta: int = 0
    quota_bytes: int | None = None
    guards: Sequence[Callable[[Transaction], None]] = ()

    @property
    def library_id(self) -> str:
        """The library whose head moves."""
        return self.before.library_id


def move_head(tx: Transaction, objects: ObjectStore, move: HeadMove, now: int) -> bool:
    """Do all of it, and tell whether sub-libraries have to be brought into step.

    Raises HeadTaken, LibraryNotFound, QuotaExceeded, FileLocked, CollectionRan; then nothing is done.
    """
    _compare_and_set(tx, move)
    _check_quota(tx, move)
    for guard in move.guards:
        guard(tx)
    _check_locks(tx, move, now)
    _store(tx, objects, move)
    _record(tx, move, now)
    _follow_paths(tx, move)
    return _announce(tx, move, now)


def insert_commit(tx: Transaction, objects: ObjectStore, commit: Commit) -> None:
    """Store a commit and index it: for the first commit of a library."""
    objects.insert(tx, commit.library_id, Kind.COMMIT, [(commit.commit_id, encode(commit))])
    tx.run(_INDEX, index_row(commit))


def record_activity(
    tx: Transaction, head: Head, commit_id: str | None, op_user: str, what: Activity, now: int
) -> None:
    """Note one thing that happened to a library."""
    tx.run(_ACTIVITY, _activity_row(head, commit_id, op_user, what, now))


def _compare_and_set(tx: Transaction, move: HeadMove) -> None:
    values = {
        "library": move.library_id,
        "expected": move.before.commit_id,
        "size_delta": move.size_delta,
        "file_delta": move.file_delta,
        **head_columns(move.after),
    }
    if tx.run(_MOVE, values) != 1:
        if tx.execute(_EXISTS, {"library": move.library_id}).one_or_none() is None:
            raise LibraryNotFound(move.library_id)
        raise HeadTaken
    before, after = identity_columns(move.before), identity_columns(move.after)
    if before != after:
        tx.execute(_IDENTITY.values(after), {"library": move.library_id})


def _check_quota(tx: Transaction, move: HeadMove) -> None:
    """Refuse growth beyond the owner's quota. The library's new size is part of the usage already."""
    if move.quota_bytes is None or move.size_delta <= 0:
        return
    usage = read_usage(tx.connection, move.before.owner_id)
    if move.before.is_sub_library:  # counted with its origin, which grows in a moment
        usage += move.size_delta
    if usage >= move.quota_bytes:
        raise QuotaExceeded(move.before.owner_email, move.quota_bytes)


def _check_locks(tx: Transaction, move: HeadMove, now: int) -> None:
    locks = read_locks(tx.connection, move.library_id, now)
    for authored in move.authored:
        require_unlocked(locks, authored.author.holds_locks_as, authored.taken_away)


def _store(tx: Transaction, objects: ObjectStore, move: HeadMove) -> None:
    store_id = move.before.store_id
    commits = [*move.older_commits, *(authored.commit for authored in move.authored)]
    by_kind: dict[Kind, list[StoredObject]] = {Kind.FS: list(move.objects), Kind.BLOCK: []}
    for kind, object_id, data in move.pending:
        by_kind[kind].append((object_id, data))
    for kind, found in by_kind.items():
        if found:
            objects.insert(tx, store_id, kind, dict(found).items())
    # What a client has stored already stays as it wrote it.
    texts = [(commit.commit_id, encode(commit)) for commit in commits]
    objects.insert(tx, move.library_id, Kind.COMMIT, texts)
    tx.run(_INDEX, [index_row(commit) for commit in commits])


def _record(tx: Transaction, move: HeadMove, now: int) -> None:
    rows = [
        _activity_row(move.after, authored.commit.commit_id, authored.author.email, what, now)
        for authored in move.authored
        for effects in authored.effects
        for what in effects.activities
    ]
    if rows:
        tx.run(_ACTIVITY, rows)
    tx.run(_AUDIT, [_audit_row(move.after, authored, now) for authored in move.authored])


def _audit_row(head: Head, authored: Authored, now: int) -> dict[str, object]:
    """Return what the audit log says of a commit: who changed what, from where, with which device."""
    author, commit = authored.author, authored.commit
    what = [f"{each.op_type} {each.path}" for effects in authored.effects for each in effects.activities]
    detail = {"commit_id": commit.commit_id, "description": commit.description, "changes": what[:_AUDITED]}
    return {
        "at": now,
        "tag": AUDIT_TAG,
        "actor": storable(author.email, 255),
        "ip": storable(author.ip, 128),
        "device": storable(author.device_name or "", 255),
        "library_id": head.library_id,
        "path": "/",
        "detail": _detail.encode(detail).decode(),
    }


def _activity_row(
    head: Head, commit_id: str | None, op_user: str, what: Activity, now: int
) -> dict[str, object]:
    return {
        "op_type": what.op_type,
        "obj_type": what.obj_type,
        "library_id": head.library_id,
        "commit_id": commit_id,
        "path": what.path,
        "op_user": op_user,
        "detail": _detail.encode({"repo_name": head.name, **what.detail}).decode(),
        "at": now,
    }


def _follow_paths(tx: Transaction, move: HeadMove) -> None:
    for authored in move.authored:
        for effects in authored.effects:
            forget_locks(tx, move.library_id, effects.removed)
            relocate(tx, move.library_id, effects.moved)


def _announce(tx: Transaction, move: HeadMove, now: int) -> bool:
    announce(tx, HEAD_CHANGED, move.library_id, {"commit_id": move.after.commit_id}, now)
    if move.before.root_id == move.after.root_id:
        return False
    return tx.run(_QUEUE, {"library": move.library_id, "now": now}) > 0
