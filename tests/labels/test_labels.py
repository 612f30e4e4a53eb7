"""Words on commits."""

from __future__ import annotations

import pytest

from seafleet.errors import InvalidArgument
from seafleet.ids import ObjectId
from seafleet.labels.service import Labels, check_label
from tests.support.world import World

FIRST, SECOND = (ObjectId(digit * 40) for digit in "12")


@pytest.fixture
def labels(world: World) -> Labels:
    return Labels(world.database, world.clock)


def test_a_label_keeps_the_account_that_set_it_first(world: World, labels: Labels) -> None:
    ann, ben = world.account(), world.account()
    library_id = world.library(ann)
    labels.add(library_id, FIRST, ["v1"], ann.id)
    found = labels.add(library_id, FIRST, ["v2", "v1", "v2"], ben.id)
    assert [(each.name, each.creator_email) for each in found] == [("v2", ben.email), ("v1", ann.email)]
    assert labels.names_by(ann.id) == ["v1"]


def test_replacing_removes_what_others_set_on_this_commit_only(world: World, labels: Labels) -> None:
    ann, ben = world.account(), world.account()
    library_id = world.library(ann)
    for commit_id in (FIRST, SECOND):
        labels.add(library_id, commit_id, ["v1"], ann.id)
    assert [each.name for each in labels.replace(library_id, FIRST, ["v3"], ben.id)] == ["v3"]
    assert labels.of_commits(library_id, [FIRST, SECOND]) == {FIRST: ("v3",), SECOND: ("v1",)}
    assert labels.replace(library_id, FIRST, [], ben.id) == []
    assert labels.of_commits(library_id, [FIRST]) == {}


def test_a_name_goes_from_all_commits_of_one_library(world: World, labels: Labels) -> None:
    ann = world.account()
    here, there = world.library(ann), world.library(ann)
    for library_id, commit_id in ((here, FIRST), (here, SECOND), (there, FIRST)):
        labels.add(library_id, commit_id, ["v1", "v2"], ann.id)
    assert labels.remove(here, "v1") == 2
    assert labels.remove(here, "v1") == 0
    assert labels.names_by(ann.id) == ["v1", "v2", "v2", "v2"]


def test_nothing_is_asked_for_no_commits(world: World, labels: Labels) -> None:
    assert labels.of_commits(world.library(world.account()), []) == {}


@pytest.mark.parametrize("name", ["v1.0", "中文", "a_b-c.", "é٣"])
def test_letters_and_digits_of_every_script_dots_hyphens_and_underscores_are_fine(name: str) -> None:
    check_label(name)


@pytest.mark.parametrize("name", ["", " ", "a b", "a/b", "a\n", "a,b", "x" * 256])
def test_other_labels_are_refused(world: World, labels: Labels, name: str) -> None:
    with pytest.raises(InvalidArgument):
        labels.add(world.library(world.account()), FIRST, ["good", name], 1)
