"""A server in this process on each kind of database, and people on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import DATABASES
from tests.manual.scene import People, Scene, make_scene
from tests.support.inprocess import InProcessServer


@pytest.fixture(scope="package", params=DATABASES)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[InProcessServer]:
    """A server that all tests of this folder share."""
    data = tmp_path_factory.mktemp("manual") / "data"
    settings = {"throttle_exempt": "127.0.0.0/8"}
    if request.param == "sqlite":
        with InProcessServer(data, **settings) as running:
            yield running
    else:
        databases = request.getfixturevalue("postgresql_server")
        with databases.database() as url, InProcessServer(data, database_url=url, **settings) as running:
            yield running


@pytest.fixture(scope="package")
def people(server: InProcessServer) -> People:
    """Callers of every standing."""
    return People(server)


@pytest.fixture
def scene(server: InProcessServer, people: People) -> Scene:
    """A library of this test's own."""
    return make_scene(server, people)


@pytest.fixture(scope="module")
def stage(server: InProcessServer, people: People) -> Scene:
    """A library that tests of a module share, which leave it as it is."""
    return make_scene(server, people)
