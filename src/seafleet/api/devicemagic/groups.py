"""The groups that devices are put into by name.

Source: Device Magic devices §6.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from seafleet.api.devicemagic import bodies, shapes
from seafleet.api.devicemagic.formats import split_suffix
from seafleet.api.devicemagic.lists import paging
from seafleet.api.devicemagic.surface import caller_organization, origin, represent, serves
from seafleet.api.kernel import ApiRequest, Reply
from seafleet.devices.errors import DeviceGroupNotFound, DeviceNotFound, InvalidFields
from seafleet.devices.listing import DeviceFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seafleet.devices.groups import DeviceGroup

_MAX_DIGITS = 18


@serves("GET", "/groups", "/groups.json", "/groups.xml", operation="device-magic-groups")
def list_groups(request: ApiRequest) -> Reply:
    """Return the groups whose name holds `filter`; groups have no tags, so that `tags[]` leaves none."""
    given = {name: request.query(name) for name in ("page", "items")}
    page, items = paging({name: value for name, value in given.items() if value is not None})
    part = request.query("filter", "") or ""
    wants_tags = any(request.queries("tags[]"))
    groups = request.services.registry.groups.all(caller_organization(request).id)
    found = [group for group in groups if part in group.name and not wants_tags]
    shown = _visible(request, found[(page - 1) * items : page * items])
    return represent(request, shapes.groups_json(shown), shapes.groups_xml(shown))


@serves("POST", "/groups", "/groups.json", "/groups.xml", operation="device-magic-create-groups")
def create_groups(request: ApiRequest) -> Reply:
    """Make groups, and return them; those that exist are returned as they are."""
    names = bodies.group_names(bodies.read_body(request))
    groups = request.services.registry.groups
    made = _visible(request, groups.create(caller_organization(request).id, names, origin(request)))
    return represent(request, shapes.groups_json(made), shapes.groups_xml(made), 202)


@serves("PUT", "/groups/{group_id}", operation="device-magic-update-group")
def update_group(request: ApiRequest) -> Reply:
    """Rename a group or replace its devices, both or neither."""
    group = _group(request)
    edit = bodies.group_edit(bodies.read_body(request))
    device_ids = edit.device_ids
    if device_ids is not None:
        device_ids = (*device_ids, *_hidden(request, [group]))
    try:
        changed = request.services.registry.groups.update(
            group.organization_id, group.id, origin(request), name=edit.name, device_ids=device_ids
        )
    except DeviceNotFound as error:
        raise InvalidFields({"device_ids": [f"Unknown device: {error.what}"]}) from None
    [shown] = _visible(request, [changed])
    return represent(request, shapes.group_json(shown), shapes.group_xml(shown), 202)


@serves("DELETE", "/groups/{group_id}", operation="device-magic-delete-group")
def delete_group(request: ApiRequest) -> Reply:
    """Delete a group; its devices stay. The answer has no body."""
    group = _group(request)
    request.services.registry.groups.delete(group.organization_id, group.id, origin(request))
    return Reply(None, 202)


def _group(request: ApiRequest) -> DeviceGroup:
    name, _ = split_suffix(request.path_params["group_id"])
    if not (name.isascii() and name.isdigit() and len(name) <= _MAX_DIGITS):
        raise DeviceGroupNotFound(name)
    return request.services.registry.groups.get(caller_organization(request).id, int(name))


def _hidden(request: ApiRequest, groups: Sequence[DeviceGroup]) -> set[int]:
    """Return the members that this API does not know: devices that were only seen on the network."""
    members = DeviceFilter(
        organization_id=caller_organization(request).id,
        kind="sighting",
        group_ids=tuple(group.id for group in groups),
    )
    return {device.id for device in request.services.registry.listing.stream(members)} if groups else set()


def _visible(request: ApiRequest, groups: Sequence[DeviceGroup]) -> list[DeviceGroup]:
    hidden = _hidden(request, groups)
    return [
        replace(group, device_ids=tuple(number for number in group.device_ids if number not in hidden))
        for group in groups
    ]
