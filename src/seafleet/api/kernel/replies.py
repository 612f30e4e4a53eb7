"""What a handler answers, and the bytes that it becomes.

JSON goes out as the reference's clients know it: ASCII only, no blanks between items, indented where `Accept`
asks.

Source: Web API conventions §4.
"""

from __future__ import annotations

import codecs
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

JSON: Final = "application/json"
JSON_UTF8: Final = "application/json; charset=utf-8"
TEXT: Final = "text/plain; charset=utf-8"
BINARY: Final = "application/octet-stream"

_encoder = msgspec.json.Encoder(enc_hook=str)
_NO_BREAK_SPACE: Final = "\u00a0".encode()


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer: a JSON-able body, or bytes that go out as they are; None sends no body at all.

    `media_type` defaults to JSON for values and to a stream of octets for bytes.
    """

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class Encoded:
    """An answer as the server sends it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def text_reply(text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Return an answer in plain text."""
    return Reply(text.encode(), status, headers or {}, TEXT)


def as_reply(result: object) -> Reply:
    """Return a handler's result as a Reply: it may be one, or `(status, body)`, or a JSON-able value."""
    if isinstance(result, Reply):
        return result
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], int):
        return Reply(result[1], result[0])
    return Reply(result)


def encode_json(value: object, indent: int = 0) -> bytes:
    """Return a value as JSON in ASCII. `indent` is a number of blanks, 0 means compact."""
    try:
        data = _encoder.encode(value)
    except UnicodeEncodeError:  # half a surrogate pair, which only an old name in a library can hold
        data = json.dumps(value, separators=(",", ":"), default=str).encode()
    if indent:
        data = msgspec.json.format(data, indent=indent)
    # Sizes for people hold no-break spaces: in lists they are all that is not ASCII.
    data = data.replace(_NO_BREAK_SPACE, b"\\u00a0")
    return data if data.isascii() else data.decode().encode("ascii", "json-escape")


def encode_reply(reply: Reply, indent: int = 0) -> Encoded:
    """Return the status, header lines and body of an answer."""
    body, media_type = reply.body, reply.media_type
    if body is None:
        data = b""
    elif isinstance(body, bytes):
        data, media_type = body, media_type or BINARY
    else:
        data, media_type = encode_json(body, indent), media_type or JSON
    headers = [(b"content-length", b"%d" % len(data))] if reply.status != 204 else []
    if media_type is not None:
        headers.append((b"content-type", media_type.encode()))
    headers.extend(header_line(name, value) for name, value in reply.headers.items())
    return Encoded(reply.status, headers, data)


def header_line(name: str, value: str) -> tuple[bytes, bytes]:
    """Return a header line as bytes, in UTF-8. Characters that would break the line become blanks."""
    if value.isascii() and value.isprintable():
        return name.lower().encode("ascii"), value.encode("ascii")
    clean = "".join(character if character >= " " and character != "\x7f" else " " for character in value)
    return name.lower().encode("ascii"), clean.encode("utf-8", "replace")


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4)), error.end


codecs.register_error("json-escape", _escape)
