"""Libraries that change hands, and what goes with them.

=======================  ==============================================================================
user shares              given by the new owner from now on; one with the new owner ends
group shares             likewise, for groups that the new owner is in; the others end
public shares            stay
shared folders           end, with their sub-libraries; other sub-libraries go along
links                    those of the old owner are the new owner's, under the same addresses
=======================  ==============================================================================

Source: Web API manual, "Transfer Library"; admin libraries, "Transfer".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BindParameter, bindparam, delete, insert, or_, select, update

from seafleet.db.tables import (
    account,
    group_member,
    group_share,
    library,
    share_link,
    sub_library,
    upload_link,
    user_share,
)
from seafleet.errors import AccountNotFound, LibraryNotFound
from seafleet.library.bin import LIBRARY_CHANGED, drop_sub_library
from seafleet.library.heads import announce

if TYPE_CHECKING:
    from seafleet.activity.audit import Audit
    from seafleet.actor import Actor
    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction
    from seafleet.ids import LibraryId

_library: Final[BindParameter[str]] = bindparam("library")
_new: Final[BindParameter[int]] = bindparam("new_owner")
_OWNER: Final = select(library.c.owner_id).where(library.c.id == _library)
_EMAIL: Final = select(account.c.email).where(account.c.id == _new)
_SET_OWNER: Final = update(library).where(library.c.store_id == _library).values(owner_id=_new)
_SHARED_FOLDERS: Final = select(sub_library.c.library_id).where(
    sub_library.c.origin_library_id == _library,
    or_(
        sub_library.c.library_id.in_(select(user_share.c.library_id)),
        sub_library.c.library_id.in_(select(group_share.c.library_id)),
    ),
)
_USER_SHARES: Final = (
    select(user_share.c.to_account_id, user_share.c.permission, user_share.c.created_at)
    .where(user_share.c.library_id == _library, user_share.c.to_account_id != _new)
    .order_by(user_share.c.id)
)
_END_USER_SHARES: Final = delete(user_share).where(user_share.c.library_id == _library)
_SHARE: Final = insert(user_share)
_END_GROUP_SHARES: Final = delete(group_share).where(
    group_share.c.library_id == _library,
    group_share.c.group_id.not_in(select(group_member.c.group_id).where(group_member.c.account_id == _new)),
)
_GIVE_GROUP_SHARES: Final = (
    update(group_share).where(group_share.c.library_id == _library).values(from_account_id=_new)
)
_GIVE_LINKS: Final = tuple(
    update(table)
    .where(table.c.library_id == _library, table.c.account_id == bindparam("old_owner"))
    .values(account_id=_new)
    for table in (share_link, upload_link)
)


class Ownership:
    """Gives libraries to other accounts. Who may do so is decided elsewhere.

    Callers have the access evaluator forget the library afterwards.
    """

    def __init__(self, database: Database, clock: Clock, audit: Audit) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    def transfer(self, library_id: LibraryId, new_owner_id: int, by: Actor, *, ip: str = "") -> None:
        """Give a library, not a sub-library, to another account; nothing happens if it is the owner already.

        Raises LibraryNotFound, AccountNotFound.
        """
        self._database.write(lambda tx: self._transfer(tx, library_id, new_owner_id, by, ip))

    def _transfer(
        self, tx: Transaction, library_id: LibraryId, new_owner_id: int, by: Actor, ip: str
    ) -> None:
        old_owner_id = tx.execute(_OWNER, {"library": library_id}).scalar_one_or_none()
        if old_owner_id is None:
            raise LibraryNotFound(library_id)
        new_email = tx.execute(_EMAIL, {"new_owner": new_owner_id}).scalar_one_or_none()
        if new_email is None:
            raise AccountNotFound(new_owner_id)
        if old_owner_id == new_owner_id:
            return
        values = {"library": library_id, "new_owner": new_owner_id}
        now = self._clock.timestamp()
        for folder_id in tx.execute(_SHARED_FOLDERS, {"library": library_id}).scalars().all():
            drop_sub_library(tx, folder_id, now)
        tx.execute(_SET_OWNER, values)
        _regrant(tx, values)
        for statement in _GIVE_LINKS:
            tx.execute(statement, {**values, "old_owner": old_owner_id})
        announce(tx, LIBRARY_CHANGED, library_id, {}, now)
        self._audit.write(
            tx, "api:library:transferred", by, ip=ip, library_id=library_id, detail={"to": new_email}
        )


def _regrant(tx: Transaction, values: dict[str, Any]) -> None:
    """Make the new owner the giver of all shares; of several with one account the first stays."""
    shares = {row.to_account_id: row for row in reversed(tx.execute(_USER_SHARES, values).all())}
    tx.execute(_END_USER_SHARES, {"library": values["library"]})
    if shares:
        same = {"library_id": values["library"], "from_account_id": values["new_owner"]}
        tx.execute(_SHARE, [{**same, **row._mapping} for row in shares.values()])
    tx.execute(_END_GROUP_SHARES, values)
    tx.execute(_GIVE_GROUP_SHARES, values)
