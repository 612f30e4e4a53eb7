"""Devices, their commands, the log; and the log of a user's own devices.

Source: device registry §9, §10, §13.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seafleet.api.device_registry.administration import BASE
from seafleet.api.device_registry.parsing import (
    cursor_of,
    limit_of,
    number_of,
    position_of,
    sort_of,
    time_of,
)
from seafleet.api.device_registry.shapes import command_json, device_json, event_json
from seafleet.api.device_registry.surface import NAME, json_object, member, origin_of
from seafleet.api.kernel import ApiRequest, Marker, Reply, route
from seafleet.devices.editing import UNSET, DeviceEdit
from seafleet.devices.errors import DeviceNotFound
from seafleet.devices.events import EventFilter
from seafleet.devices.listing import DeviceFilter
from seafleet.devices.record import METAACCESS_CODES, MOBILEFIRST_STATUSES
from seafleet.errors import InvalidArgument

if TYPE_CHECKING:
    from seafleet.devices.events import EventPage
    from seafleet.devices.record import Device

Json = dict[str, Any]


@route("GET", BASE + "/devices/", operation="registry-devices", action=Marker.STAFF, surface=NAME)
def devices(request: ApiRequest) -> Json:
    """List devices, page by page."""
    registry = request.services.registry
    order = request.query("sort") or "id"
    sort, descending = sort_of(order)
    page = registry.listing.page(
        _filter(request),
        sort=sort,
        descending=descending,
        limit=limit_of(request),
        after=position_of(order, sort, request.query("cursor")),
    )
    following = cursor_of(order, page.last) if page.has_more and page.last is not None else None
    shown = [_shown(request, device) for device in page.devices]
    return {"devices": shown, "next_cursor": following, "total": page.total}


def _filter(request: ApiRequest) -> DeviceFilter:
    kind, status = request.query("kind") or None, request.query("status") or None
    if kind not in (None, "managed", "sighting"):
        raise InvalidArgument("kind", "managed or sighting")
    if status is not None and status not in (*MOBILEFIRST_STATUSES, *METAACCESS_CODES):
        raise InvalidArgument("status", "a status word")
    organization = request.query("organization")
    organization_id = None if not organization else number_of("organization", organization)
    user = request.query("user")
    return DeviceFilter(
        organization_id=organization_id,
        kind=kind,
        statuses=(status,) if status else (),
        group_ids=_group_ids(request, organization_id),
        emails=(user,) if user else (),
        text=request.query("q") or "",
        wide=True,
    )


def _group_ids(request: ApiRequest, organization_id: int | None) -> tuple[int, ...]:
    """Return the groups of a name, or the one of a number; one that nobody has if there is none."""
    text = request.query("group")
    if not text:
        return ()
    if text.isascii() and text.isdecimal():
        return (number_of("group", text),)
    registry = request.services.registry
    numbers = [organization_id] if organization_id else [o.id for o in registry.organizations.all()]
    found = [group.id for n in numbers for group in registry.groups.all(n) if group.name == text]
    return tuple(found) or (0,)


@route("GET", BASE + "/devices/{device_id}/", operation="registry-device", action=Marker.STAFF, surface=NAME)
def device(request: ApiRequest) -> Json:
    """Tell everything about a device; with `removed=true` also about one that was removed."""
    if request.query("removed") == "true":
        number = number_of("device_id", request.path_params["device_id"])
        return _shown(request, request.services.registry.removed(number))
    return _shown(request, _device(request))


@route(
    "PATCH",
    BASE + "/devices/{device_id}/",
    operation="registry-edit-device",
    action=Marker.STAFF,
    surface=NAME,
)
def edit_device(request: ApiRequest) -> Json:
    """Change what people write about a device; with `If-Match` only the version that the caller knows."""
    values, registry = json_object(request), request.services.registry
    wanted = DeviceEdit(
        display_name=_given(values, "display_name", str),
        is_domain_controller=_given(values, "is_domain_controller", bool),
        owner=_given(values, "owner", str),
        description=None
        if "description" in values and values["description"] is None
        else _given(values, "description", str),
    )
    found = _device(request)
    action = registry.actions.edit(wanted)
    applied = registry.apply(found.id, action, origin_of(request), if_version=_version(request))
    return _shown(request, applied.device)


def _given(values: Json, name: str, kind: type) -> Any:
    return member(values, name, kind, required=True) if name in values else UNSET


def _version(request: ApiRequest) -> int | None:
    text = request.headers.get("if-match").strip().removeprefix("W/").strip('"')
    if text in ("", "*"):
        return None
    return number_of("If-Match", text)


@route(
    "POST",
    BASE + "/devices/{device_id}/merge/",
    operation="registry-merge-devices",
    action=Marker.STAFF,
    surface=NAME,
)
def merge_devices(request: ApiRequest) -> Json:
    """Make a record part of another one, and tell that one."""
    into = member(json_object(request), "into", int, required=True)
    found = _device(request)
    return _shown(request, request.services.registry.merge(found.id, into, origin_of(request)))


# -- commands ------------------------------------------------------------------------------------------------


@route(
    "GET",
    BASE + "/devices/{device_id}/commands/",
    operation="registry-commands",
    action=Marker.STAFF,
    surface=NAME,
)
def commands(request: ApiRequest) -> Json:
    """List what a device's agent was told to do, newest first."""
    found = request.services.registry.commands_of(_device(request).id)
    return {"commands": [command_json(command) for command in found]}


