"""Collection removes garbage, all of it, and never anything that a library needs."""

from __future__ import annotations

import itertools
import random
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from seafleet.clock import FixedClock
from seafleet.db.engine import Database
from seafleet.db.tables import condemned_blob, library
from seafleet.errors import CollectionRan
from seafleet.formats.commit import Commit
from seafleet.ids import LibraryId, ObjectId
from seafleet.store.collect import Collector, CollectReport, Progress
from seafleet.store.contract import BlobStat, Kind
from seafleet.store.generation import require_kept, require_same
from seafleet.store.history import KEEP_HEAD_ONLY
from seafleet.store.local import LocalBlobs
from seafleet.store.memory import MemoryBlobs
from seafleet.store.objects import ObjectStore
from tests.store.conftest import INLINE_BYTES
from tests.store.sample import LibraryRoots, SampleLibrary, Tree, add_file, add_tree, everything, read_tree

ORIGIN = LibraryId("11111111-1111-4111-8111-111111111111")
SUB = LibraryId("22222222-2222-4222-8222-222222222222")
DAY = 24 * 3600
NUMBERS = itertools.count()


def content(seed: int, size: int = 300) -> bytes:
    return random.Random(seed).randbytes(size)


def collect(
    store: ObjectStore,
    *,
    truncate_time: int = KEEP_HEAD_ONLY,
    grace_seconds: int = DAY,
    dry_run: bool = False,
    progress: Callable[[Progress], None] = lambda _: None,
) -> CollectReport:
    collector = Collector(
        store,
        LibraryRoots(store, truncate_time),
        rng=random.Random(0),
        grace_seconds=grace_seconds,
        progress=progress,
    )
    return collector.collect(ORIGIN, dry_run=dry_run)


# --- what goes and what stays -------------------------------------------------------------------------------


def test_what_no_head_refers_to_goes_and_the_rest_stays(store: ObjectStore, clock: FixedClock) -> None:
    sample = SampleLibrary(store, ORIGIN)
    kept: Tree = {"a": content(1), "docs": {"small": b"x" * 50, "empty": b"", "none": {}}}
    sample.save({**kept, "old": content(2), "deep": {"er": {"small": b"y" * 50}}})
    sample.save(kept)
    before = everything(store, ORIGIN)
    clock.advance(DAY + 1)
    report = collect(store)
    gone = before - everything(store, ORIGIN)
    assert sample.content() == kept
    # root, two folders, two files; blocks of 256 and 44 bytes and one of 50
    assert (report.removed_fs, report.removed_blocks, report.skipped) == (5, 3, None)
    assert len(gone) == 8
    again = collect(store)
    assert (again.removed_fs, again.removed_blocks) == (0, 0)


def test_what_was_touched_within_the_grace_time_stays(store: ObjectStore, clock: FixedClock) -> None:
    SampleLibrary(store, ORIGIN).save({"a": content(1)})
    stray = add_file(store, ORIGIN, content(2))
    clock.advance(DAY)
    assert collect(store).removed_blocks == 0
    assert store.missing(ORIGIN, Kind.BLOCK, stray.block_ids) == []
    clock.advance(DAY)
    assert collect(store).removed_blocks == 0
    clock.advance(1)
    assert collect(store).removed_blocks == 2


def test_a_dry_run_reports_and_removes_nothing(store: ObjectStore, clock: FixedClock) -> None:
    sample = SampleLibrary(store, ORIGIN)
    sample.save({"a": content(1)})
    sample.save({"b": content(2)})
    clock.advance(DAY + 1)
    before, generation = everything(store, ORIGIN), store.generation(ORIGIN)
    dry = collect(store, dry_run=True)
    assert everything(store, ORIGIN) == before
    assert store.generation(ORIGIN) == generation
    real = collect(store)
    assert (real.removed_fs, real.removed_blocks, real.removed_bytes) == (
        dry.removed_fs,
        dry.removed_blocks,
        dry.removed_bytes,
    )
    assert real.removed_bytes > 300


