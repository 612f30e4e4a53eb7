"""After a power cut SQLite holds every acknowledged transaction, none of them torn, and the file is sound.

The batches run through the very code of the server: its connections, its pragmas, its writer. Each seed is a
machine with several lives; in each the power goes at a random moment, and the next starts from what is left.
Set SEAFLEET_POWER_CUTS to a number to run that many times the usual seeds.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
from sqlalchemy import Connection, bindparam, delete, insert, select
from sqlalchemy.engine import make_url

from seafleet.db.engine import Database, Transaction
from seafleet.db.sqlite import SqliteBackend, raw_connection
from seafleet.db.tables import object_, setting
from seafleet.db.writer import GroupCommitWriter, Pending
from seafleet.errors import StorageFailure
from tests.db.cells import UPSERT, Refusal
from tests.durability.disk import Disk, PowerCut
from tests.durability.vfs import mounted, simulated_vfs

URL = "sqlite:///file:/seafleet.db?vfs=simulated&uri=true"
TESTS = 4
SEEDS_PER_TEST = 40 * int(os.environ.get("SEAFLEET_POWER_CUTS", "1"))
LIVES = 4

INSERT_OBJECT = insert(object_)
DELETE_OBJECT = delete(object_).where(object_.c.object_id == bindparam("wanted"))
VALUES = select(setting.c.key, setting.c.value)
OBJECTS = select(object_.c.object_id, object_.c.data)

State = dict[str, bytes]
"""The whole content: values by their key, data of objects by their id."""


@pytest.fixture(scope="module")
def new_disk() -> Disk:
    """A disk with an empty, migrated database."""
    with mounted(Disk()) as disk:
        Database.open(URL).close()
    return disk.copy()


@pytest.fixture(scope="module")
def backend() -> Iterator[SqliteBackend]:
    backend = SqliteBackend(make_url(URL), renew=renew_log)
    yield backend
    backend.close()


def renew_log() -> None:
    """Do on the simulated disk what `seafleet.db.sqlite.renew_log` does on a real one."""
    disk = simulated_vfs().disk
    if disk.exists("/seafleet.db-wal"):
        descriptor = disk.open("/seafleet.db-wal")
        try:
            disk.pwrite(descriptor, disk.read("/seafleet.db-wal"), 0)
            disk.fsync(descriptor)
        except PowerCut:
            raise OSError(errno.EIO, "the power is off") from None
        finally:
            disk.close(descriptor)


@dataclass
class Machine:
    """Commits random batches until the power goes.

    `possible[0]` is what was acknowledged; the others, what batches that failed since would have made of it.
    """

    rng: random.Random
    backend: SqliteBackend
    possible: list[State]
    pragmas: tuple[str, ...] = ()
    sync_failures: float = 0.0

    def run(self, disk: Disk) -> None:
        """Commit batches, now and then closing and opening the database, until the disk is dead."""
        disk.cut_at(self.rng.randint(1, 150))
        disk.fault = self._fault
        while not disk.is_dead:
            writer = GroupCommitWriter(self._connect)
            self._look(disk, writer)
            for _ in range(self.rng.randint(1, 20)):
                self.commit_batch(disk, writer)
            writer.close()  # checkpoints, and removes the log

    def _fault(self, operation: str, _path: str) -> OSError | None:
        failed = operation == "sync" and self.rng.random() < self.sync_failures
        return OSError(errno.EIO, "broken") if failed else None

    def _connect(self) -> Connection:
        connection = self.backend.connect_writer()
        pages = self.rng.choice([4, 16, 2000])
        for pragma in (f"PRAGMA wal_autocheckpoint={pages}", *self.pragmas):
            raw_connection(connection).execute(pragma)
        return connection

    def _look(self, disk: Disk, writer: GroupCommitWriter) -> None:
        """Learn what became of batches that failed: a reopened file may have found them in its log."""
        while not disk.is_dead:
            look = Pending(lambda tx: rows(tx.connection))
            writer.run_batch([look])
            if look.future.exception() is None:
                assert look.future.result() in self.possible
                self.possible = [look.future.result()]
                return

    def commit_batch(self, disk: Disk, writer: GroupCommitWriter) -> None:
        """Commit a few random works, and note what came of it."""
        planned = dict(self.possible[0])
        batch = [Pending(self._plan(planned)) for _ in range(self.rng.randint(1, 4))]
        writer.run_batch(batch)
        errors = [error for pending in batch if (error := pending.future.exception()) is not None]
        if any(isinstance(error, StorageFailure) for error in errors):
            assert disk.is_dead or self.sync_failures
            self.possible.append(planned)
        else:
            assert all(isinstance(error, Refusal) for error in errors), errors
            if planned != self.possible[0]:  # else nothing was written over a failed batch
                self.possible = [planned]

    def _plan(self, state: State) -> Callable[[Transaction], None]:
        """Answer a random work, and note in `state` what it will have done: nothing if it refuses."""
        refuses = self.rng.random() < 0.15
        after = dict(state)
        steps = [self._step(after) for _ in range(self.rng.randint(1, 5))]
        if not refuses:
            state.clear()
            state.update(after)

        def work(tx: Transaction) -> None:
            for step in steps:
                step(tx)
            if refuses:
                raise Refusal

        return work

    def _step(self, state: State) -> Callable[[Transaction], object]:
        kind = self.rng.random()
        objects = [key for key in state if len(key) == 40]
        if kind < 0.3:
            key, value = self.rng.choice("abc"), str(self.rng.random())
            state[key] = value.encode()
            return lambda tx: tx.execute(UPSERT, {"key": key, "value": value})
        if kind < 0.45 and objects:
            gone = self.rng.choice(objects)
            del state[gone]
            return lambda tx: tx.execute(DELETE_OBJECT, {"wanted": gone})
        name, data = (
            self.rng.randbytes(20).hex(),
            self.rng.randbytes(self.rng.choice([10, 300, 4000, 20_000])),
        )
        state[name] = data
        row = {"store_id": "s", "kind": 2, "object_id": name, "touched_at": 0, "data": data}
        return lambda tx: tx.execute(INSERT_OBJECT, row)


def rows(connection: Connection) -> State:
    """Answer everything that the database holds."""
    values = {key: value.encode() for key, value in connection.execute(VALUES)}
    return values | {name: bytes(data) for name, data in connection.execute(OBJECTS)}


def checked_rows(backend: SqliteBackend) -> State:
    """Answer everything that the database holds, after checking that the file is sound."""
    with closing(backend.connect_writer()) as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"]
        return rows(connection)


def survive(seed: int, disk: Disk, backend: SqliteBackend, *pragmas: str, sync_failures: float = 0.0) -> bool:
    """Live through several power cuts; tell whether nothing was lost or torn. A damaged file fails."""
    rng = random.Random(seed)
    state: State = {}
    for _ in range(LIVES):
        machine = Machine(rng, backend, [state], pragmas, sync_failures)
        with mounted(disk):
            machine.run(disk)
        disk = disk.crash(rng)
        with mounted(disk):
            found = checked_rows(backend)
        if found not in machine.possible:
            return False
        state = found
    return True


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(TESTS))
def test_every_acknowledged_transaction_survives_every_power_cut(
    part: int, new_disk: Disk, backend: SqliteBackend
) -> None:
    seeds = range(part * SEEDS_PER_TEST, (part + 1) * SEEDS_PER_TEST)
    assert [seed for seed in seeds if not survive(seed, new_disk.copy(), backend)] == []


@pytest.mark.slow
def test_syncs_that_fail_take_no_acknowledged_transaction_with_them(
    new_disk: Disk, backend: SqliteBackend
) -> None:
    lost = [seed for seed in range(40) if not survive(seed, new_disk.copy(), backend, sync_failures=0.1)]
    assert lost == []


def test_the_simulation_notices_commits_that_are_not_synced(new_disk: Disk, backend: SqliteBackend) -> None:
    careless = "PRAGMA synchronous=NORMAL"
    assert not all(survive(seed, new_disk.copy(), backend, careless) for seed in range(10))


def test_commits_after_a_failed_sync_and_a_restart_survive(new_disk: Disk, backend: SqliteBackend) -> None:
    """The system shows the reopened database what it never wrote; nothing may be built on that."""
    broken = OSError(errno.EIO, "broken")
    for seed in range(50):
        with mounted(new_disk.copy()) as disk:
            machine = Machine(random.Random(seed), backend, [{}])
            writer = GroupCommitWriter(backend.connect_writer)
            machine.commit_batch(disk, writer)
            disk.fault = lambda operation, _path: broken if operation == "sync" else None
            machine.sync_failures = 1.0
            machine.commit_batch(disk, writer)
            writer.close()
            disk.fault = None
            writer = GroupCommitWriter(backend.connect_writer)
            writer.run_batch([look := Pending(lambda tx: rows(tx.connection))])
            machine.possible = [look.future.result()]
            machine.commit_batch(disk, writer)
            after = disk.crash(random.Random(seed))
            writer.close()
        with mounted(after):
            assert checked_rows(backend) == machine.possible[0], f"seed {seed}"
