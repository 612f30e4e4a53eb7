"""What is particular to PostgreSQL: lost connections, collisions, limits of the pool, stricter types."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import delete, insert
from sqlalchemy.exc import DataError, IntegrityError

from seafleet.db import postgresql
from seafleet.db.engine import Database
from seafleet.db.postgresql import UNIQUE_TRIES, OutcomeUnknown
from seafleet.db.tables import account, setting
from seafleet.errors import StorageFailure
from tests.db.cells import COUNT, INSERT, SWAP, insertion, value_in, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seafleet.db.engine import Transaction
    from tests.support.postgresql import PostgresqlServer


@pytest.fixture(scope="module")
def url(postgresql_server: PostgresqlServer) -> Iterator[str]:
    with postgresql_server.database() as url:
        yield url


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = Database.open(url, pool_size=3)
    database.write(lambda tx: tx.execute(delete(setting)).rowcount)
    yield database
    database.close()


@pytest.fixture
def administrator(url: str, database: Database) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


def backends(administrator: psycopg.Connection) -> list[int]:
    query = """
        SELECT pid FROM pg_stat_activity
        WHERE application_name = 'seafleet' AND datname = current_database()
    """
    return [row[0] for row in administrator.execute(query)]


def end_backends(administrator: psycopg.Connection) -> None:
    """End every session of the server under test, and wait until they are gone."""
    for pid in backends(administrator):
        administrator.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


def end_own_backend(tx: Transaction) -> None:
    tx.connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")


# --- lost connections ----------------------------------------------------------------------------------


def test_connections_that_were_lost_while_idle_are_replaced_unnoticed(
    database: Database, administrator: psycopg.Connection
) -> None:
    database.write(insertion("a"))
    end_backends(administrator)
    assert value_of(database, "a") == "1"
    end_backends(administrator)
    database.write(insertion("b"))


def test_a_connection_that_is_lost_during_a_read_is_a_storage_failure_and_then_replaced(
    database: Database, administrator: psycopg.Connection
) -> None:
    def read_on() -> None:
        with database.read() as connection:
            end_backends(administrator)
            value_in(connection, "a")

    with pytest.raises(StorageFailure):
        read_on()
    assert value_of(database, "a") is None


def test_a_work_whose_connection_is_lost_before_the_commit_runs_again(database: Database) -> None:
    runs: list[int] = []

    def work(tx: Transaction) -> None:
        runs.append(1)
        tx.execute(INSERT, {"key": "a", "value": str(len(runs))})
        if len(runs) == 1:
            end_own_backend(tx)

    database.write(work)
    assert value_of(database, "a") == "2"


def test_a_work_that_always_loses_its_connection_is_a_storage_failure(database: Database) -> None:
    with pytest.raises(StorageFailure):
        database.write(end_own_backend)
    assert value_of(database, "a") is None


def test_a_work_whose_connection_is_lost_during_the_commit_does_not_run_again(
    database: Database, administrator: psycopg.Connection
) -> None:
    administrator.execute("""
        CREATE FUNCTION give_up() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER give_up AFTER INSERT ON setting
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION give_up();
    """)
    runs: list[int] = []

    def work(tx: Transaction) -> None:
        runs.append(1)
        tx.execute(INSERT, {"key": "a", "value": "1"})

    with pytest.raises(OutcomeUnknown):
        database.write(work)
    assert runs == [1]
    administrator.execute("DROP FUNCTION give_up CASCADE")


def test_a_server_out_of_reach_is_a_storage_failure() -> None:
    with pytest.raises(StorageFailure):
        Database.open("postgresql://nobody@/nowhere?host=/nonexistent")


# --- collisions ----------------------------------------------------------------------------------


def test_a_work_that_collides_runs_again_on_the_new_state(database: Database) -> None:
    database.write(insertion("n", "0"))
    runs: list[str | None] = []

    def work(tx: Transaction) -> None:
        old = value_in(tx.connection, "n")
        if not runs:  # another one commits between the look and the change
            with ThreadPoolExecutor(1) as pool:
                pool.submit(database.write, lambda other: change(other, "0", "5")).result()
        runs.append(old)
        change(tx, old, f"{old}!")

    def change(tx: Transaction, old: str | None, new: str) -> int:
        return tx.execute(SWAP, {"wanted": "n", "old": old, "new": new}).rowcount

    database.write(work)
    assert (runs, value_of(database, "n")) == (["0", "5"], "5!")


def test_a_work_that_collides_for_ever_is_a_storage_failure(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "RETRY_SECONDS", 0)

    def work(tx: Transaction) -> None:
        raise psycopg.errors.DeadlockDetected

    with pytest.raises(StorageFailure, match="each other"):
        database.write(work)


def test_a_key_that_is_taken_is_tried_a_few_times_as_it_may_be_the_key_of_a_colliding_work(
    database: Database,
) -> None:
    database.write(insertion("a"))
    runs: list[int] = []

    def work(tx: Transaction) -> None:
        runs.append(1)
        tx.execute(INSERT, {"key": "a", "value": "2"})

    with pytest.raises(IntegrityError):
        database.write(work)
    assert len(runs) == UNIQUE_TRIES


def test_an_error_swallowed_past_the_transaction_is_noticed_at_the_commit(database: Database) -> None:
    def work(tx: Transaction) -> None:
        tx.execute(INSERT, {"key": "a", "value": "1"})
        with pytest.raises(psycopg.Error):
            postgresql.raw_connection(tx.connection).execute("SELECT 1/0")

    with pytest.raises(RuntimeError, match="savepoint"):
        database.write(work)


# --- the pool ----------------------------------------------------------------------------------


def test_there_are_never_more_connections_than_the_pool_allows(
    database: Database, administrator: psycopg.Connection
) -> None:
    def job(number: int) -> int:
        with database.read() as connection:
            connection.execute(COUNT).all()
            database.write(insertion(str(number)))  # on the same connection: threads cannot starve each other
            return len(backends_seen_by(connection))

    def backends_seen_by(connection: object) -> list[int]:
        with lock:
            return backends(administrator)

    lock = threading.Lock()
    with ThreadPoolExecutor(12) as pool:
        assert max(pool.map(job, range(36))) == 3


def test_a_pool_that_stays_empty_is_a_storage_failure(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "_POOL_TIMEOUT_SECONDS", 0.01)
    barrier, may_go = threading.Barrier(4), threading.Event()

    def hold() -> None:
        with database.read():
            barrier.wait(10)
            may_go.wait(10)

    with ThreadPoolExecutor(3) as pool:
        holders = [pool.submit(hold) for _ in range(3)]
        barrier.wait(10)
        with pytest.raises(StorageFailure, match="in use"):
            value_of(database, "a")
        may_go.set()
        for holder in holders:
            holder.result()
    assert value_of(database, "a") is None


def test_commits_wait_for_the_disk_even_if_the_server_was_told_not_to(database: Database) -> None:
    with database.read() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "on"


def test_works_are_serializable(database: Database) -> None:
    level = database.write(
        lambda tx: tx.connection.exec_driver_sql("SHOW transaction_isolation").scalar_one()
    )
    assert level == "serializable"


# --- types ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "email", ["nul\0@b.c", "x" * 256, "lone\udc80@b.c"], ids=["nul", "too long", "surrogate"]
)
def test_text_that_callers_should_have_refused_is_refused(database: Database, email: str) -> None:
    row = {"email": email, "created_at_us": 0}
    with pytest.raises((DataError, UnicodeEncodeError)):
        database.write(lambda tx: tx.execute(insert(account), row).rowcount)
