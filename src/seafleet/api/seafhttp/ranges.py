"""Byte ranges: what a caller wants of a file, and how several of them are put into one answer.

Source: file server §7; RFC 9110 §14.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from seafleet.api.seafhttp.streaming import Reader

MAX_RANGES: Final = 16
"""Who asks for more in one request is answered as if the ranges did not fit."""

_one_range = re.compile(r"\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*").fullmatch


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Some bytes of a file, `last` included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many bytes these are."""
        return self.last - self.first + 1


class UnsatisfiableRange(Exception):
    """None of the ranges holds a byte of the file, or they are not ranges of bytes at all."""


def parse_ranges(header: str, size: int) -> list[ByteRange]:
    """Return the ranges that a `Range` header asks for, clipped to the file; those beyond it are left out.

    Raises UnsatisfiableRange for garbage, for ranges that overlap, for too many, and when nothing is left.
    """
    unit, _, wanted = header.partition("=")
    parts = wanted.split(",")
    if unit.strip().lower() != "bytes" or len(parts) > MAX_RANGES:
        raise UnsatisfiableRange
    found = [each for part in parts if (each := _parse_one(part, size)) is not None]
    if not found or _overlap(found):
        raise UnsatisfiableRange
    return found


def _parse_one(text: str, size: int) -> ByteRange | None:
    match = _one_range(text)
    if match is None:
        raise UnsatisfiableRange
    first, last = match.groups()
    if not first:
        if not last:
            raise UnsatisfiableRange
        return ByteRange(max(0, size - int(last)), size - 1) if int(last) and size else None
    end = min(int(last), size - 1) if last else size - 1
    if last and int(last) < int(first):
        raise UnsatisfiableRange
    return ByteRange(int(first), end) if int(first) < size else None


def _overlap(ranges: Sequence[ByteRange]) -> bool:
    ordered = sorted(ranges, key=lambda each: each.first)
    return any(before.last >= after.first for before, after in pairwise(ordered))


class MultipartReader:
    """The body of an answer with several ranges: each with a head of its own, read one after the other."""

    def __init__(
        self,
        ranges: Sequence[ByteRange],
        size: int,
        media_type: str,
        boundary: str,
        reader_of: Callable[[ByteRange], Reader],
    ) -> None:
        self._heads = [_head(each, size, media_type, boundary) for each in ranges]
        self._end = f"\r\n--{boundary}--\r\n".encode()
        self.length = sum(map(len, self._heads)) + sum(each.length for each in ranges) + len(self._end)
        self._pieces = self._all(ranges, reader_of)

    def read(self) -> bytes:
        """Return the next bytes; nothing at the end. Raises as `ContentReader.read` does."""
        return next(self._pieces, b"")

    def _all(self, ranges: Sequence[ByteRange], reader_of: Callable[[ByteRange], Reader]) -> Iterator[bytes]:
        for head, each in zip(self._heads, ranges, strict=True):
            yield head
            reader = reader_of(each)
            while data := reader.read():
                yield data
        yield self._end


def _head(wanted: ByteRange, size: int, media_type: str, boundary: str) -> bytes:
    return (
        f"\r\n--{boundary}\r\nContent-Type: {media_type}\r\n"
        f"Content-Range: bytes {wanted.first}-{wanted.last}/{size}\r\n\r\n"
    ).encode()
