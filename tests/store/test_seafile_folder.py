"""An existing Seafile data folder is read where it is, and never changed."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from seafleet.clock import FixedClock
from seafleet.errors import ObjectMissing, StorageFailure
from seafleet.ids import LibraryId, ObjectId
from seafleet.store.collect import Collector
from seafleet.store.contract import Kind
from seafleet.store.disk import RealDisk
from seafleet.store.history import KEEP_ALL, live_commits
from seafleet.store.ingest import FileIngest
from seafleet.store.objects import ObjectStore
from seafleet.store.seafile_folder import SeafileFolder
from seafleet.store.verify import Verifier
from tests.formats import golden
from tests.store.sample import LibraryRoots, SampleLibrary, read_file

PLAIN = LibraryId("bb182163-0f83-43ea-a37c-ce399683e554")
OTHER = LibraryId("22222222-2222-4222-8222-222222222222")
BIG9 = random.Random(20260809).randbytes(9 << 20)
KINDS = {"commits": Kind.COMMIT, "fs": Kind.FS, "blocks": Kind.BLOCK}


@pytest.fixture
def layered(store: ObjectStore) -> ObjectStore:
    """A store that is empty but for the layer below it."""
    store.layers = (SeafileFolder(golden.SAMPLES),)
    return store


@pytest.mark.parametrize("folder", KINDS)
def test_every_object_is_found_and_listed(folder: str) -> None:
    layer, kind = SeafileFolder(golden.SAMPLES), KINDS[folder]
    expected = golden.stored_objects(folder)
    assert expected
    for stored in expected:
        assert layer.read(stored.store_id, kind, stored.object_id) == stored.data
        assert layer.read(stored.store_id, kind, stored.object_id, 3, 5) == stored.data[3:8]
        assert layer.size(stored.store_id, kind, stored.object_id) == len(stored.data)
    listed = [(store, name) for store in {s.store_id for s in expected} for name in layer.list(store, kind)]
    assert sorted(listed) == sorted((stored.store_id, stored.object_id) for stored in expected)


def test_the_libraries_of_the_folder_are_listed() -> None:
    listed = sorted(SeafileFolder(golden.SAMPLES).library_ids())
    assert listed == sorted(library["repo_id"] for library in golden.libraries())


@pytest.mark.parametrize("library", golden.libraries(), ids=lambda library: library["kind"])
def test_adopted_libraries_are_whole_to_the_last_byte(layered: ObjectStore, library: dict[str, str]) -> None:
    report = Verifier(layered).verify(
        library["repo_id"], library["fs_and_blocks_store_id"], ObjectId(library["head_commit_id"])
    )
    assert report.is_good
    assert report.files > 2
    head = ObjectId(library["head_commit_id"])
    history = {commit.commit_id for commit in live_commits(layered, library["repo_id"], head, KEEP_ALL)}
    assert history == set(layered.commit_ids(library["repo_id"]))


def test_what_a_layer_has_is_there_and_is_not_copied(layered: ObjectStore) -> None:
    blocks = [stored for stored in golden.stored_objects("blocks") if stored.store_id == PLAIN]
    names = [stored.object_id for stored in blocks]
    absent = ObjectId.of(b"absent")
    assert layered.missing(PLAIN, Kind.BLOCK, [*names, absent]) == [absent]
    assert layered.get_many(PLAIN, Kind.BLOCK, names) == {stored.object_id: stored.data for stored in blocks}
    assert layered.block_sizes(PLAIN, names) == {stored.object_id: len(stored.data) for stored in blocks}
    assert layered.read_block(PLAIN, names[0], 2, 3) == blocks[0].data[2:5]
    with pytest.raises(ObjectMissing):
        layered.get(PLAIN, Kind.FS, absent)
    layered.layers = ()
    assert layered.missing(PLAIN, Kind.BLOCK, names) == names


def test_a_copy_to_another_store_is_a_real_one(layered: ObjectStore) -> None:
    blocks = {s.object_id: s.data for s in golden.stored_objects("blocks") if s.store_id == PLAIN}
    layered.copy_blocks(PLAIN, OTHER, blocks)
    layered.layers = ()
    assert layered.get_many(OTHER, Kind.BLOCK, blocks) == blocks


def test_files_are_cut_and_named_as_the_c_server_does(layered: ObjectStore) -> None:
    receiving = FileIngest(layered, PLAIN)
    for start in range(0, len(BIG9), 1 << 20):
        receiving.write(BIG9[start : start + (1 << 20)])
    file = receiving.finish()
    assert layered.missing(PLAIN, Kind.FS, [file.file_id]) == []
    assert read_file(layered, PLAIN, file.file_id) == BIG9
    pending = {object_id: data for kind, object_id, data in file.pending if kind is Kind.FS}
    assert pending == {file.file_id: layered.get(PLAIN, Kind.FS, file.file_id)}


def test_leftovers_of_interrupted_writes_are_passed_over(tmp_path: Path) -> None:
    name = golden.stored_objects("fs")[0]
    folder = tmp_path / "storage/fs" / name.store_id / name.object_id[:2]
    folder.mkdir(parents=True)
    (folder / name.object_id[2:]).write_bytes(name.data)
    (folder / (name.object_id[2:] + "aB3xYz")).write_bytes(b"torn")
    (folder.parent / "stray").write_bytes(b"?")
    (tmp_path / "storage/fs/not-a-store").mkdir()
    assert list(SeafileFolder(tmp_path).list(name.store_id, Kind.FS)) == [name.object_id]


def test_the_oldest_layout_has_no_library_ids(tmp_path: Path) -> None:
    stored = golden.stored_objects("blocks")[0]
    path = tmp_path / "storage/blocks" / stored.object_id[:2] / stored.object_id[2:]
    path.parent.mkdir(parents=True)
    path.write_bytes(stored.data)
    layer = SeafileFolder(tmp_path)
    assert layer.read(OTHER, Kind.BLOCK, stored.object_id) == stored.data
    assert layer.size(OTHER, Kind.BLOCK, stored.object_id) == len(stored.data)


def test_names_that_lead_elsewhere_find_nothing(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"!")
    layer = SeafileFolder(golden.SAMPLES)
    for store_id, name in (("../..", "a" * 40), (PLAIN, "../" * 12 + "etc"), (PLAIN, "A" * 40)):
        assert layer.read(store_id, Kind.FS, ObjectId(name)) is None
        assert layer.size(store_id, Kind.FS, ObjectId(name)) is None
    assert list(layer.list("../..", Kind.FS)) == []


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    layer = SeafileFolder(tmp_path / "nowhere")
    assert list(layer.library_ids()) == []
    assert layer.read(PLAIN, Kind.FS, ObjectId.of(b"x")) is None


def test_a_file_that_cannot_be_read_is_not_a_missing_one() -> None:
    class Broken(RealDisk):
        def open_read(self, path: str) -> int:
            raise PermissionError(13, "Permission denied")

    with pytest.raises(StorageFailure):
        SeafileFolder(golden.SAMPLES, disk=Broken()).read(PLAIN, Kind.FS, ObjectId.of(b"x"))


def test_collection_leaves_the_layer_alone(layered: ObjectStore, clock: FixedClock, tmp_path: Path) -> None:
    folder = shutil.copytree(golden.SAMPLES, tmp_path / "adopted")
    layered.layers = (SeafileFolder(folder),)
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    plain = next(library for library in golden.libraries() if library["kind"] == "plain")
    sample = SampleLibrary(layered, PLAIN)
    sample.commit(ObjectId(plain["root_id"]))
    added = sample.save({"new": b"kept"})
    layered.put_block(PLAIN, ObjectId.of(b"stray"), b"stray")
    clock.advance(2 * 24 * 3600)
    report = Collector(layered, LibraryRoots(layered), rng=random.Random(0)).collect(PLAIN)
    assert (report.skipped, report.removed_fs, report.removed_blocks) == (None, 0, 1)
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == before
    assert layered.get(PLAIN, Kind.FS, added.root_id)
