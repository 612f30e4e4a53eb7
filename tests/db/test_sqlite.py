"""What is particular to SQLite: files, pragmas, threads, other processes."""

from __future__ import annotations

import multiprocessing
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from seafleet.db import sqlite
from seafleet.db.engine import Database
from seafleet.db.sqlite import raw_connection
from seafleet.db.tables import setting
from seafleet.db.writer import BATCH_LIMIT
from seafleet.errors import StorageFailure
from tests.db.cells import COUNT, INSERT_UNLESS_PRESENT, increment, insertion, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from seafleet.db.engine import Transaction


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "server" / "seafleet.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = Database.open(str(path))
    yield database
    database.close()


def pragma(database: Database, name: str) -> object:
    with database.read() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()


def writer_pragma(database: Database, name: str) -> object:
    return database.write(lambda tx: tx.connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())


def is_closed(raw: sqlite3.Connection) -> bool:
    try:
        raw.total_changes  # noqa: B018 - raises on a closed connection
    except sqlite3.ProgrammingError:
        return True
    return False


def test_the_file_and_its_folders_are_made_for_their_owner_alone(path: Path, database: Database) -> None:
    modes = [entry.stat().st_mode & 0o777 for entry in (path, path.parent, path.parent.parent)]
    assert modes == [0o600, 0o700, 0o700]


def test_commits_are_synced_and_readers_do_not_block(database: Database) -> None:
    assert pragma(database, "journal_mode") == "wal"
    assert writer_pragma(database, "synchronous") == 2
    assert writer_pragma(database, "fullfsync") == 1
    assert writer_pragma(database, "foreign_keys") == 1
    assert writer_pragma(database, "busy_timeout") == 10_000


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"])
def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="file"):
        Database.open(url)


def test_a_file_that_cannot_be_opened_is_a_storage_failure(tmp_path: Path) -> None:
    with pytest.raises(StorageFailure):
        Database.open(f"sqlite:///file:{tmp_path}/missing/x.db?mode=rw&uri=true")


def test_each_thread_keeps_a_connection_that_closes_with_it(database: Database) -> None:
    def connections(_: int) -> set[sqlite3.Connection]:
        found = set()
        for _ in range(3):
            with database.read() as connection:
                found.add(raw_connection(connection))
        barrier.wait(10)
        return found

    barrier = threading.Barrier(4)
    with ThreadPoolExecutor(4) as pool:
        found = set().union(*pool.map(connections, range(4)))
        assert [is_closed(raw) for raw in found] == [False] * 4
    assert [is_closed(raw) for raw in found] == [True] * 4


def test_closing_closes_idle_connections_and_the_others_after_use(database: Database) -> None:
    with database.read() as connection:
        idle = raw_connection(connection)
    inside, may_go = threading.Event(), threading.Event()

    def use() -> tuple[sqlite3.Connection, int]:
        with database.read() as connection:
            inside.set()
            may_go.wait(10)
            return raw_connection(connection), len(connection.execute(COUNT).all())

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(use)
        inside.wait(10)
        database.close()
        assert is_closed(idle)
        may_go.set()
        used, count = future.result()
        assert (is_closed(used), count) == (True, 0)


def test_closing_empties_the_log_into_the_file(path: Path, database: Database) -> None:
    database.write(insertion("a"))
    assert value_of(database, "a") == "1"
    assert path.with_name("seafleet.db-wal").exists()
    database.close()
    assert not path.with_name("seafleet.db-wal").exists()


