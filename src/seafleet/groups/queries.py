"""Reading groups and members. Source: Web API manual, "Groups"; conventions §10."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, select

from seafleet.db.tables import account, group, group_member
from seafleet.groups.model import Group, Member

if TYPE_CHECKING:
    from sqlalchemy import CTE, Connection

_GROUP: Final = (
    select(
        group.c.id,
        group.c.name,
        group.c.creator_email,
        group.c.owner_id,
        account.c.email,
        group.c.created_at_us,
        group.c.parent_group_id,
        group.c.organization_id,
        group.c.quota_bytes,
    )
    .select_from(group)
    .outerjoin(account, account.c.id == group.c.owner_id)
)
_BY_ID: Final = _GROUP.where(group.c.id == bindparam("group_id"))
_BY_NAME: Final = _GROUP.where(group.c.name == bindparam("name")).order_by(group.c.id)
_OF_ACCOUNT: Final = (
    _GROUP.join(group_member, group_member.c.group_id == group.c.id)
    .where(group_member.c.account_id == bindparam("account_id"))
    .order_by(group.c.id)
)

_MEMBERS: Final = (
    select(
        group_member.c.group_id,
        account.c.id,
        account.c.email,
        account.c.name,
        account.c.contact_email,
        account.c.login_id,
        group_member.c.is_admin,
        and_(group.c.owner_id.is_not(None), group.c.owner_id == account.c.id),
        group_member.c.joined_at,
    )
    .select_from(group_member)
    .join(account, account.c.id == group_member.c.account_id)
    .join(group, group.c.id == group_member.c.group_id)
    .where(group_member.c.group_id == bindparam("group_id"))
    .order_by(group_member.c.id)
)
_MEMBER: Final = _MEMBERS.where(group_member.c.account_id == bindparam("account_id"))


def reaching_groups() -> CTE:
    """Return, for use in statements, the ids of all groups through which `:account_id` reaches something.

    These are the groups it is a member of, and every department above them. A circle of parents does no harm.
    """
    own = (
        select(group.c.id, group.c.parent_group_id)
        .select_from(group_member)
        .join(group, group.c.id == group_member.c.group_id)
        .where(group_member.c.account_id == bindparam("account_id"))
        .cte("reaching", recursive=True)
    )
    above = select(group.c.id, group.c.parent_group_id).join(own, group.c.id == own.c.parent_group_id)
    return own.union(above)


_REACHING_IDS: Final = select(reaching_groups().c.id)


def find_group(connection: Connection, group_id: int) -> Group | None:
    """Return a group, or None."""
    row = connection.execute(_BY_ID, {"group_id": group_id}).one_or_none()
    return None if row is None else _to_group(row)


def groups_named(connection: Connection, name: str) -> list[Group]:
    """Return the groups of exactly this name."""
    return [_to_group(row) for row in connection.execute(_BY_NAME, {"name": name})]


def groups_of(connection: Connection, account_id: int) -> list[Group]:
    """Return the groups that an account is a member of itself, oldest first."""
    return [_to_group(row) for row in connection.execute(_OF_ACCOUNT, {"account_id": account_id})]


def reaching_group_ids(connection: Connection, account_id: int) -> frozenset[int]:
    """Return the ids of an account's groups and of the departments above them."""
    return frozenset(connection.execute(_REACHING_IDS, {"account_id": account_id}).scalars())


def members(connection: Connection, group_id: int) -> list[Member]:
    """Return the members of a group in the order in which they joined."""
    return [_to_member(row) for row in connection.execute(_MEMBERS, {"group_id": group_id})]


def find_member(connection: Connection, group_id: int, account_id: int) -> Member | None:
    """Return an account's own membership in a group, or None."""
    parameters = {"group_id": group_id, "account_id": account_id}
    row = connection.execute(_MEMBER, parameters).one_or_none()
    return None if row is None else _to_member(row)


def _to_group(row: Any) -> Group:
    return Group(*row)


def _to_member(row: Any) -> Member:
    *parts, is_owner, joined_at = row
    fields = (*parts, bool(is_owner), joined_at)
    return Member(*fields)
