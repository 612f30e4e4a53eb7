"""Sharing a library with accounts and groups, and ending that.

Shares are given by the library's owner, whoever acts for it.

Source: Web API manual, "Share"; sharing page; libraries page.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, select

from seafleet.db.engine import upsert
from seafleet.db.tables import account, group_share, library, user_share
from seafleet.errors import LibraryNotFound

if TYPE_CHECKING:
    from seafleet.activity.audit import Audit
    from seafleet.actor import Actor
    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction
    from seafleet.ids import LibraryId
    from seafleet.sharing.model import Permission

_user, _group = user_share.c, group_share.c
_OWNER: Final = select(library.c.owner_id).where(library.c.id == bindparam("library"))
_EMAIL: Final = select(account.c.email).where(account.c.id == bindparam("account"))
_of_user = (_user.library_id == bindparam("library")) & (_user.to_account_id == bindparam("target"))
_of_group = (_group.library_id == bindparam("library")) & (_group.group_id == bindparam("target"))
_FIND: Final = {
    "user": select(_user.permission).where(_of_user),
    "group": select(_group.permission).where(_of_group),
}
_END: Final = {"user": delete(user_share).where(_of_user), "group": delete(group_share).where(_of_group)}


def _put(table: Any, *key: str) -> Any:
    row = upsert(table)
    return row.on_conflict_do_update(
        index_elements=[table.c[name] for name in key], set_={"permission": row.excluded.permission}
    )


_PUT: Final = {
    "user": _put(user_share, "library_id", "from_account_id", "to_account_id"),
    "group": _put(group_share, "library_id", "group_id"),
}
_TARGET: Final = {"user": "to_account_id", "group": "group_id"}


class Shares:
    """Shares libraries with accounts and groups. Who may do so is decided elsewhere.

    Callers have the access evaluator forget the library afterwards.
    """

    def __init__(self, database: Database, clock: Clock, audit: Audit) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    def share_with_accounts(
        self,
        library_id: LibraryId,
        account_ids: Collection[int],
        permission: Permission,
        by: Actor,
        *,
        ip: str = "",
    ) -> None:
        """Let accounts reach a library, or do more or less there than before: all of them or, on an error,
        none. Raises LibraryNotFound.
        """

        def work(tx: Transaction) -> None:
            for account_id in account_ids:
                told = tx.execute(_EMAIL, {"account": account_id}).scalar_one_or_none()
                self._share(tx, "user", library_id, (account_id, told), permission, (by, ip))

        self._database.write(work)

    def share_with_group(
        self, library_id: LibraryId, group_id: int, permission: Permission, by: Actor, *, ip: str = ""
    ) -> None:
        """Let the members of a group reach a library. Raises LibraryNotFound."""
        target = (group_id, group_id)
        self._database.write(lambda tx: self._share(tx, "group", library_id, target, permission, (by, ip)))

    def unshare_from_account(
        self, library_id: LibraryId, account_id: int, email: str, by: Actor, *, ip: str = ""
    ) -> bool:
        """End an account's own share of a library; tell whether there was one."""
        target = (account_id, email)
        return self._database.write(lambda tx: self._unshare(tx, "user", library_id, target, (by, ip)))

    def unshare_from_group(self, library_id: LibraryId, group_id: int, by: Actor, *, ip: str = "") -> bool:
        """End a group's share of a library; tell whether there was one."""
        target = (group_id, group_id)
        return self._database.write(lambda tx: self._unshare(tx, "group", library_id, target, (by, ip)))

    def _share(
        self,
        tx: Transaction,
        kind: str,
        library_id: LibraryId,
        target: tuple[int, str | int | None],
        permission: Permission,
        who: tuple[Actor, str],
    ) -> None:
        owner_id = tx.execute(_OWNER, {"library": library_id}).scalar_one_or_none()
        if owner_id is None:
            raise LibraryNotFound(library_id)
        before = tx.execute(_FIND[kind], {"library": library_id, "target": target[0]}).scalars().first()
        if before == permission.value:
            return
        row = {
            "library_id": library_id,
            "from_account_id": owner_id,
            _TARGET[kind]: target[0],
            "permission": permission.value,
            "created_at": self._clock.timestamp(),
        }
        tx.execute(_PUT[kind], row)
        tag = "api:share:added" if before is None else "api:share:changed"
        self._record(tx, tag, library_id, target[1], permission.value, who)

    def _unshare(
        self,
        tx: Transaction,
        kind: str,
        library_id: LibraryId,
        target: tuple[int, str | int],
        who: tuple[Actor, str],
    ) -> bool:
        place = {"library": library_id, "target": target[0]}
        before = tx.execute(_FIND[kind], place).scalars().first()
        if before is None:
            return False
        tx.execute(_END[kind], place)
        self._record(tx, "api:share:removed", library_id, target[1], before, who)
        return True

    def _record(
        self,
        tx: Transaction,
        tag: str,
        library_id: LibraryId,
        target: str | int | None,
        permission: str,
        who: tuple[Actor, str],
    ) -> None:
        told = {"target": target, "permission": permission}
        self._audit.write(tx, tag, who[0], ip=who[1], library_id=library_id, path="/", detail=told)
