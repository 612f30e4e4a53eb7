"""Limits on how often somebody may ask within a minute.

=======  =============  ==============================================================
scope    per minute     key
=======  =============  ==============================================================
`ping`   3000           client address
`anon`   60             client address, of callers that are not logged in
`user`   3000           account id, else client address
=======  =============  ==============================================================

The window slides; a request that is refused does not count. One worker counts in memory and exactly. Several
workers share counters in a table: each adds its own hits in small batches, so the sum may lag behind by a
sixtieth of the limit for each worker, and the window before the present one counts by the part of it that is
still inside the last minute.

Source: Web API conventions §5.
"""

from __future__ import annotations

import ipaddress
import math
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol

from sqlalchemy import bindparam, delete, select

from seafleet.db.engine import upsert
from seafleet.db.tables import throttle_window
from seafleet.errors import Throttled
from seafleet.secrets import hash_token

if TYPE_CHECKING:
    from seafleet.clock import Clock
    from seafleet.db.engine import Database

WINDOW_SECONDS: Final = 60
DEFAULT_LIMITS: Final[Mapping[str, int]] = {"ping": 3000, "anon": 60, "user": 3000}
MAX_KEYS: Final = 50_000
MAX_ADDRESSES: Final = 1024

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Counters(Protocol):
    """Counts hits of the last minute. Safe to use from several threads."""

    def hit(self, key: str, limit: int, now: float) -> float:
        """Count a hit and return 0, or return the seconds after which the next one would fit, and count
        nothing.
        """
        ...

    def purge(self, now: float) -> None:
        """Forget what no longer counts."""
        ...


