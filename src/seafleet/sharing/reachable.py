"""The libraries that an account reaches, in the ways in which it reaches them: one query for all of them.

A library that is reached in several ways appears once for each. The permission is that of this way alone, as
the share says it; what an account may do in the end is for the access evaluator to say.

Source: Web API manual, "List Libraries"; libraries page, "Listing".
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import bindparam, cast, literal, null, select, union_all

from seafleet.db.prepared import Prepared
from seafleet.db.tables import account, group, group_share, library, public_share, user_share
from seafleet.groups.queries import reaching_groups
from seafleet.sharing.model import Permission

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

    from seafleet.actor import Actor


class Way(StrEnum):
    """How a library is reached, in the order in which lists show it."""

    OWNED = "mine"
    SHARED = "shared"
    GROUP = "group"
    PUBLIC = "public"


ALL_WAYS: Final = frozenset(Way)


class ReachableLibrary(NamedTuple):
    """One library, reached in one way. Built many at a time, hence a tuple.

    `giver_email` is who shared it, the owner where nobody is known; `group_id` and `group_name` are set for
    GROUP. `updated_at` is in Unix seconds. `store_id` is the origin's id for a sub-library.
    """

    way: str
    library_id: str
    store_id: str
    name: str
    description: str
    owner_email: str
    giver_email: str
    permission: str
    group_id: int | None
    group_name: str | None
    size_bytes: int
    file_count: int
    version: int
    updated_at: int
    last_modifier: str
    head_commit_id: str
    encrypted: bool
    salt: str
    status: int

    @property
    def is_admin(self) -> bool:
        """Whether the share lets manage shares."""
        return self.permission == Permission.ADMIN

    @property
    def is_sub_library(self) -> bool:
        """Whether this shows a folder of another library."""
        return self.library_id != self.store_id

    @property
    def access(self) -> str:
        """What the API calls the permission: `r` or `rw`; `r` for everybody while a library is read-only."""
        return "r" if self.status or self.permission == Permission.READ else "rw"


_owner: Final = account.alias("owner")
_giver: Final = account.alias("giver")
_store: Final = library.alias("store")
_groups: Final = reaching_groups()
_NO_GROUP: Final = (cast(null(), group.c.id.type), cast(null(), group.c.name.type))
_RANK: Final = {way.value: rank for rank, way in enumerate(Way)}
_WORDS: Final = frozenset(permission.value for permission in Permission)


def _block(way: Way, owner: Any, giver: Any, permission: Any, of_group: tuple[Any, Any]) -> Select[Any]:
    return (
        select(
            literal(way.value).label("way"),
            library.c.id.label("library_id"),
            library.c.store_id,
            library.c.name,
            library.c.description,
            owner.label("owner_email"),
            giver.label("giver_email"),
            permission.label("permission"),
            of_group[0].label("group_id"),
            of_group[1].label("group_name"),
            library.c.size_bytes,
            library.c.file_count,
            library.c.version,
            library.c.updated_at,
            library.c.last_modifier,
            library.c.head_commit_id,
            library.c.encrypted,
            library.c.salt,
            # A sub-library is as read-only as its origin; for others the same row is counted twice.
            (library.c.status + _store.c.status).label("status"),
        )
        .select_from(library)
        .join(_store, _store.c.id == library.c.store_id)
    )


def _shared_block(way: Way, giver: Any, permission: Any, of_group: tuple[Any, Any]) -> Select[Any]:
    block = _block(way, _owner.c.email, giver, permission, of_group)
    return block.join(_owner, _owner.c.id == library.c.owner_id).where(library.c.is_damaged.is_(False))


def _owned() -> Select[Any]:
    """Return what the account owns, damaged libraries included, sub-libraries left out."""
    caller, own = bindparam("email", type_=account.c.email.type), literal(Permission.WRITE.value)
    block = _block(Way.OWNED, caller, caller, own, _NO_GROUP)
    return block.where(library.c.owner_id == bindparam("account_id"), library.c.store_id == library.c.id)


def _shared() -> Select[Any]:
    share = user_share.c
    return (
        _shared_block(Way.SHARED, _giver.c.email, share.permission, _NO_GROUP)
        .join(user_share, share.library_id == library.c.id)
        .join(_giver, _giver.c.id == share.from_account_id)
        .where(share.to_account_id == bindparam("account_id"))
    )


def _of_groups() -> Select[Any]:
    share = group_share.c
    return (
        _shared_block(Way.GROUP, _giver.c.email, share.permission, (group.c.id, group.c.name))
        .join(group_share, share.library_id == library.c.id)
        .join(group, group.c.id == share.group_id)
        .join(_giver, _giver.c.id == share.from_account_id)
        .where(share.group_id.in_(select(_groups.c.id)))
    )


def _public() -> Select[Any]:
    share = public_share.c
    return (
        _shared_block(Way.PUBLIC, _owner.c.email, share.permission, _NO_GROUP)
        .join(public_share, share.library_id == library.c.id)
        .where(share.organization_id == bindparam("organization_id"))
    )


_BLOCKS: Final = {
    Way.OWNED: _owned(),
    Way.SHARED: _shared(),
    Way.GROUP: _of_groups(),
    Way.PUBLIC: _public(),
}


@lru_cache(maxsize=1 << len(Way))
def _statement(ways: frozenset[Way]) -> Prepared:
    return Prepared(union_all(*(_BLOCKS[way] for way in Way if way in ways)))


def reachable_libraries(
    connection: Connection, actor: Actor, ways: Collection[Way] = ALL_WAYS, *, name_contains: str = ""
) -> list[ReachableLibrary]:
    """Return what an account reaches in some ways, by way, and by the last change in each, newest first.

    `name_contains` compares without regard to case.
    """
    if not ways:
        return []
    values = {
        "account_id": actor.account_id,
        "email": actor.email,
        "organization_id": actor.organization_id,
    }
    rows = _statement(frozenset(ways)).all(connection, values)
    part = name_contains.casefold()
    found = [
        each
        for each in map(ReachableLibrary._make, rows)
        # A permission of a later version permits nothing here.
        if each.permission in _WORDS and part in each.name.casefold()
    ]
    found.sort(key=_order)
    return found


def _order(each: ReachableLibrary) -> tuple[int, int, str]:
    return _RANK[each.way], -each.updated_at, each.library_id
