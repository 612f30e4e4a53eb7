"""Starred items: what an account marked to find it again.

Source: Web API manual, section "Starred Files".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, select

from seafleet.db.tables import starred_item
from seafleet.paths import ROOT

if TYPE_CHECKING:
    from seafleet.db.engine import Database

_OF_LIBRARY: Final = select(starred_item.c.path).where(
    starred_item.c.account_id == bindparam("account"), starred_item.c.library_id == bindparam("library")
)
_LIBRARIES: Final = select(starred_item.c.library_id).where(
    starred_item.c.account_id == bindparam("account"), starred_item.c.path == ROOT
)


class Stars:
    """Reads stars."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, account_id: int | None, library_id: str) -> frozenset[str]:
        """Return the paths that an account has starred in a library."""
        with self._database.read() as connection:
            rows = connection.execute(_OF_LIBRARY, {"account": account_id, "library": library_id})
            return frozenset(rows.scalars())

    def libraries(self, account_id: int | None) -> frozenset[str]:
        """Return the ids of the libraries that an account has starred as a whole."""
        with self._database.read() as connection:
            return frozenset(connection.execute(_LIBRARIES, {"account": account_id}).scalars())
