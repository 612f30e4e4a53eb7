"""Fixtures of running servers; `tests/conftest.py` makes them known to every test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.server import RunningServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.postgresql import PostgresqlServer
    from tests.support.server import ApiClient


@pytest.fixture(scope="session")
def sqlite_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server on SQLite that all tests of a worker share; each test makes its own users and libraries."""
    server = RunningServer(tmp_path_factory.mktemp("server") / "data").start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgresql_backed_server(
    tmp_path_factory: pytest.TempPathFactory, postgresql_server: PostgresqlServer
) -> Iterator[RunningServer]:
    """A server on PostgreSQL that all tests of a worker share."""
    with postgresql_server.database() as url:
        server = RunningServer(tmp_path_factory.mktemp("server") / "data", url).start()
        yield server
        server.stop()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest) -> RunningServer:
    """The shared server, once on each database."""
    name = {"sqlite": "sqlite_server", "postgresql": "postgresql_backed_server"}[request.param]
    running: RunningServer = request.getfixturevalue(name)
    return running


@pytest.fixture(scope="session")
def alice(server: RunningServer) -> ApiClient:
    """A user that tests of one worker share; libraries are made anew by each."""
    return server.user("alice")


@pytest.fixture(scope="session")
def bob(server: RunningServer) -> ApiClient:
    """Another one, who has nothing to do with alice."""
    return server.user("bob")


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RunningServer]:
    """A server on SQLite for one test alone, which may stop, kill and restart it."""
    server = RunningServer(tmp_path / "data").start()
    yield server
    if server.process is not None and server.process.poll() is None:
        server.stop()
