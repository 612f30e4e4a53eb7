"""Authlib's authorization server on our tables: the adapter that Authlib asks each framework for.

Authlib decides in which order a request is checked and how errors are called; values come in as plain fields
and go out as `Answer`. Two things are kept from it. Whether a connection is encrypted is the business of
whoever runs the server, so requests carry an address that Authlib accepts. And what a caller sent never
becomes part of an error's description, where Authlib raises ValueError for characters outside of RFC 6749's
set: such values are refused before.

Source: RFC 6749 §4.1, §4.4, §5.2, §6; RFC 7636 §4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    ClientMixin,
    InvalidClientError,
    InvalidGrantError,
    InvalidRequestError,
    OAuth2Request,
    grants,
)
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7636 import CodeChallenge

from seafleet.errors import BadCredentials
from seafleet.oauth.model import Answer
from seafleet.oauth.tokens import TokenPair

if TYPE_CHECKING:
    from seafleet.devices.clients import OAuthClient, OAuthClients
    from seafleet.oauth.tokens import StoredCode, StoredRefresh, TokenStore

GRANT_TYPES: Final = ("authorization_code", "client_credentials", "refresh_token")
S256: Final = "S256"
_ADDRESS: Final = "https://localhost/"
_SENTENCES: Final = {
    "invalid_grant": "The code or refresh token is unknown, expired or spent, or not for this application.",
    "invalid_request": "A parameter is missing or wrong.",
}


class Request(OAuth2Request):  # type: ignore[misc]  # Authlib has no types
    """The fields of a request, wherever they stood, and what the `Authorization` header said."""

    def __init__(self, fields: Mapping[str, str], credentials: tuple[str, str] | None = None) -> None:
        super().__init__("POST", _ADDRESS)
        self.payload = BasicOAuth2Payload(dict(fields))
        self.credentials = credentials

    @property
    def form(self) -> Mapping[str, str]:
        """The same fields: Authlib looks for secrets here."""
        fields: Mapping[str, str] = self.payload.data
        return fields


class Client(ClientMixin):  # type: ignore[misc]
    """An application in Authlib's terms. It may use each grant, and never has a default address."""

    def __init__(self, record: OAuthClient) -> None:
        self.record = record

    def get_default_redirect_uri(self) -> str | None:
        """Every request has to say where it wants its answer."""
        return None

    def get_allowed_scope(self, _scope: str | None) -> str:
        """There are no scopes."""
        return ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Only what is registered, letter by letter."""
        return redirect_uri in self.record.redirect_uris

    def check_response_type(self, response_type: str) -> bool:
        """Only codes."""
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """Each of the three."""
        return grant_type in GRANT_TYPES


class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
    """Codes, given after somebody consented."""

    def generate_authorization_code(self) -> str:
        """Make a code and store it; Authlib would do so in two steps."""
        request, store = self.request, self.server.store
        challenge = request.payload.data.get("code_challenge", "")
        code: str = store.new_code(
            request.client.record, request.user, request.payload.redirect_uri, challenge
        )
        return code

    def save_authorization_code(self, code: str, request: Request) -> None:
        """Nothing is left to do."""

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        """Return a code of this application that is still good."""
        found = self.server.store.code(code, client.record)
        return None if found is None else Code(found)

    def authenticate_user(self, code: Code) -> int | None:
        """Return who consented, if he still may."""
        account_id = code.stored.account_id
        return account_id if self.server.store.is_administrator(account_id) else None

    def delete_authorization_code(self, code: Code) -> None:
        """Nothing is left to do: the code was spent with the tokens that it gave."""


class Code:
    """A stored code in Authlib's terms."""

    code_challenge_method = S256

    def __init__(self, stored: StoredCode) -> None:
        self.stored = stored
        self.code_challenge = stored.code_challenge

    def get_redirect_uri(self) -> str:
        """Return the address that the code was sent to."""
        return self.stored.redirect_uri

    def get_scope(self) -> str:
        """There are no scopes."""
        return ""


class CredentialsGrant(grants.ClientCredentialsGrant):  # type: ignore[misc]
    """Tokens for the application itself."""


