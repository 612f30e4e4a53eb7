"""An application of a few routes over services of straw: what the kernel does by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from seafleet.actor import Actor
from seafleet.api.kernel.application import Application
from seafleet.api.kernel.routes import routes_of
from seafleet.api.seafile.surface import SURFACE
from seafleet.api.services import Services
from seafleet.app import Threads
from seafleet.devices.model import Verdict
from seafleet.errors import SeafleetError, Throttled, TokenNotFound
from tests.support.asgi import Client

TOKEN = "a" * 40
STAFF_TOKEN = "b" * 40


class StrawTokens:
    """Knows two tokens; `failure` is raised instead of anything else."""

    def __init__(self) -> None:
        self.failure: SeafleetError | None = None
        self.status = ""
        self.touched: list[tuple[str, ...]] = []

    def resolve(self, token: str, *, allow_suspended: bool = False, ip: str = "") -> Any:
        if self.failure is not None and not allow_suspended:
            raise self.failure
        if token not in (TOKEN, STAFF_TOKEN):
            raise TokenNotFound("api")
        actor = Actor(account_id=7, email="ann@example.com", is_staff=token == STAFF_TOKEN)
        return SimpleNamespace(actor=actor, verdict=Verdict(allowed=True, status=self.status))

    def touch(self, session: object, *seen: str) -> None:
        self.touched.append(seen)


class StrawThrottle:
    """Notes what is counted; refuses when told to."""

    def __init__(self) -> None:
        self.hits: list[tuple[str, str | int]] = []
        self.addresses: set[str] = set()
        self.refuse_seconds = 0

    def hit(self, scope: str, key: str | int, address: str = "") -> None:
        self.hits.append((scope, key))
        self.addresses.add(address)
        if self.refuse_seconds:
            raise Throttled(scope, self.refuse_seconds)


class Straw:
    """The services that the kernel itself touches."""

    def __init__(self) -> None:
        self.settings = SimpleNamespace(public_url="", response_shapes="auto")
        self.tokens = StrawTokens()
        self.throttle = StrawThrottle()
        self.db = SimpleNamespace(dialect="sqlite")
        self.api = Threads("api", 2)
        self.io = Threads("io", 1)
        self.auth = Threads("auth", 1)


@pytest.fixture
def straw() -> Iterator[Straw]:
    services = Straw()
    yield services
    for pool in (services.api, services.io, services.auth):
        pool.close()


@pytest.fixture
def serve(straw: Straw) -> Iterator[Callable[..., Client]]:
    """Answers a client of an application that has just these handlers."""
    clients: list[Client] = []

    def make(*handlers: object) -> Client:
        routes = [declared for handler in handlers for declared in routes_of(handler)]
        application = Application(cast(Services, straw), routes, {"seafile": SURFACE})
        clients.append(Client(application))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