def test_history_keeps_what_its_commits_hold(store: ObjectStore, clock: FixedClock) -> None:
    sample = SampleLibrary(store, ORIGIN)
    versions = []
    for number in range(5):
        versions.append(sample.save({"a": content(number)}))
        clock.advance(DAY)
    clock.advance(DAY)
    # Made on days 0 to 4; the limit is day 3, so the one of day 2 stays as well: it has what day 3 replaced.
    collect(store, truncate_time=versions[3].ctime)
    for number, version in list(enumerate(versions))[2:]:
        assert read_tree(store, ORIGIN, version.root_id) == {"a": content(number)}
    assert store.missing(ORIGIN, Kind.FS, [version.root_id for version in versions]) == [
        versions[0].root_id,
        versions[1].root_id,
    ]


def test_sub_libraries_share_the_store_and_keep_what_they_hold(store: ObjectStore, clock: FixedClock) -> None:
    origin, sub = SampleLibrary(store, ORIGIN), SampleLibrary(store, SUB, ORIGIN)
    sub.save({"only-here": content(1)})
    origin.save({"old": content(2)})
    origin.save({"a": content(3)})
    clock.advance(DAY + 1)
    collect(store)
    assert sub.content() == {"only-here": content(1)}
    assert origin.content() == {"a": content(3)}


def test_a_block_named_like_a_folder_does_not_hide_it(store: ObjectStore, clock: FixedClock) -> None:
    sample = SampleLibrary(store, ORIGIN)
    tree = {"folder": {"a": content(1)}}
    root_id = add_tree(store, ORIGIN, tree)
    folder_id = add_tree(store, ORIGIN, tree["folder"])
    text = zlib.decompress(store.get(ORIGIN, Kind.FS, folder_id))
    assert add_file(store, ORIGIN, text).block_ids == (folder_id,)
    sample.save({"A first": text, **tree})
    clock.advance(DAY + 1)
    collect(store)
    assert sample.content() == {"A first": text, **tree}
    assert root_id not in everything(store, ORIGIN)


def test_nothing_is_removed_when_a_tree_cannot_be_walked(store: ObjectStore, clock: FixedClock) -> None:
    sample = SampleLibrary(store, ORIGIN)
    sample.save({"gone": content(1)})
    root_id = add_tree(store, ORIGIN, {"folder": {"lost": content(2)}})
    lost = add_tree(store, ORIGIN, {"lost": content(2)})
    sample.commit(root_id)
    clock.advance(DAY + 1)
    store.database.write(lambda tx: store.rows.remove(tx, ORIGIN, Kind.FS, [lost], 1 << 60))
    before = everything(store, ORIGIN)
    report = collect(store)
    assert lost in str(report.skipped)
    assert everything(store, ORIGIN) == before


def test_a_store_whose_library_is_deleted_meanwhile_is_left_alone(
    store: ObjectStore, clock: FixedClock
) -> None:
    sample = SampleLibrary(store, ORIGIN)
    sample.save({"a": content(1)})
    add_file(store, ORIGIN, content(2))
    clock.advance(DAY + 1)
    before = everything(store, ORIGIN)

    class FrozenHeads(LibraryRoots):
        def heads(self, connection: object, store_id: str) -> str:
            return "as ever"

    def drop(_: Progress) -> None:
        store.database.write(lambda tx: tx.execute(delete(library)).rowcount)

    collector = Collector(store, FrozenHeads(store), rng=random.Random(0), progress=drop)
    assert "deleted" in str(collector.collect(ORIGIN).skipped)
    assert everything(store, ORIGIN) == before


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_after_any_history_exactly_what_is_reachable_stays(sqlite: Database, data: st.DataObject) -> None:
    clock = FixedClock()
    store = ObjectStore(
        sqlite, MemoryBlobs(clock), clock=clock, inline_block_bytes=INLINE_BYTES, sync_threads=0
    )
    library_id = LibraryId(f"{next(NUMBERS):08x}-0000-4000-8000-000000000000")
    sample, roots = SampleLibrary(store, library_id), LibraryRoots(store, KEEP_HEAD_ONLY)
    names, files = st.sampled_from("abc"), st.integers(0, 3).map(content)
    trees = st.recursive(st.dictionaries(names, files), lambda below: st.dictionaries(names, files | below))
    for tree in data.draw(st.lists(trees, min_size=1, max_size=5)):
        sample.save(tree)
        clock.advance(DAY + 1)
        collector = Collector(store, roots, rng=random.Random(0))
        assert collector.collect(library_id).skipped is None
        assert sample.content() == tree
        reachable = everything(store, library_id)
        clock.advance(DAY + 1)
        add_tree(store, library_id, tree)
        assert everything(store, library_id) == reachable


