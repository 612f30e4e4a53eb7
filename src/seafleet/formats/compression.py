"""Stored fs objects are zlib streams (RFC 1950), the same bytes on disk and on the wire.

Any level is readable. Up to 2 KiB of JSON the bytes equal `zlib` at level 6, which is what the C server
and the client write; above, isal takes a tenth of the time for about the same size.

Source: storage format §7.
"""

from __future__ import annotations

import zlib
from importlib import import_module
from typing import Any, Final, Protocol

from seafleet.errors import MalformedObject

_isal: Any
try:
    _isal = import_module("isal.isal_zlib")
except ImportError:  # a platform without wheels: slower, and right all the same
    _isal = None

DEFAULT_MAX_BYTES: Final = 64 << 20
"""Inflated size above which an fs object is refused: about 300,000 entries, or 12 TB in 8 MiB blocks."""

_LEVEL: Final = 6
_ISAL_LEVEL: Final = 2
_ISAL_FROM_BYTES: Final = 2 << 10


class _Inflater(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def compress(json: bytes) -> bytes:
    """Return the stored form of an fs object's JSON text."""
    if _isal is None or len(json) <= _ISAL_FROM_BYTES:
        return zlib.compress(json, _LEVEL)
    deflated: bytes = _isal.compress(json, _ISAL_LEVEL)
    return deflated


def decompress(stored: bytes, max_bytes: int = DEFAULT_MAX_BYTES) -> bytes:
    """Return the JSON text of a stored fs object.

    Never holds more than `max_bytes` + 1. Raises MalformedObject when `stored` is not one whole zlib
    stream, when something follows it, or when it inflates to more than `max_bytes`.
    """
    inflater = _inflater(len(stored))
    try:
        text = inflater.decompress(stored, max_bytes + 1)
    except _ERRORS as error:
        raise MalformedObject("fs object", f"not a zlib stream ({error})") from None
    if len(text) > max_bytes:
        raise MalformedObject("fs object", f"inflates to more than {max_bytes} bytes")
    if not inflater.eof:
        raise MalformedObject("fs object", "the zlib stream is cut short")
    if inflater.unused_data:
        raise MalformedObject("fs object", "bytes after the end of the zlib stream")
    return text


def _inflater(stored_bytes: int) -> _Inflater:
    if _isal is None or stored_bytes < _ISAL_FROM_BYTES >> 3:
        return zlib.decompressobj()
    inflater: _Inflater = _isal.decompressobj()
    return inflater


_ERRORS: Final[tuple[type[Exception], ...]] = (zlib.error,) if _isal is None else (zlib.error, _isal.error)
