"""A small server without surfaces: accounts, devices, libraries and shares, for tests of who may do what."""

from __future__ import annotations

import itertools
import random
import uuid
from dataclasses import dataclass, field
from typing import Any

from argon2 import PasswordHasher
from sqlalchemy import func, insert, select, update

from seafleet.access import Access
from seafleet.accounts.access_tokens import AccessTokens
from seafleet.accounts.login import LoginLimits
from seafleet.accounts.model import Account, Roles
from seafleet.accounts.passwords import Passwords
from seafleet.accounts.service import Accounts
from seafleet.accounts.sync_tokens import SyncTokens
from seafleet.accounts.tickets import LoginTickets
from seafleet.accounts.tokens import Tokens
from seafleet.activity.audit import Audit
from seafleet.actor import Actor
from seafleet.clock import FixedClock
from seafleet.db import tables
from seafleet.db.engine import Database
from seafleet.devices.model import DeviceInfo, DevicePolicy
from seafleet.devices.service import Devices
from seafleet.ids import ZERO_ID, LibraryId
from seafleet.paths import path_hash
from seafleet.secrets import ServerSecret

PASSWORD = "correct horse"
FAST = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
_numbers = itertools.count(1)


@dataclass
class World:
    """Services on one database. Names are made up anew for each call, so tests may share the database."""

    database: Database
    clock: FixedClock = field(default_factory=FixedClock)
    random: random.Random = field(default_factory=lambda: random.Random(next(_numbers)))
    policy: DevicePolicy = field(default_factory=DevicePolicy)
    roles: Roles = field(default_factory=Roles)
    login_limits: LoginLimits = field(default_factory=LoginLimits)

    def __post_init__(self) -> None:
        self.secret = ServerSecret(b"0123456789abcdef0123456789abcdef", self.random)
        self.audit = Audit(self.clock)
        self.devices = Devices(self.clock, self.random, lambda: self.policy)
        self.accounts = Accounts(
            self.database,
            self.clock,
            self.audit,
            passwords=FAST,
            roles=self.roles,
            login_limits=self.login_limits,
        )
        self.tokens = Tokens(
            self.database, self.clock, self.random, self.secret, self.devices, self.audit, self.roles
        )
        self.sync_tokens = SyncTokens(self.database, self.clock, self.random, self.secret, self.devices)
        self.access_tokens = AccessTokens(self.database, self.clock, self.random, self.devices)
        self.tickets = LoginTickets(self.database, self.clock, self.random)
        self.access = Access(self.database, self.clock, self.devices, self.roles)

    # -- people ----------------------------------------------------------------------------------------------

    def account(self, **values: Any) -> Account:
        """Make an account with a password."""
        return self.accounts.create(f"user{next(_numbers)}@example.org", PASSWORD, **values)

    def actor(self, account: Account) -> Actor:
        """Return the account acting from a browser."""
        return Actor(account.id, account.email, account.is_staff, account.role)

    def on_device(self, account: Account, info: DeviceInfo | None = None) -> tuple[str, Actor]:
        """Log the account in on a device; return the token and the actor that it stands for."""
        token = self.tokens.issue_device(account, info or self.desktop())
        return token, self.tokens.resolve(token).actor

    def desktop(self, **values: Any) -> DeviceInfo:
        """Describe a new desktop client."""
        parts = {"platform": "linux", "device_id": f"{next(_numbers):040x}", "device_name": "desk"}
        return DeviceInfo.of(**{**parts, **values})

    def group(self, *members: Account, parent: int = 0) -> int:
        """Make a group and return its id."""
        group_id = self.insert(
            tables.group,
            name=f"group {next(_numbers)}",
            creator_email="",
            created_at_us=0,
            parent_group_id=parent,
        )
        for member in members:
            self.insert(tables.group_member, group_id=group_id, account_id=member.id, joined_at=0)
        return group_id

    # -- libraries -------------------------------------------------------------------------------------------

    def library(self, owner: Account, **values: Any) -> LibraryId:
        """Make an empty library."""
        library_id = LibraryId(str(uuid.UUID(int=next(_numbers), version=4)))
        self.insert(
            tables.library,
            **{
                "id": library_id,
                "store_id": library_id,
                "name": "library",
                "owner_id": owner.id,
                "created_at": 0,
                "updated_at": 0,
                "head_commit_id": ZERO_ID,
                "root_id": ZERO_ID,
                **values,
            },
        )
        return library_id

    def sub_library(self, owner: Account, origin: LibraryId, path: str) -> LibraryId:
        """Make a library of a folder of another one."""
        library_id = self.library(owner, store_id=origin)
        self.insert(
            tables.sub_library,
            library_id=library_id,
            origin_library_id=origin,
            path=path,
            path_hash=path_hash(origin, path),
            base_commit_id=ZERO_ID,
        )
        return library_id

    def share(self, library_id: LibraryId, giver: Account, to: Account, permission: str) -> None:
        """Share with an account."""
        self.insert(
            tables.user_share,
            library_id=library_id,
            from_account_id=giver.id,
            to_account_id=to.id,
            permission=permission,
            created_at=0,
        )

    def share_to_group(self, library_id: LibraryId, giver: Account, group_id: int, permission: str) -> None:
        """Share with a group."""
        self.insert(
            tables.group_share,
            library_id=library_id,
            from_account_id=giver.id,
            group_id=group_id,
            permission=permission,
            created_at=0,
        )

    def publish(self, library_id: LibraryId, permission: str, organization_id: int = 1) -> None:
        """Share with everybody of an organization."""
        self.insert(
            tables.public_share,
            library_id=library_id,
            organization_id=organization_id,
            permission=permission,
            created_at=0,
        )

    def user_rule(self, library_id: LibraryId, path: str, account: Account, permission: str) -> None:
        """Set a folder permission of an account."""
        self.insert(
            tables.folder_user_permission,
            library_id=library_id,
            path=path,
            path_hash=path_hash(library_id, path),
            account_id=account.id,
            permission=permission,
        )

    def group_rule(self, library_id: LibraryId, path: str, group_id: int, permission: str) -> None:
        """Set a folder permission of a group."""
        self.insert(
            tables.folder_group_permission,
            library_id=library_id,
            path=path,
            path_hash=path_hash(library_id, path),
            group_id=group_id,
            permission=permission,
        )

    def share_link(self, library_id: LibraryId, owner: Account, path: str, **values: Any) -> str:
        """Make a share link and return its token."""
        token = f"{next(_numbers):020x}"
        self.insert(
            tables.share_link,
            **{
                "token": token,
                "account_id": owner.id,
                "library_id": library_id,
                "path": path,
                "path_hash": path_hash(library_id, path),
                "is_dir": True,
                "created_at": 0,
                **values,
            },
        )
        return token

    # -- rows ------------------------------------------------------------------------------------------------

    def insert(self, table: Any, **values: Any) -> int:
        """Insert a row and return the first column of its key if that is a number."""

        def work(tx: Any) -> int:
            key = tx.execute(insert(table), values).inserted_primary_key[0]
            return key if isinstance(key, int) else 0

        return self.database.write(work)

    def set_device(self, device_id: int, **values: Any) -> None:
        """Change columns of a device, as an operator's call would."""
        statement = update(tables.device).where(tables.device.c.id == device_id).values(values)
        self.database.write(lambda tx: tx.execute(statement).rowcount)

    def set_link(self, link_id: int, **values: Any) -> None:
        """Change columns of a device link."""
        statement = update(tables.device_link).where(tables.device_link.c.id == link_id).values(values)
        self.database.write(lambda tx: tx.execute(statement).rowcount)

    def delete(self, table: Any, **values: Any) -> int:
        """Delete the rows with these values and return how many."""
        statement = table.delete()
        for name, value in values.items():
            statement = statement.where(table.c[name] == value)
        return self.database.write(lambda tx: tx.execute(statement).rowcount)

    def rows(self, table: Any, **values: Any) -> list[Any]:
        """Return the rows with these values."""
        statement = select(table)
        for name, value in values.items():
            statement = statement.where(table.c[name] == value)
        with self.database.read() as connection:
            return list(connection.execute(statement))

    def count(self, table: Any, **values: Any) -> int:
        """Count the rows with these values."""
        statement = select(func.count()).select_from(table)
        for name, value in values.items():
            statement = statement.where(table.c[name] == value)
        with self.database.read() as connection:
            return int(connection.execute(statement).scalar_one())
