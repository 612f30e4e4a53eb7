"""The audit log."""

from __future__ import annotations

import json

import pytest

from seafleet.db import tables
from seafleet.db.engine import Transaction
from seafleet.errors import InvalidArgument
from tests.support.world import World


def test_an_event_says_who_did_what_from_where(world: World) -> None:
    account = world.account()
    _, actor = world.on_device(account)
    library_id = world.library(account)
    world.database.write(
        lambda tx: world.audit.write(
            tx,
            "api:file:download",
            actor,
            ip="192.0.2.1",
            library_id=library_id,
            path="/a",
            detail={"size": 3, "tags": ["x"]},
        )
    )
    (event,) = world.rows(tables.audit_event, library_id=library_id)
    assert (event.tag, event.actor, event.ip, event.device) == (
        "api:file:download",
        account.email,
        "192.0.2.1",
        "desk",
    )
    assert (event.path, event.at) == ("/a", world.clock.timestamp())
    assert json.loads(event.detail) == {"size": 3, "tags": ["x"]}


def test_an_event_exists_only_with_its_effect(world: World) -> None:
    account = world.account()

    def work(tx: Transaction) -> None:
        world.audit.write(tx, "api:file:deleted", world.actor(account))
        raise KeyError

    with pytest.raises(KeyError):
        world.database.write(work)
    assert world.count(tables.audit_event, actor=account.email) == 0


def test_an_event_outlives_its_account_and_library(world: World) -> None:
    account = world.account()
    library_id = world.library(account)
    world.database.write(
        lambda tx: world.audit.write(tx, "api:share:added", account.email, library_id=library_id)
    )
    world.delete(tables.library, id=library_id)
    world.accounts.delete(account)
    assert world.count(tables.audit_event, actor=account.email, tag="api:share:added") == 1


@pytest.mark.parametrize("tag", ["", "login", "api:login", "api:Account:login", "api:a:b:c", "api::x"])
def test_a_tag_has_three_parts(world: World, tag: str) -> None:
    with pytest.raises(InvalidArgument):
        world.database.write(lambda tx: world.audit.write(tx, tag, "somebody"))


def test_names_that_cannot_be_stored_are_mended(world: World) -> None:
    world.database.write(
        lambda tx: world.audit.write(tx, "api:account:login_failed", "odd\x00name", ip="\ud800")
    )
    assert world.count(tables.audit_event, actor="odd\ufffdname") == 1
