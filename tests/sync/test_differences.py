"""What one tree has that another does not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seafleet.clock import FixedClock
from seafleet.db.engine import Database
from seafleet.errors import MalformedObject, ObjectMissing
from seafleet.formats.compression import compress
from seafleet.formats.fs import Directory, Dirent, decode_fs, encode_directory
from seafleet.ids import ZERO_ID, LibraryId, ObjectId
from seafleet.store.contract import Kind
from seafleet.store.memory import MemoryBlobs
from seafleet.store.objects import ObjectStore
from seafleet.sync.differences import differences, json_array, missing_ids
from tests.support.peer import Tree, make_tree

NAMES = st.sampled_from(["a", "b", "c", "d"])
TREES: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.dictionaries(NAMES, st.binary(max_size=1), max_size=3),
    lambda inner: st.dictionaries(NAMES, st.one_of(st.binary(max_size=1), inner), max_size=4),
    max_leaves=12,
)


def put(objects: ObjectStore, store_id: str, *trees: Tree) -> None:
    objects.put(store_id, Kind.FS, [pair for tree in trees for pair in tree.objects.items()])


def missing(objects: ObjectStore, store_id: str, new: Tree, old: Tree | None = None, **how: bool) -> set[str]:
    old_root = ZERO_ID if old is None else old.root_id
    portions = list(missing_ids(objects, store_id, new.root_id, old_root, **how))
    assert all(portions), "no portion is empty"
    return {object_id for portion in portions for object_id in portion}


def at_paths(
    tree: Tree, folder_id: ObjectId | None = None, path: str = ""
) -> dict[tuple[str, bool], ObjectId]:
    """Return the object at each path: what a client that has this tree holds."""
    folder_id = tree.root_id if folder_id is None else folder_id
    if folder_id == ZERO_ID:
        return {}
    found = {(path, True): folder_id}
    folder = decode_fs(tree.objects[folder_id])
    assert isinstance(folder, Directory)
    for entry in folder:
        here = f"{path}/{entry.name}"
        if entry.is_dir:
            found |= at_paths(tree, entry.id, here)
        elif entry.id != ZERO_ID:
            found[here, False] = entry.id
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=TREES, new=TREES)
def test_a_client_that_takes_what_is_listed_has_everything(
    objects: ObjectStore, store_id: LibraryId, old: dict[str, Any], new: dict[str, Any]
) -> None:
    before, after = make_tree(old), make_tree(new)
    put(objects, store_id, before, after)
    listed = missing(objects, store_id, after, before)
    had, needed = at_paths(before), at_paths(after)
    assert set(needed.values()) <= listed | set(had.values())
    assert listed <= {object_id for place, object_id in needed.items() if had.get(place) != object_id}


def test_nothing_is_missing_between_equal_trees(objects: ObjectStore, store_id: LibraryId) -> None:
    tree = make_tree({"a": b"1"})
    assert missing(objects, store_id, tree, tree) == set()
    assert missing(objects, store_id, Tree(), Tree()) == set()
    put(objects, store_id, tree)
    assert missing(objects, store_id, Tree(), tree) == set()


def test_only_folders_are_listed_when_asked_for(objects: ObjectStore, store_id: LibraryId) -> None:
    tree = make_tree({"a": b"1", "d": {"b": b"2"}})
    put(objects, store_id, tree)
    folders = {object_id for (_, is_dir), object_id in at_paths(tree).items() if is_dir}
    assert missing(objects, store_id, tree, folders_only=True) == folders


def test_a_change_of_time_alone_lists_the_folder(objects: ObjectStore, store_id: LibraryId) -> None:
    before, after = make_tree({"a": b"1"}, mtime=1), make_tree({"a": b"1"}, mtime=2)
    put(objects, store_id, before, after)
    assert missing(objects, store_id, after, before) == {after.root_id}


def test_an_old_tree_that_is_gone_counts_as_empty(objects: ObjectStore, store_id: LibraryId) -> None:
    before, after = make_tree({"a": b"1"}), make_tree({"a": b"1", "b": b"2"})
    put(objects, store_id, after)
    assert missing(objects, store_id, after, before) == set(after.objects)


def test_a_new_tree_with_a_gap_is_an_error(objects: ObjectStore, store_id: LibraryId) -> None:
    tree = make_tree({"d": {"a": b"1"}})
    inner = make_tree({"a": b"1"})
    objects.put(store_id, Kind.FS, [(tree.root_id, tree.objects[tree.root_id])])
    with pytest.raises(ObjectMissing) as raised:
        missing(objects, store_id, tree)
    assert raised.value.object_id == inner.root_id


def test_a_folder_that_is_a_file_is_an_error(objects: ObjectStore, store_id: LibraryId) -> None:
    file_tree = make_tree({"a": b"1"})
    put(objects, store_id, file_tree)
    file_id = next(iter(file_tree.objects.keys() - {file_tree.root_id}))
    root_id, text = encode_directory(Directory([Dirent(file_id, 0o40000, 1, "d")]))
    objects.put(store_id, Kind.FS, [(root_id, compress(text))])
    with pytest.raises(MalformedObject):
        missing(objects, store_id, Tree(root_id))


def test_a_folder_in_many_places_is_walked_once(objects: ObjectStore, store_id: LibraryId) -> None:
    shared = {"x": b"1", "y": {"z": b"2"}}
    tree = make_tree({f"{n}": shared for n in range(50)})
    put(objects, store_id, tree)
    walked = [each for portion in differences(objects, store_id, tree.root_id) for each in portion]
    assert len(walked) == 3
    assert {each.path for each in walked} >= {"/"}


def test_paths_and_entries_are_those_of_the_new_tree(objects: ObjectStore, store_id: LibraryId) -> None:
    before = make_tree({"d": {"a": b"1", "b": b"2"}, "e": b"3"})
    after = make_tree({"d": {"a": b"1", "b": b"changed", "c": b""}, "e": b"3"})
    put(objects, store_id, before, after)
    found = [
        each for portion in differences(objects, store_id, after.root_id, before.root_id) for each in portion
    ]
    assert [(each.path, sorted(e.name for e in each.entries)) for each in found] == [
        ("/", ["d"]),
        ("/d", ["b", "c"]),
    ]


def test_large_folders_are_read_a_few_at_a_time(database: Database, clock: FixedClock) -> None:
    sizes: list[int] = []

    class Counting(ObjectStore):
        def get_many(self, store_id: str, kind: Kind, ids: Any) -> dict[ObjectId, bytes]:
            found = super().get_many(store_id, kind, ids)
            sizes.append(len(found))
            return found

    objects = Counting(database, MemoryBlobs(clock), clock=clock)
    store_id = LibraryId("00000000-0000-4000-8000-00000000abcd")
    tree = make_tree(
        {f"{n}": {ObjectId.of(b"%d %d" % (n, m)): b"same" for m in range(900)} for n in range(40)}
    )
    put(objects, store_id, tree)
    missing(objects, store_id, tree)
    assert sizes[0] == 1
    assert max(sizes) <= 16
    assert sum(sizes) == 41


@pytest.mark.parametrize(
    ("portions", "text"),
    [
        ([], b"[]"),
        ([[]], b"[]"),
        ([["a"], [], ["b", "c"]], b'["a","b","c"]'),
        ([[], ["a"]], b'["a"]'),
    ],
)
def test_the_array_is_json_without_blanks(portions: list[list[str]], text: bytes) -> None:
    assert b"".join(json_array(portions)) == text


def test_the_array_comes_in_pieces_of_some_size() -> None:
    ids = [[f"{n:040x}"] * 10 for n in range(2000)]
    pieces = list(json_array(ids))
    assert len(pieces) > 5
    assert all(60_000 < len(piece) < 70_000 for piece in pieces[:-1])
    assert b"".join(pieces).count(b",") == 19_999
