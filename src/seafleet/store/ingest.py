"""A file is cut, hashed, encrypted and stored while it arrives; memory does not grow with its size.

A block is kept in memory until it is larger than what the database takes as a row; then it goes to a blob
writer, hashed on the way. When the block ends, its bytes are synced under a temporary name. Names are given
at the end of the file, all together: a file that is given up leaves nothing behind.

Source: storage format §6 (file objects), §8.1 (cutting); encryption §5 (each block from a fresh state).
"""

from __future__ import annotations

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
    """One file being received. Used by one thread at a time; end it with `finish` or `abort`."""

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
        if self._chunker.finish():
            self._end_block()
        try:
            for writer in self._large.values():
                writer.publish()
            self._objects.blobs.settle(self._store_id, self._large)
            self._objects.claim_blobs(self._store_id, self._large)
        finally:
            self.abort()
        return self._ingested()

    def abort(self) -> None:
        """Give the file up: what was stored so far is dropped. Does nothing after `finish`."""
        self._block.abort()
        for writer in self._large.values():
            writer.abort()

    def _new_block(self) -> _Block:
        return _Block(
            self._objects, self._store_id, self._cipher.encryptor() if self._cipher is not None else None
        )

    def _end_block(self) -> None:
        block, self._block = self._block, self._new_block()
        try:
            block.end()
        except BaseException:
            block.abort()
            raise
        self._block_ids.append(block.id)
        if block.writer is None:
            self._keep_small(block.id, bytes(block.small))
        elif block.id in self._large:
            block.abort()
        else:
            self._large[block.id] = block.writer

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

    __slots__ = ("_encryptor", "_hash", "_objects", "_store_id", "id", "small", "writer")

    def __init__(self, objects: ObjectStore, store_id: str, encryptor: Transform | None) -> None:
        self._objects = objects
        self._store_id = store_id
        self._encryptor = encryptor
        self._hash = sha1(usedforsecurity=False)
        self.id = ZERO_ID
        self.small = bytearray()
        self.writer: BlobWriter | None = None

    def write(self, plain: memoryview) -> None:
        self._store(plain if self._encryptor is None else self._encryptor.update(bytes(plain)))

    def end(self) -> None:
        """Set `id`; if there is a writer, sync what it wrote."""
        if self._encryptor is not None:
            self._store(self._encryptor.finalize())
        self.id = ObjectId(self._hash.hexdigest())
        if self.writer is not None:
            self.writer.complete(self.id)

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
