"""Blocks that sync clients send: hashed and written while they arrive.

Source: sync protocol §3, "PUT block"; storage format §8.
"""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial
from hashlib import sha1
from threading import Lock
from typing import TYPE_CHECKING, Final

from seafleet.errors import FileTooLarge, HashMismatch, MalformedObject
from seafleet.ids import ObjectId
from seafleet.store.contract import NOUNS, BlobWriter, Kind
from seafleet.store.objects import ObjectStore, verify_object

if TYPE_CHECKING:
    from seafleet.db.engine import Transaction

MAX_BLOCK_BYTES: Final = 64 << 20
"""Larger blocks are refused. Clients cut files into at most 32 MiB, the usual ones into 10."""

_NOUN: Final = NOUNS[Kind.BLOCK]


class SmallBlocks:
    """Small blocks on their way to the disk: those of a store that wait together are stored by one work.

    The writer is handed all that have come while it was busy, so that under load neither it nor the event
    loop spends a work, a savepoint and a future of its own on each. Safe to use from many threads.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._lock = Lock()
        self._gathering: dict[str, _Gathered] = {}

    def submit(self, store_id: str, block_id: ObjectId, data: bytes) -> Future[None]:
        """Verify a block and queue it to be stored as a row.

        The future is done when it is on disk. Others may wait for the same one: it is not to be cancelled.
        Raises HashMismatch, MalformedObject when the block is empty, and StorageFailure.
        """
        verify_object(Kind.BLOCK, block_id, data)
        with self._lock:
            gathered = self._gathering.get(store_id)
            # It is done and still here when the transaction failed before its works were run.
            if gathered is None or gathered.stored.done():
                gathered = _Gathered()
                gathered.stored = self._objects.database.submit(partial(self._store, store_id, gathered))
                self._gathering[store_id] = gathered
            gathered.rows.append((block_id, data))
        return gathered.stored

    def _store(self, store_id: str, gathered: _Gathered, tx: Transaction) -> None:
        with self._lock:  # from here on blocks wait for the next work
            if self._gathering.get(store_id) is gathered:
                del self._gathering[store_id]
        self._objects.insert(tx, store_id, Kind.BLOCK, gathered.rows)


class _Gathered:
    """Blocks of one store that wait, and when they are on disk."""

    __slots__ = ("rows", "stored")

    stored: Future[None]

    def __init__(self) -> None:
        self.rows: list[tuple[ObjectId, bytes]] = []


def small_block(objects: ObjectStore, store_id: str, block_id: ObjectId) -> bytes | None:
    """Return a block that is kept as a row, None for every other: one indexed query, for the event loop."""
    with objects.database.read() as connection:
        return objects.rows.get(connection, store_id, Kind.BLOCK, block_id)


class BlockReceiver:
    """One large block that arrives in pieces. For one thread at a time; end it with `finish` or `abort`."""

    def __init__(self, objects: ObjectStore, store_id: str, block_id: ObjectId) -> None:
        self._objects = objects
        self._store_id = store_id
        self._block_id = block_id
        self._hash = sha1(usedforsecurity=False)
        self._small = bytearray()
        self._writer: BlobWriter | None = None
        self._size_bytes = 0

    def write(self, data: bytes) -> None:
        """Take the next piece. Raises FileTooLarge, StorageFailure; then `abort` is left."""
        self._size_bytes += len(data)
        if self._size_bytes > MAX_BLOCK_BYTES:
            raise FileTooLarge(MAX_BLOCK_BYTES)
        self._hash.update(data)
        if self._writer is None:
            if self._size_bytes <= self._objects.inline_block_bytes:
                self._small += data
                return
            self._writer = self._objects.blobs.begin(self._store_id)
            self._writer.write(bytes(self._small))
        self._writer.write(data)

    def finish(self) -> None:
        """End the block; it is on disk on return.

        Raises HashMismatch, MalformedObject when it is empty, StorageFailure, and CollectionRan when it was
        removed at this very moment; then `abort` is left.
        """
        found = self._hash.hexdigest()
        if not self._size_bytes:
            raise MalformedObject(_NOUN, "empty")
        if found != self._block_id:
            raise HashMismatch(_NOUN, self._block_id, found)
        if self._writer is None:
            small = ((self._block_id, bytes(self._small)),)
            self._objects.put(self._store_id, Kind.BLOCK, small, verify=False)
            return
        self._writer.complete(self._block_id)
        self._writer.publish()
        self._objects.blobs.settle(self._store_id, (self._block_id,))
        self._objects.claim_blobs(self._store_id, (self._block_id,))

    def abort(self) -> None:
        """Give the block up: nothing of it stays. Does nothing after `finish`."""
        if self._writer is not None:
            self._writer.abort()