def test_opening_a_file_a_second_time_leaves_the_locks_of_the_first(path: Path, database: Database) -> None:
    """POSIX drops a process's locks on a file when the process closes any descriptor of it."""
    assert value_of(database, "a") is None  # opens a connection, which holds a shared lock from now on
    Database.open(str(path)).close()
    leave_wal = "connect(sys.argv[1], timeout=0).execute('PRAGMA journal_mode=DELETE')"
    command = [sys.executable, "-c", f"import sys; from sqlite3 import connect; {leave_wal}", str(path)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert b"database is locked" in done.stderr


def test_works_that_wait_are_committed_together(path: Path, database: Database) -> None:
    started, may_go = threading.Event(), threading.Event()

    def blocks_the_writer(tx: Transaction) -> None:
        started.set()
        may_go.wait(10)

    database.submit(blocks_the_writer)
    started.wait(10)
    count = BATCH_LIMIT + 20
    seen: list[int] = []

    def observed(number: int) -> None:
        with closing(sqlite3.connect(path)) as connection:
            seen.append(connection.execute("SELECT count(*) FROM setting").fetchone()[0])

    def work(tx: Transaction, number: int) -> None:
        insertion(str(number))(tx)
        tx.after_commit(lambda: observed(number))

    futures = [database.submit(lambda tx, number=number: work(tx, number)) for number in range(count)]  # type: ignore[misc]
    may_go.set()
    for future in futures:
        future.result()
    assert seen == [BATCH_LIMIT] * BATCH_LIMIT + [count] * 20


def test_a_work_that_was_cancelled_while_it_waited_never_runs(database: Database) -> None:
    started, may_go = threading.Event(), threading.Event()

    def blocks_the_writer(tx: Transaction) -> None:
        started.set()
        may_go.wait(10)

    database.submit(blocks_the_writer)
    started.wait(10)
    cancelled = database.submit(insertion("a"))
    assert cancelled.cancel()
    may_go.set()
    database.write(insertion("b"))
    assert (value_of(database, "a"), value_of(database, "b")) == (None, "1")


def test_the_lock_of_another_process_is_waited_for(path: Path, database: Database) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        future = database.submit(insertion("a"))
        other.execute("ROLLBACK")
        assert future.result() == "a"


def test_a_lock_that_is_never_given_back_is_a_storage_failure(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_SECONDS", 0.02)
    database = Database.open(str(path))
    database.write(insertion("before"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageFailure, match="locked"):
            database.write(insertion("a"))
    database.write(insertion("a"))
    database.close()


def test_a_log_of_a_program_that_was_killed_is_read(path: Path, database: Database, tmp_path: Path) -> None:
    database.write(insertion("a"))
    for suffix in ("", "-wal"):
        source = path.with_name(path.name + suffix)
        (tmp_path / source.name).write_bytes(source.read_bytes())
    copy = Database.open(str(tmp_path / path.name))
    copy.write(insertion("b"))
    assert [value_of(copy, key) for key in "ab"] == ["1", "1"]
    copy.close()


def _count_up(path: str, times: int) -> None:
    database = Database.open(path)
    database.write(lambda tx: tx.execute(INSERT_UNLESS_PRESENT, {"key": "n", "value": "0"}).rowcount)
    for _ in range(times):
        increment(database, "n")
    database.close()


@pytest.mark.slow
def test_two_processes_that_start_together_share_one_file_and_lose_nothing(path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_count_up, args=(str(path), 40)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(50)
    assert [process.exitcode for process in processes] == [0, 0]
    with closing(sqlite3.connect(path)) as connection:
        (value,) = connection.execute("SELECT value FROM setting WHERE key = 'n'").fetchone()
    assert value == "80"


def test_a_result_read_half_way_does_not_hold_an_old_state(database: Database) -> None:
    for number in range(50):
        database.write(insertion(str(number)))
    with database.read() as connection:
        half = connection.execute(select(setting.c.key)).fetchmany(10)
    database.write(insertion("new"))
    assert len(half) == 10
    assert value_of(database, "new") == "1"


def test_a_server_on_sqlite_does_not_load_the_driver_of_postgresql(tmp_path: Path) -> None:
    program = (
        f"import sys; from seafleet.db.engine import Database; Database.open({str(tmp_path / 'a.db')!r})"
    )
    command = [sys.executable, "-c", f"{program}; sys.exit('psycopg' in sys.modules)"]
    assert subprocess.run(command, check=False).returncode == 0
