"""The evaluator on rows: loading, actors of every kind, and what it remembers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import update

from seafleet.access import CACHE_SECONDS, Action
from seafleet.accounts.model import GUEST_ROLE, Role, Roles
from seafleet.actor import SYSTEM, Actor, LinkScope
from seafleet.db import tables
from seafleet.db.engine import Database
from seafleet.decision import Decision
from seafleet.devices.model import AdminState
from seafleet.errors import AccessDenied, LibraryNotFound
from seafleet.ids import LibraryId
from seafleet.sharing import queries
from seafleet.sharing.model import Permission
from tests.support.statements import Statements
from tests.support.world import World

MISSING = LibraryId("00000000-0000-4000-8000-ffffffffffff")


class Head:
    """Something that names a library, as heads do."""

    def __init__(self, library_id: str) -> None:
        self.library_id = library_id


# -- shares, as rows -----------------------------------------------------------------------------------------


def test_owner_receiver_and_stranger_are_told_apart(world: World) -> None:
    owner, friend, stranger = world.account(), world.account(), world.account()
    library_id = world.library(owner)
    world.share(library_id, owner, friend, "r")
    assert world.access.decide(world.actor(owner), Action.OWN, library_id).rule == "owner"
    assert world.access.decide(world.actor(friend), Action.READ, library_id) == Decision(
        True, "", "user_share"
    )
    refused = world.access.decide(world.actor(friend), Action.WRITE, library_id)
    assert refused == Decision(False, "You do not have permission to change this.", "user_share")
    refused = world.access.decide(world.actor(stranger), Action.LIST, library_id)
    assert refused == Decision(False, "You do not have permission to access this library.", "no_share")


def test_a_library_can_be_named_by_its_head(world: World) -> None:
    owner = world.account()
    assert world.access.permission(world.actor(owner), Head(world.library(owner))) is Permission.WRITE


def test_require_raises_with_the_decision(world: World) -> None:
    owner, stranger = world.account(), world.account()
    library_id = world.library(owner)
    world.access.require(world.actor(owner), Action.WRITE, library_id)
    with pytest.raises(AccessDenied) as raised:
        world.access.require(world.actor(stranger), Action.WRITE, library_id)
    assert raised.value.decision.rule == "no_share"


def test_a_library_that_does_not_exist_is_not_found(world: World) -> None:
    actor = world.actor(world.account())
    with pytest.raises(LibraryNotFound):
        world.access.decide(actor, Action.READ, MISSING)
    with pytest.raises(LibraryNotFound):
        world.access.permission(actor, MISSING)


def test_members_of_a_department_reach_what_is_shared_with_those_above(world: World) -> None:
    owner, clerk, boss = world.account(), world.account(), world.account()
    company = world.group(boss, parent=-1)
    division = world.group(parent=company)
    team = world.group(clerk, parent=division)
    above, below = world.library(owner), world.library(owner)
    world.share_to_group(above, owner, company, "rw")
    world.share_to_group(below, owner, team, "r")
    assert world.access.permission(world.actor(clerk), above) is Permission.WRITE
    assert world.access.permission(world.actor(clerk), below) is Permission.READ
    assert world.access.permission(world.actor(boss), above) is Permission.WRITE
    assert world.access.permission(world.actor(boss), below) is None


def test_departments_in_a_circle_do_no_harm(world: World) -> None:
    owner, clerk = world.account(), world.account()
    first = world.group(clerk)
    second = world.group(parent=first)
    statement = update(tables.group).where(tables.group.c.id == first).values(parent_group_id=second)
    world.database.write(lambda tx: tx.execute(statement).rowcount)
    library_id = world.library(owner)
    world.share_to_group(library_id, owner, second, "r")
    assert world.access.permission(world.actor(clerk), library_id) is Permission.READ


def test_a_public_share_reaches_the_members_of_its_organization_only(world: World) -> None:
    owner, here, elsewhere = world.account(), world.account(), world.account(organization_id=2)
    library_id = world.library(owner)
    world.publish(library_id, "r")
    assert world.access.permission(world.actor(here), library_id) is Permission.READ
    assert world.access.permission(world.actor(elsewhere), library_id) is None


def test_a_folder_share_reaches_the_sub_library_and_not_the_origin(world: World) -> None:
    owner, friend = world.account(), world.account()
    origin = world.library(owner)
    sub = world.sub_library(owner, origin, "/a/b")
    world.share(sub, owner, friend, "rw")
    assert world.access.permission(world.actor(friend), sub) is Permission.WRITE
    assert world.access.permission(world.actor(friend), origin, "/a/b") is None
    assert world.access.decide(world.actor(owner), Action.OWN, sub).rule == "parent_owner"


def test_folder_permissions_of_accounts_and_groups_are_found(world: World) -> None:
    owner, friend = world.account(), world.account()
    library_id, group_id = world.library(owner), world.group(friend)
    world.share(library_id, owner, friend, "r")
    world.user_rule(library_id, "/mine", friend, "rw")
    world.group_rule(library_id, "/ours", group_id, "rw")
    world.user_rule(library_id, "/theirs", world.account(), "rw")
    world.group_rule(library_id, "/theirs", world.group(), "rw")
    actor = world.actor(friend)
    assert world.access.standing(actor, library_id, "/mine/x").rule == "folder_user_permission"
    assert world.access.standing(actor, library_id, "/ours").rule == "folder_group_permission"
    assert world.access.permission(actor, library_id, "/theirs") is Permission.READ


def test_a_read_only_origin_makes_its_sub_libraries_read_only(world: World) -> None:
    owner = world.account()
    origin = world.library(owner, status=1)
    sub = world.sub_library(owner, origin, "/a")
    for library_id in (origin, sub):
        decision = world.access.decide(world.actor(owner), Action.WRITE, library_id)
        assert decision.rule == "library_read_only"


def test_a_permission_of_a_later_version_permits_nothing(world: World) -> None:
    owner, friend = world.account(), world.account()
    library_id = world.library(owner)
    world.share(library_id, owner, friend, "invisible")
    assert world.access.permission(world.actor(friend), library_id) is None


def test_a_disabled_account_reaches_nothing_whatever_session_it_holds(world: World) -> None:
    owner = world.account()
    library_id, actor = world.library(owner), world.actor(owner)
    world.accounts.set_active(owner, False)
    assert world.access.decide(actor, Action.READ, library_id).rule == "account_disabled"


def test_an_account_that_is_gone_reaches_nothing(world: World) -> None:
    owner, friend = world.account(), world.account()
    library_id, actor = world.library(owner), world.actor(friend)
    world.publish(library_id, "rw")
    world.accounts.delete(friend)
    assert not world.access.decide(actor, Action.READ, library_id)


# -- actors --------------------------------------------------------------------------------------------------


def test_nobody_in_particular_may_do_what_is_public(world: World) -> None:
    library_id = world.library(world.account())
    assert world.access.decide(None, Action.PUBLIC)
    for action in Action:
        if action is not Action.PUBLIC:
            assert world.access.decide(None, action, library_id).rule == "anonymous"
    assert world.access.permission(None, library_id) is None


def test_administrators_administer_and_have_no_way_into_libraries(world: World) -> None:
    boss, user = world.account(is_staff=True), world.account()
    assert world.access.decide(world.actor(boss), Action.ADMINISTER).rule == "staff"
    assert world.access.decide(world.actor(user), Action.ADMINISTER).rule == "not_staff"
    assert not world.access.decide(world.actor(boss), Action.LIST, world.library(user))


def test_the_server_itself_may_do_everything(world: World) -> None:
    library_id = world.library(world.account())
    for action in Action:
        assert world.access.decide(SYSTEM, action, library_id)
    assert world.access.standing(SYSTEM, library_id).is_owner


ROLE_ACTIONS = [
    Action.CREATE_LIBRARY,
    Action.CREATE_GROUP,
    Action.VIEW_ORGANIZATION,
    Action.USE_ADDRESS_BOOK,
    Action.SHARE_LINK,
    Action.UPLOAD_LINK,
]


@pytest.mark.parametrize("action", ROLE_ACTIONS)
def test_a_role_may_forbid_what_the_library_would_allow(database: Database, action: Action) -> None:
    world = World(database, roles=Roles({"default": Role(), "guest": GUEST_ROLE}))
    member, guest = world.account(), world.account(role="guest")
    for account, allowed in ((member, True), (guest, False)):
        library_id = world.library(account)
        decision = world.access.decide(world.actor(account), action, library_id)
        assert (decision.allowed, decision.rule == "role") == (allowed, not allowed)


def test_links_need_the_right_to_what_they_give(world: World) -> None:
    owner, reader, stranger = world.account(), world.account(), world.account()
    library_id = world.library(owner)
    world.share(library_id, owner, reader, "r")
    assert world.access.decide(world.actor(reader), Action.SHARE_LINK, library_id)
    assert not world.access.decide(world.actor(reader), Action.UPLOAD_LINK, library_id)
    assert not world.access.decide(world.actor(stranger), Action.SHARE_LINK, library_id)


def test_whoever_is_logged_in_has_an_account(world: World) -> None:
    assert world.access.decide(world.actor(world.account()), Action.ACCOUNT)


@pytest.mark.parametrize("state", ["LOST", "STOLEN", "DISABLED"])
def test_a_blocked_device_is_refused_before_anything_else(world: World, state: AdminState) -> None:
    account = world.account(is_staff=True)
    library_id = world.library(account)
    _, actor = world.on_device(account)
    assert actor.device is not None
    blocked = replace(actor, device=replace(actor.device, admin_state=state))
    for action in Action:
        if action is not Action.PUBLIC:
            assert world.access.decide(blocked, action, library_id).rule == f"device_{state.lower()}"
    assert world.access.permission(blocked, library_id) is None
    assert world.access.decide(actor, Action.OWN, library_id)


# -- bearers of links ----------------------------------------------------------------------------------------


def _bearer(world: World, library_id: LibraryId, maker: Actor, **changes: object) -> Actor:
    scope = LinkScope("share", "t", library_id, "/shared", True, may_read=True, may_write=False)
    link = replace(scope, **changes)  # type: ignore[arg-type]
    return Actor(maker.account_id, maker.email, kind="link", link=link)


@pytest.mark.parametrize(
    ("action", "path", "allowed"),
    [
        (Action.LIST, "/shared", True),
        (Action.READ, "/shared/a/b", True),
        (Action.READ, "/", False),
        (Action.READ, "/sharedtoo", False),
        (Action.WRITE, "/shared", False),
        (Action.SHARE_LINK, "/shared", False),
        (Action.MANAGE, "/shared", False),
        (Action.OWN, "/shared", False),
    ],
)
def test_a_share_link_lets_its_bearer_read_below_its_folder(
    world: World, action: Action, path: str, allowed: bool
) -> None:
    owner = world.account()
    library_id = world.library(owner)
    bearer = _bearer(world, library_id, world.actor(owner))
    decision = world.access.decide(bearer, action, library_id, path)
    assert (decision.allowed, decision.rule) == (allowed, "link" if allowed else "link_scope")


def test_a_link_to_a_file_reaches_that_file_alone(world: World) -> None:
    owner = world.account()
    library_id = world.library(owner)
    bearer = _bearer(world, library_id, world.actor(owner), path="/a.txt", is_dir=False)
    assert world.access.decide(bearer, Action.READ, library_id, "/a.txt")
    for path in ("/", "/a.txt/b", "/b.txt"):
        assert not world.access.decide(bearer, Action.READ, library_id, path)


def test_a_link_reaches_no_other_library(world: World) -> None:
    owner = world.account()
    library_id, other = world.library(owner), world.library(owner)
    bearer = _bearer(world, library_id, world.actor(owner), path="/")
    assert not world.access.decide(bearer, Action.READ, other)
    assert world.access.permission(bearer, other) is None


def test_a_link_gives_no_more_than_its_maker_still_has(world: World) -> None:
    owner, maker = world.account(), world.account()
    library_id = world.library(owner)
    world.share(library_id, owner, maker, "rw")
    upload = _bearer(world, library_id, world.actor(maker), may_read=False, may_write=True)
    download = _bearer(world, library_id, world.actor(maker))
    assert world.access.decide(upload, Action.WRITE, library_id, "/shared")
    assert world.access.permission(upload, library_id, "/shared") is Permission.WRITE
    assert world.access.permission(download, library_id, "/shared") is Permission.READ
    world.user_rule(library_id, "/shared", maker, "r")
    world.access.forget(library_id=library_id)
    assert not world.access.decide(upload, Action.WRITE, library_id, "/shared")
    assert world.access.decide(download, Action.READ, library_id, "/shared")
    world.delete(tables.user_share, library_id=library_id)
    world.access.forget(library_id=library_id)
    assert not world.access.decide(download, Action.READ, library_id, "/shared")
    assert world.access.permission(download, library_id, "/shared") is None


def test_a_bearer_has_no_account(world: World) -> None:
    boss = world.account(is_staff=True)
    bearer = replace(_bearer(world, world.library(boss), world.actor(boss)), is_staff=True)
    for action in (Action.ACCOUNT, Action.ADMINISTER, Action.CREATE_LIBRARY):
        assert world.access.decide(bearer, action).rule == "anonymous"


# -- what is remembered --------------------------------------------------------------------------------------


def test_facts_are_read_once_for_a_few_seconds(world: World) -> None:
    owner, friend = world.account(), world.account()
    library_id = world.library(owner)
    world.share(library_id, owner, friend, "rw")
    actor = world.actor(friend)
    with Statements(world.database) as statements:
        for number in range(20):
            assert world.access.decide(actor, Action.WRITE, library_id, f"/{number}")
    assert statements.count == 2
    world.clock.advance(CACHE_SECONDS + 1)
    with Statements(world.database) as statements:
        assert world.access.decide(actor, Action.WRITE, library_id)
    assert statements.count == 2


@pytest.mark.parametrize("key", ["account", "library", "both", "everything"])
def test_a_right_that_ended_is_refused_at_once_when_it_is_forgotten(world: World, key: str) -> None:
    owner, friend = world.account(), world.account()
    library_id = world.library(owner)
    world.share(library_id, owner, friend, "rw")
    actor = world.actor(friend)
    assert world.access.decide(actor, Action.WRITE, library_id)
    world.delete(tables.user_share, library_id=library_id)
    match key:
        case "account":
            world.access.forget(account_id=friend.id)
        case "library":
            world.access.forget(library_id=library_id)
        case "both":
            world.access.forget(account_id=friend.id, library_id=library_id)
        case _:
            world.access.forget()
    assert not world.access.decide(actor, Action.WRITE, library_id)
    assert world.access.permission(actor, library_id) is None


def test_forgetting_one_account_leaves_the_facts_of_others(world: World) -> None:
    owner, friend = world.account(), world.account()
    library_id = world.library(owner)
    assert world.access.decide(world.actor(owner), Action.READ, library_id)
    world.access.forget(account_id=friend.id)
    world.access.forget(account_id=owner.id, library_id=MISSING)
    with Statements(world.database) as statements:
        assert world.access.decide(world.actor(owner), Action.READ, library_id)
    assert statements.count == 0


def test_a_right_that_another_worker_took_away_is_not_in_a_fresh_decision(world: World) -> None:
    owner, friend = world.account(), world.account()
    library_id = world.library(owner)
    world.share(library_id, owner, friend, "rw")
    actor = world.actor(friend)
    assert world.access.decide(actor, Action.WRITE, library_id, fresh=True)
    world.delete(tables.user_share, library_id=library_id)
    assert not world.access.decide(actor, Action.WRITE, library_id, fresh=True)
    with pytest.raises(AccessDenied):
        world.access.require(actor, Action.READ, library_id, fresh=True)


def test_a_right_that_another_worker_took_away_ends_within_five_seconds(world: World) -> None:
    owner, friend = world.account(), world.account()
    library_id = world.library(owner)
    world.share(library_id, owner, friend, "rw")
    actor = world.actor(friend)
    assert world.access.decide(actor, Action.WRITE, library_id)
    world.delete(tables.user_share, library_id=library_id)
    world.clock.advance(5)
    assert not world.access.decide(actor, Action.WRITE, library_id)


def test_a_refusal_is_never_remembered(world: World) -> None:
    owner, friend = world.account(), world.account()
    library_id = world.library(owner)
    actor = world.actor(friend)
    assert not world.access.decide(actor, Action.READ, library_id)
    world.share(library_id, owner, friend, "r")
    assert world.access.decide(actor, Action.READ, library_id)
    assert not world.access.decide(actor, Action.WRITE, library_id)
    world.user_rule(library_id, "/", friend, "rw")
    assert world.access.decide(actor, Action.WRITE, library_id)


def test_facts_read_before_something_was_forgotten_do_not_come_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, friend = world.account(), world.account()
    library_id = world.library(owner)
    world.share(library_id, owner, friend, "rw")
    load = queries.load_facts

    def slow_load(*arguments: object) -> object:
        facts = load(*arguments)  # type: ignore[arg-type]
        world.delete(tables.user_share, library_id=library_id)
        world.access.forget(library_id=library_id)
        return facts

    monkeypatch.setattr("seafleet.access.load_facts", slow_load)
    assert world.access.decide(world.actor(friend), Action.WRITE, library_id)
    monkeypatch.undo()
    assert not world.access.decide(world.actor(friend), Action.WRITE, library_id)


def test_memory_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seafleet.access.CACHE_ENTRIES", 3)
    owner = world.account()
    for _ in range(9):
        world.access.decide(world.actor(owner), Action.READ, world.library(owner))
    assert len(world.access._cache._entries) == 3
