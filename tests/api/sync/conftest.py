"""A server that the tests of the sync protocol share, on each database; each makes libraries of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Executable, Table, delete, insert, select, update

from seafleet.accounts.model import Account
from seafleet.actor import Actor
from seafleet.db import tables
from seafleet.db.engine import Transaction
from seafleet.devices.model import DeviceInfo
from seafleet.formats.compression import compress
from seafleet.formats.fs import FileObject, encode_file
from seafleet.ids import ObjectId
from seafleet.library.model import Head
from seafleet.paths import path_hash
from seafleet.store.contract import Kind
from tests.support.inprocess import InProcessServer
from tests.support.peer import Peer

_numbers = itertools.count(1)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests once on each database, unless their module says which ones matter to it."""
    if "server" in metafunc.fixturenames:
        kinds = getattr(metafunc.module, "DATABASES", ("sqlite", "postgresql"))
        metafunc.parametrize("server", kinds, indirect=True, scope="package")


@pytest.fixture(scope="package")
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

    def actor(self, account: Account) -> Actor:
        """Return an account acting without a device."""
        return Actor(account.id, account.email, role=account.role)

    def reader(self) -> Peer:
        """Return the client of an account that may read only."""
        account = self.server.account()
        self.share(account, "r")
        return self.peer(account)

    def share(self, account: Account, permission: str) -> None:
        """Share the library with an account."""
        self.insert(
            tables.user_share,
            from_account_id=self.owner.id,
            to_account_id=account.id,
            permission=permission,
            created_at=0,
        )

    def unshare(self) -> None:
        """End all shares, as the service does it."""
        shares = tables.user_share
        self.write(delete(shares).where(shares.c.library_id == self.library.library_id))
        self.server.services.access.forget(library_id=self.library.library_id)

    def rule(self, account: Account, path: str, permission: str) -> None:
        """Set a folder permission."""
        hashed = path_hash(self.library.library_id, path)
        self.insert(
            tables.folder_user_permission,
            account_id=account.id,
            path=path,
            path_hash=hashed,
            permission=permission,
        )

    def group_rule(self, member: Account, path: str, permission: str) -> None:
        """Set a folder permission of a group that has one member."""

        def work(tx: Transaction) -> int:
            key = tx.execute(insert(tables.group), {"name": "g", "creator_email": "", "created_at_us": 0})
            group_id: int = key.inserted_primary_key[0]  # type: ignore[index]
            row = {"group_id": group_id, "account_id": member.id, "joined_at": 0}
            tx.execute(insert(tables.group_member), row)
            return group_id

        group_id = self.server.services.db.write(work)
        hashed = path_hash(self.library.library_id, path)
        self.insert(
            tables.folder_group_permission,
            group_id=group_id,
            path=path,
            path_hash=hashed,
            permission=permission,
        )

    def set_library(self, **values: Any) -> None:
        """Change columns of the library."""
        here = tables.library.c.id == self.library.library_id
        self.write(update(tables.library).where(here).values(values))
        self.server.services.access.forget(library_id=self.library.library_id)

    def set_device(self, actor: Actor, **values: Any) -> None:
        """Change columns of a device, as an operator's call would."""
        assert actor.device is not None
        here = tables.device.c.id == actor.device.device_id
        self.write(update(tables.device).where(here).values(values))

    def insert(self, table: Table, **values: Any) -> None:
        """Insert a row about the library."""
        self.write(insert(table).values(library_id=self.library.library_id, **values))

    def write(self, statement: Executable) -> None:
        """Execute a statement."""
        self.server.services.db.write(lambda tx: tx.execute(statement).rowcount)

    def drop_object(self, kind: Kind, object_id: str) -> None:
        """Lose an object that is kept as a row."""
        objects = tables.object_.c
        store = objects.store_id == self.library.store_id
        self.write(delete(tables.object_).where(store, objects.kind == kind, objects.object_id == object_id))

    def store_file(self, block_ids: list[ObjectId], size: int) -> ObjectId:
        """Store a file object of these blocks, be they there or not."""
        file_id, text = encode_file(FileObject(tuple(block_ids), size))
        self.server.services.objects.put(self.library.store_id, Kind.FS, [(file_id, compress(text))])
        return file_id

    def temporary_files(self) -> list[Path]:
        """Return the files in the data folder that are being written."""
        folders = (self.server.data / "tmp").glob("blocks-*")
        return [path for folder in folders for path in folder.iterdir() if path.is_file()]

    def rows(self, table: Table) -> list[Any]:
        """Return the rows about the library."""
        statement = select(table).where(table.c.library_id == self.library.library_id)
        with self.server.services.db.read() as connection:
            return list(connection.execute(statement))

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
