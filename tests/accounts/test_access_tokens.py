"""Tokens of the file server."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import update

from seafleet.access import Action
from seafleet.accounts.access_tokens import LIFETIME_SECONDS, matches
from seafleet.actor import SYSTEM, Actor, LinkScope
from seafleet.db import tables
from seafleet.errors import AccountDisabled, DeviceBlocked, InvalidArgument, OperationMismatch, TokenNotFound
from seafleet.ids import LibraryId
from tests.support.world import World


@pytest.mark.parametrize(
    ("made_for", "wanted"),
    [
        ("upload", "upload-api"),
        ("upload", "upload-raw-blks-api"),
        ("upload-link", "upload-aj"),
        ("update", "update-blks-api"),
        ("upload-blks-api", "upload-blks-api"),
        ("download", "download"),
        ("download-link", "download"),
        ("view", "view"),
        ("download-dir-link", "download-dir"),
        ("download-multi", "download-multi"),
        ("downloadblks", "downloadblks"),
    ],
)
def test_a_token_serves_the_operations_that_start_like_its_own(made_for: str, wanted: str) -> None:
    assert matches(made_for, wanted)


@pytest.mark.parametrize(
    ("made_for", "wanted"),
    [
        ("upload", "update-api"),
        ("update", "upload-api"),
        ("upload-blks-api", "upload-raw-blks-api"),
        ("upload-blks-api", "upload-api"),
        ("download", "download-dir"),
        ("download", "downloadblks"),
        ("download-dir", "download-multi"),
        ("view", "download"),
        ("upload", "download"),
        ("", "upload-api"),
    ],
)
def test_a_token_serves_no_other_operation(made_for: str, wanted: str) -> None:
    assert not matches(made_for, wanted)


def _library(world: World) -> tuple[Actor, LibraryId]:
    account = world.account()
    _, actor = world.on_device(account)
    return actor, world.library(account)


def test_a_token_gives_back_what_it_was_made_with(world: World) -> None:
    actor, library_id = _library(world)
    token = world.access_tokens.issue(library_id, "upload", '{"parent_dir": "/"}', actor)
    assert len(token) == 36
    for _ in range(2):
        grant = world.access_tokens.take(token, "upload-api")
        assert (grant.library_id, grant.operation, grant.object) == (
            library_id,
            "upload",
            '{"parent_dir": "/"}',
        )
        assert grant.actor == actor


def test_what_goes_with_a_token_is_written_with_it_or_not_at_all(world: World) -> None:
    actor, library_id = _library(world)
    world.access_tokens.issue(
        library_id,
        "upload",
        "{}",
        actor,
        also=lambda tx: world.audit.write(tx, "api:file:upload_link", actor),
    )
    assert world.count(tables.audit_event, actor=actor.email, tag="api:file:upload_link") == 1
    with pytest.raises(InvalidArgument):
        world.access_tokens.issue(
            library_id, "upload", "{}", actor, also=lambda tx: world.audit.write(tx, "not a tag", actor)
        )
    assert world.count(tables.access_token, library_id=library_id) == 1


def test_one_of_several_operations_is_enough(world: World) -> None:
    actor, library_id = _library(world)
    token = world.access_tokens.issue(library_id, "view", "0" * 40, actor)
    assert world.access_tokens.take(token, "download", "view").operation == "view"


def test_a_one_time_token_is_used_up(world: World) -> None:
    actor, library_id = _library(world)
    token = world.access_tokens.issue(library_id, "download", "0" * 40, actor, one_time=True)
    assert world.access_tokens.peek(token).one_time
    world.access_tokens.take(token, "download")
    with pytest.raises(TokenNotFound):
        world.access_tokens.take(token, "download")


def test_a_one_time_token_is_used_up_by_a_refusal_too(world: World) -> None:
    actor, library_id = _library(world)
    token = world.access_tokens.issue(library_id, "download", "0" * 40, actor, one_time=True)
    with pytest.raises(OperationMismatch):
        world.access_tokens.take(token, "upload-api")
    with pytest.raises(TokenNotFound):
        world.access_tokens.take(token, "download")


def test_of_simultaneous_takes_of_a_one_time_token_one_wins(world: World) -> None:
    actor, library_id = _library(world)
    token = world.access_tokens.issue(library_id, "download", "0" * 40, actor, one_time=True)
    barrier, outcomes = threading.Barrier(4), []

    def take() -> None:
        barrier.wait()
        try:
            outcomes.append(world.access_tokens.take(token, "download").operation)
        except TokenNotFound:
            outcomes.append("gone")

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["download", "gone", "gone", "gone"]


def test_a_token_ends_after_an_hour_and_is_then_cleared_away(world: World) -> None:
    actor, library_id = _library(world)
    token = world.access_tokens.issue(library_id, "upload", "{}", actor)
    world.clock.advance(LIFETIME_SECONDS - 1)
    lasting = world.access_tokens.issue(library_id, "upload", "{}", actor, ttl=60)
    world.access_tokens.take(token, "upload-api")
    world.clock.advance(1)
    with pytest.raises(TokenNotFound):
        world.access_tokens.take(token, "upload-api")
    assert world.access_tokens.purge() >= 1
    assert world.count(tables.access_token, library_id=library_id) == 1
    assert world.access_tokens.take(lasting, "upload-api").actor == actor


@pytest.mark.parametrize("token", ["", "x" * 36, "00000000-0000-4000-8000-000000000000", "\x00", "\ud800"])
def test_an_unknown_token_gives_nothing(world: World, token: str) -> None:
    with pytest.raises(TokenNotFound):
        world.access_tokens.take(token, "upload-api")


def test_a_token_can_be_revoked(world: World) -> None:
    actor, library_id = _library(world)
    token = world.access_tokens.issue(library_id, "upload", "{}", actor)
    assert world.access_tokens.revoke(token)
    assert not world.access_tokens.revoke(token)
    with pytest.raises(TokenNotFound):
        world.access_tokens.peek(token)


# -- what it is bound to -------------------------------------------------------------------------------------


def test_a_token_dies_with_the_api_token_that_asked_for_it(world: World) -> None:
    account = world.account()
    library_id = world.library(account)
    plain = world.tokens.resolve(world.tokens.issue_plain(account)).actor
    token = world.access_tokens.issue(library_id, "upload", "{}", plain)
    world.tokens.revoke_plain(account.id)
    with pytest.raises(TokenNotFound):
        world.access_tokens.take(token, "upload-api")


def test_a_token_dies_with_the_link_of_its_device(world: World) -> None:
    account, info = world.account(), world.desktop()
    _, actor = world.on_device(account, info)
    token = world.access_tokens.issue(world.library(account), "upload", "{}", actor)
    world.tokens.unlink(account, "linux", info.device_id)
    with pytest.raises(TokenNotFound):
        world.access_tokens.take(token, "upload-api")


@pytest.mark.parametrize("state", ["LOST", "STOLEN", "DISABLED"])
def test_a_blocked_device_is_refused_at_the_next_use(world: World, state: str) -> None:
    actor, library_id = _library(world)
    token = world.access_tokens.issue(library_id, "upload", "{}", actor)
    assert actor.device is not None
    world.set_device(actor.device.device_id, admin_state=state)
    with pytest.raises(DeviceBlocked) as raised:
        world.access_tokens.take(token, "upload-api")
    assert raised.value.status == state


def test_a_token_from_a_browser_is_bound_to_the_account_alone(world: World) -> None:
    account = world.account()
    token = world.access_tokens.issue(world.library(account), "upload", "{}", world.actor(account))
    assert world.access_tokens.take(token, "upload-api").actor.device is None
    statement = update(tables.account).where(tables.account.c.id == account.id).values(is_active=False)
    world.database.write(lambda tx: tx.execute(statement).rowcount)
    with pytest.raises(AccountDisabled):
        world.access_tokens.take(token, "upload-api")


def test_a_token_of_the_server_itself_needs_no_account(world: World) -> None:
    library_id = world.library(world.account())
    token = world.access_tokens.issue(library_id, "upload", "{}", SYSTEM)
    assert world.access_tokens.take(token, "upload-api").actor.is_system


def test_a_token_dies_with_its_library(world: World) -> None:
    actor, library_id = _library(world)
    token = world.access_tokens.issue(library_id, "upload", "{}", actor)
    world.delete(tables.library, id=library_id)
    with pytest.raises(TokenNotFound):
        world.access_tokens.take(token, "upload-api")


def _bearer(world: World, **values: int | None) -> tuple[Actor, LibraryId]:
    account = world.account()
    library_id = world.library(account)
    link = world.share_link(library_id, account, "/shared", **values)
    scope = LinkScope("share", link, library_id, "/shared", True, may_read=True, may_write=False)
    return Actor(account.id, account.email, kind="link", link=scope), library_id


def test_a_token_of_a_links_bearer_keeps_the_reach_of_the_link(world: World) -> None:
    actor, library_id = _bearer(world)
    token = world.access_tokens.issue(library_id, "download-link", "0" * 40, actor)
    grant = world.access_tokens.take(token, "download")
    assert grant.actor.kind == "link"
    assert grant.actor.link == actor.link
    assert world.access.decide(grant.actor, Action.READ, library_id, "/shared/a")
    assert not world.access.decide(grant.actor, Action.READ, library_id, "/other")


def test_a_token_of_a_links_bearer_dies_with_the_link(world: World) -> None:
    actor, library_id = _bearer(world)
    token = world.access_tokens.issue(library_id, "download-link", "0" * 40, actor)
    world.delete(tables.share_link, library_id=library_id)
    with pytest.raises(TokenNotFound):
        world.access_tokens.take(token, "download")


def test_a_token_of_a_links_bearer_ends_when_the_link_ends(world: World) -> None:
    actor, library_id = _bearer(world, expires_at=world.clock.timestamp() + 60)
    token = world.access_tokens.issue(library_id, "download-link", "0" * 40, actor)
    world.clock.advance(59)
    world.access_tokens.take(token, "download")
    world.clock.advance(1)
    with pytest.raises(TokenNotFound):
        world.access_tokens.take(token, "download")


def test_an_upload_link_gives_its_bearer_a_way_in_only(world: World) -> None:
    account = world.account()
    library_id = world.library(account)
    world.insert(
        tables.upload_link,
        token="upload" + library_id[-4:],
        account_id=account.id,
        library_id=library_id,
        path="/in",
        path_hash="0" * 64,
        created_at=0,
    )
    link = "upload" + library_id[-4:]
    scope = LinkScope("upload", link, library_id, "/in", True, may_read=False, may_write=True)
    bearer = Actor(account.id, account.email, kind="link", link=scope)
    token = world.access_tokens.issue(library_id, "upload-link", "{}", bearer)
    actor = world.access_tokens.take(token, "upload-aj").actor
    assert actor.link == scope
    assert world.access.decide(actor, Action.WRITE, library_id, "/in")
    assert not world.access.decide(actor, Action.LIST, library_id, "/in")
