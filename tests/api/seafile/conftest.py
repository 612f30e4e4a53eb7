"""A whole server in this process, on a fresh data folder, with quick passwords."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from seafleet.accounts import Account
from seafleet.api.services import Services
from seafleet.app import Server, create_app
from seafleet.settings import Settings
from tests.support.asgi import Client
from tests.support.world import FAST

PASSWORD = "correct horse"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that all tests of a module share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seafleet.accounts.service.Passwords", lambda: FAST)
        folder: Path = tmp_path_factory.mktemp("server") / "data"
        settings = Settings.load(
            data=folder,
            admin_email="admin@example.com",
            admin_password=PASSWORD,
            access_log=False,
            throttle_exempt="192.0.2.0/24",
        )
        app = create_app(settings)
        yield app
        app.close()


@pytest.fixture(scope="module")
def services(server: Server) -> Services:
    return server.services


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Client]:
    """A caller without a token."""
    with Client(server) as client:
        yield client


@pytest.fixture
def account(services: Services) -> Account:
    """An account that is this test's alone."""
    return services.accounts.create(f"user{next(_numbers)}@example.com", PASSWORD)


@pytest.fixture
def token(services: Services, account: Account) -> str:
    """A plain token of that account."""
    return services.tokens.issue_plain(account)
