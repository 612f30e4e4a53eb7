"""Pages: templates filled in, and the headers that keep them to themselves.

The one style sheet stands in the page, allowed by its hash; scripts, frames and anything from elsewhere are
not allowed.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from seafleet.api.kernel import ApiError, Reply
from seafleet.api.kernel.sessions import session_token

if TYPE_CHECKING:
    from seafleet.api.kernel import ApiRequest

HTML: Final = "text/html; charset=utf-8"
_FOLDER: Final = Path(__file__).with_name("templates")


def style_sheet(name: str) -> tuple[Markup, str]:
    """Return a style sheet of this program's own, to stand in a page, and how a policy names it."""
    text = (_FOLDER / name).read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Markup(text), f"'sha256-{digest}'"


_STYLE, _STYLE_SOURCE = style_sheet("style.css")
_HEADERS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src {_STYLE_SOURCE}; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_TITLES: Final = {
    400: "This does not work",
    403: "Not allowed",
    404: "There is no such page",
    405: "This page cannot be used like that",
    413: "That is too much",
    429: "Please wait",
    500: "Something went wrong",
}

_templates: Final = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals["style"] = _STYLE


def render(template: str, **values: Any) -> bytes:
    """Return a template filled in; whatever is put in is escaped."""
    return _templates.get_template(template).render(values).encode()


def page(template: str, status: int = 200, **values: Any) -> Reply:
    """Return a page made of a template."""
    return Reply(render(template, **values), status, _HEADERS, HTML)


def message(status: int, text: str, *, headers: dict[str, str] | None = None) -> Reply:
    """Return a page that says one thing."""
    reply = page("message.html", status, title=_TITLES.get(status, "This does not work"), text=text)
    return Reply(reply.body, status, {**_HEADERS, **(headers or {})}, HTML)


def told(error: ApiError) -> Reply:
    """Return the page for what handlers or the kernel refuse."""
    text = error.message if isinstance(error.message, str) else " ".join(error.message)
    return message(error.status, text, headers=error.headers)


def redirect(address: str) -> Reply:
    """Send the browser to another address."""
    return Reply(None, 302, {"Location": address, "Cache-Control": "no-store"})


def form_token(request: ApiRequest) -> str:
    """Return what forms of somebody who is logged in have to send along."""
    return request.services.sessions.form_token(session_token(request))
