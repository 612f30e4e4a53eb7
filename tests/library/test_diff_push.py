"""What a merge did that neither parent had, and what a push has to be checked for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seafleet.formats.fs import Directory, Dirent
from seafleet.ids import ZERO_ID, ObjectId
from seafleet.library.diff import (
    Change,
    Status,
    TreeDelta,
    changed_entries,
    changed_files,
    diff_merge,
    tree_delta,
)
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
    three_trees,
    trees,
)

Line = tuple[str, str]


def merge_lines(merged: Spec, first: Spec, second: Spec) -> list[Line]:
    forest = Forest()
    changes = diff_merge(forest, *map(forest.plant_spec, (merged, first, second)))
    return [(change.status, change.path) for change in changes]


# -- a merge and its parents ------------------------------------------------------------------------------


def test_a_merge_adds_what_neither_parent_has() -> None:
    assert merge_lines({"a": "A", "b": "B", "c": "C"}, {"a": "A"}, {"b": "B"}) == [("A", "/c")]


def test_a_merge_modifies_what_differs_from_every_parent_that_has_it() -> None:
    assert merge_lines({"a": "C"}, {"a": "A"}, {"a": "B"}) == [("M", "/a")]
    assert merge_lines({"a": "C"}, {"a": "A"}, {"n": "N"}) == [("M", "/a")]
    assert merge_lines({"a": "B"}, {"a": "A"}, {"a": "B"}) == []


def test_a_merge_deletes_what_both_parents_have() -> None:
    assert merge_lines({}, {"a": "A"}, {"a": "B"}) == [("D", "/a")]
    assert merge_lines({}, {"a": "A"}, {"b": "B"}) == []


def test_a_merge_renames_what_it_deletes_and_adds() -> None:
    assert merge_lines({"z": "A"}, {"a": "A"}, {"a": "A", "x": "X"}) == [("R", "/a")]


def test_a_merge_lists_files_in_folders_but_no_folders() -> None:
    merged: Spec = {"d": {"e": {}, "s": {"f": "F"}}, "n": {}}
    assert merge_lines(merged, {"gone": {"a": "A"}}, {"gone": {"a": "A"}}) == [
        ("A", "/d/s/f"),
        ("D", "/gone/a"),
    ]


def test_a_folder_that_one_parent_has_just_so_is_not_read() -> None:
    forest = Forest()
    roots = [
        forest.plant_spec({"h": {"a": "A"}, "r": {"b": "B"}}),
        forest.plant_spec({"h": {"a": "A"}, "r": {"c": "C"}}),
        forest.plant_spec({"r": {"b": "B"}}),
    ]
    assert diff_merge(forest, *roots) == []
    assert sorted(forest.reads) == sorted(roots)


@given(st.tuples(three_trees(), st.booleans()).map(lambda drawn: drawn[0][:: -1 if drawn[1] else 1]))
def test_a_diff_of_any_merge_is_what_the_definition_says(three: tuple[Folder, Folder, Folder]) -> None:
    forest = Forest()
    found = diff_merge(forest, *map(forest.plant, three))
    merged, first, second = (files(tree) for tree in three)
    expected: set[Line] = set()
    for path, file in merged.items():
        before = [parent[path] for parent in (first, second) if path in parent]
        if not before:
            expected.add(("A", path))
        elif all(as_compared(file) != as_compared(old) for old in before):
            expected.add(("M", path))
    expected |= {("D", path) for path in first.keys() & second.keys() - merged.keys()}
    assert apart(found) == expected


def as_compared(file: File) -> tuple[str, int, int]:
    return file.content, file.mtime, file.mode


def apart(changes: list[Change]) -> set[Line]:
    """Return changes with renames taken apart."""
    found: set[Line] = set()
    for change in changes:
        if change.status is Status.RENAMED:
            assert change.new_path is not None
            found |= {("D", change.path), ("A", change.new_path)}
        else:
            found.add((change.status, change.path))
    return found


# -- pushes -----------------------------------------------------------------------------------------------


@st.composite
def pushes(draw: st.DrawFn) -> tuple[Folder, Folder]:
    old = draw(trees)
    return old, draw(st.one_of(edited(old), trees))


def test_changed_entries_are_new_folders_and_new_or_modified_files() -> None:
    forest = Forest()
    old = forest.plant_spec({"gone": "G", "kept": "K", "mod": "A", "s": {"a": "A"}})
    new = forest.plant_spec({"..": "X", "d": {"e": {}}, "kept": "K", "mod": "B", "s": {"a": "A", "b": ""}})
    told = [path for path, _ in changed_entries(forest, old, new)]
    assert told == ["/s/b", "/mod", "/d", "/d/e", "/.."]
    assert [path for path, _ in changed_files(forest, old, new)] == ["/mod", "/.."]


def test_a_second_entry_of_a_name_does_not_escape_the_checks() -> None:
    forest = Forest()
    base = forest.plant_spec({"a": "A"})
    twice = forest.add(Directory([file_entry("a", File("A")), file_entry("a", File("B"))]))
    assert [(path, entry.id) for path, entry in changed_files(forest, base, twice)] == [
        ("/a", content_id("B"))
    ]


@given(pushes())
def test_every_new_content_is_among_the_changed_files(two: tuple[Folder, Folder]) -> None:
    old, new = two
    forest = Forest()
    told = list(changed_files(forest, forest.plant(old), forest.plant(new)))
    before = files(old)
    expected = {
        file.content
        for path, file in files(new).items()
        if file.content and (path not in before or before[path].content != file.content)
    }
    assert expected <= {forest.content(entry.id) for _, entry in told}
    for path, entry in told:
        assert content_id(files(new)[path].content) == entry.id
        assert path not in before or as_compared(before[path]) != as_compared(files(new)[path])


@given(pushes())
def test_a_delta_is_the_difference_of_sizes_and_counts(two: tuple[Folder, Folder]) -> None:
    forest = Forest()
    totals = [
        (sum(len(file.content) for file in files(tree).values()), len(files(tree)), len(folders(tree)))
        for tree in two
    ]
    expected = TreeDelta(*(new - old for old, new in zip(*totals, strict=True)))
    assert tree_delta(forest, *map(forest.plant, two)) == expected


def test_a_delta_reads_what_changed() -> None:
    forest = Forest()
    spec = {f"d{number}": {"a": "A", "n": str(number)} for number in range(50)}
    old = forest.plant_spec(spec)
    new = forest.plant_spec({**spec, "d7": {"a": "ABC"}})
    assert tree_delta(forest, old, new) == TreeDelta(size_bytes=1, file_count=-1)
    assert len(forest.reads) == 4


def test_sizes_that_were_not_recorded_count_as_nothing() -> None:
    forest = Forest()
    root = forest.add(Directory([Dirent(content_id("A"), 0o100644, 0, "a")]))
    assert tree_delta(forest, ZERO_ID, root) == TreeDelta(0, 1, 0)


def doubled(forest: Forest, depth: int) -> ObjectId:
    """Return a tree of `depth` directories and twice as many files at each level down."""
    dir_id = forest.plant_spec({"f": "F"})
    for _ in range(depth):
        dir_id = forest.add(Directory([Dirent.directory(name, dir_id, mtime=0) for name in "ab"]))
    return dir_id


def test_a_small_tree_with_a_billion_files_is_counted_and_checked_at_once() -> None:
    forest = Forest()
    root = doubled(forest, 30)
    assert tree_delta(forest, ZERO_ID, root) == TreeDelta(2**30, 2**30, 2**31 - 2)
    assert [path for path, _ in changed_files(forest, ZERO_ID, root)] == ["/b" * 30 + "/f"]
    assert len(list(changed_entries(forest, ZERO_ID, root))) == 61


def test_trees_two_thousand_folders_deep_do_not_use_the_stack() -> None:
    forest = Forest()
    deep = forest.plant_spec({"f": "F"})
    for _ in range(2048):
        deep = forest.add(Directory([Dirent.directory("d", deep, mtime=0)]))
    path = "/d" * 2048 + "/f"
    assert tree_delta(forest, ZERO_ID, deep) == TreeDelta(1, 1, 2048)
    assert [each for each, _ in changed_files(forest, ZERO_ID, deep)] == [path]
    assert [change.path for change in diff_merge(forest, deep, ZERO_ID, ZERO_ID)] == [path]