@route(
    "POST",
    BASE + "/devices/{device_id}/commands/",
    operation="registry-add-command",
    action=Marker.STAFF,
    surface=NAME,
)
def add_command(request: ApiRequest) -> Reply:
    """Order something of a device's agent; an equal order that waits already is told instead."""
    values, registry = json_object(request), request.services.registry
    kind = member(values, "type", str, required=True)
    number = _device(request).id
    registry.apply(number, registry.actions.command(kind, values), origin_of(request))
    newest = next(each for each in registry.commands_of(number) if each.type == kind)
    return Reply(command_json(newest), 201)


@route(
    "DELETE",
    BASE + "/devices/{device_id}/commands/{command_id}/",
    operation="registry-cancel-command",
    action=Marker.STAFF,
    surface=NAME,
)
def cancel_command(request: ApiRequest) -> Json:
    """Cancel a command that waits for a result."""
    command_id = number_of("command_id", request.path_params["command_id"])
    registry = request.services.registry
    action = registry.actions.cancel_command(command_id)
    registry.apply(_device(request).id, action, origin_of(request))
    return {"success": True}


# -- the log -------------------------------------------------------------------------------------------------


@route("GET", BASE + "/events/", operation="registry-events", action=Marker.STAFF, surface=NAME)
def events(request: ApiRequest) -> Json:
    """Tell what happened, newest first."""
    wanted = EventFilter(
        device_id=_event_device(request),
        actor=request.query("actor") or None,
        dialect=request.query("dialect") or None,
        action=request.query("action") or None,
        since=time_of("since", request.query("since")),
        until=time_of("until", request.query("until")),
    )
    log = request.services.registry.events
    return _log(log.page(wanted, limit=limit_of(request), before=_before(request)))


def _event_device(request: ApiRequest) -> int | None:
    """Return the number of the device whose events are asked for, a removed one as well."""
    text = request.query("device")
    if not text:
        return None
    if text.isascii() and text.isdecimal():
        return number_of("device", text)
    return request.services.registry.by_uid(text).id


@route(
    "GET",
    "/api/v2.1/devices/events/",
    operation="registry-own-events",
    action=Marker.OWN_ACCOUNT,
    surface=NAME,
)
def own_events(request: ApiRequest) -> Json:
    """Tell what happened to the caller's devices, newest first."""
    caller, log = request.caller, request.services.registry.events
    assert caller.account_id is not None, "callers of the Web API have accounts"
    page = log.of_account(caller.account_id, caller.email, limit=limit_of(request), before=_before(request))
    return _log(page)


def _before(request: ApiRequest) -> int | None:
    cursor = request.query("cursor")
    return number_of("cursor", cursor) if cursor else None


def _log(page: EventPage) -> Json:
    following = None if page.next_before is None else str(page.next_before)
    return {"events": [event_json(event) for event in page.events], "next_cursor": following}


# -- what several of them need -------------------------------------------------------------------------------


def _device(request: ApiRequest) -> Device:
    """Return the device that the path names by number or uid. Raises DeviceNotFound."""
    text, registry = request.path_params["device_id"], request.services.registry
    if text.isascii() and text.isdecimal():
        return registry.get(int(text)) if len(text) <= 18 else _missing(text)
    return registry.by_uid(text.lower())


def _missing(text: str) -> Device:
    raise DeviceNotFound(text)


def _shown(request: ApiRequest, device: Device) -> Json:
    registry = request.services.registry
    return device_json(device, registry.settings.policy, registry.now())
