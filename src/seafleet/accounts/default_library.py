"""The library that applications offer first: one for each account, made when it is asked for.

The account's option names it. One that is gone counts as unset. A new one begins with what lies at the top of
the site's template library, if there is one.

Source: libraries page, "Default library".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import String, bindparam, cast, select

from seafleet.db.engine import upsert
from seafleet.db.tables import account_option, library
from seafleet.ids import LibraryId
from seafleet.library.transfer import copy_across

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

    def __init__(self, libraries: Libraries, template_id: str = "") -> None:
        self._libraries = libraries
        self._template_id = template_id
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
        else:
            self._fill(made, author)
        return kept

    def _fill(self, made: LibraryId, author: Author) -> None:
        """Give a new library what the template holds; without a template that can be read it stays empty."""
        template = self._libraries.find(self._template_id) if self._template_id else None
        if template is None or template.encrypted or template.is_damaged:
            return
        top = self._libraries.trees.directory(template.store_id, template.root_id)
        if top:
            copy_across(self._libraries, author, template, [f"/{entry.name}" for entry in top], made, "/")


def _keep(tx: Transaction, account_id: int, made: LibraryId) -> LibraryId:
    """Remember the library unless one is remembered that is there; return which it is now."""
    found = tx.execute(_FIND, {"account": account_id}).scalar_one_or_none()
    if found is not None:
        return LibraryId(found)
    tx.execute(_PUT, {"account_id": account_id, "key": OPTION, "value": made})
    return made
