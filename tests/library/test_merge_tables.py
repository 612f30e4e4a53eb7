"""Every row of the merge tables, and the merge that the C server made of all of them at once."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from seafleet.library.descriptions import describe_merge
from seafleet.library.diff import diff_merge
from seafleet.library.merge import ConflictNaming, MergeResult, three_way
from tests.library.tree_models import File, Folder, Forest, Node, Spec, folder, spec_of

NOW = datetime(2026, 11, 22, 5, 53, 19, tzinfo=UTC)
NAMING = ConflictNaming("rem@x", NOW)
FILE_MARK = "(SFConflict rem@x 2023-11-15-22-13-20)"
DIR_MARK = "(SFConflict rem@x 2026-11-22-05-53-19)"

VECTORS = json.loads((Path(__file__).parent.parent / "fixtures" / "vectors.json").read_text("utf-8"))
CASE: dict[str, Any] = VECTORS["merge_case"]


class Row(NamedTuple):
    """One name `x.t` in three trees, and the names that there are afterwards.

    A string is a file; afterwards it is followed by whose entry was taken. A mapping is a folder.
    """

    base: str | Spec | None
    head: str | Spec | None
    remote: str | Spec | None
    result: dict[str, object]


FILE_ROWS = {
    "added by head": Row(None, "F", None, {"x.t": "F head"}),
    "added by remote": Row(None, None, "F", {"x.t": "F remote"}),
    "added alike by both": Row(None, "A", "A", {"x.t": "A head"}),
    "added differently by both": Row(None, "A", "B", {"x.t": "A head", f"x {FILE_MARK}.t": "B remote"}),
    "unchanged": Row("A", "A", "A", {"x.t": "A head"}),
    "modified by remote": Row("A", "A", "B", {"x.t": "B remote"}),
    "modified by head": Row("A", "B", "A", {"x.t": "B head"}),
    "modified alike by both": Row("A", "B", "B", {"x.t": "B head"}),
    "modified differently by both": Row("A", "B", "C", {"x.t": "B head", f"x {FILE_MARK}.t": "C remote"}),
    "deleted by remote": Row("A", "A", None, {}),
    "modified by head, deleted by remote": Row("A", "B", None, {"x.t": "B head"}),
    "modified by head, made a folder by remote": Row(
        "A", "B", {"n": "C"}, {"x.t": "B head", f"x {DIR_MARK}.t": {"n": "C"}}
    ),
    "unchanged by head, made a folder by remote": Row("A", "A", {"n": "C"}, {"x.t": {"n": "C"}}),
    "deleted by head": Row("A", None, "A", {}),
    "deleted by head, modified by remote": Row("A", None, "B", {"x.t": "B remote"}),
    "made a folder by head, modified by remote": Row(
        "A", {"n": "C"}, "B", {"x.t": {"n": "C"}, f"x {FILE_MARK}.t": "B remote"}
    ),
    "made a folder by head, unchanged by remote": Row("A", {"n": "C"}, "A", {"x.t": {"n": "C"}}),
    "deleted by both": Row("A", None, None, {}),
    "made folders by both": Row("A", {"n": "C"}, {"m": "C"}, {"x.t": {"m": "C", "n": "C"}}),
}

FOLDER_ROWS = {
    "added by head": Row(None, {"a": "A"}, None, {"x.t": {"a": "A"}}),
    "added empty by head": Row(None, {}, None, {"x.t": {}}),
    "added by remote": Row(None, None, {"a": "A"}, {"x.t": {"a": "A"}}),
    "added empty by remote": Row(None, None, {}, {"x.t": {}}),
    "deleted by both": Row({"a": "A"}, None, None, {}),
    "deleted by remote": Row({"a": "A"}, {"a": "A"}, None, {}),
    "changed by head, deleted by remote": Row(
        {"a": "A", "b": "A"}, {"a": "B", "b": "A"}, None, {"x.t": {"a": "B"}}
    ),
    "emptied by head, deleted by remote": Row({"a": "A", "b": "A"}, {"a": "A"}, None, {"x.t": {}}),
    "deleted by head": Row({"a": "A"}, None, {"a": "A"}, {}),
    "deleted by head, changed by remote": Row(
        {"a": "A", "b": "A"}, None, {"a": "B", "b": "A"}, {"x.t": {"a": "B"}}
    ),
    "deleted by head, emptied by remote": Row({"a": "A", "b": "A"}, None, {"a": "A"}, {"x.t": {}}),
    "changed alike by both": Row({"a": "A"}, {"a": "B"}, {"a": "B"}, {"x.t": {"a": "B"}}),
    "added alike by both": Row(None, {"a": "B"}, {"a": "B"}, {"x.t": {"a": "B"}}),
    "changed by remote": Row({"a": "A"}, {"a": "A"}, {"b": "B"}, {"x.t": {"b": "B"}}),
    "changed by head": Row({"a": "A"}, {"b": "B"}, {"a": "A"}, {"x.t": {"b": "B"}}),
    "changed differently by both": Row(
        {"a": "A", "b": "A"}, {"a": "B", "b": "A"}, {"a": "A", "b": "B"}, {"x.t": {"a": "B", "b": "B"}}
    ),
    "added differently by both": Row(None, {"a": "A"}, {"b": "A"}, {"x.t": {"a": "A", "b": "A"}}),
    "halves deleted by each": Row({"a": "A", "b": "A"}, {"a": "A"}, {"b": "A"}, {"x.t": {}}),
}

FILE_AND_FOLDER_ROWS = {
    "head's new file, remote's folder unchanged": Row({"a": "A"}, "B", {"a": "A"}, {"x.t": "B head"}),
    "head's new file, remote's folder changed": Row(
        {"a": "A", "b": "A"}, "B", {"a": "A", "b": "C"}, {"x.t": "B head", f"x {DIR_MARK}.t": {"b": "C"}}
    ),
    "head's new file, remote's folder new": Row(
        None, "B", {"k": "A"}, {"x.t": "B head", f"x {DIR_MARK}.t": {"k": "A"}}
    ),
    "remote's new file, head's folder unchanged": Row({"a": "A"}, {"a": "A"}, "B", {"x.t": "B remote"}),
    "remote's new file, head's folder changed": Row(
        {"a": "A", "b": "A"}, {"a": "A", "b": "C"}, "B", {"x.t": {"b": "C"}, f"x {FILE_MARK}.t": "B remote"}
    ),
    "remote's new file, head's folder emptied": Row(
        {"a": "A", "b": "A"}, {"a": "A"}, "B", {"x.t": {}, f"x {FILE_MARK}.t": "B remote"}
    ),
    "remote's new file, head's folder new": Row(
        None, {"k": "A"}, "B", {"x.t": {"k": "A"}, f"x {FILE_MARK}.t": "B remote"}
    ),
    "both made a folder the same file": Row({"a": "A"}, "B", "B", {"x.t": "B head"}),
    "both made a folder different files": Row(
        {"a": "A"}, "B", "C", {"x.t": "B head", f"x {FILE_MARK}.t": "C remote"}
    ),
}

MTIMES = {"base": 1_700_000_000, "head": 1_700_000_100, "remote": 1_700_086_400}


def side(name: str, value: str | Spec | None) -> Folder:
    """Return a tree with `x.t`, and with a file of its own so that no tree equals another."""
    entries: dict[str, Node] = {f"only in {name}": File(name)}
    if isinstance(value, str):
        modifier = {"base": "base@x", "head": "head@x", "remote": "rem@x"}[name]
        entries["x.t"] = File(value, MTIMES[name], modifier)
    elif value is not None:
        entries["x.t"] = Folder(folder(value).entries, MTIMES[name])
    return Folder(entries)


def merged(row: Row) -> tuple[Folder, MergeResult]:
    forest = Forest()
    roots = [forest.plant(side(*pair)) for pair in zip(MTIMES, row[:3], strict=True)]
    result = three_way(forest, *roots, naming=NAMING)
    forest.add_objects(result.objects)
    return forest.harvest(result.root_id), result


def told(tree: Folder) -> dict[str, object]:
    """Return what a row expects: files with whose entry they have."""
    whose = {"base@x": "base", "head@x": "head", "rem@x": "remote"}
    return {
        name: spec_of(node) if isinstance(node, Folder) else f"{node.content} {whose[str(node.modifier)]}"
        for name, node in tree.entries.items()
        if not name.startswith("only in")
    }


def assert_row(row: Row) -> None:
    tree, result = merged(row)
    assert told(tree) == row.result
    assert {"only in head", "only in remote"} <= set(tree.entries)
    assert result.conflicts == tuple(f"/{name}" for name in row.result if "SFConflict" in name)
    assert result.has_conflicts is bool(result.conflicts)


@pytest.mark.parametrize("row", FILE_ROWS.values(), ids=FILE_ROWS)
def test_a_file_that_was(row: Row) -> None:
    assert_row(row)


@pytest.mark.parametrize("row", FOLDER_ROWS.values(), ids=FOLDER_ROWS)
def test_a_folder_that_was(row: Row) -> None:
    assert_row(row)


@pytest.mark.parametrize("row", FILE_AND_FOLDER_ROWS.values(), ids=FILE_AND_FOLDER_ROWS)
def test_a_file_meets_a_folder(row: Row) -> None:
    assert_row(row)


def test_a_merged_folder_has_the_time_of_heads() -> None:
    tree, _ = merged(FOLDER_ROWS["changed differently by both"])
    node = tree.entries["x.t"]
    assert isinstance(node, Folder)
    assert node.mtime == MTIMES["head"]


def test_a_merged_folder_that_head_does_not_have_has_the_time_of_remotes() -> None:
    tree, _ = merged(FOLDER_ROWS["deleted by head, changed by remote"])
    node = tree.entries["x.t"]
    assert isinstance(node, Folder)
    assert node.mtime == MTIMES["remote"]


def test_a_touched_file_makes_its_folder_changed_so_that_an_empty_one_remains() -> None:
    forest = Forest()
    base = forest.plant(Folder({"d": Folder({"a": File("A", 1)})}))
    head = forest.plant(Folder({"d": Folder({"a": File("A", 2)})}))
    result = three_way(forest, base, head, forest.plant(Folder({"n": File("N")})), naming=NAMING)
    forest.add_objects(result.objects)
    assert forest.harvest_spec(result.root_id) == {"d": {}, "n": "N"}


def test_a_change_of_time_alone_is_lost_when_the_folder_has_to_be_merged() -> None:
    forest = Forest()
    base = forest.plant(Folder({"a": File("A", 1)}))
    head = forest.plant(Folder({"a": File("A", 1), "h": File("H")}))
    remote = forest.plant(Folder({"a": File("A", 2)}))
    assert three_way(forest, base, head, remote, naming=NAMING).root_id == head
    assert three_way(forest, base, base, remote, naming=NAMING).root_id == remote


# -- the recorded merge -----------------------------------------------------------------------------------


def recorded(name: str) -> Folder:
    """Return a tree of the recorded merge: what is as in base has base's time and author."""
    own_file = partial(File, mtime=MTIMES[name], modifier="rem@x" if name == "remote" else f"{name}@x")
    base_file = partial(File, mtime=MTIMES["base"], modifier="base@x")

    def build(spec: Spec, base: object) -> Folder:
        entries: dict[str, Node] = {}
        for key, value in spec.items():
            was = base.get(key) if isinstance(base, dict) else None
            if isinstance(value, str):
                entries[key] = base_file(value) if was == value else own_file(value)
            else:
                assert isinstance(value, dict)
                entries[key] = build(value, was)
        return Folder(entries)

    return build(CASE[name], CASE["base"])


