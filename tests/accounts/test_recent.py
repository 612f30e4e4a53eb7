"""Logins that are remembered for a moment."""

from __future__ import annotations

import pytest

from seafleet.accounts.recent import MAX_ENTRIES, REMEMBER_SECONDS
from seafleet.db import tables
from seafleet.errors import AccountDisabled, BadCredentials
from tests.support.world import PASSWORD, World


def logins(world: World, account_id: int) -> int:
    """Count the lines of the login log."""
    return world.count(tables.login_log, account_id=account_id)


def test_who_logged_in_just_now_is_not_checked_again(world: World) -> None:
    account = world.account()
    for _ in range(3):
        assert world.accounts.recent.authenticate(account.email, PASSWORD, "", "test").id == account.id
    assert logins(world, account.id) == 1
    world.clock.advance(REMEMBER_SECONDS)
    world.accounts.recent.authenticate(account.email, PASSWORD, "", "test")
    assert logins(world, account.id) == 2


def test_another_password_is_checked_at_once(world: World) -> None:
    account = world.account()
    world.accounts.recent.authenticate(account.email, PASSWORD, "", "test")
    for name, password in (
        (account.email, PASSWORD + "x"),
        (account.email, ""),
        (account.email + PASSWORD[0], PASSWORD[1:]),
    ):
        with pytest.raises(BadCredentials):
            world.accounts.recent.authenticate(name, password, "", "test")


def test_a_changed_password_a_switch_and_a_deletion_end_it_at_once(world: World) -> None:
    changed, disabled, deleted = world.account(), world.account(), world.account()
    for account in (changed, disabled, deleted):
        world.accounts.recent.authenticate(account.email, PASSWORD, "", "test")
    world.accounts.set_password(changed, "another")
    world.accounts.set_active(disabled, False)
    world.accounts.delete(deleted)
    for account, error in ((changed, BadCredentials), (disabled, AccountDisabled), (deleted, BadCredentials)):
        with pytest.raises(error):
            world.accounts.recent.authenticate(account.email, PASSWORD, "", "test")


def test_an_account_that_another_worker_switched_off_is_not_let_in(world: World) -> None:
    account = world.account()
    world.accounts.recent.authenticate(account.email, PASSWORD, "", "test")
    other = World(world.database, clock=world.clock)
    other.accounts.set_active(account, False)
    with pytest.raises(AccountDisabled):
        world.accounts.recent.authenticate(account.email, PASSWORD, "", "test")


def test_only_so_many_are_remembered(world: World) -> None:
    account = world.account(login_id="first")
    recent = world.accounts.recent
    recent.authenticate("first", PASSWORD, "", "test")
    for blanks in range(1, MAX_ENTRIES + 1):
        recent._known[b"%d" % blanks] = recent._known[next(iter(recent._known))]
    recent.authenticate(account.email, PASSWORD, "", "test")
    assert len(recent._known) == MAX_ENTRIES
    recent.authenticate("first", PASSWORD, "", "test")
    assert logins(world, account.id) == 3
