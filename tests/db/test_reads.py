"""What every engine promises of reads."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import DBAPIError

from tests.db.cells import INSERT, Refusal, insertion, swap, value_in, value_of

if TYPE_CHECKING:
    from seafleet.db.engine import Database, Transaction


def test_a_read_inside_a_read_uses_the_same_connection(database: Database) -> None:
    with database.read() as outer, database.read() as inner:
        assert inner is outer
    database.write(insertion("a"))
    assert value_of(database, "a") == "1"


def test_a_read_inside_a_work_sees_the_transaction(database: Database) -> None:
    def work(tx: Transaction) -> str | None:
        tx.execute(INSERT, {"key": "a", "value": "1"})
        return value_of(database, "a")

    assert database.write(work) == "1"


def test_reads_in_one_block_see_what_others_commit_meanwhile(database: Database) -> None:
    with database.read() as connection:
        assert value_in(connection, "a") is None
        in_another_thread(database, "a")
        assert value_in(connection, "a") == "1"


def test_a_snapshot_sees_one_state_throughout(database: Database) -> None:
    database.write(insertion("a"))
    with database.read_snapshot() as connection:
        assert value_in(connection, "a") == "1"
        in_another_thread(database, "b")
        assert value_in(connection, "b") is None
        assert value_of(database, "b") is None
    assert value_of(database, "b") == "1"


def test_a_snapshot_inside_a_snapshot_or_a_read_is_the_same_connection(database: Database) -> None:
    with database.read() as outer, database.read_snapshot() as middle, database.read_snapshot() as inner:
        assert outer is middle
        assert middle is inner
    with database.read() as connection:
        database.write(insertion("a"))
        assert value_in(connection, "a") == "1"


def test_a_snapshot_ends_when_its_block_raises(database: Database) -> None:
    def fail_inside() -> None:
        with database.read_snapshot() as connection:
            assert value_in(connection, "a") is None
            raise Refusal

    with pytest.raises(Refusal):
        fail_inside()
    database.write(insertion("a"))
    assert value_of(database, "a") == "1"


def test_a_read_connection_refuses_to_write(database: Database) -> None:
    with database.read() as connection, pytest.raises(DBAPIError):
        connection.execute(INSERT, {"key": "a", "value": "1"})
    assert value_of(database, "a") is None


def test_a_read_connection_is_usable_after_a_failed_statement(database: Database) -> None:
    with pytest.raises(DBAPIError), database.read() as connection:
        connection.exec_driver_sql("SELECT nothing FROM nowhere")
    assert value_of(database, "a") is None


def test_a_write_inside_a_read_block_is_allowed(database: Database) -> None:
    with database.read() as connection:
        database.write(insertion("a"))
        assert swap(database, "a", "1", "2")
        assert value_in(connection, "a") == "2"


def in_another_thread(database: Database, key: str) -> None:
    thread = threading.Thread(target=database.write, args=(insertion(key),))
    thread.start()
    thread.join()
