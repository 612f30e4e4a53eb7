"""The token scheme: `Authorization: Token <40 hex>`, and what each way of getting it wrong is answered with.

Where no token is sent, a browser's session may stand in, unless a route takes tokens only.

Source: Web API conventions §2, Seafile devices §2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from seafleet.api.kernel.errors import ApiError, detail
from seafleet.api.kernel.routes import Auth
from seafleet.api.kernel.sessions import check_script, session_actor
from seafleet.errors import AccountDisabled, TokenNotFound

if TYPE_CHECKING:
    from seafleet.actor import Actor
    from seafleet.api.kernel.request import ApiRequest

_SCHEMES: Final = ("token", "bearer")


def no_credentials() -> ApiError:
    """Return the refusal of a caller that shows no credentials."""
    return detail(403, "Authentication credentials were not provided.")


def token_of(authorization: str) -> str | None:
    """Return the token in an `Authorization` header, None when the header is absent or of another scheme.

    Raises ApiError (401) for a header of our scheme with no token or too many words.
    """
    words = authorization.split()
    if not words or words[0].lower() not in _SCHEMES:
        return None
    if len(words) == 1:
        raise detail(401, "Invalid token header. No credentials provided.")
    if len(words) > 2:
        raise detail(401, "Invalid token header. Token string should not contain spaces.")
    return words[1]


def authenticate(request: ApiRequest) -> Actor | None:
    """Return who calls. Raises ApiError for a caller without credentials, unless the route lets those in."""
    token = token_of(request.headers.get("authorization"))
    if token is not None:
        actor = _resolve(request, token)
    else:
        actor = None if request.route.auth is Auth.TOKEN else _of_browser(request)
    if actor is None and request.route.auth is not Auth.OPTIONAL:
        raise no_credentials()
    return actor


def _of_browser(request: ApiRequest) -> Actor | None:
    """Return who is logged in in the browser. Raises ApiError (403) when another site may have asked."""
    actor = session_actor(request)
    if actor is not None:
        check_script(request)
    return actor


def _resolve(request: ApiRequest, token: str) -> Actor | None:
    """Return whom a token stands for, None when its owner is switched off, and note that it was used."""
    tokens = request.services.tokens
    try:
        session = tokens.resolve(token, allow_suspended=request.route.allow_suspended, ip=request.client_ip)
    except TokenNotFound:
        raise detail(401, "Invalid token") from None
    except AccountDisabled:
        return None
    headers = request.headers
    tokens.touch(
        session,
        request.client_ip,
        headers.get("x-seafile-client-version"),
        headers.get("x-seafile-platform-version"),
    )
    request.session = session
    request.device_status = session.verdict.status
    return session.actor
