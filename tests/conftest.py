"""Fixtures and settings for every test: deterministic properties, no network, databases of both kinds."""

from __future__ import annotations

import ipaddress
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support.postgresql import PostgresqlServer, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest_plugins = ("tests.support.fixtures",)

DATABASES = ("sqlite", "postgresql")

# The default finds the same examples every time, so that a red run is red for everybody;
# SEAFLEET_HYPOTHESIS=deep searches on with fresh randomness and prints how to repeat a failure.
settings.register_profile("default", derandomize=True, deadline=None, max_examples=50, database=None)
settings.register_profile(
    "deep",
    deadline=None,
    max_examples=2000,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("SEAFLEET_HYPOTHESIS", "default"))


def _is_local(address: object) -> bool:
    if not isinstance(address, tuple):
        return True  # a Unix socket's path
    host = str(address[0])
    return (
        host in ("", "localhost")
        or (host[0].isdigit() and ipaddress.ip_address(host).is_loopback)
        or host == "::1"
    )


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """Refuse connections that would leave this machine."""
    real_connect = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if not _is_local(address):
            pytest.fail(f"a test tried to reach {address}")
        real_connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        yield


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """A running PostgreSQL: one for each test worker, started when the first test asks for it."""
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_url(postgresql_server: PostgresqlServer) -> str:
    """The URL of one database that all tests of a worker share; for tests that leave it as it was."""
    return postgresql_server.create_database()


def _fresh_database(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'test.db'}"
    else:
        server: PostgresqlServer = request.getfixturevalue("postgresql_server")
        with server.database() as url:
            yield url


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database, once for each kind of database; it is this test's alone."""
    yield from _fresh_database(request.param, request, tmp_path)


@pytest.fixture(params=DATABASES, scope="module")
def module_database_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Like ``database_url``, shared by the tests of one module."""
    yield from _fresh_database(request.param, request, tmp_path_factory.mktemp("database"))
