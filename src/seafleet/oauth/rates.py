"""How often may be called: a sliding window of a minute, counted in the database.

The few calls that these limits let through are counted exactly, whichever worker they come to. A refused
call does not count.

Source: MetaAccess devices §2.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, select, update

from seafleet.db.engine import upsert
from seafleet.db.tables import api_rate

if TYPE_CHECKING:
    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction

WINDOW_MS: Final = 60_000
_AHEAD_MS: Final = 5_000
"""How far another worker's clock may be ahead. What lies further ahead is of a clock that was set back."""

_of = api_rate.c
_KEY: Final[Any] = bindparam("rated")
_MAKE: Final = (
    upsert(api_rate)
    .values(key=_KEY, hits_ms="[]", updated_at=bindparam("now"))
    .on_conflict_do_nothing(index_elements=[_of.key])
)
_READ: Final = select(_of.hits_ms).where(_of.key == _KEY).with_for_update()
_WRITE: Final = (
    update(api_rate).where(_of.key == _KEY).values(hits_ms=bindparam("hits"), updated_at=bindparam("now"))
)
_PURGE: Final = delete(api_rate).where(_of.updated_at < bindparam("oldest"))


@dataclass(frozen=True, slots=True)
class Allowance:
    """What became of a call: whether it may go on, how many more may follow at once, and the whole seconds
    until one more may.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_seconds: int


class Rates:
    """Counts calls by key. Safe to use from many threads."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def take(self, key: str, limit: int) -> Allowance:
        """Count a call if fewer than `limit` were made within the last minute."""
        now_ms = int(self._clock.now().timestamp() * 1000)
        return self._database.write(lambda tx: _take(tx, key, limit, now_ms))

    def purge(self) -> None:
        """Forget keys that were not used lately."""
        oldest = self._clock.timestamp() - 2 * WINDOW_MS // 1000
        self._database.write(lambda tx: tx.execute(_PURGE, {"oldest": oldest}).rowcount)


def _take(tx: Transaction, key: str, limit: int, now_ms: int) -> Allowance:
    place = {"rated": key, "now": now_ms // 1000}
    stored = tx.execute(_READ, place).scalar_one_or_none()
    if stored is None:
        tx.execute(_MAKE, place)
        stored = tx.execute(_READ, place).scalar_one()
    hits = [hit for hit in json.loads(stored) if now_ms - WINDOW_MS < hit <= now_ms + _AHEAD_MS]
    allowed = len(hits) < limit
    if allowed:
        hits.append(now_ms)
        tx.execute(_WRITE, {**place, "hits": json.dumps(hits)})
    remaining = max(0, limit - len(hits))
    wait_ms = 0 if remaining else hits[len(hits) - limit] + WINDOW_MS - now_ms
    return Allowance(allowed, limit, remaining, max(0, math.ceil(wait_ms / 1000)))
