"""The page on which an administrator lets an application manage devices.

Source: MetaAccess devices §1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from seafleet.api.kernel import OPTIONAL, ApiRequest, Marker, Reply, route
from seafleet.oauth.service import AUTHORIZATION_FIELDS
from seafleet.web.forms import check_form
from seafleet.web.login import login_address
from seafleet.web.pages import form_token, page, redirect
from seafleet.web.surface import NAME

if TYPE_CHECKING:
    from seafleet.actor import Actor
    from seafleet.oauth.model import Authorization

PATH: Final = "/o/oauth/authorize"


@route("GET", PATH, operation="oauth-authorize", action=Marker.OWN_ACCOUNT, auth=OPTIONAL, surface=NAME)
def authorize(request: ApiRequest) -> Reply:
    """Ask whether an application may be let in, unless that is known; send the browser back to it then."""
    asked = _asked(request)
    if asked.error_uri is not None:
        return redirect(asked.error_uri)
    giver = request.actor
    if giver is None:
        return redirect(login_address(_here(request)))
    oauth = request.services.oauth
    if not oauth.may_consent(giver):
        return _consent_page(request, "not_allowed.html", asked, giver, 403)
    if oauth.needs_consent(asked, giver):
        return _consent_page(request, "consent.html", asked, giver)
    return redirect(oauth.allow(asked, giver, request.client_ip))


@route("POST", PATH, operation="oauth-consent", action=Marker.OWN_ACCOUNT, auth=OPTIONAL, surface=NAME)
def answer(request: ApiRequest) -> Reply:
    """Take the administrator's answer, and send the browser back to the application with it."""
    asked = _asked(request)
    if asked.error_uri is not None:
        return redirect(asked.error_uri)
    giver = request.actor
    if giver is None:
        return redirect(login_address(_here(request)))
    check_form(request)
    oauth = request.services.oauth
    if request.form("decision") != "allow":
        return redirect(oauth.deny(asked))
    return redirect(oauth.allow(asked, giver, request.client_ip))


def _asked(request: ApiRequest) -> Authorization:
    return request.services.oauth.authorization(
        {name: request.queries(name) for name in AUTHORIZATION_FIELDS}
    )


def _here(request: ApiRequest) -> bytes:
    return PATH.encode() + b"?" + request.query_string


def _consent_page(
    request: ApiRequest, template: str, asked: Authorization, giver: Actor, status: int = 200
) -> Reply:
    return page(
        template,
        status,
        application=asked.client.name,
        address=asked.redirect_uri,
        email=giver.email,
        token=form_token(request),
        logout=f"/accounts/logout/?next={quote(_here(request), safe='')}",
    )
