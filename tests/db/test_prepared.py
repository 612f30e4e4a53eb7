"""Prepared statements: the same rows as SQLAlchemy's own way, and the same promises inside of a write."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import bindparam, case, delete, insert, literal, select, update

from seafleet.db.engine import Database, Transaction, upsert
from seafleet.db.failures import is_unique_violation
from seafleet.db.prepared import Prepared, insertion
from seafleet.db.tables import account, object_, setting
from seafleet.errors import StorageFailure
from tests.db.cells import value_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ADD = Prepared(insertion(insert(setting), setting))
PUT = Prepared(
    insertion(upsert(setting), setting).on_conflict_do_update(
        index_elements=["key"], set_={"value": upsert(setting).excluded.value}
    )
)
ALL = Prepared(select(setting.c.key, setting.c.value).order_by(setting.c.key))
ONE = Prepared(select(setting.c.key, setting.c.value).where(setting.c.key == bindparam("wanted")))
SET = Prepared(update(setting).where(setting.c.key == bindparam("wanted")).values(value=bindparam("new")))


@pytest.fixture
def filled(database: Database) -> Database:
    database.write(lambda tx: tx.run(ADD, [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]))
    return database


@pytest.fixture
def member(database: Database) -> Iterator[str]:
    row = {"email": "ann@example.com", "created_at_us": 0, "is_staff": True}
    database.write(lambda tx: tx.execute(insert(account), row).rowcount)
    yield "ann@example.com"
    database.write(lambda tx: tx.execute(delete(account)).rowcount)


def test_rows_have_named_fields(filled: Database) -> None:
    with filled.read() as connection:
        assert [(row.key, row.value) for row in ALL.all(connection, {})] == [("a", "1"), ("b", "2")]
        assert ONE.first(connection, {"wanted": "b"}) == ("b", "2")
        assert ONE.scalar(connection, {"wanted": "a"}) == "a"


def test_a_row_that_is_not_there_is_none(filled: Database) -> None:
    with filled.read() as connection:
        assert ONE.first(connection, {"wanted": "c"}) is None
        assert ONE.scalar(connection, {"wanted": "c"}) is None


def test_values_are_those_that_sqlalchemy_returns(database: Database, member: str) -> None:
    statement = select(
        account.c.is_staff,
        account.c.is_active,
        account.c.quota_bytes,
        case((account.c.is_staff, "boss"), else_=literal("folk")),
    ).where(account.c.email == bindparam("email"))
    with database.read() as connection:
        plain = connection.execute(statement, {"email": member}).one()
        prepared = Prepared(statement).first(connection, {"email": member})
    assert prepared == tuple(plain) == (True, True, None, "boss")
    assert isinstance(prepared[0], bool)


def test_bytes_come_back_as_they_went_in(database: Database) -> None:
    row = {"store_id": "s", "kind": 1, "object_id": "o", "touched_at": 0, "data": bytes(range(256))}
    database.write(lambda tx: tx.run(Prepared(insertion(insert(object_), object_)), row))
    read = Prepared(select(object_.c.data).where(object_.c.store_id == bindparam("store")))
    with database.read() as connection:
        assert read.scalar(connection, {"store": "s"}) == bytes(range(256))
    database.write(lambda tx: tx.execute(delete(object_)).rowcount)


def test_a_run_tells_how_many_rows_it_met(filled: Database) -> None:
    assert filled.write(lambda tx: tx.run(SET, {"wanted": "a", "new": "9"})) == 1
    assert filled.write(lambda tx: tx.run(SET, {"wanted": "c", "new": "9"})) == 0
    assert value_of(filled, "a") == "9"


def test_an_upsert_replaces_what_is_there(filled: Database) -> None:
    filled.write(lambda tx: tx.run(PUT, [{"key": "a", "value": "7"}, {"key": "z", "value": "8"}]))
    assert (value_of(filled, "a"), value_of(filled, "z")) == ("7", "8")


def test_a_broken_constraint_undoes_the_work(filled: Database) -> None:
    def work(tx: Transaction) -> None:
        tx.run(ADD, {"key": "c", "value": "3"})
        tx.run(ADD, {"key": "a", "value": "3"})

    with pytest.raises((sqlite3.IntegrityError, psycopg.errors.UniqueViolation)):
        filled.write(work)
    assert (value_of(filled, "a"), value_of(filled, "c")) == ("1", None)


def test_a_work_that_goes_on_after_a_failed_run_is_refused_as_a_whole(filled: Database) -> None:
    def careless(tx: Transaction) -> None:
        tx.run(ADD, {"key": "c", "value": "3"})
        try:
            tx.run(ADD, {"key": "a", "value": "3"})
        except (sqlite3.IntegrityError, psycopg.errors.UniqueViolation):
            return

    with pytest.raises((RuntimeError, StorageFailure)):
        filled.write(careless)
    assert value_of(filled, "c") is None


def test_a_key_that_is_taken_is_known_as_such(filled: Database) -> None:
    future = filled.submit(lambda tx: tx.run(ADD, {"key": "a", "value": "3"}))
    error = future.exception()
    assert error is not None
    assert is_unique_violation(error)


def test_lists_of_values_are_not_prepared(database: Database) -> None:
    listed = Prepared(select(setting.c.key).where(setting.c.key.in_(bindparam("keys", expanding=True))))
    with database.read() as connection, pytest.raises(TypeError, match="keys"):
        listed.all(connection, {"keys": ["a"]})
