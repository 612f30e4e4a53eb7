"""The database: reads that cost next to nothing, and writes that are on disk when they return.

A *work* is a function of one `Transaction`. `Database.write` runs it, commits, and returns its result once
the commit is durable. Works behave as if they ran one after another, whichever engine is below: on SQLite
they do, on PostgreSQL transactions are serializable and run again when they get in each other's way. So a
work may run more than once: it does nothing but database work, and returns plain values (never an open
result).

Statements are built once, at module level. `upsert` is a plain function for that reason: what it builds fits
both engines.

Text must not contain NUL (PostgreSQL refuses it, SQLite cuts at it in places) nor lone surrogates; lengths of
`String` columns are enforced by PostgreSQL only. Callers validate both.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Literal, Protocol, TypeVar

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import URL, make_url

from seafleet.db.failures import as_storage_failure
from seafleet.db.migrations import migrate
from seafleet.db.sqlite import SqliteBackend
from seafleet.db.transaction import State, Transaction, Work

__all__ = ["Database", "Transaction", "Work", "WouldBlock", "upsert"]

T = TypeVar("T")

Dialect = Literal["sqlite", "postgresql"]


class WouldBlock(RuntimeError):
    """Somebody was about to wait for the disk on the event loop; nothing has been done."""


class Backend(Protocol):
    """What an engine has to do; `Database` describes the methods of the same names."""

    @property
    def dialect(self) -> Dialect: ...

    def migrating(self) -> AbstractContextManager[Connection]: ...
    def read(self) -> AbstractContextManager[Connection]: ...
    def read_snapshot(self) -> AbstractContextManager[Connection]: ...
    def write(self, work: Work[T]) -> T: ...
    def submit(self, work: Work[T]) -> Future[T]: ...
    def state(self) -> State: ...
    def close(self) -> None: ...


class Database:
    """An open database with an up-to-date schema. Safe to share between threads; not across a fork."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.dialect: Dialect = backend.dialect
        self.read = backend.read
        self.read_snapshot = backend.read_snapshot

    @classmethod
    def open(cls, url: str, *, pool_size: int = 10) -> Database:
        """Open the database at `url`, made or migrated as needed.

        `url` is "sqlite:///path/to/file.db", a bare path, or "postgresql://user:password@host/name".
        `pool_size` limits the connections to PostgreSQL. Raises StorageFailure when it cannot be reached,
        SchemaTooNew for a database of a later version of this program.
        """
        backend = _backend(_parse(url), pool_size)
        try:
            with backend.migrating() as connection:
                migrate(connection)
        except BaseException as error:
            backend.close()
            if (failure := as_storage_failure(error)) is not None:
                raise failure from error
            raise
        return cls(backend)

    def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction and return its result after the commit is on disk.

        Errors of the work undo it and fly on. Raises StorageFailure when the commit failed: then nothing is
        reported as done, though after a power cut or a lost connection it may turn out to be. Raises
        WouldBlock on the event loop.
        """
        self._check_write()
        if _in_event_loop():
            raise WouldBlock("from the event loop, await asyncio.wrap_future(submit(work))")
        return self._backend.write(work)

    def submit(self, work: Work[T]) -> Future[T]:
        """Do the same without waiting, for the event loop."""
        self._check_write()
        return self._backend.submit(work)

    def upsert(self, table: Table) -> postgresql.Insert:
        """Return `upsert(table)`, for those who hold a database only."""
        return upsert(table)

    def close(self) -> None:
        """Finish the writes that wait, then close every connection. Further use raises StorageFailure."""
        self._backend.close()

    def _check_write(self) -> None:
        state = self._backend.state()
        if state is not State.FREE:
            raise RuntimeError(state.value)


def upsert(table: Table) -> postgresql.Insert:
    """Return an INSERT with `on_conflict_do_update` and `on_conflict_do_nothing`, for both engines.

    Both engines read the same clause, and SQLAlchemy's PostgreSQL form of it renders on both. Name the
    conflicting columns by `index_elements`; constraints by name exist on PostgreSQL only.
    """
    return postgresql.insert(table)


def _parse(url: str) -> URL:
    return make_url(url) if "://" in url else URL.create("sqlite", database=url)


def _backend(url: URL, pool_size: int) -> Backend:
    if url.drivername in ("sqlite", "sqlite+pysqlite"):
        return SqliteBackend(url)
    if url.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        from seafleet.db.postgresql import PostgresqlBackend  # noqa: PLC0415 - its driver is large

        return PostgresqlBackend(url.set(drivername="postgresql+psycopg"), pool_size)
    raise ValueError(f"not a supported database: {url.drivername}")


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
