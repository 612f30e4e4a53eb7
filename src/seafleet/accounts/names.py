"""How people are called: display names and contact addresses for many login addresses at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, select

from seafleet.db.tables import account

if TYPE_CHECKING:
    from seafleet.clock import Clock
    from seafleet.db.engine import Database

KEEP_SECONDS: Final = 10
_KEEP_ENTRIES: Final = 10_000
_QUERY_LIMIT: Final = 500

_NAMES: Final = select(account.c.email, account.c.name, account.c.contact_email).where(
    account.c.email.in_(bindparam("emails", expanding=True))
)


@dataclass(frozen=True, slots=True)
class PersonName:
    """What to call somebody. For an address without an account: the part before the `@`, and the address."""

    name: str
    contact_email: str


class Names:
    """Looks names up; a changed name may take a few seconds to show. Safe to use from many threads."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[str, tuple[int, PersonName]] = {}

    def of(self, emails: Iterable[str]) -> dict[str, PersonName]:
        """Return a name for every address, whether it has an account or not."""
        now = self._clock.timestamp()
        wanted, found = set(emails), {}
        for email in wanted:
            until, person = self._known.get(email, (0, None))
            if person is not None and until > now:
                found[email] = person
        unknown = [email for email in wanted if email not in found]
        for first in range(0, len(unknown), _QUERY_LIMIT):
            found |= self._read(unknown[first : first + _QUERY_LIMIT], now + KEEP_SECONDS)
        return found

    def one(self, email: str) -> PersonName:
        """Return the name for one address."""
        return self.of((email,))[email]

    def _read(self, emails: list[str], until: int) -> dict[str, PersonName]:
        with self._database.read() as connection:
            rows = connection.execute(_NAMES, {"emails": emails}).all()
        found = {email: PersonName(email.partition("@")[0], email) for email in emails}
        found |= {
            row.email: PersonName(row.name or row.email.partition("@")[0], row.contact_email or row.email)
            for row in rows
        }
        if len(self._known) > _KEEP_ENTRIES:
            self._known = {}
        self._known |= {email: (until, person) for email, person in found.items()}
        return found
