"""The manner of this API: a user's name and password, roles, answers in three media types, errors by locale.

Whoever has no role learns nothing; whoever has one elsewhere cannot tell a runtime of others from one that
does not exist.

Source: MobileFirst devices §1, §2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from seafleet import errors
from seafleet.actor import Actor
from seafleet.api.kernel import ApiError, Marker, Reply, Surface, route
from seafleet.api.kernel.basic import basic_credentials
from seafleet.api.kernel.media_types import qualities
from seafleet.api.kernel.replies import encode_json
from seafleet.api.kernel.request import Headers
from seafleet.api.kernel.routes import TOKEN, stream_route
from seafleet.api.mobilefirst.messages import language_of, message
from seafleet.devices import errors as device_errors
from seafleet.devices.origin import Origin
from seafleet.formats.xmlform import document, element

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seafleet.api.kernel.request import ApiRequest, RequestBase
    from seafleet.api.kernel.routes import F
    from seafleet.api.kernel.streams import StreamRequest

NAME: Final = "mobilefirst"
PRODUCT_VERSION: Final = "8.0"
_BASES: Final = ("/management-apis/2.0", "/{context_root}/management-apis/2.0")
_TYPES: Final = ("application/json", "application/xml", "text/xml")
_CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="MobileFirst administration"'}


# -- routes --------------------------------------------------------------------------------------------------


def serves(verb: str, path: str, *, operation: str) -> Callable[[F], F]:
    """Declare a handler, with and without the context root."""

    def declare(handler: F) -> F:
        for base in _BASES:
            handler = route(
                verb,
                base + path,
                operation=operation,
                action=Marker.ROLE,
                auth=TOKEN,
                surface=NAME,
                pool="auth",
            )(handler)
        return handler

    return declare


def streams(verb: str, path: str, *, operation: str) -> Callable[[F], F]:
    """Declare a streaming endpoint, with and without the context root."""

    def declare(handler: F) -> F:
        for base in _BASES:
            handler = stream_route(verb, base + path, operation=operation, action=Marker.ROLE, surface=NAME)(
                handler
            )
        return handler

    return declare


# -- callers -------------------------------------------------------------------------------------------------


class Refusal(ApiError):
    """An error of this API: a key of the messages, and what is filled in."""

    def __init__(
        self, status: int, key: str, headers: Mapping[str, str] | None = None, **arguments: str
    ) -> None:
        super().__init__(status, key, headers=headers)
        self.message_key = key
        self.arguments = arguments


def authenticate(request: ApiRequest) -> Actor:
    """Return who calls. Raises Refusal: 404 below another context root, 401, 406."""
    actor = actor_of(request)
    media_type_of(request)
    return actor


def actor_of(request: RequestBase) -> Actor:
    """Return whose name and password are shown. Raises Refusal."""
    services = request.services
    shown_root = request.path_params.get("context_root")
    if shown_root not in (None, services.registry.settings.current.mobilefirst_context_root):
        raise Refusal(404, "not_found")
    shown = basic_credentials(request.headers.get("authorization"))
    if shown is None:
        raise _unauthorized()
    try:
        account = services.accounts.recent.authenticate(*shown, request.client_ip, NAME)
    except (errors.BadCredentials, errors.AccountDisabled):
        services.throttle.hit("anon", request.client_ip, request.client_ip)
        raise _unauthorized() from None
    return Actor(
        account.id,
        account.email,
        is_staff=account.is_staff,
        role=account.role,
        organization_id=account.organization_id,
    )


def origin(request: ApiRequest) -> Origin:
    """Return what the log says of a change."""
    return Origin("user", request.caller.email, NAME, request.client_ip, request.request_id)


def _unauthorized() -> Refusal:
    return Refusal(401, "unauthorized", _CHALLENGE)


# -- answers -------------------------------------------------------------------------------------------------


def media_type_of(request: RequestBase) -> str:
    """Return the media type of the answer. Raises Refusal (406)."""
    found = _preferred(request.headers)
    if found is None:
        raise Refusal(406, "not_acceptable")
    return found


def _preferred(headers: Headers) -> str | None:
    """Return the type that a caller likes best, the first of those that it likes alike; None for none."""
    liked = qualities(headers.get("accept"), _TYPES)
    best = max(liked)
    return _TYPES[liked.index(best)] if best > 0 else None


def _language(scope: Mapping[str, Any]) -> str:
    query: bytes = scope["query_string"]
    return language_of(parse_qs(query.decode("latin-1")).get("locale", [""])[-1])


def represent(request: RequestBase, json: Any, xml: str, status: int = 200) -> Reply:
    """Return a value in the media type that the caller asks for; `xml` is an element."""
    return _reply(media_type_of(request), _language(request.scope), json, xml, status)


def _reply(
    media_type: str,
    language: str,
    json: Any,
    xml: str,
    status: int,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    body = encode_json(json) if media_type == _TYPES[0] else document(xml)
    lines = {"Content-Language": language, **(headers or {})}
    return Reply(body, status, lines, f"{media_type}; charset=utf-8")


# -- errors --------------------------------------------------------------------------------------------------


def _error(
    scope: Mapping[str, Any],
    status: int,
    key: str,
    arguments: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    language = _language(scope)
    text = message(key, language, arguments or {})
    json = {"ok": False, "productVersion": PRODUCT_VERSION, "errors": [{"details": text}]}
    listed = element("errors", element("error", details=text))
    xml = element("error-result", listed, ok="false", productVersion=PRODUCT_VERSION)
    media_type = _preferred(Headers(dict(scope["headers"]))) or _TYPES[0]
    return _reply(media_type, language, json, xml, status, headers)


_KERNEL_KEYS: Final = {
    400: (400, "query_malformed"),
    404: (404, "not_found"),
    405: (405, "method_not_allowed"),
    413: (400, "payload_too_large"),
}


def told(error: ApiError, scope: Mapping[str, Any]) -> Reply:
    """Return the answer to what handlers or the kernel refuse."""
    if isinstance(error, Refusal):
        return _error(scope, error.status, error.message_key, error.arguments, error.headers)
    status, key = _KERNEL_KEYS.get(error.status, (500, "internal_error"))
    return _error(scope, status, key, headers=error.headers)


_Told = tuple[int, str, dict[str, str], dict[str, str]]


def _says(status: int, key: str, argument: str = "") -> Callable[[Any], _Told]:
    """Return what makes an answer of an error; `argument` is filled with the name of what was not found."""
    return lambda error: (status, key, {argument: str(error.what)[:200]} if argument else {}, {})


def _wait(error: Any) -> _Told:
    return 429, "too_many_requests", {}, {"Retry-After": str(error.retry_after_seconds)}


TABLE: Final[Mapping[type[errors.SeafleetError], Callable[[Any], _Told]]] = {
    errors.SeafleetError: _says(500, "internal_error"),
    errors.InvalidInput: _says(400, "payload_invalid"),
    errors.NotFound: _says(404, "not_found"),
    errors.OrganizationNotFound: _says(404, "runtime_not_found", "runtime"),
    device_errors.DeviceNotFound: _says(404, "device_not_found", "device"),
    device_errors.DeviceAppNotFound: _says(404, "application_not_found", "application"),
    device_errors.TransactionNotFound: _says(404, "transaction_not_found", "transaction"),
    errors.Refused: _says(403, "forbidden"),
    errors.LoginLocked: _wait,
    errors.Throttled: _wait,
    errors.StorageFailure: _says(503, "unavailable"),
}


def reply_to(request: ApiRequest | StreamRequest, error: errors.SeafleetError) -> Reply:
    """Return the answer to an error: that of its class, or of the nearest one above that has a row."""
    status, key, arguments, headers = next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)(
        error
    )
    return _error(request.scope, status, key, arguments, headers)


SURFACE: Final = Surface(
    NAME,
    domain_error=reply_to,
    internal_error=Reply(None, 500),
    authenticate=authenticate,
    negotiated_error=told,
    prefixes=("/management-apis/", "/*/management-apis/"),
)
