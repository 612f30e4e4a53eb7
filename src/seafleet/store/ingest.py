"""A file is cut, hashed, encrypted and stored while it arrives; memory does not grow with its size.

A block is kept in memory until it is larger than what the database takes as a row; then it goes to a blob
writer, hashed on the way. When the block ends, its bytes are synced under a temporary name; with an executor,
while the next block arrives. Names are given at the end of the file, all together: a file that is given up
leaves nothing behind.

Source: storage format §6 (file objects), §8.1 (cutting); encryption §5 (each block from a fresh state).
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, wait
from dataclasses import dataclass
from hashlib import sha1
from typing import Final

from seafleet.formats.chunking import Chunker, FixedChunker
from seafleet.formats.ciphers import BlockCipher, Transform
from seafleet.formats.compression import compress
from seafleet.formats.fs import FileObject, encode_file
from seafleet.ids import ZERO_ID, ObjectId
from seafleet.store.contract import BlobWriter, Kind
from seafleet.store.objects import ObjectStore

_IN_FLIGHT: Final = 2
"""So many blocks may be on their way to the disk (or to remote storage) while the next one arrives."""
_SPILL_BYTES: Final = 1 << 20
"""So many bytes of small blocks are kept for the head's transaction; beyond, they are stored at once."""


@dataclass(frozen=True, slots=True)
class IngestedFile:
    """A file that was received. `size` is the plain size in bytes, `file_id` the zero id for an empty file.

    `pending` are the file object and its small blocks: to be inserted in the transaction that moves the head.
    """

    file_id: ObjectId
    size: int
    block_ids: tuple[ObjectId, ...]
    pending: tuple[tuple[Kind, ObjectId, bytes], ...]


class FileIngest:
    """One file being received. Used by one thread at a time; end it with `finish` or `abort`.

    Completed blocks are synced by the object store's executor, if it has one, while the next one arrives.
    """

    def __init__(
        self,
        objects: ObjectStore,
        store_id: str,
        *,
        chunker: Chunker | None = None,
        cipher: BlockCipher | None = None,
    ) -> None:
        self._objects = objects
        self._store_id = store_id
        self._chunker: Chunker = chunker or FixedChunker()
        self._cipher = cipher
        self._block = self._new_block()
        self._size = 0
        self._block_ids: list[ObjectId] = []
        self._small: dict[ObjectId, bytes] = {}
        self._small_bytes = 0
        self._large: dict[ObjectId, BlobWriter] = {}
        self._in_flight: deque[Future[None]] = deque()

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes of the content. Raises StorageFailure; then `abort` is left."""
        self._size += len(data)
        for piece in self._chunker.feed(data):
            self._block.write(piece.data)
            if piece.ends_block:
                self._end_block()

    def finish(self) -> IngestedFile:
        """End the content. On return its large blocks are durable.

        Raises StorageFailure, and CollectionRan if a block was found but removed at this moment: then nothing
        was acknowledged, and the file has to be sent again.
        """
        try:
            if self._chunker.finish():
                self._end_block(is_last=True)
            self._await_in_flight(0)
            for writer in self._large.values():
                writer.publish()
            self._objects.blobs.settle(self._store_id, self._large)
            self._objects.claim_blobs(self._store_id, self._large)
        finally:
            self.abort()
        return self._ingested()

    def abort(self) -> None:
        """Give the file up: what was stored so far is dropped. Does nothing after `finish`."""
        wait(self._in_flight)
        self._in_flight.clear()
        self._block.abort()
        for writer in self._large.values():
            writer.abort()

    def _new_block(self) -> _Block:
        return _Block(
            self._objects, self._store_id, self._cipher.encryptor() if self._cipher is not None else None
        )

    def _end_block(self, *, is_last: bool = False) -> None:
        block = self._block
        block_id = block.end()
        self._block = self._new_block()
        self._block_ids.append(block_id)
        if block.writer is None:
            self._keep_small(block_id, bytes(block.small))
        elif block_id in self._large:
            block.abort()
        else:
            self._large[block_id] = block.writer
            self._complete(block.writer, block_id, is_last=is_last)

    def _complete(self, writer: BlobWriter, block_id: ObjectId, *, is_last: bool) -> None:
        executor = None if is_last else self._objects.executor
        if executor is None:
            writer.complete(block_id)
        else:
            self._await_in_flight(_IN_FLIGHT - 1)
            self._in_flight.append(executor.submit(writer.complete, block_id))

    def _await_in_flight(self, allowed: int) -> None:
        while len(self._in_flight) > allowed:
            self._in_flight.popleft().result()

    def _keep_small(self, block_id: ObjectId, data: bytes) -> None:
        if block_id not in self._small:
            self._small[block_id] = data
            self._small_bytes += len(data)
        if self._small_bytes > _SPILL_BYTES:
            self._objects.put(self._store_id, Kind.BLOCK, self._small.items(), verify=False)
            self._small.clear()
            self._small_bytes = 0

    def _ingested(self) -> IngestedFile:
        pending: list[tuple[Kind, ObjectId, bytes]] = [
            (Kind.BLOCK, block_id, data) for block_id, data in self._small.items()
        ]
        file_id, block_ids = ZERO_ID, tuple(self._block_ids)
        if block_ids:
            file_id, text = encode_file(FileObject(block_ids, self._size))
            pending.append((Kind.FS, file_id, compress(text)))
        return IngestedFile(file_id, self._size, block_ids, tuple(pending))


class _Block:
    """The block at hand: its hash, and its bytes in memory or with a blob writer."""

    __slots__ = ("_encryptor", "_hash", "_objects", "_store_id", "small", "writer")

    def __init__(self, objects: ObjectStore, store_id: str, encryptor: Transform | None) -> None:
        self._objects = objects
        self._store_id = store_id
        self._encryptor = encryptor
        self._hash = sha1(usedforsecurity=False)
        self.small = bytearray()
        self.writer: BlobWriter | None = None

    def write(self, plain: memoryview) -> None:
        self._store(plain if self._encryptor is None else self._encryptor.update(bytes(plain)))

    def end(self) -> ObjectId:
        """Return the id, once all bytes are with the writer if there is one."""
        if self._encryptor is not None:
            self._store(self._encryptor.finalize())
        return ObjectId(self._hash.hexdigest())

    def abort(self) -> None:
        if self.writer is not None:
            self.writer.abort()

    def _store(self, data: bytes | memoryview) -> None:
        self._hash.update(data)
        if self.writer is None:
            if len(self.small) + len(data) <= self._objects.inline_block_bytes:
                self.small += data
                return
            self.writer = self._objects.blobs.begin(self._store_id)
            self.writer.write(bytes(self.small))
            self.small.clear()
        self.writer.write(data)
