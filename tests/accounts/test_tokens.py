"""API tokens, plain ones and those of devices."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from sqlalchemy import update

from seafleet.accounts.model import GUEST_ROLE, Account, Role, Roles
from seafleet.accounts.tokens import TOUCH_SECONDS
from seafleet.db import tables
from seafleet.db.engine import Database
from seafleet.devices.model import DeviceInfo, DevicePolicy
from seafleet.errors import (
    AccountDisabled,
    AccountNotFound,
    ClientForbidden,
    DeviceBlocked,
    DeviceWiped,
    InvalidArgument,
    TokenNotFound,
)
from tests.support.statements import Statements
from tests.support.world import World


def test_the_plain_token_is_the_same_at_every_login(world: World) -> None:
    account = world.account()
    token = world.tokens.issue_plain(account)
    assert len(token) == 40
    assert world.tokens.issue_plain(account) == token
    session = world.tokens.resolve(token)
    assert session.actor.email == account.email
    assert session.actor.device is None


def test_a_device_keeps_its_token_and_other_devices_have_others(world: World) -> None:
    account, laptop, desk = world.account(), world.desktop(), world.desktop()
    token = world.tokens.issue_device(account, laptop)
    assert world.tokens.issue_device(account, laptop) == token
    assert len({token, world.tokens.issue_device(account, desk), world.tokens.issue_plain(account)}) == 3
    device = world.tokens.resolve(token).actor.device
    assert device is not None
    assert (device.platform, device.client_device_id) == ("linux", laptop.device_id)


def test_the_database_holds_neither_token_nor_anything_that_opens_without_the_secret(world: World) -> None:
    account = world.account()
    token = world.tokens.issue_plain(account)
    (row,) = world.rows(tables.api_token, account_id=account.id)
    assert token not in row.token_hash
    assert token.encode() not in row.sealed
    assert bytes.fromhex(token) not in row.sealed


def test_a_token_that_cannot_be_opened_any_more_is_replaced(world: World) -> None:
    account = world.account()
    token = world.tokens.issue_plain(account)
    statement = update(tables.api_token).where(tables.api_token.c.account_id == account.id)
    world.database.write(lambda tx: tx.execute(statement.values(sealed=b"?")).rowcount)
    assert world.tokens.resolve(token).actor.account_id == account.id
    fresh = world.tokens.issue_plain(account)
    assert fresh != token
    with pytest.raises(TokenNotFound):
        world.tokens.resolve(token)
    assert world.tokens.resolve(fresh).actor.account_id == account.id


@pytest.mark.parametrize("token", ["", "0" * 40, "x" * 40, "0" * 39, "A" * 40, "\x00" * 40, "\ud800" * 40])
def test_an_unknown_token_stands_for_nobody(world: World, token: str) -> None:
    with pytest.raises(TokenNotFound) as raised:
        world.tokens.resolve(token)
    assert token not in str(raised.value) or not token


def test_resolving_costs_one_query(world: World) -> None:
    token, _ = world.on_device(world.account())
    with Statements(world.database) as statements:
        world.tokens.resolve(token)
    assert statements.count == 1


def test_a_token_of_a_disabled_account_is_refused(world: World) -> None:
    account = world.account()
    token = world.tokens.issue_plain(account)
    statement = update(tables.account).where(tables.account.c.id == account.id).values(is_active=False)
    world.database.write(lambda tx: tx.execute(statement).rowcount)
    with pytest.raises(AccountDisabled):
        world.tokens.resolve(token)


def test_an_account_that_was_switched_off_or_deleted_meanwhile_gets_no_token(world: World) -> None:
    account = world.account()
    world.accounts.set_active(account, False)
    for issue in (
        lambda: world.tokens.issue_plain(account),
        lambda: world.tokens.connect(account, world.desktop()),
    ):
        with pytest.raises(AccountDisabled):
            issue()
    world.accounts.delete(account)
    with pytest.raises(AccountNotFound):
        world.tokens.issue_plain(account)


# -- logging in on a device ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "device_id", "wrong"),
    [
        ("Linux", "a" * 40, None),
        ("windows", "a" * 39, "device_id"),
        ("mac", "a" * 41, "device_id"),
        ("mac", "ä" * 40, "device_id"),
        ("android", "3E91b07c55d2aa18", None),
        ("android", "1", None),
        ("android", "0" * 17, "device_id"),
        ("android", "xyz", "device_id"),
        ("ios", "F" * 36, None),
        ("ios", "F" * 35, "device_id"),
        ("symbian", "F" * 36, "platform"),
        ("", "", "platform"),
    ],
)
def test_the_device_id_has_the_form_of_its_platform(
    world: World, platform: str, device_id: str, wrong: str | None
) -> None:
    info = DeviceInfo.of(platform, device_id, "name")
    if wrong is None:
        assert world.tokens.issue_device(world.account(), info)
        return
    with pytest.raises(InvalidArgument) as raised:
        world.tokens.issue_device(world.account(), info)
    assert raised.value.name == wrong


@pytest.mark.parametrize("kind", ["plain", "device", "two accounts"])
def test_simultaneous_first_logins_agree_on_token_and_device(world: World, kind: str) -> None:
    accounts = [world.account() for _ in range(4)] if kind == "two accounts" else [world.account()] * 4
    info, barrier, tokens = world.desktop(), threading.Barrier(4), []

    def login(account: Account) -> None:
        barrier.wait()
        if kind == "plain":
            tokens.append(world.tokens.issue_plain(account))
        else:
            tokens.append(world.tokens.issue_device(account, info))

    threads = [threading.Thread(target=login, args=(account,)) for account in accounts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tokens) == 4
    assert len(set(tokens)) == len({account.id for account in accounts})
    if kind != "plain":
        devices = {world.tokens.resolve(token).actor.device for token in tokens}
        assert len({device.device_id for device in devices if device}) == 1


def test_names_and_versions_are_cut_and_renewed_at_login(world: World) -> None:
    account, info = world.account(), world.desktop(device_name="n" * 60, client_version="9.0.5" * 9)
    world.tokens.connect(account, info)
    (link,) = world.rows(tables.device_link, account_id=account.id)
    assert (len(link.device_name), len(link.client_version)) == (40, 16)
    world.clock.advance(5)
    world.tokens.connect(account, replace(info, device_name="new", client_version="9.1", ip="192.0.2.5"))
    (link,) = world.rows(tables.device_link, account_id=account.id)
    assert (link.device_name, link.client_version, link.last_login_ip) == ("new", "9.1", "192.0.2.5")
    assert link.last_accessed == world.clock.timestamp()


def test_a_device_name_that_cannot_be_stored_is_mended(world: World) -> None:
    account = world.account()
    world.tokens.connect(account, world.desktop(device_name="a\x00b\ud800"))
    (link,) = world.rows(tables.device_link, account_id=account.id)
    assert link.device_name == "a\ufffdb\ufffd"


@pytest.mark.parametrize(
    ("platform", "device_id", "family"),
    [("windows", "a" * 40, "desktop"), ("android", "1", "android"), ("ios", "F" * 36, "ios")],
)
def test_a_role_may_forbid_a_family_of_clients(
    database: Database, platform: str, device_id: str, family: str
) -> None:
    world = World(database, roles=Roles({"default": Role(), "guest": GUEST_ROLE}))
    info = DeviceInfo.of(platform, device_id, "name")
    with pytest.raises(ClientForbidden) as raised:
        world.tokens.connect(world.account(role="guest"), info)
    assert raised.value.family == family
    assert world.tokens.connect(world.account(), info).device_status == ""


def test_the_role_is_asked_before_the_form_of_the_id(world: World) -> None:
    with pytest.raises(ClientForbidden):
        world.tokens.connect(world.account(role="guest"), DeviceInfo.of("linux", "short", "name"))


def test_one_machine_of_two_accounts_is_one_device_with_two_links(world: World) -> None:
    info = world.desktop()
    _, first = world.on_device(world.account(), info)
    _, second = world.on_device(world.account(), info)
    assert first.device is not None
    assert second.device is not None
    assert first.device.device_id == second.device.device_id
    assert first.device.link_id != second.device.link_id


def test_a_new_device_has_the_keys_of_all_dialects(world: World) -> None:
    _, actor = world.on_device(world.account(), DeviceInfo.of("ios", "E" * 36, "phone"))
    assert actor.device is not None
    (device,) = world.rows(tables.device, id=actor.device.device_id)
    assert device.identifier == f"iPhone_{device.uid}"
    assert (device.display_name, device.platform, device.organization_id) == ("phone", "ios", 1)


# -- suspended devices ---------------------------------------------------------------------------------------


def test_with_approval_required_a_new_device_gets_a_suspended_token(world: World) -> None:
    world.policy = DevicePolicy(require_approval=True)
    account, info = world.account(), world.desktop()
    issued = world.tokens.connect(account, info)
    assert issued.device_status == "PENDING_APPROVAL"
    with pytest.raises(DeviceBlocked) as raised:
        world.tokens.resolve(issued.token)
    assert raised.value.sentence == "This device is waiting for approval."
    session = world.tokens.resolve(issued.token, allow_suspended=True)
    assert not session.verdict.allowed
    device = session.actor.device
    assert device is not None
    world.set_device(device.device_id, approval="approved")
    assert world.tokens.resolve(issued.token).actor.account_id == account.id
    assert world.tokens.connect(account, info) == replace(issued, device_status="")


@pytest.mark.parametrize("state", ["LOST", "STOLEN", "DISABLED"])
def test_a_blocked_device_may_not_log_in_with_whatever_account(world: World, state: str) -> None:
    info = world.desktop()
    _, actor = world.on_device(world.account(), info)
    assert actor.device is not None
    world.set_device(actor.device.device_id, admin_state=state)
    stranger = world.account()
    with pytest.raises(DeviceBlocked) as raised:
        world.tokens.connect(stranger, info)
    assert str(raised.value) == f"This device is blocked ({state})."
    assert raised.value.status == state
    assert world.count(tables.device_link, account_id=stranger.id) == 0
    assert world.count(tables.api_token, account_id=stranger.id) == 0


def test_a_disabled_application_may_not_log_in(world: World) -> None:
    account, info = world.account(), world.desktop()
    _, actor = world.on_device(account, info)
    assert actor.device is not None
    world.set_link(actor.device.link_id, app_status="DISABLED")
    with pytest.raises(DeviceBlocked) as raised:
        world.tokens.connect(account, info)
    assert str(raised.value) == "This application has been disabled on this device."


def test_setting_a_lost_device_active_restores_the_very_token(world: World) -> None:
    token, actor = world.on_device(world.account())
    assert actor.device is not None
    world.set_device(actor.device.device_id, admin_state="LOST")
    with pytest.raises(DeviceBlocked):
        world.tokens.resolve(token)
    world.set_device(actor.device.device_id, admin_state="ACTIVE")
    assert world.tokens.resolve(token).actor.device_link_id == actor.device_link_id


def test_the_tokens_of_a_removed_device_are_unknown(world: World) -> None:
    token, actor = world.on_device(world.account())
    assert actor.device is not None
    world.set_device(actor.device.device_id, removed_at=1)
    with pytest.raises(TokenNotFound):
        world.tokens.resolve(token, allow_suspended=True)


@pytest.mark.parametrize(("state", "approval"), [("ACTIVE", "approved"), ("LOST", "pending")])
def test_a_removed_device_comes_back_as_a_new_record_and_waits_if_it_was_blocked(
    world: World, state: str, approval: str
) -> None:
    account, info = world.account(), world.desktop()
    _, actor = world.on_device(account, info)
    assert actor.device is not None
    world.set_device(actor.device.device_id, removed_at=1, admin_state=state)
    world.delete(tables.device_link, device_id=actor.device.device_id)
    issued = world.tokens.connect(account, info)
    back = world.tokens.resolve(issued.token, allow_suspended=True).actor.device
    assert back is not None
    assert back.device_id != actor.device.device_id
    assert back.approval == approval


def test_unlinking_a_lost_device_does_not_make_it_a_new_one(world: World) -> None:
    account, info = world.account(), world.desktop()
    _, actor = world.on_device(account, info)
    assert actor.device is not None
    world.set_device(actor.device.device_id, admin_state="LOST")
    world.tokens.unlink(account, "linux", info.device_id)
    for who in (account, world.account()):
        with pytest.raises(DeviceBlocked):
            world.tokens.connect(who, info)


def test_bad_posture_warns_or_suspends_as_the_policy_says(world: World) -> None:
    token, actor = world.on_device(world.account())
    assert actor.device is not None
    world.set_device(
        actor.device.device_id, posture="non_compliant", posture_issue="The disk is not encrypted."
    )
    world.policy = DevicePolicy(posture_mode="warn")
    assert world.tokens.resolve(token).verdict.status == "NON_COMPLIANT"
    world.policy = DevicePolicy(posture_mode="enforce")
    with pytest.raises(DeviceBlocked) as raised:
        world.tokens.resolve(token)
    assert str(raised.value) == "This device does not meet the security policy: The disk is not encrypted."


# -- plain tokens under a strict policy ----------------------------------------------------------------------


def test_plain_tokens_can_be_refused_except_to_administrators(world: World) -> None:
    account, boss = world.account(), world.account(is_staff=True)
    token, boss_token = world.tokens.issue_plain(account), world.tokens.issue_plain(boss)
    world.policy = DevicePolicy(allow_unbound_tokens=False)
    for refused in (lambda: world.tokens.resolve(token), lambda: world.tokens.issue_plain(account)):
        with pytest.raises(DeviceBlocked) as raised:
            refused()
        assert raised.value.status == "UNBOUND"
        assert raised.value.sentence == "Device information is required."
    assert world.tokens.resolve(boss_token).actor.is_staff
    assert world.tokens.issue_plain(boss) == boss_token


# -- unlinking and wiping ------------------------------------------------------------------------------------


def test_an_unlinked_device_is_cut_off_and_may_come_back_with_a_new_token(world: World) -> None:
    account, info = world.account(), world.desktop()
    token, _ = world.on_device(account, info)
    assert world.tokens.unlink(account, "LINUX", info.device_id)
    with pytest.raises(TokenNotFound):
        world.tokens.resolve(token)
    assert world.tokens.issue_device(account, info) != token
    assert world.count(tables.device, display_name="desk") > 0


def test_unlinking_what_is_not_there_does_nothing(world: World) -> None:
    account = world.account()
    assert not world.tokens.unlink(account, "linux", "f" * 40)
    assert not world.tokens.unlink(account, "linux", "\x00")


def test_unlinking_leaves_other_accounts_on_the_same_machine_alone(world: World) -> None:
    info, first, second = world.desktop(), world.account(), world.account()
    world.on_device(first, info)
    token, _ = world.on_device(second, info)
    world.tokens.unlink(first, "linux", info.device_id)
    assert world.tokens.resolve(token).actor.account_id == second.id


def test_a_wiped_device_hears_of_it_at_every_call_until_it_reports(world: World) -> None:
    account, info = world.account(), world.desktop()
    token, _ = world.on_device(account, info)
    world.tokens.unlink(account, "linux", info.device_id, wipe=True)
    for _ in range(2):
        with pytest.raises(DeviceWiped):
            world.tokens.resolve(token)
    world.tokens.acknowledge_wipe(token)
    with pytest.raises(TokenNotFound):
        world.tokens.resolve(token)
    with pytest.raises(TokenNotFound):
        world.tokens.acknowledge_wipe(token)


def test_a_wipe_outlives_a_new_password_and_deactivation(world: World) -> None:
    account, info = world.account(), world.desktop()
    token, _ = world.on_device(account, info)
    world.tokens.unlink(account, "linux", info.device_id, wipe=True)
    world.accounts.set_password(account, "another")
    world.accounts.set_active(account, False)
    with pytest.raises(DeviceWiped):
        world.tokens.resolve(token)


def test_a_login_after_a_wipe_request_makes_a_fresh_link(world: World) -> None:
    account, info = world.account(), world.desktop()
    token, _ = world.on_device(account, info)
    world.tokens.unlink(account, "linux", info.device_id, wipe=True)
    fresh = world.tokens.issue_device(account, info)
    assert fresh != token
    assert world.tokens.resolve(fresh).actor.device is not None
    with pytest.raises(TokenNotFound):
        world.tokens.resolve(token)


def test_a_login_does_not_lift_the_wipe_of_a_stolen_device(world: World) -> None:
    account, info = world.account(), world.desktop()
    token, actor = world.on_device(account, info)
    assert actor.device is not None
    world.set_device(actor.device.device_id, admin_state="STOLEN")
    world.set_link(actor.device.link_id, wiped_at=1, wipe_source="status")
    with pytest.raises(DeviceBlocked):
        world.tokens.connect(account, info)
    with pytest.raises(DeviceWiped) as raised:
        world.tokens.resolve(token)
    assert raised.value.status == "STOLEN"


def test_a_stolen_device_is_wiped_only_if_the_policy_says_so(world: World) -> None:
    token, actor = world.on_device(world.account())
    assert actor.device is not None
    world.set_device(actor.device.device_id, admin_state="STOLEN")
    wipes, world.policy = world.policy, DevicePolicy(wipe_on_status=frozenset())
    with pytest.raises(DeviceBlocked) as raised:
        world.tokens.resolve(token)
    world.policy = wipes
    with pytest.raises(DeviceWiped):
        world.tokens.resolve(token)
    assert raised.value.sentence == "This device has been reported stolen."


def test_only_a_marked_token_can_report_a_wipe(world: World) -> None:
    token, _ = world.on_device(world.account())
    with pytest.raises(InvalidArgument):
        world.tokens.acknowledge_wipe(token)
    with pytest.raises(InvalidArgument):
        world.tokens.acknowledge_wipe(world.tokens.issue_plain(world.account()))
    assert world.tokens.resolve(token).actor.device is not None


@pytest.mark.parametrize("state", ["ACTIVE", "LOST"])
def test_logging_out_is_allowed_in_every_state(world: World, state: str) -> None:
    account = world.account()
    token, actor = world.on_device(account)
    assert actor.device is not None
    sync = world.sync_tokens.issue(world.library(account), actor)
    world.set_device(actor.device.device_id, admin_state=state)
    world.tokens.revoke(world.tokens.resolve(token, allow_suspended=True))
    with pytest.raises(TokenNotFound):
        world.tokens.resolve(token)
    assert world.count(tables.sync_token, account_id=account.id) == 0, sync


def test_logging_out_a_plain_token_leaves_devices_alone(world: World) -> None:
    account = world.account()
    plain = world.tokens.issue_plain(account)
    token, _ = world.on_device(account)
    world.tokens.revoke(world.tokens.resolve(plain))
    with pytest.raises(TokenNotFound):
        world.tokens.resolve(plain)
    assert world.tokens.resolve(token).actor.account_id == account.id


def test_the_plain_token_can_be_deleted_for_the_account(world: World) -> None:
    account = world.account()
    plain = world.tokens.issue_plain(account)
    world.tokens.revoke_plain(account.id)
    with pytest.raises(TokenNotFound):
        world.tokens.resolve(plain)


def test_a_fingerprint_names_a_link_and_opens_nothing(world: World) -> None:
    first, second = world.tokens.fingerprint(1), world.tokens.fingerprint(2)
    assert first != second
    assert first == world.tokens.fingerprint(1)
    assert len(first) == 40
    with pytest.raises(TokenNotFound):
        world.tokens.resolve(first)


# -- being seen ----------------------------------------------------------------------------------------------


def test_use_is_noted_at_ten_minutes_precision(world: World) -> None:
    account = world.account()
    token, _ = world.on_device(account, world.desktop(ip="192.0.2.1"))
    assert not world.tokens.touch(world.tokens.resolve(token), "192.0.2.1")
    world.clock.advance(TOUCH_SECONDS - 1)
    assert not world.tokens.touch(world.tokens.resolve(token), "192.0.2.1")
    world.clock.advance(1)
    assert world.tokens.touch(world.tokens.resolve(token), "192.0.2.1")
    assert not world.tokens.touch(world.tokens.resolve(token), "192.0.2.1")
    (link,) = world.rows(tables.device_link, account_id=account.id)
    assert link.last_accessed == world.clock.timestamp()


def test_a_new_address_or_version_is_noted_at_once(world: World) -> None:
    account = world.account()
    token, _ = world.on_device(account)
    assert world.tokens.touch(world.tokens.resolve(token), "192.0.2.9")
    assert world.tokens.touch(world.tokens.resolve(token), "192.0.2.9", "9.1", "14" * 20)
    assert not world.tokens.touch(world.tokens.resolve(token))
    (link,) = world.rows(tables.device_link, account_id=account.id)
    assert (link.last_login_ip, link.client_version) == ("192.0.2.9", "9.1")
    assert link.platform_version == "14" * 8
    (device,) = world.rows(tables.device, id=link.device_id)
    assert device.last_ip == "192.0.2.9"


def test_contact_ends_the_expired_state_at_once(world: World) -> None:
    token, actor = world.on_device(world.account())
    assert actor.device is not None
    world.set_device(actor.device.device_id, expired=True, row_version=7)
    assert world.tokens.touch(world.tokens.resolve(token))
    (device,) = world.rows(tables.device, id=actor.device.device_id)
    assert not device.expired
    assert device.row_version == 8


def test_contact_while_blocked_is_noted_and_leaves_the_expired_state(world: World) -> None:
    token, actor = world.on_device(world.account())
    assert actor.device is not None
    world.clock.advance(TOUCH_SECONDS)
    world.set_device(actor.device.device_id, expired=True, admin_state="LOST")
    world.tokens.touch(world.tokens.resolve(token, allow_suspended=True), "192.0.2.66")
    (device,) = world.rows(tables.device, id=actor.device.device_id)
    assert device.expired
    assert (device.last_seen, device.last_ip) == (world.clock.timestamp(), "192.0.2.66")


def test_a_plain_token_notes_its_last_use(world: World) -> None:
    account = world.account()
    token = world.tokens.issue_plain(account)
    assert not world.tokens.touch(world.tokens.resolve(token), "192.0.2.1", "9.0")
    world.clock.advance(TOUCH_SECONDS)
    assert world.tokens.touch(world.tokens.resolve(token))
    (row,) = world.rows(tables.api_token, account_id=account.id)
    assert row.last_used_at == world.clock.timestamp()


def test_a_one_time_login_works_once_and_for_half_a_minute(world: World) -> None:
    account = world.account()
    ticket = world.tickets.issue(account.id)
    assert len(ticket) == 32
    assert world.tickets.take(ticket) == account.id
    with pytest.raises(TokenNotFound):
        world.tickets.take(ticket)
    late = world.tickets.issue(account.id)
    world.clock.advance(30)
    with pytest.raises(TokenNotFound):
        world.tickets.take(late)
    world.tickets.issue(account.id)
    assert world.count(tables.client_login_token, account_id=account.id) == 1
