"""What was changed through this API, one transaction each.

Source: MobileFirst devices §7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from seafleet.api.kernel import ApiRequest, Reply
from seafleet.api.mobilefirst import shapes
from seafleet.api.mobilefirst.bookmarks import Bookmarks, Border, Place, envelope, wanted_place
from seafleet.api.mobilefirst.devices import server_name
from seafleet.api.mobilefirst.roles import runtime_of
from seafleet.api.mobilefirst.surface import PRODUCT_VERSION, Refusal, represent, serves
from seafleet.devices.errors import TransactionNotFound
from seafleet.devices.listing import Position
from seafleet.devices.transactions import TransactionSort
from seafleet.formats.xmlform import element

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seafleet.devices.organizations import Organization
    from seafleet.devices.transactions import TransactionPage

# All of an organization's transactions have one server, so that their numbers decide.
_ORDERS: Final = {
    "created": TransactionSort.CREATED,
    "updated": TransactionSort.UPDATED,
    "type": TransactionSort.TYPE,
    "status": TransactionSort.STATUS,
    "user": TransactionSort.USER,
    "server": TransactionSort.NUMBER,
}
_MAX_DIGITS: Final = 18


@serves("GET", "/runtimes/{runtime}/transactions/{transaction}", operation="mobilefirst-transaction")
def show_transaction(request: ApiRequest) -> Reply:
    """Return one transaction."""
    organization = runtime_of(request, running=False)
    text = request.path_params["transaction"]
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise TransactionNotFound(text)
    record = request.services.registry.transactions.get(organization.id, int(text))
    server = server_name(request)
    json = shapes.transaction_json(record, organization.runtime, server)
    xml = shapes.transaction_xml(record, organization.runtime, server, productVersion=PRODUCT_VERSION)
    return represent(request, {**json, "productVersion": PRODUCT_VERSION}, xml)


@serves("GET", "/runtimes/{runtime}/transactions", operation="mobilefirst-transactions")
def list_transactions(request: ApiRequest) -> Reply:
    """Return a page of the transactions, with `mode=errors` those that failed."""
    organization = runtime_of(request, running=False)
    mode = request.query("mode")
    if mode not in (None, "errors"):
        raise Refusal(400, "parameter_invalid", parameter="mode")
    bookmarks = Bookmarks(request.services.secret, f"transactions {organization.id} {mode}")
    place = wanted_place(bookmarks, request.query, frozenset(_ORDERS), "created")
    page = _page(request, organization, place, errors_only=mode == "errors")
    start, borders = page.total, None
    if page.first is not None and page.last is not None:
        borders = Border(page.first.key, page.first.tie), Border(page.last.key, page.last.tie)
        start = 0
        if place.side != "first":
            start = request.services.registry.transactions.count_before(
                organization.id,
                _sort(place),
                page.first,
                descending=_is_descending(place),
                errors_only=mode == "errors",
            )
    members = envelope(bookmarks, place, page.total, start, len(page.transactions), borders)
    return _represent_page(request, organization, page, members)


def _page(
    request: ApiRequest, organization: Organization, place: Place, *, errors_only: bool
) -> TransactionPage:
    border = None if place.side == "first" else Position(place.key, place.tie)
    return request.services.registry.transactions.page(
        organization.id,
        sort=_sort(place),
        descending=_is_descending(place),
        errors_only=errors_only,
        limit=place.walk.page_size,
        after=border if place.side == "after" else None,
        before=border if place.side == "before" else None,
    )


def _sort(place: Place) -> TransactionSort:
    return _ORDERS[place.walk.order.removeprefix("-")]


def _is_descending(place: Place) -> bool:
    return place.walk.order.startswith("-")


def _represent_page(
    request: ApiRequest, organization: Organization, page: TransactionPage, members: Mapping[str, Any]
) -> Reply:
    server, runtime = server_name(request), organization.runtime
    members = {**members, "productVersion": PRODUCT_VERSION}
    json = [shapes.transaction_json(record, runtime, server) for record in page.transactions]
    xml = (shapes.transaction_xml(record, runtime, server) for record in page.transactions)
    given = {name: value for name, value in members.items() if value is not None}
    root = element("transactions", element("items", *xml), **shapes.attributes(given))
    return represent(request, {"items": json, **members}, root)
