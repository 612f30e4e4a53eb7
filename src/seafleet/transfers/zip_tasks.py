"""How far the packing of archives is, for whoever holds their tokens, at every worker.

An archive is packed while it is sent, so before that there is nothing to wait for: a client that asks is told
that all is packed, and fetches it. While it is sent the row counts files, and says whether to stop.

Source: Web API manual, "Query Task Progress"; file server §7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, insert, select, update

from seafleet.db.tables import transfer_task
from seafleet.errors import TokenNotFound
from seafleet.secrets import hash_token
from seafleet.transfers.tasks import INTERNAL, CanceledError

if TYPE_CHECKING:
    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction

KEEP_SECONDS: Final = 5 * 3600
_KIND: Final = "zip"
_OPEN: Final = ("waiting", "sending")
_NOTE_SECONDS: Final = 2
_ID_LENGTH: Final = 36

_task = transfer_task.c
_MINE: Final = (_task.id == bindparam("task"), _task.kind == _KIND)
_INSERT: Final = insert(transfer_task)
_FIND: Final = select(
    _task.state, _task.done, _task.total, _task.failed_reason, _task.cancel_requested, _task.created_at
).where(*_MINE)
_SET: Final = (
    update(transfer_task)
    .where(*_MINE, _task.state.in_(_OPEN))
    .values(state=bindparam("to"), failed_reason=bindparam("reason"), updated_at=bindparam("now"))
)
_NOTE: Final = (
    update(transfer_task).where(*_MINE).values(done=bindparam("count"), updated_at=bindparam("now"))
)
_CANCEL: Final = (
    update(transfer_task)
    .where(*_MINE, _task.state.in_(_OPEN))
    .values(cancel_requested=True, state="canceled", updated_at=bindparam("now"))
)


@dataclass(frozen=True, slots=True)
class ZipProgress:
    """How far an archive is, counted in files, and whether something went wrong."""

    zipped: int
    total: int
    failed_reason: str = ""
    canceled: bool = False


class ZipTasks:
    """Keeps one row for each archive that was asked for, under the hash of its token."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create(self, token: str, account_id: int | None, total: int, failed_reason: str = "") -> None:
        """Note an archive of `total` files; with a reason, that it cannot be packed."""
        now = self._clock.timestamp()
        row = {
            "id": _key(token),
            "kind": _KIND,
            "account_id": account_id,
            "state": "failed" if failed_reason else "waiting",
            "total": max(total, 1),  # clients divide by it
            "failed_reason": failed_reason,
            "arguments": "{}",
            "created_at": now,
            "updated_at": now,
        }
        self._database.write(lambda tx: tx.execute(_INSERT, row).rowcount)

    def progress(self, token: str) -> ZipProgress:
        """Return how far an archive is. Raises TokenNotFound for an unknown token, and after five hours."""
        row = self._row(token)
        if row is None or row.created_at < self._clock.timestamp() - KEEP_SECONDS:
            raise TokenNotFound("zip")
        zipped = row.total if row.state in ("waiting", "done") else row.done
        return ZipProgress(zipped, row.total, row.failed_reason, bool(row.cancel_requested))

    def cancel(self, token: str) -> None:
        """Have the packing stop, or never begin. Does nothing for an unknown token."""
        values = {"task": _key(token), "now": self._clock.timestamp()}
        self._database.write(lambda tx: tx.execute(_CANCEL, values).rowcount)

    def begin(self, token: str) -> ZipWatch:
        """Note that an archive is being sent. Raises CanceledError for one that was canceled."""
        watch = ZipWatch(self, token)
        row = self._row(token)
        if row is not None and row.cancel_requested:
            raise CanceledError("canceled")
        self.set(token, "sending")
        return watch

    # -- for the watch -----------------------------------------------------------------------------------

    def set(self, token: str, state: str, reason: str = "") -> None:
        """Note a new state of an archive that has not come to an end."""
        values = {"task": _key(token), "to": state, "reason": reason, "now": self._clock.timestamp()}
        self._database.write(lambda tx: tx.execute(_SET, values).rowcount)

    def note(self, token: str, count: int) -> bool:
        """Note how many files are packed; False if the packing is to stop."""
        values = {"task": _key(token), "count": count, "now": self._clock.timestamp()}

        def work(tx: Transaction) -> bool:
            tx.execute(_NOTE, values)
            row = tx.execute(_FIND, {"task": values["task"]}).one_or_none()
            return row is None or not row.cancel_requested

        return self._database.write(work)

    def seconds(self) -> int:
        """Return the present time, for notes that are not to come too often."""
        return self._clock.timestamp()

    def _row(self, token: str) -> Any:
        with self._database.read() as connection:
            return connection.execute(_FIND, {"task": _key(token)}).one_or_none()


class ZipWatch:
    """Follows the sending of one archive; writes down how far it is every two seconds."""

    def __init__(self, tasks: ZipTasks, token: str) -> None:
        self._tasks = tasks
        self._token = token
        self._noted_at = tasks.seconds()

    def note(self, count: int) -> None:
        """Take notice of how many files are packed. Raises CanceledError when it is to stop."""
        now = self._tasks.seconds()
        if now >= self._noted_at + _NOTE_SECONDS:
            self._noted_at = now
            if not self._tasks.note(self._token, count):
                raise CanceledError("canceled")

    def end(self, count: int, *, complete: bool) -> None:
        """Note that all was sent, or that it broke off."""
        self._tasks.note(self._token, count)
        self._tasks.set(self._token, "done" if complete else "failed", "" if complete else INTERNAL)


def _key(token: str) -> str:
    return hash_token(token)[:_ID_LENGTH]
