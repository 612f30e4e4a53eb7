"""PostgreSQL: a bounded pool, reads in autocommit, serializable transactions that run again on collision."""

from __future__ import annotations

import random
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any, Final, Literal, TypeVar, cast

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, NullPool, create_engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from seafleet.db.failures import as_storage_failure, is_serialization_failure, is_unique_violation
from seafleet.db.transaction import Captured, State, Transaction, Work, check_unbroken, run_actions
from seafleet.errors import StorageFailure

T = TypeVar("T")

RETRY_SECONDS: Final = 20.0
"""How long a work is run again after serialization failures and deadlocks."""

UNIQUE_TRIES: Final = 3
"""How often a work runs that meets a row with its key: the first time, the row may be another transaction's,
which this one could not see; the next time it does see it."""

_CONNECT_TRIES: Final = 2
_LONGEST_PAUSE_SECONDS: Final = 0.1
_POOL_TIMEOUT_SECONDS: Final = 30.0
_SUBMIT_THREADS: Final = 8
_MIGRATION_LOCK: Final = 0x5EAF1EE7

_CONNECT: Final = {
    "connect_timeout": 10,
    "keepalives_idle": 60,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "application_name": "seafleet",
}
# Writes say READ WRITE, so that nothing is written by accident outside of a work. A commit has to be on disk
# when it returns: a server that is set up otherwise is overruled (other settings of it, such as remote_apply,
# stay).
_PREPARE: Final = """
    SELECT set_config('default_transaction_read_only', 'on', false),
           CASE WHEN current_setting('synchronous_commit') = 'off'
                THEN set_config('synchronous_commit', 'on', false) END
"""
_BEGIN_WRITE: Final = "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE"
_BEGIN_SNAPSHOT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_BEGIN_MIGRATION: Final = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"

RawConnection = psycopg.Connection[Any]


class PostgresqlBackend:
    """One database of a PostgreSQL server. A thread never holds more than one connection."""

    dialect: Literal["postgresql"] = "postgresql"

    def __init__(self, url: URL, pool_size: int) -> None:
        self._pool = Pool(url, pool_size)
        self._local = threading.local()
        self._executor = ThreadPoolExecutor(min(_SUBMIT_THREADS, pool_size), thread_name_prefix="db-writer")

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """Lend a connection inside a transaction that locks out other migrations; commits at the end."""
        with self._lease() as connection:
            raw = raw_connection(connection)
            raw.execute(_BEGIN_MIGRATION)
            try:
                raw.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
                yield connection
                raw.execute("COMMIT")
            finally:
                _roll_back(raw)

    def read(self) -> AbstractContextManager[Connection]:
        """Lend a connection in autocommit mode, the same one to whoever reads inside."""
        return self._lease()

    def read_snapshot(self) -> AbstractContextManager[Connection]:
        """Lend a connection inside one read-only, repeatable-read transaction."""
        return self._lease().snapshot()

    def write(self, work: Work[T]) -> T:
        """Run `work` in a serializable transaction, again as long as others get in its way."""
        return self._lease().write(work)

    def submit(self, work: Work[T]) -> Future[T]:
        """Do the same on a thread of a small pool."""
        try:
            return self._executor.submit(self.write, work)
        except RuntimeError as error:
            raise StorageFailure("the database is closed") from error

    def state(self) -> State:
        """Tell what this thread is doing."""
        return self._lease().state

    def close(self) -> None:
        """Finish what was submitted, close every idle connection, and the others after their use."""
        self._executor.shutdown(wait=True)
        self._pool.close()

    def _lease(self) -> Lease:
        try:
            return cast(Lease, self._local.lease)
        except AttributeError:
            lease = self._local.lease = Lease(self._pool)
            return lease


class Pool:
    """At most `size` connections; the one that was used last is lent first."""

    def __init__(self, url: URL, size: int) -> None:
        self._engine = create_engine(
            url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            query_cache_size=2000,
            connect_args={key: value for key, value in _CONNECT.items() if key not in url.query},
        )
        self._idle: deque[Connection] = deque()
        self._slots = threading.BoundedSemaphore(size)
        self._closed = False

    def take(self) -> Connection:
        """Lend a connection. Raises StorageFailure when none is to be had."""
        if self._closed:
            raise StorageFailure("the database is closed")
        if not self._slots.acquire(timeout=_POOL_TIMEOUT_SECONDS):
            raise StorageFailure("every database connection has been in use for too long")
        try:
            return self._idle_connection() or self._connect()
        except BaseException:
            self._slots.release()
            raise

    def give_back(self, connection: Connection, *, broken: bool = False) -> None:
        """Take a connection back, and drop it unless it is good for further use."""
        if broken or self._closed or not _is_idle(connection):
            _close(connection)
        else:
            self._idle.append(connection)
        self._slots.release()

    def close(self) -> None:
        """Close what is idle; the rest closes when it is given back."""
        self._closed = True
        while self._idle:
            _close(self._idle.pop())

    def _idle_connection(self) -> Connection | None:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if not _was_hung_up(connection):
                return connection
            _close(connection)

    def _connect(self) -> Connection:
        try:
            connection = self._engine.connect()
            raw_connection(connection).execute(_PREPARE)
        except (DBAPIError, psycopg.Error) as error:
            raise as_storage_failure(error) or error from error
        return connection


