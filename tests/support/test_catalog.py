"""The catalog's shapes, as the black-box tests read them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.catalog import faults, matches, operation, operations

UUID = "8c0e4f5e-7a09-4d2b-8d8c-0f2f6f1f9a3b"
HEX = "0123456789" * 4


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        ("uuid", UUID, UUID.upper()),
        ("40 hex", HEX, HEX[1:]),
        ("40 hex or null", None, ""),
        ("40 hex, '' for dirs", "", None),
        ("int, '' for dirs", 7, "7"),
        ("int", 1, True),
        ("1 or ''", 1, True),
        ("r|rw", "rw", "admin"),
        ("email", "a@example.com", "a"),
        ("bool", False, 0),
        ("ISO 8601 with offset", "2017-04-01T02:35:57+00:00", "2017-04-01T02:35:57"),
        ("str with NBSP", "1.4\u00a0KB", "1.4 KB"),
        ("str ending with /", "/a/", "/a"),
        ("repo", "repo", "srepo"),
        ("", "", "x"),
        (True, True, 1),
        ("null", None, "null"),
        ("/view/{repo_id}/?commit_id={commit_id}", f"/view/{UUID}/?commit_id={HEX}", f"/view/{UUID}/"),
    ],
)
def test_a_leaf_says_which_values_may_stand_there(form: Any, good: Any, bad: Any) -> None:
    assert faults(good, form) == []
    assert len(faults(bad, form)) == 1


def test_members_may_be_more_and_may_lack_only_what_is_conditional() -> None:
    shape = {"id": "uuid", "salt": "str (7.0+)", "modifier_*": "as above"}
    people = {"modifier_email": "", "modifier_name": "", "modifier_contact_email": ""}
    assert faults({"id": UUID, **people, "more": 1}, shape) == []
    assert faults(people, shape) == ["$ has no id"]
    assert len(faults({"id": UUID}, shape)) == 3


def test_items_may_have_any_one_of_the_shapes_of_an_array() -> None:
    shape = [{"type": "repo", "root": ""}, {"type": "grepo", "groupid": "int"}]
    assert faults([{"type": "repo", "root": ""}, {"type": "grepo", "groupid": 1}], shape) == []
    assert faults([{"type": "grepo", "groupid": "1"}], shape) == ["$[0].groupid is '1', not 'int'"]
    assert faults({}, shape) == ["$ is {}, not an array"]


def test_placeholders_of_an_error_stand_for_any_text() -> None:
    assert matches({"error_msg": f"Library {UUID} not found."}, {"error_msg": "Library {repo_id} not found."})
    assert not matches({"error_msg": "Library not found."}, {"error_msg": "Library {repo_id} not found."})


def test_every_operation_of_the_catalogs_is_read() -> None:
    assert len(operations()) > 250
    assert operation("delete-library").url(repo_id=UUID) == f"/api2/repos/{UUID}/"
    assert operation("delete-library").own_errors == [
        (404, "Library {repo_id} not found."),
        (403, "Permission denied."),
    ]
