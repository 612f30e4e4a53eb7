"""Limits on how often somebody may ask."""

from __future__ import annotations

import asyncio

import pytest

from seafleet.accounts.throttle import Counters, MemoryCounters, TableCounters, Throttle
from seafleet.clock import FixedClock
from seafleet.db import tables
from seafleet.db.engine import Database, WouldBlock
from seafleet.errors import Throttled


@pytest.fixture
def clock() -> FixedClock:
    """A clock at the beginning of a minute."""
    return FixedClock(1_700_000_040.0)


@pytest.fixture(params=["memory", "table"])
def counters(request: pytest.FixtureRequest, database: Database) -> Counters:
    """Both ways of counting."""
    if request.param == "memory":
        return MemoryCounters()
    database.write(lambda tx: tx.execute(tables.throttle_window.delete()).rowcount)
    return TableCounters(database)


def _hits(throttle: Throttle, scope: str, key: str, most: int) -> int:
    """Return how many requests are let through, at most `most`."""
    for number in range(most):
        try:
            throttle.hit(scope, key)
        except Throttled:
            return number
    return most


def test_the_limit_of_a_scope_is_let_through_and_no_more(clock: FixedClock, counters: Counters) -> None:
    throttle = Throttle(clock, counters)
    assert _hits(throttle, "anon", "192.0.2.1", 100) == 60
    assert _hits(throttle, "anon", "192.0.2.2", 100) == 60
    assert _hits(throttle, "ping", "192.0.2.1", 100) == 100


def test_a_refusal_says_when_to_come_back(clock: FixedClock, counters: Counters) -> None:
    throttle = Throttle(clock, counters, limits={"anon": 2})
    throttle.hit("anon", "a")
    clock.advance(21.5)
    throttle.hit("anon", "a")
    with pytest.raises(Throttled) as raised:
        throttle.hit("anon", "a")
    assert (raised.value.scope, raised.value.retry_after_seconds) == ("anon", 39)


def test_after_a_minute_and_its_successor_everything_is_allowed_again(
    clock: FixedClock, counters: Counters
) -> None:
    throttle = Throttle(clock, counters, limits={"anon": 5})
    assert _hits(throttle, "anon", "a", 9) == 5
    clock.advance(120)
    assert _hits(throttle, "anon", "a", 9) == 5


def test_refused_requests_do_not_count(clock: FixedClock) -> None:
    throttle = Throttle(clock, limits={"anon": 2})
    assert _hits(throttle, "anon", "a", 3) == 2
    for _ in range(59):
        clock.advance(1)
        assert _hits(throttle, "anon", "a", 1) == 0
    clock.advance(1)
    assert _hits(throttle, "anon", "a", 3) == 2


def test_the_window_slides(clock: FixedClock) -> None:
    throttle = Throttle(clock, limits={"anon": 2})
    throttle.hit("anon", "a")
    clock.advance(40)
    throttle.hit("anon", "a")
    clock.advance(20)
    throttle.hit("anon", "a")
    with pytest.raises(Throttled):
        throttle.hit("anon", "a")


@pytest.mark.parametrize("address", ["10.1.2.3", "2001:db8::7"])
def test_exempt_networks_are_not_counted(clock: FixedClock, address: str) -> None:
    throttle = Throttle(clock, limits={"anon": 1}, exempt=["10.0.0.0/8", "2001:db8::/32"])
    assert _hits(throttle, "anon", address, 9) == 9
    for _ in range(9):
        throttle.hit("anon", "7", address)


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1,192.0.2.1", "unknown", ""])
def test_other_addresses_are_counted(clock: FixedClock, address: str) -> None:
    throttle = Throttle(clock, limits={"anon": 1}, exempt=["10.0.0.0/8"])
    assert _hits(throttle, "anon", address, 9) == 1


def test_a_scope_without_limit_is_not_counted(clock: FixedClock) -> None:
    throttle = Throttle(clock, limits={"ping": 0})
    assert _hits(throttle, "ping", "a", 9) == 9
    assert _hits(throttle, "unheard-of", "a", 9) == 9


