"""Sync tokens: one library, one account, one device."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from seafleet.accounts.sync_tokens import PEER_SECONDS
from seafleet.actor import Actor
from seafleet.db import tables
from seafleet.devices.model import DevicePolicy
from seafleet.errors import AccountDisabled, DeviceBlocked, InvalidArgument, LibraryNotFound, TokenNotFound
from seafleet.ids import LibraryId
from tests.support.world import World

PEER = "p" * 40


def _device_of(actor: Actor) -> int:
    assert actor.device is not None
    return actor.device.device_id


def test_each_request_makes_a_new_token_and_all_of_them_work(world: World) -> None:
    account = world.account()
    _, actor = world.on_device(account)
    library_id = world.library(account)
    tokens = {world.sync_tokens.issue(library_id, actor) for _ in range(3)}
    assert len(tokens) == 3
    for token in tokens:
        grant = world.sync_tokens.resolve(token, library_id)
        assert grant.actor.account_id == account.id
        assert grant.actor.device_link_id == actor.device_link_id


def test_many_libraries_get_their_tokens_at_once(world: World) -> None:
    account = world.account()
    libraries = [world.library(account) for _ in range(3)]
    tokens = world.sync_tokens.issue_many(libraries, world.actor(account))
    assert list(tokens) == libraries
    for library_id, token in tokens.items():
        assert world.sync_tokens.resolve(token, library_id).library_id == library_id


def test_a_token_opens_its_own_library_only(world: World) -> None:
    account = world.account()
    mine, other = world.library(account), world.library(account)
    token = world.sync_tokens.issue(mine, world.actor(account))
    with pytest.raises(TokenNotFound):
        world.sync_tokens.resolve(token, other)


@pytest.mark.parametrize("token", ["", "0" * 40, "\x00" * 40, "\ud800"])
def test_an_unknown_token_opens_nothing(world: World, token: str) -> None:
    with pytest.raises(TokenNotFound):
        world.sync_tokens.resolve(token, world.library(world.account()))


def test_there_is_no_token_for_a_library_that_does_not_exist(world: World) -> None:
    with pytest.raises(LibraryNotFound):
        world.sync_tokens.issue(
            LibraryId("00000000-0000-4000-8000-ffffffffffff"), world.actor(world.account())
        )


def test_a_device_that_was_unlinked_meanwhile_gets_no_token(world: World) -> None:
    account, info = world.account(), world.desktop()
    _, actor = world.on_device(account, info)
    world.tokens.unlink(account, "linux", info.device_id)
    with pytest.raises(TokenNotFound):
        world.sync_tokens.issue(world.library(account), actor)


@pytest.mark.parametrize("state", ["LOST", "STOLEN", "DISABLED"])
def test_a_blocked_device_is_refused_and_may_go_on_when_it_is_active_again(world: World, state: str) -> None:
    account = world.account()
    _, actor = world.on_device(account)
    library_id = world.library(account)
    token = world.sync_tokens.issue(library_id, actor)
    world.set_device(_device_of(actor), admin_state=state)
    with pytest.raises(DeviceBlocked) as raised:
        world.sync_tokens.resolve(token, library_id)
    assert raised.value.status == state
    world.set_device(_device_of(actor), admin_state="ACTIVE")
    assert world.sync_tokens.resolve(token, library_id).library_id == library_id


def test_whose_token_was_refused_can_be_told_for_the_books(world: World) -> None:
    account = world.account()
    _, actor = world.on_device(account)
    library_id = world.library(account)
    token = world.sync_tokens.issue(library_id, actor)
    world.set_device(_device_of(actor), admin_state="LOST")
    grant = world.sync_tokens.identify(token, library_id)
    assert grant.actor.email == account.email
    assert grant.actor.device is not None
    assert grant.actor.device.admin_state == "LOST"
    with pytest.raises(TokenNotFound):
        world.sync_tokens.identify(token, world.library(account))


def test_a_token_of_a_disabled_account_is_refused(world: World) -> None:
    account = world.account()
    library_id = world.library(account)
    token = world.sync_tokens.issue(library_id, world.actor(account))
    statement = update(tables.account).where(tables.account.c.id == account.id).values(is_active=False)
    world.database.write(lambda tx: tx.execute(statement).rowcount)
    with pytest.raises(AccountDisabled):
        world.sync_tokens.resolve(token, library_id)


def test_the_tokens_of_a_link_that_is_to_be_wiped_are_suspended(world: World) -> None:
    account = world.account()
    _, actor = world.on_device(account)
    library_id = world.library(account)
    token = world.sync_tokens.issue(library_id, actor)
    assert actor.device is not None
    world.set_link(actor.device.link_id, wiped_at=1, wipe_source="status")
    with pytest.raises(DeviceBlocked) as raised:
        world.sync_tokens.resolve(token, library_id)
    assert raised.value.status == "WIPED"


@pytest.mark.parametrize("wipe", [True, False])
def test_unlinking_deletes_the_tokens_of_the_link_and_of_its_peer_id(world: World, wipe: bool) -> None:
    account, info = world.account(), world.desktop()
    _, actor = world.on_device(account, info)
    library_id = world.library(account)
    tokens = [world.sync_tokens.issue(library_id, actor) for _ in range(2)]
    unbound = world.sync_tokens.issue(library_id, world.actor(account))
    grant = world.sync_tokens.resolve(unbound, library_id)
    world.sync_tokens.record_peer(grant, info.device_id, "desk", "192.0.2.1")
    world.tokens.unlink(account, "linux", info.device_id, wipe=wipe)
    for token in (*tokens, unbound):
        with pytest.raises(TokenNotFound):
            world.sync_tokens.resolve(token, library_id)


def test_a_peer_is_noted_when_something_changed_or_a_minute_has_passed(world: World) -> None:
    account = world.account()
    _, actor = world.on_device(account)
    library_id = world.library(account)
    token = world.sync_tokens.issue(library_id, actor)

    def report(**changes: str) -> int | None:
        grant = world.sync_tokens.resolve(token, library_id)
        parts = {"peer_name": "desk", "ip": "192.0.2.1", "client_version": "9.0.5", **changes}
        world.sync_tokens.record_peer(grant, PEER, **parts)
        return world.sync_tokens.resolve(token, library_id).peer.synced_at

    start = world.clock.timestamp()
    assert report() == start
    world.clock.advance(PEER_SECONDS - 1)
    assert report() == start
    assert report(ip="192.0.2.2") == start + PEER_SECONDS - 1
    world.clock.advance(PEER_SECONDS)
    assert report(ip="192.0.2.2") == world.clock.timestamp()
    peer = world.sync_tokens.resolve(token, library_id).peer
    assert (peer.peer_id, peer.name, peer.ip, peer.client_version) == (PEER, "desk", "192.0.2.2", "9.0.5")


def test_a_version_that_is_not_told_stays_as_it_was(world: World) -> None:
    account = world.account()
    _, actor = world.on_device(account)
    library_id = world.library(account)
    token = world.sync_tokens.issue(library_id, actor)
    for version in ("9.0.5", None):
        grant = world.sync_tokens.resolve(token, library_id)
        world.sync_tokens.record_peer(grant, PEER, f"name {version}", "", version)
    assert world.sync_tokens.resolve(token, library_id).peer.client_version == "9.0.5"


@pytest.mark.parametrize("peer_id", ["", "p" * 39, "p" * 41, "p" * 39 + "\x00", "p" * 39 + "é"])
def test_a_peer_id_has_forty_characters(world: World, peer_id: str) -> None:
    account = world.account()
    library_id = world.library(account)
    grant = world.sync_tokens.resolve(world.sync_tokens.issue(library_id, world.actor(account)), library_id)
    with pytest.raises(InvalidArgument):
        world.sync_tokens.record_peer(grant, peer_id, "desk", "")


def test_a_token_without_device_joins_the_accounts_device_of_that_peer_id(world: World) -> None:
    account, info = world.account(), world.desktop()
    _, actor = world.on_device(account, info)
    library_id = world.library(account)
    token = world.sync_tokens.issue(library_id, world.actor(account))
    world.sync_tokens.record_peer(world.sync_tokens.resolve(token, library_id), info.device_id, "desk", "")
    assert world.sync_tokens.resolve(token, library_id).actor.device_link_id == actor.device_link_id


def test_a_token_without_device_is_no_way_around_a_blocked_device(world: World) -> None:
    info, thief = world.desktop(), world.account()
    _, actor = world.on_device(world.account(), info)
    world.set_device(_device_of(actor), admin_state="LOST")
    library_id = world.library(thief)
    token = world.sync_tokens.issue(library_id, world.actor(thief))
    with pytest.raises(DeviceBlocked):
        world.sync_tokens.record_peer(
            world.sync_tokens.resolve(token, library_id), info.device_id, "desk", ""
        )
    with pytest.raises(DeviceBlocked):
        world.sync_tokens.resolve(token, library_id)


def test_an_unknown_peer_makes_a_device_that_may_have_to_wait_for_approval(world: World) -> None:
    world.policy = DevicePolicy(require_approval=True)
    account = world.account()
    library_id = world.library(account)
    token = world.sync_tokens.issue(library_id, world.actor(account))
    grant = world.sync_tokens.resolve(token, library_id)
    with pytest.raises(DeviceBlocked) as raised:
        world.sync_tokens.record_peer(grant, "q" * 40, "old client", "192.0.2.3")
    assert raised.value.status == "PENDING_APPROVAL"
    (link,) = world.rows(tables.device_link, account_id=account.id)
    assert (link.platform, link.client_device_id, link.device_name) == ("other", "q" * 40, "old client")


def test_a_daemon_with_another_id_than_its_login_makes_that_id_known(world: World) -> None:
    account = world.account()
    _, actor = world.on_device(account)
    library_id = world.library(account)
    token = world.sync_tokens.issue(library_id, actor)
    world.sync_tokens.record_peer(world.sync_tokens.resolve(token, library_id), "d" * 40, "unknown", "")
    world.set_device(_device_of(actor), admin_state="LOST")
    with pytest.raises(DeviceBlocked):
        world.tokens.connect(world.account(), world.desktop(device_id="d" * 40))


def test_a_report_after_unlinking_does_not_bring_the_token_back(world: World) -> None:
    account, info = world.account(), world.desktop()
    _, actor = world.on_device(account, info)
    library_id = world.library(account)
    token = world.sync_tokens.issue(library_id, actor)
    grant = world.sync_tokens.resolve(token, library_id)
    world.tokens.unlink(account, "linux", info.device_id)
    world.sync_tokens.record_peer(grant, PEER, "desk", "")
    assert world.count(tables.sync_token, account_id=account.id) == 0


def test_synchronising_ends_the_expired_state(world: World) -> None:
    account = world.account()
    _, actor = world.on_device(account)
    library_id = world.library(account)
    token = world.sync_tokens.issue(library_id, actor)
    world.set_device(_device_of(actor), expired=True)
    world.sync_tokens.record_peer(world.sync_tokens.resolve(token, library_id), PEER, "desk", "192.0.2.4")
    (device,) = world.rows(tables.device, id=_device_of(actor))
    assert not device.expired
    assert device.last_ip == "192.0.2.4"


def test_lists_show_the_last_synchronised_first_and_no_token(world: World) -> None:
    account = world.account()
    _, actor = world.on_device(account)
    first, second = world.library(account, name="first"), world.library(account, name="second")
    for library_id in (first, second):
        world.clock.advance(10)
        token = world.sync_tokens.issue(library_id, actor)
        world.sync_tokens.record_peer(world.sync_tokens.resolve(token, library_id), PEER, "desk", "")
    found = world.sync_tokens.of_account(account.id)
    assert [info.library_name for info in found] == ["second", "first"]
    assert [info.email for info in world.sync_tokens.of_library(first)] == [account.email]
    assert found[0].synced_at == world.clock.timestamp()


def test_tokens_are_revoked_by_what_they_have_in_common(world: World) -> None:
    account, friend = world.account(), world.account()
    shared, own = world.library(account), world.library(account)
    for library_id, who in ((shared, account), (shared, friend), (own, account)):
        world.sync_tokens.issue(library_id, world.actor(who))
    assert world.sync_tokens.revoke(library_id=shared, account_id=friend.id) == 1
    assert world.sync_tokens.revoke(library_id=shared, account_id=friend.id) == 0
    assert world.sync_tokens.revoke(account_id=account.id) == 2
    with pytest.raises(InvalidArgument):
        world.sync_tokens.revoke()
