"""The list of devices: search, filters, state at a glance, selection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from seafleet.api.kernel import OPTIONAL, ApiRequest, Marker, Reply, route
from seafleet.display import ago
from seafleet.web.console import queries
from seafleet.web.console.deeds import DEEDS
from seafleet.web.console.queries import ListQuery, query_of
from seafleet.web.console.render import inner_page
from seafleet.web.console.standing import access_of, badges
from seafleet.web.console.visitors import HOME, enter
from seafleet.web.surface import NAME

if TYPE_CHECKING:
    from datetime import datetime

    from seafleet.devices.listing import Page, Tally
    from seafleet.devices.model import DevicePolicy
    from seafleet.devices.record import Device
    from seafleet.devices.registry import Registry
    from seafleet.web.console.visitors import Visitor

_MAX_USERS: Final = 2
_COLUMNS: Final = (
    ("Device", "name", "-name"),
    ("State", "status", "-status"),
    ("Access now", "", ""),
    ("Users", "", ""),
    ("Platform", "platform", "-platform"),
    ("Group", "", ""),
    ("Last heard of", "-last_seen", "last_seen"),
)
_SIGHTING_DEEDS: Final = ("ignore", "unignore")


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column: where its order leads, and the order that it has now (`ascending` …)."""

    title: str
    address: str
    order: str


@route("GET", HOME, operation="console-devices", action=Marker.ROLE, auth=OPTIONAL, surface=NAME)
def devices(request: ApiRequest) -> Reply:
    """List devices, page by page."""
    visitor = enter(request)
    query = query_of(request, visitor)
    registry = request.services.registry
    page = _page(registry, query)
    now, policy = registry.now(), registry.settings.policy
    return inner_page(
        request,
        visitor.actor,
        "list.html",
        query=query,
        rows=[row_of(device, policy, now) for device in page.devices],
        total=page.total,
        chips=_chips(query, registry.listing.tally(query.organization)),
        columns=[_column(query, *column) for column in _COLUMNS],
        options=_options(registry, visitor, query),
        deeds=_offered(visitor, query),
        back=query.address(after=query.after, before=query.before),
        selected=request.query("select") == "all",
        **_ways(query, page),
    )


def _page(registry: Registry, query: ListQuery) -> Page:
    sort, descending = query.order
    return registry.listing.page(
        query.filter(),
        sort=sort,
        descending=descending,
        limit=query.limit,
        after=query.after,
        before=query.before,
    )


def _ways(query: ListQuery, page: Page) -> dict[str, Any]:
    """Return the addresses of the pages around this one, empty where there is none."""
    backwards = query.before is not None and query.after is None
    has_next = page.last is not None and (backwards or page.has_more)
    has_previous = page.first is not None and (page.has_more if backwards else query.after is not None)
    return {
        "following": query.address(after=page.last) if has_next else "",
        "previous": query.address(before=page.first) if has_previous else "",
        "beginning": query.address() if has_previous else "",
    }


def row_of(device: Device, policy: DevicePolicy, now: datetime) -> dict[str, Any]:
    """Return what a list shows of a device."""
    return {
        "device": device,
        "badges": badges(device, now),
        "access": access_of(device, policy, now),
        "emails": device.emails[:_MAX_USERS],
        "more_emails": max(0, len(device.emails) - _MAX_USERS),
        "platform": queries.PLATFORMS.get(device.platform, device.platform),
        "about": " ".join(part for part in (device.os_name, device.os_version) if part),
        "group": device.primary_group.name if device.primary_group else "",
        "seen": "never" if device.last_seen is None else ago(device.last_seen, now),
    }


def _chips(query: ListQuery, tally: Tally) -> list[dict[str, Any]]:
    """Return the counts above the list, each with the list that it counts."""
    plain = ListQuery(organization=query.organization, sort=query.sort, limit=query.limit)
    counted: tuple[tuple[str, int, dict[str, Any], str], ...] = (
        ("All managed", tally.managed, {}, "quiet"),
        ("Wait for approval", tally.pending, {"state": "pending"}, "wait"),
        ("Lost", tally.lost, {"state": "lost"}, "bad"),
        ("Stolen", tally.stolen, {"state": "stolen"}, "bad"),
        ("Disabled", tally.disabled, {"state": "disabled"}, "bad"),
        ("Not compliant", tally.non_compliant, {"posture": "non_compliant"}, "warn"),
        ("Not heard of", tally.expired, {"state": "expired"}, "quiet"),
    )
    return [
        {
            "title": title,
            "count": count,
            "tone": tone if count else "quiet",
            "address": plain.address(**changes),
            "current": plain.address(**changes) == query.address(),
        }
        for title, count, changes, tone in counted
    ]


def _column(query: ListQuery, title: str, first: str, second: str) -> Column:
    if not first:
        return Column(title, "", "")
    order = ""
    if query.sort in (first, second):
        order = "descending" if query.sort.startswith("-") else "ascending"
    return Column(title, query.address(sort=second if query.sort == first else first), order)


def _options(registry: Registry, visitor: Visitor, query: ListQuery) -> dict[str, Any]:
    """Return what the fields of the filter offer."""
    groups = [] if query.organization is None else registry.groups.names(query.organization)
    return {
        "states": [(word, text) for word, (text, _) in queries.STATES.items()],
        "postures": [(word, text) for word, (text, _) in queries.POSTURES.items()],
        "kinds": list(queries.KINDS.items()),
        "platforms": list(queries.PLATFORMS.items()),
        "agents": list(queries.AGENTS.items()),
        "sorts": list(queries.SORTS.items()),
        "limits": queries.LIMITS,
        "groups": groups,
        "organizations": visitor.organizations if visitor.only_organization is None else (),
        "sees_all": visitor.deeds is None,
    }


def _offered(visitor: Visitor, query: ListQuery) -> list[Any]:
    """Return what the visitor may do with devices of this list."""
    sightings = query.filter().kind != "managed"
    return [
        deed
        for deed in DEEDS.values()
        if (sightings or deed.name not in _SIGHTING_DEEDS)
        and (
            visitor.may_anywhere(deed.name)
            if query.organization is None
            else visitor.may(deed.name, query.organization)
        )
    ]
