"""Who may speak to the registry beside administrators: people with a role in a runtime, and applications.

Source: device registry §9; MobileFirst devices §1; MetaAccess devices §1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, insert, select

from seafleet.db.tables import account, oauth_client, organization, role_grant
from seafleet.devices.change import write_event
from seafleet.devices.loading import sure
from seafleet.devices.organizations import SERVER_ID
from seafleet.errors import AlreadyExists, BadCredentials, InvalidArgument, NotFound, OrganizationNotFound
from seafleet.secrets import equal, hash_token
from seafleet.text import require_storable

if TYPE_CHECKING:
    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction
    from seafleet.devices.origin import Origin
    from seafleet.ids import RandomSource

ROLES: Final = ("mfpadmin", "mfpdeployer", "mfpoperator", "mfpmonitor")
ANY_RUNTIME: Final = "*"
SECRET_LENGTH: Final = 48
MAX_REDIRECTS: Final = 20
MAX_URI: Final = 2000

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"  # 32: five bits of each byte
_is_uri = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]+").fullmatch

_grant, _client = role_grant.c, oauth_client.c
_GRANTS: Final = (
    select(role_grant, account.c.email).join(account, account.c.id == _grant.account_id).order_by(_grant.id)
)
_ROLES_OF: Final = select(_grant.role).where(
    _grant.account_id == bindparam("account"),
    _grant.runtime.in_(bindparam("runtimes", expanding=True)),
)
_SAME_GRANT: Final = select(_grant.id).where(
    _grant.account_id == bindparam("account"),
    _grant.role == bindparam("wanted"),
    _grant.runtime == bindparam("place"),
)
_ANY_GRANT: Final = select(_grant.id).where(_grant.account_id == bindparam("account")).limit(1)
_RUNTIME: Final = select(organization.c.id).where(organization.c.runtime == bindparam("place"))
_CLIENTS: Final = (
    select(oauth_client, account.c.email, account.c.is_staff, account.c.is_active)
    .join(account, account.c.id == _client.account_id)
    .order_by(_client.id)
)
_CLIENT: Final = _CLIENTS.where(_client.client_id == bindparam("key"))
_ORGANIZATION: Final = select(organization.c.id).where(organization.c.id == bindparam("key"))


@dataclass(frozen=True, slots=True)
class RoleGrant:
    """A role of somebody in one runtime, or in all (`*`)."""

    id: int
    email: str
    role: str
    runtime: str
    created_at: datetime


class RoleGrants:
    """Roles of people who are not administrators."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def all(self) -> list[RoleGrant]:
        """Return every grant, oldest first."""
        with self._database.read() as connection:
            return [_role_grant(row) for row in connection.execute(_GRANTS)]

    def roles_of(self, account_id: int, runtime: str) -> frozenset[str]:
        """Return the roles of an account in a runtime, those for all included."""
        parameters = {"account": account_id, "runtimes": [runtime, ANY_RUNTIME]}
        with self._database.read() as connection:
            return frozenset(connection.execute(_ROLES_OF, parameters).scalars())

    def has_any(self, account_id: int) -> bool:
        """Tell whether an account has a role in any runtime."""
        with self._database.read() as connection:
            return connection.execute(_ANY_GRANT, {"account": account_id}).first() is not None

    def create(self, account_id: int, role: str, runtime: str, origin: Origin) -> RoleGrant:
        """Give a role; one that is there already is returned.

        Raises InvalidArgument("role"), OrganizationNotFound for an unknown runtime.
        """
        if role not in ROLES:
            raise InvalidArgument("role", "one of " + ", ".join(ROLES))
        now = self._clock.timestamp()

        def work(tx: Transaction) -> int:
            place = {"account": account_id, "wanted": role, "place": runtime}
            if runtime != ANY_RUNTIME and tx.execute(_RUNTIME, place).first() is None:
                raise OrganizationNotFound(runtime)
            known = tx.execute(_SAME_GRANT, place).scalar_one_or_none()
            if known is not None:
                return int(known)
            row = {"account_id": account_id, "role": role, "runtime": runtime, "created_at": now}
            key = tx.execute(insert(role_grant), row).inserted_primary_key
            assert key is not None
            _tell(tx, origin, "role_granted", now, after=_told(tx, key[0]))
            return int(key[0])

        grant_id = self._database.write(work)
        return next(grant for grant in self.all() if grant.id == grant_id)

    def delete(self, grant_id: int, origin: Origin) -> None:
        """Take a role away. Raises NotFound."""
        now = self._clock.timestamp()

        def work(tx: Transaction) -> None:
            before = _told(tx, grant_id)
            if not tx.execute(delete(role_grant).where(_grant.id == grant_id)).rowcount:
                raise NotFound(grant_id)
            _tell(tx, origin, "role_withdrawn", now, before=before)

        self._database.write(work)


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """An application that may speak for an organization, with the rights of the administrator who made it.

    `is_usable` is False while that account is no administrator any more, or switched off.
    """

    id: int
    client_id: str
    name: str
    organization_id: int
    account_id: int
    email: str
    redirect_uris: tuple[str, ...]
    created_at: datetime
    is_usable: bool


