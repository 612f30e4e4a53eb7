"""Which libraries an account reaches, in which ways, in which order."""

from __future__ import annotations

import pytest

from seafleet.db import tables
from seafleet.sharing.reachable import ReachableLibrary, Way, reachable_libraries
from tests.support.world import World


def _found(world: World, actor: object, *ways: Way, part: str = "") -> list[ReachableLibrary]:
    with world.database.read() as connection:
        return reachable_libraries(connection, actor, ways or tuple(Way), name_contains=part)  # type: ignore[arg-type]


def test_lists_ways_in_order_and_in_each_the_newest_change_first(world: World) -> None:
    caller, other = world.account(organization_id=7), world.account()
    own = [world.library(caller, updated_at=at) for at in (10, 30, 20)]
    shared = [world.library(other, updated_at=at) for at in (5, 6)]
    grouped, public = world.library(other), world.library(other)
    for library_id in shared:
        world.share(library_id, other, caller, "r")
    group_id = world.group(caller)
    world.share_to_group(grouped, other, group_id, "rw")
    world.publish(public, "r", organization_id=7)
    actor = world.actor(caller)
    found = _found(world, type(actor)(caller.id, caller.email, organization_id=7))
    assert [(each.way, each.library_id) for each in found] == [
        ("mine", own[1]),
        ("mine", own[2]),
        ("mine", own[0]),
        ("shared", shared[1]),
        ("shared", shared[0]),
        ("group", grouped),
        ("public", public),
    ]
    assert found[5].group_id == group_id
    assert found[5].group_name
    assert [each.giver_email for each in found] == [caller.email] * 3 + [other.email] * 4


@pytest.mark.parametrize("way", list(Way))
def test_each_way_can_be_asked_for_alone(world: World, way: Way) -> None:
    caller, other = world.account(organization_id=1), world.account()
    library_id = world.library(caller if way is Way.OWNED else other)
    world.share(library_id, other, caller, "r")
    world.share_to_group(library_id, other, world.group(caller), "r")
    world.publish(library_id, "r", organization_id=900 + caller.id)
    actor = world.actor(caller)
    in_own_organization = type(actor)(caller.id, caller.email, organization_id=900 + caller.id)
    assert [each.way for each in _found(world, in_own_organization, way)] == [way]


def test_a_library_appears_once_for_each_way_and_each_group(world: World) -> None:
    caller, owner = world.account(), world.account()
    library_id = world.library(owner)
    world.share(library_id, owner, caller, "admin")
    for permission in ("r", "rw"):
        world.share_to_group(library_id, owner, world.group(caller), permission)
    found = _found(world, world.actor(caller), Way.SHARED, Way.GROUP)
    assert sorted((each.way, each.access, each.is_admin) for each in found) == [
        ("group", "r", False),
        ("group", "rw", False),
        ("shared", "rw", True),
    ]


def test_departments_above_reach_too(world: World) -> None:
    caller, owner = world.account(), world.account()
    top = world.group(parent=-1)
    world.group(caller, parent=top)
    library_id = world.library(owner)
    world.share_to_group(library_id, owner, top, "r")
    assert [each.library_id for each in _found(world, world.actor(caller), Way.GROUP)] == [library_id]


def test_sub_libraries_are_listed_where_they_are_shared_but_not_to_their_owner(world: World) -> None:
    owner, friend = world.account(), world.account()
    origin = world.library(owner)
    sub = world.sub_library(owner, origin, "/a")
    world.share(sub, owner, friend, "rw")
    assert [each.library_id for each in _found(world, world.actor(owner))] == [origin]
    (line,) = _found(world, world.actor(friend))
    assert (line.library_id, line.store_id, line.is_sub_library) == (sub, origin, True)


def test_damaged_libraries_are_shown_to_their_owner_only(world: World) -> None:
    owner, friend = world.account(), world.account()
    library_id = world.library(owner, is_damaged=True)
    world.share(library_id, owner, friend, "rw")
    assert [each.library_id for each in _found(world, world.actor(owner))] == [library_id]
    assert _found(world, world.actor(friend)) == []


def test_nobody_writes_to_what_is_read_only_nor_to_folders_of_it(world: World) -> None:
    owner, friend = world.account(), world.account()
    origin = world.library(owner, status=1)
    world.share(world.sub_library(owner, origin, "/a"), owner, friend, "rw")
    assert [each.access for each in _found(world, world.actor(owner))] == ["r"]
    assert [each.access for each in _found(world, world.actor(friend))] == ["r"]


def test_names_are_searched_without_regard_to_case(world: World) -> None:
    caller = world.account()
    wanted = world.library(caller, name="Straße 5")
    world.library(caller, name="other")
    assert [each.library_id for each in _found(world, world.actor(caller), part="STRASSE")] == [wanted]


def test_a_permission_of_a_later_version_permits_nothing(world: World) -> None:
    caller, owner = world.account(), world.account()
    world.share(world.library(owner), owner, caller, "preview")
    assert _found(world, world.actor(caller)) == []


def test_asking_for_no_way_finds_nothing(world: World) -> None:
    caller = world.account()
    world.library(caller)
    with world.database.read() as connection:
        assert reachable_libraries(connection, world.actor(caller), ()) == []
    assert world.count(tables.library, owner_id=caller.id) == 1
