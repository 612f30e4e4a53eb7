"""Reading shares, and everything that decides about one account's access to one library.

Source: Web API conventions §10; Web API manual, "Share".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, func, literal, select, union_all

from seafleet.db.prepared import Prepared
from seafleet.db.tables import (
    account,
    folder_group_permission,
    folder_user_permission,
    group,
    group_share,
    library,
    public_share,
    sub_library,
    user_share,
)
from seafleet.groups.queries import reaching_groups
from seafleet.ids import LibraryId
from seafleet.sharing.model import (
    FolderRule,
    Grant,
    GroupShare,
    LibraryFacts,
    Permission,
    PublicShare,
    UserShare,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

# --- facts ----------------------------------------------------------------------------------------------

_origin: Final = library.alias("origin")

_BASE: Final = Prepared(
    select(
        func.coalesce(_origin.c.owner_id, library.c.owner_id).label("owner_id"),
        (library.c.status + func.coalesce(_origin.c.status, 0)).label("status"),
        func.coalesce(sub_library.c.origin_library_id, library.c.id).label("origin_id"),
        sub_library.c.path,
        account.c.is_active,
        account.c.organization_id,
    )
    .select_from(library)
    .outerjoin(sub_library, sub_library.c.library_id == library.c.id)
    .outerjoin(_origin, _origin.c.id == sub_library.c.origin_library_id)
    .outerjoin(account, account.c.id == bindparam("account_id"))
    .where(library.c.id == bindparam("library_id"))
)


def _reached_by(kind: str) -> Select[Any]:
    """Return the shares of one kind that reach the account, without a library yet."""
    if kind == "user":
        statement = select(user_share.c.library_id, user_share.c.permission)
        return statement.where(user_share.c.to_account_id == bindparam("account_id"))
    if kind == "group":
        statement = select(group_share.c.library_id, group_share.c.permission)
        return statement.where(group_share.c.group_id.in_(select(_groups.c.id)))
    statement = select(public_share.c.library_id, public_share.c.permission)
    return statement.where(public_share.c.organization_id == bindparam("organization_id"))


_groups: Final = reaching_groups()


def _own_grants(kind: str) -> Select[Any]:
    shares = _reached_by(kind)
    target, permission = shares.selected_columns
    columns = (
        literal("grant").label("what"),
        literal(kind).label("kind"),
        literal("").label("path"),
        permission,
    )
    return shares.with_only_columns(*columns).where(target == bindparam("library_id"))


def _folder_grants(kind: str) -> Select[Any]:
    shares = _reached_by(kind)
    target, permission = shares.selected_columns
    columns = (literal("grant").label("what"), literal(kind).label("kind"), sub_library.c.path, permission)
    return (
        shares.with_only_columns(*columns)
        .join(sub_library, sub_library.c.library_id == target)
        .where(sub_library.c.origin_library_id == bindparam("library_id"))
    )


def _rules() -> tuple[Select[Any], Select[Any]]:
    users, groups = folder_user_permission.c, folder_group_permission.c
    what = literal("rule").label("what")
    return (
        select(what, literal("user").label("kind"), users.path, users.permission).where(
            users.library_id == bindparam("library_id"), users.account_id == bindparam("account_id")
        ),
        select(what, literal("group").label("kind"), groups.path, groups.permission).where(
            groups.library_id == bindparam("library_id"), groups.group_id.in_(select(_groups.c.id))
        ),
    )


_KINDS: Final = ("user", "group", "public")
_OF_LIBRARY: Final = Prepared(union_all(*(_own_grants(kind) for kind in _KINDS), *_rules()))
_OF_SUB_LIBRARY: Final = Prepared(
    union_all(*(_own_grants(kind) for kind in _KINDS), *(_folder_grants(kind) for kind in _KINDS), *_rules())
)


def load_facts(connection: Connection, account_id: int, library_id: LibraryId) -> LibraryFacts | None:
    """Return what decides about this account and library, None if there is no such library; at most two
    queries.
    """
    base = _BASE.first(connection, {"account_id": account_id, "library_id": library_id})
    if base is None:
        return None
    grants: list[Grant] = []
    rules: list[FolderRule] = []
    if base.owner_id != account_id and base.is_active:
        statement = _OF_LIBRARY if base.path is None else _OF_SUB_LIBRARY
        parameters = {
            "account_id": account_id,
            "library_id": base.origin_id,
            "organization_id": base.organization_id,
        }
        for what, kind, path, word in statement.all(connection, parameters):
            permission = _known(word)
            if permission is None:
                continue
            if what == "rule":
                rules.append(FolderRule(path, kind, permission))
            else:
                grants.append(Grant(kind, permission, path or None))
    return LibraryFacts(
        library_id=library_id,
        owner_id=base.owner_id,
        is_read_only=base.status != 0,
        account_is_active=bool(base.is_active),
        origin_path=base.path,
        grants=tuple(grants),
        rules=tuple(rules),
    )


_WORDS: Final = {permission.value: permission for permission in Permission}


def _known(word: str) -> Permission | None:
    """Read a stored permission. A word of a later version permits nothing here."""
    return _WORDS.get(word)


# --- lists ----------------------------------------------------------------------------------------------

_giver: Final = account.alias("giver")
_receiver: Final = account.alias("receiver")

_USER_SHARES: Final = (
    select(
        user_share.c.library_id,
        _giver.c.id,
        _giver.c.email,
        _receiver.c.id,
        _receiver.c.email,
        user_share.c.permission,
        user_share.c.created_at,
    )
    .join(_giver, _giver.c.id == user_share.c.from_account_id)
    .join(_receiver, _receiver.c.id == user_share.c.to_account_id)
    .order_by(user_share.c.id)
)
_TO_ACCOUNT: Final = _USER_SHARES.where(user_share.c.to_account_id == bindparam("account_id"))
_BY_ACCOUNT: Final = _USER_SHARES.where(user_share.c.from_account_id == bindparam("account_id"))
_USERS_OF_LIBRARY: Final = _USER_SHARES.where(user_share.c.library_id == bindparam("library_id"))

_GROUP_SHARES: Final = (
    select(
        group_share.c.library_id,
        _giver.c.id,
        _giver.c.email,
        group.c.id,
        group.c.name,
        group_share.c.permission,
        group_share.c.created_at,
    )
    .join(_giver, _giver.c.id == group_share.c.from_account_id)
    .join(group, group.c.id == group_share.c.group_id)
    .order_by(group_share.c.created_at, group_share.c.library_id, group.c.id)
)
_TO_GROUPS: Final = _GROUP_SHARES.where(group_share.c.group_id.in_(bindparam("group_ids", expanding=True)))
_GROUPS_BY_ACCOUNT: Final = _GROUP_SHARES.where(group_share.c.from_account_id == bindparam("account_id"))
_GROUPS_OF_LIBRARY: Final = _GROUP_SHARES.where(group_share.c.library_id == bindparam("library_id"))

_PUBLIC: Final = (
    select(
        public_share.c.library_id,
        public_share.c.organization_id,
        public_share.c.permission,
        public_share.c.created_at,
    )
    .where(public_share.c.organization_id == bindparam("organization_id"))
    .order_by(public_share.c.created_at, public_share.c.library_id)
)


def shares_to(connection: Connection, account_id: int) -> list[UserShare]:
    """Return what was shared with an account personally, oldest first."""
    return _user_shares(connection.execute(_TO_ACCOUNT, {"account_id": account_id}))


def shares_by(connection: Connection, account_id: int) -> list[UserShare]:
    """Return what an account shared with others, oldest first."""
    return _user_shares(connection.execute(_BY_ACCOUNT, {"account_id": account_id}))


def user_shares_of(connection: Connection, library_id: LibraryId) -> list[UserShare]:
    """Return with whom a library or sub-library is shared, oldest first."""
    return _user_shares(connection.execute(_USERS_OF_LIBRARY, {"library_id": library_id}))


def shares_to_groups(connection: Connection, group_ids: Iterable[int]) -> list[GroupShare]:
    """Return what was shared with any of these groups, oldest first."""
    wanted = sorted(group_ids)
    if not wanted:
        return []
    return _group_shares(connection.execute(_TO_GROUPS, {"group_ids": wanted}))


def group_shares_by(connection: Connection, account_id: int) -> list[GroupShare]:
    """Return what an account shared with groups, oldest first."""
    return _group_shares(connection.execute(_GROUPS_BY_ACCOUNT, {"account_id": account_id}))


def group_shares_of(connection: Connection, library_id: LibraryId) -> list[GroupShare]:
    """Return with which groups a library or sub-library is shared, oldest first."""
    return _group_shares(connection.execute(_GROUPS_OF_LIBRARY, {"library_id": library_id}))


def public_shares(connection: Connection, organization_id: int = 1) -> list[PublicShare]:
    """Return what everybody of an organization reaches, oldest first."""
    found = connection.execute(_PUBLIC, {"organization_id": organization_id})
    return [
        PublicShare(LibraryId(library_id), organization, permission, created_at)
        for library_id, organization, word, created_at in found
        if (permission := _known(word)) is not None
    ]


def _user_shares(found: Iterable[Any]) -> list[UserShare]:
    return [UserShare(*fields) for row in found if (fields := _share_fields(row)) is not None]


def _group_shares(found: Iterable[Any]) -> list[GroupShare]:
    return [GroupShare(*fields) for row in found if (fields := _share_fields(row)) is not None]


def _share_fields(row: Any) -> tuple[Any, ...] | None:
    library_id, *sides, word, created_at = row
    permission = _known(word)
    return None if permission is None else (LibraryId(library_id), *sides, permission, created_at)