class Throttle:
    """Refuses what comes too often."""

    def __init__(
        self,
        clock: Clock,
        counters: Counters | None = None,
        *,
        limits: Mapping[str, int] | None = None,
        exempt: Sequence[str] = (),
    ) -> None:
        """Take `exempt` networks such as `10.0.0.0/8`, and per scope the hits a minute, where 0 means no
        limit.
        """
        self._clock = clock
        self._counters = counters or MemoryCounters()
        self._limits = {**DEFAULT_LIMITS, **(limits or {})}
        self._exempt: tuple[Network, ...] = tuple(ipaddress.ip_network(text, strict=False) for text in exempt)
        self._is_exempt = lru_cache(MAX_ADDRESSES)(self._look_up)

    def hit(self, scope: str, key: str | int, address: str = "") -> None:
        """Count one request. Raises Throttled with the whole seconds to wait.

        `address` is the client's, if the key is not: callers from exempt networks are not counted.
        """
        limit = self._limits.get(scope, 0)
        if limit <= 0 or (self._exempt and self._is_exempt(address or str(key))):
            return
        wait = self._counters.hit(f"{scope}:{key}", limit, self._clock.now().timestamp())
        if wait > 0:
            raise Throttled(scope, max(1, math.ceil(wait)))

    def purge(self) -> None:
        """Forget what no longer counts; to be called every few minutes."""
        self._counters.purge(self._clock.now().timestamp())

    def _look_up(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:  # a list of forwarders, or an account's id
            return False
        return any(parsed in network for network in self._exempt)


class MemoryCounters:
    """Times of the hits of the last minute, for a server of one worker."""

    def __init__(self, max_keys: int = MAX_KEYS) -> None:
        self._lock = threading.Lock()
        self._hits: dict[str, deque[float]] = {}
        self._max_keys = max_keys

    def hit(self, key: str, limit: int, now: float) -> float:
        """Count a hit and return 0, or the seconds to wait. Source: Web API conventions §5."""
        with self._lock:
            times = self._hits.get(key)
            if times is None:
                if len(self._hits) >= self._max_keys:
                    self._make_room(now)
                times = self._hits[key] = deque()
            while times and times[0] <= now - WINDOW_SECONDS:
                times.popleft()
            if len(times) >= limit:
                return times[0] + WINDOW_SECONDS - now
            times.append(now)
            return 0.0

    def purge(self, now: float) -> None:
        """Forget keys whose last hit is more than a minute ago."""
        with self._lock:
            for key in [key for key, times in self._hits.items() if times[-1] <= now - WINDOW_SECONDS]:
                del self._hits[key]

    def _make_room(self, now: float) -> None:
        """Forget the idle; if all are busy, the older half."""
        old = [key for key, times in self._hits.items() if times[-1] <= now - WINDOW_SECONDS]
        for key in old or list(self._hits)[: max(1, self._max_keys // 2)]:
            del self._hits[key]


@dataclass(slots=True)
class _Share:
    """What a worker knows of one key: everybody's sums when last read, and its own hits that are not sent."""

    window: int
    before: int = 0
    present: int = 0
    unsent: int = 0
    read_at: float = -math.inf


_SUMS: Final = select(throttle_window.c.window, throttle_window.c.hits).where(
    throttle_window.c.key == bindparam("key"), throttle_window.c.window >= bindparam("oldest")
)
_INSERT: Final = upsert(throttle_window)
_ADD: Final = _INSERT.on_conflict_do_update(
    index_elements=["key", "window"], set_={"hits": throttle_window.c.hits + _INSERT.excluded.hits}
)
_PURGE: Final = delete(throttle_window).where(throttle_window.c.window < bindparam("oldest"))


class TableCounters:
    """Hits of the present and the last window in a table, for several workers."""

    def __init__(self, database: Database, max_keys: int = MAX_KEYS) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._shares: dict[str, _Share] = {}
        self._max_keys = max_keys

    def hit(self, key: str, limit: int, now: float) -> float:
        """Count a hit and return 0, or the seconds to wait; now and then this writes to the database."""
        stored = key if len(key) <= 100 and key.isascii() and key.isprintable() else hash_token(key)
        window = int(now) - int(now) % WINDOW_SECONDS
        with self._lock:
            share = self._shares.get(stored)
            fresh = share is not None and share.window == window and now - share.read_at < 1
            if share is not None and fresh and share.unsent < max(1, limit // 60):
                return _count(share, limit, now)
            unsent, of_window = (share.unsent, share.window) if share else (0, window)
            if share:
                share.unsent = 0
        try:
            before, present = self._exchange(stored, window, unsent, of_window)
        except BaseException:
            self._take_back(stored, of_window, unsent)
            raise
        with self._lock:
            share = self._shares.get(stored)
            if share is None or share.window != window:
                share = self._new_share(stored, window)
            share.before, share.present, share.read_at = before, present, now
            return _count(share, limit, now)

    def purge(self, now: float) -> None:
        """Delete windows that no longer count."""
        oldest = int(now) - 2 * WINDOW_SECONDS
        self._database.write(lambda tx: tx.execute(_PURGE, {"oldest": oldest}).rowcount)

    def _take_back(self, key: str, window: int, hits: int) -> None:
        """Keep hits that could not be sent for the next time."""
        with self._lock:
            share = self._shares.get(key)
            if share is not None and share.window == window:
                share.unsent += hits

    def _new_share(self, key: str, window: int) -> _Share:
        if len(self._shares) >= self._max_keys:
            self._shares.clear()
        share = self._shares[key] = _Share(window)
        return share

    def _exchange(self, key: str, window: int, hits: int, of_window: int) -> tuple[int, int]:
        """Add this worker's hits and return everybody's sums of the last and the present window."""

        if hits:
            values = {"key": key, "window": of_window, "hits": hits}
            self._database.write(lambda tx: tx.execute(_ADD, values).rowcount)
        with self._database.read() as connection:
            found = connection.execute(_SUMS, {"key": key, "oldest": window - WINDOW_SECONDS})
            sums = {row.window: row.hits for row in found}
        return sums.get(window - WINDOW_SECONDS, 0), sums.get(window, 0)


def _count(share: _Share, limit: int, now: float) -> float:
    wait = _wait(share, limit, now)
    if wait == 0:
        share.unsent += 1
    return wait


def _wait(share: _Share, limit: int, now: float) -> float:
    """Return 0 if one more hit fits, else the seconds until enough of the last window has slid out."""
    elapsed = now - share.window
    present = share.present + share.unsent
    weight = 1 - elapsed / WINDOW_SECONDS
    if share.before * weight + present + 1 <= limit:
        return 0.0
    room = limit - 1 - present
    if room < 0 or share.before == 0:
        return WINDOW_SECONDS - elapsed
    return min(WINDOW_SECONDS - elapsed, WINDOW_SECONDS * (1 - room / share.before) - elapsed)
