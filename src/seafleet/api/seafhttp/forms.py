"""The bodies of uploads: multipart forms that are taken apart while they arrive.

Fields are kept, within limits; what is in files is passed on. Which fields there are is known at the end
only, since files may stand anywhere among them.

Source: file server §2; RFC 7578.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from seafleet.api.seafhttp.errors import refuse_upload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seafleet.api.kernel import ReplyError

Event = str | bytes | None
"""What a body consists of: the name of a file that begins, bytes of its content, None when it ends."""

MAX_FIELD_BYTES: Final = 1 << 20
MAX_PARTS: Final = 10_000

_FILE: Final = "file"
_BOUNDARY_BYTES: Final = 200
_EPILOGUE_BYTES: Final = 16


class FormParser:
    """Takes one body apart. Raises ReplyError (400) for whatever is not a well-formed form."""

    def __init__(
        self, content_type: str, content_length: int | None, *, max_field_bytes: int = MAX_FIELD_BYTES
    ) -> None:
        self.fields: dict[str, str] = {}
        self._rest_of_fields = max_field_bytes
        boundary = _boundary(content_type)
        self._end = f"--{boundary}--".encode()
        self._tail = b""
        self._parser = PushMultipartParser(
            boundary,
            -1 if content_length is None else content_length,
            max_segment_count=MAX_PARTS,
        )
        self._segment: MultipartSegment | None = None
        self._value: list[bytes] = []

    def feed(self, chunk: bytes) -> list[Event]:
        """Take the next bytes of the body, and return what they mean for its files."""
        kept = len(self._end) + _EPILOGUE_BYTES
        self._tail = chunk[-kept:] if len(chunk) >= kept else (self._tail + chunk)[-kept:]
        try:
            return list(self._events(chunk))
        except (MultipartError, ValueError, LookupError):  # also headers that cannot be decoded
            raise _bad_request() from None

    def finish(self) -> None:
        """Check that the body was complete, and that nothing came after its end."""
        try:
            self._parser.close()
        except MultipartError:
            raise _bad_request() from None
        if not self._tail.rstrip(b"\r\n\t ").endswith(self._end):
            raise _bad_request()

    def _events(self, chunk: bytes) -> Iterator[Event]:
        for found in self._parser.parse(chunk):
            if isinstance(found, MultipartSegment):
                self._segment = found
                if _is_file(found):
                    yield found.filename
                continue
            segment = self._segment
            assert segment is not None, "content comes after the head of its part"
            if _is_file(segment):
                yield None if found is None else bytes(found)
            elif segment.filename is None:
                self._take_field(segment.name, found)

    def _take_field(self, name: str, data: bytes | bytearray | None) -> None:
        if data is not None:
            self._rest_of_fields -= len(data)
            if self._rest_of_fields < 0:
                raise _bad_request()
            self._value.append(bytes(data))
            return
        text = b"".join(self._value).decode()
        self._value.clear()
        if "\0" in text:
            raise _bad_request()
        self.fields[name] = text


def _is_file(segment: MultipartSegment) -> bool:
    return segment.filename is not None and segment.name == _FILE


def _boundary(content_type: str) -> str:
    media_type, options = parse_options_header(content_type)
    boundary: str = options.get("boundary", "")
    is_form = media_type == "multipart/form-data"
    if not is_form or not 0 < len(boundary) <= _BOUNDARY_BYTES or not boundary.isascii():
        raise refuse_upload(400, "Wrong boundary in url")
    return boundary


def _bad_request() -> ReplyError:
    return refuse_upload(400, "Bad request.")
