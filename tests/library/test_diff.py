"""Differences between two trees: what is listed, in which order, and what is joined to renames."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seafleet.errors import ObjectMissing
from seafleet.formats.fs import EXECUTABLE_MODE, Directory, Dirent
from seafleet.ids import ZERO_ID, ObjectId
from seafleet.library.diff import Change, Status, diff_trees, iter_changes, resolve_renames
from tests.library.tree_models import (
    File,
    Folder,
    Forest,
    Spec,
    content_id,
    edited,
    file_entry,
    files,
    folders,
    paths,
    trees,
)

Line = tuple[str, ...]


@st.composite
def two_trees(draw: st.DrawFn) -> tuple[Folder, Folder]:
    old = draw(trees)
    return old, draw(st.one_of(edited(old), trees))


def lines(changes: Iterable[Change]) -> list[Line]:
    """Return changes as `(status, path)`, renames as `(status, path, new path)`."""
    return [
        (change.status, change.path) + ((change.new_path,) if change.new_path else ()) for change in changes
    ]


def diff(old: Spec, new: Spec, *, fold: bool = True) -> list[Line]:
    forest = Forest()
    return lines(diff_trees(forest, forest.plant_spec(old), forest.plant_spec(new), fold=fold))


# -- statuses ---------------------------------------------------------------------------------------------

FULL: Spec = {"a": "A", "e": {}, "s": {"b": "B"}}

STATUSES: dict[str, tuple[Spec, Spec, list[Line], list[Line]]] = {
    "nothing": ({"a": "A"}, {"a": "A"}, [], []),
    "a file added": ({}, {"a": "A"}, [("A", "/a")], [("A", "/a")]),
    "a file deleted": ({"a": "A"}, {}, [("D", "/a")], [("D", "/a")]),
    "a file modified": ({"a": "A"}, {"a": "B"}, [("M", "/a")], [("M", "/a")]),
    "a file emptied": ({"a": "A"}, {"a": ""}, [("M", "/a")], [("M", "/a")]),
    "a file renamed": ({"a": "A"}, {"b": "A"}, [("R", "/a", "/b")], [("R", "/a", "/b")]),
    "a file moved": (
        {"a": "A", "d": {"x": "X"}},
        {"d": {"x": "X", "b": "A"}},
        [("R", "/a", "/d/b")],
        [("R", "/a", "/d/b")],
    ),
    "an empty folder added": ({}, {"d": {}}, [("B", "/d")], [("B", "/d")]),
    "an empty folder deleted": ({"d": {}}, {}, [("C", "/d")], [("C", "/d")]),
    "an empty folder renamed": ({"d": {}}, {"e": {}}, [("N", "/d", "/e")], [("N", "/d", "/e")]),
    "a full folder added": (
        {},
        {"d": FULL},
        [("B", "/d")],
        [("A", "/d/a"), ("B", "/d/e"), ("A", "/d/s/b")],
    ),
    "a full folder deleted": (
        {"d": FULL},
        {},
        [("C", "/d")],
        [("D", "/d/a"), ("C", "/d/e"), ("D", "/d/s/b"), ("C", "/d/s"), ("C", "/d")],
    ),
    "a full folder renamed": (
        {"d": FULL},
        {"n": FULL},
        [("N", "/d", "/n")],
        [("R", "/d/a", "/n/a"), ("N", "/d/e", "/n/e"), ("R", "/d/s/b", "/n/s/b"), ("C", "/d/s"), ("C", "/d")],
    ),
    "a folder emptied": ({"d": {"a": "A"}}, {"d": {}}, [("D", "/d/a")], [("D", "/d/a")]),
    "a file in a folder": (
        {"d": {"a": "A"}, "x": "X"},
        {"d": {"a": "A", "b": "B"}, "x": "X"},
        [("A", "/d/b")],
        [("A", "/d/b")],
    ),
    "a file that became a folder": (
        {"d": "A"},
        {"d": {"a": "B"}},
        [("B", "/d"), ("D", "/d")],
        [("A", "/d/a"), ("D", "/d")],
    ),
    "a folder that became a file": (
        {"d": {"a": "B"}},
        {"d": "A"},
        [("C", "/d"), ("A", "/d")],
        [("D", "/d/a"), ("C", "/d"), ("A", "/d")],
    ),
}


@pytest.mark.parametrize(("old", "new", "folded", "unfolded"), STATUSES.values(), ids=STATUSES)
def test_a_diff_lists(old: Spec, new: Spec, folded: list[Line], unfolded: list[Line]) -> None:
    assert diff(old, new) == folded
    assert diff(old, new, fold=False) == unfolded


@pytest.mark.parametrize(
    ("changed", "listed"),
    [
        (File("A", 1), True),
        (File("A", mode=EXECUTABLE_MODE), True),
        (File("A", modifier="somebody@x"), False),
    ],
)
def test_a_file_is_modified_when_its_id_mode_or_time_is_another(changed: File, listed: bool) -> None:
    forest = Forest()
    old, new = forest.plant(Folder({"a": File("A")})), forest.plant(Folder({"a": changed}))
    assert lines(diff_trees(forest, old, new)) == ([("M", "/a")] if listed else [])


def test_a_folder_is_never_listed_for_its_own_time() -> None:
    forest = Forest()
    old, new = (forest.plant(Folder({"d": Folder({"a": File("A")}, mtime)})) for mtime in (1, 2))
    assert diff_trees(forest, old, new) == []


def test_a_change_has_the_entries_of_both_sides() -> None:
    forest = Forest()
    old = forest.plant_spec({"gone": "G", "mod": "A", "old": "R"})
    new = forest.plant_spec({"mod": "B", "new": "R", "plus": "P"})
    entries = {change.status: (change.old, change.new) for change in diff_trees(forest, old, new)}
    assert entries == {
        Status.ADDED: (None, file_entry("plus", File("P"))),
        Status.DELETED: (file_entry("gone", File("G")), None),
        Status.MODIFIED: (file_entry("mod", File("A")), file_entry("mod", File("B"))),
        Status.RENAMED: (file_entry("old", File("R")), file_entry("new", File("R"))),
    }


def test_entries_that_share_a_name_are_all_listed() -> None:
    forest = Forest()
    twice = forest.add(Directory([file_entry("a", File("A")), file_entry("a", File("B"))]))
    assert lines(iter_changes(forest, ZERO_ID, twice)) == [("A", "/a"), ("A", "/a")]
    assert lines(iter_changes(forest, forest.plant_spec({"a": "A"}), twice)) == [("A", "/a")]
    assert lines(iter_changes(forest, twice, ZERO_ID)) == [("D", "/a"), ("D", "/a")]


# -- renames ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": ""}, {"b": ""}, [("R", "/a", "/b")]),
        ({"a": ""}, {"b": "", "c": ""}, [("D", "/a"), ("A", "/b"), ("A", "/c")]),
        ({"a": "", "b": ""}, {"c": ""}, [("D", "/a"), ("D", "/b"), ("A", "/c")]),
        ({"d": {}}, {"e": {}, "f": {}}, [("C", "/d"), ("B", "/e"), ("B", "/f")]),
        ({"d": {}}, {"e": ""}, [("C", "/d"), ("A", "/e")]),
        ({"d": {}, "a": ""}, {"e": {}, "b": ""}, [("R", "/a", "/b"), ("N", "/d", "/e")]),
    ],
)
def test_empty_things_are_renamed_only_when_there_is_one_of_each(
    old: Spec, new: Spec, expected: list[Line]
) -> None:
    assert diff(old, new) == expected


def test_of_several_candidates_the_last_walked_are_joined() -> None:
    assert diff({"a": "X", "b": "X"}, {"c": "X", "d": "X"}) == [("R", "/a", "/c"), ("D", "/b"), ("A", "/d")]


def test_a_rename_stands_where_its_old_name_stood() -> None:
    old: Spec = {"a": "1", "c": "2", "e": "3"}
    new: Spec = {"b": "3", "d": "1", "f": "4"}
    assert diff(old, new) == [("R", "/a", "/d"), ("D", "/c"), ("R", "/e", "/b"), ("A", "/f")]


def test_a_copy_is_no_rename() -> None:
    assert diff({"a": "A"}, {"a": "A", "b": "A"}) == [("A", "/b")]


def test_a_modified_file_is_not_a_candidate() -> None:
    assert diff({"a": "A", "b": "B"}, {"a": "B"}) == [("M", "/a"), ("D", "/b")]


@given(two_trees())
def test_renames_join_deleted_and_added_entries_and_lose_none(two: tuple[Folder, Folder]) -> None:
    forest = Forest()
    walked = list(iter_changes(forest, *map(forest.plant, two)))
    joined = resolve_renames(walked)
    apart: list[Line] = []
    for change in joined:
        if change.new_path is None:
            apart.append((change.status, change.path))
        else:
            assert change.old is not None
            assert change.new is not None
            assert change.old.id == change.new.id
            statuses = ("D", "A") if change.status is Status.RENAMED else ("C", "B")
            apart += zip(statuses, (change.path, change.new_path), strict=True)
    assert sorted(apart) == sorted(lines(walked))


# -- order ------------------------------------------------------------------------------------------------


def test_the_walk_is_descending_depth_first_files_before_folders() -> None:
    forest = Forest()
    old = forest.plant_spec({"m": "M", "z": {"a": "A"}})
    new = forest.plant_spec({"b": {"c": "C", "d": "D"}, "m": {"x": "X"}, "z": {"a": "B", "b": "B"}})
    walked = lines(iter_changes(forest, old, new, fold=False))
    assert walked == [("A", "/z/b"), ("M", "/z/a"), ("D", "/m"), ("A", "/m/x"), ("A", "/b/d"), ("A", "/b/c")]


@given(two_trees())
def test_a_result_list_is_the_walk_backwards(two: tuple[Folder, Folder]) -> None:
    forest = Forest()
    roots = [forest.plant(tree) for tree in two]
    walked = list(iter_changes(forest, *roots))
    order = [line for line in lines(reversed(walked)) if line[0] == "M"]
    assert [line for line in lines(diff_trees(forest, *roots)) if line[0] == "M"] == order


# -- every pair of trees ----------------------------------------------------------------------------------


def comparable(tree: Folder) -> dict[str, tuple[object, ...]]:
    """Return everything in a tree, but for what a diff does not compare."""
    return {
        path: (node.content, node.mtime, node.mode) if isinstance(node, File) else ()
        for path, node in paths(tree)
    }


def as_compared(entry: Dirent) -> tuple[object, ...]:
    return () if entry.is_dir else (entry.id, entry.mtime, entry.mode)


def applied(tree: Folder, changes: Iterable[Change]) -> dict[str, tuple[object, ...]]:
    """Return what an old tree becomes: deletions first, then additions with the folders they need."""
    result = comparable(tree)
    for path, node in files(tree).items():
        result[path] = (content_id(node.content), node.mtime, node.mode)
    listed = list(changes)
    for change in listed:
        if change.old is not None:
            del result[change.path]
    for change in listed:
        if change.new is not None:
            path = change.new_path or change.path
            result[path] = as_compared(change.new)
            while path := path.rpartition("/")[0]:
                result.setdefault(path, ())
    return result


@given(two_trees())
def test_applying_an_unfolded_diff_to_the_old_tree_gives_the_new(two: tuple[Folder, Folder]) -> None:
    old, new = two
    forest = Forest()
    roots = forest.plant(old), forest.plant(new)
    expected = applied(new, ())
    assert applied(old, iter_changes(forest, *roots, fold=False)) == expected
    assert applied(old, diff_trees(forest, *roots, fold=False)) == expected


@given(two_trees())
def test_a_folded_diff_is_the_unfolded_one_without_what_is_inside_listed_folders(
    two: tuple[Folder, Folder],
) -> None:
    old, new = two
    forest = Forest()
    roots = forest.plant(old), forest.plant(new)
    folded = lines(iter_changes(forest, *roots))
    unfolded = lines(iter_changes(forest, *roots, fold=False))
    added = [path for path in folders(new) if path not in folders(old)]
    deleted = [path for path in folders(old) if path not in folders(new)]
    assert sorted(folded) == sorted(
        [("B", path) for path in topmost(added)]
        + [("C", path) for path in topmost(deleted)]
        + [line for line in unfolded if line[0] == "M"]
        + [line for line in unfolded if line[0] == "A" and not is_below(line[1], added)]
        + [line for line in unfolded if line[0] == "D" and not is_below(line[1], deleted)]
    )


def is_below(path: str, above: list[str]) -> bool:
    return any(path.startswith(f"{folder}/") for folder in above)


def topmost(found: list[str]) -> list[str]:
    return [path for path in found if not is_below(path, found)]


@given(trees)
def test_a_tree_does_not_differ_from_itself_and_is_not_read(tree: Folder) -> None:
    forest = Forest()
    root = forest.plant(tree)
    assert diff_trees(forest, root, root, fold=False) == []
    assert forest.reads == []


# -- cost -------------------------------------------------------------------------------------------------


def test_only_folders_on_the_path_of_a_change_are_read() -> None:
    forest = Forest()
    spec = {f"d{n}": {f"s{m}": {"a": "A", "n": str(n), "m": str(m)} for m in range(5)} for n in range(5)}
    old = forest.plant_spec(spec)
    new = forest.plant_spec({**spec, "d3": {**spec["d3"], "s2": {"a": "B"}}})
    diff_trees(forest, old, new)
    assert len(forest.reads) == 6


def test_changes_come_while_the_walk_goes_on() -> None:
    forest = Forest()
    new = forest.plant_spec({f"d{n}": {"a": "A", "n": str(n)} for n in range(100)})
    walk = iter_changes(forest, ZERO_ID, new, fold=False)
    assert next(walk).path == "/d99/n"
    assert len(forest.reads) == 4


def test_a_diff_of_a_tree_two_thousand_folders_deep_does_not_use_the_stack() -> None:
    forest = Forest()
    deep = ZERO_ID
    for _ in range(2048):
        deep = forest.add(Directory([Dirent.directory("d", deep, mtime=0)]))
    changes = diff_trees(forest, ZERO_ID, deep, fold=False)
    assert lines(changes) == [("B", "/d" * 2048)]


def test_a_missing_folder_is_told() -> None:
    missing = ObjectId("1" * 40)
    with pytest.raises(ObjectMissing) as caught:
        diff_trees(Forest(), ZERO_ID, missing)
    assert caught.value.object_id == missing
