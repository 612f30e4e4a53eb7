"""The manner of this API: an application's access token, a limit of calls for each path, its own errors.

Checks come in this order: verb, token, rate, media type, JSON, values.

Source: MetaAccess devices §1, §2.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from seafleet.api.kernel import TOKEN, Marker, Surface, route
from seafleet.api.metaaccess.errors import INTERNAL_ERROR, refusal, reply_to, told, unauthorized
from seafleet.devices.origin import Origin
from seafleet.errors import TokenNotFound
from seafleet.oauth.model import Caller

if TYPE_CHECKING:
    from collections.abc import Callable

    from seafleet.actor import Actor
    from seafleet.api.kernel import ApiRequest
    from seafleet.api.kernel.routes import F

NAME: Final = "metaaccess"
V3_0: Final = ("v3", "v3.0")
_same_version = re.compile(r"^(/o/api/v\d+)\.0/")


def serves(verb: str, path: str, *versions: str, operation: str) -> Callable[[F], F]:
    """Declare a handler of a path below each of these versions of the API."""

    def declare(handler: F) -> F:
        for version in reversed(versions):
            pattern = f"/o/api/{version}{path}"
            handler = route(
                verb,
                pattern,
                operation=operation,
                action=Marker.BEARER,
                auth=TOKEN,
                surface=NAME,
                throttle=None,
            )(handler)
        return handler

    return declare


def authenticate(request: ApiRequest) -> Actor:
    """Return whom the application acts for, after counting the call; keep the application as credential."""
    caller = _caller(request)
    request.credential = caller
    request.scope["account"] = f"oauth:{caller.client_id}"
    _count(request, caller)
    return caller.actor


def caller_of(request: ApiRequest) -> Caller:
    """Return the application that calls."""
    assert isinstance(request.credential, Caller)
    return request.credential


def origin(request: ApiRequest) -> Origin:
    """Return what the log says of a change."""
    return Origin("oauth_client", caller_of(request).name, NAME, request.client_ip, request.request_id)


def _caller(request: ApiRequest) -> Caller:
    shown = {*request.queries("access_token"), _bearer(request.headers.get("authorization"))} - {""}
    if len(shown) > 1:
        raise refusal(400, "Two different access tokens were sent.")
    try:
        return request.services.oauth.resolve(shown.pop() if shown else "")
    except TokenNotFound:
        request.services.throttle.hit("anon", request.client_ip, request.client_ip)
        raise unauthorized() from None


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _count(request: ApiRequest, caller: Caller) -> None:
    """Count a call on its path, and tell what is left. Raises ApiError (429)."""
    path = _same_version.sub(r"\1/", request.route.pattern)
    limit = request.services.registry.settings.current.metaaccess_rate_limit
    allowance = request.services.rates.take(f"{NAME}:{caller.organization_id}:{path}", limit)
    request.answer_headers += [
        ("X-RateLimit-Limit", str(allowance.limit)),
        ("X-RateLimit-Remaining", str(allowance.remaining)),
        ("X-RateLimit-Reset-Time", str(allowance.reset_seconds)),
    ]
    if not allowance.allowed:
        seconds = str(allowance.reset_seconds)
        raise refusal(429, f"Try again in {seconds} seconds.", headers={"Retry-After": seconds})


SURFACE: Final = Surface(
    NAME,
    domain_error=reply_to,
    internal_error=INTERNAL_ERROR,
    authenticate=authenticate,
    api_error=told,
    prefixes=("/o/",),
)