class Lease:
    """A thread's share of the pool. Entering it twice lends the same connection."""

    __slots__ = ("_connection", "_depth", "_pool", "state")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._connection: Connection | None = None
        self._depth = 0
        self.state = State.FREE

    def __enter__(self) -> Connection:
        connection = self._connection
        if connection is None:
            connection = self._connection = self._pool.take()
        self._depth += 1
        return connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        failure = as_storage_failure(error)
        if self._depth == 0 and self._connection is not None:
            connection, self._connection = self._connection, None
            self._pool.give_back(connection, broken=failure is not None)
        if failure is not None and failure is not error and self.state is not State.WRITING:
            raise failure from error

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Lend the connection inside a read transaction: every statement sees the same state."""
        with self as connection:
            if self.state is not State.FREE:
                yield connection
                return
            raw = raw_connection(connection)
            raw.execute(_BEGIN_SNAPSHOT)
            try:
                with self._in_state(State.SNAPSHOT):
                    yield connection
            finally:
                _roll_back(raw)

    def write(self, work: Work[T]) -> T:
        """Run `work` until it commits or fails by itself."""
        attempts = Attempts(may_reconnect=self._depth == 0)
        while True:
            with Captured() as captured, self._in_state(State.WRITING), self as connection:
                result, actions = _transact(connection, work)
            if captured.error is None:
                break
            attempts.pause_after(captured.error)
        with self._in_state(State.WRITING):
            run_actions(actions)
        return result

    @contextmanager
    def _in_state(self, state: State) -> Iterator[None]:
        before, self.state = self.state, state
        try:
            yield
        finally:
            self.state = before


class OutcomeUnknown(StorageFailure):
    """The server or the connection failed during the commit: it may have happened."""


class Attempts:
    """Decides whether a failed work runs again, and waits a little before it does."""

    def __init__(self, *, may_reconnect: bool) -> None:
        self._deadline = time.monotonic() + RETRY_SECONDS
        self._pause_seconds = 0.001
        self._unique_tries = UNIQUE_TRIES
        self._connect_tries = _CONNECT_TRIES if may_reconnect else 1

    def pause_after(self, error: BaseException) -> None:
        """Return when the work shall run again; raise what the caller shall see otherwise."""
        if is_serialization_failure(error):
            again = time.monotonic() < self._deadline
            time.sleep(random.uniform(0, self._pause_seconds) if again else 0)
            self._pause_seconds = min(self._pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
        elif is_unique_violation(error):
            self._unique_tries -= 1
            again = self._unique_tries > 0
        else:
            self._connect_tries -= 1
            again = self._connect_tries > 0 and _is_broken_connection(error)
        if again:
            return
        if is_serialization_failure(error):
            raise StorageFailure("too many transactions get in each other's way") from error
        failure = as_storage_failure(error)
        if failure is None or failure is error:
            raise error
        raise failure from error


def _transact(connection: Connection, work: Work[T]) -> tuple[T, list[Callable[[], None]]]:
    raw = raw_connection(connection)
    raw.execute(_BEGIN_WRITE)
    transaction = Transaction(connection)
    try:
        result = work(transaction)
        check_unbroken(transaction)
    except BaseException:
        _roll_back(raw)
        raise
    _commit(raw)
    return result, transaction.take_actions()


def _commit(raw: RawConnection) -> None:
    try:
        status = raw.execute("COMMIT").statusmessage
    except psycopg.Error as error:
        if as_storage_failure(error) is None:  # the server's word: it did not commit
            raise
        raise OutcomeUnknown(f"the database failed during a commit: {error}") from error
    if status != "COMMIT":  # PostgreSQL answers ROLLBACK, and no error, to the commit of a failed transaction
        raise RuntimeError("a work went on after a failed statement; wrap what may fail in savepoint()")


def _roll_back(raw: RawConnection) -> None:
    if not raw.closed and raw.info.transaction_status != TransactionStatus.IDLE:
        with Captured():  # a connection that cannot even roll back is dropped when it is given back
            raw.execute("ROLLBACK")


def _is_broken_connection(error: BaseException) -> bool:
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    return isinstance(error, psycopg.OperationalError) and error.sqlstate is None


def _is_idle(connection: Connection) -> bool:
    if connection.invalidated:
        return False
    raw = raw_connection(connection)
    return not raw.closed and raw.info.transaction_status == TransactionStatus.IDLE


def _was_hung_up(connection: Connection) -> bool:
    """Tell whether the server closed an idle connection: it has nothing to say otherwise."""
    raw = raw_connection(connection)
    if raw.closed:
        return True
    poll = select.poll()
    poll.register(raw.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _close(connection: Connection) -> None:
    with Captured():  # a broken connection may fail to close; it is gone either way
        connection.close()


def raw_connection(connection: Connection) -> RawConnection:
    """Return the driver's own connection."""
    return cast(RawConnection, connection.connection.dbapi_connection)
