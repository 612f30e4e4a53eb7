"""Verification finds every kind of damage, and repair puts the newest whole version back."""

from __future__ import annotations

import random
import zlib

import pytest

from seafleet.clock import FixedClock
from seafleet.db.engine import Database
from seafleet.formats.compression import compress
from seafleet.formats.fs import Directory, Dirent, FileObject, encode_directory, encode_file
from seafleet.ids import ZERO_ID, LibraryId, ObjectId
from seafleet.store.contract import Kind
from seafleet.store.objects import ObjectStore
from seafleet.store.repair import RepairPlan, discard_damaged, plan_repair
from seafleet.store.verify import Counts, LibraryReport, Problem, Verifier
from tests.store.conftest import INLINE_BYTES
from tests.store.faults import Fault, FaultyBlobs
from tests.store.sample import BLOCK_BYTES, SampleLibrary, add_tree, read_file

LIBRARY = LibraryId("11111111-1111-4111-8111-111111111111")


def content(seed: int, size: int = BLOCK_BYTES) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture
def faulty(clock: FixedClock) -> FaultyBlobs:
    return FaultyBlobs(clock)


@pytest.fixture
def store(sqlite: Database, faulty: FaultyBlobs, clock: FixedClock) -> ObjectStore:
    return ObjectStore(sqlite, faulty, clock=clock, inline_block_bytes=INLINE_BYTES)


@pytest.fixture
def sample(store: ObjectStore) -> SampleLibrary:
    return SampleLibrary(store, LIBRARY)


def verify(
    sample: SampleLibrary, *, read_blocks: bool = True, head_id: ObjectId | None = None
) -> LibraryReport:
    head_id = head_id or sample.head_id
    assert head_id is not None
    verifier = Verifier(sample.store, read_blocks=read_blocks)
    return verifier.verify(sample.library_id, sample.store_id, head_id)


def problems(report: LibraryReport) -> list[tuple[Problem, str]]:
    return sorted((finding.problem, finding.path) for finding in report.findings)


def repair(sample: SampleLibrary, report: LibraryReport) -> RepairPlan:
    plan = plan_repair(sample.store, report)
    assert plan is not None
    return plan


def block(data: bytes) -> ObjectId:
    return ObjectId.of(data)


def lose(store: ObjectStore, kind: Kind, object_id: ObjectId, store_id: str = LIBRARY) -> None:
    removed = store.database.write(lambda tx: store.rows.remove(tx, store_id, kind, [object_id], 1 << 60))
    assert removed == [object_id]


def overwrite(store: ObjectStore, kind: Kind, object_id: ObjectId, data: bytes) -> None:
    lose(store, kind, object_id)
    store.put(LIBRARY, kind, [(object_id, data)], verify=False)


def folder_id(store: ObjectStore, tree: dict[str, bytes]) -> ObjectId:
    return add_tree(store, LIBRARY, tree)


def test_a_whole_library_is_good(sample: SampleLibrary) -> None:
    sample.save({"a": content(1, 600), "docs": {"same": content(1, 600), "empty": b""}, "none": {}})
    report = verify(sample)
    assert report.is_good
    assert (report.folders, report.files, report.read_bytes) == (3, 3, 600)
    assert report.base == sample.head


def test_an_empty_library_is_good(sample: SampleLibrary) -> None:
    sample.save({})
    assert verify(sample).is_good


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault.FLIP, [Problem.BLOCK_DAMAGED]),
        (Fault.TRUNCATE, [Problem.BLOCK_DAMAGED]),
        (Fault.FAIL, [Problem.BLOCK_UNREADABLE]),
        (Fault.DISAPPEAR, [Problem.BLOCK_MISSING]),
    ],
)
def test_a_bad_block_is_found_in_every_file_that_has_it(
    sample: SampleLibrary, faulty: FaultyBlobs, fault: Fault, expected: list[Problem]
) -> None:
    sample.save({"a": content(1), "docs": {"b": content(2) + content(1), "c": content(3)}})
    faulty.break_blob(block(content(1)), fault)
    report = verify(sample)
    assert problems(report) == [(problem, path) for problem in expected for path in ("/a", "/docs/b")]
    assert {finding.object_id for finding in report.findings} == {block(content(1))}


def test_without_reading_only_what_is_missing_is_found(sample: SampleLibrary, faulty: FaultyBlobs) -> None:
    sample.save({"a": content(1), "b": content(2)})
    faulty.break_blob(block(content(1)), Fault.FLIP)
    faulty.break_blob(block(content(2)), Fault.DISAPPEAR)
    report = verify(sample, read_blocks=False)
    assert problems(report) == [(Problem.BLOCK_MISSING, "/b")]
    assert report.read_bytes == 0


