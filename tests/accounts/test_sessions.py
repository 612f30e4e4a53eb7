"""Browser sessions."""

from __future__ import annotations

import hashlib

import pytest
from sqlalchemy import select

from seafleet.accounts.model import Account
from seafleet.accounts.sessions import LIFETIME_SECONDS, TOUCH_SECONDS, WebSessions
from seafleet.db.tables import audit_event, web_session
from seafleet.errors import TokenNotFound
from tests.support.world import World


@pytest.fixture
def sessions(world: World) -> WebSessions:
    return WebSessions(world.database, world.clock, world.random, world.secret, world.audit)


@pytest.fixture
def ann(world: World) -> Account:
    return world.account(is_staff=True)


def is_over(sessions: WebSessions, token: str) -> bool:
    try:
        sessions.resolve(token)
    except TokenNotFound:
        return True
    return False


def test_a_session_stands_for_its_account(sessions: WebSessions, ann: Account) -> None:
    actor = sessions.resolve(sessions.start(ann, "192.0.2.1", "Browser\0 1"))
    assert (actor.account_id, actor.email, actor.is_staff) == (ann.id, ann.email, True)
    assert actor.device is None
    assert actor.token_id is None


def test_each_login_gets_a_session_of_its_own(sessions: WebSessions, ann: Account) -> None:
    first, second = sessions.start(ann), sessions.start(ann)
    sessions.end(first)
    assert is_over(sessions, first)
    assert not is_over(sessions, second)


def test_sessions_are_stored_as_hashes(world: World, sessions: WebSessions, ann: Account) -> None:
    token = sessions.start(ann)
    with world.database.read() as connection:
        stored = connection.execute(
            select(web_session.c.token_hash).where(web_session.c.account_id == ann.id)
        ).scalar_one()
    assert stored == hashlib.sha256(token.encode()).hexdigest()


@pytest.mark.parametrize("token", ["", "x", "0" * 64, "0" * 63, "ü" * 64])
def test_what_is_no_session_stands_for_nobody(sessions: WebSessions, token: str) -> None:
    assert is_over(sessions, token)
    sessions.end(token)


def test_a_session_ends_two_weeks_after_its_last_use(
    world: World, sessions: WebSessions, ann: Account
) -> None:
    token = sessions.start(ann)
    for _ in range(3):
        world.clock.advance(LIFETIME_SECONDS - 1)
        assert not is_over(sessions, token)
    world.clock.advance(LIFETIME_SECONDS)
    assert is_over(sessions, token)


def test_a_use_is_written_down_every_ten_minutes(world: World, sessions: WebSessions, ann: Account) -> None:
    token = sessions.start(ann, "192.0.2.1")
    row = select(web_session.c.ip).where(web_session.c.account_id == ann.id)
    world.clock.advance(TOUCH_SECONDS - 1)
    sessions.resolve(token, "192.0.2.2")
    with world.database.read() as connection:
        assert connection.execute(row).scalar_one() == "192.0.2.1"
    world.clock.advance(1)
    sessions.resolve(token, "192.0.2.2")
    with world.database.read() as connection:
        assert connection.execute(row).scalar_one() == "192.0.2.2"


def test_sessions_end_with_the_password(world: World, sessions: WebSessions, ann: Account) -> None:
    token = sessions.start(ann)
    world.accounts.set_password(ann, "another one")
    assert is_over(sessions, token)


def test_sessions_end_when_the_account_is_switched_off(
    world: World, sessions: WebSessions, ann: Account
) -> None:
    token = sessions.start(ann)
    world.accounts.set_active(ann, active=False)
    assert is_over(sessions, token)
    world.accounts.set_active(ann, active=True)
    assert is_over(sessions, token)


def test_logging_out_is_audited_once(world: World, sessions: WebSessions, ann: Account) -> None:
    token = sessions.start(ann)
    sessions.end(token, "192.0.2.1")
    sessions.end(token, "192.0.2.1")
    with world.database.read() as connection:
        rows = connection.execute(
            select(audit_event.c.tag, audit_event.c.ip).where(
                audit_event.c.actor == ann.email, audit_event.c.tag == "web:account:logout"
            )
        ).all()
    assert [tuple(row) for row in rows] == [("web:account:logout", "192.0.2.1")]


def test_form_tokens_belong_to_their_session(sessions: WebSessions, ann: Account) -> None:
    first, second = sessions.start(ann), sessions.start(ann)
    assert sessions.is_form_token(first, sessions.form_token(first))
    for wrong in (sessions.form_token(second), "", first, "ü"):
        assert not sessions.is_form_token(first, wrong)
    assert sessions.new_form_cookie() != sessions.new_form_cookie()


def test_ended_sessions_are_purged(world: World, sessions: WebSessions, ann: Account) -> None:
    sessions.start(ann)
    world.clock.advance(LIFETIME_SECONDS)
    lasting = sessions.start(ann)
    sessions.purge()
    with world.database.read() as connection:
        rows = connection.execute(
            select(web_session.c.token_hash).where(web_session.c.account_id == ann.id)
        ).all()
    assert len(rows) == 1
    assert not is_over(sessions, lasting)
