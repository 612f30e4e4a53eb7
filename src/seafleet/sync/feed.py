"""News for whoever is connected: what this process changes, told at once, and what other workers change,
read from their feed a moment later.

On PostgreSQL rows get their numbers before they are committed, so that a later number may be seen before an
earlier one. There a reader looks again at what is a few seconds old, and remembers what it has told.

Source: sync protocol §7; design "State": a feed that workers read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, func, select

from seafleet.db.tables import change_feed
from seafleet.library.feed import LOCK_CHANGED, PERMISSION_CHANGED
from seafleet.library.heads import HEAD_CHANGED

if TYPE_CHECKING:
    from seafleet.clock import Clock
    from seafleet.db.engine import Database

LATE_SECONDS: Final = 10
"""So late a transaction may commit whose row was numbered before others."""
KEPT_SECONDS: Final = 3600
_BATCH: Final = 1000

_feed = change_feed.c
_KINDS: Final = (HEAD_CHANGED, LOCK_CHANGED, PERMISSION_CHANGED)
_SINCE: Final = (
    select(_feed.id, _feed.kind, _feed.library_id, _feed.payload, _feed.at)
    .where(_feed.id > bindparam("after"), _feed.kind.in_(_KINDS))
    .order_by(_feed.id)
    .limit(_BATCH)
)
_NEWEST: Final = select(func.coalesce(func.max(_feed.id), 0))
# The newest row stays, for SQLite would begin to count anew in an empty table.
_PURGE: Final = delete(change_feed).where(
    _feed.at < bindparam("before"), _feed.id < select(func.max(_feed.id)).scalar_subquery()
)


@dataclass(frozen=True, slots=True)
class News:
    """Something that happened to a library. `payload` is what clients are told of it."""

    kind: str
    library_id: str
    payload: dict[str, Any]


class ChangeFeed:
    """The feed of one reader. For one thread at a time."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._late_seconds = 0 if database.dialect == "sqlite" else LATE_SECONDS
        self._after = 0
        self._told: dict[int, int] = {}

    def skip(self) -> None:
        """Begin with what happens from now on."""
        with self._database.read() as connection:
            self._after = connection.execute(_NEWEST).scalar_one()
        self._told.clear()

    def read(self) -> list[News]:
        """Return what happened since the last call, in the order of the feed."""
        found: list[News] = []
        after = self._after
        while True:
            with self._database.read() as connection:
                rows = connection.execute(_SINCE, {"after": after}).all()
            for row in rows:
                if row.id not in self._told:
                    self._told[row.id] = row.at
                    found.append(News(row.kind, row.library_id, json.loads(row.payload)))
            if len(rows) < _BATCH:
                self._settle()
                return found
            after = rows[-1].id

    def _settle(self) -> None:
        """Move on behind what is so old that nothing can come before it any more."""
        settled = self._clock.timestamp() - self._late_seconds
        old = [number for number, at in self._told.items() if at < settled or not self._late_seconds]
        if old:
            self._after = max(old)
            self._told = {number: at for number, at in self._told.items() if number > self._after}


def purge(database: Database, clock: Clock) -> int:
    """Remove what every reader has seen long ago; return how many rows."""
    before = clock.timestamp() - KEPT_SECONDS
    return database.write(lambda tx: tx.execute(_PURGE, {"before": before}).rowcount)