def test_memory_is_bounded_and_the_idle_go_first(clock: FixedClock) -> None:
    counters = MemoryCounters(max_keys=3)
    throttle = Throttle(clock, counters, limits={"anon": 1})
    throttle.hit("anon", "idle")
    clock.advance(60)
    for key in "abcdefgh":
        throttle.hit("anon", key)
        assert len(counters._hits) <= 3
    with pytest.raises(Throttled):
        throttle.hit("anon", "h")


def test_two_workers_share_the_counters_of_a_table(clock: FixedClock, database: Database) -> None:
    workers = [Throttle(clock, TableCounters(database), limits={"anon": 20}) for _ in range(2)]
    allowed = 0
    for turn in range(60):
        allowed += _hits(workers[turn % 2], "anon", "shared", 1)
    # Each worker may be one request ahead of what the other has told.
    assert 20 <= allowed <= 22


def test_a_new_worker_learns_what_was_counted_before_it_came(clock: FixedClock, database: Database) -> None:
    first = Throttle(clock, TableCounters(database), limits={"anon": 3})
    assert _hits(first, "anon", "late", 9) == 3
    clock.advance(1)
    assert _hits(first, "anon", "late", 9) == 0
    second = Throttle(clock, TableCounters(database), limits={"anon": 3})
    assert _hits(second, "anon", "late", 9) == 0


def test_the_table_counts_the_last_minute_by_the_part_that_is_left_of_it(
    clock: FixedClock, database: Database
) -> None:
    throttle = Throttle(clock, TableCounters(database), limits={"anon": 10})
    assert _hits(throttle, "anon", "slide", 99) == 10
    clock.advance(60)
    assert _hits(throttle, "anon", "slide", 99) == 0
    clock.advance(30)
    assert _hits(throttle, "anon", "slide", 99) == 5
    with pytest.raises(Throttled) as raised:
        throttle.hit("anon", "slide")
    assert 1 <= raised.value.retry_after_seconds <= 30


def test_many_hits_of_one_worker_cost_few_writes(clock: FixedClock, database: Database) -> None:
    counters = TableCounters(database)
    throttle = Throttle(clock, counters, limits={"user": 3000})
    for _ in range(500):
        throttle.hit("user", 7)
    with database.read() as connection:
        hits = connection.execute(
            tables.throttle_window.select().where(tables.throttle_window.c.key == "user:7")
        ).one()
    assert hits.hits == 450


def test_hits_that_cannot_be_written_now_are_written_later(clock: FixedClock, database: Database) -> None:
    throttle = Throttle(clock, TableCounters(database), limits={"user": 60})
    assert _hits(throttle, "user", "loop", 2) == 2

    async def on_the_loop() -> None:
        with pytest.raises(WouldBlock):
            throttle.hit("user", "loop")

    asyncio.run(on_the_loop())
    clock.advance(2)
    throttle.hit("user", "loop")
    with database.read() as connection:
        hits = connection.execute(
            tables.throttle_window.select().where(tables.throttle_window.c.key == "user:loop")
        ).one()
    assert hits.hits == 2


def test_long_and_odd_keys_are_counted_too(clock: FixedClock, counters: Counters) -> None:
    throttle = Throttle(clock, counters, limits={"anon": 1})
    for key in ("x" * 500, "\x00", "é", "\ud800"):
        assert _hits(throttle, "anon", key, 3) == 1


def test_old_windows_are_cleared_away(clock: FixedClock, database: Database) -> None:
    counters = TableCounters(database)
    throttle = Throttle(clock, counters, limits={"anon": 5})
    _hits(throttle, "anon", "old", 3)
    counters.purge(clock.seconds + 300)
    with database.read() as connection:
        assert connection.execute(tables.throttle_window.select()).first() is None


def test_cleaning_up_forgets_only_what_no_longer_counts(clock: FixedClock, counters: Counters) -> None:
    throttle = Throttle(clock, counters, limits={"anon": 2})
    assert _hits(throttle, "anon", "a", 9) == 2
    throttle.purge()
    assert _hits(throttle, "anon", "a", 9) == 0
    clock.advance(180)
    throttle.purge()
    assert _hits(throttle, "anon", "a", 9) == 2