def test_small_blocks_are_verified_too(sample: SampleLibrary, store: ObjectStore) -> None:
    sample.save({"a": b"small", "b": b"other"})
    overwrite(store, Kind.BLOCK, block(b"small"), b"smell")
    lose(store, Kind.BLOCK, block(b"other"))
    assert problems(verify(sample)) == [(Problem.BLOCK_DAMAGED, "/a"), (Problem.BLOCK_MISSING, "/b")]


def test_lost_and_damaged_folders_and_files_are_found(sample: SampleLibrary, store: ObjectStore) -> None:
    sample.save({"lost": {"x": b"1"}, "bad": {"y": b"2"}, "f": b"3", "g": b"4", "h": {"i": b"5"}})
    lose(store, Kind.FS, folder_id(store, {"x": b"1"}))
    overwrite(store, Kind.FS, folder_id(store, {"y": b"2"}), zlib.compress(b"not json"))
    file_of_3, file_of_4 = (encode_file(FileObject((block(data),), 1))[0] for data in (b"3", b"4"))
    lose(store, Kind.FS, file_of_3)
    # Readable, and something else than its name says.
    overwrite(store, Kind.FS, file_of_4, compress(encode_file(FileObject((block(b"5"),), 1))[1]))
    assert problems(verify(sample)) == [
        (Problem.FILE_DAMAGED, "/g"),
        (Problem.FILE_MISSING, "/f"),
        (Problem.FOLDER_DAMAGED, "/bad"),
        (Problem.FOLDER_MISSING, "/lost"),
    ]


def add_entry(store: ObjectStore, entry: Dirent) -> ObjectId:
    root_id, text = encode_directory(Directory([entry]))
    store.put(LIBRARY, Kind.FS, [(root_id, compress(text))])
    return root_id


def test_an_entry_of_the_wrong_type_is_found(sample: SampleLibrary, store: ObjectStore) -> None:
    inner = folder_id(store, {"x": b"1"})
    sample.commit(add_entry(store, Dirent.file("f", inner, size=1, mtime=1, modifier="a@b")))
    assert problems(verify(sample)) == [(Problem.FILE_DAMAGED, "/f")]
    file_id = encode_file(FileObject((block(b"1"),), 1))[0]
    sample.commit(add_entry(store, Dirent.directory("d", file_id, mtime=1)))
    assert problems(verify(sample)) == [(Problem.FOLDER_DAMAGED, "/d")]


def test_sizes_that_do_not_agree_are_found(sample: SampleLibrary, store: ObjectStore) -> None:
    folder_id(store, {"x": b"1"})
    file_id = encode_file(FileObject((block(b"1"),), 1))[0]
    sample.commit(add_entry(store, Dirent.file("f", file_id, size=2, mtime=1, modifier="a@b")))
    report = verify(sample)
    assert problems(report) == [(Problem.SIZE_DIFFERS, "/f")]
    (fixed,) = repair(sample, report).replacements
    assert (fixed.path, fixed.entry.size, fixed.entry.id) == ("/f", 1, file_id)


def test_a_file_whose_blocks_do_not_add_up_is_found_and_left_alone(
    sample: SampleLibrary, store: ObjectStore
) -> None:
    sample.save({"f": b"1"})
    file_id, text = encode_file(FileObject((block(b"1"),), 7))
    store.put(LIBRARY, Kind.FS, [(file_id, compress(text))])
    sample.commit(add_entry(store, Dirent.file("f", file_id, size=7, mtime=1, modifier="a@b")))
    report = verify(sample)
    assert problems(report) == [(Problem.LENGTH_DIFFERS, "/f")]
    assert repair(sample, report).replacements == ()


def test_progress_is_told(store: ObjectStore, sample: SampleLibrary) -> None:
    sample.save({"a": b"1", "b": {"c": b"2"}})
    told: list[tuple[str, int]] = []
    verifier = Verifier(store, progress=lambda library_id, counts: told.append((library_id, counts.folders)))
    verifier.verify(LIBRARY, LIBRARY, sample.head.commit_id)
    assert told == [(LIBRARY, 1), (LIBRARY, 2)]
    assert Counts().folders == 0


# --- repair -------------------------------------------------------------------------------------------------


def test_a_damaged_file_is_taken_from_the_newest_commit_that_has_it_whole(
    sample: SampleLibrary, faulty: FaultyBlobs, store: ObjectStore, clock: FixedClock
) -> None:
    versions = []
    for seed in range(1, 5):
        versions.append(sample.save({"docs": {"f": content(seed)}, "other": b"x"}))
        clock.advance(10)
    for seed in (3, 4):
        faulty.break_blob(block(content(seed)), Fault.FLIP)
    plan = repair(sample, verify(sample))
    assert not plan.went_back
    assert plan.unrepaired == ()
    (found,) = plan.replacements
    assert (found.path, found.commit) == ("/docs/f", versions[1])
    assert read_file(store, LIBRARY, found.entry.id) == content(2)
    assert plan.description == (
        "Repaired by system.\nEarlier versions put back:\n/docs/f (as of 2023-11-14 22:13:30 UTC)"
    )


