"""Statements that run for every request: compiled once, and run on the driver's own cursor.

SQLAlchemy spends about 25 µs on each execution of a statement that it has compiled before, SQLite about 5 µs
on an indexed read. That is worth saving where one request runs a dozen of them; everything else runs
statements the plain way. The statement stays what it was, and so do its results: named fields, booleans
instead of numbers.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from sqlalchemy import Boolean, Connection, Insert, Integer, LargeBinary, String, Table, bindparam
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

if TYPE_CHECKING:
    from sqlalchemy import ClauseElement
    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.compiler import SQLCompiler

I = TypeVar("I", bound=Insert)  # noqa: E741 - an insert

# Values of these go to both drivers as they are.
_PLAIN_TYPES: Final = (Boolean, Integer, String, LargeBinary)
_NAMED: Final = SQLiteDialect_pysqlite(paramstyle="named")

Parameters = Mapping[str, Any]


class Prepared:
    """One statement. Its parameters are named, single values of plain types; no lists.

    Errors are the driver's own. Only `Transaction.run` may run what writes.
    """

    __slots__ = ("_forms", "_statement")

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        self._forms: dict[str, _Form] = {}

    def first(self, connection: Connection, parameters: Parameters) -> Any | None:
        """Return the first row as a named tuple, None when there is none."""
        form = self._form(connection)
        rows = form.execute(connection, parameters).fetchall()
        return form.to_row(rows[0]) if rows else None

    def all(self, connection: Connection, parameters: Parameters) -> list[Any]:
        """Return every row as a named tuple."""
        form = self._form(connection)
        return list(map(form.to_row, form.execute(connection, parameters).fetchall()))

    def scalar(self, connection: Connection, parameters: Parameters) -> Any:
        """Return the first field of the first row, None when there is none."""
        row = self.first(connection, parameters)
        return None if row is None else row[0]

    def run(self, connection: Connection, parameters: Parameters | Sequence[Parameters]) -> int:
        """Execute the statement, or execute it for each of several parameters; return how many rows it met.

        For `Transaction.run`.
        """
        form = self._form(connection)
        if isinstance(parameters, Mapping):
            return cast(int, form.execute(connection, parameters).rowcount)
        cursor = driver_connection(connection).cursor()
        try:
            cursor.executemany(form.text, [form.completed(each) for each in parameters])
            return cast(int, cursor.rowcount)
        finally:
            cursor.close()

    def _form(self, connection: Connection) -> _Form:
        dialect = connection.dialect
        form = self._forms.get(dialect.name)
        if form is None:
            form = self._forms[dialect.name] = _Form(self._statement, dialect)
        return form


class _Form:
    """A statement as one driver takes it, and how to read its rows."""

    __slots__ = ("_fixed", "text", "to_row")

    def __init__(self, statement: ClauseElement, dialect: Dialect) -> None:
        compiled = cast(
            "SQLCompiler", statement.compile(dialect=_NAMED if dialect.name == "sqlite" else dialect)
        )
        _check_types(compiled)
        self.text = str(compiled)
        self._fixed = {
            name: bind.effective_value for bind, name in compiled.bind_names.items() if not bind.required
        }
        columns = getattr(statement, "exported_columns", ())
        self.to_row = _reader([(column.key, column.type) for column in columns], dialect)

    def execute(self, connection: Connection, parameters: Parameters) -> Any:
        """Return the driver's cursor."""
        return driver_connection(connection).execute(self.text, self.completed(parameters))

    def completed(self, parameters: Parameters) -> Parameters:
        """Return the parameters with the values that stand in the statement itself."""
        return {**self._fixed, **parameters} if self._fixed else parameters


def insertion(insert: I, table: Table, *left_out: str) -> I:
    """Return an insert of all columns of a table but those that the database fills by itself."""
    names = [column.name for column in table.columns if column.name not in left_out]
    named: dict[str, Any] = {name: bindparam(name) for name in names}
    return insert.values(named).inline()


def driver_connection(connection: Connection) -> Any:
    """Return the driver's own connection: of sqlite3 or of psycopg."""
    return connection.connection.dbapi_connection


def _check_types(compiled: SQLCompiler) -> None:
    for bind in compiled.binds.values():
        if bind.expanding or not isinstance(bind.type, _PLAIN_TYPES):
            raise TypeError(f"parameter {bind.key} of type {bind.type!r} cannot be prepared")


def _reader(columns: Sequence[tuple[str, Any]], dialect: Dialect) -> Callable[[Sequence[Any]], Any]:
    row_type = namedtuple("Row", [key for key, _ in columns], rename=True)  # type: ignore[misc]
    make = cast("Callable[[Sequence[Any]], Any]", row_type._make)
    found = [type_.dialect_impl(dialect).result_processor(dialect, None) for _, type_ in columns]
    processors = [(index, processor) for index, processor in enumerate(found) if processor is not None]
    if not processors:
        return make

    def read(row: Sequence[Any]) -> Any:
        values = list(row)
        for index, processor in processors:
            values[index] = processor(values[index])
        return make(values)

    return read
