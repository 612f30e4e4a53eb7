"""Browser sessions: what a browser is given after somebody logged in on a page of this server.

A session is 64 hex digits in a cookie, kept as SHA-256. It ends two weeks after its last use, at a new
password, and when its account is switched off or deleted.

Source: Web API conventions §2; database model §12.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, insert, select, update

from seafleet.actor import Actor
from seafleet.db.tables import account, web_session
from seafleet.errors import TokenNotFound
from seafleet.secrets import equal, hash_token
from seafleet.text import storable

if TYPE_CHECKING:
    from seafleet.accounts.model import Account
    from seafleet.activity.audit import Audit
    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction
    from seafleet.ids import RandomSource
    from seafleet.secrets import ServerSecret

LIFETIME_SECONDS: Final = 14 * 86_400
TOUCH_SECONDS: Final = 600
"""How exact the time of last use is kept."""

_TOKEN_BYTES: Final = 32
_is_token = re.compile(r"[0-9a-f]{64}").fullmatch
_of = web_session.c
_THIS: Final = _of.token_hash == bindparam("hashed")

_RESOLVE: Final = (
    select(
        account.c.id,
        account.c.email,
        account.c.is_staff,
        account.c.is_active,
        account.c.role,
        account.c.organization_id,
        _of.last_used_at,
        _of.expires_at,
    )
    .join(account, account.c.id == _of.account_id)
    .where(_THIS)
)
_INSERT: Final = insert(web_session)
_TOUCH: Final = (
    update(web_session)
    .where(_THIS)
    .values(last_used_at=bindparam("now"), expires_at=bindparam("end"), ip=bindparam("address"))
)
_END: Final = delete(web_session).where(_THIS)
_PURGE: Final = delete(web_session).where(_of.expires_at <= bindparam("now"))


class WebSessions:
    """The sessions of all browsers. Safe to use from many threads."""

    def __init__(
        self, database: Database, clock: Clock, random: RandomSource, secret: ServerSecret, audit: Audit
    ) -> None:
        self._database = database
        self._clock = clock
        self._random = random
        self._secret = secret
        self._audit = audit

    def start(self, owner: Account, ip: str = "", user_agent: str = "") -> str:
        """Return the token of a new session for somebody who has just proved who he is."""
        token = self._random.randbytes(_TOKEN_BYTES).hex()
        now = self._clock.timestamp()
        row = {
            "token_hash": hash_token(token),
            "account_id": owner.id,
            "created_at": now,
            "last_used_at": now,
            "expires_at": now + LIFETIME_SECONDS,
            "ip": storable(ip, 128),
            "user_agent": storable(user_agent, 255),
        }
        self._database.write(lambda tx: tx.execute(_INSERT, row).rowcount)
        return token

    def resolve(self, token: str, ip: str = "") -> Actor:
        """Return whom a session stands for; its end moves on, written down every ten minutes.

        Raises TokenNotFound for an unknown or ended one, and when the account is switched off.
        """
        row = self._row(token)
        now = self._clock.timestamp()
        if row is None or row.expires_at <= now or not row.is_active:
            raise TokenNotFound("session")
        if now - row.last_used_at >= TOUCH_SECONDS:
            seen = {
                "hashed": hash_token(token),
                "now": now,
                "end": now + LIFETIME_SECONDS,
                "address": storable(ip, 128),
            }
            self._database.write(lambda tx: tx.execute(_TOUCH, seen).rowcount)
        return Actor(
            account_id=row.id,
            email=row.email,
            is_staff=row.is_staff,
            role=row.role,
            organization_id=row.organization_id,
        )

    def end(self, token: str, ip: str = "") -> None:
        """End a session; nothing happens if there is none."""
        row = self._row(token)
        if row is None:
            return

        def work(tx: Transaction) -> None:
            tx.execute(_END, {"hashed": hash_token(token)})
            self._audit.write(tx, "web:account:logout", row.email, ip=ip)

        self._database.write(work)

    def form_token(self, token: str) -> str:
        """Return what forms and scripts of this session send along to prove that they are its own."""
        return self._secret.fingerprint("form", token)

    def is_form_token(self, token: str, sent: str) -> bool:
        """Tell whether this belongs to a session, or to the cookie of a form before the login."""
        return equal(self.form_token(token), sent)

    def new_form_cookie(self) -> str:
        """Return a value that binds a form to its browser before anybody is logged in."""
        return self._random.randbytes(_TOKEN_BYTES).hex()

    def purge(self) -> None:
        """Delete sessions whose time is over."""
        now = self._clock.timestamp()
        self._database.write(lambda tx: tx.execute(_PURGE, {"now": now}).rowcount)

    def _row(self, token: str) -> Any:
        if _is_token(token) is None:
            return None
        with self._database.read() as connection:
            return connection.execute(_RESOLVE, {"hashed": hash_token(token)}).one_or_none()
