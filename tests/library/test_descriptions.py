"""Commit descriptions, word for word."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seafleet.formats import commit as commits
from seafleet.formats.fs import Directory, decode_fs
from seafleet.ids import ObjectId
from seafleet.library import descriptions as text
from seafleet.library.diff import Change, Status, diff_trees
from seafleet.library.source import MemoryTrees
from tests.library.tree_models import File, Folder, Forest, Spec, edited, file_entry, paths, trees

OBJECTS = Path(__file__).parent.parent / "fixtures" / "seafile-objects"
TIME = datetime(2026, 11, 22, 5, 53, 19, tzinfo=UTC)
EAST = timezone(timedelta(hours=2))


def described(old: Spec, new: Spec) -> str:
    forest = Forest()
    return text.describe(diff_trees(forest, forest.plant_spec(old), forest.plant_spec(new)))


# -- from a diff ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "one", "three"),
    [
        (Status.ADDED, 'Added or modified "x".\n', 'Added or modified "x" and 2 more files.\n'),
        (Status.MODIFIED, 'Added or modified "x".\n', 'Added or modified "x" and 2 more files.\n'),
        (Status.DELETED, 'Deleted "x".\n', 'Deleted "x" and 2 more files.\n'),
        (Status.RENAMED, 'Renamed "x".\n', 'Renamed "x" and 2 more files.\n'),
        (Status.ADDED_DIR, 'Added directory "x".\n', 'Added "x" and 2 more directories.\n'),
        (Status.DELETED_DIR, 'Removed directory "x".\n', 'Removed "x" and 2 more directories.\n'),
        (Status.RENAMED_DIR, 'Renamed directory "x".\n', 'Renamed "x" and 2 more directories.\n'),
    ],
)
def test_a_kind_of_change_is_told_in_one_line(status: Status, one: str, three: str) -> None:
    entry = file_entry("x", File("A"))
    first, other = (
        Change(status, "/d/x", entry, entry),
        Change(status, "/y", file_entry("y", File("A")), None),
    )
    assert text.describe([first]) == one
    assert text.describe([first, other, other]) == three


def test_lines_come_in_one_order_whatever_the_order_of_changes() -> None:
    old: Spec = {"del": "D", "ren": "R", "mod": "M", "dir": {"a": "A"}, "deldir": {"b": "B"}}
    new: Spec = {"add": "P", "ren2": "R", "mod": "N", "dir2": {"a": "A"}, "adddir": {"c": "C"}}
    assert described(old, new) == (
        'Added or modified "add" and 1 more files.\n'
        'Deleted "del".\n'
        'Renamed "ren".\n'
        'Added directory "adddir".\n'
        'Removed directory "deldir".\n'
        'Renamed directory "dir".\n'
    )


def test_a_rename_is_told_by_the_old_base_name() -> None:
    assert described({"d": {"old": "A"}}, {"d": {"new": "A"}}) == 'Renamed "old".\n'


def test_quotes_in_names_are_not_escaped() -> None:
    assert described({}, {'say "hi"': "A"}) == 'Added or modified "say "hi"".\n'


def test_no_change_has_no_description_but_a_merge_has() -> None:
    assert text.describe([]) == ""
    assert text.describe_merge([]) == "Auto merge by system"
    assert text.describe_merge([Change(Status.ADDED, "/a", None, file_entry("a", File("A")))]) == (
        'Added or modified "a".\n'
    )


@given(trees.flatmap(lambda tree: st.tuples(st.just(tree), edited(tree))))
def test_who_is_named_first_was_walked_last(two: tuple[Folder, Folder]) -> None:
    old, new = two
    before = {path: node for path, node in paths(old) if isinstance(node, File)}
    updated = [
        path
        for path, node in paths(new)
        if isinstance(node, File)
        and (path not in before or as_compared(before[path]) != as_compared(node))
        and not is_in_new_folder(path, old)
    ]
    forest = Forest()
    found = diff_trees(forest, forest.plant(old), forest.plant(new))
    if updated and not any(change.status is Status.RENAMED for change in found):
        name, more = updated[-1].rpartition("/")[2], len(updated) - 1
        rest = f" and {more} more files" if more else ""
        assert text.describe(found).startswith(f'Added or modified "{name}"{rest}.\n')


def as_compared(file: File) -> tuple[str, int, int]:
    return file.content, file.mtime, file.mode


def is_in_new_folder(path: str, old: Folder) -> bool:
    known = {each for each, node in paths(old) if isinstance(node, Folder)}
    above = path.split("/")[1:-1]
    return any("/" + "/".join(above[: depth + 1]) not in known for depth in range(len(above)))


def test_the_description_that_the_server_gave_a_recorded_commit() -> None:
    manifest = json.loads((OBJECTS / "manifest.json").read_text("utf-8"))
    library = next(each for each in manifest["libraries"] if each["kind"] == "plain")
    store = OBJECTS / "storage" / "fs" / library["fs_and_blocks_store_id"]
    source = MemoryTrees()
    for path in store.glob("*/*"):
        found = decode_fs(path.read_bytes())
        if isinstance(found, Directory):
            assert source.add(found) == ObjectId(path.parent.name + path.name)
    head, parent = (read_commit(library, library["commits_newest_first"][at]["commit_id"]) for at in (0, 1))
    assert text.describe(diff_trees(source, parent.root_id, head.root_id)) == head.description


def read_commit(library: dict[str, str], commit_id: str) -> commits.Commit:
    path = OBJECTS / "storage" / "commits" / library["repo_id"] / commit_id[:2] / commit_id[2:]
    return commits.decode(path.read_bytes())


# -- of web operations ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (text.CREATED_LIBRARY, "Created library"),
        (text.CHANGED_LIBRARY, "Changed library name or description"),
        (text.CHANGED_PASSWORD, "Changed library password"),
        (text.ADDED_PASSWORD_HASH, "Changed library password hash algorithm"),
        (text.AUTO_MERGE, "Auto merge by system"),
        (text.uploaded("x"), 'Added "x".'),
        (text.uploaded("x", 2), 'Added "x" and 2 more files.'),
        (text.added("x"), 'Added "x"'),
        (text.added("x", more=2), 'Added "x" and 2 more files'),
        (text.added("a/b", is_dir=True), 'Added directory "a/b"'),
        (text.added("x", is_dir=True, more=2), 'Added "x" and 2 more files'),
        (text.modified("x"), 'Modified "x"'),
        (text.deleted("x"), 'Deleted "x"'),
        (text.deleted("x", is_dir=True), 'Removed directory "x"'),
        (text.deleted("x", is_dir=True, more=1), 'Deleted "x" and 1 more files'),
        (text.renamed("x"), 'Renamed "x"'),
        (text.renamed("x", is_dir=True), 'Renamed directory "x"'),
        (text.moved("x"), 'Moved "x"'),
        (text.moved("x", is_dir=True), 'Moved directory "x"'),
        (text.moved("x", more=3), 'Moved "x" and 3 more files'),
        (text.reverted_file("x", TIME, UTC), 'Reverted file "x" to status at 2026-11-22 05:53:19'),
        (text.reverted_file("x", TIME, EAST), 'Reverted file "x" to status at 2026-11-22 07:53:19'),
        (text.recovered_folder("x"), 'Recovered deleted directory "x"'),
        (text.reverted_library(TIME, EAST), "Reverted repo to status at 2026-11-22 07:53:19."),
        (text.repaired(), "Repaired by system."),
        (text.repaired(["/a", "/b"]), "Repaired by system.\nDamaged files:\n/a\n/b\n"),
        (text.repaired([], ["/d"]), "Repaired by system.\nDamaged folders:\n/d\n"),
    ],
    ids=lambda value: value.replace(" ", "-"),
)
def test_an_operation_is_described(found: str, expected: str) -> None:
    assert found == expected