# --- writers that work meanwhile ----------------------------------------------------------------------------


class HookedBlobs(LocalBlobs):
    """Local files; calls `hook` before every operation."""

    hook: Callable[[], None] = staticmethod(lambda: None)

    def touch(self, store_id: str, object_id: ObjectId) -> bool:
        self.hook()
        return super().touch(store_id, object_id)

    def stat(self, store_id: str, object_id: ObjectId) -> BlobStat | None:
        self.hook()
        return super().stat(store_id, object_id)

    def remove(self, store_id: str, object_id: ObjectId) -> bool:
        self.hook()
        return super().remove(store_id, object_id)

    def put(self, store_id: str, object_id: ObjectId, data: bytes | memoryview) -> None:
        self.hook()
        super().put(store_id, object_id, data)
        self.hook()


class Interleaving:
    """Runs an action once, at the n-th step of whatever else runs."""

    def __init__(self, step: int, action: Callable[[], None]) -> None:
        self.steps_left = step
        self.action = action
        self.done = False

    def __call__(self) -> None:
        self.steps_left -= 1
        if self.steps_left == 0:
            self.done = True
            self.action()


@pytest.fixture
def hooked(sqlite: Database, tmp_path: Path, clock: FixedClock) -> ObjectStore:
    return ObjectStore(
        sqlite, HookedBlobs(tmp_path, clock), clock=clock, inline_block_bytes=INLINE_BYTES, sync_threads=0
    )


