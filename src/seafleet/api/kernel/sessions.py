"""The browser's session: its cookie, and the proof that a change was asked for by a page of this server.

A browser sends its cookies along with whatever another site makes it send. So changes need a token as well
that only our own pages know: scripts send it as `X-CSRFToken`, forms as a field. Browsers that tell where a
request comes from are believed in addition.

Source: Web API conventions §2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from seafleet.api.kernel.errors import detail
from seafleet.errors import TokenNotFound

if TYPE_CHECKING:
    from seafleet.actor import Actor
    from seafleet.api.kernel.request import ApiRequest, RequestBase

SESSION_COOKIE: Final = "seafleet"
CSRF_HEADER: Final = "X-CSRFToken"

_SAFE_VERBS: Final = frozenset(("GET", "HEAD", "OPTIONS"))
_OWN_SITES: Final = ("", "same-origin", "none")


def session_actor(request: ApiRequest) -> Actor | None:
    """Return who is logged in in the browser that asks, None for nobody."""
    token = session_token(request)
    if not token:
        return None
    try:
        return request.services.sessions.resolve(token, request.client_ip)
    except TokenNotFound:
        return None


def session_token(request: RequestBase) -> str:
    """Return the session that a browser shows, empty if it shows none."""
    return cookie(request, SESSION_COOKIE)


def check_script(request: ApiRequest) -> None:
    """Refuse a change that a script of another site may have asked for. Raises ApiError (403)."""
    if request.method in _SAFE_VERBS:
        return
    if is_foreign(request):
        raise detail(403, "CSRF Failed: Origin checking failed.")
    sent = request.headers.get(CSRF_HEADER)
    if not request.services.sessions.is_form_token(session_token(request), sent):
        raise detail(403, "CSRF Failed: CSRF token missing or incorrect.")


def is_foreign(request: RequestBase) -> bool:
    """Tell whether the browser says that a page of another site made it ask."""
    return request.headers.get("sec-fetch-site") not in _OWN_SITES


def cookie(request: RequestBase, name: str) -> str:
    """Return a cookie of ours, empty if it was not sent."""
    wanted = _full_name(request, name)
    for part in request.headers.get("cookie").split(";"):
        found, _, value = part.strip().partition("=")
        if found == wanted:
            return value
    return ""


def set_cookie(request: ApiRequest, name: str, value: str) -> None:
    """Have the browser keep a cookie until it is closed; an empty one is forgotten."""
    line = f"{_full_name(request, name)}={value}; Path=/; HttpOnly; SameSite=Lax"
    if _is_encrypted(request):
        line += "; Secure"
    request.answer_headers.append(("Set-Cookie", line if value else f"{line}; Max-Age=0"))


def _full_name(request: RequestBase, name: str) -> str:
    """Over HTTPS cookies have a prefix under which no other host of the domain can plant one of its own."""
    return f"__Host-{name}" if _is_encrypted(request) else name


def _is_encrypted(request: RequestBase) -> bool:
    return request.base_url().startswith("https:")
