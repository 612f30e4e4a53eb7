"""The caller's own devices: listed, and cut off.

Source: Seafile devices §4, §5; Web API manual, "Devices".
"""

from __future__ import annotations

from functools import partial
from typing import Any

from seafleet.api.kernel import SESSION, ApiError, ApiRequest, Marker, route
from seafleet.api.kernel.auth import token_of
from seafleet.api.seafile.shapes.devices import own_device
from seafleet.devices.model import DESKTOP_PLATFORMS, PLATFORMS, DeviceInfo
from seafleet.devices.service import check_identity
from seafleet.errors import InvalidArgument

Json = dict[str, Any]
PATH = "/api2/devices/"

_list_route = partial(route, "GET", operation="get-user-devices", action=Marker.OWN_ACCOUNT, auth=SESSION)
_unlink_route = partial(
    route, "DELETE", operation="unlink-user-device", action=Marker.OWN_ACCOUNT, auth=SESSION
)


@_list_route(PATH)
@_list_route(PATH + "{anything:rest}")
def own_devices(request: ApiRequest) -> list[Json]:
    """List the caller's devices. The key of the calling one is its token; those of others open nothing."""
    services, caller = request.services, request.caller
    assert caller.account_id is not None, "callers of the Web API have accounts"
    zone = services.settings.zone
    return [
        own_device(client, _key(request, client.link_id), zone)
        for client in services.registry.clients.of_account(caller.account_id)
    ]


def _key(request: ApiRequest, link_id: int) -> str:
    if request.session is not None and request.caller.device_link_id == link_id:
        return token_of(request.headers.get("authorization")) or ""
    return request.services.tokens.fingerprint(link_id)


@_unlink_route(PATH)
@_unlink_route(PATH + "{anything:rest}")
def unlink_own_device(request: ApiRequest) -> Json:
    """Cut the caller off from a device, with `wipe_device` so that it removes what it holds."""
    services, caller = request.services, request.caller
    platform, device_id = device_named(request)
    assert caller.account_id is not None, "callers of the Web API have accounts"
    services.tokens.unlink(
        services.accounts.get(caller.account_id),
        platform,
        device_id,
        wipe=sent(request, "wipe_device") == "true",
        by=caller,
        ip=request.client_ip,
        request_id=request.request_id,
    )
    return {"success": True}


def sent(request: ApiRequest, name: str) -> str:
    """Return a parameter of the body, of the query when there is no body; empty when it was not sent."""
    value = request.form(name) if request.body else request.query(name)
    return value or ""


def device_named(request: ApiRequest) -> tuple[str, str]:
    """Return platform and device id. Raises ApiError (400) for what cannot name a device."""
    platform, device_id = sent(request, "platform").lower(), sent(request, "device_id")
    if platform not in PLATFORMS:
        raise ApiError(400, "platform invalid.")
    if not device_id:
        raise ApiError(400, "device_id invalid.")
    if platform in DESKTOP_PLATFORMS:
        try:
            check_identity(DeviceInfo(platform, device_id, ""))
        except InvalidArgument:
            raise ApiError(400, "device_id invalid.") from None
    return platform, device_id
