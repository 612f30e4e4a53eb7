"""SQLite: kept read connections, and one writer connection behind a queue."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, TypeVar, cast
from weakref import WeakSet

from sqlalchemy import Connection, NullPool, create_engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from seafleet.db.failures import as_storage_failure
from seafleet.db.transaction import State, Work
from seafleet.db.writer import GroupCommitWriter
from seafleet.errors import StorageFailure

T = TypeVar("T")

BUSY_TIMEOUT_SECONDS: Final = 10.0
_WAL_RETRY_SECONDS: Final = 0.01
_LOG_PIECE_BYTES: Final = 1 << 20

_EVERY_CONNECTION: Final = (
    "PRAGMA synchronous=FULL",  # a commit returns after the log is on the disk
    "PRAGMA fullfsync=ON",  # macOS: past the drive's own cache; no effect elsewhere
    "PRAGMA checkpoint_fullfsync=ON",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
)
_WRITER: Final = (
    "PRAGMA cache_size=-16384",  # KiB
    "PRAGMA wal_autocheckpoint=2000",  # pages
    "PRAGMA journal_size_limit=67108864",  # bytes: a log that grew under a long reader shrinks again
)
_READER: Final = (
    "PRAGMA cache_size=-2048",
    "PRAGMA query_only=ON",
)


class SqliteBackend:
    """One file in WAL mode. Readers never wait for the writer, nor the writer for them."""

    dialect: Literal["sqlite"] = "sqlite"

    def __init__(self, url: URL, *, renew: Callable[[], None] | None = None) -> None:
        """`renew` replaces `renew_log` where the log is no plain file."""
        if not url.database or url.database == ":memory:" or url.query.get("mode") == "memory":
            raise ValueError("SQLite needs a file: several connections share it")
        path = Path(url.database).absolute()
        is_plain = not url.query.get("uri")
        if is_plain:
            create_durably(path)
        plain_renew = partial(renew_log, path.with_name(path.name + "-wal"))
        self._renew_log = renew or (plain_renew if is_plain else lambda: None)
        self._engine = create_engine(
            url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            query_cache_size=2000,
            connect_args={
                "timeout": BUSY_TIMEOUT_SECONDS,
                "check_same_thread": False,
                "cached_statements": 512,
            },
        )
        self._local = threading.local()
        self._leases: WeakSet[ReadLease] = WeakSet()
        self._leases_lock = threading.Lock()
        self._closed = False
        self._writer = GroupCommitWriter(self.connect_writer, self._adopt_writer)

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """Lend a connection inside a transaction that locks out other writers; commits at the end."""
        with closing(self.connect_writer()) as connection:
            raw = raw_connection(connection)
            _use_wal(raw)
            raw.execute("BEGIN IMMEDIATE")
            yield connection
            raw.execute("COMMIT")

    def read(self) -> AbstractContextManager[Connection]:
        """Lend this thread's read connection."""
        return self._lease()

    def read_snapshot(self) -> AbstractContextManager[Connection]:
        """Lend this thread's read connection inside one read transaction."""
        return self._lease().snapshot()

    def write(self, work: Work[T]) -> T:
        """Queue `work` and wait until it is committed."""
        return self._writer.submit(work).result()

    def submit(self, work: Work[T]) -> Future[T]:
        """Queue `work`."""
        return self._writer.submit(work)

    def state(self) -> State:
        """Tell what this thread is doing."""
        lease: ReadLease | None = getattr(self._local, "lease", None)
        return lease.state if lease is not None else State.FREE

    def close(self) -> None:
        """Commit what is queued, close every idle connection, and the others after their use."""
        self._closed = True
        with self._leases_lock:
            leases = list(self._leases)
        for lease in leases:
            lease.retire()
        self._writer.close()  # last: the last connection empties the log into the file
        self._engine.dispose()

    def _connect(self, *pragmas: str) -> Connection:
        try:
            connection = self._engine.connect()
        except DBAPIError as error:
            raise as_storage_failure(error) or error from error
        try:
            for pragma in pragmas:
                raw_connection(connection).execute(pragma)
        except sqlite3.Error as error:
            connection.close()
            raise as_storage_failure(error) or error from error
        return connection

    def connect_writer(self) -> Connection:
        """Open a connection that writes. Its user begins and ends transactions by hand."""
        connection = self._connect(*_EVERY_CONNECTION, *_WRITER)
        raw = raw_connection(connection)
        try:
            raw.execute("BEGIN IMMEDIATE")
            self._renew_log()
            raw.execute("ROLLBACK")
        except (OSError, sqlite3.Error) as error:
            connection.close()
            raise as_storage_failure(error) or StorageFailure(
                f"the log cannot be written: {error}"
            ) from error
        return connection

    def _connect_reader(self) -> Connection:
        return self._connect(*_EVERY_CONNECTION, *_READER)

    def _adopt_writer(self, connection: Connection) -> None:
        """Make reads inside a work see the transaction itself; called on the writer's thread."""
        self._local.lease = ReadLease(lambda: connection, State.WRITING)

    def _lease(self) -> ReadLease:
        try:
            lease: ReadLease = self._local.lease
        except AttributeError:
            lease = self._local.lease = ReadLease(self._connect_reader)
            with self._leases_lock:
                self._leases.add(lease)
        if self._closed and lease.state is not State.WRITING:
            raise StorageFailure("the database is closed")
        return lease


