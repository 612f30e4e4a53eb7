"""Names of things: objects by the SHA-1 of their bytes, libraries by a random UUID.

Both are `str` underneath, so that they go into SQL, paths and format strings as they are. (msgspec's
encoder takes exact `str` only: give it `enc_hook=str`.)

Source: storage format §2.
"""

from __future__ import annotations

import re
import uuid
from hashlib import sha1
from typing import Final, Protocol, Self

from seafleet.errors import InvalidId

OBJECT_ID_LENGTH: Final = 40
LIBRARY_ID_LENGTH: Final = 36

_is_object_id = re.compile(r"[0-9a-f]{40}").fullmatch
_is_library_id = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch


class RandomSource(Protocol):
    """Where random bytes come from: `random.SystemRandom()` in servers, `random.Random(seed)` in tests."""

    def randbytes(self, n: int, /) -> bytes:
        """Return `n` random bytes."""
        ...


class ObjectId(str):
    """The name of a commit, an fs object or a block: 40 lower-case hexadecimal digits."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return `text` as an id. Raises InvalidId for anything else, upper case included."""
        if not looks_like_object_id(text):
            raise InvalidId("object id", text)
        return cls(text)

    @classmethod
    def of(cls, data: bytes | bytearray | memoryview) -> Self:
        """Return the name of `data`: its SHA-1."""
        return cls(sha1(data, usedforsecurity=False).hexdigest())


class LibraryId(str):
    """The name of a library: a UUID of 36 characters, lower case, with dashes."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return `text` as an id. Raises InvalidId for anything else, upper case included."""
        if not looks_like_library_id(text):
            raise InvalidId("library id", text)
        return cls(text)

    @classmethod
    def random(cls, rng: RandomSource) -> Self:
        """Return a new random (version 4) id."""
        return cls(uuid.UUID(bytes=rng.randbytes(16), version=4))


ZERO_ID: Final = ObjectId("0" * OBJECT_ID_LENGTH)
"""Stands for the empty file, the empty directory and "no device"; nothing is ever stored under it."""


def looks_like_object_id(text: object) -> bool:
    """Tell whether `text` has the form of an object id. Never raises."""
    return isinstance(text, str) and _is_object_id(text) is not None


def looks_like_library_id(text: object) -> bool:
    """Tell whether `text` has the form of a library id. Never raises."""
    return isinstance(text, str) and _is_library_id(text) is not None
