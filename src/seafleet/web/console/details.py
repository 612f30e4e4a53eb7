"""One device: who it is, how it stands and why, what belongs to it, and its history through every API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from seafleet.api.kernel import OPTIONAL, ApiRequest, Marker, Reply, ReplyError, route
from seafleet.devices.errors import DeviceNotFound
from seafleet.devices.events import EventFilter
from seafleet.devices.macs import shown_mac
from seafleet.web.console.deeds import DEEDS, Choices, access_after
from seafleet.web.console.queries import PLATFORMS
from seafleet.web.console.render import complaint, inner_page
from seafleet.web.console.reports import report_of
from seafleet.web.console.standing import access_of, access_of_link, badges, dialects
from seafleet.web.console.stories import DIALECTS, story_of
from seafleet.web.console.visitors import HOME, enter
from seafleet.web.pages import redirect
from seafleet.web.surface import NAME

if TYPE_CHECKING:
    from seafleet.devices.model import DevicePolicy
    from seafleet.devices.record import Device
    from seafleet.web.console.visitors import Visitor

STORIES: Final = 25
UNLINKED: Final = "unlinked"
_MAX_COMMANDS: Final = 20


@route(
    "GET", HOME + "{device_id}/", operation="console-device", action=Marker.ROLE, auth=OPTIONAL, surface=NAME
)
def device(request: ApiRequest) -> Reply:
    """Show one device; a removed one as well, with its history."""
    visitor = enter(request)
    found = find(request, visitor)
    registry = request.services.registry
    now, policy = registry.now(), registry.settings.policy
    has_agent = found.agent is not None and not found.is_removed
    return inner_page(
        request,
        visitor.actor,
        "device.html",
        device=found,
        organization=next(each for each in visitor.organizations if each.id == found.organization_id),
        platform=PLATFORMS.get(found.platform, found.platform),
        badges=badges(found, now),
        access=access_of(found, policy, now),
        dialects=dialects(found, now),
        clients=_clients(request, found, policy, now),
        macs=[(shown_mac(each.mac), each) for each in found.macs],
        exempt=found.exemption if found.is_exempt(now) else None,
        commands=registry.commands_of(found.id)[:_MAX_COMMANDS] if has_agent else [],
        deeds=_deeds(visitor, found, policy, now),
        may_unlink=visitor.deeds is None,
        news=_news(request, found),
        **_history(request, found),
    )


def find(request: ApiRequest, visitor: Visitor) -> Device:
    """Return the device that the path names, be it removed or not; merged ones lead to their heirs.

    Raises ReplyError (404) for one that is not there, or that the visitor does not see: both look the same.
    """
    text, registry = request.path_params["device_id"], request.services.registry
    try:
        number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else 0
        found = registry.removed(number) if number else registry.by_uid(text.lower())
    except DeviceNotFound:
        raise _missing(request, visitor) from None
    if not visitor.sees(found.organization_id):
        raise _missing(request, visitor)
    if found.merged_into is not None:
        raise ReplyError(redirect(f"{HOME}{found.merged_into}/"))
    return found


def _missing(request: ApiRequest, visitor: Visitor) -> ReplyError:
    text = "There is no such device, or it belongs to an organization that you do not look after."
    return complaint(request, visitor.actor, 404, "No such device", text)


def _clients(request: ApiRequest, found: Device, policy: DevicePolicy, now: datetime) -> list[dict[str, Any]]:
    """Return the clients on a device, each with its access and what it synchronises."""
    synced = request.services.registry.clients.synced_on(found.id)
    return [
        {
            "link": link,
            "platform": PLATFORMS.get(link.platform, link.platform),
            "access": access_of_link(found, link, policy, now),
            "libraries": [
                (library.name, datetime.fromtimestamp(library.synced_at, UTC))
                for library in synced.get(link.link_id, [])
            ],
        }
        for link in found.links
    ]


def _deeds(visitor: Visitor, found: Device, policy: DevicePolicy, now: datetime) -> list[dict[str, Any]]:
    """Return what can be done about a device now, and what it may reach afterwards."""
    if found.is_removed:
        return []
    return [
        {
            "deed": deed,
            "effect": deed.effect(policy),
            "after": access_after(deed, found, policy, now, Choices()),
        }
        for deed in DEEDS.values()
        if deed.fits(found, now) and visitor.may(deed.name, found.organization_id)
    ]


def _news(request: ApiRequest, found: Device) -> str:
    """Return what was just done on another page about this device, empty for nothing."""
    report = report_of(request, request.query("report") or "")
    if report is None or report.deed != UNLINKED or report.results[0].device_id != found.id:
        return ""
    [result] = report.results
    return f"{result.reason} was unlinked{'' if result.changed else ' already'}."


def _history(request: ApiRequest, found: Device) -> dict[str, Any]:
    """Return a page of the log of a device, newest first, all of it or what came through one API."""
    dialect = request.query("through") or ""
    wanted = EventFilter(device_id=found.id, dialect=dialect if dialect in DIALECTS else None)
    text = request.query("before") or ""
    before = int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None
    page = request.services.registry.events.page(wanted, limit=STORIES, before=before)
    return {
        "stories": [story_of(event) for event in page.events],
        "older": page.next_before,
        "is_continued": before is not None,
        "through": wanted.dialect or "",
        "all_dialects": DIALECTS,
    }