def test_a_damaged_folder_is_taken_from_a_commit_in_which_all_of_it_is_whole(
    sample: SampleLibrary, faulty: FaultyBlobs, store: ObjectStore, clock: FixedClock
) -> None:
    trees = [{"f": content(1)}, {"f": content(2)}, {"f": content(3)}]
    versions = []
    for tree in trees:
        versions.append(sample.save({"docs": tree}))
        clock.advance(10)
    lose(store, Kind.FS, folder_id(store, trees[2]))
    faulty.break_blob(block(content(2)), Fault.DISAPPEAR)
    (found,) = repair(sample, verify(sample)).replacements
    assert (found.path, found.entry.id, found.commit) == ("/docs", folder_id(store, trees[0]), versions[0])


@pytest.mark.parametrize("fault", [Fault.FLIP, Fault.DISAPPEAR])
def test_a_file_without_a_whole_version_stays_and_is_named(
    sample: SampleLibrary, faulty: FaultyBlobs, clock: FixedClock, fault: Fault
) -> None:
    sample.save({"f": b""})
    clock.advance(10)
    sample.save({"f": content(1)})
    faulty.break_blob(block(content(1)), fault)
    plan = repair(sample, verify(sample))
    assert plan.replacements == ()
    assert [finding.path for finding in plan.unrepaired] == ["/f"]
    assert plan.description == "Repaired by system.\nStill damaged:\n/f"


def test_a_block_that_may_be_readable_another_time_is_not_repaired(
    sample: SampleLibrary, faulty: FaultyBlobs, clock: FixedClock
) -> None:
    sample.save({"f": content(2)})
    clock.advance(10)
    sample.save({"f": content(1)})
    faulty.break_blob(block(content(1)), Fault.FAIL)
    plan = repair(sample, verify(sample))
    assert plan.replacements == ()
    assert [finding.problem for finding in plan.unrepaired] == [Problem.BLOCK_UNREADABLE]


@pytest.mark.parametrize("lost", ["commit", "commit bytes", "root", "root bytes"])
def test_a_lost_head_goes_back_to_the_newest_commit_with_a_readable_root(
    sample: SampleLibrary, store: ObjectStore, clock: FixedClock, lost: str
) -> None:
    good = sample.save({"a": b"1"})
    clock.advance(10)
    head = sample.save({"a": b"2"})
    if lost == "commit":
        lose(store, Kind.COMMIT, head.commit_id)
    elif lost == "commit bytes":
        overwrite(store, Kind.COMMIT, head.commit_id, b"{}")
    elif lost == "root":
        lose(store, Kind.FS, head.root_id)
    else:
        overwrite(store, Kind.FS, head.root_id, b"not zlib")
    report = verify(sample, head_id=head.commit_id)
    assert [finding.path for finding in report.findings] == ["" if lost.startswith("commit") else "/"]
    plan = repair(sample, report)
    assert (plan.base, plan.went_back, plan.replacements, plan.unrepaired) == (good, True, (), ())
    assert "all of it" in plan.description


def test_without_any_readable_commit_there_is_no_plan(sample: SampleLibrary) -> None:
    report = verify(sample, head_id=ObjectId.of(b"no such commit"))
    assert report.base is None
    assert plan_repair(sample.store, report) is None


def test_another_librarys_commit_is_not_taken_for_ones_own(sample: SampleLibrary, store: ObjectStore) -> None:
    other = SampleLibrary(store, LibraryId("22222222-2222-4222-8222-222222222222"))
    commit = other.save({"a": b"1"})
    store.put(
        LIBRARY, Kind.COMMIT, [(commit.commit_id, store.get(other.library_id, Kind.COMMIT, commit.commit_id))]
    )
    assert problems(verify(sample, head_id=commit.commit_id)) == [(Problem.COMMIT_DAMAGED, "")]


def test_damaged_blocks_are_discarded_so_that_they_can_come_again(
    sample: SampleLibrary, store: ObjectStore
) -> None:
    sample.save({"good": content(1), "small": b"small"})
    overwrite(store, Kind.BLOCK, block(b"small"), b"smell")
    names = [block(content(1)), block(b"small"), ZERO_ID]
    assert discard_damaged(store, LIBRARY, names) == [block(b"small")]
    assert store.missing(LIBRARY, Kind.BLOCK, names) == [block(b"small"), ZERO_ID]
    store.put_block(LIBRARY, block(b"small"), b"small")
    assert verify(sample).is_good
