"""What every engine promises of writes: all or nothing, on disk when they return, as if one after another."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from seafleet.db.engine import Database, Transaction, WouldBlock
from seafleet.db.tables import account, account_option, object_, setting
from seafleet.errors import StorageFailure
from tests.db.cells import (
    COUNT,
    INSERT,
    INSERT_UNLESS_PRESENT,
    UPSERT,
    Refusal,
    failing_insertion,
    increment,
    insertion,
    swap,
    value_in,
    value_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def account_row(email: str) -> dict[str, object]:
    return {"email": email, "created_at_us": 0}


def test_a_committed_write_is_read_at_once(database: Database) -> None:
    assert database.write(insertion("a")) == "a"
    assert value_of(database, "a") == "1"


def test_a_committed_write_is_there_after_reopening(database_url: str) -> None:
    first = Database.open(database_url)
    first.write(insertion("a"))
    first.close()
    second = Database.open(database_url)
    assert value_of(second, "a") == "1"
    second.close()


def test_an_error_of_the_work_undoes_it_and_reaches_the_caller(database: Database) -> None:
    with pytest.raises(Refusal):
        database.write(failing_insertion("a"))
    assert value_of(database, "a") is None


def test_one_failing_work_takes_nothing_from_the_others(database: Database) -> None:
    works = [failing_insertion(str(n)) if n % 5 == 3 else insertion(str(n)) for n in range(40)]
    futures = [database.submit(work) for work in works]
    failed = [str(n) for n, future in enumerate(futures) if future.exception() is not None]
    with database.read() as connection:
        present = set(connection.execute(COUNT).scalars())
    assert failed == [str(n) for n in range(3, 40, 5)]
    assert present == {str(n) for n in range(40)} - set(failed)


def test_a_broken_constraint_reaches_the_caller(database: Database) -> None:
    database.write(insertion("a"))
    with pytest.raises(IntegrityError):
        database.write(insertion("a", "2"))
    assert value_of(database, "a") == "1"


def test_a_work_that_goes_on_after_a_failed_statement_is_refused_as_a_whole(database: Database) -> None:
    database.write(insertion("a"))

    def careless(tx: Transaction) -> None:
        tx.execute(INSERT, {"key": "b", "value": "1"})
        with pytest.raises(IntegrityError):
            tx.execute(INSERT, {"key": "a", "value": "1"})

    with pytest.raises(RuntimeError, match="savepoint"):
        database.write(careless)
    assert value_of(database, "b") is None


def test_a_savepoint_undoes_a_failed_part_only(database: Database) -> None:
    database.write(insertion("a"))

    def failing_part(tx: Transaction) -> None:
        with tx.savepoint():
            tx.execute(INSERT, {"key": "c", "value": "1"})
            tx.execute(INSERT, {"key": "a", "value": "1"})

    def careful(tx: Transaction) -> None:
        tx.execute(INSERT, {"key": "b", "value": "1"})
        with pytest.raises(IntegrityError):
            failing_part(tx)
        with tx.savepoint():
            tx.execute(INSERT, {"key": "d", "value": "1"})

    database.write(careful)
    assert [value_of(database, key) for key in "bcd"] == ["1", None, "1"]


def test_an_upsert_inserts_updates_or_leaves_alone(database: Database) -> None:
    for statement, value in ((UPSERT, "1"), (UPSERT, "2"), (INSERT_UNLESS_PRESENT, "3")):
        row = {"key": "a", "value": value}
        database.write(lambda tx, statement=statement, row=row: tx.execute(statement, row).rowcount)  # type: ignore[misc]
    assert value_of(database, "a") == "2"


def test_foreign_keys_are_enforced_and_cascade(database: Database) -> None:
    def orphan(tx: Transaction) -> None:
        tx.execute(insert(account_option), {"account_id": 10**9, "key": "k", "value": "v"})

    def owned(tx: Transaction) -> int:
        key = tx.execute(insert(account).returning(account.c.id), account_row("a@b.c")).scalar_one()
        tx.execute(insert(account_option), {"account_id": key, "key": "k", "value": "v"})
        return int(key)

    with pytest.raises(IntegrityError):
        database.write(orphan)
    number = database.write(owned)
    database.write(lambda tx: tx.execute(delete(account).where(account.c.id == number)).rowcount)
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(account_option)).scalar_one() == 0


def test_large_binary_values_come_back_as_they_went(database: Database) -> None:
    blob = bytes(range(256)) * 16 * 1024  # 4 MiB
    row = {"store_id": "s", "kind": 2, "object_id": "b" * 40, "touched_at": 0, "data": blob}
    database.write(lambda tx: tx.execute(insert(object_), row).rowcount)
    with database.read() as connection:
        found = connection.execute(select(object_.c.data)).scalar_one()
    database.write(lambda tx: tx.execute(delete(object_)).rowcount)
    assert found == blob
    assert type(found) is bytes


@pytest.mark.parametrize(
    "text", ["", "ä€𝄞", "\u202eabc", "line\nbreak\ttab\x01", "%(a)s :b ? '\"\\", "e\u0301"]
)
def test_text_of_every_script_comes_back_as_it_went(database: Database, text: str) -> None:
    database.write(insertion("a", text))
    assert value_of(database, "a") == text


def test_times_and_sizes_need_no_more_than_64_bits_and_get_them(database: Database) -> None:
    row = account_row("big@b.c") | {"created_at_us": 2**62, "quota_bytes": -(2**62)}
    database.write(lambda tx: tx.execute(insert(account), row).rowcount)
    with database.read() as connection:
        found = connection.execute(select(account.c.created_at_us, account.c.quota_bytes)).one()
    database.write(lambda tx: tx.execute(delete(account)).rowcount)
    assert tuple(found) == (2**62, -(2**62))


# --- after the commit ----------------------------------------------------------------------------------


def test_actions_run_in_order_after_the_commit_and_before_the_write_returns(database: Database) -> None:
    seen: list[tuple[str, str | None]] = []

    def work(tx: Transaction) -> None:
        tx.after_commit(lambda: seen.append(("first", committed(database, "a"))))
        tx.after_commit(lambda: seen.append(("second", committed(database, "a"))))
        tx.execute(INSERT, {"key": "a", "value": "1"})

    database.write(work)
    assert seen == [("first", "1"), ("second", "1")]


def committed(database: Database, key: str) -> str | None:
    """Read on another thread, whose connection sees nothing but what is committed."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(value_of, database, key).result()


