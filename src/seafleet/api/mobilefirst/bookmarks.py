"""Places in lists: opaque, signed texts that say which page to return.

A bookmark holds the walk (order, size of pages, what is searched for), the number of the page, and the row at
its border: its sort key and what decides between equal ones. It is not an offset, so that what comes and goes
elsewhere neither repeats nor hides a row.

::

    bookmark = base64url(signature (16 bytes) | msgpack [version, order, size, search, page, side, key, tie])

The signature binds it to one list of one runtime. With names of a hundred characters it still has no more
than 512; a search that does not fit beside them is kept as a digest, and must then be sent along.

Source: MobileFirst devices §3.1.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from seafleet.api.mobilefirst.surface import Refusal
from seafleet.secrets import equal

if TYPE_CHECKING:
    from collections.abc import Callable

    from seafleet.secrets import ServerSecret

PAGE_SIZE: Final = 100
MAX_PAGE_SIZE: Final = 1000
MAX_LENGTH: Final = 512

_VERSION: Final = 1
_SIGNATURE_BYTES: Final = 16
_DIGEST_BYTES: Final = 16
_UID_BYTES: Final = 16
_MAX_BYTES: Final = MAX_LENGTH * 3 // 4
_WIDE_FROM: Final = 300
_MAX_DIGITS: Final = 9

_is_uid = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch

Side = Literal["first", "after", "before"]
Key = str | int
_SIDES: Final[tuple[Side, ...]] = ("first", "after", "before")


@dataclass(frozen=True, slots=True)
class Walk:
    """How a list is walked through: `order` as it is named in the query, with its sign."""

    order: str
    page_size: int
    search: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A page of a walk: the first one, or what comes after or before a row."""

    walk: Walk
    page_number: int = 1
    side: Side = "first"
    key: Key = ""
    tie: Key = ""


class Bookmarks:
    """Writes and reads the bookmarks of one list."""

    def __init__(self, secret: ServerSecret, name: str) -> None:
        self._key = secret.signing_key("mobilefirst bookmark")
        self._name = name.encode()

    def write(self, place: Place) -> str:
        """Return the bookmark of a place."""
        data = self._packed(place, place.walk.search)
        if len(data) + _SIGNATURE_BYTES > _MAX_BYTES:
            data = self._packed(place, _digest(place.walk.search))
        return base64.urlsafe_b64encode(self._signature(data) + data).rstrip(b"=").decode()

    def read(self, text: str, search: str | None) -> Place:
        """Return the place of a bookmark; `search` is what the query says, None if it says nothing.

        Raises Refusal (400) for one that was not written for this list, or in another search.
        """
        try:
            raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True)
        except (UnicodeEncodeError, binascii.Error, ValueError):
            raise _malformed() from None
        signature, data = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
        if not equal(signature, self._signature(data)):
            raise _malformed()
        version, order, size, kept, page, side, key, tie = msgspec.msgpack.decode(data)
        if version != _VERSION:
            raise _malformed()
        known = kept if isinstance(kept, str) else search or ""
        if search not in (None, known) or (isinstance(kept, bytes) and kept != _digest(known)):
            raise Refusal(400, "bookmark_mismatch", parameter="query")
        return Place(Walk(order, size, known), page, _SIDES[side], _unpacked(key), _unpacked(tie))

    def _packed(self, place: Place, search: str | bytes) -> bytes:
        walk = place.walk
        return msgspec.msgpack.encode(
            [
                _VERSION,
                walk.order,
                walk.page_size,
                search,
                place.page_number,
                _SIDES.index(place.side),
                _short(place.key),
                _short(place.tie),
            ]
        )

    def _signature(self, data: bytes) -> bytes:
        return hmac.new(self._key, self._name + b"\0" + data, hashlib.sha256).digest()[:_SIGNATURE_BYTES]


def _malformed() -> Refusal:
    return Refusal(400, "parameter_invalid", parameter="bookmark")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:_DIGEST_BYTES]


def _short(key: Key) -> Any:
    """Return a key in a short form: 16 bytes for a uid, and for long texts three bytes for each letter."""
    if isinstance(key, int):
        return key
    if _is_uid(key):
        return uuid.UUID(key).bytes
    return key if len(key.encode()) <= _WIDE_FROM else b"".join(ord(letter).to_bytes(3) for letter in key)


def _unpacked(key: Any) -> Key:
    if not isinstance(key, bytes):
        assert isinstance(key, str | int)
        return key
    if len(key) == _UID_BYTES:
        return str(uuid.UUID(bytes=key))
    return "".join(chr(int.from_bytes(key[at : at + 3])) for at in range(0, len(key), 3))


# -- pages ---------------------------------------------------------------------------------------------------


def wanted_place(
    bookmarks: Bookmarks, query: Callable[[str], str | None], orders: frozenset[str], default: str
) -> Place:
    """Return the place that a query asks for; the walk's parameters need not be repeated with a bookmark.

    Raises Refusal (400) for parameters that are wrong, or others than those of the bookmark.
    """
    order, size, search = query("orderBy"), query("pageSize"), query("query")
    if order is not None and order.removeprefix("-") not in orders:
        raise Refusal(400, "parameter_invalid", parameter="orderBy")
    page_size = None if size is None else _page_size(size)
    text = query("bookmark")
    if text is None:
        return Place(Walk(order or default, page_size or PAGE_SIZE, search or ""))
    place = bookmarks.read(text, search)
    if order is not None and order != place.walk.order:
        raise Refusal(400, "bookmark_mismatch", parameter="orderBy")
    if page_size is not None:
        place = replace(place, walk=replace(place.walk, page_size=page_size))
    return place


def _page_size(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text[: _MAX_DIGITS + 1]) == 0:
        raise Refusal(400, "parameter_invalid", parameter="pageSize")
    return min(int(text[: _MAX_DIGITS + 1]), MAX_PAGE_SIZE)


@dataclass(frozen=True, slots=True)
class Border:
    """A row at the border of a page: its sort key and what decides between equal ones."""

    key: Key
    tie: Key


def envelope(
    bookmarks: Bookmarks,
    place: Place,
    total: int,
    start: int,
    count: int,
    borders: tuple[Border, Border] | None,
) -> dict[str, Any]:
    """Return what stands around the items of a page: where it is, and the bookmarks of its neighbours.

    The page before the second one is the first, and so is that before the first; so it is where a page has
    become empty.
    """
    number = place.page_number
    before, behind = Place(place.walk), None
    if borders is not None:
        first, last = borders
        if number > 2:
            before = Place(place.walk, number - 1, "before", first.key, first.tie)
        if start + count < total:
            behind = Place(place.walk, number + 1, "after", last.key, last.tie)
    return {
        "nextPageBookmark": None if behind is None else bookmarks.write(behind),
        "prevPageBookmark": bookmarks.write(before),
        "pageNumber": number,
        "pageSize": place.walk.page_size,
        "startIndex": start,
        "totalListSize": total,
    }
