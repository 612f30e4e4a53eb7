"""Deleted libraries: kept with their objects until somebody restores or purges them.

Deleting takes away everything that refers to a library: shares, links, tokens, locks, and its sub-libraries.
Restoring brings back the library alone.

Source: storage format §12, "Deleting a library"; database model §12.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Row, Select, bindparam, delete, insert, select

from seafleet.db.engine import Database, Transaction, upsert
from seafleet.db.tables import account, commit_index, garbage_library, library, library_trash, sub_library
from seafleet.errors import AccountNotFound, LibraryNotFound
from seafleet.ids import LibraryId, ObjectId
from seafleet.library.heads import announce, record_activity
from seafleet.library.model import Activity, Author, Head
from seafleet.library.rows import library_row, moment, read_head, read_owned
from seafleet.store.objects import ObjectStore

LIBRARY_CHANGED: Final = "library"
"""The kind of the rows of `change_feed` that tell of libraries made, deleted, restored or given away."""

_AnyRow = Row[*tuple[Any, ...]]
_trash = library_trash.c
_TRASHED: Final[Select[*tuple[Any, ...]]] = select(library_trash).order_by(
    _trash.deleted_at.desc(), _trash.library_id
)
_ONE: Final = _TRASHED.where(_trash.library_id == bindparam("library"))
_OF_OWNER: Final = _TRASHED.where(_trash.owner_id == bindparam("owner"))
_OLDER: Final = _TRASHED.where(_trash.deleted_at < bindparam("before"))
_TO_TRASH: Final = insert(library_trash)
_FROM_TRASH: Final = delete(library_trash).where(_trash.library_id == bindparam("library"))
_DELETE: Final = delete(library).where(library.c.id == bindparam("library"))
_INSERT: Final = insert(library)
_SUBS: Final = select(sub_library.c.library_id).where(sub_library.c.origin_library_id == bindparam("library"))
_GARBAGE: Final = upsert(garbage_library).on_conflict_do_nothing(
    index_elements=[garbage_library.c.library_id]
)
_UNINDEX: Final = delete(commit_index).where(commit_index.c.library_id == bindparam("library"))
_OWNER_EXISTS: Final = select(account.c.id).where(account.c.id == bindparam("account"))


@dataclass(frozen=True, slots=True)
class DeletedLibrary:
    """A library that can be restored. `owner_id` is None when the account is gone."""

    library_id: LibraryId
    store_id: LibraryId
    name: str
    owner_id: int | None
    owner_email: str
    organization_id: int
    commit_id: ObjectId
    size_bytes: int
    encrypted: bool
    deleted_at: datetime


class LibraryBin:
    """Deletes, restores and purges libraries."""

    def __init__(self, database: Database, objects: ObjectStore) -> None:
        self._database = database
        self._clock = objects.clock

    def delete(self, library_id: str, author: Author) -> None:
        """Put a library into the bin; a sub-library is gone. Raises LibraryNotFound."""
        self._database.write(lambda tx: self._delete(tx, library_id, author))

    def delete_all_of(self, tx: Transaction, owner_id: int, author: Author) -> None:
        """Put everything that an account owns into the bin, in the transaction that ends the account."""
        for head in read_owned(tx.connection, owner_id):
            if not head.is_sub_library:  # those go with their origins
                self._delete(tx, head.library_id, author)

    def list(self, owner_id: int | None = None) -> list[DeletedLibrary]:
        """Return what was deleted, by anybody or of one owner, newest first."""
        statement, values = (_TRASHED, {}) if owner_id is None else (_OF_OWNER, {"owner": owner_id})
        with self._database.read() as connection:
            return [_deleted(row) for row in connection.execute(statement, values)]

    def get(self, library_id: str) -> DeletedLibrary:
        """Return a deleted library. Raises LibraryNotFound."""
        with self._database.read() as connection:
            row = connection.execute(_ONE, {"library": library_id}).one_or_none()
        if row is None:
            raise LibraryNotFound(library_id)
        return _deleted(row)

    def restore(self, library_id: str, owner_id: int | None = None) -> None:
        """Put a library back, for its owner or another account. Raises LibraryNotFound, AccountNotFound."""
        self._database.write(lambda tx: self._restore(tx, library_id, owner_id))

    def purge(self, library_id: str) -> None:
        """Give a deleted library up; collection removes its objects. Raises LibraryNotFound."""
        self._database.write(lambda tx: self._purge(tx, _row(tx, library_id)))

    def purge_older(self, before: datetime) -> int:
        """Give up what was deleted before a time; return how many libraries."""
        with self._database.read() as connection:
            found = connection.execute(_OLDER, {"before": int(before.timestamp())}).all()
        for row in found:
            self._database.write(partial(self._purge, row=row))
        return len(found)

    def _delete(self, tx: Transaction, library_id: str, author: Author) -> None:
        head = read_head(tx.connection, library_id)
        if head is None:
            raise LibraryNotFound(library_id)
        now = self._clock.timestamp()
        for sub_id in tx.execute(_SUBS, {"library": library_id}).scalars().all():
            drop_sub_library(tx, sub_id, now)
        record_activity(tx, head, head.commit_id, author.email, Activity("delete", "repo", "/"), now)
        if head.is_sub_library:
            drop_sub_library(tx, library_id, now)
            return
        tx.execute(_DELETE, {"library": library_id})
        tx.execute(_TO_TRASH, _trash_row(head, now))
        announce(tx, LIBRARY_CHANGED, library_id, {"deleted": True}, now)

    def _restore(self, tx: Transaction, library_id: str, owner_id: int | None) -> None:
        row = _row(tx, library_id)
        owner = row.owner_id if owner_id is None else owner_id
        if owner is None or tx.execute(_OWNER_EXISTS, {"account": owner}).one_or_none() is None:
            raise AccountNotFound(owner or row.owner_email)
        tx.execute(_INSERT, {**json.loads(row.row), "owner_id": owner})
        tx.execute(_FROM_TRASH, {"library": library_id})
        now = self._clock.timestamp()
        head = read_head(tx.connection, library_id)
        assert head is not None
        record_activity(tx, head, head.commit_id, head.owner_email, Activity("recover", "repo", "/"), now)
        announce(tx, LIBRARY_CHANGED, library_id, {}, now)

    @staticmethod
    def _purge(tx: Transaction, row: _AnyRow) -> None:
        tx.execute(_FROM_TRASH, {"library": row.library_id})
        _give_up(tx, row.library_id, row.store_id)


def drop_sub_library(tx: Transaction, library_id: str, now: int) -> None:
    """Remove a sub-library and everything that refers to it; what it shows stays with its origin."""
    tx.execute(_DELETE, {"library": library_id})
    # Only commits lie under its own id.
    _give_up(tx, library_id, library_id)
    announce(tx, LIBRARY_CHANGED, library_id, {"deleted": True}, now)


def _give_up(tx: Transaction, library_id: str, store_id: str) -> None:
    tx.execute(_UNINDEX, {"library": library_id})
    tx.execute(_GARBAGE, {"library_id": library_id, "store_id": store_id})


def _row(tx: Transaction, library_id: str) -> _AnyRow:
    row = tx.execute(_ONE, {"library": library_id}).one_or_none()
    if row is None:
        raise LibraryNotFound(library_id)
    return row


def _trash_row(head: Head, now: int) -> dict[str, object]:
    return {
        "library_id": head.library_id,
        "store_id": head.store_id,
        "name": head.name,
        "owner_id": head.owner_id,
        "owner_email": head.owner_email,
        "organization_id": head.organization_id,
        "head_commit_id": head.commit_id,
        "size_bytes": head.size_bytes,
        "encrypted": head.encrypted,
        "deleted_at": now,
        "row": json.dumps(library_row(head)),
    }


def _deleted(row: _AnyRow) -> DeletedLibrary:
    return DeletedLibrary(
        library_id=LibraryId(row.library_id),
        store_id=LibraryId(row.store_id),
        name=row.name,
        owner_id=row.owner_id,
        owner_email=row.owner_email,
        organization_id=row.organization_id,
        commit_id=ObjectId(row.head_commit_id),
        size_bytes=row.size_bytes,
        encrypted=row.encrypted,
        deleted_at=moment(row.deleted_at),
    )
