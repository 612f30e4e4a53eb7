"""The manner of this API: the organization's token as the name of the Basic scheme, errors in two formats.

Source: Device Magic devices §2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from seafleet import errors
from seafleet.actor import Actor
from seafleet.api.devicemagic.formats import Format, answer_format
from seafleet.api.kernel import ApiError, Marker, Reply, Surface, route
from seafleet.api.kernel.basic import basic_credentials
from seafleet.api.kernel.replies import encode_json
from seafleet.api.kernel.request import Headers
from seafleet.api.kernel.routes import TOKEN, stream_route
from seafleet.devices import errors as device_errors
from seafleet.devices.organizations import Organization
from seafleet.devices.origin import Origin
from seafleet.formats.xmlform import document, element, leaf

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from seafleet.api.kernel.request import ApiRequest, RequestBase
    from seafleet.api.kernel.routes import F
    from seafleet.api.kernel.streams import StreamRequest

NAME: Final = "devicemagic"
PREFIXES: Final = ("/organizations", "/api/organizations", "/api/v2/organizations")
_V2: Final = PREFIXES[2]
_CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="Device Magic API"'}
_TEXTS: Final = {
    400: "Bad Request",
    404: "Device not found",
    405: "Method Not Allowed",
    413: "Request body is too large",
}
"""What is said of that which the kernel refuses."""


# -- routes --------------------------------------------------------------------------------------------------


def below(organization_path: str) -> list[str]:
    """Return the patterns of a path below an organization, for each prefix."""
    return [f"{prefix}/{{organization_id}}{organization_path}" for prefix in PREFIXES]


def serves(verb: str, *paths: str, operation: str) -> Callable[[F], F]:
    """Declare a handler of calls below an organization."""

    def declare(handler: F) -> F:
        for path in reversed(paths):
            for pattern in reversed(below(path)):
                note = route(
                    verb, pattern, operation=operation, action=Marker.BEARER, auth=TOKEN, surface=NAME
                )
                handler = note(handler)
        return handler

    return declare


def streams(verb: str, *paths: str, operation: str) -> Callable[[F], F]:
    """Declare a streaming endpoint below an organization."""

    def declare(handler: F) -> F:
        for path in reversed(paths):
            for pattern in reversed(below(path)):
                handler = stream_route(
                    verb, pattern, operation=operation, action=Marker.BEARER, surface=NAME
                )(handler)
        return handler

    return declare


def generation(request: RequestBase) -> int:
    """Return the generation of shapes that the prefix of the path stands for."""
    path: str = request.scope["path"]
    return 2 if path.startswith(f"{_V2}/") else 1


# -- callers -------------------------------------------------------------------------------------------------


def organization_of(request: RequestBase) -> Organization:
    """Return the organization whose token was shown.

    Raises ApiError: 401 without one, 403 for the path of any other organization, be there one or not.
    """
    shown = basic_credentials(request.headers.get("authorization"))
    if shown is None:
        raise _unauthorized()
    try:
        organization = request.services.registry.organizations.by_token(shown[0])
    except errors.TokenNotFound:
        request.services.throttle.hit("anon", request.client_ip, request.client_ip)
        raise _unauthorized() from None
    if request.path_params["organization_id"] != str(organization.id):
        raise ApiError(403, "Forbidden")
    return organization


def authenticate(request: ApiRequest) -> Actor:
    """Return the organization as an actor, and keep it as the request's credential."""
    organization = organization_of(request)
    request.credential = organization
    wanted_format(request)
    return Actor(None, account_name(organization), organization_id=organization.id)


def account_name(organization: Organization) -> str:
    """Return what the access log calls the caller."""
    return f"organization {organization.id}"


def caller_organization(request: ApiRequest) -> Organization:
    """Return the organization that calls."""
    assert isinstance(request.credential, Organization)
    return request.credential


def origin(request: ApiRequest) -> Origin:
    """Return what the log says of a change."""
    name = f"API token of {caller_organization(request).name}"
    return Origin("api_token", name, NAME, request.client_ip, request.request_id)


def _unauthorized() -> ApiError:
    return ApiError(401, "HTTP Basic: Access denied.", headers=_CHALLENGE)


