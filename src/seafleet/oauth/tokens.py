"""Codes and tokens in the database: made, used once, revoked by family.

Whatever spends a code or a refresh token makes the new tokens in the same transaction, so that of two callers
at the same instant one gets tokens. The other one has shown a spent secret, which somebody must have copied:
then the whole family goes.

Source: MetaAccess devices §1; RFC 6749 §4.1.2, §10.4.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from seafleet.actor import Actor
from seafleet.errors import TokenNotFound
from seafleet.oauth import rows
from seafleet.oauth.model import Caller
from seafleet.secrets import hash_token, new_token

if TYPE_CHECKING:
    from seafleet.activity.audit import Audit
    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction
    from seafleet.devices.clients import OAuthClient
    from seafleet.ids import RandomSource

CODE_SECONDS: Final = 60
REFRESH_SECONDS: Final = 30 * 86_400

_is_token = re.compile(r"[0-9a-f]{40}").fullmatch


@dataclass(frozen=True, slots=True)
class StoredCode:
    """A code that was given to an application; `code_challenge` is empty unless PKCE was asked for."""

    code_hash: str
    account_id: int
    redirect_uri: str
    code_challenge: str


@dataclass(frozen=True, slots=True)
class StoredRefresh:
    """A refresh token that is still good. `account_id` is who consented, None for client credentials."""

    token_hash: str
    grant_id: int
    account_id: int | None


@dataclass(frozen=True, slots=True)
class TokenPair:
    """New tokens in clear, which only their holder will have."""

    access_token: str
    refresh_token: str
    expires_in_seconds: int


class TokenStore:
    """Codes and tokens of all applications. Safe to use from many threads."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        random: RandomSource,
        audit: Audit,
        access_seconds: Callable[[], int],
    ) -> None:
        self._database = database
        self._clock = clock
        self._random = random
        self._audit = audit
        self._access_seconds = access_seconds

    def new_pair(self) -> TokenPair:
        """Make up tokens, not stored yet."""
        return TokenPair(new_token(self._random), new_token(self._random), self._access_seconds())

    # -- consent and codes -----------------------------------------------------------------------------------

    def has_consented(self, client: OAuthClient, account_id: int) -> bool:
        """Tell whether somebody has let an application in before."""
        parameters = {"client": client.id, "account": account_id}
        with self._database.read() as connection:
            return connection.execute(rows.CONSENTED, parameters).first() is not None

    def consent(self, client: OAuthClient, giver: Actor, ip: str) -> None:
        """Remember that somebody lets an application in."""
        values = {
            "client_id": client.id,
            "account_id": giver.account_id,
            "granted_at": self._clock.timestamp(),
        }

        def work(tx: Transaction) -> None:
            if tx.execute(rows.CONSENT, values).rowcount:
                self._tell(tx, "consent", giver, client, ip)

        self._database.write(work)

    def new_code(self, client: OAuthClient, account_id: int, redirect_uri: str, challenge: str) -> str:
        """Return a code that gives tokens once, within a minute."""
        code = new_token(self._random)
        values = {
            "code_hash": hash_token(code),
            "client_id": client.id,
            "account_id": account_id,
            "redirect_uri": redirect_uri,
            "code_challenge": challenge,
            "expires_at": self._clock.timestamp() + CODE_SECONDS,
        }
        self._database.write(lambda tx: tx.execute(rows.INSERT_CODE, values).rowcount)
        return code

    def code(self, text: str, client: OAuthClient) -> StoredCode | None:
        """Return a code of this application that is still good. A spent one revokes what it gave."""
        if _is_token(text) is None:
            return None
        with self._database.read() as connection:
            row = connection.execute(rows.CODE, {"hashed": hash_token(text)}).one_or_none()
        if row is None or row.client_id != client.id:
            return None
        if row.used_at is not None:
            self._revoke(row.grant_id, client)
            return None
        if row.expires_at <= self._clock.timestamp():
            return None
        return StoredCode(row.code_hash, row.account_id, row.redirect_uri, row.code_challenge)

    # -- giving tokens ---------------------------------------------------------------------------------------

    def give(self, client: OAuthClient, pair: TokenPair) -> bool:
        """Store tokens for client credentials; always True."""
        self._database.write(lambda tx: self._insert(tx, self._new_grant(tx, client, None), pair))
        return True

    def exchange(self, client: OAuthClient, code: StoredCode, pair: TokenPair) -> bool:
        """Spend a code for tokens; False, and what it gave is revoked, when somebody was faster."""

        def work(tx: Transaction) -> bool:
            if not self._use(tx, rows.USE_CODE, code.code_hash):
                spent = tx.execute(rows.CODE, {"hashed": code.code_hash}).one()
                self._revoke_in(tx, spent.grant_id, client)
                return False
            grant_id = self._new_grant(tx, client, code.account_id)
            tx.execute(rows.TELL_GRANT, {"hashed": code.code_hash, "family": grant_id})
            self._insert(tx, grant_id, pair)
            return True

        return self._database.write(work)

    def refresh(self, client: OAuthClient, spent: StoredRefresh, pair: TokenPair) -> bool:
        """Spend a refresh token for new tokens; False, and the family is revoked, when somebody was
        faster.
        """

        def work(tx: Transaction) -> bool:
            if not self._use(tx, rows.USE_TOKEN, spent.token_hash):
                self._revoke_in(tx, spent.grant_id, client)
                return False
            self._insert(tx, spent.grant_id, pair)
            return True

        return self._database.write(work)

    def refresh_token(self, text: str, client: OAuthClient) -> StoredRefresh | None:
        """Return a refresh token of this application that is still good. A spent one revokes its family."""
        if _is_token(text) is None:
            return None
        with self._database.read() as connection:
            parameters = {"hashed": hash_token(text), "client": client.id}
            row = connection.execute(rows.REFRESH_TOKEN, parameters).one_or_none()
        if row is None:
            return None
        if row.used_at is not None:
            self._revoke(row.grant_id, client)
            return None
        if row.expires_at <= self._clock.timestamp():
            return None
        return StoredRefresh(row.token_hash, row.grant_id, row.account_id)

    def is_administrator(self, account_id: int) -> bool:
        """Tell whether somebody may let applications manage devices."""
        with self._database.read() as connection:
            return connection.execute(rows.IS_ADMINISTRATOR, {"account": account_id}).first() is not None

    # -- using tokens ----------------------------------------------------------------------------------------

    def resolve(self, access_token: str) -> Caller:
        """Return whom an access token stands for; one indexed query.

        Raises TokenNotFound for an unknown or expired one, and when somebody behind it is no administrator
        any more.
        """
        if _is_token(access_token) is None:
            raise TokenNotFound("oauth")
        with self._database.read() as connection:
            row = connection.execute(rows.CALLER, {"hashed": hash_token(access_token)}).one_or_none()
        if row is None or row.expires_at <= self._clock.timestamp():
            raise TokenNotFound("oauth")
        if not row.maker_may or (row.giver_id is not None and not row.giver_may):
            raise TokenNotFound("oauth")
        actor = Actor(
            row.account_id, row.email, is_staff=True, role=row.role, organization_id=row.organization_id
        )
        return Caller(row.client_id, row.name, row.organization_id, actor)

    def purge(self) -> None:
        """Delete codes and tokens whose time is over, and families of which nothing is left."""
        now = self._clock.timestamp()

        def work(tx: Transaction) -> None:
            for statement in rows.PURGE:
                tx.execute(statement, {"now": now})

        self._database.write(work)

    # -- inside ----------------------------------------------------------------------------------------------

    def _new_grant(self, tx: Transaction, client: OAuthClient, account_id: int | None) -> int:
        values = {"client_id": client.id, "account_id": account_id, "created_at": self._clock.timestamp()}
        key = tx.execute(rows.INSERT_GRANT, values).inserted_primary_key
        assert key is not None
        return int(key[0])

    def _insert(self, tx: Transaction, grant_id: int, pair: TokenPair) -> None:
        now = self._clock.timestamp()
        for kind, token, seconds in (
            ("access", pair.access_token, pair.expires_in_seconds),
            ("refresh", pair.refresh_token, REFRESH_SECONDS),
        ):
            values = {
                "token_hash": hash_token(token),
                "grant_id": grant_id,
                "kind": kind,
                "expires_at": now + seconds,
            }
            tx.execute(rows.INSERT_TOKEN, values)

    def _use(self, tx: Transaction, statement: Any, hashed: str) -> bool:
        return tx.execute(statement, {"hashed": hashed, "now": self._clock.timestamp()}).rowcount == 1

    def _revoke(self, grant_id: int | None, client: OAuthClient) -> None:
        self._database.write(lambda tx: self._revoke_in(tx, grant_id, client))

    def _revoke_in(self, tx: Transaction, grant_id: int | None, client: OAuthClient) -> None:
        if grant_id is not None and tx.execute(rows.REVOKE, {"family": grant_id}).rowcount:
            self._tell(tx, "spent_secret_shown", client.name, client)

    def _tell(
        self, tx: Transaction, action: str, actor: Actor | str, client: OAuthClient, ip: str = ""
    ) -> None:
        detail = {"client_id": client.client_id, "name": client.name}
        self._audit.write(tx, f"web:oauth:{action}", actor, ip=ip, detail=detail)
