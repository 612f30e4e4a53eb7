"""Copies and moves that go on in the background, visible to every worker.

A task is a row: what it does, how far it is, how it ended. The worker that took it runs it in a thread and
renews the row every few seconds; a row that nobody renews any more belonged to a worker that is gone, and is
reported as failed. As a copy is put in by one commit, such a task has left nothing behind, except that a move
may have copied everything without removing it at the source.

What can be canceled is decided in the transaction of the first commit: a task that was canceled has changed
nothing. A copy has succeeded with it; a move goes on to remove what it copied, and cannot be canceled any
more.

Source: Web API manual, "Asynchronously Copy/Move File/Directory"; transfers page, "Background copy/move".
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import bindparam, delete, insert, select, update

from seafleet.db.tables import transfer_task
from seafleet.errors import SeafleetError, TokenNotFound

if TYPE_CHECKING:
    from sqlalchemy import Update

    from seafleet.actor import Actor
    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction
    from seafleet.ids import RandomSource
    from seafleet.library.model import Author
    from seafleet.transfers.copying import Copier, Journey

State = Literal["running", "done", "failed", "canceled"]
Start = Callable[[str, Callable[[], None]], None]
"""Has a thread run something soon, under a name for the log."""

STALE_SECONDS: Final = 60
KEEP_SECONDS: Final = 86_400
INTERNAL: Final = "internal error"
INTERRUPTED: Final = "The server was stopped before this was done."
COPIED: Final = "Everything was copied; it could not be removed where it was"
_RUNNING: Final = ("running", "finishing")
"""A task that is finishing has put everything in, and removes it at the source."""
_NOTE_SECONDS: Final = 1

_task = transfer_task.c
_MINE: Final = (_task.id == bindparam("task"), _task.state.in_(_RUNNING))
_FREE: Final = (*_MINE, _task.cancel_requested.is_(False))
_INSERT: Final = insert(transfer_task)
_FIND: Final = select(
    _task.kind, _task.state, _task.done, _task.total, _task.failed_reason, _task.updated_at
).where(_task.id == bindparam("task"), _task.account_id == bindparam("account"))
_NOTE: Final = (
    update(transfer_task).where(*_FREE).values(done=bindparam("count"), updated_at=bindparam("now"))
)
_END: Final = (
    update(transfer_task)
    .where(*_MINE)
    .values(state=bindparam("to"), failed_reason=bindparam("reason"), updated_at=bindparam("now"))
)
_FINISH: Final = update(transfer_task).where(*_FREE).values(state="finishing", updated_at=bindparam("now"))
_SUCCEED: Final = (
    update(transfer_task).where(*_FREE).values(state="done", done=_task.total, updated_at=bindparam("now"))
)
_CANCEL: Final = (
    update(transfer_task)
    .where(_task.id == bindparam("task"), _task.state == "running", _task.account_id == bindparam("account"))
    .values(cancel_requested=True)
)
_RENEW: Final = (
    update(transfer_task)
    .where(_task.id.in_(bindparam("tasks", expanding=True)), _task.state.in_(_RUNNING))
    .values(updated_at=bindparam("now"))
)
_GIVE_UP: Final = (
    update(transfer_task)
    .where(_task.state.in_(_RUNNING), _task.updated_at < bindparam("before"))
    .values(state="failed", failed_reason=INTERRUPTED, updated_at=bindparam("now"))
)
_PURGE: Final = delete(transfer_task).where(
    _task.state.not_in(_RUNNING), _task.updated_at < bindparam("before")
)
_STATE: Final = select(_task.state).where(_task.id == bindparam("task"))


class CanceledError(SeafleetError):
    """The one who started a task has taken it back."""

    code = "canceled"


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """How far a task is, counted in files, and how it ended."""

    state: State
    done: int
    total: int
    failed_reason: str


class TransferTasks:
    """Starts, watches and cancels background copies and moves."""

    def __init__(
        self, database: Database, clock: Clock, random: RandomSource, copier: Copier, start: Start
    ) -> None:
        self._database = database
        self._clock = clock
        self._random = random
        self._copier = copier
        self._start = start
        self._running: set[str] = set()
        self._lock = Lock()
        self._closing = Event()

    def start(self, actor: Actor, author: Author, journey: Journey) -> str:
        """Begin a journey, which the caller has checked, and return the task's id."""
        task_id = str(uuid.UUID(bytes=self._random.randbytes(16), version=4))
        now = self._clock.timestamp()
        row = {
            "id": task_id,
            "kind": "copy" if journey.keep else "move",
            "account_id": actor.account_id,
            "state": "running",
            "total": self._copier.count(journey),
            "arguments": json.dumps(_arguments(journey)),
            "created_at": now,
            "updated_at": now,
        }
        self._database.write(lambda tx: tx.execute(_INSERT, row).rowcount)
        with self._lock:
            self._running.add(task_id)
        self._start(f"{row['kind']} {task_id}", lambda: self._run(task_id, actor, author, journey))
        return task_id

    def progress(self, task_id: str, account_id: int | None) -> TaskProgress:
        """Return how far a task of this account is. Raises TokenNotFound."""
        with self._database.read() as connection:
            row = connection.execute(_FIND, {"task": task_id, "account": account_id}).one_or_none()
        if row is None:
            raise TokenNotFound("task")
        if row.state not in _RUNNING:
            return TaskProgress(row.state, row.done, row.total, row.failed_reason)
        if row.updated_at < self._clock.timestamp() - STALE_SECONDS:
            return TaskProgress("failed", row.done, row.total, INTERRUPTED)
        return TaskProgress("running", row.done, row.total, "")

    def cancel(self, task_id: str, account_id: int | None) -> bool:
        """Ask a running task of this account to stop; False if there is none, or it is too late."""
        values = {"task": task_id, "account": account_id}
        return self._database.write(lambda tx: tx.execute(_CANCEL, values).rowcount) > 0

    def renew(self) -> None:
        """Show that this worker's tasks are alive, and give up those of workers that are gone.

        To be called every few seconds.
        """
        now = self._clock.timestamp()
        with self._lock:
            mine = list(self._running)

        def work(tx: Transaction) -> None:
            if mine:
                tx.execute(_RENEW, {"tasks": mine, "now": now})
            tx.execute(_GIVE_UP, {"before": now - STALE_SECONDS, "now": now})

        self._database.write(work)

    def purge(self) -> int:
        """Remove what ended a day ago; return how many."""
        before = self._clock.timestamp() - KEEP_SECONDS
        return self._database.write(lambda tx: tx.execute(_PURGE, {"before": before}).rowcount)

    def close(self) -> None:
        """Have running tasks stop at their next file; they are reported as failed."""
        self._closing.set()

    # -- in the background -----------------------------------------------------------------------------------

    def _run(self, task_id: str, actor: Actor, author: Author, journey: Journey) -> None:
        state, reason = "failed", INTERNAL
        try:
            book = _Book(self, task_id)
            self._copier.run(
                actor, author, journey, progress=book.note, in_copy=book.finish, in_commit=book.succeed
            )
            state, reason = "done", ""  # is so already, unless there was nothing to change
        except CanceledError as error:
            state, reason = ("failed", INTERRUPTED) if self._closing.is_set() else ("canceled", str(error))
        except SeafleetError as error:
            reason = f"{COPIED}: {error}" if self._is_finishing(task_id) else str(error)
        finally:
            self._end(task_id, state, reason)
            with self._lock:
                self._running.discard(task_id)

    def _is_finishing(self, task_id: str) -> bool:
        with self._database.read() as connection:
            return connection.execute(_STATE, {"task": task_id}).scalar() == "finishing"

    def _end(self, task_id: str, state: str, reason: str) -> None:
        values = {"task": task_id, "to": state, "reason": reason, "now": self._clock.timestamp()}
        self._database.write(lambda tx: tx.execute(_END, values).rowcount)

    def note(self, task_id: str, count: int) -> None:
        """Write down how far a task is. Raises CanceledError when it is to stop."""
        values = {"task": task_id, "count": count, "now": self._clock.timestamp()}
        if self._closing.is_set() or not self._database.write(lambda tx: tx.execute(_NOTE, values).rowcount):
            raise CanceledError("canceled")

    def finish(self, tx: Transaction, task_id: str) -> None:
        """Mark a task as one that cannot be canceled any more. Raises CanceledError when it is to stop."""
        self._mark(tx, _FINISH, task_id)

    def succeed(self, tx: Transaction, task_id: str) -> None:
        """Mark a task as done, in the transaction of its commit. Raises CanceledError when it is to stop."""
        self._mark(tx, _SUCCEED, task_id)

    def _mark(self, tx: Transaction, statement: Update, task_id: str) -> None:
        if not tx.execute(statement, {"task": task_id, "now": self._clock.timestamp()}).rowcount:
            raise CanceledError("canceled")

    def clock_seconds(self) -> int:
        """Return the present time, for notes that are not to come too often."""
        return self._clock.timestamp()


class _Book:
    """Counts the files of one task, and writes the number down once a second."""

    def __init__(self, tasks: TransferTasks, task_id: str) -> None:
        self._tasks = tasks
        self._task_id = task_id
        self._count = 0
        self._noted_at = 0

    def note(self, files: int) -> None:
        self._count += files
        now = self._tasks.clock_seconds()
        if now >= self._noted_at + _NOTE_SECONDS:
            self._tasks.note(self._task_id, self._count)
            self._noted_at = now

    def finish(self, tx: Transaction) -> None:
        self._tasks.finish(tx, self._task_id)

    def succeed(self, tx: Transaction) -> None:
        self._tasks.succeed(tx, self._task_id)


def _arguments(journey: Journey) -> dict[str, Any]:
    return {
        "source": journey.source.library_id,
        "parent": journey.parent,
        "names": list(journey.names),
        "target": journey.target.library_id,
        "folder": journey.folder,
    }
