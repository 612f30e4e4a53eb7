"""Where a stream of content is cut into blocks.

The server cuts after every 8 MiB. The desktop client cuts where the content says so, between 6 and 10 MiB;
that is here to reproduce its block ids. Nothing depends on how a file was cut.

Cutting by content, from the start of each chunk: the fingerprint of the last 48 bytes is looked at from the
last byte of the minimal chunk on; where its low bits are 0x13, or at the maximal length, the chunk ends after
that byte. The fingerprint is Rabin's over GF(2), with the polynomial of `POLYNOMIAL`, of which 32 bits are
kept after every step. Such a step is ::

    state = append(state xor U[oldest byte], new byte) cut to 32 bits
    append(p, m) = ((p << 8) | m) xor T[p >> 55]

As the state is below 2**32, ``p >> 55`` depends on the oldest byte alone, and a byte leaves the state after
four steps. So with ``OUT[b] = append(U[b], 0)`` cut to 32 bits and ``c[i] = byte[i] xor OUT[byte[i - 48]]``
(``c[i] = byte[i]`` inside the minimal chunk), the state is c[i] ^ c[i-1] << 8 ^ c[i-2] << 16 ^ c[i-3] << 24.
Its low eight bits are looked for in all bytes at once; only one byte in 256 is looked at closer.

Source: storage format §8.1, §8.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import reduce
from operator import xor
from typing import Final, NamedTuple, Protocol

MIB: Final = 1 << 20
DEFAULT_BLOCK_BYTES: Final = 8 * MIB
POLYNOMIAL: Final = 0xBFE6B8A5BF378D83
WINDOW_BYTES: Final = 48
BREAK_VALUE: Final = 0x13

Buffer = bytes | bytearray | memoryview


class Piece(NamedTuple):
    """Some bytes of the block at hand, and whether it ends with them. The bytes are a view, not a copy."""

    data: memoryview
    ends_block: bool


class Chunker(Protocol):
    """Cuts content that arrives in pieces. One chunker serves one file after the other, never two at once."""

    def feed(self, data: Buffer) -> Iterator[Piece]:
        """Cut the next bytes of the content. Exhaust the iterator before feeding again."""
        ...

    def finish(self) -> bool:
        """End the content and start anew; tell whether a block was left open (not so for an empty file)."""
        ...


class FixedChunker:
    """Cuts after every `block_bytes` bytes."""

    def __init__(self, block_bytes: int = DEFAULT_BLOCK_BYTES) -> None:
        if block_bytes < 1:
            raise ValueError("a block has at least one byte")
        self._block_bytes = block_bytes
        self._filled_bytes = 0

    def feed(self, data: Buffer) -> Iterator[Piece]:
        """Cut the next bytes of the content."""
        rest = memoryview(data)
        while rest:
            piece = rest[: self._block_bytes - self._filled_bytes]
            rest = rest[len(piece) :]
            ends = self._filled_bytes + len(piece) == self._block_bytes
            self._filled_bytes = 0 if ends else self._filled_bytes + len(piece)
            yield Piece(piece, ends)

    def finish(self) -> bool:
        """End the content and start anew; tell whether a block was left open."""
        was_open = self._filled_bytes > 0
        self._filled_bytes = 0
        return was_open


class ContentDefinedChunker:
    """Cuts as the desktop client does.

    The average must be a power of two from 256 on, the minimum larger than the window by four bytes.
    """

    def __init__(
        self, min_bytes: int = 6 * MIB, average_bytes: int = 8 * MIB, max_bytes: int = 10 * MIB
    ) -> None:
        if average_bytes < 256 or average_bytes & (average_bytes - 1):
            raise ValueError("the average is not a power of two from 256 on")
        if not _HISTORY_BYTES < min_bytes <= max_bytes:
            raise ValueError("the minimum is too small for the window or larger than the maximum")
        self._min_bytes = min_bytes
        self._max_bytes = max_bytes
        self._mask = (average_bytes - 1) & _STATE_MASK
        self._filled_bytes = 0
        self._tail = b""

    def feed(self, data: Buffer) -> Iterator[Piece]:
        """Cut the next bytes of the content."""
        rest = memoryview(data)
        while rest:
            piece, ends = self._next_piece(rest)
            rest = rest[len(piece) :]
            yield Piece(piece, ends)

    def finish(self) -> bool:
        """End the content and start anew; tell whether a block was left open."""
        was_open = self._filled_bytes > 0
        self._begin()
        return was_open

    def _begin(self) -> None:
        self._filled_bytes, self._tail = 0, b""

    def _next_piece(self, rest: memoryview) -> tuple[memoryview, bool]:
        unseen = self._min_bytes - 1 - self._filled_bytes
        if unseen > 0:
            return self._taken(rest[:unseen], ends=False)
        rest = rest[: self._max_bytes - self._filled_bytes]
        length = self._first_break(bytes(rest))
        if length is None:
            return self._taken(rest, ends=self._filled_bytes + len(rest) == self._max_bytes)
        return self._taken(rest[:length], ends=True)

    def _taken(self, piece: memoryview, *, ends: bool) -> tuple[memoryview, bool]:
        if ends:
            self._begin()
        else:
            self._filled_bytes += len(piece)
            self._tail = (self._tail + piece[-_HISTORY_BYTES:].tobytes())[-_HISTORY_BYTES:]
        return piece, ends

    def _first_break(self, data: bytes) -> int | None:
        """Return how many bytes of `data` end at the first break, if there is one.

        `data` comes after the tail; its first byte is the last of the minimal chunk or a later one.
        """
        seen = self._tail + data
        # The byte that each one pushes out, from three bytes before `data` on. None is inside the minimal
        # chunk: zero stands for it, as U[0] is 0.
        inside = max(0, self._min_bytes - self._filled_bytes + _STATE_BYTES - 1)
        oldest = bytes(inside) + seen[inside:-WINDOW_BYTES]
        low = _xor(data, oldest[_STATE_BYTES - 1 :].translate(_LOW_BREAK))
        for match in _zero_bytes(low):
            at = match.start()
            newest = seen[len(self._tail) + at - _STATE_BYTES + 1 :][:_STATE_BYTES]
            if self._is_break(_state(newest, oldest[at : at + _STATE_BYTES])):
                return at + 1
        return None

    def _is_break(self, state: int) -> bool:
        return state & self._mask == BREAK_VALUE


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "little") ^ int.from_bytes(right, "little")).to_bytes(len(left), "little")


def _state(newest: bytes, oldest: bytes) -> int:
    """Return the fingerprint when the last four bytes to come and to go were these."""
    state = 0
    for new, old in zip(newest, oldest, strict=True):
        state = (state << 8 & _STATE_MASK) ^ new ^ _OUT[old]
    return state


def _remainder(value: int) -> int:
    """Return a polynomial over GF(2) modulo `POLYNOMIAL`."""
    while (excess := value.bit_length() - POLYNOMIAL.bit_length()) >= 0:
        value ^= POLYNOMIAL << excess
    return value


def _product(left: int, right: int) -> int:
    """Return the product of two polynomials over GF(2)."""
    return reduce(xor, (right << bit for bit in range(left.bit_length()) if left >> bit & 1), 0)


def _append_table() -> tuple[int, ...]:
    t1 = _remainder(1 << 63)
    return tuple(_remainder(_product(j, t1)) | (j << 63 & _WORD_MASK) for j in range(256))


def _append(state: int, byte: int) -> int:
    return ((state << 8 & _WORD_MASK) | byte) ^ T[state >> 55]


def _window_table() -> tuple[int, ...]:
    shifted = reduce(_append, bytes(WINDOW_BYTES - 1), 1)
    return tuple(_remainder(_product(i, shifted)) for i in range(256))


_WORD_MASK: Final = (1 << 64) - 1
_STATE_MASK: Final = (1 << 32) - 1
_STATE_BYTES: Final = 4
_HISTORY_BYTES: Final = WINDOW_BYTES + _STATE_BYTES - 1
_zero_bytes = re.compile(rb"\0").finditer

T: Final = _append_table()
"""What appending a byte adds for the bits that it shifts out."""
U: Final = _window_table()
"""What a byte has become when it leaves the window."""
_OUT: Final = tuple(_append(u, 0) & _STATE_MASK for u in U)
_LOW_BREAK: Final = bytes(out & 0xFF ^ BREAK_VALUE for out in _OUT)


def checksum(window: bytes) -> int:
    """Return the fingerprint of the first bytes of a chunk, one window long or shorter."""
    return reduce(lambda state, byte: _append(state, byte) & _STATE_MASK, window, 0)
