"""Locks on files: who holds one may write the file, nobody else may change, move or remove it.

A lock is held by an account until it is given back or runs out. Renaming, moving or deleting a folder takes
away every file in it, and so asks for all of their locks. A file that a sub-library shows has one lock, that
of its place in the origin.

Source: Web API manual, "Lock File"; files page, "Locks".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, String, bindparam, delete, func, or_, select

from seafleet import paths
from seafleet.clock import Clock
from seafleet.db.engine import Database, Transaction, upsert
from seafleet.db.prepared import Prepared
from seafleet.db.tables import account, file_lock, sub_library
from seafleet.errors import FileLocked
from seafleet.library.feed import mark_locks
from seafleet.library.places import Place, origin_place, shown_places
from seafleet.library.rows import moment, optional_moment, seconds

_lock = file_lock.c
_alive = or_(_lock.expires_at.is_(None), _lock.expires_at > bindparam("now"))
_sub = sub_library.c
_HELD: Final[Select[Any]] = (
    select(_lock.path, _lock.account_id, account.c.email, _lock.locked_at, _lock.expires_at)
    .join(account, account.c.id == _lock.account_id)
    .where(_alive)
)
_here = _sub.library_id == bindparam("library")
_origin = select(_sub.origin_library_id).where(_here).scalar_subquery()
_LOCKS: Final = Prepared(
    _HELD.add_columns(select(_sub.path).where(_here).scalar_subquery().label("top")).where(
        _lock.library_id == func.coalesce(_origin, bindparam("library", type_=String))
    )
)
_ONE: Final = _HELD.where(_lock.library_id == bindparam("library"), _lock.path_hash == bindparam("hash"))
_DROP: Final = delete(file_lock).where(
    _lock.library_id == bindparam("library"), _lock.path_hash == bindparam("hash")
)
_PURGE: Final = (
    delete(file_lock).where(_lock.expires_at <= bindparam("now")).returning(_lock.library_id, _lock.path)
)
_put = upsert(file_lock)
_PUT: Final = _put.on_conflict_do_update(
    index_elements=[_lock.library_id, _lock.path_hash],
    set_={name: _put.excluded[name] for name in ("account_id", "locked_at", "expires_at")},
)


@dataclass(frozen=True, slots=True)
class FileLock:
    """A lock that holds now."""

    path: str
    account_id: int
    holder_email: str
    locked_at: datetime
    expires_at: datetime | None


class Locks:
    """Takes and gives back locks. Whether an account may write at all is decided elsewhere."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def of(self, library_id: str) -> dict[str, FileLock]:
        """Return all locks of a library by path."""
        with self._database.read() as connection:
            return read_locks(connection, library_id, self._clock.timestamp())

    def get(self, library_id: str, path: str) -> FileLock | None:
        """Return the lock on one file, or None."""
        with self._database.read() as connection:
            return self._get(connection, origin_place(connection, library_id, path), path)

    def lock(self, library_id: str, path: str, account_id: int, *, until: datetime | None = None) -> FileLock:
        """Lock a file, for ever or until a time. Raises FileLocked if it is, be it by the same account."""
        return self._database.write(
            lambda tx: self._take(tx, library_id, path, account_id, until, again=False)
        )

    def refresh(
        self, library_id: str, path: str, account_id: int, *, until: datetime | None = None
    ) -> FileLock:
        """Lock a file or prolong the own lock on it. Raises FileLocked when somebody else holds it."""
        return self._database.write(
            lambda tx: self._take(tx, library_id, path, account_id, until, again=True)
        )

    def unlock(self, library_id: str, path: str, account_id: int | None) -> bool:
        """Give a lock back; return False when there was none.

        Raises FileLocked when another account holds it; with None, for those who may break locks, never.
        """

        def work(tx: Transaction) -> bool:
            place = origin_place(tx.connection, library_id, path)
            held = self._get(tx.connection, place, path)
            if held is None:
                return False
            if account_id is not None and held.account_id != account_id:
                raise FileLocked(path, held.holder_email)
            tx.execute(_DROP, _key(place))
            self._tell(tx, place, "unlocked", held.holder_email)
            return True

        return self._database.write(work)

    def purge(self) -> int:
        """Remove the rows of locks that have run out; return how many."""
        now = self._clock.timestamp()

        def work(tx: Transaction) -> int:
            ended = tx.execute(_PURGE, {"now": now}).all()
            for library_id, path in ended:
                self._tell(tx, Place(library_id, path), "unlocked", "")
            return len(ended)

        return self._database.write(work)

    def _take(
        self,
        tx: Transaction,
        library_id: str,
        path: str,
        account_id: int,
        until: datetime | None,
        *,
        again: bool,
    ) -> FileLock:
        place = origin_place(tx.connection, library_id, path)
        held = self._get(tx.connection, place, path)
        if held is not None and not (again and held.account_id == account_id):
            raise FileLocked(path, held.holder_email)
        row = {
            "library_id": place.library_id,
            "path": place.path,
            "path_hash": _key(place)["hash"],
            "account_id": account_id,
            "locked_at": self._clock.timestamp(),
            "expires_at": None if until is None else seconds(until),
        }
        tx.execute(_PUT, row)
        taken = _lock_of(tx.execute(_ONE, {**_key(place), "now": -1}).one(), path)
        self._tell(tx, place, "locked", taken.holder_email)
        return taken

    def _get(self, connection: Connection, place: Place, path: str) -> FileLock | None:
        """Return the lock at a place, which the asker knows as `path`."""
        row = connection.execute(_ONE, {**_key(place), "now": self._clock.timestamp()}).one_or_none()
        return None if row is None else _lock_of(row, path)

    def _tell(self, tx: Transaction, place: Place, event: str, holder: str) -> None:
        """Tell clients of every library that shows a file that it was locked or unlocked."""
        for shown in shown_places(tx.connection, place):
            payload = {"path": shown.path, "change_event": event, "lock_user": holder}
            mark_locks(tx, shown.library_id, payload, self._clock.timestamp())


def read_locks(connection: Connection, library_id: str, now: int) -> dict[str, FileLock]:
    """Return the locks of a library that hold at `now` (Unix seconds), by path."""
    rows = _LOCKS.all(connection, {"library": library_id, "now": now})
    found = {}
    for row in rows:
        path = row.path
        if row.top is not None:  # a sub-library, which shows what lies below
            if not paths.is_inside(path, row.top):
                continue
            path = paths.rebase(path, row.top, paths.ROOT)
        found[path] = _lock_of(row, path)
    return found


def require_unlocked(locks: dict[str, FileLock], email: str, taken_away: Iterable[str]) -> None:
    """Raise FileLocked if any of these paths is, or holds, a file that somebody else has locked."""
    if not locks:
        return
    wanted = set(taken_away)
    for lock in locks.values():
        if lock.holder_email != email and not wanted.isdisjoint(paths.with_parents(lock.path)):
            raise FileLocked(lock.path, lock.holder_email)


def _key(place: Place) -> dict[str, str]:
    return {"library": place.library_id, "hash": paths.path_hash(place.library_id, place.path)}


def _lock_of(row: Any, path: str) -> FileLock:
    return FileLock(path, row.account_id, row.email, moment(row.locked_at), optional_moment(row.expires_at))