class RefreshGrant(grants.RefreshTokenGrant):  # type: ignore[misc]
    """New tokens for a refresh token, which is spent by it."""

    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, text: str) -> Refresh | None:
        """Return a refresh token of this application that is still good."""
        client: Client = self.request.client
        found = self.server.store.refresh_token(text, client.record)
        return None if found is None else Refresh(found)

    def authenticate_user(self, token: Refresh) -> int:
        """Return whose token it is: who consented, else the maker of the application."""
        client: Client = self.request.client
        account_id = token.stored.account_id or client.record.account_id
        if not self.server.store.is_administrator(account_id):
            raise InvalidGrantError
        return account_id

    def revoke_old_credential(self, token: Refresh) -> None:
        """Nothing is left to do: the old token was spent with the new ones that it gave."""


class Refresh:
    """A stored refresh token in Authlib's terms."""

    def __init__(self, stored: StoredRefresh) -> None:
        self.stored = stored

    def check_client(self, _client: Client) -> bool:
        """Tokens of other applications are not found in the first place."""
        return True

    def get_scope(self) -> str:
        """There are no scopes."""
        return ""


class Pkce(CodeChallenge):  # type: ignore[misc]
    """PKCE for those who ask for it, with S256 only: a plain challenge protects nobody."""

    SUPPORTED_CODE_CHALLENGE_METHOD = (S256,)

    def validate_code_challenge(self, grant: CodeGrant, redirect_uri: str) -> None:
        """Refuse a challenge of another method; without a method it would be a plain one."""
        fields = grant.request.payload.data
        if fields.get("code_challenge") and fields.get("code_challenge_method") != S256:
            raise InvalidRequestError("Unsupported 'code_challenge_method'")
        super().validate_code_challenge(grant, redirect_uri)


class Server(AuthorizationServer):  # type: ignore[misc]
    """The authorization server."""

    def __init__(self, clients: OAuthClients, store: TokenStore) -> None:
        super().__init__()
        self.clients = clients
        self.store = store
        self.register_grant(CodeGrant, [Pkce(required=False)])
        self.register_grant(CredentialsGrant)
        self.register_grant(RefreshGrant)
        self.register_token_generator("default", self._token)

    # -- what Authlib asks for -------------------------------------------------------------------------------

    def query_client(self, client_id: str) -> Client | None:
        """Return an application, None for an unknown one and for one that may not be used now."""
        found = self.clients.find(client_id)
        return None if found is None or not found.is_usable else Client(found)

    def authenticate_client(self, request: Request, _methods: object, _endpoint: str = "token") -> Client:
        """Return the application whose id and secret stand in the fields or the header."""
        fields = request.form
        sent = (fields.get("client_id", ""), fields.get("client_secret", ""))
        try:
            return Client(self.clients.authenticate(*(sent if sent[1] else request.credentials or sent)))
        except BadCredentials:
            raise InvalidClientError(
                description="The application is unknown, or this is not its secret.", status_code=401
            ) from None

    def save_token(self, token: Mapping[str, Any], request: Request) -> None:
        """Store the tokens that were made up for this request, and spend what they were given for."""
        client: OAuthClient = request.client.record
        pair = TokenPair(token["access_token"], token["refresh_token"], token["expires_in"])
        if request.authorization_code is not None:
            given = self.store.exchange(client, request.authorization_code.stored, pair)
        elif request.refresh_token is not None:
            given = self.store.refresh(client, request.refresh_token.stored, pair)
        else:
            given = self.store.give(client, pair)
        if not given:
            raise InvalidGrantError

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, request: Request) -> Request:
        """Requests come in this form."""
        return request

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Answer:
        """Return the answer as a value; every error has a description."""
        fields = dict(body or {})
        if fields.get("error") in _SENTENCES:
            fields.setdefault("error_description", _SENTENCES[fields["error"]])
        return Answer(status, fields, dict(headers))

    def _token(self, **_circumstances: object) -> dict[str, Any]:
        """Make tokens up. Client credentials get a refresh token too: some applications want one."""
        pair = self.store.new_pair()
        return {
            "access_token": pair.access_token,
            "token_type": "bearer",
            "expires_in": pair.expires_in_seconds,
            "refresh_token": pair.refresh_token,
        }
