"""What every kind of storage promises, so that the rest of the store need not know which one it is given.

One contract suite (`tests/store/test_blobs.py`) runs against every implementation of `BlobStore`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

from seafleet.ids import LibraryId, ObjectId

RENEW_AFTER_SECONDS: Final = 3600
"""An object found again is marked as used only when its mark is older than this: polling costs no writes."""


class Kind(IntEnum):
    """What an object is. Ids are unique only within a store id and a kind."""

    COMMIT = 0
    FS = 1
    BLOCK = 2


NOUNS: Final = {Kind.COMMIT: "commit", Kind.FS: "fs object", Kind.BLOCK: "block"}
"""How errors call the kinds."""


@dataclass(frozen=True, slots=True)
class BlobStat:
    """What a blob store knows about one blob; `touched_at` is in Unix seconds."""

    object_id: ObjectId
    size_bytes: int
    touched_at: int


class BlobWriter(Protocol):
    """One blob that arrives piece by piece, and is named when all of it is there. Not thread-safe.

    ``write … complete publish``, or `abort` at any point before the end of `publish`. Any call but `abort`
    may raise StorageFailure; then only `abort` is left.
    """

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes."""
        ...

    def complete(self, object_id: ObjectId) -> None:
        """End the writing: on return the bytes are on disk, not yet under their name.

        The caller vouches that they hash to `object_id`. When the store has the blob already, the new copy is
        dropped and the old one marked as used.
        """
        ...

    def publish(self) -> None:
        """Give the blob its name: from now on readers see all of it, and `abort` does nothing any more.

        The *name* is durable only after `BlobStore.settle`, of which one call does for many blobs.
        """
        ...

    def abort(self) -> None:
        """Drop what was written. Never raises; does nothing after `publish` or a second time."""
        ...


class BlobStore(Protocol):
    """Immutable bytes under (store id, object id). Safe to use from many threads and many processes.

    * Writing what exists is a no-op that marks it as used (renews `touched_at`).
    * A name never stands for a part of its bytes, whatever happens while writing.
    * What was acknowledged - `put` and `settle` have returned - survives a power cut.
    * The store does not hash: callers verify what they put, and `verify` checks what is there.
    * Errors of the machinery (disk full, out of reach) are StorageFailure, with the cause attached.
    """

    @property
    def cheap_misses(self) -> bool:
        """Whether asking for a blob that is not there costs less than a query to the database."""
        ...

    def begin(self, store_id: str) -> BlobWriter:
        """Return a writer for a new blob of this store."""
        ...

    def settle(self, store_id: str, object_ids: Iterable[ObjectId]) -> None:
        """Return when the names of these sealed (or found) blobs are durable."""
        ...

    def put(self, store_id: str, object_id: ObjectId, data: bytes | memoryview) -> None:
        """Store one blob, durable on return."""
        ...

    def stat(self, store_id: str, object_id: ObjectId) -> BlobStat | None:
        """Return size and age of a blob, or None when it is not there."""
        ...

    def read(self, store_id: str, object_id: ObjectId, offset: int, length: int | None) -> bytes | None:
        """Return up to `length` bytes from `offset` (None: to the end); None when the blob is not there."""
        ...

    def touch(self, store_id: str, object_id: ObjectId) -> bool:
        """Mark a blob as used if its mark is older than RENEW_AFTER_SECONDS; return whether it is there."""
        ...

    def copy(self, source_id: str, target_id: str, object_id: ObjectId) -> bool:
        """Give another store the same blob, settled, in the cheapest way.

        Return False when there is no way but to read and write it, or when the source does not have it.
        """
        ...

    def remove(self, store_id: str, object_id: ObjectId) -> bool:
        """Remove a blob; return whether it was there."""
        ...

    def list(self, store_id: str) -> Iterator[BlobStat]:
        """Yield every blob of a store, in no order. Blobs that come or go meanwhile may be left out."""
        ...

    def store_ids(self) -> Iterator[LibraryId]:
        """Yield the ids of the stores that have blobs."""
        ...

    def remove_store(self, store_id: str) -> None:
        """Remove all blobs of a store. Only for stores that nobody can write to any more."""
        ...


class ReadLayer(Protocol):
    """Objects kept elsewhere that are only read: asked when the store itself does not have one.

    Never written to, never collected, and nothing of it is copied unless somebody asks for a copy.
    """

    def read(
        self, store_id: str, kind: Kind, object_id: ObjectId, offset: int = 0, length: int | None = None
    ) -> bytes | None:
        """Return the stored bytes, or a part of them, or None when the object is not there."""
        ...

    def size(self, store_id: str, kind: Kind, object_id: ObjectId) -> int | None:
        """Return the stored size in bytes, or None when the object is not there."""
        ...

    def list(self, store_id: str, kind: Kind) -> Iterator[ObjectId]:
        """Yield the ids of all objects of a kind, in no order."""
        ...
