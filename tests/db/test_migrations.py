"""Databases are made and brought up to date at the start, by one worker, wholly or not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import NullPool, create_engine, inspect, select, text
from sqlalchemy.exc import DBAPIError

from seafleet.db import migrations
from seafleet.db.engine import Database
from seafleet.db.migrations import MIGRATIONS, Migration, SchemaTooNew
from seafleet.db.tables import change_feed, metadata, organization, schema_version
from tools import freeze_schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Inspector

    from tests.support.postgresql import PostgresqlServer


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        yield connection


def described(inspector: Inspector) -> dict[str, Any]:
    """Answer all that the database knows of its tables, apart from the order in which it tells."""
    return {name: _table(inspector, name) for name in inspector.get_table_names()}


def _table(inspector: Inspector, name: str) -> dict[str, Any]:
    columns = [{**column, "type": str(column["type"])} for column in inspector.get_columns(name)]
    return {
        "columns": columns,
        "key": inspector.get_pk_constraint(name),
        "references": sorted(map(str, inspector.get_foreign_keys(name))),
        "unique": sorted(map(str, inspector.get_unique_constraints(name))),
        "indexes": sorted(str(_index(index)) for index in inspector.get_indexes(name)),
    }


def _index(index: Any) -> dict[str, Any]:
    options = {key: str(value) for key, value in index.get("dialect_options", {}).items()}
    return {**index, "dialect_options": options}


@pytest.fixture
def other_url(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A second empty database of the same kind."""
    if database_url.startswith("sqlite"):
        yield f"sqlite:///{tmp_path / 'other.db'}"
    else:
        server: PostgresqlServer = request.getfixturevalue("postgresql_server")
        with server.database() as url:
            yield url


def test_migrations_make_exactly_the_tables_that_the_code_declares(database_url: str, other_url: str) -> None:
    Database.open(database_url).close()
    with connected(other_url) as connection:
        metadata.create_all(connection)
        declared = described(inspect(connection))
    with connected(database_url) as connection:
        migrated = described(inspect(connection))
    assert migrated == declared
    assert len(migrated) == len(metadata.tables)


@pytest.mark.parametrize("name", freeze_schema.DIALECTS)
def test_the_first_migration_is_what_the_tool_writes(name: str) -> None:
    assert freeze_schema.target(name).read_text() == freeze_schema.schema(name), (
        "tables changed: run `python -m tools.freeze_schema`"
    )


def test_a_new_database_has_the_newest_version_and_the_first_organization(database_url: str) -> None:
    database = Database.open(database_url)
    with database.read() as connection:
        assert connection.execute(select(schema_version.c.version)).scalars().all() == [
            migration.version for migration in MIGRATIONS
        ]
        assert connection.execute(select(organization.c.id)).scalars().all() == [1]
    database.close()


def test_migrations_are_numbered_without_gaps() -> None:
    assert [migration.version for migration in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


def test_opening_again_applies_what_is_new_and_nothing_twice(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Database.open(database_url).close()
    applied: list[int] = []
    later = Migration(len(MIGRATIONS) + 1, lambda connection: applied.append(len(MIGRATIONS) + 1))
    monkeypatch.setattr(migrations, "MIGRATIONS", (*MIGRATIONS, later))
    for _ in range(2):
        Database.open(database_url).close()
    assert applied == [later.version]


def test_a_newer_database_is_refused_with_a_sentence(database_url: str) -> None:
    Database.open(database_url).close()
    with connected(database_url) as connection:
        connection.execute(schema_version.insert().values(version=999))
    with pytest.raises(SchemaTooNew, match=r"schema version 999.*newer program"):
        Database.open(database_url)


def test_a_migration_that_fails_leaves_nothing_behind(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_half_way(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE half (a INTEGER)"))
        connection.execute(text("SELECT nothing FROM nowhere"))

    broken = Migration(len(MIGRATIONS) + 1, fail_half_way)
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", (*MIGRATIONS, broken))
        with pytest.raises(DBAPIError):
            Database.open(database_url)
    with connected(database_url) as connection:
        assert inspect(connection).get_table_names() == []
    Database.open(database_url).close()


def test_workers_that_start_together_migrate_once(database_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        databases = list(pool.map(Database.open, [database_url] * 4))
    with databases[0].read() as connection:
        assert len(connection.execute(select(schema_version)).all()) == len(MIGRATIONS)
    for database in databases:
        database.close()


def test_the_number_of_a_deleted_row_is_never_used_again(database_url: str) -> None:
    database = Database.open(database_url)
    row = {"kind": "k", "payload": "", "at": 0}
    numbers = []
    for _ in range(3):
        result = database.write(lambda tx: tx.execute(change_feed.insert(), row).inserted_primary_key)
        assert result is not None
        numbers.append(result[0])
        database.write(lambda tx: tx.execute(change_feed.delete()).rowcount)
    assert numbers == [1, 2, 3]
    database.close()
