"""A server that the tests of the sync protocol share, on each database; each makes libraries of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from seafleet.accounts.model import Account
from seafleet.actor import Actor
from seafleet.devices.model import DeviceInfo
from seafleet.library.model import Head
from tests.support.inprocess import InProcessServer
from tests.support.peer import Peer

_numbers = itertools.count(1)


@pytest.fixture(scope="package", params=["sqlite", "postgresql"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[InProcessServer]:
    """A server, once on each database."""
    data = tmp_path_factory.mktemp("sync") / "data"
    if request.param == "sqlite":
        with InProcessServer(data) as running:
            yield running
    else:
        with (
            request.getfixturevalue("postgresql_server").database() as url,
            InProcessServer(data, database_url=url) as running,
        ):
            yield running


@dataclass
class Site:
    """One account's library, and the clients that synchronise it."""

    server: InProcessServer
    owner: Account
    library: Head

    def peer(self, actor: Account | Actor | None = None, **values: Any) -> Peer:
        """Return a client of an account, of the owner unless told otherwise."""
        who = actor or self.owner
        actor = who if isinstance(who, Actor) else Actor(who.id, who.email, role=who.role)
        token = self.server.services.sync_tokens.issue(self.library.library_id, actor)
        return Peer(
            self.server.url,
            self.library.library_id,
            token,
            email=actor.email,
            http=self.server.http,
            **values,
        )

    def on_device(self, account: Account | None = None) -> tuple[Actor, Peer]:
        """Log an account in on a new device; return who acts there, and its client."""
        tokens = self.server.services.tokens
        info = DeviceInfo.of("linux", f"{next(_numbers):040x}", "desk")
        actor = tokens.resolve(tokens.connect(account or self.owner, info).token).actor
        return actor, self.peer(actor, peer_id=info.device_id)

    def head(self) -> Head:
        """Return the library as it is now."""
        return self.server.head(self.library)


@pytest.fixture
def site(server: InProcessServer) -> Site:
    """A fresh account with an empty library."""
    owner = server.account()
    return Site(server, owner, server.library(owner))


@pytest.fixture
def peer(site: Site) -> Peer:
    """A client of the owner."""
    return site.peer()
