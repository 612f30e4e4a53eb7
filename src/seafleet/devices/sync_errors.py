"""What went wrong while devices synchronised, for administrators: one row per kind of failure.

The same failure again moves the time of its row and counts on.

Source: Seafile devices §8; device registry §13.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, select

from seafleet.db.engine import upsert
from seafleet.db.tables import device_error
from seafleet.text import storable

if TYPE_CHECKING:
    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction

_put = upsert(device_error)
_REPORT: Final = _put.on_conflict_do_update(
    index_elements=[
        device_error.c.account_email,
        device_error.c.peer_id,
        device_error.c.library_id,
        device_error.c.message,
    ],
    set_={
        "count": device_error.c.count + 1,
        **{
            name: _put.excluded[name]
            for name in ("at", "device_name", "device_ip", "client_version", "library_name")
        },
    },
)


_PAGE: Final = select(
    device_error.c.account_email,
    device_error.c.device_name,
    device_error.c.device_ip,
    device_error.c.client_version,
    device_error.c.library_id,
    device_error.c.library_name,
    device_error.c.message,
    device_error.c.count,
    device_error.c.at,
).order_by(device_error.c.at.desc(), device_error.c.id.desc())


@dataclass(frozen=True, slots=True)
class SyncError:
    """A failure to synchronise one library on one device. What is not known is empty."""

    email: str
    library_id: str
    message: str
    library_name: str = ""
    peer_id: str = ""
    device_name: str = ""
    ip: str = ""
    client_version: str = ""


@dataclass(frozen=True, slots=True)
class SyncErrorEntry:
    """A failure as it is kept; `at` is in Unix seconds."""

    email: str
    device_name: str
    ip: str
    client_version: str
    library_id: str
    library_name: str
    message: str
    count: int
    at: int


class SyncErrors:
    """Keeps failures."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def report(self, error: SyncError) -> None:
        """Note a failure."""
        self._database.write(lambda tx: self.report_in(tx, error))

    def page(self, offset: int, limit: int) -> tuple[list[SyncErrorEntry], bool]:
        """Return failures, newest first, and whether more follow."""
        with self._database.read() as connection:
            rows = connection.execute(_PAGE.offset(offset).limit(limit + 1)).all()
        return [SyncErrorEntry(*row) for row in rows[:limit]], len(rows) > limit

    def clear(self) -> int:
        """Forget all failures; return how many."""
        return self._database.write(lambda tx: tx.execute(delete(device_error)).rowcount)

    def report_in(self, tx: Transaction, error: SyncError) -> None:
        """Note a failure in the caller's transaction."""
        row = {
            "account_email": error.email,
            "device_name": storable(error.device_name, 255),
            "device_ip": storable(error.ip, 45),
            "client_version": storable(error.client_version, 20),
            "peer_id": storable(error.peer_id, 40),
            "library_id": error.library_id,
            "library_name": storable(error.library_name, 255),
            "message": storable(error.message, 255),
            "at": self._clock.timestamp(),
        }
        tx.execute(_REPORT, row)
