"""Lists of devices and their details.

Source: MetaAccess devices §5.1 to §5.3, §5.5.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from seafleet.api.metaaccess import shapes
from seafleet.api.metaaccess.actions import DEFAULT_GROUP
from seafleet.api.metaaccess.bodies import (
    MAX_LIMIT,
    check_page,
    choice,
    chosen,
    integer,
    json_object,
    limit,
    members,
    page,
    text,
    texts,
)
from seafleet.api.metaaccess.errors import invalid, not_found
from seafleet.api.metaaccess.keys import find, find_custom, required
from seafleet.api.metaaccess.surface import V3_0, caller_of, serves
from seafleet.devices.groups import DEFAULT
from seafleet.devices.listing import DeviceFilter, Position, Sort
from seafleet.devices.record import METAACCESS_CODES

if TYPE_CHECKING:
    from seafleet.api.kernel import ApiRequest
    from seafleet.devices.listing import Page
    from seafleet.devices.record import Device

DAY_SECONDS: Final = 86_400
_MAX_VALUES: Final = 100
_MAX_KEY: Final = 1 << 60
_AGENT_WORDS: Final = ("connected", "disconnected", "unseen")
_VOCABULARY: Final[Mapping[str, tuple[str, frozenset[str]]]] = {
    "device_type": (
        "machine_types",
        frozenset(("desktop", "laptop", "phone", "tablet", "server", "vm")),
    ),
    "severity": ("severities", frozenset(("critical", "warning", "no_issues"))),
    "os": ("platforms", frozenset(("windows", "mac", "linux", "ios", "android"))),
    "device_status": ("statuses", frozenset(METAACCESS_CODES)),
    "agent_status": ("agent_statuses", frozenset(_AGENT_WORDS)),
}


# -- lists ---------------------------------------------------------------------------------------------------


@serves("POST", "/devices", *V3_0, "v3.1", "v3.2", "v3.3", operation="metaaccess-devices")
def list_devices(request: ApiRequest) -> list[dict[str, Any]]:
    """Return one page of devices, oldest record first; a single one unless `limit` says otherwise."""
    values = json_object(request)
    wanted = _filter(request, members(values, "filter"))
    found = _numbered(request, wanted, values, default_limit=1)
    return _shown(request, found.devices)


@serves("POST", "/devices", "v3.4", "v3.5", operation="metaaccess-devices-by-token")
def list_devices_by_token(request: ApiRequest) -> dict[str, Any]:
    """Return devices, oldest enrolment first, and the token for those that follow; null at the end."""
    values = json_object(request)
    wanted = _filter(request, members(values, "filter"))
    shown = text(values, "token", "")
    found = request.services.registry.listing.page(
        wanted,
        sort=Sort.ENROLLED,
        limit=limit(values, 20),
        after=_position(shown) if shown else None,
    )
    following = _token(found.last) if found.has_more and found.last else None
    return {"next_token": following, "devices": _shown(request, found.devices)}


@serves("POST", "/devices/status_changed", *V3_0, operation="metaaccess-status-changed")
def status_changed(request: ApiRequest) -> dict[str, Any]:
    """Return what changed, and what was removed, within the last `age` seconds."""
    values = json_object(request)
    age = integer(values, "age", DAY_SECONDS, 0, DAY_SECONDS)
    verbose = chosen(values, "verbose", 0, among=(0, 1)) == 1
    registry, organization_id = request.services.registry, caller_of(request).organization_id
    since = registry.now() - timedelta(seconds=age)
    changed = DeviceFilter(organization_id=organization_id, updated_since=since)
    gone = DeviceFilter(organization_id=organization_id, removed_since=since)
    wanted, rows = page(values), limit(values, 20)
    pages = [
        registry.listing.page(each, sort=Sort.ID, limit=rows, offset=_offset(wanted, rows))
        for each in (changed, gone)
    ]
    check_page(wanted, rows, max(found.total for found in pages))
    now = registry.now()
    return {
        "monitored_devices": [
            shapes.detail(each, now, system=verbose, categories=verbose) for each in pages[0].devices
        ],
        "deleted_devices": [shapes.removed(each) for each in pages[1].devices],
    }


def _numbered(
    request: ApiRequest, wanted: DeviceFilter, values: Mapping[str, Any], default_limit: int
) -> Page:
    rows, number = limit(values, default_limit), page(values)
    found = request.services.registry.listing.page(
        wanted, sort=Sort.ID, limit=rows, offset=_offset(number, rows)
    )
    check_page(number, rows, found.total)
    return found


def _offset(number: int, rows: int) -> int:
    return (number - 1) * rows


def _shown(request: ApiRequest, devices: tuple[Device, ...]) -> list[dict[str, Any]]:
    now = request.services.registry.now()
    return [shapes.device(each, now) for each in devices]


# -- filters -------------------------------------------------------------------------------------------------


def _filter(request: ApiRequest, sent: Mapping[str, Any]) -> DeviceFilter:
    """Return the filter of a body. Raises ApiError (400) for one that we do not know: who filters before he
    removes devices must not get more than he asked for.
    """
    parts: dict[str, tuple[str, ...]] = {}
    for name, value in sent.items():
        several = texts([value] if isinstance(value, str) else value, f"filter.{name}", _MAX_VALUES)
        if name == "group_id":
            continue
        if name not in _VOCABULARY or not _VOCABULARY[name][1].issuperset(several):
            raise invalid(f"filter.{name} is not known, or has a value that is not.")
        parts[_VOCABULARY[name][0]] = tuple(several)
    groups = sent.get("group_id", ())
    return DeviceFilter(
        organization_id=caller_of(request).organization_id,
        machine_types=parts.get("machine_types", ()),
        severities=parts.get("severities", ()),
        platforms=parts.get("platforms", ()),
        statuses=parts.get("statuses", ()),
        agent_reports=_agent_reports(request, parts.get("agent_statuses", ())),
        group_ids=_group_ids(request, [groups] if isinstance(groups, str) else groups),
    )


def _agent_reports(request: ApiRequest, wanted: tuple[str, ...]) -> tuple[Any, ...]:
    """Return the spans of time in which the last report of an agent lies.

    An agent that did not report for as long as devices take to expire is unseen.
    """
    registry = request.services.registry
    silent = registry.now() - shapes.CONNECTED
    unseen = registry.now() - timedelta(days=registry.settings.current.expire_after_days)
    spans = {"connected": (silent, None), "disconnected": (unseen, silent), "unseen": (None, unseen)}
    return tuple(spans[word] for word in wanted)


def _group_ids(request: ApiRequest, named: Any) -> tuple[int, ...]:
    if not named:
        return ()
    known = request.services.registry.groups.all(caller_of(request).organization_id)
    numbers = {str(group.id): group.id for group in known}
    numbers[DEFAULT_GROUP] = next(group.id for group in known if group.name == DEFAULT)
    return tuple(numbers.get(text, 0) for text in named)  # no group has number 0


# -- one device and a few ------------------------------------------------------------------------------------


@serves("POST", "/devices/detail", *V3_0, "v3.1", "v3.2", "v3.3", operation="metaaccess-device-details")
def device_details(request: ApiRequest) -> list[dict[str, Any]]:
    """Return details of up to 50 devices; those that are not there are left out."""
    values = json_object(request)
    spelled = texts(values.get("ids"), "ids", MAX_LIMIT)
    verbose = members(values, "verbose")
    system = chosen(verbose, "system_info", 1, among=(0, 1)) == 1
    categories = chosen(verbose, "categories", 0, among=(0, 1)) == 1
    devices = {each.id: each for each in _meant(request, values, spelled)}
    if not devices:
        raise not_found("There is none of these devices.")
    now = request.services.registry.now()
    return [shapes.detail(each, now, system=system, categories=categories) for each in devices.values()]


@serves("POST", "/device_info", *V3_0, operation="metaaccess-device-information")
def device_information(request: ApiRequest) -> dict[str, Any]:
    """Return a device's status and its issues by category."""
    values = json_object(request)
    spelled = text(values, "ids")
    wanted = members(values, "select").get("categories", [])
    found = _meant(request, values, [spelled])
    if not found:
        raise not_found()
    named = texts(wanted, "select.categories", _MAX_VALUES) if wanted else []
    return shapes.information(found[0], request.services.registry.now(), named)


