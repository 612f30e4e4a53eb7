"""What this API says of errors: `{"error": "<code>", "error_description": "<sentence>"}`.

Source: MetaAccess devices §2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from seafleet import errors
from seafleet.api.kernel import ApiError, Reply
from seafleet.devices import errors as device_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seafleet.api.kernel.request import RequestBase

CODES: Final[Mapping[int, str]] = {
    400: "invalid_request",
    401: "invalid_token",
    404: "not_found",
    405: "method_not_allowed",
    406: "limit_too_large",
    413: "page_out_of_range",
    415: "unsupported_media_type",
    429: "rate_limit_exceeded",
    500: "server_error",
}
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


def refusal(
    status: int,
    sentence: str,
    *,
    headers: Mapping[str, str] | None = None,
    extra: Mapping[str, object] | None = None,
) -> ApiError:
    """Return an error that ends a request."""
    members = {"error_description": sentence, **(extra or {})}
    return ApiError(status, CODES[status], "error", headers=headers, extra=members)


def invalid(sentence: str) -> ApiError:
    """Return the refusal of a wrong value."""
    return refusal(400, sentence)


def unauthorized() -> ApiError:
    """Return the refusal of a caller without a good token."""
    return refusal(401, "The access token is missing, unknown or expired.", headers=_CHALLENGE)


def not_found(sentence: str = "There is no such device.") -> ApiError:
    """Return the refusal of a name that nothing has. The old calls know it by `result` and `msg`."""
    return refusal(404, sentence, extra={"result": 0, "msg": sentence.rstrip(".")})


def told(error: ApiError) -> Reply:
    """Return the answer to what handlers or the kernel refuse."""
    if error.key == "error":
        return error.reply()
    if error.status == 413:  # of the kernel: the body, not a page
        return refusal(400, "The request's body is too large.").reply()
    code = CODES.get(error.status, "invalid_request")
    return Reply({"error": code, "error_description": str(error.message)}, error.status, error.headers)


def _says(status: int, sentence: str) -> Callable[[Any], ApiError]:
    return lambda _error: refusal(status, sentence)


def _throttled(error: errors.Throttled) -> ApiError:
    seconds = str(error.retry_after_seconds)
    return refusal(429, "There were too many requests.", headers={"Retry-After": seconds})


TABLE: Final[Mapping[type[errors.SeafleetError], Callable[[Any], ApiError]]] = {
    errors.SeafleetError: _says(500, "The server failed."),
    errors.InvalidInput: _says(400, "A value is not valid."),
    errors.InvalidArgument: lambda e: invalid(f"{e.name} is not valid: {e.reason}."),
    errors.MalformedObject: lambda e: invalid(f"The body is not valid {e.kind}: {e.reason}."),
    errors.NotFound: _says(404, "There is no such thing."),
    device_errors.DeviceNotFound: lambda _e: not_found(),
    errors.TokenNotFound: lambda _e: unauthorized(),
    errors.Refused: lambda _e: unauthorized(),
    errors.Throttled: _throttled,
    errors.Conflict: lambda e: invalid(f"{e}."),
}


def reply_to(_request: RequestBase, error: errors.SeafleetError) -> Reply:
    """Return the answer to an error: that of its class, or of the nearest one above that has a row."""
    return next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)(error).reply()


INTERNAL_ERROR: Final = refusal(500, "The server failed.").reply()
