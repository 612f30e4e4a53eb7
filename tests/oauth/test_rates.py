"""Limits of calls within a minute."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from seafleet.clock import FixedClock
from seafleet.db.engine import Database
from seafleet.db.tables import api_rate
from seafleet.oauth.rates import Allowance, Rates

_numbers = itertools.count()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def rates(database: Database, clock: FixedClock) -> Rates:
    return Rates(database, clock)


@pytest.fixture
def key() -> str:
    return f"key {next(_numbers)}"


def test_what_remains_falls_to_nothing_and_then_a_call_is_refused(
    rates: Rates, clock: FixedClock, key: str
) -> None:
    for remaining in (2, 1):
        assert rates.take(key, 3) == Allowance(True, 3, remaining, 0)
        clock.advance(1)
    assert rates.take(key, 3) == Allowance(True, 3, 0, 58)
    assert rates.take(key, 3) == Allowance(False, 3, 0, 58)


def test_the_window_slides(rates: Rates, clock: FixedClock, key: str) -> None:
    rates.take(key, 2)
    clock.advance(30.5)
    rates.take(key, 2)
    assert rates.take(key, 2).reset_seconds == 30
    clock.advance(29.5)
    assert rates.take(key, 2).allowed
    assert rates.take(key, 2) == Allowance(False, 2, 0, 31)


def test_a_refused_call_does_not_count(rates: Rates, clock: FixedClock, key: str) -> None:
    rates.take(key, 1)
    clock.advance(59)
    assert not rates.take(key, 1).allowed
    clock.advance(1)
    assert rates.take(key, 1).allowed


def test_keys_are_counted_apart(rates: Rates, key: str) -> None:
    rates.take(key, 1)
    assert rates.take(key + " too", 1).allowed


def test_a_lower_limit_holds_at_once(rates: Rates, clock: FixedClock, key: str) -> None:
    for _ in range(3):
        rates.take(key, 3)
        clock.advance(10)
    assert rates.take(key, 2) == Allowance(False, 2, 0, 40)


def test_a_clock_that_is_set_back_locks_nobody_out(rates: Rates, clock: FixedClock, key: str) -> None:
    rates.take(key, 1)
    clock.advance(-3600)
    assert rates.take(key, 1).allowed


def test_calls_at_the_same_instant_are_counted_exactly(rates: Rates, key: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: rates.take(key, 5), range(12)))
    assert sum(allowance.allowed for allowance in taken) == 5


def test_keys_that_are_not_used_are_forgotten(
    database: Database, rates: Rates, clock: FixedClock, key: str
) -> None:
    rates.take(key, 1)
    clock.advance(121)
    rates.take(key + " later", 1)
    rates.purge()
    with database.read() as connection:
        assert connection.execute(select(func.count()).where(api_rate.c.key == key)).scalar_one() == 0
    assert not rates.take(key + " later", 1).allowed
