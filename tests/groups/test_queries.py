"""Groups and members as they are read."""

from __future__ import annotations

from sqlalchemy import update

from seafleet.db import tables
from seafleet.groups import queries
from tests.support.world import World


def test_a_group_is_found_by_id_and_name(world: World) -> None:
    group_id = world.group()
    with world.database.read() as connection:
        group = queries.find_group(connection, group_id)
        assert group is not None
        assert queries.groups_named(connection, group.name) == [group]
        assert queries.groups_named(connection, group.name.upper()) == []
        assert queries.find_group(connection, 10**9) is None
    assert not group.is_department
    assert group.owner_email is None


def test_an_account_has_the_groups_it_is_a_member_of(world: World) -> None:
    account = world.account()
    company = world.group(parent=-1)
    team = world.group(account, parent=company)
    club = world.group(account)
    world.group()
    with world.database.read() as connection:
        assert [group.id for group in queries.groups_of(connection, account.id)] == [team, club]
        assert queries.reaching_group_ids(connection, account.id) == {company, team, club}


def test_members_are_listed_in_the_order_of_joining_with_their_role(world: World) -> None:
    owner, admin, member = world.account(name="Olga"), world.account(), world.account()
    group_id = world.group(member, owner, admin)
    groups, members = tables.group, tables.group_member
    make_owner = update(groups).where(groups.c.id == group_id).values(owner_id=owner.id)
    make_admin = (
        update(members)
        .where(members.c.group_id == group_id, members.c.account_id == admin.id)
        .values(is_admin=True)
    )
    world.database.write(lambda tx: tx.execute(make_owner).rowcount + tx.execute(make_admin).rowcount)
    with world.database.read() as connection:
        found = queries.members(connection, group_id)
        assert queries.find_member(connection, group_id, admin.id) == found[2]
        assert queries.find_member(connection, group_id, world.account().id) is None
        group = queries.find_group(connection, group_id)
    assert group is not None
    assert group.owner_email == owner.email
    assert [(person.email, person.role) for person in found] == [
        (member.email, "Member"),
        (owner.email, "Owner"),
        (admin.email, "Admin"),
    ]
    assert found[1].nickname == "Olga"
