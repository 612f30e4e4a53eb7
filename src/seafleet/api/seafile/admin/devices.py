"""Everybody's devices, and what went wrong while they synchronised, for administrators.

Source: Seafile devices §6–§9; Web API manual, "Admin only", "Devices".
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from seafleet.api.kernel import ApiError, ApiRequest, Marker, route
from seafleet.api.seafile.devices import device_named, sent
from seafleet.api.seafile.paging import MAX_PER_PAGE, whole
from seafleet.api.seafile.shapes.devices import any_device, sync_error
from seafleet.devices.clients_list import MOBILE_PLATFORMS
from seafleet.devices.model import DESKTOP_PLATFORMS, PLATFORMS
from seafleet.errors import OrganizationNotFound

Json = dict[str, Any]
PATH: Final = "/api/v2.1/admin/devices/"
ORGANIZATION_PATH: Final = "/api/v2.1/org/{org_id}/admin/devices/"
ERRORS_PATH: Final = "/api/v2.1/admin/device-errors/"
PER_PAGE: Final = 50
ERRORS_PER_PAGE: Final = 100
ALL_ERRORS: Final = 1000

_staff = partial(route, action=Marker.STAFF)


@_staff(
    "GET",
    PATH,
    operation=(
        "admin-only-get-desktop-devices",
        "admin-only-get-mobile-devices",
    ),
)
def all_devices(request: ApiRequest) -> Any:
    """List devices, those used last first."""
    return _page(request, None)


@_staff("GET", ORGANIZATION_PATH, operation="organization-devices")
def devices_of_organization(request: ApiRequest) -> Any:
    """List the devices of an organization's users."""
    return _page(request, _organization(request))


def _page(request: ApiRequest, organization_id: int | None) -> Any:
    page, per_page = _paging(request, PER_PAGE)
    services = request.services
    clients, has_more = services.registry.clients.page(
        _platforms(request), (page - 1) * per_page, per_page, organization_id
    )
    names = services.names.of(client.email for client in clients)
    zone = services.settings.zone
    shown = [any_device(client, names[client.email].name, zone) for client in clients]
    if _as_object(request):
        return {"page_info": {"has_next_page": has_more, "current_page": page}, "devices": shown}
    return [{"has_next_page": has_more}, shown]


def _as_object(request: ApiRequest) -> bool:
    """Tell which of the two documented shapes to answer. Source: Seafile devices §6."""
    wanted = request.query("shape")
    return wanted == "object" if wanted in ("object", "list") else request.wants_reference_shape


def _platforms(request: ApiRequest) -> tuple[str, ...]:
    wanted = (request.query("platform") or "").lower()
    if wanted == "desktop":
        return tuple(sorted(DESKTOP_PLATFORMS))
    if wanted == "mobile":
        return tuple(sorted(MOBILE_PLATFORMS))
    return (wanted,) if wanted in PLATFORMS else ()


def _paging(request: ApiRequest, default_size: int) -> tuple[int, int]:
    """Return page and size. What is no number makes both the default, what is too small one of them."""
    try:
        page, size = (
            whole(request.query("page") or "1"),
            whole(request.query("per_page") or str(default_size)),
        )
    except ValueError:
        return 1, default_size
    size = min(size, MAX_PER_PAGE) if size >= 1 else default_size
    return min(max(page, 1), 1_000_000), size


def _organization(request: ApiRequest) -> int:
    text = request.path_params["org_id"]
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else 0
    try:
        return request.services.registry.organizations.get(number).id
    except OrganizationNotFound:
        raise ApiError(404, f"Organization {text} not found.") from None


@_staff("DELETE", PATH, operation="admin-only-unlink-user-device")
def unlink_device(request: ApiRequest) -> Json:
    """Cut somebody off from a device; nothing happens for an unknown user or device."""
    return _unlink(request, None)


@_staff("DELETE", ORGANIZATION_PATH, operation="organization-unlink-device")
def unlink_device_of_organization(request: ApiRequest) -> Json:
    """Cut a user of an organization off from a device."""
    return _unlink(request, _organization(request))


def _unlink(request: ApiRequest, organization_id: int | None) -> Json:
    platform, device_id = device_named(request)
    email = sent(request, "user").strip()
    if not email:
        raise ApiError(400, "user invalid.")
    services = request.services
    account = services.accounts.find(email)
    if account is not None and organization_id in (None, account.organization_id):
        services.tokens.unlink(
            account,
            platform,
            device_id,
            wipe=sent(request, "wipe_device") == "true",
            by=request.caller,
            ip=request.client_ip,
            request_id=request.request_id,
        )
    return {"success": True}


# -- errors --------------------------------------------------------------------------------------------------


def _check_enabled(request: ApiRequest) -> None:
    if not request.services.registry.settings.current.device_errors_enabled:
        raise ApiError(403, "Feature disabled.")


@_staff("GET", ERRORS_PATH, operation="admin-only-get-device-errors")
def device_errors(request: ApiRequest) -> Any:
    """List what went wrong, newest first: page by page for those who ask for pages."""
    _check_enabled(request)
    services = request.services
    paged = request.query("page") is not None or request.query("per_page") is not None
    page, per_page = _paging(request, ERRORS_PER_PAGE) if paged else (1, ALL_ERRORS)
    found, has_more = services.registry.sync_errors.page((page - 1) * per_page, per_page)
    names = services.names.of(error.email for error in found if error.email)
    zone = services.settings.zone
    shown = [sync_error(error, names[error.email].name if error.email else "", zone) for error in found]
    if not paged:
        return shown
    return {"page_info": {"has_next_page": has_more, "current_page": page}, "device_errors": shown}


@_staff("DELETE", ERRORS_PATH, operation="admin-only-clean-device-errors")
def clear_device_errors(request: ApiRequest) -> Json:
    """Empty the list."""
    _check_enabled(request)
    request.services.registry.sync_errors.clear()
    return {"success": True}
