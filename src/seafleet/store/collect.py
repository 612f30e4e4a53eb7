"""Collection: removes objects that no library refers to any more, while the server runs.

For each store:

1. *Mark*: walk all trees that are to be kept, and note every object that is seen.
2. *Sweep*: of the objects that were not touched for the grace time, remove those that are not marked. Each
batch is one transaction, in which the heads are compared with those that were marked - if one moved, what
is new is marked first - and a new generation is written, from which writers learn that they may have lost
something (`generation`). 3. Blobs cannot be removed in a transaction. They are condemned in it: from then
on writers take them as missing. Then each is looked at once more - a writer may have touched it meanwhile -
and removed.

A power cut or an error at any point leaves nothing wrong: what is condemned stays so until the next run.
Nothing is removed from a store of which a tree cannot be walked to its end, because what hangs below is not
known.

Commits of libraries that exist are never removed.

Source: storage format §12.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Protocol

from sqlalchemy import Connection

from seafleet.db.engine import Transaction
from seafleet.errors import MalformedObject, ObjectMissing
from seafleet.formats.fs import Directory, decode_fs
from seafleet.ids import ZERO_ID, ObjectId, RandomSource
from seafleet.store.condemned import remove_condemned
from seafleet.store.contract import NOUNS, Kind
from seafleet.store.generation import advance
from seafleet.store.marks import Marks
from seafleet.store.objects import ObjectStore
from seafleet.store.rows import BATCH, batches

DEFAULT_GRACE_SECONDS: Final = 24 * 3600

_WALK_BATCH: Final = 32
_TRIES: Final = 20


class RootSource(Protocol):
    """Tells what has to be kept; the library package knows."""

    def store_ids(self) -> Iterable[str]:
        """Return the stores to collect: those of libraries that exist. (Not of those in the trash.)"""
        ...

    def heads(self, connection: Connection, store_id: str) -> Hashable:
        """Return a value that changes whenever `roots` may have grown; one cheap query, also in transactions.

        That is: the heads of the library and of its sub-libraries, and the base commits of these.
        """
        ...

    def roots(self, store_id: str) -> Iterable[ObjectId]:
        """Yield the ids of the directories that are kept, with all that is below them.

        Of every live commit of the library and of each of its sub-libraries (`history.live_commits`), of the
        base commits of these, and of whatever else was promised to stay, such as labelled commits. Raises
        ObjectMissing or MalformedObject when one cannot be read: then nothing is removed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long run has come: `stage` is "mark", "sweep" or "remove"; `done` counts objects."""

    stage: str
    store_id: str
    done: int


@dataclass(frozen=True, slots=True)
class CollectReport:
    """What a collection did to one store, or would do in a dry run. `skipped` says why it stopped early."""

    store_id: str
    dry_run: bool = False
    marked: int = 0
    removed_fs: int = 0
    removed_blocks: int = 0
    removed_bytes: int = 0
    skipped: str | None = None


class Collector:
    """Removes garbage. `progress` is called now and then; an exception from it ends the run, harmlessly.

    With a grace time of less than `contract.RENEW_AFTER_SECONDS` uploads that are under way may have to be
    sent again, though nothing is ever lost.
    """

    def __init__(
        self,
        objects: ObjectStore,
        roots: RootSource,
        *,
        rng: RandomSource,
        grace_seconds: int = DEFAULT_GRACE_SECONDS,
        progress: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._objects = objects
        self._roots = roots
        self._rng = rng
        self._grace_seconds = grace_seconds
        self._progress = progress

    def collect_all(self, *, dry_run: bool = False) -> Iterator[CollectReport]:
        """Collect every store in turn."""
        for store_id in self._roots.store_ids():
            yield self.collect(store_id, dry_run=dry_run)

    def collect(self, store_id: str, *, dry_run: bool = False) -> CollectReport:
        """Collect one store. Raises StorageFailure."""
        touched_before = self._objects.clock.timestamp() - self._grace_seconds
        with Marks() as marks:
            run = _Run(self._objects, self._roots, self._rng, marks, self._progress, store_id, touched_before)
            return run.collect(dry_run=dry_run)


class _HeadsMoved(Exception):
    """A head is not the one that was marked."""


class _Stopped(Exception):
    """The store cannot be collected now; the text says why."""


class _Run:
    """One collection of one store."""

    def __init__(
        self,
        objects: ObjectStore,
        roots: RootSource,
        rng: RandomSource,
        marks: Marks,
        progress: Callable[[Progress], None],
        store_id: str,
        touched_before: int,
    ) -> None:
        self._objects = objects
        self._roots = roots
        self._rng = rng
        self._marks = marks
        self._progress = progress
        self._store_id = store_id
        self._touched_before = touched_before
        self._heads: Hashable = None
        self._report = CollectReport(store_id)

    def collect(self, *, dry_run: bool) -> CollectReport:
        self._report = replace(self._report, dry_run=dry_run)
        try:
            if not dry_run:
                self._finish_earlier_run()
            self._mark()
            self._sweep_rows(Kind.FS)
            self._sweep_rows(Kind.BLOCK)
            self._sweep_blobs()
        except (ObjectMissing, MalformedObject, _Stopped) as error:
            return replace(self._report, skipped=str(error))
        return self._report

    # --- mark ---------------------------------------------------------------------------------------------

    def _mark(self) -> None:
        """Mark what is to be kept now; what is marked already is not walked again."""
        with self._objects.database.read() as connection:
            self._heads = self._roots.heads(connection, self._store_id)
        for some in batches(self._roots.roots(self._store_id)):
            self._walk(self._fresh(some))

    def _walk(self, waiting: list[ObjectId]) -> None:
        while waiting:
            some = waiting[-_WALK_BATCH:]
            del waiting[-_WALK_BATCH:]
            found = self._objects.get_many(self._store_id, Kind.FS, some)
            for object_id in some:
                if object_id not in found:
                    raise ObjectMissing(NOUNS[Kind.FS], object_id)
                waiting += self._below(found[object_id])
            self._progress(Progress("mark", self._store_id, self._report.marked))

    def _below(self, stored: bytes) -> list[ObjectId]:
        """Mark what a directory or file refers to; return the fs objects that are new."""
        value = decode_fs(stored)
        if isinstance(value, Directory):
            return self._fresh(entry.id for entry in value)
        self._count(marked=len(self._marks.add(Kind.BLOCK, value.block_ids)))
        return []

    def _fresh(self, ids: Iterable[ObjectId]) -> list[ObjectId]:
        fresh = self._marks.add(Kind.FS, (object_id for object_id in ids if object_id != ZERO_ID))
        self._count(marked=len(fresh))
        return fresh

    # --- sweep --------------------------------------------------------------------------------------------

    def _sweep_rows(self, kind: Kind) -> None:
        after = ""
        while True:
            with self._objects.database.read() as connection:
                page = self._objects.rows.old(connection, self._store_id, kind, after, self._touched_before)
            if not page:
                return
            after = max(page)
            self._remove_rows(kind, page)
            self._progress(Progress("sweep", self._store_id, self._report.removed_fs))

    def _remove_rows(self, kind: Kind, sizes: dict[ObjectId, int]) -> None:
        def work(tx: Transaction, ids: list[ObjectId]) -> list[ObjectId]:
            return self._objects.rows.remove(tx, self._store_id, kind, ids, self._touched_before)

        self._removed(kind, sizes, self._in_transaction(kind, list(sizes), work))

    def _sweep_blobs(self) -> None:
        sizes: dict[ObjectId, int] = {}
        for blob in self._objects.blobs.list(self._store_id):
            if blob.touched_at < self._touched_before and self._marks.without(Kind.BLOCK, [blob.object_id]):
                sizes[blob.object_id] = blob.size_bytes
            if len(sizes) == BATCH:
                self._remove_blobs(sizes)
                sizes = {}
        self._remove_blobs(sizes)

    def _remove_blobs(self, sizes: dict[ObjectId, int]) -> None:
        def work(tx: Transaction, ids: list[ObjectId]) -> list[ObjectId]:
            self._objects.rows.condemn(tx, self._store_id, ids, self._touched_before)
            return ids

        ids = self._in_transaction(Kind.BLOCK, list(sizes), work)
        if not self._report.dry_run:
            ids = self._remove_condemned(ids)
        self._removed(Kind.BLOCK, sizes, ids)
        self._progress(Progress("remove", self._store_id, self._report.removed_blocks))

    def _in_transaction(
        self, kind: Kind, ids: list[ObjectId], work: Callable[[Transaction, list[ObjectId]], list[ObjectId]]
    ) -> list[ObjectId]:
        """Do `work` with those ids that are not marked, in a transaction in which all heads are marked."""
        for _ in range(_TRIES):
            unmarked = self._marks.without(kind, ids)
            if not unmarked or self._report.dry_run:
                return unmarked
            try:
                return self._objects.database.write(partial(self._guarded, ids=unmarked, work=work))
            except _HeadsMoved:
                self._mark()
        raise _Stopped("its heads move too fast")

    def _guarded(
        self,
        tx: Transaction,
        ids: list[ObjectId],
        work: Callable[[Transaction, list[ObjectId]], list[ObjectId]],
    ) -> list[ObjectId]:
        if self._roots.heads(tx.connection, self._store_id) != self._heads:
            raise _HeadsMoved
        if not advance(tx, self._store_id, self._touched_before, self._rng):
            raise _Stopped("its library was deleted meanwhile")
        return work(tx, ids)

    def _finish_earlier_run(self) -> None:
        while True:
            with self._objects.database.read() as connection:
                left = self._objects.rows.all_condemned(connection, self._store_id, BATCH)
            if not left:
                return
            self._remove_condemned(left)

    def _remove_condemned(self, ids: list[ObjectId]) -> list[ObjectId]:
        store = self._objects
        return remove_condemned(store.database, store.rows, store.blobs, self._store_id, ids)

    def _count(self, *, marked: int) -> None:
        self._report = replace(self._report, marked=self._report.marked + marked)

    def _removed(self, kind: Kind, sizes: dict[ObjectId, int], ids: list[ObjectId]) -> None:
        report = self._report
        fs, blocks = (len(ids), 0) if kind is Kind.FS else (0, len(ids))
        self._report = replace(
            report,
            removed_fs=report.removed_fs + fs,
            removed_blocks=report.removed_blocks + blocks,
            removed_bytes=report.removed_bytes + sum(sizes[object_id] for object_id in ids),
        )
