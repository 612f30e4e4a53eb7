"""The feed of changes, and the tokens that open it."""

from __future__ import annotations

import json
import random
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from sqlalchemy import func, select

from seafleet.clock import FixedClock
from seafleet.db import tables
from seafleet.db.engine import Database
from seafleet.errors import TokenNotFound
from seafleet.ids import LibraryId
from seafleet.library.feed import announce
from seafleet.library.heads import HEAD_CHANGED
from seafleet.secrets import ServerSecret
from seafleet.sync.feed import KEPT_SECONDS, LATE_SECONDS, ChangeFeed, News, purge
from seafleet.sync.subscriptions import LIFETIME_SECONDS, Subscriptions

LIBRARY = LibraryId("00000000-0000-4000-8000-000000000001")


def tell(database: Database, clock: FixedClock, number: int, kind: str = HEAD_CHANGED) -> None:
    payload, now = {"commit_id": number}, clock.timestamp()
    database.write(lambda tx: announce(tx, kind, LIBRARY, payload, now))


def told(feed: ChangeFeed) -> list[int]:
    return [news.payload["commit_id"] for news in feed.read()]


@pytest.fixture
def feed(database: Database, clock: FixedClock) -> ChangeFeed:
    made = ChangeFeed(database, clock)
    made.skip()
    return made


def test_a_reader_hears_everything_once_and_in_order(
    database: Database, clock: FixedClock, feed: ChangeFeed
) -> None:
    for number in range(3):
        tell(database, clock, number)
    assert feed.read() == [News(HEAD_CHANGED, LIBRARY, {"commit_id": number}) for number in range(3)]
    assert feed.read() == []
    clock.advance(LATE_SECONDS * 2)
    tell(database, clock, 3)
    assert told(feed) == [3]
    assert feed.read() == []


def test_a_reader_begins_with_what_comes(database: Database, clock: FixedClock) -> None:
    tell(database, clock, 1)
    feed = ChangeFeed(database, clock)
    feed.skip()
    tell(database, clock, 2)
    assert told(feed) == [2]


def test_kinds_that_no_client_is_told_of_are_passed_over(
    database: Database, clock: FixedClock, feed: ChangeFeed
) -> None:
    tell(database, clock, 1, "something else")
    tell(database, clock, 2)
    assert told(feed) == [2]


def test_more_than_one_page_is_read_at_once(database: Database, clock: FixedClock, feed: ChangeFeed) -> None:
    payload = json.dumps({"commit_id": 1})
    row = {"kind": HEAD_CHANGED, "library_id": LIBRARY, "payload": payload, "at": clock.timestamp()}
    database.write(lambda tx: tx.execute(tables.change_feed.insert(), [row] * 2500).rowcount)
    assert len(feed.read()) == 2500
    assert feed.read() == []


def test_a_row_that_was_committed_late_is_told_all_the_same(
    database: Database, clock: FixedClock, feed: ChangeFeed
) -> None:
    feed._late_seconds = LATE_SECONDS
    table = tables.change_feed
    tell(database, clock, 1)
    tell(database, clock, 3)
    with database.read() as connection:
        late = connection.execute(select(func.max(table.c.id))).scalar_one() - 1
    database.write(lambda tx: tx.execute(table.delete().where(table.c.id == late)).rowcount)
    assert told(feed) == [3]
    row = {"kind": HEAD_CHANGED, "library_id": LIBRARY, "payload": '{"commit_id": 2}', "at": 1}
    database.write(lambda tx: tx.execute(table.insert(), {**row, "id": late}).rowcount)
    assert told(feed) == [2]
    assert told(feed) == []


def test_old_news_are_removed_but_for_the_newest(
    database: Database, clock: FixedClock, feed: ChangeFeed
) -> None:
    purge(database, clock)
    tell(database, clock, 1)
    tell(database, clock, 2)
    clock.advance(KEPT_SECONDS + 1)
    purge(database, clock)
    assert told(feed) == [2]
    tell(database, clock, 3)
    assert told(feed) == [3]


# -- tokens --------------------------------------------------------------------------------------------------


@pytest.fixture
def subscriptions(clock: FixedClock) -> Subscriptions:
    return Subscriptions(ServerSecret(b"0123456789abcdef0123456789abcdef", random.Random(1)), clock)


def test_a_token_is_a_json_web_token_with_the_claims_that_clients_know(
    subscriptions: Subscriptions, clock: FixedClock
) -> None:
    header, payload, _ = subscriptions.issue(LIBRARY, "ann@example.com").split(".")
    assert json.loads(urlsafe_b64decode(header + "==")) == {"alg": "HS256", "typ": "JWT"}
    assert json.loads(urlsafe_b64decode(payload + "==")) == {
        "exp": clock.timestamp() + LIFETIME_SECONDS,
        "repo_id": LIBRARY,
        "username": "ann@example.com",
    }


def test_a_token_is_read_back_until_it_runs_out(subscriptions: Subscriptions, clock: FixedClock) -> None:
    token = subscriptions.issue(LIBRARY, "ann@example.com")
    clock.advance(LIFETIME_SECONDS - 1)
    assert subscriptions.read(token).library_id == LIBRARY
    clock.advance(1)
    with pytest.raises(TokenNotFound):
        subscriptions.read(token)


def _other(text: str) -> str:
    return text[:-1] + ("A" if text[-1] != "A" else "B")


def test_a_token_with_anything_changed_is_not_ours(subscriptions: Subscriptions, clock: FixedClock) -> None:
    header, payload, signature = subscriptions.issue(LIBRARY, "ann@example.com").split(".")
    none = urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    secret = ServerSecret(b"another secret of 32 bytes......", random.Random(1))
    foreign = Subscriptions(secret, clock).issue(LIBRARY, "ann@example.com")
    for token in (
        f"{none}.{payload}.",
        f"{none}.{payload}.{signature}",
        f"{header}.{payload}.",
        f"{header}.{payload}.{_other(signature[:-1]) + signature[-1]}",
        f"{header}.{_other(payload)}.{signature}",
        f"{header}.{payload}",
        foreign,
        "",
        "...",
        "é.é.é",
    ):
        with pytest.raises(TokenNotFound):
            subscriptions.read(token)
