"""How far uploads have come, for old pages that ask while they send.

The question may come to another worker than the upload, so the count is a row, which is written about once a
second while the upload goes on, and when all has come. Uploads without an id of this kind, which is all that
clients send today, write nothing.

Source: file server §4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, select

from seafleet.db.engine import upsert
from seafleet.db.tables import transfer_task
from seafleet.secrets import hash_token

if TYPE_CHECKING:
    from seafleet.clock import Clock
    from seafleet.db.engine import Database

KEEP_SECONDS: Final = 3600
_KIND: Final = "upload"
_NOTE_SECONDS: Final = 1
_ID_LENGTH: Final = 36

_task = transfer_task.c
_FIND: Final = select(_task.done, _task.total).where(
    _task.id == bindparam("task"), _task.kind == _KIND, _task.updated_at >= bindparam("since")
)
_put = upsert(transfer_task)
_PUT: Final = _put.on_conflict_do_update(
    index_elements=[_task.id],
    set_={name: _put.excluded[name] for name in ("done", "total", "updated_at")},
    where=_task.kind == _KIND,
)


class UploadProgress:
    """Counts the bytes of uploads under ids that their senders choose; every worker knows them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def begin(self, progress_id: str, total_bytes: int) -> UploadCount:
        """Return a count of an upload that is about to come; `total_bytes` is 0 when nobody knows."""
        return UploadCount(self, progress_id, total_bytes)

    def of(self, progress_id: str) -> tuple[int, int] | None:
        """Return how many bytes have come, of how many; None for an id that nobody has used lately."""
        values = {"task": _key(progress_id), "since": self._clock.timestamp() - KEEP_SECONDS}
        with self._database.read() as connection:
            row = connection.execute(_FIND, values).one_or_none()
        return None if row is None else (row.done, row.total)

    def write(self, progress_id: str, received_bytes: int, total_bytes: int) -> None:
        """Have every worker know how much of an upload has come."""
        now = self._clock.timestamp()
        row = {
            "id": _key(progress_id),
            "kind": _KIND,
            "state": "done",  # as far as cleaning up is concerned
            "done": received_bytes,
            "total": total_bytes,
            "arguments": "{}",
            "created_at": now,
            "updated_at": now,
        }
        self._database.write(lambda tx: tx.execute(_PUT, row).rowcount)

    def seconds(self) -> int:
        """Return the present time, for counts that are not to be written too often."""
        return self._clock.timestamp()


@dataclass
class UploadCount:
    """Counts one upload."""

    progress: UploadProgress
    progress_id: str
    total_bytes: int
    received_bytes: int = 0
    written_at: int = 0

    def add(self, size: int) -> bool:
        """Count bytes that have come; tell whether it is time to `write`."""
        self.received_bytes += size
        return self.progress.seconds() >= self.written_at + _NOTE_SECONDS

    def write(self) -> None:
        """Have every worker know."""
        self.written_at = self.progress.seconds()
        total = max(self.total_bytes, self.received_bytes)
        self.progress.write(self.progress_id, self.received_bytes, total)


def _key(progress_id: str) -> str:
    return hash_token(f"{_KIND} {progress_id}")[:_ID_LENGTH]
