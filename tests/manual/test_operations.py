"""Each operation of these sections answers as documented, to those who may call it and to others."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import httpx
import pytest

from tests.manual.recipes import (
    CLIENT_SECTIONS,
    ELSEWHERE,
    RECIPES,
    USER_SECTIONS,
    Need,
    Recipe,
    call,
)
from tests.manual.scene import Caller, People, Scene, make_scene
from tests.support.catalog import NO_CREDENTIALS, Operation, in_sections, matches, operation
from tests.support.inprocess import InProcessServer

DOCUMENTED = in_sections(*USER_SECTIONS, *CLIENT_SECTIONS)
COVERED = [each for each in DOCUMENTED if each.id not in ELSEWHERE]

_ids = re.compile(r"[0-9a-f]{40}(\t[0-9a-f]{40})*").fullmatch

READINGS: dict[str, Callable[[httpx.Response], object]] = {
    # Sentences in place of a shape.
    "upload-file-1": lambda answer: _ids(answer.text),
    "update-file-1": lambda answer: _ids(answer.text),
    # Only what is not empty is told.
    "desktop-commit-changes": lambda answer: answer.json() == {"added_files": ["lost/in.txt"]},
    # The shape has the slash that the reference adds; the manual's sample has none, and neither have we.
    "move-file": lambda answer: answer.json()["parent_dir"] == "/a",
}


def test_every_operation_of_the_catalogs_has_a_recipe_or_a_reason() -> None:
    known = {each.id for each in DOCUMENTED}
    assert known - set(RECIPES) - set(ELSEWHERE) == set()
    assert set(RECIPES) - known == set()
    assert set(ELSEWHERE) - known == set()
    assert set(RECIPES) & set(ELSEWHERE) == set()


CALLS = [(what, False) for what in COVERED] + [
    (what, True) for what in COVERED if RECIPES[what.id].body and not RECIPES[what.id].upload
]


@pytest.mark.parametrize(
    ("what", "as_json"), CALLS, ids=[what.id + ("-json" if as_json else "") for what, as_json in CALLS]
)
def test_answers_the_owner_as_documented(scene: Scene, what: Operation, as_json: bool) -> None:
    values = scene.values
    answer = call(scene, scene.owner, what, RECIPES[what.id], as_json=as_json)
    if what.id in READINGS:
        assert answer.status_code == what.status, answer.text
        assert READINGS[what.id](answer), answer.text
    else:
        what.check(answer, **values)


def _roles(people: People, scene: Scene) -> dict[str, Caller]:
    return {
        "owner": scene.owner,
        "writer": people.writer,
        "group_writer": people.group_writer,
        "reader": people.reader,
        "group_reader": people.group_reader,
        "stranger": people.stranger,
        "staff": people.staff,
    }


_MAY = {
    Need.READ: ("writer", "group_writer", "reader", "group_reader"),
    Need.WRITE: ("writer", "group_writer"),
    Need.OWN: (),
    Need.OWN_OR_STAFF: ("staff",),
}


@pytest.mark.parametrize(
    "what", [each for each in COVERED if RECIPES[each.id].need in _MAY], ids=lambda each: each.id
)
def test_is_for_those_with_the_documented_permission(
    server: InProcessServer, people: People, what: Operation
) -> None:
    recipe, fresh = RECIPES[what.id], partial(make_scene, server, people)
    scene = fresh()
    roles = _roles(people, scene)
    allowed = _MAY[recipe.need]
    for name in roles.keys() - {"owner", *allowed}:
        _refused(scene, roles[name], what, recipe)
    for name in allowed:
        scene = fresh() if recipe.once else scene
        answer = call(scene, roles[name], what, recipe)
        assert answer.status_code == what.status, f"{name}: {answer.status_code} {answer.text}"


def _refused(scene: Scene, caller: Caller, what: Operation, recipe: Recipe) -> None:
    """Have a call refused; where another one comes first, that one is refused already."""
    if recipe.before:
        first = operation(recipe.before)
        _refused(scene, caller, first, RECIPES[first.id])
        return
    answer = call(scene, caller, what, recipe)
    assert answer.status_code == 403, answer.text
    told = answer.json()
    forms = [body for each in _of_address(what) for status, body in each.errors if status == 403]
    assert any(matches(told, form) for form in forms) or told == {"error_msg": "Permission denied."}, told


def _of_address(what: Operation) -> list[Operation]:
    """Return what is documented of the same call, by the manual and by clients."""
    return [each for each in DOCUMENTED if (each.method, each.path) == (what.method, what.path)]


@pytest.mark.parametrize(
    "what", [each for each in COVERED if RECIPES[each.id].need is not Need.LINK], ids=lambda each: each.id
)
def test_is_not_for_anybody_without_a_login(stage: Scene, people: People, what: Operation) -> None:
    recipe = RECIPES[what.id].change({"query": {}})
    values = stage.values | {"home": "", "kept": ""}
    path = what.path.format_map(values)
    answer = people.nobody.send(what.method, path, params={k: str(v) for k, v in recipe.query.items()})
    assert (answer.status_code, answer.json()) == NO_CREDENTIALS


@pytest.mark.parametrize(
    "what", [each for each in COVERED if RECIPES[each.id].need is Need.CREATE], ids=lambda each: each.id
)
def test_guests_make_no_libraries(stage: Scene, people: People, what: Operation) -> None:
    answer = people.guest.send(what.method, what.path, data=RECIPES[what.id].body)
    assert answer.status_code == 403
    assert answer.json() == {"error_msg": "You do not have permission to create library."}
