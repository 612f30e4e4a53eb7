"""Sizes and times in words, for people. Source: Web API conventions §6, §7."""

from __future__ import annotations

from datetime import datetime
from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400
_DAYS_SHOWN: Final = 14
_UNITS: Final = ("KB", "MB", "GB", "TB", "PB", "EB")
_STEP: Final = 1024.0


def size_text(size_bytes: int) -> str:
    """Return `0 bytes`, `1 byte`, `1.4 KB`, `676.0 MB`, with a no-break space before the unit."""
    if size_bytes < _STEP:
        return f"{size_bytes}\u00a0byte{'' if size_bytes == 1 else 's'}"
    value = float(size_bytes)
    unit = ""
    for unit in _UNITS:  # noqa: B007 - the unit that was reached is what is printed
        value /= _STEP
        if value < _STEP:
            break
    return f"{value:.1f}\u00a0{unit}"


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago something was, in words; the date when it is more than two weeks."""
    return elapsed(int((now - moment).total_seconds()), moment)


def elapsed(seconds: int, moment: datetime) -> str:
    """Return the same for a number of seconds that have passed since a moment."""
    if seconds <= 0:
        return "Just now"
    if seconds < _MINUTE:
        return _count(seconds, "second")
    if seconds < _HOUR:
        return _count(seconds // _MINUTE, "minute")
    if seconds < _DAY:
        return _count(seconds // _HOUR, "hour")
    if seconds < _DAYS_SHOWN * _DAY:
        return _count(seconds // _DAY, "day")
    return moment.strftime("%Y-%m-%d")


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 's'} ago"
