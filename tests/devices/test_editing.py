"""What people write about devices, and the groups that devices are in."""

from __future__ import annotations

from typing import Any

import pytest

from seafleet.devices.editing import DeviceEdit
from seafleet.devices.errors import DeviceGroupNotFound, DeviceNotFound, InvalidFields, StillInUse
from seafleet.devices.events import EventFilter
from seafleet.errors import AlreadyExists, InvalidArgument
from tests.devices.site import BY, RegistrySite


def edit(site: RegistrySite, number: int, **values: Any) -> None:
    site.apply(number, site.actions.edit(DeviceEdit(**values)))


def test_an_edit_leaves_alone_what_it_does_not_name(site: RegistrySite) -> None:
    site.registry.groups.create(site.organization_id, ["Sales", "Field"], BY)
    number = site.insert()
    edit(site, number, owner="Andrea", description="blue", groups=["Sales", "Field"], attributes={"a": "1"})
    edit(site, number, description="red")
    device = site.now(number)
    assert (device.owner, device.description, device.attributes) == ("Andrea", "red", {"a": "1"})
    assert [group.name for group in device.groups] == ["Sales", "Field"]
    edit(site, number, description=None)
    assert site.now(number).description is None


def test_attributes_are_merged_deleted_and_cleared(site: RegistrySite) -> None:
    number = site.insert()
    edit(site, number, attributes={"city": "Bonn", "company device": "yes"})
    edit(site, number, attributes={"city": None, "n": "12"})
    assert site.now(number).attributes == {"company device": "yes", "n": "12"}
    edit(site, number, attributes=None)
    assert site.now(number).attributes == {}
    version = site.now(number).row_version
    edit(site, number, attributes={"never": None})
    assert site.now(number).row_version == version


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"owner": ""}, "owner"),
        ({"owner": "x" * 256}, "owner"),
        ({"owner": "a\x01b"}, "owner"),
        ({"description": "x" * 2001}, "description"),
        ({"display_name": ""}, "display_name"),
        ({"display_name": "x" * 101}, "display_name"),
        ({"groups": ["Nope"]}, "groups"),
        ({"groups": ["Sales", " Field"]}, "groups"),
        ({"attributes": {"": "x"}}, "custom_attributes"),
        ({"attributes": {"k" * 101: "x"}}, "custom_attributes"),
        ({"attributes": {"k": "x" * 1001}}, "custom_attributes"),
        ({"attributes": {"k": "\x00"}}, "custom_attributes"),
        ({"attributes": {str(n): "x" for n in range(101)}}, "custom_attributes"),
    ],
)
def test_a_wrong_field_keeps_everything_as_it_was(
    site: RegistrySite, values: dict[str, Any], field: str
) -> None:
    site.registry.groups.create(site.organization_id, ["Sales", "Field"], BY)
    number = site.insert()
    wanted = {"owner": "new", "groups": ["Sales"], "attributes": {"a": "1"}, **values}
    with pytest.raises(InvalidFields) as raised:
        edit(site, number, **wanted)
    assert set(raised.value.problems) == {field}
    device = site.now(number)
    assert (device.owner, device.groups, device.attributes, device.row_version) == (None, (), {}, 1)


def test_a_device_is_owned_by_its_first_user_unless_somebody_wrote_otherwise(site: RegistrySite) -> None:
    account = site.account(name="Ines")
    _, device = site.managed(account, device_name="desk")
    assert device.owner_name == "Ines"
    edit(site, device.id, owner="Andrea")
    assert site.now(device).owner_name == "Andrea"
    assert site.device(display_name="alone").owner_name == "alone"


# -- groups --------------------------------------------------------------------------------------------------


def names(site: RegistrySite) -> list[str]:
    return [group.name for group in site.registry.groups.all(site.organization_id)]


def test_every_organization_has_the_default_group(site: RegistrySite) -> None:
    assert names(site) == ["Default"]
    (group,) = site.registry.groups.all(site.organization_id)
    for change in (
        lambda: site.registry.groups.delete(site.organization_id, group.id, BY),
        lambda: site.registry.groups.update(site.organization_id, group.id, BY, name="Other"),
    ):
        with pytest.raises(StillInUse):
            change()
    assert names(site) == ["Default"]


def test_a_name_that_exists_is_returned_as_it_is(site: RegistrySite) -> None:
    first = site.registry.groups.create(site.organization_id, ["North", "South", "North"], BY)
    again = site.registry.groups.create(site.organization_id, ["South", "North"], BY)
    assert [group.name for group in first] == ["North", "South"]
    assert [group.id for group in again] == [first[1].id, first[0].id]
    composed = site.registry.groups.create(site.organization_id, ["Cafe\u0301"], BY)
    assert composed[0].name == "Café"


@pytest.mark.parametrize("name", ["", "a,b", "x" * 101, "a\nb", "\ud800"])
def test_names_that_cannot_be_are_refused(site: RegistrySite, name: str) -> None:
    with pytest.raises(InvalidArgument):
        site.registry.groups.create(site.organization_id, ["Fine", name], BY)
    assert names(site) == ["Default"]


def test_the_devices_of_a_group_can_be_replaced(site: RegistrySite) -> None:
    (group,) = site.registry.groups.create(site.organization_id, ["Field"], BY)
    first, second, third = (site.device() for _ in range(3))
    site.apply(second, site.actions.assign_to_group(None))
    update = site.registry.groups.update
    changed = update(site.organization_id, group.id, BY, device_ids=[second.id, first.id])
    assert changed.device_ids == (first.id, second.id)
    assert [each.name for each in site.now(second).groups] == ["Default", "Field"]
    changed = update(site.organization_id, group.id, BY, device_ids=[third.id], name="Feld")
    assert (changed.name, changed.device_ids) == ("Feld", (third.id,))
    with pytest.raises(DeviceNotFound):
        update(site.organization_id, group.id, BY, device_ids=[first.id, 999_999_999])
    assert site.registry.groups.get(site.organization_id, group.id).device_ids == (third.id,)
    (event, *_) = site.registry.events.page(EventFilter(organization_id=site.organization_id)).events
    assert event.action == "group_changed"


def test_a_group_that_goes_leaves_its_devices(site: RegistrySite) -> None:
    field, sales = site.registry.groups.create(site.organization_id, ["Field", "Sales"], BY)
    device = site.device()
    edit(site, device.id, groups=["Field", "Sales"])
    site.registry.groups.delete(site.organization_id, field.id, BY)
    assert [group.name for group in site.now(device).groups] == ["Sales"]
    with pytest.raises(DeviceGroupNotFound):
        site.registry.groups.get(site.organization_id, field.id)
    with pytest.raises(AlreadyExists):
        site.registry.groups.update(site.organization_id, sales.id, BY, name="Default")


def test_groups_of_other_organizations_are_not_there(site: RegistrySite) -> None:
    (group,) = site.registry.groups.create(site.organization_id, ["Field"], BY)
    with pytest.raises(DeviceGroupNotFound):
        site.registry.groups.get(site.organization_id + 1000, group.id)
    elsewhere = site.registry.organizations.create("other", f"other-{site.organization_id}", BY)
    device = site.device(organization_id=elsewhere.id)
    with pytest.raises(DeviceGroupNotFound):
        site.apply(device, site.actions.assign_to_group(group.id))
    with pytest.raises(DeviceNotFound):
        site.registry.groups.update(site.organization_id, group.id, BY, device_ids=[device.id])
