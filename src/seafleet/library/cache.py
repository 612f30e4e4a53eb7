"""A least-recently-used cache with a budget, for immutable values."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class WeightedCache(Generic[K, V]):
    """Keeps values up to a total weight; the least recently used go first. Safe to use from many threads."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._weight = 0
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: K) -> V | None:
        """Return the value, or None when it is not there (any more)."""
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return None
            self._entries.move_to_end(key)
            return found[0]

    def put(self, key: K, value: V, weight: int = 1) -> None:
        """Keep a value, unless it is heavier than half of the budget: it would evict the rest."""
        if weight > self._budget >> 1:
            return
        with self._lock:
            replaced = self._entries.pop(key, None)
            self._weight += weight - (replaced[1] if replaced else 0)
            self._entries[key] = (value, weight)
            while self._weight > self._budget:
                _, (_, dropped) = self._entries.popitem(last=False)
                self._weight -= dropped

    @property
    def weight(self) -> int:
        """The total weight of what is kept."""
        return self._weight
