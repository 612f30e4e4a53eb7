"""Group commit for SQLite: one thread takes every waiting work and commits them together.

The file is synced once per batch, so that sixteen callers who wait together pay for one sync, and no two
writers of this process ever compete for SQLite's lock. Outcomes are handed out only after the COMMIT
returned.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, Final, Generic, TypeVar, cast

from sqlalchemy import Connection

from seafleet.db.failures import as_storage_failure
from seafleet.db.transaction import Captured, Transaction, Work, check_unbroken, run_actions
from seafleet.errors import StorageFailure

T = TypeVar("T")

BATCH_LIMIT: Final = 256


class Pending(Generic[T]):
    """A queued work, and where its outcome goes."""

    __slots__ = ("actions", "error", "future", "result", "work")

    def __init__(self, work: Work[T]) -> None:
        self.work = work
        self.future: Future[T] = Future()
        self.result: T | None = None
        self.error: BaseException | None = None
        self.actions: Sequence[Callable[[], None]] = ()

    def run(self, connection: Connection) -> None:
        """Run the work, and keep its result or error."""
        transaction = Transaction(connection)
        with Captured() as captured:
            self.result = self.work(transaction)
            check_unbroken(transaction)
        self.error = captured.error
        self.actions = transaction.take_actions()

    def settle(self) -> None:
        """Hand out the outcome."""
        if self.error is None:
            self.future.set_result(cast(T, self.result))
        else:
            self.future.set_exception(as_storage_failure(self.error) or self.error)


class GroupCommitWriter:
    """Owns the one connection that writes.

    `connect` opens it, again when it broke. `adopt` is told of each new connection, on the writer's thread.
    """

    def __init__(
        self, connect: Callable[[], Connection], adopt: Callable[[Connection], None] = lambda _: None
    ) -> None:
        self._connect = connect
        self._adopt = adopt
        self._connection: Connection | None = None
        self._queue: SimpleQueue[Pending[Any] | None] = SimpleQueue()
        self._lock = threading.Lock()  # nothing may be queued behind the end mark
        self._closed = False
        self._thread: threading.Thread | None = None  # started by the first work

    def submit(self, work: Work[T]) -> Future[T]:
        """Queue `work`; its result comes once the commit is on disk. Raises StorageFailure when closed."""
        pending = Pending(work)
        with self._lock:
            if self._closed:
                raise StorageFailure("the database is closed")
            self._queue.put(pending)
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="db-writer", daemon=True)
                self._thread.start()
        return pending.future

    def close(self) -> None:
        """Commit what is queued, then close the connection and end the thread."""
        with self._lock:
            already, self._closed = self._closed, True
            if not already:
                self._queue.put(None)
        if self._thread is not None:
            self._thread.join()
        self._disconnect()

    def run_batch(self, works: Sequence[Pending[Any]]) -> None:
        """Commit all of `works` in one transaction and settle every one; never raises.

        A work that fails takes back its own changes only. When the transaction itself fails, every work that
        had not failed by itself gets a StorageFailure.
        """
        batch = [pending for pending in works if pending.future.set_running_or_notify_cancel()]
        if not batch:
            return
        with Captured() as captured:
            self._transact(batch)
        if captured.error is not None:
            self._fail(batch, captured.error)
        for pending in batch:
            if pending.error is None:
                run_actions(pending.actions)
            pending.settle()

    def _serve(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first]
            more = self._take_waiting(batch)
            self.run_batch(batch)
            del batch, first  # results may be large, and the next work may be hours away
            if not more:
                return

    def _take_waiting(self, batch: list[Pending[Any]]) -> bool:
        """Fill `batch` with what waits; False when the end mark was among it."""
        while len(batch) < BATCH_LIMIT:
            try:
                pending = self._queue.get_nowait()
            except Empty:
                return True
            if pending is None:
                return False
            batch.append(pending)
        return True

    def _transact(self, batch: Sequence[Pending[Any]]) -> None:
        connection = self._connection or self._reconnect()
        raw = cast(sqlite3.Connection, connection.connection.dbapi_connection)
        raw.execute("BEGIN IMMEDIATE")
        if len(batch) == 1:
            _run_alone(batch[0], connection, raw)
        else:
            for pending in batch:
                _run_in_savepoint(pending, connection, raw)
            raw.execute("COMMIT")

    def _reconnect(self) -> Connection:
        connection = self._connection = self._connect()
        self._adopt(connection)
        return connection

    def _fail(self, batch: Sequence[Pending[Any]], error: BaseException) -> None:
        failure = as_storage_failure(error) or StorageFailure(f"the database failed: {error}")
        failure.__cause__ = error
        for pending in batch:
            pending.error = pending.error or failure
        if not self._roll_back():
            self._disconnect()

    def _roll_back(self) -> bool:
        """Tell whether the connection can go on.

        It should, if at all possible: the commit may have failed while the log was synced, and then its
        frames are complete for whoever opens the file anew, yet not on the disk. This connection knows that
        they do not count, and its next commit overwrites them.
        """
        if self._connection is None:
            return False
        raw = cast(sqlite3.Connection, self._connection.connection.dbapi_connection)
        with Captured() as captured:
            if raw.in_transaction:
                raw.execute("ROLLBACK")
        return captured.error is None

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with Captured():  # a failed connection may fail to close; it is gone either way
                connection.close()


def _run_alone(pending: Pending[Any], connection: Connection, raw: sqlite3.Connection) -> None:
    pending.run(connection)
    if pending.error is None:
        raw.execute("COMMIT")
    elif raw.in_transaction:
        raw.execute("ROLLBACK")


def _run_in_savepoint(pending: Pending[Any], connection: Connection, raw: sqlite3.Connection) -> None:
    raw.execute("SAVEPOINT work")
    pending.run(connection)
    if pending.error is None:
        raw.execute("RELEASE work")
    elif raw.in_transaction:
        raw.execute("ROLLBACK TO work")
        raw.execute("RELEASE work")
    else:  # SQLite rolled back everything by itself, as it does when the disk is full
        raise StorageFailure("the transaction was rolled back by a failure") from pending.error
