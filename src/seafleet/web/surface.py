"""The manner of pages: whoever is logged in in the browser, and errors that people can read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from seafleet import errors
from seafleet.api.kernel import Reply, Surface
from seafleet.api.kernel.sessions import session_actor
from seafleet.oauth.errors import NoRedirect
from seafleet.web.pages import message, told

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seafleet.api.kernel import ApiRequest, StreamRequest

NAME: Final = "web"


def _locked(error: errors.LoginLocked) -> Reply:
    return _later(error.retry_after_seconds, "There were too many attempts.")


def _throttled(error: errors.Throttled) -> Reply:
    return _later(error.retry_after_seconds, "That was too often.")


def _later(seconds: int, text: str) -> Reply:
    return message(429, f"{text} Try again in {seconds} seconds.", headers={"Retry-After": str(seconds)})


def _no_redirect(error: NoRedirect) -> Reply:
    text = f"The application that sent you here made a mistake: {error.reason}."
    return message(400, f"{text} Nothing was allowed. Tell whoever runs the application.")


_INTERNAL: Final = message(500, "The mistake is ours. Try again; if it stays, tell your administrator.")

TABLE: Final[Mapping[type[errors.SeafleetError], Callable[[Any], Reply]]] = {
    errors.SeafleetError: lambda e: _INTERNAL,
    errors.InvalidInput: lambda e: message(400, "Something that was sent cannot be right."),
    errors.NotFound: lambda e: message(404, "It was deleted, or never was."),
    errors.Refused: lambda e: message(403, "You may not do this."),
    errors.LoginLocked: _locked,
    errors.Throttled: _throttled,
    NoRedirect: _no_redirect,
}


def reply_to(_request: ApiRequest | StreamRequest, error: errors.SeafleetError) -> Reply:
    """Return the page for an error: that of its class, or of the nearest one above that has a row."""
    return next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)(error)


SURFACE: Final = Surface(
    NAME,
    domain_error=reply_to,
    internal_error=_INTERNAL,
    authenticate=session_actor,
    api_error=told,
    prefixes=("/accounts/", "/devices/"),
)