class ReadLease:
    """One thread's kept connection, lent again and again. Entering it twice lends the same connection."""

    __slots__ = ("__weakref__", "_connect", "_connection", "_depth", "_retired", "state")

    def __init__(self, connect: Callable[[], Connection], state: State = State.FREE) -> None:
        self._connect = connect
        self._connection: Connection | None = None
        self._depth = 0
        self._retired = False
        self.state = state

    def __enter__(self) -> Connection:
        # The order matters: `retire` sets its mark before it looks at the depth, from another thread.
        self._depth += 1
        if self._retired:
            self._depth -= 1
            raise StorageFailure("the database is closed")
        connection = self._connection
        if connection is None:
            connection = self._open()
        return connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if error is not None and self.state is not State.WRITING and (failure := as_storage_failure(error)):
            self._drop()
            raise failure from error
        if self._retired and self._depth == 0:
            self._drop()

    def __del__(self) -> None:
        if self.state is not State.WRITING:
            self._drop()

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Lend the connection inside a read transaction: every statement sees the same state."""
        with self as connection:
            if self.state is not State.FREE:
                yield connection
                return
            raw = raw_connection(connection)
            raw.execute("BEGIN")
            self.state = State.SNAPSHOT
            try:
                yield connection
            finally:
                self.state = State.FREE
                if raw.in_transaction:
                    raw.execute("ROLLBACK")

    def retire(self) -> None:
        """Close the connection, now or when the thread that uses it is done with it."""
        self._retired = True
        if self._depth == 0:
            self._drop()

    def _open(self) -> Connection:
        try:
            self._connection = self._connect()
        except BaseException:
            self._depth -= 1
            raise
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def raw_connection(connection: Connection) -> sqlite3.Connection:
    """Return the driver's own connection."""
    return cast(sqlite3.Connection, connection.connection.dbapi_connection)


def create_durably(path: Path) -> None:
    """Create an empty file, readable by its owner alone, and its folders; all of them survive a power cut.

    A file that is there is not touched: closing a descriptor of it would drop the locks of this very process.
    """
    missing = [folder for folder in path.parents if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return
    for folder in {path.parent, *(folder.parent for folder in missing)}:
        _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _use_wal(raw: sqlite3.Connection) -> None:
    """Switch the file to a write-ahead log. SQLite itself does not wait here for others who do the same."""
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while not _try_wal(raw):
        if time.monotonic() > deadline:
            raise StorageFailure("the database is locked by another process")
        time.sleep(_WAL_RETRY_SECONDS)


def _try_wal(raw: sqlite3.Connection) -> bool:
    """Tell whether it worked; False when the file is in use. Raises StorageFailure when it never will."""
    try:
        mode = raw.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname.startswith("SQLITE_BUSY"):
            return False
        raise
    if mode != "wal":
        raise StorageFailure("this file system cannot hold a SQLite database in WAL mode")
    return True


def renew_log(path: Path) -> None:
    """Write the log at `path` once more, as it reads, and sync it; the caller keeps others from writing it.

    If a sync failed before the database was opened anew, the system may show parts of the log that are not on
    the disk, and later syncs will not save them: commits that follow them in the log would be lost with them.
    """
    if not path.exists():
        return
    with path.open("r+b", buffering=0) as log:
        while data := log.read(_LOG_PIECE_BYTES):
            log.seek(-len(data), os.SEEK_CUR)
            log.write(data)
        os.fsync(log.fileno())
