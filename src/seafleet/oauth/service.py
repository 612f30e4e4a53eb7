"""OAuth as surfaces use it: the token endpoint, the question of the consent page, and who calls.

Source: MetaAccess devices §1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from authlib.common.urls import add_params_to_uri
from authlib.oauth2 import OAuth2Error

from seafleet.decision import Decision
from seafleet.errors import AccessDenied
from seafleet.oauth.errors import NoRedirect
from seafleet.oauth.model import Answer, Authorization, Caller
from seafleet.oauth.server import GRANT_TYPES, Request, Server

if TYPE_CHECKING:
    from seafleet.actor import Actor
    from seafleet.devices.clients import OAuthClients
    from seafleet.oauth.tokens import TokenStore

Fields = Mapping[str, Sequence[str]]

TOKEN_FIELDS: Final = (
    "grant_type",
    "client_id",
    "client_secret",
    "code",
    "code_verifier",
    "redirect_uri",
    "refresh_token",
)
AUTHORIZATION_FIELDS: Final = (
    "response_type",
    "client_id",
    "redirect_uri",
    "state",
    "code_challenge",
    "code_challenge_method",
)
_NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class OAuth:
    """Lets applications in. Safe to use from many threads."""

    def __init__(self, clients: OAuthClients, store: TokenStore) -> None:
        self._store = store
        self._server = Server(clients, store)

    # -- the token endpoint ----------------------------------------------------------------------------------

    def token(self, fields: Fields, credentials: tuple[str, str] | None = None) -> Answer:
        """Return tokens, or RFC 6749's error for whoever asks for them.

        `fields` come from the body or the query; id and secret may also be the name and password of the Basic
        scheme.
        """
        sent = {name: fields[name] for name in TOKEN_FIELDS if fields.get(name)}
        repeated = next((name for name, values in sent.items() if len(values) > 1), None)
        if repeated is not None:
            return _error("invalid_request", f"{repeated} is sent more than once.")
        plain = {name: values[0] for name, values in sent.items()}
        if not plain.get("grant_type"):
            return _error("invalid_request", "grant_type is missing.")
        if plain["grant_type"] not in GRANT_TYPES:
            return _error("unsupported_grant_type", "grant_type is one of " + ", ".join(GRANT_TYPES) + ".")
        answer: Answer = self._server.create_token_response(Request(plain, credentials))
        return answer

    # -- the consent page ------------------------------------------------------------------------------------

    def authorization(self, fields: Fields) -> Authorization:
        """Check what an application asks for when it sends somebody here.

        Raises NoRedirect when the answer must not be sent to where the application says.
        """
        client_id, redirect_uri = _one(fields, "client_id"), _one(fields, "redirect_uri")
        client = None if client_id is None else self._server.query_client(client_id)
        if client is None:
            raise NoRedirect("the application is not known here")
        if redirect_uri is None or not client.check_redirect_uri(redirect_uri):
            raise NoRedirect("the address for the answer is not registered for this application")
        plain = {name: fields[name][0] for name in AUTHORIZATION_FIELDS if fields.get(name)}
        plain["response_type"] = plain.get("response_type", "").lower()
        asked = Authorization(client.record, redirect_uri, plain.get("state", ""), plain)
        error = self._error_of(asked, repeated=any(len(fields.get(n, ())) > 1 for n in AUTHORIZATION_FIELDS))
        return asked if error is None else replace(asked, error_uri=_back(asked, error=error))

    def needs_consent(self, asked: Authorization, giver: Actor) -> bool:
        """Tell whether somebody has to be asked: at the first time."""
        return giver.account_id is None or not self._store.has_consented(asked.client, giver.account_id)

    def may_consent(self, giver: Actor) -> bool:
        """Tell whether somebody may let an application in: it acts with an administrator's rights."""
        return giver.is_staff and giver.account_id is not None

    def allow(self, asked: Authorization, giver: Actor, ip: str = "") -> str:
        """Let the application in, and return where the browser takes the code to.

        Raises AccessDenied for whoever is no administrator.
        """
        if not self.may_consent(giver):
            raise AccessDenied(Decision(allowed=False, reason="only administrators may", rule="not_staff"))
        self._store.consent(asked.client, giver, ip)
        request = Request(asked.fields)
        grant = self._server.get_consent_grant(request, giver.account_id)
        answer = self._server.create_authorization_response(request, giver.account_id, grant)
        return str(answer.headers["Location"])

    def deny(self, asked: Authorization) -> str:
        """Return where the browser takes the refusal to."""
        return _back(asked, error="access_denied")

    def _error_of(self, asked: Authorization, *, repeated: bool) -> str | None:
        response_type = asked.fields["response_type"]
        if repeated or not response_type:
            return "invalid_request"
        if response_type != "code":
            return "unsupported_response_type"
        try:
            self._server.get_consent_grant(Request(asked.fields))
        except OAuth2Error as error:
            return str(error.error)
        return None

    # -- afterwards ------------------------------------------------------------------------------------------

    def resolve(self, access_token: str) -> Caller:
        """Return whom an access token stands for. Raises TokenNotFound."""
        return self._store.resolve(access_token)

    def purge(self) -> None:
        """Delete what has expired."""
        self._store.purge()


def _one(fields: Fields, name: str) -> str | None:
    values = fields.get(name, ())
    return values[0] if len(values) == 1 else None


def _back(asked: Authorization, **parameters: str) -> str:
    if asked.state:
        parameters["state"] = asked.state
    return str(add_params_to_uri(asked.redirect_uri, list(parameters.items())))


def _error(code: str, description: str) -> Answer:
    return Answer(400, {"error": code, "error_description": description}, _NO_STORE)
