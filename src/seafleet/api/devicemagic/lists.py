"""Lists of devices: all of them, sent while they are read, or a page.

Source: Device Magic devices §5.1.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from seafleet.api.devicemagic.devices import device_shape, is_extended
from seafleet.api.devicemagic.formats import Format
from seafleet.api.devicemagic.shapes import device_frame
from seafleet.api.devicemagic.surface import account_name, answer, organization_of, streams, wanted_format
from seafleet.api.kernel import Reply, StreamRequest
from seafleet.api.kernel.parameters import parse_query
from seafleet.devices.errors import InvalidFields
from seafleet.devices.listing import Sort, of_organization
from seafleet.formats.xmlform import DECLARATION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seafleet.api.devicemagic.shapes import DeviceShape
    from seafleet.devices.record import Device

ITEMS: Final = 100
MAX_ITEMS: Final = 1000
_MAX_PAGE: Final = 10**9
_BATCH: Final = 200


@streams("GET", "/devices", "/devices.json", "/devices.xml", operation="device-magic-devices")
async def list_devices(request: StreamRequest) -> None:
    """Send every device of the organization, or the page that `page` and `items` ask for."""
    found = await request.run_api(_prepare, request)
    if isinstance(found, Reply):
        await request.reply(found)
        return
    piece = await request.run_api(_next, found)
    await request.start(200, {"Content-Type": wanted_format(request).content_type})
    while piece and request.method != "HEAD":
        await request.write(piece)
        piece = await request.run_api(_next, found)
    await request.finish()


def _prepare(request: StreamRequest) -> Reply | Iterator[bytes]:
    """Return a page, or the pieces of the whole list."""
    organization = organization_of(request)
    request.scope["account"] = account_name(organization)
    request.services.throttle.hit("user", request.client_ip, request.client_ip)
    query = _query(request)
    wanted = wanted_format(request)
    extended = is_extended(query.get("extended"))
    shape = device_shape(request, extended=extended)
    if "page" in query or "items" in query:
        page, items = paging(query)
        return _page(request, organization.id, shape, wanted, page, items, extended=extended)
    listing = request.services.registry.listing
    return _pieces(listing.stream(of_organization(organization.id)), shape, wanted)


def _query(request: StreamRequest) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_query(request.query_string).items()}


def paging(query: Mapping[str, str]) -> tuple[int, int]:
    """Return the number of the page and the items on it. Raises InvalidFields."""
    problems = {}
    page, items = _number(query.get("page", "1")), _number(query.get("items", str(ITEMS)))
    if not page:
        problems["page"] = ["must be a whole number from 1"]
    if not items or items > MAX_ITEMS:
        problems["items"] = [f"must be a whole number from 1 to {MAX_ITEMS}"]
    if problems:
        raise InvalidFields(problems)
    return page, items


def _number(text: str) -> int:
    """Return a number, 0 for what is none; all beyond the last page are alike."""
    if not (text.isascii() and text.isdigit()):
        return 0
    return min(int(text[:100]), _MAX_PAGE)


def _page(
    request: StreamRequest,
    organization_id: int,
    shape: DeviceShape,
    wanted: Format,
    page: int,
    items: int,
    *,
    extended: bool,
) -> Reply:
    found = request.services.registry.listing.page(
        of_organization(organization_id), sort=Sort.ID, limit=items, offset=(page - 1) * items
    )
    headers = {"X-Total-Count": str(found.total)}
    if found.has_more:
        parameters = {"page": page + 1, "items": items, **({"extended": 1} if extended else {})}
        url = request.absolute_url(request.scope["path"])
        headers["Link"] = f'<{url}?{urlencode(parameters)}>; rel="next"'
    reply = answer(b"".join(_pieces(iter(found.devices), shape, wanted)), wanted)
    return Reply(reply.body, reply.status, headers, reply.media_type)


def _pieces(devices: Iterator[Device], shape: DeviceShape, wanted: Format) -> Iterator[bytes]:
    """Yield the list in pieces, each of a few hundred devices."""
    before, between, behind = device_frame(wanted)
    head = DECLARATION.encode() + before if wanted is Format.XML else before
    is_empty = True
    while batch := [shape.render(device, wanted) for device in islice(devices, _BATCH)]:
        yield (head if is_empty else between) + between.join(batch)
        is_empty = False
    yield (head if is_empty else b"") + behind


def _next(pieces: Iterator[bytes]) -> bytes:
    return next(pieces, b"")
