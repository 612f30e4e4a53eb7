"""What a driver's error means: a storage failure, a race to run again, or a mistake of the program."""

from __future__ import annotations

import sqlite3
import sys
from typing import TYPE_CHECKING, Final, TypeGuard

from sqlalchemy.exc import DBAPIError, IntegrityError

from seafleet.errors import StorageFailure

if TYPE_CHECKING:
    import psycopg

# SQLite reports mistakes in SQL and limits of single values under these names; everything else that is not a
# broken constraint comes from the disk, another process or the file itself.
_SQLITE_MISTAKES: Final = frozenset(
    {"SQLITE_ERROR", "SQLITE_MISUSE", "SQLITE_TOOBIG", "SQLITE_RANGE", "SQLITE_MISMATCH"}
)

# SQLSTATE classes: connection, resources, operator intervention, system error, configuration, internal error.
_POSTGRESQL_FAILURES: Final = ("08", "53", "57", "58", "F0", "XX")
_POSTGRESQL_ROLLED_BACK: Final = ("40001", "40P01")  # serialization failure, deadlock


def as_storage_failure(error: BaseException | None) -> StorageFailure | None:
    """Return the failure that `error` stands for, or None when the program or its data is to blame."""
    if isinstance(error, StorageFailure):
        return error
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        failed = _is_sqlite_failure(cause)
    else:
        failed = _is_of_psycopg(cause) and _is_postgresql_failure(cause)
    return StorageFailure(f"the database failed: {cause}") if failed else None


def is_serialization_failure(error: BaseException) -> bool:
    """Tell whether PostgreSQL undid a transaction for the sake of another one: running it again helps."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return _is_of_psycopg(cause) and cause.sqlstate in _POSTGRESQL_ROLLED_BACK


def is_unique_violation(error: BaseException) -> bool:
    """Tell whether a row with the same key was there already."""
    cause = error.orig if isinstance(error, IntegrityError) else error
    if _is_of_psycopg(cause):
        return cause.sqlstate == "23505"
    name = getattr(cause, "sqlite_errorname", "")
    return name in ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY")


def _is_sqlite_failure(cause: sqlite3.Error) -> bool:
    if isinstance(cause, (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError)):
        return False
    name: str = getattr(cause, "sqlite_errorname", "")
    return name.startswith("SQLITE_") and name not in _SQLITE_MISTAKES


def _is_of_psycopg(cause: BaseException | None) -> TypeGuard[psycopg.Error]:
    """Tell whether PostgreSQL's driver raised this; a server on SQLite never loads it, which saves 10 MB."""
    driver = sys.modules.get("psycopg")
    return driver is not None and isinstance(cause, driver.Error)


def _is_postgresql_failure(cause: psycopg.Error) -> bool:
    if cause.sqlstate:
        return cause.sqlstate.startswith(_POSTGRESQL_FAILURES)
    driver = sys.modules["psycopg"]
    return isinstance(cause, (driver.OperationalError, driver.InterfaceError))
