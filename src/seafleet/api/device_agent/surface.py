"""The manner of the agent protocol: a token of its own scheme, JSON, and statuses that agents go by.

======  ==================================================================================================
status  what the agent makes of it
======  ==================================================================================================
401     its token or code is not good: it has to be enrolled again
403     the device is blocked
409     another machine reports under its hardware id
410     the device was removed; `wipe` tells whether its libraries are still to be removed
======  ==================================================================================================

Source: device registry §7, §8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from seafleet import errors
from seafleet.api.kernel import Reply, Surface
from seafleet.api.kernel.errors import detail
from seafleet.devices import errors as device_errors
from seafleet.formats import strictjson

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seafleet.api.kernel.request import RequestBase

NAME: Final = "device_agent"
INTERNAL_ERROR: Final = Reply({"error_msg": "Internal Server Error"}, 500)


def json_of(content_type: str, body: bytes) -> Any:
    """Return the value of a JSON body. Raises ApiError: 415 for another type, 400 for what is no JSON."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in ("", "application/json"):
        raise detail(415, f'Unsupported media type "{media_type[:100]}" in request.')
    try:
        return strictjson.loads(body)
    except errors.MalformedObject as error:
        raise detail(400, f"JSON parse error - {error.reason}") from None


def error_msg(status: int, text: str) -> Reply:
    """Return an error."""
    return Reply({"error_msg": text}, status)


def _unauthorized(_error: errors.SeafleetError) -> Reply:
    return detail(401, "Invalid token").reply()


def _blocked(error: errors.DeviceBlocked) -> Reply:
    body = {"error_msg": error.sentence, "device_status": error.status}
    return Reply(body, 403, {"X-Device-Status": error.status})


def _wiped(error: errors.DeviceWiped) -> Reply:
    headers = {"X-Seafile-Wiped": "true", "X-Device-Status": error.status}
    return detail(401, "Device set to be remote wiped", headers).reply()


def _throttled(error: errors.Throttled) -> Reply:
    text = f"Request was throttled. Expected available in {error.retry_after_seconds} seconds."
    return detail(429, text, {"Retry-After": str(error.retry_after_seconds)}).reply()


TABLE: Final[Mapping[type[errors.SeafleetError], Callable[[Any], Reply]]] = {
    errors.SeafleetError: lambda e: INTERNAL_ERROR,
    errors.InvalidInput: lambda e: error_msg(400, "Bad request."),
    errors.InvalidArgument: lambda e: Reply({"error_msg": f"{e.name} invalid.", "reason": str(e)}, 400),
    errors.NotFound: lambda e: error_msg(404, f"{e.noun.capitalize()} {str(e.what)[:100]} not found."),
    errors.TokenNotFound: _unauthorized,
    errors.AccountDisabled: _unauthorized,
    errors.Refused: lambda e: error_msg(403, "Permission denied."),
    errors.DeviceBlocked: _blocked,
    errors.DeviceWiped: _wiped,
    device_errors.DeviceRemoved: lambda e: Reply({"error_msg": "Device removed.", "wipe": e.wipe}, 410),
    errors.Throttled: _throttled,
    errors.Conflict: lambda e: error_msg(409, "Conflict."),
    device_errors.DeviceCloned: lambda e: error_msg(409, "Another machine reports under this hardware id."),
}


def reply_to(_request: RequestBase, error: errors.SeafleetError) -> Reply:
    """Return the answer to an error: that of its class, or of the nearest one above that has a row."""
    return next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)(error)


SURFACE: Final = Surface(NAME, domain_error=reply_to, internal_error=INTERNAL_ERROR)
