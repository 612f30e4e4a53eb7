"""Time as an argument: the wall clock for servers, a fixed one for tests."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time. Domain code is given one and never asks the system itself."""

    def now(self) -> datetime:
        """Return the present time in UTC."""
        ...

    def timestamp(self) -> int:
        """Return the present time in whole Unix seconds."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present time in UTC."""
        return datetime.now(UTC)

    def timestamp(self) -> int:
        """Return the present time in whole Unix seconds."""
        return int(time.time())


@dataclass
class FixedClock:
    """A clock that stands still until it is moved."""

    seconds: float = 1_700_000_000.0

    def now(self) -> datetime:
        """Return the set time in UTC."""
        return datetime.fromtimestamp(self.seconds, UTC)

    def timestamp(self) -> int:
        """Return the set time in whole Unix seconds."""
        return int(self.seconds)

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self.seconds += seconds
