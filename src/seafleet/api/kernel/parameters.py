"""Parameters of a request: query string, form, multipart and JSON bodies, all read into one shape.

Every value is text, as in a form; JSON numbers and booleans are spelled as JSON spells them, an array is a
repeated field. The parsed JSON itself stays available.

Source: Web API conventions §3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from seafleet.api.kernel.errors import ApiError, detail
from seafleet.api.kernel.replies import encode_json

MAX_FIELDS: Final = 20_000
MAX_FIELD_BYTES: Final = 10_000_000

_FORM: Final = "application/x-www-form-urlencoded"
_MULTIPART: Final = "multipart/form-data"
_JSON: Final = "application/json"

Fields = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file that came in a small multipart body, whole."""

    name: str
    data: bytes
    media_type: str


@dataclass(slots=True)
class Body:
    """A parsed request body: its fields, its files, and the JSON value when it was JSON."""

    fields: Fields = field(default_factory=dict)
    files: dict[str, list[UploadedFile]] = field(default_factory=dict)
    json: Any = None


def parse_query(query: bytes) -> Fields:
    """Return the fields of a query string or a URL-encoded form.

    Raises ApiError (400) when it is not UTF-8 or holds NULs.
    """
    try:
        pairs = parse_qsl(query.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:  # not UTF-8, or too many fields
        raise ApiError(400, "Bad request.") from None
    fields: Fields = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(_checked(name, value))
    return fields


def parse_body(content_type: str, data: bytes) -> Body:
    """Return the parsed body. An empty one has no parameters, whatever its type.

    Raises ApiError: 415 for a type that is none of the three, 400 for a body that is not what its type says.
    """
    if not data:
        return Body()
    media_type, options = parse_options_header(content_type)
    media_type = media_type.lower()
    if media_type == _FORM:
        return Body(parse_query(data))
    if media_type == _JSON:
        return _json_body(data)
    if media_type == _MULTIPART:
        return _multipart_body(options.get("boundary", ""), data)
    raise detail(415, f'Unsupported media type "{content_type[:100]}" in request.')


def _checked(name: str, value: str) -> str:
    if "\0" in value or "\0" in name:
        raise ApiError(400, f"{name[:40]} invalid.".replace("\0", ""))
    return value


def _json_body(data: bytes) -> Body:
    try:
        data.decode()
        value = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise detail(400, f"JSON parse error - {str(error)[:200]}") from None
    fields: Fields = {}
    if isinstance(value, dict):
        for name, item in value.items():
            if item is not None:
                items = item if isinstance(item, list) else [item]
                fields[name] = [_checked(name, _text_of(each)) for each in items]
    return Body(fields, json=value)


def _text_of(value: object) -> str:
    return value if isinstance(value, str) else encode_json(value).decode()


def _multipart_body(boundary: str, data: bytes) -> Body:
    body = Body()
    try:
        with PushMultipartParser(
            boundary, len(data), max_segment_count=MAX_FIELDS, max_segment_size=MAX_FIELD_BYTES
        ) as parser:
            segment: MultipartSegment | None = None
            pieces: list[bytes] = []
            for event in parser.parse(data):
                if isinstance(event, MultipartSegment):
                    segment, pieces = event, []
                elif event:
                    pieces.append(bytes(event))
                elif segment is not None:
                    _add_segment(body, segment, b"".join(pieces))
    except (MultipartError, ValueError, LookupError) as error:
        raise detail(400, f"Multipart form parse error - {str(error)[:200]}") from None
    return body


def _add_segment(body: Body, segment: MultipartSegment, data: bytes) -> None:
    if segment.filename is not None:
        name = _checked("filename", segment.filename)
        media_type = segment.content_type or "application/octet-stream"
        body.files.setdefault(segment.name, []).append(UploadedFile(name, data, media_type))
    else:
        body.fields.setdefault(segment.name, []).append(_checked(segment.name, data.decode()))
