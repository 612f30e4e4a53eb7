"""Fs objects on their way out and in, many in one body.

Source: sync protocol §3, "pack-fs" and "recv-fs"; storage format §5 to §7.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from seafleet.errors import ObjectMissing
from seafleet.formats.frames import FrameParser, encode_frames
from seafleet.ids import ObjectId
from seafleet.store.contract import NOUNS, Kind
from seafleet.store.objects import ObjectStore, verify_object

PACK_BYTES: Final = 1 << 20
"""A pack ends with the object that brings it to this size; the client asks for the rest again."""

_BATCH_BYTES: Final = 8 << 20


def pack(objects: ObjectStore, store_id: str, ids: Sequence[ObjectId]) -> bytes:
    """Return frames of these objects, the first always, the others as long as there is room.

    Raises ObjectMissing for one that is not stored; the zero id never is.
    """
    chosen = list(dict.fromkeys(_that_fit(objects, store_id, ids)))
    found = objects.get_many(store_id, Kind.FS, chosen)
    for object_id in chosen:
        if object_id not in found:
            raise ObjectMissing(NOUNS[Kind.FS], object_id)
    return encode_frames((object_id, found[object_id]) for object_id in chosen)


def _that_fit(objects: ObjectStore, store_id: str, ids: Sequence[ObjectId]) -> Iterator[ObjectId]:
    """Yield ids up to the one that fills the pack: sizes are looked up before any object is read."""
    with objects.database.read() as connection:
        sizes = objects.rows.sizes(connection, store_id, Kind.FS, dict.fromkeys(ids))
    total = 0
    for object_id in ids:
        # Objects of a read-only layer have no row; their size is found out by reading them alone.
        total += sizes.get(object_id, PACK_BYTES)
        yield object_id
        if total >= PACK_BYTES:
            return


class PackReceiver:
    """A body of frames that arrives in pieces. Each object is verified before any of its batch is stored.

    A body of up to 8 MiB is one batch and one transaction: either all of it is stored or nothing. Of a larger
    one, batches before a bad frame may stay; they are whole objects that nothing refers to. For one thread at
    a time; nothing has to be undone when it is given up.
    """

    def __init__(self, objects: ObjectStore, store_id: str, batch_bytes: int = _BATCH_BYTES) -> None:
        self._objects = objects
        self._store_id = store_id
        self._parser = FrameParser()
        self._batch_bytes = batch_bytes
        self._batch: dict[ObjectId, bytes] = {}
        self._size_bytes = 0
        self.object_count = 0

    def feed(self, data: bytes) -> None:
        """Take the next piece. Raises MalformedObject, HashMismatch; then the rest is not to be fed."""
        for object_id, stored in self._parser.feed(data):
            verify_object(Kind.FS, object_id, stored)
            self._batch[object_id] = stored
            self._size_bytes += len(stored)
            self.object_count += 1
        if self._size_bytes >= self._batch_bytes:
            self._flush()

    def finish(self) -> None:
        """End the body; all objects are on disk on return. Raises MalformedObject inside a frame."""
        self._parser.finish()
        if self._batch:
            self._flush()

    def _flush(self) -> None:
        self._objects.put(self._store_id, Kind.FS, self._batch.items(), verify=False)
        self._batch.clear()
        self._size_bytes = 0
