"""The manner of the registry's own API: an administrator's token, JSON in and out, errors as Seafile words
them.

Source: device registry §9; Seafile devices §2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from seafleet import errors
from seafleet.api.kernel import Reply, Surface
from seafleet.api.kernel.auth import authenticate, no_credentials
from seafleet.api.kernel.errors import ApiError, detail
from seafleet.devices import errors as device_errors
from seafleet.devices.origin import Origin
from seafleet.formats import strictjson

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seafleet.api.kernel import ApiRequest
    from seafleet.api.kernel.request import RequestBase

NAME: Final = "device_registry"
_JSON: Final = ("", "application/json")
INTERNAL_ERROR: Final = Reply({"error_msg": "Internal Server Error"}, 500)


def json_object(request: ApiRequest) -> dict[str, Any]:
    """Return the members of a JSON body, none for an empty one.

    Raises ApiError: 415 for another type, 400 for what is no JSON object.
    """
    media_type = request.headers.get("content-type").partition(";")[0].strip().lower()
    if not request.body:
        return {}
    if media_type not in _JSON:
        raise detail(415, f'Unsupported media type "{media_type[:100]}" in request.')
    try:
        value = strictjson.loads(request.body)
    except errors.MalformedObject as error:
        raise detail(400, f"JSON parse error - {error.reason}") from None
    if not isinstance(value, dict):
        raise ApiError(400, "Bad request.")
    return value


def member(values: Mapping[str, Any], name: str, kind: type, *, required: bool = False) -> Any:
    """Return a member of a body, None if it is not there. Raises InvalidArgument(name) for another type."""
    value = values.get(name)
    if value is None:
        if required:
            raise errors.InvalidArgument(name, "missing")
        return None
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise errors.InvalidArgument(name, f"not of type {kind.__name__}")
    return value


def origin_of(request: ApiRequest) -> Origin:
    """Return who acts, for the log."""
    return Origin("user", request.caller.email, "native", request.client_ip, request.request_id)


def error_msg(status: int, text: str) -> Reply:
    """Return an error."""
    return Reply({"error_msg": text}, status)


def _invalid(error: errors.InvalidArgument) -> Reply:
    return Reply({"error_msg": f"{error.name} invalid.", "reason": str(error)}, 400)


def _access_denied(error: errors.AccessDenied) -> Reply:
    rule = error.decision.rule
    if rule == "anonymous":
        return no_credentials().reply()
    if rule.startswith("device_"):
        return _blocked(rule.removeprefix("device_").upper(), error.decision.reason)
    return detail(403, "You do not have permission to perform this action.").reply()


def _blocked(status: str, sentence: str) -> Reply:
    body = {"error_msg": sentence, "device_status": status}
    return Reply(body, 403, {"X-Device-Status": status})


def _wiped(error: errors.DeviceWiped) -> Reply:
    headers = {"X-Seafile-Wiped": "true", "X-Device-Status": error.status}
    return detail(401, "Device set to be remote wiped", headers).reply()


def _throttled(error: errors.Throttled) -> Reply:
    seconds = error.retry_after_seconds
    text = f"Request was throttled. Expected available in {seconds} second{'' if seconds == 1 else 's'}."
    return detail(429, text, {"Retry-After": str(seconds)}).reply()


def _problems(error: device_errors.InvalidFields) -> Reply:
    first = next(iter(error.problems))
    return Reply({"error_msg": f"{first} invalid.", "errors": dict(error.problems)}, 400)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


TABLE: Final[Mapping[type[errors.SeafleetError], Callable[[Any], Reply]]] = {
    errors.SeafleetError: lambda e: INTERNAL_ERROR,
    errors.InvalidInput: lambda e: error_msg(400, "Bad request."),
    errors.InvalidArgument: _invalid,
    device_errors.InvalidFields: _problems,
    errors.NotFound: lambda e: error_msg(404, f"{e.noun.capitalize()} {str(e.what)[:100]} not found."),
    errors.AccountNotFound: lambda e: error_msg(404, f"User {str(e.what)[:100]} not found."),
    errors.TokenNotFound: lambda e: error_msg(404, "Token not found."),
    errors.Refused: lambda e: error_msg(403, "Permission denied."),
    errors.AccessDenied: _access_denied,
    errors.DeviceBlocked: lambda e: _blocked(e.status, e.sentence),
    errors.DeviceWiped: _wiped,
    errors.Throttled: _throttled,
    errors.Conflict: lambda e: error_msg(409, _sentence(str(e))),
    errors.AlreadyExists: lambda e: error_msg(409, f"{e.kind.capitalize()} {e.value} already exists."),
    device_errors.DeviceChanged: lambda e: error_msg(412, f"The device has version {e.row_version} now."),
    device_errors.NotApplicable: lambda e: error_msg(409, _sentence(e.reason)),
}


def reply_to(_request: RequestBase, error: errors.SeafleetError) -> Reply:
    """Return the answer to an error: that of its class, or of the nearest one above that has a row."""
    return next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)(error)


SURFACE: Final = Surface(
    NAME, domain_error=reply_to, internal_error=INTERNAL_ERROR, authenticate=authenticate, negotiates=True
)
