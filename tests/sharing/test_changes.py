"""Sharing, publishing and giving libraries away, and what is recorded of it."""

from __future__ import annotations

import json

import pytest

from seafleet.accounts.model import Account
from seafleet.actor import SYSTEM
from seafleet.db import tables
from seafleet.errors import AccountNotFound, LibraryNotFound
from seafleet.ids import LibraryId
from seafleet.sharing import queries
from seafleet.sharing.model import Permission
from seafleet.sharing.ownership import Ownership
from seafleet.sharing.publishing import Publishing
from seafleet.sharing.shares import Shares
from tests.support.world import World

NOWHERE = LibraryId("00000000-0000-4000-8000-000000000000")


def _publishing(world: World) -> Publishing:
    return Publishing(world.database, world.clock, world.audit)


def _shares(world: World) -> Shares:
    return Shares(world.database, world.clock, world.audit)


def _ownership(world: World) -> Ownership:
    return Ownership(world.database, world.clock, world.audit)


def _records(world: World, library_id: LibraryId) -> list[tuple[str, object, object]]:
    rows = world.rows(tables.audit_event, library_id=library_id)
    details = [json.loads(row.detail) for row in rows]
    return [
        (row.tag, told.get("target"), told.get("permission")) for row, told in zip(rows, details, strict=True)
    ]


def test_publishing_twice_changes_the_permission_and_is_recorded(world: World) -> None:
    owner = world.account()
    library_id, publishing, actor = world.library(owner), _publishing(world), world.actor(owner)
    publishing.publish(library_id, Permission.READ, actor)
    publishing.publish(library_id, Permission.READ, actor)
    publishing.publish(library_id, Permission.WRITE, actor)
    assert publishing.withdraw(library_id, actor)
    assert not publishing.withdraw(library_id, actor)
    assert world.count(tables.public_share, library_id=library_id) == 0
    assert _records(world, library_id) == [
        ("api:share:added", "all", "r"),
        ("api:share:changed", "all", "rw"),
        ("api:share:removed", "all", "rw"),
    ]


def test_shares_with_accounts_are_the_owners_whoever_makes_them(world: World) -> None:
    owner, friend, other = world.account(), world.account(), world.account()
    library_id, shares = world.library(owner), _shares(world)
    shares.share_with_accounts(library_id, [friend.id, other.id], Permission.READ, SYSTEM)
    shares.share_with_accounts(library_id, [friend.id], Permission.WRITE, SYSTEM)
    with world.database.read() as connection:
        found = queries.user_shares_of(connection, library_id)
    assert [(each.from_email, each.to_email, each.permission) for each in found] == [
        (owner.email, friend.email, "rw"),
        (owner.email, other.email, "r"),
    ]
    assert shares.unshare_from_account(library_id, friend.id, friend.email, SYSTEM)
    assert not shares.unshare_from_account(library_id, friend.id, friend.email, SYSTEM)
    assert _records(world, library_id) == [
        ("api:share:added", friend.email, "r"),
        ("api:share:added", other.email, "r"),
        ("api:share:changed", friend.email, "rw"),
        ("api:share:removed", friend.email, "rw"),
    ]


def test_shares_with_groups_come_and_go(world: World) -> None:
    owner, group_id = world.account(), world.group()
    library_id, shares = world.library(owner), _shares(world)
    shares.share_with_group(library_id, group_id, Permission.WRITE, world.actor(owner))
    with world.database.read() as connection:
        (found,) = queries.group_shares_of(connection, library_id)
    assert (found.from_email, found.group_id, found.permission) == (owner.email, group_id, "rw")
    assert shares.unshare_from_group(library_id, group_id, world.actor(owner))
    assert not shares.unshare_from_group(library_id, group_id, world.actor(owner))


def test_what_does_not_exist_cannot_be_shared_or_given_away(world: World) -> None:
    owner = world.account()
    with pytest.raises(LibraryNotFound):
        _shares(world).share_with_accounts(NOWHERE, [owner.id], Permission.READ, SYSTEM)
    with pytest.raises(LibraryNotFound):
        _ownership(world).transfer(NOWHERE, owner.id, SYSTEM)
    with pytest.raises(AccountNotFound):
        _ownership(world).transfer(world.library(owner), 1 << 40, SYSTEM)


def _transferred(world: World, library_id: LibraryId, to: Account) -> None:
    _ownership(world).transfer(library_id, to.id, SYSTEM)


def test_a_new_owner_gives_the_shares_but_not_one_to_itself(world: World) -> None:
    old, new, friend = world.account(), world.account(), world.account()
    library_id = world.library(old)
    world.share(library_id, old, new, "rw")
    world.share(library_id, old, friend, "admin")
    world.share(library_id, new, friend, "r")  # a giver of an earlier time
    world.publish(library_id, "r", organization_id=77)
    _transferred(world, library_id, new)
    with world.database.read() as connection:
        found = queries.user_shares_of(connection, library_id)
    assert [(each.from_email, each.to_email, each.permission) for each in found] == [
        (new.email, friend.email, "admin")
    ]
    assert world.count(tables.public_share, library_id=library_id) == 1
    assert world.rows(tables.library, id=library_id)[0].owner_id == new.id


def test_group_shares_stay_for_the_groups_of_the_new_owner(world: World) -> None:
    old, new = world.account(), world.account()
    library_id, kept, ended = world.library(old), world.group(old, new), world.group(old)
    for group_id in (kept, ended):
        world.share_to_group(library_id, old, group_id, "rw")
    _transferred(world, library_id, new)
    (row,) = world.rows(tables.group_share, library_id=library_id)
    assert (row.group_id, row.from_account_id) == (kept, new.id)


def test_links_of_the_old_owner_become_the_new_owners(world: World) -> None:
    old, new, friend = world.account(), world.account(), world.account()
    library_id = world.library(old)
    of_old, of_friend = world.share_link(library_id, old, "/a"), world.share_link(library_id, friend, "/a")
    _transferred(world, library_id, new)
    owners = {row.token: row.account_id for row in world.rows(tables.share_link, library_id=library_id)}
    assert owners == {of_old: new.id, of_friend: friend.id}


def test_shared_folders_end_and_other_sub_libraries_go_along(world: World) -> None:
    old, new, friend = world.account(), world.account(), world.account()
    library_id = world.library(old)
    shared, kept = (world.sub_library(old, library_id, path) for path in ("/a", "/b"))
    world.share(shared, old, friend, "r")
    _transferred(world, library_id, new)
    assert world.rows(tables.library, id=shared) == []
    assert world.rows(tables.library, id=kept)[0].owner_id == new.id


def test_giving_a_library_to_its_owner_changes_nothing(world: World) -> None:
    owner, friend = world.account(), world.account()
    library_id = world.library(owner)
    world.share(library_id, owner, friend, "r")
    _transferred(world, library_id, owner)
    assert world.count(tables.user_share, library_id=library_id) == 1
    assert _records(world, library_id) == []
