"""Cutting one account off from a device, with or without a wipe of what its client holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from seafleet.api.kernel import OPTIONAL, ApiRequest, Marker, Reply, route
from seafleet.devices.registry import Outcome, Result
from seafleet.web.console.details import UNLINKED, find
from seafleet.web.console.queries import PLATFORMS
from seafleet.web.console.render import complaint, inner_page, see_other
from seafleet.web.console.reports import Report, sealed
from seafleet.web.console.visitors import HOME, Visitor, enter
from seafleet.web.forms import check_form
from seafleet.web.surface import NAME

if TYPE_CHECKING:
    from seafleet.devices.record import Device, Link

PATH: Final = HOME + "{device_id}/unlink/"


@route("GET", PATH, operation="console-unlink-page", action=Marker.ROLE, auth=OPTIONAL, surface=NAME)
def unlink_page(request: ApiRequest) -> Reply:
    """Say what unlinking does, and ask."""
    visitor = enter(request)
    device = find(request, visitor)
    link = _link(request, visitor, device, request.query("link") or "")
    synced = request.services.registry.clients.synced_on(device.id).get(link.link_id, [])
    return inner_page(
        request,
        visitor.actor,
        "unlink.html",
        device=device,
        link=link,
        platform=PLATFORMS.get(link.platform, link.platform),
        libraries=[library.name for library in synced],
    )


@route("POST", PATH, operation="console-unlink", action=Marker.ROLE, auth=OPTIONAL, surface=NAME)
def unlink(request: ApiRequest) -> Reply:
    """Do it, and lead back to the device."""
    visitor = enter(request)
    check_form(request)
    device = find(request, visitor)
    link = _link(request, visitor, device, request.form("link") or "")
    account = request.services.accounts.get(link.account_id)
    changed = request.services.tokens.unlink(
        account,
        link.platform,
        link.client_device_id,
        wipe=request.form("wipe") == "yes",
        by=visitor.actor,
        ip=request.client_ip,
        request_id=request.request_id,
    )
    result = Result(device.id, Outcome.APPLIED, changed=changed, reason=account.email)
    report = sealed(request, Report(UNLINKED, (result,), ""))
    return see_other(f"{HOME}{device.id}/?report={report}")


def _link(request: ApiRequest, visitor: Visitor, device: Device, number: str) -> Link:
    """Return the link of a number on the device. Raises ReplyError: 403 unless the visitor may cut it."""
    if visitor.deeds is not None:
        raise complaint(request, visitor.actor, 403, "Not allowed", "Only administrators may unlink clients.")
    for link in device.links:
        if str(link.link_id) == number:
            return link
    text = "This client is not, or no longer, signed in on the device."
    raise complaint(request, visitor.actor, 404, "No such client", text)
