"""Rows of the table `library` as values, and the statements that read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Column, Connection, Row, Select, String, and_, bindparam, func, or_, select

from seafleet.db.prepared import Prepared
from seafleet.db.tables import account, commit_index, library
from seafleet.formats.commit import Commit, Encryption
from seafleet.ids import LibraryId, ObjectId
from seafleet.library.model import Head, LibraryStatus

_AnyRow = Row[*tuple[Any, ...]]

_HEADS: Final[Select[*tuple[Any, ...]]] = select(*library.c, account.c.email.label("owner_email")).join(
    account, account.c.id == library.c.owner_id
)
_BY_ID: Final = Prepared(_HEADS.where(library.c.id == bindparam("library")))
_BY_IDS: Final = _HEADS.where(library.c.id.in_(bindparam("libraries", expanding=True)))
_BY_OWNER: Final = _HEADS.where(library.c.owner_id == bindparam("owner")).order_by(
    library.c.updated_at.desc(), library.c.id
)
_BY_STORE: Final = _HEADS.where(library.c.store_id == bindparam("store")).order_by(library.c.id)
_PAGE: Final = (
    _HEADS.where(
        library.c.id == library.c.store_id,
        or_(
            library.c.updated_at < bindparam("updated_at"),
            and_(library.c.updated_at == bindparam("updated_at"), library.c.id > bindparam("after")),
        ),
    )
    .order_by(library.c.updated_at.desc(), library.c.id)
    .limit(500)
)
_USAGE: Final = Prepared(
    select(func.coalesce(func.sum(library.c.size_bytes), 0)).where(
        library.c.owner_id == bindparam("owner"), library.c.id == library.c.store_id
    )
)
_IDS_AT_ONCE: Final = 500
_NEVER: Final = 1 << 62
_FIRST_SECOND: Final = 0
_LAST_SECOND: Final = 253_402_300_799  # the year 9999


def moment(seconds: int) -> datetime:
    """Return a time of the database, which counts whole seconds, as a time of the domain.

    Clients may date a commit as they like; what no calendar has becomes the first or last moment.
    """
    return datetime.fromtimestamp(min(max(seconds, _FIRST_SECOND), _LAST_SECOND), UTC)


def optional_moment(seconds: int | None) -> datetime | None:
    """Return the same of a column that may be empty."""
    return None if seconds is None else moment(seconds)


def seconds(time: datetime) -> int:
    """Return a time of the domain as whole Unix seconds."""
    return int(time.timestamp())


def read_head(connection: Connection, library_id: str) -> Head | None:
    """Return a library, damaged or not, or None."""
    row = _BY_ID.first(connection, {"library": library_id})
    return None if row is None else _head(row)


def read_heads(connection: Connection, library_ids: Iterable[str]) -> dict[LibraryId, Head]:
    """Return those libraries that exist, by their ids."""
    wanted = list(library_ids)
    found: dict[LibraryId, Head] = {}
    for start in range(0, len(wanted), _IDS_AT_ONCE):
        batch = wanted[start : start + _IDS_AT_ONCE]
        rows = connection.execute(_BY_IDS, {"libraries": batch})
        found.update((head.library_id, head) for head in map(_head, rows))
    return found


def read_owned(connection: Connection, owner_id: int) -> list[Head]:
    """Return what an account owns, sub-libraries included, newest change first."""
    return [_head(row) for row in connection.execute(_BY_OWNER, {"owner": owner_id})]


def read_sharing_store(connection: Connection, store_id: str) -> list[Head]:
    """Return a library and all its sub-libraries."""
    return [_head(row) for row in connection.execute(_BY_STORE, {"store": store_id})]


def iter_all(connection: Connection) -> Iterator[Head]:
    """Yield all libraries but sub-libraries, newest change first, a portion at a time."""
    after = {"updated_at": _NEVER, "after": ""}
    while rows := connection.execute(_PAGE, after).all():
        yield from map(_head, rows)
        after = {"updated_at": rows[-1].updated_at, "after": rows[-1].id}


def read_usage(connection: Connection, owner_id: int) -> int:
    """Return how many bytes the libraries of an account hold; sub-libraries are part of their origins."""
    return int(_USAGE.scalar(connection, {"owner": owner_id}))


def _head(row: _AnyRow) -> Head:
    return Head(
        library_id=LibraryId(row.id),
        store_id=LibraryId(row.store_id),
        commit_id=ObjectId(row.head_commit_id),
        root_id=ObjectId(row.root_id),
        name=row.name,
        description=row.description,
        owner_id=row.owner_id,
        owner_email=row.owner_email,
        organization_id=row.organization_id,
        created_at=moment(row.created_at),
        updated_at=moment(row.updated_at),
        last_modifier=row.last_modifier,
        size_bytes=row.size_bytes,
        file_count=row.file_count,
        version=row.version,
        status=LibraryStatus(row.status),
        is_damaged=row.is_damaged,
        generation=row.generation,
        encryption=_encryption(row) if row.encrypted else None,
        history_limit_days=row.history_limit_days,
        valid_since=optional_moment(row.valid_since),
    )


def _encryption(row: _AnyRow) -> Encryption:
    return Encryption(
        enc_version=row.enc_version,
        magic=row.magic or None,
        random_key=row.random_key or None,
        salt=row.salt or None,
        pwd_hash=row.pwd_hash or None,
        pwd_hash_algo=row.pwd_hash_algo or None,
        pwd_hash_params=row.pwd_hash_params or None,
    )


def library_row(head: Head) -> dict[str, object]:
    """Return the columns of a library."""
    return {
        "id": head.library_id,
        "store_id": head.store_id,
        "owner_id": head.owner_id,
        "organization_id": head.organization_id,
        "created_at": seconds(head.created_at),
        "size_bytes": head.size_bytes,
        "file_count": head.file_count,
        "version": head.version,
        "status": head.status.value,
        "is_damaged": head.is_damaged,
        "generation": head.generation,
        "history_limit_days": head.history_limit_days,
        "valid_since": None if head.valid_since is None else seconds(head.valid_since),
        **head_columns(head),
        **identity_columns(head),
    }


def head_columns(head: Head) -> dict[str, object]:
    """Return the columns that every commit changes, but for the sums."""
    return {
        "head_commit_id": head.commit_id,
        "root_id": head.root_id,
        "updated_at": seconds(head.updated_at),
        "last_modifier": _fitted(head.last_modifier, _width(library.c.last_modifier)),
    }


def identity_columns(head: Head) -> dict[str, object]:
    """Return the columns that only few commits change: name, description, encryption."""
    return {
        "name": head.name,
        "description": head.description,
        "encrypted": head.encryption is not None,
        **_encryption_columns(head.encryption or Encryption(0)),
    }


def _encryption_columns(encryption: Encryption) -> dict[str, object]:
    return {
        "enc_version": encryption.enc_version,
        "magic": encryption.magic or "",
        "random_key": encryption.random_key or "",
        "salt": encryption.salt or "",
        "pwd_hash": encryption.pwd_hash or "",
        "pwd_hash_algo": encryption.pwd_hash_algo or "",
        "pwd_hash_params": encryption.pwd_hash_params or "",
    }


def index_row(commit: Commit) -> dict[str, object]:
    """Return the columns of `commit_index`; texts of clients are cut to what the table takes."""
    return {
        "library_id": commit.library_id,
        "commit_id": commit.commit_id,
        "parent_id": commit.parent_id,
        "second_parent_id": commit.second_parent_id,
        "root_id": commit.root_id,
        "creator_name": _fitted(commit.creator_name or "", _width(commit_index.c.creator_name)),
        "description": _fitted(commit.description, None),
        "ctime": commit.ctime,
        "device_name": _optional(commit.device_name, _width(commit_index.c.device_name)),
        "client_version": _optional(commit.client_version, _width(commit_index.c.client_version)),
        "new_merge": commit.new_merge,
        "conflict": commit.conflict,
    }


def _width(column: Column[Any]) -> int | None:
    return column.type.length if isinstance(column.type, String) else None


def _optional(text: str | None, length: int | None) -> str | None:
    return None if text is None else _fitted(text, length)


def _fitted(text: str, length: int | None) -> str:
    """Return text as a database takes it: without NUL, and no longer than the column."""
    return text.replace("\0", "")[:length]
