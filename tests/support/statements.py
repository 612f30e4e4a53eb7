"""Counts what a database executes, whichever way the statements take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from seafleet.db.prepared import Prepared

if TYPE_CHECKING:
    from seafleet.db.engine import Database


class Statements:
    """Counts the statements of a `with` block."""

    def __init__(self, database: Database) -> None:
        with database.read() as connection:
            self._engine = connection.engine
        self._patch = pytest.MonkeyPatch()
        self.count = 0

    def __enter__(self) -> Statements:
        prepared = Prepared._form

        def noted(statement: Prepared, connection: Any) -> Any:
            self.count += 1
            return prepared(statement, connection)

        self._patch.setattr(Prepared, "_form", noted)
        event.listen(self._engine, "before_cursor_execute", self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.undo()
        event.remove(self._engine, "before_cursor_execute", self._note)

    def _note(self, *_: object) -> None:
        self.count += 1
