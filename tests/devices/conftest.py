"""A world of its own for each test, on a database that the tests of a module share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from seafleet.db.engine import Database
from tests.devices.site import RegistrySite
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator


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


@pytest.fixture
def site(database: Database) -> RegistrySite:
    """A registry with default settings and an organization of its own."""
    return RegistrySite(database)
