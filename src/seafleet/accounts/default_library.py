"""The library that applications offer first: one for each account, made when it is asked for.

The account's option names it. One that is gone counts as unset.

Source: libraries page, "Default library".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import String, bindparam, cast, select

from seafleet.db.engine import upsert
from seafleet.db.tables import account_option, library
from seafleet.ids import LibraryId

if TYPE_CHECKING:
    from sqlalchemy import Select

    from seafleet.db.engine import Transaction
    from seafleet.library.model import Author
    from seafleet.library.service import Libraries

OPTION: Final = "default_repo"
NAME: Final = "My Library"

_option = account_option.c
_FIND: Final[Select[Any]] = (
    select(library.c.id)
    .join(account_option, cast(_option.value, String(36)) == library.c.id)
    .where(_option.account_id == bindparam("account"), _option.key == OPTION)
)
_put = upsert(account_option)
_PUT: Final = _put.on_conflict_do_update(
    index_elements=[_option.account_id, _option.key], set_={"value": _put.excluded.value}
)


class DefaultLibraries:
    """Finds and makes default libraries. Whether an account may own libraries is decided elsewhere."""

    def __init__(self, libraries: Libraries) -> None:
        self._libraries = libraries
        self._database = libraries.database

    def find(self, account_id: int) -> LibraryId | None:
        """Return an account's default library, None when it has none or it is gone."""
        with self._database.read() as connection:
            found = connection.execute(_FIND, {"account": account_id}).scalar_one_or_none()
        return None if found is None else LibraryId(found)

    def ensure(self, account_id: int, author: Author) -> LibraryId:
        """Return an account's default library, made if there is none. Raises AccountNotFound."""
        found = self.find(account_id)
        if found is not None:
            return found
        made = self._libraries.create(account_id, NAME, NAME).library_id
        kept = self._database.write(lambda tx: _keep(tx, account_id, made))
        if kept != made:  # somebody else was quicker
            self._libraries.delete(made, author)
            self._libraries.bin.purge(made)
        return kept


def _keep(tx: Transaction, account_id: int, made: LibraryId) -> LibraryId:
    """Remember the library unless one is remembered that is there; return which it is now."""
    found = tx.execute(_FIND, {"account": account_id}).scalar_one_or_none()
    if found is not None:
        return LibraryId(found)
    tx.execute(_PUT, {"account_id": account_id, "key": OPTION, "value": made})
    return made
