"""Blobs in memory: for tests, and for trying things out. Nothing survives the process."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator

from seafleet.clock import Clock
from seafleet.ids import LibraryId, ObjectId
from seafleet.store.contract import RENEW_AFTER_SECONDS, BlobStat


class MemoryBlobs:
    """A `BlobStore` in dictionaries."""

    cheap_misses = True

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._stores: dict[str, dict[ObjectId, _Blob]] = defaultdict(dict)

    def begin(self, store_id: str) -> MemoryWriter:
        """Return a writer for a new blob of this store."""
        return MemoryWriter(self, store_id)

    def settle(self, store_id: str, object_ids: Iterable[ObjectId]) -> None:
        """Do nothing: this is as durable as it gets."""

    def put(self, store_id: str, object_id: ObjectId, data: bytes | memoryview) -> None:
        """Store one blob."""
        if not self.touch(store_id, object_id):
            with self._guard:
                self._stores[store_id][object_id] = _Blob(bytes(data), self._clock.timestamp())

    def stat(self, store_id: str, object_id: ObjectId) -> BlobStat | None:
        """Return size and age of a blob, or None when it is not there."""
        blob = self._find(store_id, object_id)
        return BlobStat(object_id, len(blob.data), blob.touched_at) if blob else None

    def read(self, store_id: str, object_id: ObjectId, offset: int, length: int | None) -> bytes | None:
        """Return up to `length` bytes from `offset` (None: to the end); None when the blob is not there."""
        blob = self._find(store_id, object_id)
        return blob.data[offset : None if length is None else offset + length] if blob else None

    def touch(self, store_id: str, object_id: ObjectId) -> bool:
        """Mark a blob as used if its mark is old; return whether it is there."""
        blob, now = self._find(store_id, object_id), self._clock.timestamp()
        if blob and blob.touched_at < now - RENEW_AFTER_SECONDS:
            blob.touched_at = now
        return blob is not None

    def copy(self, source_id: str, target_id: str, object_id: ObjectId) -> bool:
        """Give another store the same blob; return False when the source does not have it."""
        blob = self._find(source_id, object_id)
        if blob:
            self.put(target_id, object_id, blob.data)
        return blob is not None

    def remove(self, store_id: str, object_id: ObjectId) -> bool:
        """Remove a blob; return whether it was there."""
        with self._guard:
            return self._stores[store_id].pop(object_id, None) is not None

    def list(self, store_id: str) -> Iterator[BlobStat]:
        """Yield every blob of a store."""
        with self._guard:
            blobs = list(self._stores[store_id].items())
        for object_id, blob in blobs:
            yield BlobStat(object_id, len(blob.data), blob.touched_at)

    def store_ids(self) -> Iterator[LibraryId]:
        """Yield the ids of the stores that have blobs."""
        with self._guard:
            found = [store_id for store_id, blobs in self._stores.items() if blobs]
        yield from map(LibraryId, found)

    def remove_store(self, store_id: str) -> None:
        """Remove all blobs of a store."""
        with self._guard:
            self._stores.pop(store_id, None)

    def _find(self, store_id: str, object_id: ObjectId) -> _Blob | None:
        return self._stores[store_id].get(object_id)


class _Blob:
    __slots__ = ("data", "touched_at")

    def __init__(self, data: bytes, touched_at: int) -> None:
        self.data = data
        self.touched_at = touched_at


class MemoryWriter:
    """A `BlobWriter` that collects pieces."""

    def __init__(self, blobs: MemoryBlobs, store_id: str) -> None:
        self._blobs = blobs
        self._store_id = store_id
        self._pieces: list[bytes] = []
        self._object_id: ObjectId | None = None

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes."""
        self._pieces.append(bytes(data))

    def complete(self, object_id: ObjectId) -> None:
        """End the writing."""
        self._object_id = object_id

    def publish(self) -> None:
        """Give the blob its name."""
        assert self._object_id is not None, "published before it was complete"
        self._blobs.put(self._store_id, self._object_id, b"".join(self._pieces))

    def abort(self) -> None:
        """Drop what was written."""
        self._pieces.clear()
