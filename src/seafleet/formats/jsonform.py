r"""The JSON spelling that object ids are hashed over.

====================  =====================================================================
keys                  in byte order (fs objects); as given (commits)
separators            ``", "`` and ``": "``, no line breaks
``" \\ \b \f \n``     two characters, so too ``\r`` and ``\t``
others below U+0020   ``\u00XX`` with **upper-case** hexadecimal digits
everything else       raw UTF-8, also ``/``, DEL, U+2028 and U+2029
====================  =====================================================================

This is msgspec's form but for the separators and the upper-case digits.

Source: storage format §3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from seafleet.errors import MalformedObject

T = TypeVar("T")

_escape = re.compile(rb"\\(?:u[0-9a-f]{4}|.)")
_sorted: Final = msgspec.json.Encoder(order="sorted", enc_hook=str)
_as_given: Final = msgspec.json.Encoder(enc_hook=str)


def quote(text: str) -> str:
    """Return `text` as a JSON string with its quotes. Raises MalformedObject for lone surrogates and NULs."""
    return _encode(_as_given, str(text)).decode()


def dumps(value: object) -> bytes:
    """Return JSON with sorted keys: the text of an fs object. Raises MalformedObject as `quote` does."""
    return msgspec.json.format(_encode(_sorted, value), indent=0)


def dumps_as_given(value: Mapping[str, object]) -> bytes:
    """Return JSON with the keys as given: the text of a commit. Raises MalformedObject as `quote` does."""
    return msgspec.json.format(_encode(_as_given, value), indent=0)


def loads(decoder: msgspec.json.Decoder[T], text: bytes, kind: str) -> T:
    r"""Return what `decoder` makes of `text`; every way to fail becomes MalformedObject of `kind`.

    A NUL (``\u0000``) is refused wherever it stands, as the reference's parser does: file systems and
    PostgreSQL have no place for it.
    """
    _refuse_nul(text, kind)
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedObject(kind, str(error)) from None


def _encode(encoder: msgspec.json.Encoder, value: object) -> bytes:
    try:
        encoded = encoder.encode(value)
    except UnicodeEncodeError:
        raise MalformedObject("text", "a lone surrogate has no UTF-8 form") from None
    if b"\\u00" not in encoded:
        return encoded
    _refuse_nul(encoded, "text")
    return _escape.sub(_upper_hex, encoded)


def _refuse_nul(text: bytes, kind: str) -> None:
    if b"\\u0000" in text and b"\\u0000" in _escape.findall(text):
        raise MalformedObject(kind, "a string holds a NUL")


def _upper_hex(match: re.Match[bytes]) -> bytes:
    escape = match.group()
    return b"\\u" + escape[2:].upper() if escape.startswith(b"\\u") else escape
