"""Lists of shares."""

from __future__ import annotations

import pytest

from seafleet.errors import InvalidArgument
from seafleet.ids import LibraryId
from seafleet.sharing import queries
from seafleet.sharing.model import Permission, strongest
from tests.support.world import World


def test_shares_are_listed_for_giver_receiver_and_library(world: World) -> None:
    owner, friend, other = world.account(), world.account(), world.account()
    first, second = world.library(owner), world.library(owner)
    world.share(first, owner, friend, "rw")
    world.share(second, owner, friend, "r")
    world.share(first, owner, other, "admin")
    with world.database.read() as connection:
        received = queries.shares_to(connection, friend.id)
        given = queries.shares_by(connection, owner.id)
        of_first = queries.user_shares_of(connection, first)
    assert [(share.library_id, share.permission) for share in received] == [
        (first, Permission.WRITE),
        (second, Permission.READ),
    ]
    assert [(share.from_email, share.to_email) for share in of_first] == [
        (owner.email, friend.email),
        (owner.email, other.email),
    ]
    assert len(given) == 3


def test_group_shares_are_listed_for_giver_groups_and_library(world: World) -> None:
    owner = world.account()
    groups = [world.group(), world.group()]
    library_id = world.library(owner)
    world.share_to_group(library_id, owner, groups[0], "r")
    world.share_to_group(library_id, owner, groups[1], "rw")
    with world.database.read() as connection:
        assert queries.shares_to_groups(connection, []) == []
        (share,) = queries.shares_to_groups(connection, [groups[1]])
        assert len(queries.group_shares_by(connection, owner.id)) == 2
        assert len(queries.group_shares_of(connection, library_id)) == 2
    assert (share.library_id, share.group_id, share.permission) == (library_id, groups[1], Permission.WRITE)
    assert share.from_email == owner.email


def test_public_shares_are_listed_by_organization(world: World) -> None:
    owner = world.account()
    library_id, elsewhere = world.library(owner), world.library(owner)
    world.publish(library_id, "r")
    world.publish(elsewhere, "rw", organization_id=7)
    with world.database.read() as connection:
        here = [share.library_id for share in queries.public_shares(connection)]
        (there,) = queries.public_shares(connection, 7)
    assert library_id in here
    assert elsewhere not in here
    assert (there.library_id, there.permission) == (elsewhere, Permission.WRITE)


def test_shares_of_a_later_version_are_left_out(world: World) -> None:
    owner, friend = world.account(), world.account()
    library_id = world.library(owner)
    world.share(library_id, owner, friend, "preview")
    world.share_to_group(library_id, owner, world.group(), "preview")
    world.publish(library_id, "preview", organization_id=8)
    with world.database.read() as connection:
        assert queries.shares_to(connection, friend.id) == []
        assert queries.group_shares_of(connection, library_id) == []
        assert queries.public_shares(connection, 8) == []


def test_nobody_has_facts_about_a_library_that_does_not_exist(world: World) -> None:
    missing = LibraryId("00000000-0000-4000-8000-ffffffffffff")
    with world.database.read() as connection:
        assert queries.load_facts(connection, 1, missing) is None


def test_permissions_have_a_strength_and_a_word(world: World) -> None:
    assert strongest([]) is None
    assert strongest([Permission.READ, Permission.ADMIN, Permission.WRITE]) is Permission.ADMIN
    assert [permission.wire for permission in Permission] == ["r", "rw", "rw"]
    assert Permission.parse("admin") is Permission.ADMIN
    for text in ("", "R", "w", "preview"):
        with pytest.raises(InvalidArgument):
            Permission.parse(text)
