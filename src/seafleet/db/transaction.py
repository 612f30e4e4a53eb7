"""What a work sees while it runs inside a write."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

from sqlalchemy import Connection, CursorResult, Executable

T = TypeVar("T")
Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]

_log = logging.getLogger(__name__)


class Transaction:
    """An open transaction, lent to a work for the length of one call.

    After a statement has failed only rolling back is left (PostgreSQL insists on it): let the error fly, and
    avoid it beforehand with `upsert(...)` where a row may be there already.
    """

    __slots__ = ("_actions", "connection")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._actions: list[Callable[[], None]] = []

    def execute(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> CursorResult[*tuple[Any, ...]]:
        """Execute one statement; a sequence of parameters executes it once for each."""
        return self.connection.execute(statement, parameters)

    def after_commit(self, action: Callable[[], None]) -> None:
        """Have `action` run once the commit is durable, before `write` returns; never after a rollback.

        Actions run in the order of their registration and, on SQLite, of the commits, on the thread that
        commits: they must be short and must not write to the database. An error in one is logged and disturbs
        nobody.
        """
        self._actions.append(action)

    def take_actions(self) -> Sequence[Callable[[], None]]:
        """Hand over what is to run after the commit; for the engine."""
        return self._actions


Work = Callable[[Transaction], T]


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
        if captured.error is not None:
            _log.error("an after-commit action failed", exc_info=captured.error)
