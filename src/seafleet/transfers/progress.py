"""How far uploads have come, for old pages that ask while they send. Kept in memory, for a while.

Source: file server §4.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Final

_KEPT: Final = 1000


class UploadProgress:
    """Counts the bytes of uploads under ids that their senders choose."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._seen: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def note(self, progress_id: str, received_bytes: int, total_bytes: int) -> None:
        """Note how much of an upload has come."""
        with self._lock:
            self._seen[progress_id] = (received_bytes, total_bytes)
            self._seen.move_to_end(progress_id)
            if len(self._seen) > _KEPT:
                self._seen.popitem(last=False)

    def of(self, progress_id: str) -> tuple[int, int] | None:
        """Return how many bytes have come, of how many; None for an id that nobody has used lately."""
        with self._lock:
            return self._seen.get(progress_id)
