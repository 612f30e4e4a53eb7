"""A world of its own for each test, on a database that the tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from seafleet.db.engine import Database
from tests.support.world import World


@pytest.fixture(scope="module")
def database(module_database_url: str) -> Iterator[Database]:
    """An open database, once for each kind."""
    opened = Database.open(module_database_url)
    yield opened
    opened.close()


@pytest.fixture
def world(database: Database) -> World:
    """Fresh services with a clock of their own."""
    return World(database)
