"""What holds for every merge, and what a merge makes of trees that nobody should have sent."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seafleet.errors import ObjectMissing
from seafleet.formats.fs import Directory, Dirent
from seafleet.ids import ZERO_ID, ObjectId
from seafleet.library.merge import ConflictNaming, MergeResult, three_way, uniquely_named
from tests.library.merge_model import Model
from tests.library.tree_models import (
    File,
    Folder,
    Forest,
    Spec,
    content_id,
    file_entry,
    file_names,
    files,
    folders,
    three_trees,
    trees,
)

NAMING = ConflictNaming("ann@x", datetime.fromtimestamp(1, UTC))
MARK = "(SFConflict nobody@x 1970-01-01-00-00-00)"

Three = tuple[Folder, Folder, Folder]


def merge(forest: Forest, *versions: Folder, naming: ConflictNaming = NAMING) -> tuple[Folder, MergeResult]:
    result = three_way(forest, *map(forest.plant, versions), naming=naming)
    forest.add_objects(result.objects)
    return forest.harvest(result.root_id), result


def merge_specs(base: Spec, head: Spec, remote: Spec) -> tuple[Spec, tuple[str, ...]]:
    forest = Forest()
    result = three_way(forest, *map(forest.plant_spec, (base, head, remote)), naming=NAMING)
    forest.add_objects(result.objects)
    return forest.harvest_spec(result.root_id), result.conflicts


def without_marks(path: str) -> str:
    return re.sub(r" \(SFConflict [^)]*\)( \(\d+\))?", "", path)


# -- every merge ------------------------------------------------------------------------------------------


@given(three_trees())
def test_a_merge_is_what_the_tables_say(three: Three) -> None:
    model = Model("ann@x", 1)
    expected = model.merge(*three)
    tree, result = merge(Forest(), *three)
    assert tree.entries == expected.entries
    assert set(model.conflicts) >= set(result.conflicts)
    assert result.has_conflicts is bool(model.conflicts)


@given(st.tuples(trees, trees, trees))
def test_a_merge_of_trees_that_have_little_in_common_is_what_the_tables_say(three: Three) -> None:
    assert merge(Forest(), *three)[0].entries == Model("ann@x", 1).merge(*three).entries


@given(three_trees())
def test_a_side_that_did_nothing_leaves_the_other_as_it_is(three: Three) -> None:
    base, head, remote = three
    forest = Forest()
    assert merge(forest, base, head, base)[1] == MergeResult(forest.plant(head), (), ())
    assert merge(forest, base, base, remote)[1] == MergeResult(forest.plant(remote), (), ())
    assert merge(forest, base, head, head)[1] == MergeResult(forest.plant(head), (), ())


@given(three_trees())
def test_nothing_that_a_side_added_or_changed_is_lost(three: Three) -> None:
    base, head, remote = three
    tree, _ = merge(Forest(), *three)
    there = {(without_marks(path), file.content) for path, file in files(tree).items()}
    before = files(base)
    for side in (head, remote):
        for path, file in files(side).items():
            was = before.get(path)
            if was is None or was.content != file.content:
                assert (without_marks(path), file.content) in there


@given(three_trees())
def test_nothing_appears_that_no_side_had(three: Three) -> None:
    tree, _ = merge(Forest(), *three)
    known = {(without_marks(path), file.content) for side in three[1:] for path, file in files(side).items()}
    assert {(without_marks(path), file.content) for path, file in files(tree).items()} <= known


@given(three_trees())
def test_merging_again_changes_nothing(three: Three) -> None:
    base, _, remote = three
    forest = Forest()
    once, result = merge(forest, *three)
    assert merge(forest, base, once, remote)[1].root_id == result.root_id


@given(three_trees())
def test_the_same_merge_gives_the_same_bytes(three: Three) -> None:
    assert merge(Forest(), *three)[1] == merge(Forest(), *three)[1]


@given(three_trees())
def test_a_merge_makes_what_is_missing_and_nothing_else(three: Three) -> None:
    forest = Forest()
    tree, result = merge(forest, *three)
    planted = Forest()
    merged_roots = {planted.plant(side) for side in three}
    inputs = merged_roots | {planted.plant(inner) for side in three for inner in folders(side).values()}
    made = {object_id for object_id, _ in result.objects}
    needed = {forest.plant(inner) for inner in [tree, *folders(tree).values()]}
    assert needed - inputs - {ZERO_ID} <= made <= needed
    assert not made & (merged_roots | {ZERO_ID})
    assert len(made) == len(result.objects)


def test_folders_that_one_side_left_alone_are_not_read() -> None:
    forest = Forest()
    base: Spec = {"h": {"a": "A", "s": {"b": "B"}}, "r": {"a": "A", "t": {"b": "B"}}, "gone": {"c": "C"}}
    head = {**base, "h": {"a": "H", "s": {"b": "H"}}, "new": {"n": "N"}}
    remote = {"h": base["h"], "r": {"a": "R", "t": {"b": "R"}}}
    roots = [forest.plant_spec(spec) for spec in (base, head, remote)]
    three_way(forest, *roots, naming=NAMING)
    assert sorted(forest.reads) == sorted(roots)


def test_a_merge_of_a_tree_two_thousand_folders_deep_does_not_use_the_stack() -> None:
    forest = Forest()
    roots = []
    for name in ("base", "head", "remote"):
        entries = [file_entry(name, File(name)), file_entry("f", File(name))]
        for _ in range(2047):
            entries = [Dirent.directory("d", forest.add(Directory(entries)), mtime=0)]
        roots.append(forest.add(Directory(entries)))
    result = three_way(forest, *roots, naming=NAMING)
    assert len(result.objects) == 2048
    assert result.conflicts == ("/d" * 2047 + f"/f {MARK}",)


def test_a_merge_of_a_small_tree_with_a_billion_paths_ends() -> None:
    forest = Forest()
    roots = []
    for name in ("base", "head", "remote"):
        entries = [file_entry("f", File(name))]
        for _ in range(30):
            dir_id = forest.add(Directory(entries))
            entries = [Dirent.directory(each, dir_id, mtime=0) for each in "ab"]
        roots.append(forest.add(Directory(entries)))
    result = three_way(forest, *roots, naming=NAMING)
    assert len(result.objects) == 31
    assert result.conflicts == ("/b" * 30 + f"/f {MARK}",)


def test_a_merge_of_a_folder_that_is_missing_says_which() -> None:
    forest = Forest()
    root = forest.plant_spec({"a": "A"})
    missing = ObjectId("1" * 40)
    with pytest.raises(ObjectMissing) as caught:
        three_way(forest, ZERO_ID, root, missing, naming=NAMING)
    assert caught.value.object_id == missing


# -- conflict names ---------------------------------------------------------------------------------------


def test_a_taken_conflict_name_gets_a_number_before_the_extension() -> None:
    base = {"a.x": "A", f"a {MARK}.x": "K", f"a {MARK} (1).x": "L"}
    head, remote = {**base, "a.x": "B"}, {**base, "a.x": "C"}
    tree, conflicts = merge_specs(base, head, remote)
    assert tree == {**head, f"a {MARK} (2).x": "C"}
    assert conflicts == (f"/a {MARK} (2).x",)


def test_a_conflict_name_that_remote_added_itself_counts_as_taken() -> None:
    tree, _ = merge_specs({"a": "A"}, {"a": "B"}, {"a": "C", f"a {MARK}": "D"})
    assert tree == {"a": "B", f"a {MARK}": "D", f"a {MARK} (1)": "C"}


def test_a_conflict_name_that_became_free_in_the_merge_is_used() -> None:
    old = {"a": "A", f"a {MARK}": "K"}
    tree, _ = merge_specs(old, {**old, "a": "B"}, {"a": "C"})
    assert tree == {"a": "B", f"a {MARK}": "C"}


def test_a_conflict_that_is_resolved_already_is_told_but_not_added_again() -> None:
    once, conflicts = merge_specs({"a": "A"}, {"a": "B"}, {"a": "C"})
    again, conflicts_again = merge_specs({"a": "A"}, once, {"a": "C"})
    assert again == once
    assert conflicts_again == conflicts == (f"/a {MARK}",)


def test_a_taken_conflict_name_of_a_folder_gets_a_number_too() -> None:
    mark = "(SFConflict ann@x 1970-01-01-00-00-01)"
    tree, conflicts = merge_specs({}, {"d.x": "F", f"d {mark}.x": {}}, {"d.x": {"a": "A"}})
    assert tree == {"d.x": "F", f"d {mark}.x": {}, f"d {mark} (1).x": {"a": "A"}}
    assert conflicts == (f"/d {mark} (1).x",)


@pytest.mark.parametrize(
    ("name", "modifier", "mtime", "expected"),
    [
        (
            "hello.txt",
            "alice@example.com",
            1795326799,
            "hello (SFConflict alice@example.com 2026-11-22-05-53-19).txt",
        ),
        ("README", "bob@example.com", 0, "README (SFConflict bob@example.com 1970-01-01-00-00-00)"),
        ("a.tar.gz", "bob@example.com", 0, "a.tar (SFConflict bob@example.com 1970-01-01-00-00-00).gz"),
        (".bashrc", "b", 0, " (SFConflict b 1970-01-01-00-00-00).bashrc"),
        ("end.", "b", 0, "end (SFConflict b 1970-01-01-00-00-00)."),
        ("..", "b", 0, ". (SFConflict b 1970-01-01-00-00-00)."),
        ("a", None, 0, "a (SFConflict ann@x 1970-01-01-00-00-00)"),
        ("a", "x/y\n\0", 0, "a (SFConflict x_y__ 1970-01-01-00-00-00)"),
        ("a", "b", 10**18, "a (SFConflict b 1970-01-01-00-00-01)"),
        ("a", "b", -(2**63), "a (SFConflict b 1970-01-01-00-00-01)"),
    ],
)
def test_the_conflict_name_of_a_file(name: str, modifier: str | None, mtime: int, expected: str) -> None:
    assert NAMING.name(file_entry(name, File("A", mtime, modifier))) == expected


def test_the_conflict_name_of_a_folder_has_the_creator_and_the_present_time() -> None:
    entry = Dirent.directory("v1.2", content_id("d"), mtime=1_000_000)
    assert NAMING.name(entry) == "v1 (SFConflict ann@x 1970-01-01-00-00-01).2"


def test_a_conflict_name_without_anybody_to_name_has_the_time_alone() -> None:
    naming = replace(NAMING, creator_name=None)
    assert naming.name(file_entry("a.x", File("A", 0, None))) == "a (SFConflict 1970-01-01-00-00-00).x"
    assert naming.name(Dirent.directory("d", mtime=0)) == "d (SFConflict 1970-01-01-00-00-01)"


def test_times_of_conflict_names_are_in_the_zone_of_the_server() -> None:
    naming = replace(NAMING, tz=timezone(timedelta(hours=2)))
    assert naming.name(file_entry("a", File("A"))) == "a (SFConflict nobody@x 1970-01-01-02-00-00)"
    assert naming.name(Dirent.directory("d", mtime=0)) == "d (SFConflict ann@x 1970-01-01-02-00-01)"


def test_conflict_names_can_show_the_name_of_a_person() -> None:
    naming = replace(NAMING, display_name={"nobody@x": "No Body"}.__getitem__)
    assert naming.name(file_entry("a", File("A"))) == "a (SFConflict No Body 1970-01-01-00-00-00)"


@given(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=255),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
)
def test_conflict_names_are_never_longer_than_a_name_may_be(name: str, who: str) -> None:
    names = NAMING.names(file_entry(name, File("A", 0, who)))
    drawn = [next(names) for _ in range(12)]
    assert len(set(drawn)) == len(drawn)
    for each in drawn:
        assert "/" not in each
        assert len(each.encode()) <= 255
        assert "1970-01-01-00-00-0" in each


def test_many_conflicts_whose_shortened_names_are_alike_all_get_their_own() -> None:
    long = ["x" * 240 + f"{number:04}" for number in range(2000)]
    versions: list[Spec] = [dict.fromkeys(long, content) for content in "ABC"]
    tree, conflicts = merge_specs(*versions)
    assert len(tree) == 4000
    assert len(set(conflicts)) == 2000


# -- directories that hold a name twice -------------------------------------------------------------------


def entries_of(forest: Forest, result: MergeResult) -> dict[str, ObjectId]:
    forest.add_objects(result.objects)
    return {entry.name: entry.id for entry in forest.directory(result.root_id)}


def directory_of(forest: Forest, *entries: tuple[str, str]) -> ObjectId:
    return forest.add(Directory(file_entry(name, File(content)) for name, content in entries))


def test_a_second_entry_of_a_name_gets_a_number_in_a_merge() -> None:
    forest = Forest()
    base = directory_of(forest, ("a.x", "A"))
    head = directory_of(forest, ("a.x", "A"), ("h", "H"))
    remote = directory_of(forest, ("a.x", "A"), ("a.x", "B"), ("a.x", "B"), ("a (1).x", "C"))
    result = three_way(forest, base, head, remote, naming=NAMING)
    expected = {"h": "H", "a.x": "A", "a (1).x": "C", "a (2).x": "B"}
    assert entries_of(forest, result) == {name: content_id(text) for name, text in expected.items()}
    assert result.conflicts == ()


def test_a_file_and_a_folder_of_one_name_in_one_tree_are_both_kept() -> None:
    forest = Forest()
    both = [file_entry("a", File("A")), Dirent.directory("a", directory_of(forest, ("b", "B")), mtime=0)]
    remote = forest.add(Directory(both))
    result = three_way(forest, ZERO_ID, directory_of(forest, ("h", "H")), remote, naming=NAMING)
    assert entries_of(forest, result) == {"a": both[0].id, "a (1)": both[1].id, "h": content_id("H")}


def test_a_folder_taken_over_whole_is_not_touched() -> None:
    forest = Forest()
    twice = directory_of(forest, ("a", "A"), ("a", "B"))
    remote = forest.add(Directory([Dirent.directory("d", twice, mtime=0)]))
    result = three_way(forest, ZERO_ID, directory_of(forest, ("h", "H")), remote, naming=NAMING)
    assert entries_of(forest, result)["d"] == twice


duplicates = st.lists(st.tuples(file_names, st.sampled_from(["A", "B", "C"]), st.booleans()), max_size=8).map(
    lambda drawn: [
        Dirent.directory(name, content_id(text), mtime=0) if is_dir else file_entry(name, File(text))
        for name, text, is_dir in drawn
    ]
)


@given(duplicates)
def test_directories_with_equal_names_lose_no_entry(entries: list[Dirent]) -> None:
    directory = uniquely_named(Directory(entries))
    names = [entry.name for entry in directory]
    assert len(set(names)) == len(names)
    assert {entry.name for entry in entries} <= set(names)
    distinct = {(entry.name, entry.is_dir, entry.id) for entry in entries}
    assert sorted((is_dir, content) for _, is_dir, content in distinct) == sorted(
        (entry.is_dir, entry.id) for entry in directory
    )


@given(duplicates)
def test_the_first_of_equal_names_keeps_it(entries: list[Dirent]) -> None:
    original = Directory(entries)
    for entry in entries:
        assert uniquely_named(original).get(entry.name) == original.get(entry.name)


@given(st.tuples(duplicates, duplicates, duplicates))
def test_a_merge_of_directories_with_equal_names_loses_no_addition(
    three: tuple[list[Dirent], list[Dirent], list[Dirent]],
) -> None:
    forest = Forest()
    plain = [[entry for entry in entries if not entry.is_dir] for entries in three]
    roots = [forest.add(Directory(entries)) for entries in plain]
    result = three_way(forest, *roots, naming=NAMING)
    forest.add_objects(result.objects)
    merged = forest.directory(result.root_id)
    known = {(entry.name, entry.id) for entry in plain[0]}
    added = {entry.id for side in plain[1:] for entry in side if (entry.name, entry.id) not in known}
    old = {entry.id for entry in plain[0]}
    assert added - old <= {entry.id for entry in merged}
    if result.objects:
        assert len({entry.name for entry in merged}) == len(merged)


def test_ten_thousand_entries_of_one_name_are_numbered_in_no_time() -> None:
    entries = [file_entry("a", File(str(number))) for number in range(10_000)]
    names = {entry.name for entry in uniquely_named(Directory(entries))}
    assert names == {"a", *(f"a ({number})" for number in range(1, 10_000))}
