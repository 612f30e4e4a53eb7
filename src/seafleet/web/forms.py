"""Where forms come from: only what a page of this server has shown is taken."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from seafleet.api.kernel import ApiError
from seafleet.api.kernel.sessions import cookie, is_foreign, session_token, set_cookie

if TYPE_CHECKING:
    from seafleet.api.kernel import ApiRequest

FORM_COOKIE: Final = "seafleet-form"
TOKEN_FIELD: Final = "form_token"

_is_cookie = re.compile(r"[0-9a-f]{64}").fullmatch
_is_local = re.compile(r"/(?![/\\])[\x21-\x7e]*").fullmatch


def check_form(request: ApiRequest) -> None:
    """Refuse a form that no page of the present session has shown. Raises ApiError (403)."""
    _check(request, session_token(request))


def check_early_form(request: ApiRequest) -> None:
    """Refuse a form that no page has shown to this browser before anybody was logged in."""
    _check(request, cookie(request, FORM_COOKIE))


def early_form_token(request: ApiRequest) -> str:
    """Return the token of a form for whoever is not logged in, and bind it to the browser by a cookie."""
    sessions = request.services.sessions
    value = cookie(request, FORM_COOKIE)
    if _is_cookie(value) is None:
        value = sessions.new_form_cookie()
        set_cookie(request, FORM_COOKIE, value)
    return sessions.form_token(value)


def local_path(text: str | None, default: str) -> str:
    """Return a path on this server to go on with; `default` for what leads elsewhere."""
    return text if text is not None and _is_local(text) else default


def _check(request: ApiRequest, bound_to: str) -> None:
    sent = request.form(TOKEN_FIELD) or ""
    if not bound_to or is_foreign(request) or not request.services.sessions.is_form_token(bound_to, sent):
        raise ApiError(
            403,
            "This form is not, or no longer, one of yours. Allow cookies for this site, go back, "
            "load the page again and repeat what you did.",
        )