@serves("GET", "/devices/{value}", "v2.1", "v2.3", "v2.5", operation="metaaccess-device-details-v2")
def device_details_v2(request: ApiRequest) -> dict[str, Any]:
    """Return a device in the numbers of version 2, named as `opt` says: 0 by HWID, 1 by MAC."""
    by_mac = choice(request, "opt", 0, among=(0, 1)) == 1
    device = required(request, "mac" if by_mac else "hwid")
    return shapes.device_v2(device, request.services.registry.now())


def _meant(request: ApiRequest, values: Mapping[str, Any], spelled: list[str]) -> list[Device]:
    """Return the devices that `ids` name: HWIDs or MACs, with `opt` 1 ids of other APIs."""
    custom = chosen(values, "opt", 0, among=(0, 1)) == 1
    found = (find_custom(request, each) if custom else find(request, "either", each) for each in spelled)
    return [each for each in found if each is not None]


# -- tokens of pages -----------------------------------------------------------------------------------------


def _token(last: Position) -> str:
    return base64.urlsafe_b64encode(json.dumps([last.key, last.tie]).encode()).decode()


def _position(token: str) -> Position:
    """Return the place that a token stands for; it is no secret, only a place. Raises ApiError (400)."""
    try:
        key, tie = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (binascii.Error, ValueError, TypeError):
        raise invalid("token is not one of ours.") from None
    for part in (key, tie):
        if not isinstance(part, int) or isinstance(part, bool) or not 0 <= part < _MAX_KEY:
            raise invalid("token is not one of ours.")
    return Position(key, tie)