def test_actions_of_a_work_that_failed_never_run(database: Database) -> None:
    seen: list[str] = []

    def work(tx: Transaction) -> None:
        tx.after_commit(lambda: seen.append("ran"))
        raise Refusal

    with pytest.raises(Refusal):
        database.write(work)
    assert seen == []


def test_an_error_in_an_action_is_logged_and_disturbs_nobody(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    def work(tx: Transaction) -> str:
        tx.after_commit([].pop)
        tx.after_commit(lambda: seen.append("ran"))
        return "result"

    with caplog.at_level(logging.ERROR):
        assert database.write(work) == "result"
    assert seen == ["ran"]
    assert "after-commit action failed" in caplog.text


# --- misuse ----------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["write", "submit"])
def test_a_write_inside_a_work_is_refused(database: Database, way: str) -> None:
    def work(tx: Transaction) -> None:
        getattr(database, way)(insertion("inner"))

    with pytest.raises(RuntimeError, match="use the work's transaction"):
        database.write(work)
    assert value_of(database, "inner") is None


def test_a_write_inside_an_action_is_refused(database: Database) -> None:
    seen: list[str] = []

    def action() -> None:
        with pytest.raises(RuntimeError, match="after-commit"):
            database.write(insertion("inner"))
        seen.append("refused")

    database.write(lambda tx: tx.after_commit(action))
    assert seen == ["refused"]


def test_a_write_inside_a_snapshot_is_refused(database: Database) -> None:
    with database.read_snapshot(), pytest.raises(RuntimeError, match="read_snapshot"):
        database.write(insertion("a"))
    database.write(insertion("a"))


def test_the_event_loop_may_submit_but_not_write(database: Database) -> None:
    async def handler() -> str:
        with pytest.raises(WouldBlock, match="event loop"):
            database.write(insertion("a"))
        return await asyncio.wrap_future(database.submit(insertion("b")))

    assert asyncio.run(handler()) == "b"
    assert (value_of(database, "a"), value_of(database, "b")) == (None, "1")


def test_a_database_that_was_closed_finished_its_writes_and_takes_no_more(database_url: str) -> None:
    database = Database.open(database_url)
    futures = [database.submit(insertion(str(n))) for n in range(30)]
    database.close()
    assert [future.result() for future in futures] == [str(n) for n in range(30)]
    with pytest.raises(StorageFailure, match="closed"):
        database.write(insertion("x"))
    with pytest.raises(StorageFailure, match="closed"):
        value_of(database, "0")


# --- as if one after another --------------------------------------------------------------------------------


def in_threads(count: int, job: Callable[[int], object]) -> None:
    with ThreadPoolExecutor(count) as pool:
        for future in [pool.submit(job, number) for number in range(count)]:
            future.result()


def test_no_increment_of_32_threads_is_lost(database: Database) -> None:
    database.write(insertion("n", "0"))

    def three_times(number: int) -> None:
        for _ in range(3):
            increment(database, "n")

    in_threads(32, three_times)
    assert value_of(database, "n") == "96"


def test_a_swap_from_a_stale_value_changes_nothing(database: Database) -> None:
    database.write(insertion("n", "2"))
    assert not swap(database, "n", "1", "5")
    assert value_of(database, "n") == "2"


def test_what_a_work_read_still_holds_when_it_commits(database: Database) -> None:
    """Two works that both looked before either wrote would go over the limit."""

    def reserve(tx: Transaction, key: str) -> None:
        taken = len(tx.execute(COUNT).all())
        if taken < 3:
            tx.execute(INSERT, {"key": key, "value": "1"})

    in_threads(12, lambda n: database.write(lambda tx: reserve(tx, str(n))))
    with database.read() as connection:
        assert len(connection.execute(COUNT).all()) == 3


def test_of_many_who_insert_what_is_missing_one_does_and_the_others_find_it(database: Database) -> None:
    def find_or_insert(tx: Transaction, value: str) -> str | None:
        found = value_in(tx.connection, "a")
        if found is None:
            tx.execute(INSERT, {"key": "a", "value": value})
        return found

    found: list[str | None] = []
    in_threads(12, lambda n: found.append(database.write(lambda tx: find_or_insert(tx, str(n)))))
    winner = value_of(database, "a")
    assert sorted(found, key=str) == sorted([None, *[winner] * 11], key=str)


def test_deleting_everything_beside_inserts_leaves_whole_transactions(database: Database) -> None:
    def pair(tx: Transaction, number: int) -> None:
        tx.execute(INSERT, [{"key": f"{number}{side}", "value": "1"} for side in "lr"])

    def job(number: int) -> None:
        if number % 4 == 0:
            database.write(lambda tx: tx.execute(delete(setting)).rowcount)
        else:
            database.write(lambda tx: pair(tx, number))

    in_threads(16, job)
    with database.read() as connection:
        keys = set(connection.execute(COUNT).scalars())
    assert {key[:-1] + "r" for key in keys} == {key for key in keys if key.endswith("r")}
