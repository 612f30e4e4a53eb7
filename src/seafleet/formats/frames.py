"""Many fs objects in one body: what `pack-fs` answers and `recv-fs` takes.

========  ======================================
bytes     content
========  ======================================
40        object id, ASCII
4         length *n*, unsigned, big endian
*n*       the object as stored
========  ======================================

Frames follow each other without anything between or after them.

Source: sync protocol §3, "pack-fs".
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final

from seafleet.errors import MalformedObject
from seafleet.ids import ObjectId, looks_like_object_id

_HEAD: Final = struct.Struct(">40sI")
HEAD_BYTES: Final = _HEAD.size
DEFAULT_MAX_OBJECT_BYTES: Final = 64 << 20
"""Stored size above which a frame is refused before its content is taken."""


def encode_frame(object_id: ObjectId, stored: bytes) -> bytes:
    """Return one frame."""
    return _HEAD.pack(object_id.encode("ascii"), len(stored)) + stored


def encode_frames(objects: Iterable[tuple[ObjectId, bytes]]) -> bytes:
    """Return the frames of all objects, in the given order."""
    return b"".join(encode_frame(object_id, stored) for object_id, stored in objects)


def decode_frames(
    body: bytes, max_object_bytes: int = DEFAULT_MAX_OBJECT_BYTES
) -> list[tuple[ObjectId, bytes]]:
    """Return the objects of a whole body. Raises MalformedObject as FrameParser does."""
    parser = FrameParser(max_object_bytes)
    objects = parser.feed(body)
    parser.finish()
    return objects


class FrameParser:
    """Takes a body in pieces of any size and gives back each object as soon as it is complete.

    It holds at most one object of `max_object_bytes` and the piece that was fed last. It does not look into
    objects: inflate and hash them before use. After an error it is of no more use.
    """

    def __init__(self, max_object_bytes: int = DEFAULT_MAX_OBJECT_BYTES) -> None:
        self._max_object_bytes = max_object_bytes
        self._buffer = bytearray()
        self._object_id: ObjectId | None = None
        self._object_bytes = 0

    def feed(self, data: bytes | bytearray | memoryview) -> list[tuple[ObjectId, bytes]]:
        """Take the next piece and return the objects that it completes, with their ids.

        Raises MalformedObject for a bad id, an empty object or one above the limit.
        """
        self._buffer += data
        return list(self._completed())

    def _completed(self) -> Iterator[tuple[ObjectId, bytes]]:
        at = 0
        while True:
            if self._object_id is None and len(self._buffer) - at >= HEAD_BYTES:
                self._begin(at)
                at += HEAD_BYTES
            if self._object_id is None or len(self._buffer) - at < self._object_bytes:
                break
            end = at + self._object_bytes
            found = self._object_id, bytes(memoryview(self._buffer)[at:end])
            self._object_id, at = None, end
            yield found
        del self._buffer[:at]

    def finish(self) -> None:
        """Tell the parser that the body has ended. Raises MalformedObject in the middle of a frame."""
        if self._buffer or self._object_id is not None:
            raise MalformedObject("frame", "the body ends inside a frame")

    def _begin(self, at: int) -> None:
        raw_id, length = _HEAD.unpack_from(self._buffer, at)
        object_id = raw_id.decode("latin-1")
        if not looks_like_object_id(object_id):
            raise MalformedObject("frame", "the id is not 40 lower-case hexadecimal digits")
        if not 0 < length <= self._max_object_bytes:
            raise MalformedObject("frame", f"an object of {length} bytes")
        self._object_id, self._object_bytes = ObjectId(object_id), length
