"""How the console's pages are made, and the style sheet and script that they load from this server."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from seafleet.api.kernel import PUBLIC, ApiRequest, Marker, Reply, ReplyError, route
from seafleet.web.pages import HTML, form_token, render
from seafleet.web.surface import NAME

if TYPE_CHECKING:
    from seafleet.actor import Actor

_FOLDER: Final = Path(__file__).parent.parent / "templates" / "console"
_STYLE: Final = (_FOLDER / "console.css").read_bytes()
_SCRIPT: Final = (_FOLDER / "console.js").read_bytes()
# Part of the addresses, so that browsers keep both for good and never mix versions.
_VERSION: Final = hashlib.sha256(_STYLE + _SCRIPT).hexdigest()[:12]
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_ASSET_HEADERS: Final = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
}


def console_page(template: str, status: int = 200, **values: Any) -> Reply:
    """Return a page of the console; its template lies in the folder `console`."""
    body = render(f"console/{template}", version=_VERSION, **values)
    return Reply(body, status, _HEADERS, HTML)


def inner_page(request: ApiRequest, actor: Actor, template: str, status: int = 200, **values: Any) -> Reply:
    """Return a page for somebody who was let in: it names him, and he can sign out there."""
    token = form_token(request)
    return console_page(template, status, email=actor.email, token=token, **values)


def complaint(
    request: ApiRequest, actor: Actor, status: int, title: str, text: str, back: str = "/devices/"
) -> ReplyError:
    """Return the end of a request that cannot be met, as a page that says why and leads back."""
    return ReplyError(inner_page(request, actor, "message.html", status, title=title, text=text, back=back))


def see_other(address: str) -> Reply:
    """Send the browser on after a form, so that loading the page again does not repeat it."""
    return Reply(None, 303, {"Location": address, "Cache-Control": "no-store"})


@route(
    "GET",
    "/devices/console.css",
    operation="console-style",
    action=Marker.ANYONE,
    auth=PUBLIC,
    surface=NAME,
    throttle=None,
)
def style(_request: ApiRequest) -> Reply:
    """Hand out the style sheet."""
    return Reply(_STYLE, 200, _ASSET_HEADERS, "text/css; charset=utf-8")


@route(
    "GET",
    "/devices/console.js",
    operation="console-script",
    action=Marker.ANYONE,
    auth=PUBLIC,
    surface=NAME,
    throttle=None,
)
def script(_request: ApiRequest) -> Reply:
    """Hand out the script, without which everything works as well."""
    return Reply(_SCRIPT, 200, _ASSET_HEADERS, "text/javascript; charset=utf-8")
