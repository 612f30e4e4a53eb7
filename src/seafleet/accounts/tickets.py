"""One-time logins: a client that holds an API token opens the web pages without asking for the password
again.

Source: sync protocol §6, "client-login".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from seafleet.accounts import token_rows as sql
from seafleet.errors import TokenNotFound
from seafleet.secrets import hash_token

if TYPE_CHECKING:
    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction
    from seafleet.ids import RandomSource

LIFETIME_SECONDS: Final = 30


class LoginTickets:
    """Tokens of 32 hex digits that log an account in once, within half a minute."""

    def __init__(self, database: Database, clock: Clock, random: RandomSource) -> None:
        self._database = database
        self._clock = clock
        self._random = random

    def issue(self, account_id: int) -> str:
        """Return a new ticket, and clear away expired ones."""
        ticket = self._random.randbytes(16).hex()
        now = self._clock.timestamp()
        values = {
            "token_hash": hash_token(ticket),
            "account_id": account_id,
            "expires_at": now + LIFETIME_SECONDS,
        }

        def work(tx: Transaction) -> None:
            tx.execute(sql.PURGE_TICKETS, {"now": now})
            tx.execute(sql.INSERT_TICKET, values)

        self._database.write(work)
        return ticket

    def take(self, ticket: str) -> int:
        """Return the account's id and use the ticket up. Raises TokenNotFound if it is unknown, spent or too
        old.
        """
        parameters = {"token_hash": hash_token(ticket)}
        row = self._database.write(lambda tx: tx.execute(sql.TAKE_TICKET, parameters).one_or_none())
        if row is None or row.expires_at <= self._clock.timestamp():
            raise TokenNotFound("client login")
        return int(row.account_id)
