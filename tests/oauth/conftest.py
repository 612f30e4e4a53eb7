"""OAuth on a database that the tests of a module share, with an administrator and an application for each."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from seafleet.accounts.model import Account
from seafleet.actor import Actor
from seafleet.db.engine import Database
from seafleet.devices.clients import OAuthClient, OAuthClients
from seafleet.devices.origin import Origin
from seafleet.oauth.model import Answer
from seafleet.oauth.service import OAuth
from seafleet.oauth.tokens import TokenStore
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLBACK = "https://app.example.org/cb?kept=1"
ORIGIN = Origin("user", "admin@example.org", "native")
_seeds = itertools.count(9000)


@dataclass
class Site:
    """Services of one server, an administrator, and his application."""

    database: Database
    access_seconds: int = 3600
    world: World = field(init=False)

    def __post_init__(self) -> None:
        self.world = World(self.database, random=random.Random(next(_seeds)))
        self.clients = OAuthClients(self.database, self.world.clock, self.world.random)
        self.store = TokenStore(
            self.database,
            self.world.clock,
            self.world.random,
            self.world.audit,
            lambda: self.access_seconds,
        )
        self.oauth = OAuth(self.clients, self.store)
        self.admin = self.world.account(is_staff=True)
        self.client, self.secret = self.application()

    def application(self, maker: Account | None = None) -> tuple[OAuthClient, str]:
        """Register an application."""
        account_id = (maker or self.admin).id
        return self.clients.create("Access control", 1, [CALLBACK, "app:/cb"], account_id, ORIGIN)

    @property
    def giver(self) -> Actor:
        """The administrator in a browser."""
        return self.world.actor(self.admin)

    def token(self, grant_type: str, **fields: str) -> Answer:
        """Ask the token endpoint, with the application's id and secret unless others are given."""
        sent = {
            "grant_type": grant_type,
            "client_id": self.client.client_id,
            "client_secret": self.secret,
            **fields,
        }
        return self.oauth.token({name: [value] for name, value in sent.items()})

    def asked(self, **fields: str) -> dict[str, list[str]]:
        """Return what an application sends a browser here with."""
        sent = {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": CALLBACK,
            "state": "s 1&2",
            **fields,
        }
        return {name: [value] for name, value in sent.items()}

    def code(self, **fields: str) -> str:
        """Have the administrator let the application in, and return its code."""
        url = self.oauth.allow(self.oauth.authorization(self.asked(**fields)), self.giver)
        return query(url)["code"]

    def exchange(self, code: str, **fields: str) -> Answer:
        """Exchange a code."""
        return self.token("authorization_code", code=code, **{"redirect_uri": CALLBACK, **fields})


def query(url: str) -> dict[str, str]:
    """Return the parameters of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def error(answer: Answer) -> tuple[int, Any]:
    """Return status and code of a refusal, which always comes with a sentence."""
    assert answer.body["error_description"]
    assert "access_token" not in answer.body
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.status, answer.body["error"]


@pytest.fixture(scope="module")
def database(module_database_url: str) -> Iterator[Database]:
    """An open database, once for each kind."""
    opened = Database.open(module_database_url)
    yield opened
    opened.close()


@pytest.fixture
def site(database: Database) -> Site:
    """Fresh services with a clock of their own."""
    return Site(database)
