"""A server and two installations of the real client, shared by all tests; each test has its own library."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from seafleet.accounts.model import Account
from seafleet.library.model import Author, Edit, Head
from tests.support.inprocess import InProcessServer
from tests.support.seafile_client import SeafileClient, require_programs, snapshot, wait_until

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcessServer]:
    """A server that clients reach over the network."""
    require_programs()
    folder = tmp_path_factory.mktemp("clients") / "data"
    with InProcessServer(folder, throttle_exempt="127.0.0.0/8") as running:
        yield running


@pytest.fixture(scope="session")
def machines(
    server: InProcessServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[SeafileClient, SeafileClient]]:
    """Two machines with the client on them. Accounts come with the libraries."""
    base = tmp_path_factory.mktemp("machines")
    first, second = (SeafileClient(base / name, server.url) for name in ("first", "second"))
    try:
        yield first.start(), second.start()
    finally:
        for each in (first, second):
            each.kill()


@dataclass
class Pair:
    """One library of one account, kept in step by two machines."""

    server: InProcessServer
    machines: tuple[SeafileClient, SeafileClient]
    owner: Account
    library: Head
    folders: list[Path] = field(default_factory=list)

    @property
    def here(self) -> Path:
        """The folder on the first machine."""
        return self.folders[0]

    @property
    def there(self) -> Path:
        """The folder on the second machine."""
        return self.folders[1]

    def clone(
        self,
        machine: int,
        account: Account | None = None,
        *,
        password: str | None = None,
        token: str | None = None,
    ) -> Path:
        """Begin to keep the library in step on a machine, and wait until its folder is as the server says."""
        who = account or self.owner
        client = self.machines[machine]
        token = token or self.server.api_token(who)
        name = f"library-{next(_numbers)}"
        folder = client.clone(self.library.library_id, name, who.email, token, password)
        self.folders.append(folder)
        self.await_state(lambda: "synchronized" in self.state(machine), "cloned")
        return folder

    def await_same(self, expected: dict[str, str] | None = None, seconds: float = 60) -> dict[str, str]:
        """Wait until both folders hold the same, or exactly `expected`; return it."""

        def same() -> bool:
            first, second = snapshot(self.here), snapshot(self.there)
            return first == second and (expected is None or first == expected)

        wait_until(same, lambda: f"both folders are the same: {self.states()}", seconds)
        return snapshot(self.here)

    def await_state(self, condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
        """Wait for something, and tell what the clients say if it does not come."""
        wait_until(condition, lambda: f"{what}: {self.states()}", seconds)

    def state(self, machine: int) -> str:
        """Return what a machine says about the library."""
        return self.machines[machine].status_of(self.library.name)

    def states(self) -> str:
        """Return what both machines say about the library."""
        return "; ".join(self.state(machine) for machine in range(len(self.machines)))

    def edit(self, edit: Edit[Any]) -> None:
        """Change the library as the web would."""
        author = Author(self.owner.email)
        self.server.services.libraries.commit_edit(self.library.library_id, author, edit)

    def head(self) -> Head:
        """Return the library as it is now."""
        return self.server.head(self.library)


@pytest.fixture
def pair(server: InProcessServer, machines: tuple[SeafileClient, SeafileClient]) -> Pair:
    """An empty library that both machines have cloned."""
    made = unsynced(server, machines)
    for machine in (0, 1):
        made.clone(machine)
    return made


@pytest.fixture
def bare(server: InProcessServer, machines: tuple[SeafileClient, SeafileClient]) -> Pair:
    """An empty library that nobody has cloned yet."""
    return unsynced(server, machines)


def unsynced(server: InProcessServer, machines: tuple[SeafileClient, SeafileClient]) -> Pair:
    """Return a fresh library of a fresh account.

    The machines keep it when the test is over: `seaf-cli desync` now and then brings down a daemon that is
    just looking at the library. A daemon that ended in an earlier test is started again, for this one.
    """
    for client in machines:
        if not client.daemons():
            client.resume()
    owner = server.account()
    return Pair(server, machines, owner, server.library(owner))
