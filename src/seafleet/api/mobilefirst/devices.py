"""Lists of devices, and what is done to one.

Source: MobileFirst devices §3 to §6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from seafleet.api.kernel import ApiRequest, Reply
from seafleet.api.kernel.media_types import media_type
from seafleet.api.mobilefirst import shapes
from seafleet.api.mobilefirst.bookmarks import Bookmarks, Border, Place, envelope, wanted_place
from seafleet.api.mobilefirst.roles import OPERATORS, runtime_of
from seafleet.api.mobilefirst.surface import PRODUCT_VERSION, Refusal, origin, represent, serves
from seafleet.devices.change import sort_key
from seafleet.devices.errors import DeviceNotFound
from seafleet.devices.listing import DeviceFilter, Position, Sort, of_organization
from seafleet.devices.record import MOBILEFIRST_STATUSES, words
from seafleet.errors import MalformedObject
from seafleet.formats import strictjson
from seafleet.formats.xmlform import element

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seafleet.api.kernel.request import RequestBase
    from seafleet.devices.actions import Action
    from seafleet.devices.listing import Page
    from seafleet.devices.organizations import Organization
    from seafleet.devices.record import Device
    from seafleet.devices.transactions import TransactionRecord, TransactionType

S = TypeVar("S", bound=str)

_ORDERS: Final = {
    "uid": Sort.UID,
    "friendlyName": Sort.NAME,
    "deviceModel": Sort.MODEL,
    "deviceEnvironment": Sort.PLATFORM,
    "status": Sort.STATUS,
    "lastAccessed": Sort.LAST_SEEN,
}
_TEXTS: Final = {Sort.NAME: "display_name", Sort.MODEL: "model"}
"""Orders whose keys are made of a text; bookmarks hold the text, which is shorter."""
_APP_STATUSES: Final = ("ENABLED", "DISABLED")


# -- lists ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Order:
    sort: Sort
    descending: bool

    @classmethod
    def of(cls, name: str) -> _Order:
        return cls(_ORDERS[name.removeprefix("-")], name.startswith("-"))

    def position(self, place: Place) -> Position:
        """Return the border of a place."""
        key = sort_key(str(place.key)) if self.sort in _TEXTS else place.key
        return Position(key, place.tie)

    def border(self, device: Device, position: Position) -> Border:
        """Return the border that a device is."""
        key = getattr(device, _TEXTS[self.sort]) if self.sort in _TEXTS else position.key
        return Border(key, position.tie)


@serves("GET", "/runtimes/{runtime}/devices", operation="mobilefirst-devices")
def list_devices(request: ApiRequest) -> Reply:
    """Return a page of the devices of a runtime."""
    organization = runtime_of(request)
    bookmarks = Bookmarks(request.services.secret, f"devices {organization.id}")
    place = wanted_place(bookmarks, request.query, frozenset(_ORDERS), "uid")
    order = _Order.of(place.walk.order)
    wanted = of_organization(organization.id, DeviceFilter(text=place.walk.search))
    page = _page(request, wanted, order, place)
    start, borders = 0, None
    if page.first is not None and page.last is not None:
        first, last = page.devices[0], page.devices[-1]
        borders = order.border(first, page.first), order.border(last, page.last)
        if place.side != "first":
            listing = request.services.registry.listing
            start = listing.count_before(wanted, order.sort, page.first, descending=order.descending)
    else:
        start = page.total
    members = envelope(bookmarks, place, page.total, start, len(page.devices), borders)
    return _represent_page(request, page, members)


def _page(request: ApiRequest, wanted: DeviceFilter, order: _Order, place: Place) -> Page:
    border = None if place.side == "first" else order.position(place)
    return request.services.registry.listing.page(
        wanted,
        sort=order.sort,
        descending=order.descending,
        limit=place.walk.page_size,
        after=border if place.side == "after" else None,
        before=border if place.side == "before" else None,
    )


def _represent_page(request: ApiRequest, page: Page, members: Mapping[str, Any]) -> Reply:
    now = request.services.registry.now()
    members = {**members, "productVersion": PRODUCT_VERSION}
    json = {"items": [shapes.device_json(device, now) for device in page.devices], **members}
    items = element("items", *(shapes.device_xml(device, now) for device in page.devices))
    given = {name: value for name, value in members.items() if value is not None}
    return represent(request, json, element("devices", items, **shapes.attributes(given)))


# -- changes -------------------------------------------------------------------------------------------------


@serves("PUT", "/runtimes/{runtime}/devices/{device}", operation="mobilefirst-set-device-status")
def set_status(request: ApiRequest) -> Reply:
    """Set what an operator decides about a device."""
    organization = runtime_of(request, OPERATORS)
    _is_async(request)
    status = _wanted_status(request, MOBILEFIRST_STATUSES)
    device = _device(request, organization)
    action = request.services.registry.actions.set_status(status)
    told = {"deviceId": device.uid, "status": status}
    record = _run(request, device, action, "CHANGE_DEVICE_STATUS", told)
    return _result(request, organization, record, "set-device-status-result")


@serves(
    "PUT",
    "/runtimes/{runtime}/devices/{device}/applications/{application}",
    operation="mobilefirst-set-application-status",
)
def set_application_status(request: ApiRequest) -> Reply:
    """Suspend or release one application on a device."""
    organization = runtime_of(request, OPERATORS)
    _is_async(request)
    status = _wanted_status(request, _APP_STATUSES)
    device = _device(request, organization)
    name = request.path_params["application"]
    action = request.services.registry.actions.set_app_status(name, enabled=status == "ENABLED")
    told = {"deviceId": device.uid, "appName": name, "status": status}
    record = _run(request, device, action, "CHANGE_DEVICE_APPLICATION_STATUS", told)
    return _result(request, organization, record, "set-applicationdevice-status-result")


@serves("DELETE", "/runtimes/{runtime}/devices/{device}", operation="mobilefirst-remove-device")
def remove_device(request: ApiRequest) -> Reply:
    """Remove a device; what it has here ends."""
    organization = runtime_of(request, OPERATORS)
    _is_async(request)
    device = _device(request, organization)
    registry = request.services.registry
    told = {"deviceId": device.uid, "status": words(device, registry.now()).mobilefirst or ""}
    record = _run(request, device, registry.actions.remove(), "REMOVE_DEVICE", told)
    return _result(request, organization, record, "remove-device-result")


def _device(request: ApiRequest, organization: Organization) -> Device:
    """Return the device that the path names. Raises DeviceNotFound."""
    uid = request.path_params["device"]
    device = request.services.registry.by_uid(uid, organization.id)
    if not device.is_listed:
        raise DeviceNotFound(uid)
    return device


def _wanted_status(request: ApiRequest, statuses: tuple[S, ...]) -> S:
    """Return the status in the body. Raises Refusal: 415 for other types than JSON, 400."""
    name, _ = media_type(request.headers.get("content-type"))
    if name not in ("", "application/json"):
        raise Refusal(415, "unsupported_media_type")
    try:
        body = strictjson.loads(request.body)
    except MalformedObject:
        raise Refusal(400, "payload_invalid") from None
    given = body.get("status") if isinstance(body, dict) else None
    for status in statuses:
        if status == given:
            return status
    raise Refusal(400, "status_invalid", values=", ".join(statuses))


def _is_async(request: ApiRequest) -> bool:
    """Tell whether the caller does not wait for the end. Raises Refusal (400) for other words."""
    given = request.query("async", "false")
    if given not in ("true", "false"):
        raise Refusal(400, "parameter_invalid", parameter="async")
    return given == "true"


def _run(
    request: ApiRequest, device: Device, action: Action, kind: TransactionType, told: Mapping[str, str]
) -> TransactionRecord:
    return request.services.registry.transactions.run(device, action, kind, origin(request), told)


def _result(request: ApiRequest, organization: Organization, record: TransactionRecord, root: str) -> Reply:
    """Return the answer to a change. Who does not wait is shown the transaction as it was accepted."""
    if _is_async(request):
        record = record.as_accepted()
    server = server_name(request)
    json = {
        "ok": True,
        "productVersion": PRODUCT_VERSION,
        "transaction": shapes.transaction_json(record, organization.runtime, server),
    }
    inner = shapes.transaction_xml(record, organization.runtime, server)
    return represent(request, json, element(root, inner, ok="true", productVersion=PRODUCT_VERSION))


def server_name(request: RequestBase) -> str:
    """Return the name under which this server is reached."""
    return urlsplit(request.base_url()).hostname or ""