def hook_all(store: ObjectStore, hook: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Call `hook` before every transaction and every operation on a blob that is not inside one."""
    write, inside = store.database.write, [False]

    def outside() -> None:
        if not inside[0]:
            inside[0] = True
            hook()
            inside[0] = False

    def hooked_write(work: Callable[..., object]) -> object:
        outside()
        before, inside[0] = inside[0], True
        try:
            return write(work)
        finally:
            inside[0] = before

    monkeypatch.setattr(store.database, "write", hooked_write)
    monkeypatch.setattr(store.blobs, "hook", outside)


STEPS = range(1, 12)


def upload(sample: SampleLibrary, tree: dict[str, bytes]) -> bool:
    """Do what a server does for an upload; False when it was refused because of a collection."""
    seen = sample.store.generation(ORIGIN)
    try:
        sample.save(tree, seen)
    except CollectionRan:
        return False
    return True


@pytest.mark.parametrize("grace_seconds", [0, DAY])
@pytest.mark.parametrize("step", STEPS)
def test_an_upload_at_any_step_of_a_collection_loses_nothing(
    hooked: ObjectStore,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
    grace_seconds: int,
) -> None:
    sample = SampleLibrary(hooked, ORIGIN)
    sample.save({"old": content(1)})
    sample.save({"a": content(2)})
    clock.advance(DAY + 1)
    accepted: list[bool] = []
    again = {"a": content(2), "back": content(1)}
    hook_all(hooked, Interleaving(step, lambda: accepted.append(upload(sample, again))), monkeypatch)
    assert collect(hooked, grace_seconds=grace_seconds).skipped is None
    monkeypatch.undo()
    assert sample.content() == (again if accepted == [True] else {"a": content(2)})
    assert upload(sample, again)
    assert sample.content() == again


@pytest.mark.parametrize("grace_seconds", [0, DAY])
@pytest.mark.parametrize("step", STEPS)
def test_a_collection_at_any_step_of_an_upload_loses_nothing(
    hooked: ObjectStore,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
    grace_seconds: int,
) -> None:
    sample = SampleLibrary(hooked, ORIGIN)
    sample.save({"old": content(1)})
    sample.save({"a": content(2)})
    clock.advance(DAY + 1)
    again = {"a": content(2), "back": content(1)}

    def run() -> None:
        assert collect(hooked, grace_seconds=grace_seconds).skipped is None

    hook_all(hooked, Interleaving(step, run), monkeypatch)
    accepted = upload(sample, again)
    monkeypatch.undo()
    assert sample.content() == (again if accepted else {"a": content(2)})
    if grace_seconds:
        assert accepted, "a collection with a grace time disturbed an upload"


@pytest.mark.parametrize("grace_seconds", [0, DAY])
@pytest.mark.parametrize("step", STEPS)
def test_an_upload_whose_head_moves_after_a_collection_loses_nothing(
    hooked: ObjectStore,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
    grace_seconds: int,
) -> None:
    sample = SampleLibrary(hooked, ORIGIN)
    sample.save({"old": content(1)})
    sample.save({})
    clock.advance(DAY + 1)
    seen = hooked.generation(ORIGIN)
    roots: list[ObjectId] = []
    upload_only = Interleaving(step, lambda: roots.append(add_tree(hooked, ORIGIN, {"old": content(1)})))
    hook_all(hooked, upload_only, monkeypatch)
    assert collect(hooked, grace_seconds=grace_seconds).skipped is None
    monkeypatch.undo()
    for root_id in roots:
        try:
            sample.commit(root_id, seen)
        except CollectionRan:
            assert grace_seconds == 0
        else:
            assert sample.content() == {"old": content(1)}


def revert(sample: SampleLibrary, commit: Commit) -> bool:
    """Do what a server does to go back to an old commit: the tree is linked, and none of it looked at."""
    seen = sample.store.generation(ORIGIN)
    if sample.store.get_many(ORIGIN, Kind.FS, [commit.root_id]):
        try:
            sample.commit(commit.root_id, seen, require_same)
        except CollectionRan:
            return False
        return True
    return False


@pytest.mark.parametrize("step", STEPS)
def test_a_revert_at_any_step_of_a_collection_loses_nothing(
    hooked: ObjectStore, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    sample = SampleLibrary(hooked, ORIGIN)
    old = sample.save({"old": content(1), "small": b"x"})
    sample.save({"a": content(2)})
    clock.advance(DAY + 1)
    done: list[bool] = []
    hook_all(hooked, Interleaving(step, lambda: done.append(revert(sample, old))), monkeypatch)
    collect(hooked)
    monkeypatch.undo()
    expected = {"old": content(1), "small": b"x"} if done == [True] else {"a": content(2)}
    assert sample.content() == expected


@pytest.mark.parametrize("step", STEPS)
def test_a_collection_at_any_step_of_a_revert_loses_nothing(
    hooked: ObjectStore, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    sample = SampleLibrary(hooked, ORIGIN)
    old = sample.save({"old": content(1), "small": b"x"})
    sample.save({"a": content(2)})
    clock.advance(DAY + 1)

    def run() -> None:
        assert collect(hooked).skipped is None

    hook_all(hooked, Interleaving(step, run), monkeypatch)
    done = revert(sample, old)
    monkeypatch.undo()
    assert sample.content() == ({"old": content(1), "small": b"x"} if done else {"a": content(2)})


def test_a_blob_removed_in_the_moment_it_is_found_is_reported(
    hooked: ObjectStore, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    SampleLibrary(hooked, ORIGIN).save({})
    (block_id,) = add_file(hooked, ORIGIN, content(1, 256)).block_ids
    clock.advance(DAY + 1)
    found: list[bool] = []
    remove = hooked.blobs.remove

    def find_then_remove(store_id: str, object_id: ObjectId) -> bool:
        found.append(hooked.blobs.touch(store_id, object_id))
        return remove(store_id, object_id)

    monkeypatch.setattr(hooked.blobs, "remove", find_then_remove)
    collect(hooked)
    assert found == [True]
    with pytest.raises(CollectionRan):
        hooked.claim_blobs(ORIGIN, [block_id])
    assert hooked.missing(ORIGIN, Kind.BLOCK, [block_id]) == [block_id]


def test_a_client_that_was_told_a_block_is_there_can_rely_on_it(
    store: ObjectStore, clock: FixedClock
) -> None:
    sample = SampleLibrary(store, ORIGIN)
    old = sample.save({"old": content(1)})
    sample.save({})
    clock.advance(DAY + 1)
    seen = store.generation(ORIGIN)
    blocks = add_file(store, ORIGIN, content(1)).block_ids
    assert store.missing(ORIGIN, Kind.BLOCK, blocks) == []
    store.missing(ORIGIN, Kind.FS, [old.root_id])
    collect(store)
    sample.commit(old.root_id, seen)
    assert sample.content() == {"old": content(1)}


def test_a_writer_slower_than_the_grace_time_has_to_start_again(
    store: ObjectStore, clock: FixedClock
) -> None:
    sample = SampleLibrary(store, ORIGIN)
    sample.save({"a": b"x"})
    seen = store.generation(ORIGIN)
    root_id = add_tree(store, ORIGIN, {"slow": content(1)})
    clock.advance(DAY + 1)
    assert collect(store).removed_blocks == 2
    with pytest.raises(CollectionRan):
        sample.commit(root_id, seen)


def test_a_gentle_collection_does_not_hide_a_harsh_one_before_it(
    store: ObjectStore, clock: FixedClock
) -> None:
    sample = SampleLibrary(store, ORIGIN)
    sample.save({"a": b"x"})
    seen = store.generation(ORIGIN)
    add_file(store, ORIGIN, content(1))
    clock.advance(2)
    assert collect(store, grace_seconds=0).removed_blocks == 2
    add_file(store, ORIGIN, content(2))
    clock.advance(DAY + 1)
    with pytest.raises(CollectionRan):
        store.database.write(lambda tx: require_kept(tx, seen))
    between = store.generation(ORIGIN)
    assert collect(store).removed_blocks == 2
    with pytest.raises(CollectionRan):
        store.database.write(lambda tx: require_kept(tx, seen))
    store.database.write(lambda tx: require_kept(tx, between))
    with pytest.raises(CollectionRan):
        store.database.write(lambda tx: require_same(tx, between))


def test_a_condemned_blob_counts_as_missing_until_it_comes_again(
    store: ObjectStore, clock: FixedClock
) -> None:
    file = add_file(store, ORIGIN, content(1, 256))
    store.database.write(lambda tx: store.rows.condemn(tx, ORIGIN, file.block_ids, clock.timestamp() + 1))
    store.blobs.remove(ORIGIN, file.block_ids[0])
    assert store.missing(ORIGIN, Kind.BLOCK, file.block_ids) == list(file.block_ids)
    store.put_block(ORIGIN, file.block_ids[0], content(1, 256))
    assert store.missing(ORIGIN, Kind.BLOCK, file.block_ids) == []
    with store.database.read() as connection:
        assert connection.execute(select(condemned_blob)).all() == []


def test_what_an_interrupted_collection_condemned_goes_in_the_next(
    store: ObjectStore, clock: FixedClock
) -> None:
    sample = SampleLibrary(store, ORIGIN)
    sample.save({"a": content(1)})
    sample.save({})
    clock.advance(DAY + 1)

    def interrupt(progress: Progress) -> None:
        if progress.stage == "sweep":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(store, progress=interrupt)
    blobs = [blob.object_id for blob in store.blobs.list(ORIGIN)]
    store.database.write(lambda tx: store.rows.condemn(tx, ORIGIN, blobs, clock.timestamp()))
    collect(store)
    assert everything(store, ORIGIN) == set()
