"""The object store: rows for what is small, blobs for what is large, layers for what others keep.

==========================  =======================================  ==============================
object                      where                                    under
==========================  =======================================  ==============================
commit                      row                                      the library's own id
directory, file object      row (the stored zlib stream)             the store id
block, small                row                                      the store id
block, above the threshold  blob                                     the store id
==========================  =======================================  ==============================

The store id of a library is its own id, or its origin's for a sub-library. What is found in neither place
is looked for in the read-only layers; nothing of a layer is copied unless `copy` is called.

Guarantees: what `put`, `put_block` and `copy` have taken survives a power cut; so does what `missing` does
not report, and what `insert` added once its transaction has committed. Writing an object again is a no-op,
which marks it as used; so does being found by `missing`. What is marked as used is left alone by collection
for its grace time (see `generation` for what protects it afterwards).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import cached_property
from hashlib import sha1
from typing import Final

from seafleet.clock import Clock
from seafleet.db.engine import Database, Transaction
from seafleet.errors import CollectionRan, HashMismatch, MalformedObject, ObjectMissing
from seafleet.formats.compression import decompress
from seafleet.ids import ZERO_ID, ObjectId
from seafleet.store.condemned import rescue
from seafleet.store.contract import NOUNS, RENEW_AFTER_SECONDS, BlobStore, Kind, ReadLayer
from seafleet.store.generation import Generation, read_generation
from seafleet.store.rows import ObjectRows, batches

DEFAULT_INLINE_BLOCK_BYTES: Final = 64 << 10
DEFAULT_SYNC_THREADS: Final = 4

_UNSETTLED_SECONDS: Final = 600
"""So long after a blob got its name, its writer may be about to sync that."""
_COPY_BATCH: Final = 32
_COPY_BYTES: Final = 8 << 20


class ObjectStore:
    """Commits, fs objects and blocks by (store id, kind, id). Safe to share between threads.

    `executor`, if given, syncs blocks of files that arrive while more of them arrives (see `FileIngest`):
    faster wherever the disk makes one wait. Its jobs do nothing but wait for the disk; four threads serve
    many uploads.
    """

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        *,
        layers: Sequence[ReadLayer] = (),
        clock: Clock,
        inline_block_bytes: int = DEFAULT_INLINE_BLOCK_BYTES,
        sync_threads: int = DEFAULT_SYNC_THREADS,
    ) -> None:
        self.database = database
        self.blobs = blobs
        self.layers = tuple(layers)
        self.clock = clock
        self.inline_block_bytes = inline_block_bytes
        self._sync_threads = sync_threads
        self.rows = ObjectRows(database.dialect)

    @cached_property
    def executor(self) -> Executor | None:
        """Where blocks are synced while more of their file arrives; None when each upload does it itself."""
        if not self._sync_threads:
            return None
        return ThreadPoolExecutor(self._sync_threads, thread_name_prefix="blocks")

    # --- reading ------------------------------------------------------------------------------------------

    def get(self, store_id: str, kind: Kind, object_id: ObjectId) -> bytes:
        """Return the stored bytes; of an fs object the zlib stream. Raises ObjectMissing."""
        if kind is Kind.BLOCK:
            return self.read_block(store_id, object_id)
        with self.database.read() as connection:
            data = self.rows.get(connection, store_id, kind, object_id)
        return data if data is not None else self._of_layers(store_id, kind, object_id)

    def get_many(self, store_id: str, kind: Kind, ids: Iterable[ObjectId]) -> dict[ObjectId, bytes]:
        """Return the stored bytes of those that are there; the others are left out."""
        wanted = dict.fromkeys(ids)
        with self.database.read() as connection:
            found = self.rows.get_many(connection, store_id, kind, wanted)
        for object_id in wanted:
            if object_id not in found:
                data = self._read_elsewhere(store_id, kind, object_id)
                if data is not None:
                    found[object_id] = data
        return found

    def read_block(
        self, store_id: str, block_id: ObjectId, offset: int = 0, length: int | None = None
    ) -> bytes:
        """Return up to `length` bytes of a block from `offset` (None: to the end). Raises ObjectMissing."""
        if self.blobs.cheap_misses:
            data = self.blobs.read(store_id, block_id, offset, length)
            if data is not None:
                return data
        row = self._row(store_id, block_id)
        if row is not None:
            return row if offset == 0 and length is None else row[offset:][:length]
        if not self.blobs.cheap_misses:
            data = self.blobs.read(store_id, block_id, offset, length)
            if data is not None:
                return data
        return self._of_layers(store_id, Kind.BLOCK, block_id, offset, length)

    def block_size(self, store_id: str, block_id: ObjectId) -> int:
        """Return the stored size of a block in bytes. Raises ObjectMissing."""
        sizes = self.block_sizes(store_id, (block_id,))
        if block_id not in sizes:
            raise ObjectMissing(NOUNS[Kind.BLOCK], block_id)
        return sizes[block_id]

    def block_sizes(self, store_id: str, ids: Iterable[ObjectId]) -> dict[ObjectId, int]:
        """Return the stored sizes in bytes of those blocks that are there."""
        wanted = dict.fromkeys(ids)
        with self.database.read() as connection:
            sizes = self.rows.sizes(connection, store_id, Kind.BLOCK, wanted)
        for block_id in wanted:
            if block_id not in sizes:
                size = self._size_elsewhere(store_id, block_id)
                if size is not None:
                    sizes[block_id] = size
        return sizes

    def missing(self, store_id: str, kind: Kind, ids: Iterable[ObjectId]) -> list[ObjectId]:
        """Return those that are not there, in the order given; those that are there are marked as used.

        The zero id of an fs object is never missing: it stands for what is empty.
        """
        asked = list(ids)
        present = self._present_rows(store_id, kind, dict.fromkeys(asked))
        if kind is Kind.FS:
            present.add(ZERO_ID)
        if kind is Kind.BLOCK:
            rest = dict.fromkeys(asked).keys() - present
            present |= self._present_blobs(store_id, rest)
        return [
            object_id
            for object_id in asked
            if object_id not in present and not self._in_layers(store_id, kind, object_id)
        ]

    def commit_ids(self, library_id: str) -> Iterator[ObjectId]:
        """Yield the ids of all stored commits of a library, in no order."""
        known: set[ObjectId] = set()
        for object_id in itertools.chain(
            self._row_ids(library_id, Kind.COMMIT),
            *(layer.list(library_id, Kind.COMMIT) for layer in self.layers),
        ):
            if object_id not in known:
                known.add(object_id)
                yield object_id

    # --- writing ------------------------------------------------------------------------------------------

    def insert(
        self, tx: Transaction, store_id: str, kind: Kind, objects: Iterable[tuple[ObjectId, bytes]]
    ) -> None:
        """Add objects as rows, in the caller's transaction, unverified: they are the server's own making."""
        self.rows.insert(tx, store_id, kind, objects, self.clock.timestamp())

    def put(
        self, store_id: str, kind: Kind, objects: Iterable[tuple[ObjectId, bytes]], *, verify: bool = True
    ) -> None:
        """Add objects that somebody sent, durable on return.

        With `verify`, raises HashMismatch or MalformedObject if one is not what its name says, and then adds
        none. (Commits are never verified: real stores hold ids made after two rules.)
        """
        batch = list(objects)
        if verify:
            for object_id, data in batch:
                verify_object(kind, object_id, data)
        rows = [pair for pair in batch if kind is not Kind.BLOCK or len(pair[1]) <= self.inline_block_bytes]
        if len(rows) < len(batch):
            for block_id, data in batch:
                if len(data) > self.inline_block_bytes:
                    self._put_blob(store_id, block_id, data)
        if rows:
            self.database.write(lambda tx: self.insert(tx, store_id, kind, rows))

    def put_block(self, store_id: str, block_id: ObjectId, data: bytes) -> None:
        """Add a block that somebody sent, durable on return. Raises HashMismatch, MalformedObject (empty)."""
        self.put(store_id, Kind.BLOCK, ((block_id, data),))

    def copy(self, source_id: str, target_id: str, kind: Kind, ids: Iterable[ObjectId]) -> None:
        """Give another store the same objects, durable on return. Raises ObjectMissing."""
        for some in batches(dict.fromkeys(ids)):
            wanted = self.missing(target_id, kind, some)
            if kind is Kind.BLOCK:
                wanted = [name for name in wanted if not self.blobs.copy(source_id, target_id, name)]
            for few in self._by_size(source_id, kind, wanted):
                self._copy_bytes(source_id, target_id, kind, few)

    def copy_blocks(self, source_id: str, target_id: str, ids: Iterable[ObjectId]) -> None:
        """Give another store the same blocks, durable on return. Raises ObjectMissing."""
        self.copy(source_id, target_id, Kind.BLOCK, ids)

    # --- what protects from collection --------------------------------------------------------------------

    def generation(self, store_id: str) -> Generation:
        """Return the generation of a store, to be noted before the first object is stored or looked for."""
        with self.database.read() as connection:
            return read_generation(connection, store_id, self.clock.timestamp())

    def claim_blobs(self, store_id: str, ids: Iterable[ObjectId]) -> None:
        """Make sure that collection keeps blobs which were just stored or touched.

        Raises CollectionRan for one that it removed at this very moment: send it again.
        """
        names = list(ids)
        self._rescue(store_id, names)
        if any(self.blobs.stat(store_id, block_id) is None for block_id in names):
            raise CollectionRan(store_id)

    # --- parts --------------------------------------------------------------------------------------------

    def _row(self, store_id: str, block_id: ObjectId) -> bytes | None:
        with self.database.read() as connection:
            return self.rows.get(connection, store_id, Kind.BLOCK, block_id)

    def _row_ids(self, store_id: str, kind: Kind) -> Iterator[ObjectId]:
        after = ""
        while True:
            with self.database.read() as connection:
                page = self.rows.page(connection, store_id, kind, after)
            yield from page
            if not page:
                return
            after = page[-1]

    def _read_elsewhere(self, store_id: str, kind: Kind, object_id: ObjectId) -> bytes | None:
        data = self.blobs.read(store_id, object_id, 0, None) if kind is Kind.BLOCK else None
        for layer in self.layers:
            if data is None:
                data = layer.read(store_id, kind, object_id)
        return data

    def _size_elsewhere(self, store_id: str, block_id: ObjectId) -> int | None:
        blob = self.blobs.stat(store_id, block_id)
        if blob is not None:
            return blob.size_bytes
        sizes = (layer.size(store_id, Kind.BLOCK, block_id) for layer in self.layers)
        return next((size for size in sizes if size is not None), None)

    def _of_layers(
        self, store_id: str, kind: Kind, object_id: ObjectId, offset: int = 0, length: int | None = None
    ) -> bytes:
        for layer in self.layers:
            data = layer.read(store_id, kind, object_id, offset, length)
            if data is not None:
                return data
        raise ObjectMissing(NOUNS[kind], object_id)

    def _in_layers(self, store_id: str, kind: Kind, object_id: ObjectId) -> bool:
        return any(layer.size(store_id, kind, object_id) is not None for layer in self.layers)

    def _present_rows(self, store_id: str, kind: Kind, ids: Iterable[ObjectId]) -> set[ObjectId]:
        """Return the rows that are there, marked as used; writes only if a mark is old."""
        now = self.clock.timestamp()
        with self.database.read() as connection:
            ages = self.rows.ages(connection, store_id, kind, ids)
        old = [object_id for object_id, touched_at in ages.items() if touched_at < now - RENEW_AFTER_SECONDS]
        if old:
            # Some of them may have been collected since: those are missing after all.
            kept = self.database.write(lambda tx: self.rows.touch(tx, store_id, kind, old, now))
            return (ages.keys() - set(old)) | kept
        return set(ages)

    def _present_blobs(self, store_id: str, ids: Iterable[ObjectId]) -> set[ObjectId]:
        """Return the blobs that are there, marked as used and durable."""
        touched = [block_id for block_id in ids if self.blobs.touch(store_id, block_id)]
        self._rescue(store_id, touched)
        blobs = [blob for blob in (self.blobs.stat(store_id, block_id) for block_id in touched) if blob]
        recent = self.clock.timestamp() - _UNSETTLED_SECONDS
        self.blobs.settle(store_id, [blob.object_id for blob in blobs if blob.touched_at > recent])
        return {blob.object_id for blob in blobs}

    def _put_blob(self, store_id: str, block_id: ObjectId, data: bytes) -> None:
        self.blobs.put(store_id, block_id, data)
        self._rescue(store_id, (block_id,))
        if self.blobs.stat(store_id, block_id) is None:
            self.blobs.put(store_id, block_id, data)

    def _rescue(self, store_id: str, ids: Iterable[ObjectId]) -> None:
        rescue(self.database, self.rows, store_id, ids)

    def _by_size(self, store_id: str, kind: Kind, ids: Sequence[ObjectId]) -> Iterator[list[ObjectId]]:
        """Yield the ids in groups that go into memory; blocks of unknown size are left to fail."""
        sizes = self.block_sizes(store_id, ids) if kind is Kind.BLOCK else {}
        group, group_bytes = list[ObjectId](), 0
        for object_id in ids:
            group.append(object_id)
            group_bytes += sizes.get(object_id, _COPY_BYTES // _COPY_BATCH)
            if group_bytes >= _COPY_BYTES:
                yield group
                group, group_bytes = [], 0
        if group:
            yield group

    def _copy_bytes(self, source_id: str, target_id: str, kind: Kind, ids: Sequence[ObjectId]) -> None:
        found = self.get_many(source_id, kind, ids)
        for object_id in ids:
            if object_id not in found:
                raise ObjectMissing(NOUNS[kind], object_id)
        self.put(target_id, kind, found.items(), verify=False)


def verify_object(kind: Kind, object_id: ObjectId, data: bytes) -> None:
    """Raise HashMismatch or MalformedObject if an fs object or block is not what its name says."""
    if kind is Kind.COMMIT:
        return
    if not data:
        raise MalformedObject(NOUNS[kind], "empty")
    content = decompress(data) if kind is Kind.FS else data
    found = sha1(content, usedforsecurity=False).hexdigest()
    if found != object_id:
        raise HashMismatch(NOUNS[kind], object_id, found)
