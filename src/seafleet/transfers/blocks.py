"""Files that are sent as blocks: first those that are missing, then the list of all of them.

Source: file server §6, "Block uploads"; transfers page, "Block-wise".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from seafleet.errors import BlocksMissing, InvalidArgument
from seafleet.formats.ciphers import PADDING_BYTES
from seafleet.formats.compression import compress
from seafleet.formats.fs import FileObject, encode_file
from seafleet.ids import ZERO_ID, ObjectId, looks_like_object_id
from seafleet.library.edits import NewFile
from seafleet.store.contract import Kind
from seafleet.sync.blocks import BlockReceiver
from seafleet.transfers.receiving import Counter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seafleet.library.model import Head
    from seafleet.store.objects import ObjectStore

MAX_LIST_BYTES: Final = 16 << 20
"""The longest list of block ids that is taken: enough for a file of 2 TB."""


class BlocksReceiver(Counter):
    """Stores blocks under the names that their parts bear; each is durable when its part ends."""

    def __init__(self, objects: ObjectStore, store_id: str) -> None:
        super().__init__()
        self._objects = objects
        self._store_id = store_id
        self._open: BlockReceiver | None = None

    def begin(self, name: str) -> None:
        """Open the next block. Raises InvalidId."""
        super().begin(name)
        self._open = BlockReceiver(self._objects, self._store_id, ObjectId.parse(name))

    def write(self, data: bytes) -> None:
        """Take the next bytes of the block. Raises FileTooLarge, StorageFailure."""
        super().write(data)
        assert self._open is not None, "written to before it was begun"
        self._open.write(data)

    def end(self) -> None:
        """Keep the block. Raises HashMismatch, MalformedObject, StorageFailure, CollectionRan."""
        assert self._open is not None, "ended before it was begun"
        self._open.finish()
        self._open = None

    def abort(self) -> None:
        """Drop the block that is open."""
        if self._open is not None:
            self._open.abort()


def missing_blocks(objects: ObjectStore, head: Head, ids: Sequence[str]) -> list[str]:
    """Return those of these blocks that have to be sent, in their order, each once.

    What is no block id at all is left out: nobody could send it.
    """
    wanted = [ObjectId(each) for each in dict.fromkeys(ids) if looks_like_object_id(each)]
    return list(objects.missing(head.store_id, Kind.BLOCK, wanted))


def parse_block_list(text: str) -> tuple[ObjectId, ...]:
    """Return the ids of a JSON array. Raises InvalidArgument("blockids")."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidArgument("blockids", "not JSON") from None
    if not isinstance(found, list) or not all(map(looks_like_object_id, found)):
        raise InvalidArgument("blockids", "not an array of block ids")
    return tuple(map(ObjectId, found))


def file_of_blocks(
    objects: ObjectStore, head: Head, name: str, block_ids: tuple[ObjectId, ...], size: int, mtime: int | None
) -> NewFile:
    """Return a file that consists of stored blocks; `size` is its plain size in bytes.

    Raises BlocksMissing, and InvalidArgument("file_size") when the blocks are of another size.
    """
    if objects.missing(head.store_id, Kind.BLOCK, dict.fromkeys(block_ids)):
        raise BlocksMissing((name,))
    sizes = objects.block_sizes(head.store_id, block_ids)
    stored = sum(sizes.get(block_id, 0) for block_id in block_ids)
    # Encryption adds 1 to 16 bytes to each block.
    least, most = (1, PADDING_BYTES) if head.encrypted else (0, 0)
    if not stored - most * len(block_ids) <= size <= stored - least * len(block_ids):
        raise InvalidArgument("file_size", f"{size}, but the blocks have {stored} bytes")
    if not block_ids:
        return NewFile(name, ZERO_ID, 0, mtime)
    file_id, text = encode_file(FileObject(block_ids, size))
    return NewFile(name, file_id, size, mtime, ((Kind.FS, file_id, compress(text)),))