class OAuthClients:
    """Applications; their secrets are kept as hashes."""

    def __init__(self, database: Database, clock: Clock, random: RandomSource) -> None:
        self._database = database
        self._clock = clock
        self._random = random

    def all(self) -> list[OAuthClient]:
        """Return every application, oldest first."""
        with self._database.read() as connection:
            return [_oauth_client(row) for row in connection.execute(_CLIENTS)]

    def find(self, client_id: str) -> OAuthClient | None:
        """Return the application of a client id."""
        row = self._row(client_id)
        return None if row is None else _oauth_client(row)

    def authenticate(self, client_id: str, secret: str) -> OAuthClient:
        """Return the application whose id and secret these are. Raises BadCredentials, for one that is not
        usable as well.
        """
        row = self._row(client_id)
        expected = hash_token("") if row is None else row.secret_hash
        if not equal(expected, hash_token(secret)) or row is None:
            raise BadCredentials
        client = _oauth_client(row)
        if not client.is_usable:
            raise BadCredentials
        return client

    def create(
        self, name: str, organization_id: int, redirect_uris: Sequence[str], account_id: int, origin: Origin
    ) -> tuple[OAuthClient, str]:
        """Make an application; return it with its secret, which is shown this once.

        Raises InvalidArgument("name" or "redirect_uris"), OrganizationNotFound.
        """
        if not name.strip():
            raise InvalidArgument("name", "empty")
        require_storable("name", name, 255)
        if len(redirect_uris) > MAX_REDIRECTS or not all(_fits(uri) for uri in redirect_uris):
            raise InvalidArgument("redirect_uris", "absolute addresses without a fragment")
        secret, now = self._word(), self._clock.timestamp()
        row = {
            "client_id": self._word(),
            "secret_hash": hash_token(secret),
            "name": name,
            "organization_id": organization_id,
            "account_id": account_id,
            "redirect_uris": json.dumps(list(redirect_uris)),
            "created_at": now,
        }

        def work(tx: Transaction) -> None:
            if tx.execute(_ORGANIZATION, {"key": organization_id}).first() is None:
                raise OrganizationNotFound(organization_id)
            tx.execute(insert(oauth_client), row)
            after = {"client_id": row["client_id"], "name": name}
            write_event(tx, origin, "oauth_client_made", now, organization_id=organization_id, after=after)

        self._database.write(work)
        client = self.find(str(row["client_id"]))
        if client is None:
            raise AlreadyExists("client", name)
        return client, secret

    def delete(self, number: int, origin: Origin) -> None:
        """Delete an application, and its tokens with it. Raises NotFound."""
        now = self._clock.timestamp()

        def work(tx: Transaction) -> None:
            row = tx.execute(select(oauth_client).where(_client.id == number)).one_or_none()
            if row is None:
                raise NotFound(number)
            tx.execute(delete(oauth_client).where(_client.id == number))
            before = {"client_id": row.client_id, "name": row.name}
            write_event(
                tx, origin, "oauth_client_deleted", now, organization_id=row.organization_id, before=before
            )

        self._database.write(work)

    def _row(self, client_id: str) -> Any:
        if not client_id.isascii() or "\0" in client_id:
            return None
        with self._database.read() as connection:
            return connection.execute(_CLIENT, {"key": client_id}).one_or_none()

    def _word(self) -> str:
        return "".join(_LETTERS[byte & 31] for byte in self._random.randbytes(SECRET_LENGTH))


def _fits(uri: object) -> bool:
    return isinstance(uri, str) and len(uri) <= MAX_URI and _is_uri(uri) is not None and "#" not in uri


def _role_grant(row: Any) -> RoleGrant:
    return RoleGrant(row.id, row.email, row.role, row.runtime, sure(row.created_at))


def _oauth_client(row: Any) -> OAuthClient:
    return OAuthClient(
        row.id,
        row.client_id,
        row.name,
        row.organization_id,
        row.account_id,
        row.email,
        tuple(json.loads(row.redirect_uris)),
        sure(row.created_at),
        bool(row.is_staff and row.is_active),
    )


def _told(tx: Transaction, grant_id: int) -> dict[str, Any]:
    row = tx.execute(_GRANTS.where(_grant.id == grant_id)).one_or_none()
    return {} if row is None else {"user": row.email, "role": row.role, "runtime": row.runtime}


def _tell(
    tx: Transaction,
    origin: Origin,
    action: str,
    now: int,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    write_event(tx, origin, action, now, organization_id=SERVER_ID, before=before, after=after)
