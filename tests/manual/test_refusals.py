"""Each documented error is given in the documented words, where it can come about at all."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import httpx
import pytest

from seafleet.actor import Actor
from seafleet.sharing.model import Permission
from tests.manual.recipes import RECIPES, Recipe, call
from tests.manual.refusals import NEVER, Refusal, documented, refusal_of, text_of
from tests.manual.scene import Caller, People, Scene, make_scene
from tests.manual.test_operations import COVERED
from tests.support.catalog import Operation, matches
from tests.support.inprocess import InProcessServer

ERRORS = [(each, status, text) for each in COVERED for status, text in documented(each)]


def is_never(what: Operation, text: str) -> bool:
    """Tell whether a reason is known why an error is not given."""
    return (what.id, text) in NEVER or (text in NEVER and refusal_of(what, 0, text) is None)


def test_every_documented_error_is_tried_or_has_a_reason() -> None:
    unknown = [
        (what.id, status, text)
        for what, status, text in ERRORS
        if not is_never(what, text) and refusal_of(what, status, text) is None
    ]
    assert unknown == []


def test_every_reason_is_that_of_a_documented_error() -> None:
    known = {text for _, _, text in ERRORS} | {(what.id, text) for what, _, text in ERRORS}
    assert set(NEVER) - known == set()


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcessServer]:
    """A server that forbids what can be forbidden, and takes and packs a few bytes only."""
    data = tmp_path_factory.mktemp("strict") / "data"
    rules = {
        "encrypted_libraries": False,
        "allow_public_libraries": False,
        "max_upload_bytes": 5,
        "max_zip_bytes": 3,
        "throttle_exempt": "127.0.0.0/8",
    }
    with InProcessServer(data, **rules) as running:
        yield running


@pytest.fixture(scope="module")
def strict_people(strict: InProcessServer) -> People:
    return People(strict)


_LINK_ALONE = 50
"""A quota that lets its account have a link, and upload nothing."""

_TRIED = [each for each in ERRORS if not is_never(each[0], each[2])]


@pytest.mark.parametrize(
    ("what", "status", "text"),
    _TRIED,
    ids=[f"{what.id}-{status}-{text[:40]}" for what, status, text in _TRIED],
)
def test_an_error_is_told_as_documented(
    request: pytest.FixtureRequest,
    server: InProcessServer,
    people: People,
    stage: Scene,
    what: Operation,
    status: int,
    text: str,
) -> None:
    refusal = refusal_of(what, status, text)
    assert refusal is not None
    scene = stage
    if refusal.strict:
        scene = make_scene(request.getfixturevalue("strict"), request.getfixturevalue("strict_people"))
    elif refusal.full or refusal.locked:
        quota = _LINK_ALONE if RECIPES[what.id].upload else 1
        scene = make_scene(server, people, quota_bytes=quota if refusal.full else None)
    answer = _answer(scene, what, refusal)
    told = text_of(answer.json())
    assert (answer.status_code, matches(told, text)) == (status, True), f"{answer.status_code} {answer.text}"


def _answer(scene: Scene, what: Operation, refusal: Refusal) -> httpx.Response:
    recipe = _changed(scene, RECIPES[what.id].change(refusal.parts), refusal)
    caller = _caller(scene, refusal.by)
    if refusal.locked:
        _lock(scene, scene.people.writer)
    return call(scene, caller, what, recipe)


def _changed(scene: Scene, recipe: Recipe, refusal: Refusal) -> Recipe:
    if refusal.before == "-":
        return dataclasses.replace(recipe, before="")
    return dataclasses.replace(recipe, before=refusal.before or recipe.before)


def _caller(scene: Scene, name: str) -> Caller:
    if name == "owner":
        return scene.owner
    if name != "full":
        caller: Caller = getattr(scene.people, name)
        return caller
    account, owner = scene.server.account(quota_bytes=1), scene.owner.account
    assert owner is not None
    shares, library_id = scene.server.services.shares, scene.library.library_id
    shares.share_with_accounts(library_id, [account.id], Permission.WRITE, Actor(owner.id, owner.email))
    return Caller(scene.server, account)


def _lock(scene: Scene, holder: Caller) -> None:
    assert holder.account is not None
    scene.server.services.locks.lock(scene.library.library_id, "/note.md", holder.account.id)