# -- answers -------------------------------------------------------------------------------------------------


def wanted_format(request: RequestBase) -> Format:
    """Return how to answer. Raises ApiError (406) unless that does not matter."""
    found = answer_format(request.scope["path"], request.headers)
    if found is None and request.method != "DELETE":
        raise ApiError(406, "Not Acceptable")
    return found or Format.JSON


def answer(data: bytes, wanted: Format, status: int = 200) -> Reply:
    """Return an answer whose body is in a format already."""
    return Reply(data, status, media_type=wanted.content_type)


def represent(request: RequestBase, json: Any, xml: str, status: int = 200) -> Reply:
    """Return a value in the format that the caller asks for; `xml` is an element."""
    wanted = wanted_format(request)
    return answer(document(xml) if wanted is Format.XML else encode_json(json), wanted, status)


def one_error(wanted: Format, status: int, text: str, headers: Mapping[str, str] | None = None) -> Reply:
    """Return an error that is one sentence."""
    body = document(element("errors", leaf("error", text))) if wanted is Format.XML else {"error": text}
    return Reply(body, status, headers or {}, wanted.content_type)


def field_errors(wanted: Format, problems: Mapping[str, Sequence[str]]) -> Reply:
    """Return the refusal of values, with sentences for each field."""
    if wanted is Format.JSON:
        body: Any = {"errors": {name: list(texts) for name, texts in problems.items()}}
    else:
        sentences = (f"{name}: {text}" for name, texts in problems.items() for text in texts)
        body = document(element("errors", *(leaf("error", sentence) for sentence in sentences)))
    return Reply(body, 422, media_type=wanted.content_type)


# -- errors --------------------------------------------------------------------------------------------------


def _says(status: int, text: str) -> Callable[[Format, Any], Reply]:
    return lambda wanted, _error: one_error(wanted, status, text)


def _throttled(wanted: Format, error: errors.Throttled) -> Reply:
    return one_error(wanted, 429, "Too Many Requests", {"Retry-After": str(error.retry_after_seconds)})


TABLE: Final[Mapping[type[errors.SeafleetError], Callable[[Format, Any], Reply]]] = {
    errors.SeafleetError: _says(500, "Internal Server Error"),
    errors.InvalidInput: _says(400, "Bad Request"),
    errors.InvalidArgument: lambda wanted, e: field_errors(wanted, {e.name: [e.reason]}),
    errors.MalformedObject: lambda wanted, e: one_error(wanted, 400, f"Malformed {e.kind}"),
    device_errors.InvalidFields: lambda wanted, e: field_errors(wanted, e.problems),
    errors.NotFound: _says(404, "Device not found"),
    device_errors.DeviceGroupNotFound: _says(404, "Group not found"),
    errors.Refused: _says(403, "Forbidden"),
    errors.Throttled: _throttled,
    errors.AlreadyExists: lambda wanted, e: field_errors(wanted, {"name": ["has already been taken"]}),
    device_errors.StillInUse: lambda wanted, e: field_errors(wanted, {e.noun: [f"stays: {e.reason}"]}),
    errors.StorageFailure: _says(503, "Service Unavailable"),
}


def reply_to(request: ApiRequest | StreamRequest, error: errors.SeafleetError) -> Reply:
    """Return the answer to an error: that of its class, or of the nearest one above that has a row."""
    wanted = answer_format(request.scope["path"], request.headers) or Format.JSON
    return next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)(wanted, error)


def told(error: ApiError, scope: Mapping[str, Any]) -> Reply:
    """Return the answer to what handlers or the kernel refuse. A body that is too large is a bad one."""
    wanted = answer_format(scope["path"], Headers(dict(scope["headers"]))) or Format.JSON
    text = _TEXTS.get(error.status, "") if error.key == "detail" else ""
    status = 400 if error.status == 413 else error.status
    return one_error(wanted, status, text or str(error.message), error.headers)


SURFACE: Final = Surface(
    NAME,
    domain_error=reply_to,
    internal_error=one_error(Format.JSON, 500, "Internal Server Error"),
    authenticate=authenticate,
    negotiated_error=told,
    prefixes=tuple(f"{prefix}/" for prefix in PREFIXES),
)
