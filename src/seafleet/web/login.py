"""Logging in and out in a browser, with a password or with a ticket that a client has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from seafleet.api.kernel import OPTIONAL, ApiRequest, Marker, Reply, route
from seafleet.api.kernel.sessions import SESSION_COOKIE, session_token, set_cookie
from seafleet.errors import AccountDisabled, AccountNotFound, BadCredentials, TokenNotFound
from seafleet.web.forms import check_early_form, check_form, early_form_token, local_path
from seafleet.web.pages import form_token, page, redirect
from seafleet.web.surface import NAME

if TYPE_CHECKING:
    from seafleet.accounts.model import Account

LOGIN: Final = "/accounts/login/"
MAX_ADDRESS_BYTES: Final = 4096
_WRONG: Final = "The name or the password is not right."
_DISABLED: Final = "This account is switched off. Ask your administrator."


def login_address(go_on: bytes) -> str:
    """Return the address of the login page that leads on to a path, with its query, on this server.

    One that is longer than any page here has is forgotten: it would not fit into an answer's head.
    """
    return f"{LOGIN}?next={quote(go_on, safe='')}" if len(go_on) <= MAX_ADDRESS_BYTES else LOGIN


@route("GET", LOGIN, operation="web-login-page", action=Marker.ANYONE, auth=OPTIONAL, surface=NAME)
def login_page(request: ApiRequest) -> Reply:
    """Show the form; lead whoever is logged in already on to `next`, or tell him who he is."""
    if request.actor is None:
        return _form(request)
    go_on = local_path(request.query("next"), "")
    if go_on and go_on != LOGIN:
        return redirect(go_on)
    actor = request.actor
    return page("signed_in.html", email=actor.email, is_staff=actor.is_staff, token=form_token(request))


@route(
    "POST",
    LOGIN,
    operation="web-login",
    action=Marker.ANYONE,
    auth=OPTIONAL,
    surface=NAME,
    throttle="anon",
    pool="auth",
)
def login(request: ApiRequest) -> Reply:
    """Log somebody in and lead him on to `next`."""
    check_early_form(request)
    name, password = request.form("username") or "", request.form("password") or ""
    try:
        account = request.services.accounts.authenticate(name, password, request.client_ip, "web")
    except BadCredentials:
        return _form(request, 403, _WRONG, name)
    except AccountDisabled:
        return _form(request, 403, _DISABLED, name)
    _start_session(request, account)
    return redirect(local_path(request.query("next"), LOGIN))


@route(
    "POST",
    "/accounts/logout/",
    operation="web-logout",
    action=Marker.OWN_ACCOUNT,
    auth=OPTIONAL,
    surface=NAME,
)
def logout(request: ApiRequest) -> Reply:
    """End the session and lead back to the form."""
    if request.actor is not None:
        check_form(request)
        request.services.sessions.end(session_token(request), request.client_ip)
    set_cookie(request, SESSION_COOKIE, "")
    go_on = local_path(request.query("next"), "")
    return redirect(login_address(go_on.encode()) if go_on else LOGIN)


@route(
    "GET",
    "/client-login/",
    operation="web-client-login",
    action=Marker.ANYONE,
    auth=OPTIONAL,
    surface=NAME,
    throttle="anon",
)
def client_login(request: ApiRequest) -> Reply:
    """Log in whoever a client gave a ticket, and lead him on to `next`; to the form if it is not good.

    Source: sync protocol §6, "client-login".
    """
    go_on = local_path(request.query("next"), LOGIN)
    try:
        account_id = request.services.tickets.take(request.query("token") or "")
        account = request.services.accounts.admit(account_id, request.client_ip, "ticket")
    except (TokenNotFound, AccountNotFound, AccountDisabled):
        return redirect(LOGIN if go_on == LOGIN else login_address(go_on.encode()))
    _start_session(request, account)
    return redirect(go_on)


def _form(request: ApiRequest, status: int = 200, error: str = "", name: str = "") -> Reply:
    return page("login.html", status, error=error, name=name, token=early_form_token(request))


def _start_session(request: ApiRequest, account: Account) -> None:
    """Give the browser a new session; one that it had before ends."""
    sessions = request.services.sessions
    sessions.end(session_token(request), request.client_ip)
    token = sessions.start(account, request.client_ip, request.headers.get("user-agent"))
    set_cookie(request, SESSION_COOKIE, token)
