"""What a work sees while it runs inside a write."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, CursorResult, Executable
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from seafleet.db.prepared import Prepared

T = TypeVar("T")
Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]

_log = logging.getLogger(__name__)


class Transaction:
    """An open transaction, lent to a work for the length of one call.

    A statement that fails spoils the whole transaction, as PostgreSQL has it: let the error fly. Where a row
    may be there already use `upsert`; where a failure is expected, put the statement into a `savepoint`.
    """

    __slots__ = ("_actions", "connection", "spoiled")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.spoiled = False
        self._actions: list[Callable[[], None]] = []

    def execute(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> CursorResult[*tuple[Any, ...]]:
        """Execute one statement; a sequence of parameters executes it once for each."""
        try:
            return self.connection.execute(statement, parameters)
        except DBAPIError:
            self.spoiled = True
            raise

    def run(self, statement: Prepared, parameters: Parameters) -> int:
        """Execute a prepared statement, for each of a sequence of parameters; return how many rows it met."""
        try:
            return statement.run(self.connection, parameters)
        except BaseException:  # whatever the driver raises
            self.spoiled = True
            raise

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what happened inside the `with` block, no more, when it raises. Catch the error outside."""
        before = self.spoiled
        self.connection.exec_driver_sql("SAVEPOINT part")
        try:
            yield
        except BaseException:
            self.connection.exec_driver_sql("ROLLBACK TO SAVEPOINT part")
            self.connection.exec_driver_sql("RELEASE SAVEPOINT part")
            self.spoiled = before
            raise
        self.connection.exec_driver_sql("RELEASE SAVEPOINT part")

    def after_commit(self, action: Callable[[], None]) -> None:
        """Have `action` run once the commit is durable, before `write` returns; never after a rollback.

        Actions run in the order of their registration and, on SQLite, of the commits, on the thread that
        commits: they must be short and must not write to the database. An error in one is logged and disturbs
        nobody.
        """
        self._actions.append(action)

    def take_actions(self) -> list[Callable[[], None]]:
        """Hand over what is to run after the commit; for the engine."""
        return self._actions


Work = Callable[[Transaction], T]


def check_unbroken(transaction: Transaction) -> None:
    """Raise RuntimeError when a work returned although a statement failed: it would commit half of itself."""
    if transaction.spoiled:
        raise RuntimeError("a work went on after a failed statement; wrap what may fail in savepoint()")


class State(Enum):
    """What a thread is doing; the value says why it may not start a write, and is empty when it may."""

    FREE = ""
    SNAPSHOT = "nothing may be written inside read_snapshot"
    WRITING = (
        "a work or an after-commit action must not write to the database again: use the work's transaction"
    )


class Captured:
    """A `with` block that keeps its error instead of raising it."""

    __slots__ = ("error",)

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def __enter__(self) -> Captured:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.error = error
        return True


def run_actions(actions: Iterable[Callable[[], None]]) -> None:
    """Run every action; errors are logged and go no further, for the commit stands."""
    for action in actions:
        with Captured() as captured:
            action()
        if isinstance(captured.error, KeyboardInterrupt):
            raise captured.error
        if captured.error is not None:
            _log.error("an after-commit action failed", exc_info=captured.error)
