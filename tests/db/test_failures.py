"""Which errors of a driver mean that the storage failed, and which that the program did."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest
from psycopg import errors
from sqlalchemy.exc import IntegrityError, OperationalError

from seafleet.db.failures import as_storage_failure, is_serialization_failure, is_unique_violation
from seafleet.errors import StorageFailure


def sqlite_error(kind: type[sqlite3.Error], name: str) -> sqlite3.Error:
    error = kind(name)
    error.sqlite_errorname = name
    return error


STORAGE = [
    sqlite_error(sqlite3.OperationalError, "SQLITE_FULL"),
    sqlite_error(sqlite3.OperationalError, "SQLITE_IOERR_FSYNC"),
    sqlite_error(sqlite3.OperationalError, "SQLITE_BUSY"),
    sqlite_error(sqlite3.OperationalError, "SQLITE_CANTOPEN"),
    sqlite_error(sqlite3.DatabaseError, "SQLITE_CORRUPT"),
    sqlite_error(sqlite3.DatabaseError, "SQLITE_NOTADB"),
    psycopg.OperationalError("connection refused"),
    errors.AdminShutdown("terminating connection"),
    errors.DiskFull("no space"),
    errors.TooManyConnections("sorry"),
]
OTHERS = [
    sqlite_error(sqlite3.OperationalError, "SQLITE_ERROR"),
    sqlite_error(sqlite3.IntegrityError, "SQLITE_CONSTRAINT_UNIQUE"),
    sqlite_error(sqlite3.DataError, "SQLITE_TOOBIG"),
    sqlite3.ProgrammingError("a closed database"),
    errors.UniqueViolation("taken"),
    errors.UndefinedTable("no such table"),
    errors.SerializationFailure("again"),
    ValueError("not of a database"),
]


@pytest.mark.parametrize("error", STORAGE, ids=repr)
def test_storage_failures_are_recognized(error: Exception) -> None:
    assert isinstance(as_storage_failure(error), StorageFailure)
    assert isinstance(as_storage_failure(OperationalError("SELECT", {}, error)), StorageFailure)


@pytest.mark.parametrize("error", OTHERS, ids=repr)
def test_other_errors_are_left_alone(error: Exception) -> None:
    assert as_storage_failure(error) is None


def test_a_storage_failure_stays_itself() -> None:
    failure = StorageFailure("disk full")
    assert as_storage_failure(failure) is failure


@pytest.mark.parametrize("kind", [errors.SerializationFailure, errors.DeadlockDetected])
def test_transactions_that_were_undone_for_others_may_run_again(kind: type[psycopg.Error]) -> None:
    assert is_serialization_failure(kind("again"))
    assert is_serialization_failure(OperationalError("SELECT", {}, kind("again")))
    assert not is_serialization_failure(OperationalError("SELECT", {}, errors.DiskFull("full")))


def test_taken_keys_are_told_from_other_broken_constraints() -> None:
    taken = [
        errors.UniqueViolation("taken"),
        sqlite_error(sqlite3.IntegrityError, "SQLITE_CONSTRAINT_PRIMARYKEY"),
        sqlite_error(sqlite3.IntegrityError, "SQLITE_CONSTRAINT_UNIQUE"),
    ]
    others = [
        errors.ForeignKeyViolation("orphan"),
        sqlite_error(sqlite3.IntegrityError, "SQLITE_CONSTRAINT_FOREIGNKEY"),
    ]
    assert all(is_unique_violation(IntegrityError("INSERT", {}, error)) for error in taken)
    assert not any(is_unique_violation(IntegrityError("INSERT", {}, error)) for error in others)
