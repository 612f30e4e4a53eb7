"""Reading trees: by path, in order, in sums; whatever their depth; from a cache with a budget."""

from __future__ import annotations

import pytest

from seafleet import errors
from seafleet.formats.compression import compress
from seafleet.formats.fs import Directory, Dirent, FileObject, encode_directory, encode_file
from seafleet.ids import ZERO_ID, LibraryId, ObjectId
from seafleet.library.cache import WeightedCache
from seafleet.library.trees import OverlaySource, Trees, TreeStats
from seafleet.store.contract import Kind
from tests.library.site import Site

DEEP = 1500


def put(site: Site, store_id: LibraryId, *entries: Dirent) -> ObjectId:
    """Store a folder and return its id."""
    dir_id, text = encode_directory(Directory(entries))
    site.objects.put(store_id, Kind.FS, [(dir_id, compress(text))])
    return dir_id


def file(name: str, size: int = 0) -> Dirent:
    return Dirent.file(name, ObjectId.of(name.encode()), size=size, mtime=1, modifier="a@x")


def folder(name: str, dir_id: ObjectId) -> Dirent:
    return Dirent.directory(name, dir_id, mtime=1)


def test_entries_are_found_by_path(site: Site) -> None:
    store = site.library()
    inner = put(site, store, file("f", 3))
    root = put(site, store, folder("d", inner), file("g", 4))
    assert site.trees.find(store, root, "/d/f") == file("f", 3)
    assert site.trees.find(store, root, "/g") == file("g", 4)
    for missing in ("/x", "/d/x", "/g/x", "/x/y"):
        assert site.trees.find(store, root, missing) is None
    top = site.trees.find(store, root, "/")
    assert top is not None
    assert (top.id, top.is_dir, top.name) == (root, True, "")


def test_a_folder_comes_with_its_id(site: Site) -> None:
    store = site.library()
    inner = put(site, store, file("f"))
    root = put(site, store, folder("d", inner), folder("empty", ZERO_ID), file("g"))
    assert site.trees.folder(store, root, "/d") == (inner, Directory([file("f")]))
    assert site.trees.folder(store, root, "/empty") == (ZERO_ID, Directory())
    for missing in ("/g", "/x"):
        with pytest.raises(errors.FolderNotFound):
            site.trees.folder(store, root, missing)


def test_a_walk_meets_parents_first_and_names_in_order(site: Site) -> None:
    store = site.library()
    inner = put(site, store, file("z"), file("ä"))
    root = put(site, store, folder("b", inner), file("a"), folder("c", ZERO_ID), file("B"))
    found = [path for path, _ in site.trees.walk(store, root, "/top")]
    assert found == ["/top/B", "/top/a", "/top/b", "/top/b/z", "/top/b/ä", "/top/c"]
    assert list(site.trees.walk(store, ZERO_ID)) == []


def test_sums_count_everything_below(site: Site) -> None:
    store = site.library()
    inner = put(site, store, file("x", 10), file("y", 5))
    root = put(site, store, folder("a", inner), folder("b", inner), folder("c", ZERO_ID), file("f", 1))
    assert site.trees.stats(store, root) == TreeStats(31, 5, 3)
    assert site.trees.stats(store, ZERO_ID) == TreeStats()


@pytest.mark.slow
def test_trees_may_be_deeper_than_the_stack(site: Site) -> None:
    store = site.library()
    dir_id = put(site, store, file("f", 7))
    for _ in range(DEEP):
        dir_id = put(site, store, folder("d", dir_id))
    fresh = Trees(site.objects)
    assert fresh.stats(store, dir_id) == TreeStats(7, 1, DEEP)
    assert sum(1 for _ in fresh.walk(store, dir_id)) == DEEP + 1
    assert fresh.find(store, dir_id, "/d" * DEEP + "/f") == file("f", 7)


def test_what_cannot_be_read_is_told(site: Site) -> None:
    store = site.library()
    file_id, text = encode_file(FileObject((ObjectId.of(b"x"),), 1))
    site.objects.put(store, Kind.FS, [(file_id, compress(text))])
    dir_id = put(site, store, file("f"))
    with pytest.raises(errors.ObjectMissing):
        site.trees.directory(store, ObjectId.of(b"nothing"))
    with pytest.raises(errors.MalformedObject):
        site.trees.directory(store, file_id)
    with pytest.raises(errors.MalformedObject):
        site.trees.file(store, dir_id)
    assert site.trees.file(store, file_id) == FileObject((ObjectId.of(b"x"),), 1)
    assert site.trees.file(store, ZERO_ID) == FileObject((), 0)


def test_folders_are_read_once(site: Site) -> None:
    store = site.library()
    root = put(site, store, file("f"))
    assert site.trees.directory(store, root) is site.trees.directory(store, root)
    other = site.library()
    with pytest.raises(errors.ObjectMissing):
        site.trees.directory(other, root)


def test_an_overlay_knows_what_is_not_stored_yet(site: Site) -> None:
    store = site.library()
    stored = put(site, store, file("f"))
    dir_id, text = encode_directory(Directory([folder("d", stored)]))
    overlay = OverlaySource(site.trees.source(store), [(dir_id, compress(text))])
    assert overlay.directory(dir_id) == Directory([folder("d", stored)])
    assert overlay.directory(stored) == Directory([file("f")])
    assert site.trees.stats_within(store, overlay, dir_id) == TreeStats(0, 1, 1)


def test_the_least_recently_used_goes_first() -> None:
    cache: WeightedCache[str, str] = WeightedCache(80)
    for key in "abcdefgh":
        cache.put(key, key.upper(), 10)
    assert cache.get("a") == "A"
    cache.put("i", "I", 10)
    assert (cache.get("a"), cache.get("b"), cache.get("i")) == ("A", None, "I")
    assert cache.weight == 80


def test_a_cache_keeps_its_budget_when_values_are_replaced() -> None:
    cache: WeightedCache[str, str] = WeightedCache(80)
    cache.put("a", "1", 10)
    cache.put("a", "2", 4)
    assert (cache.get("a"), cache.weight) == ("2", 4)
    cache.put("huge", "3", 41)
    assert (cache.get("huge"), cache.weight) == (None, 4)
