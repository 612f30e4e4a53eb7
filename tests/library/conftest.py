"""One open database for each module and kind; every test makes accounts and libraries of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from seafleet.db.engine import Database
from tests.library.site import Site


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = Database.open(str(tmp_path_factory.mktemp("libraries") / "test.db"))
    yield database
    database.close()


@pytest.fixture
def site(sqlite: Database) -> Iterator[Site]:
    """Libraries on SQLite."""
    opened = Site(sqlite)
    yield opened
    opened.libraries.close()


@pytest.fixture(scope="module")
def each_database(module_database_url: str) -> Iterator[Database]:
    database = Database.open(module_database_url, pool_size=12)
    yield database
    database.close()


@pytest.fixture
def each_site(each_database: Database) -> Iterator[Site]:
    """Libraries on each kind of database in turn."""
    opened = Site(each_database)
    yield opened
    opened.libraries.close()
