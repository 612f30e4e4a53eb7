"""Reading the content of files, from any byte on, in pieces of bounded size.

Of a file object only the total size is known, not where its blocks begin: nothing promises that they are
equally large. A range therefore needs the sizes of the blocks before it, and only those. Those of encrypted
blocks stand in their last bytes, and the block in which a range begins is decrypted from its own beginning.

Source: storage format §6; encryption §5; file server §7.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from seafleet.errors import MalformedObject, ObjectMissing
from seafleet.formats.ciphers import TAIL_BYTES
from seafleet.library.cache import WeightedCache

if TYPE_CHECKING:
    from seafleet.formats.ciphers import BlockCipher
    from seafleet.formats.fs import FileObject
    from seafleet.ids import LibraryId, ObjectId
    from seafleet.library.trees import Trees
    from seafleet.store.objects import ObjectStore

PIECE_BYTES: Final = 512 << 10
"""How much is read at once: enough to keep the disk busy, little enough to keep many readers in memory."""

_BLOCK_BYTES: Final = 1 << 62
_SIZES_AT_ONCE: Final = 256
_OFFSETS_KEPT: Final = 200_000


class Contents:
    """The content of stored files. Safe to use from many threads."""

    def __init__(self, objects: ObjectStore, trees: Trees) -> None:
        self._objects = objects
        self._trees = trees
        self._ends: WeightedCache[tuple[str, ObjectId], tuple[int, ...]] = WeightedCache(_OFFSETS_KEPT)

    def file(self, store_id: LibraryId, file_id: ObjectId) -> FileObject:
        """Return size and blocks of a file. Raises ObjectMissing, MalformedObject."""
        return self._trees.file(store_id, file_id)

    def whole(
        self, store_id: LibraryId, file: FileObject, cipher: BlockCipher | None = None
    ) -> ContentReader:
        """Return a reader of everything, decrypted if there is a cipher."""
        return ContentReader(self._objects, store_id, file.block_ids, file.size, cipher=cipher)

    def beginning(
        self, store_id: LibraryId, file: FileObject, length: int, cipher: BlockCipher | None = None
    ) -> ContentReader:
        """Return a reader of the first `length` bytes, decrypted if there is a cipher."""
        return ContentReader(self._objects, store_id, file.block_ids, length, cipher=cipher)

    def block(self, store_id: LibraryId, block_id: ObjectId, size: int) -> ContentReader:
        """Return a reader of one block as it is stored; `size` is its stored size."""
        return ContentReader(self._objects, store_id, (block_id,), size)

    def part(
        self,
        store_id: LibraryId,
        file_id: ObjectId,
        file: FileObject,
        first: int,
        length: int,
        cipher: BlockCipher | None = None,
    ) -> ContentReader:
        """Return a reader of `length` bytes from the byte `first` on, decrypted if there is a cipher.

        Raises ObjectMissing when a block before that byte is not stored, MalformedObject when one does not
        decrypt.
        """
        if first == 0:
            return ContentReader(self._objects, store_id, file.block_ids, length, cipher=cipher)
        ends = self._ends_of(store_id, file_id, file, first, cipher)
        index = bisect_right(ends, first)
        skip = first - (ends[index - 1] if index else 0)
        return ContentReader(
            self._objects, store_id, file.block_ids[index:], length, skip=skip, cipher=cipher
        )

    def _ends_of(
        self,
        store_id: LibraryId,
        file_id: ObjectId,
        file: FileObject,
        position: int,
        cipher: BlockCipher | None,
    ) -> Sequence[int]:
        """Return where the blocks end, at least up to the one that holds the byte at `position`."""
        known = self._ends.get((store_id, file_id)) or ()
        ends = list(known)
        while len(ends) < len(file.block_ids) and (not ends or ends[-1] <= position):
            self._add_ends(ends, store_id, file.block_ids[len(ends) :][:_SIZES_AT_ONCE], cipher)
        if len(ends) > len(known):
            self._ends.put((store_id, file_id), tuple(ends), len(ends))
        return ends

    def _add_ends(
        self,
        ends: list[int],
        store_id: LibraryId,
        block_ids: Sequence[ObjectId],
        cipher: BlockCipher | None,
    ) -> None:
        sizes = self._objects.block_sizes(store_id, block_ids)
        for block_id in block_ids:
            if block_id not in sizes:
                raise ObjectMissing("block", block_id)
            size = sizes[block_id]
            if cipher is not None:
                tail = self._objects.read_block(store_id, block_id, max(0, size - TAIL_BYTES), TAIL_BYTES)
                size = cipher.plain_size(size, tail)
            ends.append((ends[-1] if ends else 0) + size)


class ContentReader:
    """Reads a stretch of content piece by piece. For one thread at a time."""

    def __init__(
        self,
        objects: ObjectStore,
        store_id: LibraryId,
        block_ids: Sequence[ObjectId],
        length: int,
        *,
        skip: int = 0,
        cipher: BlockCipher | None = None,
    ) -> None:
        self._objects = objects
        self._store_id = store_id
        self._rest = length
        self._pieces = self._plain(block_ids, skip, length)
        if cipher is not None:
            self._pieces = self._decrypted(block_ids, skip, cipher)

    @property
    def remaining_bytes(self) -> int:
        """How many bytes have not been read yet."""
        return self._rest

    def read(self) -> bytes:
        """Return the next bytes, about PIECE_BYTES of them; nothing at the end.

        Raises ObjectMissing when a block is not stored, and MalformedObject when the blocks hold less than
        the file claims, or do not decrypt.
        """
        pieces: list[bytes] = []
        wanted = min(self._rest, PIECE_BYTES // 2)
        while wanted > 0:
            piece = next(self._pieces, None)
            if piece is None:
                raise MalformedObject("file", "its blocks are shorter than its size")
            pieces.append(piece)
            wanted -= len(piece)
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        data = data[: self._rest] if len(data) > self._rest else data
        self._rest -= len(data)
        return data

    def _plain(self, block_ids: Sequence[ObjectId], skip: int, length: int) -> Iterator[bytes]:
        for block_id in block_ids:
            for piece in self._read_block(block_id, skip, length):
                length -= len(piece)
                yield piece
            skip = 0

    def _decrypted(self, block_ids: Sequence[ObjectId], skip: int, cipher: BlockCipher) -> Iterator[bytes]:
        for block_id in block_ids:
            for piece in self._decrypted_block(block_id, cipher):
                if skip < len(piece):
                    yield piece[skip:] if skip else piece
                skip = max(0, skip - len(piece))
            skip = 0

    def _decrypted_block(self, block_id: ObjectId, cipher: BlockCipher) -> Iterator[bytes]:
        decryptor = cipher.decryptor()
        for piece in self._read_block(block_id, 0, _BLOCK_BYTES):
            yield decryptor.update(piece)
        yield decryptor.finalize()

    def _read_block(self, block_id: ObjectId, offset: int, most: int) -> Iterator[bytes]:
        """Yield the stored bytes of a block from `offset` on, at most so many."""
        wanted = 1
        got = wanted
        while got == wanted and most > 0:
            wanted = min(PIECE_BYTES, most)
            data = self._objects.read_block(self._store_id, block_id, offset, wanted)
            got = len(data)
            offset, most = offset + got, most - got
            yield data
