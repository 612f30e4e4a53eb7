"""Ping, server information, and how a client comes by a token.

Source: Web API manual, "Quick Start" and "Get Server Information"; Seafile devices §3.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final

from seafleet.api.kernel import (
    JSON_UTF8,
    PUBLIC,
    TOKEN,
    ApiError,
    ApiRequest,
    Marker,
    Reply,
    ReplyError,
    route,
)
from seafleet.api.seafile.errors import non_field_error
from seafleet.devices.model import DeviceInfo
from seafleet.errors import ClientForbidden, DeviceBlocked, InvalidArgument, TokenNotFound

if TYPE_CHECKING:
    from seafleet.accounts.model import Account

_FEATURES: Final = {"seafile-pro": "lock-file", "file-search": "search-files-in-libraries"}
_DEVICE_FIELDS: Final = ("platform", "device_id", "device_name")
_NOTHING_MORE: Final = Reply({}, media_type=JSON_UTF8)
_WRONG_DEVICE: Final = {"platform": "invalid platform", "device_id": "invalid device id"}
_is_token = re.compile(r"[0-9a-f]{40}").fullmatch


@route(
    "GET",
    "/api2/ping/",
    operation="quick-start-ping",
    action=Marker.ANYONE,
    auth=PUBLIC,
    throttle="ping",
    pool="loop",
)
def ping(_request: ApiRequest) -> str:
    """Tell that the server is there."""
    return "pong"


@route(
    "GET",
    "/api2/auth/ping/",
    operation="quick-start-auth-ping",
    action=Marker.OWN_ACCOUNT,
    auth=TOKEN,
    pool="loop",
)
def auth_ping(_request: ApiRequest) -> str:
    """Tell that the server is there and the token good."""
    return "pong"


@route(
    "GET",
    "/api2/server-info/",
    operation=("server-info", "rclone-server-info"),
    action=Marker.ANYONE,
    auth=PUBLIC,
    throttle=None,
    pool="loop",
)
def server_info(request: ApiRequest) -> Reply:
    """Tell version and features, by which clients decide what they may ask for."""
    settings = request.services.settings
    info = {
        "version": settings.advertised_version,
        "features": _features(request.services.operations),
        "encrypted_library_version": settings.encrypted_library_version,
    }
    return Reply(info, media_type=JSON_UTF8)


def _features(operations: frozenset[str]) -> list[str]:
    """Return the feature words, each only if what it promises is served."""
    return ["seafile-basic", *(word for word, promise in _FEATURES.items() if promise in operations)]


_login_route = partial(
    route,
    "POST",
    operation=("quick-start-auth-token", "rclone-auth"),
    action=Marker.ANYONE,
    auth=PUBLIC,
    throttle="anon",
    pool="auth",
)


@_login_route("/api2/auth-token/")
@_login_route("/api2/auth-token/{anything:rest}")
def obtain_token(request: ApiRequest) -> Reply:
    """Exchange name and password for a token: the account's plain one, or that of a device.

    What is wrong with the request is told before the password is looked at, with the device after it.
    """
    username, password = _credentials(request)
    given = [name for name in _DEVICE_FIELDS if request.param(name)]
    if 0 < len(given) < len(_DEVICE_FIELDS):
        raise ReplyError(non_field_error("invalid params"))
    account = request.services.accounts.authenticate(username, password, request.client_ip)
    if not given:
        return _plain_token(request, account)
    return _device_token(request, account)


def _credentials(request: ApiRequest) -> tuple[str, str]:
    problems = {name: [text] for name in ("username", "password") if (text := _problem(request, name))}
    if problems:
        raise ReplyError(Reply(problems, 400))
    return request.param("username", "") or "", request.param("password", "") or ""


def _problem(request: ApiRequest, name: str) -> str | None:
    value = request.param(name)
    if value is None:
        sent = request.json()
        is_null = isinstance(sent, dict) and name in sent
        return "This field may not be null." if is_null else "This field is required."
    is_blank = not (value if name == "password" else value.strip())
    return "This field may not be blank." if is_blank else None


def _plain_token(request: ApiRequest, account: Account) -> Reply:
    try:
        return Reply({"token": request.services.tokens.issue_plain(account)})
    except DeviceBlocked as error:
        raise _refused(error) from None


def _device_token(request: ApiRequest, account: Account) -> Reply:
    info = DeviceInfo.of(
        request.param("platform", "") or "",
        request.param("device_id", "") or "",
        request.param("device_name", "") or "",
        request.param("client_version", "") or "",
        request.param("platform_version", "") or "",
        request.client_ip,
    )
    try:
        issued = request.services.tokens.connect(account, info)
    except DeviceBlocked as error:
        raise _refused(error) from None
    except ClientForbidden as error:
        raise ReplyError(non_field_error(f"Not allowed to connect to {error.family} client.")) from None
    except InvalidArgument as error:
        raise ReplyError(non_field_error(_WRONG_DEVICE.get(error.name, "invalid params"))) from None
    request.device_status = issued.device_status
    return Reply({"token": issued.token})


def _refused(error: DeviceBlocked) -> ReplyError:
    headers = {} if error.status == "UNBOUND" else {"X-Device-Status": error.status}
    return ReplyError(non_field_error(error.sentence, headers))


@route(
    "POST",
    "/api2/logout-device/",
    operation="desktop-logout",
    action=Marker.OWN_ACCOUNT,
    auth=TOKEN,
    allow_suspended=True,
)
def log_out(request: ApiRequest) -> Reply:
    """End the token that was shown; with it go the device's sync tokens."""
    assert request.session is not None, "only tokens get here"
    request.services.tokens.revoke(request.session, request.client_ip)
    return _NOTHING_MORE


@route(
    "POST",
    "/api2/device-wiped/",
    operation="desktop-device-wiped",
    action=Marker.BEARER,
    auth=PUBLIC,
    throttle="anon",
)
def report_wiped(request: ApiRequest) -> Reply:
    """Take a device's word that it removed what it held. Source: Seafile devices §3."""
    token = request.param("token") or ""
    if _is_token(token) is None:
        raise ApiError(400, "token invalid.")
    try:
        request.services.tokens.acknowledge_wipe(token)
    except TokenNotFound:
        raise ApiError(404, f"token {token} not found.") from None
    except InvalidArgument:
        raise ApiError(400, "invalid device token") from None
    return _NOTHING_MORE