@pytest.fixture
def recorded_merge() -> tuple[Forest, list[Any], MergeResult]:
    forest = Forest()
    roots = [forest.plant(recorded(name)) for name in ("base", "head", "remote")]
    result = three_way(forest, *roots, naming=NAMING)
    forest.add_objects(result.objects)
    return forest, roots, result


def test_the_recorded_merge_comes_out_as_the_server_made_it(
    recorded_merge: tuple[Forest, list[Any], MergeResult],
) -> None:
    forest, _, result = recorded_merge
    now = f"{NOW:%Y-%m-%d-%H-%M-%S}"
    expected = json.loads(json.dumps(CASE["result"]).replace("NOW", now))
    assert forest.harvest_spec(result.root_id) == expected


def test_the_recorded_merge_is_described_as_the_server_did(
    recorded_merge: tuple[Forest, list[Any], MergeResult],
) -> None:
    forest, (_, head, remote), result = recorded_merge
    text = describe_merge(diff_merge(forest, result.root_id, head, remote))
    assert text == CASE["description_starts"]


def test_the_recorded_merge_reports_its_conflicts(
    recorded_merge: tuple[Forest, list[Any], MergeResult],
) -> None:
    _, _, result = recorded_merge
    assert len(result.conflicts) == 10
    assert all("SFConflict" in path for path in result.conflicts)
    assert any(path.startswith("/n-dd/c (") for path in result.conflicts)
