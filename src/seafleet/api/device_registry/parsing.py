"""Parameters of the registry's own API: times, limits, cursors.

A cursor holds the place of the last row that was shown; it is no secret, and a wrong one is a wrong argument.
"""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from seafleet.devices.listing import Position, Sort
from seafleet.errors import InvalidArgument
from seafleet.text import is_storable

if TYPE_CHECKING:
    from seafleet.api.kernel import ApiRequest

MAX_LIMIT: Final = 500
DEFAULT_LIMIT: Final = 50
_MAX_NUMBER: Final = 1 << 62
_TEXT_KEYS: Final = (Sort.UID, Sort.NAME, Sort.MODEL, Sort.PLATFORM, Sort.STATUS)
_TEXT_TIES: Final = (*_TEXT_KEYS, Sort.LAST_SEEN)


def limit_of(request: ApiRequest) -> int:
    """Return how many rows are asked for. Raises InvalidArgument("limit")."""
    text = request.query("limit") or str(DEFAULT_LIMIT)
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= MAX_LIMIT or len(text) > 9:
        raise InvalidArgument("limit", f"from 1 to {MAX_LIMIT}")
    return int(text)


def number_of(name: str, text: str) -> int:
    """Return a row's number. Raises InvalidArgument(name)."""
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise InvalidArgument(name, "a number")
    return int(text)


def time_of(name: str, value: object) -> datetime | None:
    """Return a time given in ISO 8601 (UTC unless it says otherwise) or Unix seconds, None for none.

    Raises InvalidArgument(name).
    """
    if value is None or value == "":
        return None
    try:
        if isinstance(value, str) and not value.isdecimal():
            moment = datetime.fromisoformat(value)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise ValueError
        return datetime.fromtimestamp(int(value), UTC)
    except (ValueError, OverflowError, OSError):
        raise InvalidArgument(name, "a time such as 2026-05-13T08:00:00Z") from None


def sort_of(text: str | None) -> tuple[Sort, bool]:
    """Return the order that is asked for, and whether it is reversed. Raises InvalidArgument("sort")."""
    word = text or Sort.ID.value
    try:
        return Sort(word.removeprefix("-")), word.startswith("-")
    except ValueError:
        raise InvalidArgument("sort", "one of " + ", ".join(Sort)) from None


def cursor_of(order: str, position: Position) -> str:
    """Return a place in an order as text."""
    text = json.dumps([order, position.key, position.tie], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def position_of(order: str, sort: Sort, cursor: str | None) -> Position | None:
    """Return the place that a cursor of this order holds. Raises InvalidArgument("cursor")."""
    if not cursor:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        values: Any = json.loads(base64.urlsafe_b64decode(padded))
        known, key, tie = values
    except (ValueError, binascii.Error, TypeError):
        raise InvalidArgument("cursor") from None
    if known != order or not _fits(key, sort in _TEXT_KEYS) or not _fits(tie, sort in _TEXT_TIES):
        raise InvalidArgument("cursor")
    return Position(key, tie)


def _fits(value: object, is_text: bool) -> bool:
    if is_text:
        return isinstance(value, str) and is_storable(value)
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MAX_NUMBER
