"""Logging in with a name and a password."""

from __future__ import annotations

import hashlib

import pytest
from sqlalchemy import update

from seafleet.accounts.login import LoginLimits
from seafleet.db import tables
from seafleet.db.engine import Database
from seafleet.errors import AccountDisabled, BadCredentials, LoginLocked
from tests.support.world import PASSWORD, World


def test_the_address_in_any_case_logs_in(world: World) -> None:
    account = world.account()
    found = world.accounts.authenticate(f" {account.email.upper()} ", PASSWORD, "192.0.2.1")
    assert found.id == account.id
    assert world.accounts.get(account.id).last_login_at == world.clock.timestamp()


def test_the_login_id_logs_in(world: World) -> None:
    account = world.account(login_id="Mara7")
    assert world.accounts.authenticate("Mara7", PASSWORD).id == account.id


def test_the_contact_address_logs_in(world: World) -> None:
    account = world.account(contact_email="reach.me@example.net")
    assert world.accounts.authenticate("Reach.Me@example.net", PASSWORD).id == account.id


def test_a_contact_address_never_stands_before_an_address(world: World) -> None:
    victim = world.account()
    thief = world.account(contact_email=victim.email)
    assert world.accounts.authenticate(victim.email, PASSWORD).id == victim.id
    world.accounts.set_password(thief, "thief's")
    with pytest.raises(BadCredentials):
        world.accounts.authenticate(victim.email, "thief's")


def test_a_contact_address_of_two_accounts_logs_nobody_in(world: World) -> None:
    world.account(contact_email="both@example.net")
    world.account(contact_email="both@example.net")
    with pytest.raises(BadCredentials):
        world.accounts.authenticate("both@example.net", PASSWORD)


@pytest.mark.parametrize("name", ["nobody@example.org", "", "\x00", "\ud800", "x" * 5000])
def test_an_unknown_name_is_refused_like_a_wrong_password(world: World, name: str) -> None:
    with pytest.raises(BadCredentials):
        world.accounts.authenticate(name, PASSWORD)


def test_an_account_without_password_cannot_log_in(world: World) -> None:
    account = world.accounts.create("nopass@example.org", None)
    for password in ("", "!", "None"):
        with pytest.raises(BadCredentials):
            world.accounts.authenticate(account.email, password)


def test_a_disabled_account_is_told_so_only_with_the_right_password(world: World) -> None:
    account = world.account()
    world.accounts.set_active(account, False)
    with pytest.raises(BadCredentials):
        world.accounts.authenticate(account.email, "wrong")
    with pytest.raises(AccountDisabled):
        world.accounts.authenticate(account.email, PASSWORD)


def test_an_old_hash_is_replaced_at_login(world: World) -> None:
    account = world.account()
    old = hashlib.sha1(PASSWORD.encode()).hexdigest()
    statement = update(tables.account).where(tables.account.c.id == account.id).values(password_hash=old)
    world.database.write(lambda tx: tx.execute(statement).rowcount)
    token = world.tokens.issue_plain(account)
    world.accounts.authenticate(account.email, PASSWORD)
    (row,) = world.rows(tables.account, id=account.id)
    assert row.password_hash.startswith("$argon2id$")
    assert world.accounts.authenticate(account.email, PASSWORD).id == account.id
    assert world.tokens.resolve(token).actor.account_id == account.id


def test_every_attempt_is_logged_with_name_address_and_outcome(world: World) -> None:
    account = world.account()
    with pytest.raises(BadCredentials):
        world.accounts.authenticate(account.email, "wrong", "192.0.2.7", via="web")
    world.accounts.authenticate(account.email, PASSWORD, "192.0.2.8")
    log = world.rows(tables.login_log, account_id=account.id)
    assert [(row.ip, row.success, row.via) for row in log] == [
        ("192.0.2.7", False, "web"),
        ("192.0.2.8", True, "api"),
    ]
    events = [event.tag for event in world.rows(tables.audit_event, actor=account.email)]
    assert events == ["web:account:login_failed", "api:account:login"]


@pytest.fixture
def strict(database: Database) -> World:
    """A world where three failures in a minute lock a name."""
    return World(database, login_limits=LoginLimits(max_failures=3, window_seconds=60))


def _fail(world: World, name: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(BadCredentials):
            world.accounts.authenticate(name, "wrong")


def test_many_failures_lock_the_account_even_for_the_right_password(strict: World) -> None:
    account = strict.account()
    _fail(strict, account.email, 3)
    with pytest.raises(LoginLocked) as raised:
        strict.accounts.authenticate(account.email, PASSWORD)
    assert raised.value.retry_after_seconds == 60


def test_the_lock_ends_when_the_window_has_moved_on(strict: World) -> None:
    account = strict.account()
    _fail(strict, account.email, 2)
    strict.clock.advance(30)
    _fail(strict, account.email, 1)
    with pytest.raises(LoginLocked) as raised:
        strict.accounts.authenticate(account.email, PASSWORD)
    assert raised.value.retry_after_seconds == 30
    strict.clock.advance(30)
    assert strict.accounts.authenticate(account.email, PASSWORD).id == account.id


def test_attempts_while_locked_do_not_prolong_the_lock(strict: World) -> None:
    account = strict.account()
    _fail(strict, account.email, 3)
    for _ in range(5):
        strict.clock.advance(10)
        with pytest.raises(LoginLocked):
            strict.accounts.authenticate(account.email, "wrong")
    strict.clock.advance(10)
    assert strict.accounts.authenticate(account.email, PASSWORD).id == account.id


def test_a_success_clears_the_count(strict: World) -> None:
    account = strict.account()
    _fail(strict, account.email, 2)
    strict.accounts.authenticate(account.email, PASSWORD)
    _fail(strict, account.email, 2)
    assert strict.accounts.authenticate(account.email, PASSWORD).id == account.id


def test_all_names_of_an_account_share_one_count(strict: World) -> None:
    account = strict.account(login_id=f"id{strict.random.random()}")
    assert account.login_id is not None
    _fail(strict, account.email, 2)
    _fail(strict, account.login_id, 1)
    with pytest.raises(LoginLocked):
        strict.accounts.authenticate(account.email, PASSWORD)


def test_names_that_nobody_has_are_locked_in_the_same_way(strict: World) -> None:
    _fail(strict, "ghost@example.org", 3)
    with pytest.raises(LoginLocked):
        strict.accounts.authenticate("GHOST@example.org", "wrong")


def test_the_lock_of_one_account_leaves_others_alone(strict: World) -> None:
    account, other = strict.account(), strict.account()
    _fail(strict, account.email, 3)
    assert strict.accounts.authenticate(other.email, PASSWORD).id == other.id


def test_the_lock_holds_for_a_second_worker(strict: World, database: Database) -> None:
    account = strict.account()
    _fail(strict, account.email, 3)
    second = World(database, clock=strict.clock, login_limits=strict.login_limits)
    with pytest.raises(LoginLocked):
        second.accounts.authenticate(account.email, PASSWORD)


def test_a_password_is_checked_without_a_login(world: World) -> None:
    account = world.account()
    assert world.accounts.verify_password(account.id, PASSWORD)
    assert not world.accounts.verify_password(account.id, "wrong")
    assert not world.accounts.verify_password(10**9, PASSWORD)
    assert world.count(tables.login_log, account_id=account.id) == 0
