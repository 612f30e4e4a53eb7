"""One open database for each module and kind, emptied of values before each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete

from seafleet.db.engine import Database
from seafleet.db.tables import setting

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def module_database(module_database_url: str) -> Iterator[Database]:
    database = Database.open(module_database_url, pool_size=6)
    yield database
    database.close()


@pytest.fixture
def database(module_database: Database) -> Database:
    module_database.write(lambda tx: tx.execute(delete(setting)).rowcount)
    return module_database
