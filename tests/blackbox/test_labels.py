"""Snapshot labels through the Web API."""

from __future__ import annotations

from typing import Any

import pytest

from tests.blackbox.conftest import Sample, make_sample
from tests.blackbox.test_libraries import share
from tests.support.catalog import operation
from tests.support.server import ApiClient

NOWHERE = "00000000-0000-4000-8000-000000000000"
NO_COMMIT = "0" * 39 + "1"
ITEMS = "/api/v2.1/revision-tags/tagged-items/"
NAMES = "/api/v2.1/revision-tags/tag-names/"
LETTERS = "Tag can only contain letters, numbers, dot, hyphen or underscore."


def _commits(sample: Sample) -> list[str]:
    page = sample.owner.json("GET", f"/api/v2.1/repos/{sample.id}/history/")
    return [item["commit_id"] for item in page["data"]]


def _tags(sample: Sample) -> list[list[str]]:
    page = sample.owner.json("GET", f"/api/v2.1/repos/{sample.id}/history/")
    return [item["tags"] for item in page["data"]]


def _words(answer: Any) -> list[tuple[str, str]]:
    return [(item["tag"], item["tag_creator"]) for item in answer["revisionTags"]]


def test_a_commit_is_labelled_and_says_who_made_it(alice: ApiClient) -> None:
    sample, call = make_sample(alice), operation("create-new-snapshot-label")
    commit_id = _commits(sample)[1]
    form = {"repo_id": sample.id, "commit_id": commit_id, "tag_names": " v2.1,中文 , v2.1"}
    made = call.check(alice.post(ITEMS, data=form), repo_id=sample.id, commit_id=commit_id)
    assert _words(made) == [("v2.1", alice.email), ("中文", alice.email)]
    revision = made["revisionTags"][0]["revision"]
    assert (revision["email"], revision["description"]) == (alice.email, 'Added "note.md".')
    assert _tags(sample)[:3] == [[], ["v2.1", "中文"], []]


def test_without_a_commit_the_head_is_labelled(alice: ApiClient) -> None:
    sample = make_sample(alice)
    made = alice.json("POST", ITEMS, json={"repo_id": sample.id, "tag_names": "now"})
    assert made["revisionTags"][0]["revision"]["commit_id"] == _commits(sample)[0]


def test_a_label_is_its_first_setters_until_it_is_replaced(alice: ApiClient, bob: ApiClient) -> None:
    sample = make_sample(alice)
    share(alice, sample.id, bob)
    form = {"repo_id": sample.id, "tag_names": "v1"}
    alice.post(ITEMS, data=form)
    again = bob.json("POST", ITEMS, data=form | {"tag_names": "v1,v2"})
    assert _words(again) == [("v1", alice.email), ("v2", bob.email)]
    replace = operation("update-snapshot-label")
    answer = replace.check(bob.put(ITEMS, data=form), repo_id=sample.id, commit_id=_commits(sample)[0])
    assert _words(answer) == [("v1", bob.email)]
    assert replace.check(bob.put(ITEMS, data=form | {"tag_names": " "})) == {"revisionTags": []}
    assert _tags(sample)[0] == []


@pytest.mark.parametrize("name", ["tag_name", "tag_names"])
def test_a_label_is_removed_from_every_commit(alice: ApiClient, name: str) -> None:
    sample, call = make_sample(alice), operation("delete-snapshot-label")
    for commit_id in _commits(sample)[:2]:
        form = {"repo_id": sample.id, "commit_id": commit_id, "tag_names": "out,in"}
        alice.post(ITEMS, data=form)
    params = {"repo_id": sample.id, name: "out"}
    for _ in range(2):  # what is not there is fine
        assert call.check(alice.delete(ITEMS, params=params)) == {}
    assert _tags(sample)[:3] == [["in"], ["in"], []]


def test_the_caller_finds_its_own_words_again(bob: ApiClient) -> None:
    sample = make_sample(bob)
    first, second, *_ = _commits(sample)
    for commit_id, words in ((first, "v2,v1"), (second, "v1")):
        bob.post(ITEMS, data={"repo_id": sample.id, "commit_id": commit_id, "tag_names": words})
    found = operation("get-snapshot-label").check(bob.get(NAMES))
    assert found == sorted(found)
    assert [found.count(word) >= number for word, number in (("v1", 2), ("v2", 1))] == [True, True]
    bob.delete(f"/api2/repos/{sample.id}/")
    assert len(bob.json("GET", NAMES)) == len(found) - 3


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_refusals_come_in_the_documented_order(
    alice: ApiClient, bob: ApiClient, shared: Sample, method: str
) -> None:
    call = operation("create-new-snapshot-label" if method == "POST" else "update-snapshot-label")
    here = {"repo_id": shared.id}
    cases: list[tuple[dict[str, str], int, str]] = [
        ({}, 400, "Repo can not be empty"),
        ({"repo_id": NOWHERE}, 400, f"Library {NOWHERE} not found"),
        ({"repo_id": "x"}, 400, "Library x not found"),
        (here | {"commit_id": NO_COMMIT}, 400, f"Commit {NO_COMMIT} not found"),
        (here | {"commit_id": "x"}, 400, "Commit x not found"),
        (here, 400, "Tag can not be empty"),
        (here | {"tag_names": "a b"}, 400, LETTERS),
        (here | {"tag_names": "a,,b"}, 400, LETTERS),
        (here | {"tag_names": "good"}, 403, "Permission denied."),
    ]
    for form, status, text in cases:
        call.check_error(bob.request(method, ITEMS, data=form), status, text)
    if method == "POST":
        answer = alice.post(ITEMS, data=here | {"tag_names": " "})
        call.check_error(answer, 400, "Tag can not be empty")


def test_refusals_to_remove_a_label(bob: ApiClient, shared: Sample) -> None:
    call, here = operation("delete-snapshot-label"), {"repo_id": shared.id}
    cases: list[tuple[dict[str, str], int, str]] = [
        ({}, 400, "repo_id can not be empty"),
        ({"repo_id": NOWHERE}, 400, f"Library {NOWHERE} not found"),
        (here, 400, "tag_name can not be empty"),
        (here | {"tag_name": "a/b"}, 400, LETTERS),
        (here | {"tag_name": "good"}, 403, "Permission denied."),
    ]
    for params, status, text in cases:
        call.check_error(bob.delete(ITEMS, params=params), status, text)


def test_readers_do_not_label(alice: ApiClient, bob: ApiClient) -> None:
    sample = make_sample(alice)
    share(alice, sample.id, bob, "r")
    answer = bob.post(ITEMS, data={"repo_id": sample.id, "tag_names": "v1"})
    operation("create-new-snapshot-label").check_error(answer, 403, "Permission denied.")
