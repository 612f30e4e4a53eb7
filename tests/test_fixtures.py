"""The test fixtures themselves: each kind of database works, is empty, and is not shared."""

from __future__ import annotations

import socket

import pytest
from sqlalchemy import create_engine, inspect, text

from tests.support.postgresql import PostgresqlServer


def create_marker(url: str) -> list[str]:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE marker (id INTEGER PRIMARY KEY)"))
    names = inspect(engine).get_table_names()
    engine.dispose()
    return names


@pytest.mark.parametrize("turn", [1, 2])
def test_every_test_gets_an_empty_database(database_url: str, turn: int) -> None:
    assert create_marker(database_url) == ["marker"], f"turn {turn}"


def test_a_database_can_be_copied_from_a_template(postgresql_server: PostgresqlServer) -> None:
    with postgresql_server.database() as original:
        create_marker(original)
        with postgresql_server.database(template=original) as copy:
            engine = create_engine(copy)
            assert inspect(engine).get_table_names() == ["marker"]
            engine.dispose()


def test_only_test_databases_can_be_dropped(postgresql_server: PostgresqlServer) -> None:
    with pytest.raises(AssertionError, match="refusing"):
        postgresql_server.drop_database(postgresql_server.admin_url)


def test_connections_that_leave_the_machine_are_refused() -> None:
    with socket.socket() as sock, pytest.raises(pytest.fail.Exception, match="tried to reach"):
        sock.connect(("203.0.113.1", 9))
