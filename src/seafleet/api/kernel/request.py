"""The request as handlers see it: who calls, what was asked, where from.

Reading a parameter parses what is needed at that moment, so that a malformed body is reported when it is
looked at and not before the caller is known to be allowed in.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from seafleet.api.kernel.errors import not_found
from seafleet.api.kernel.parameters import Body, Fields, UploadedFile, parse_body, parse_query
from seafleet.api.kernel.routes import Marker
from seafleet.errors import InvalidId
from seafleet.ids import LibraryId

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from seafleet.accounts.tokens import Session
    from seafleet.actor import Actor
    from seafleet.api.kernel.routes import Route
    from seafleet.api.services import Services
    from seafleet.library.model import Head

_is_host = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?").fullmatch
_BODY_FIRST: Final = frozenset(("POST", "PUT", "PATCH"))


class Headers:
    """Request headers by lower-case name. Of a repeated header the last one counts."""

    __slots__ = ("_lines",)

    def __init__(self, lines: Mapping[bytes, bytes]) -> None:
        self._lines = lines

    def get(self, name: str, default: str = "") -> str:
        """Return a header's value, `default` when it was not sent."""
        value = self._lines.get(name.lower().encode())
        return default if value is None else value.decode("latin-1")

    def __contains__(self, name: str) -> bool:
        return name.lower().encode() in self._lines


class RequestBase:
    """What plain and streaming requests have in common."""

    __slots__ = ("headers", "path_params", "request_id", "route", "scope", "services")

    def __init__(
        self,
        scope: MutableMapping[str, Any],
        headers: Headers,
        route: Route,
        path_params: dict[str, str],
        services: Services,
        request_id: str,
    ) -> None:
        self.scope = scope
        self.headers = headers
        self.route = route
        self.path_params = path_params
        self.services = services
        self.request_id = request_id

    @property
    def method(self) -> str:
        """The verb, in upper case."""
        verb: str = self.scope["method"]
        return verb

    @property
    def client_ip(self) -> str:
        """The caller's address; a proxy's word for it counts only when the settings trust that proxy."""
        client = self.scope.get("client")
        return str(client[0]) if client else ""

    @property
    def query_string(self) -> bytes:
        """What follows the question mark, as sent."""
        query: bytes = self.scope["query_string"]
        return query

    def base_url(self) -> str:
        """Return scheme and host under which this server is reached, without a slash at the end."""
        public: str = self.services.settings.public_url
        if public:
            return public.rstrip("/")
        host = self.headers.get("host")
        if not _is_host(host):
            address = self.scope.get("server") or ("localhost", None)
            host = str(address[0]) if address[1] is None else f"{address[0]}:{address[1]}"
        return f"{self.scope.get('scheme', 'http')}://{host}"

    def absolute_url(self, path: str, *, encoded: bool = False) -> str:
        """Return the URL of a path on this server. `path` is plain text unless `encoded`."""
        return self.base_url() + (path if encoded else quote(path, safe="/~@:!$'()*,;=?&+"))


class ApiRequest(RequestBase):
    """One small request, body included.

    `actor` is who calls, None for nobody; `session` is the API token that was shown, `credential` what a
    surface of another kind found instead. `device_status` is a word about the caller's device that goes out
    with the answer, `answer_headers` are further lines that go out whatever the answer is.
    """

    __slots__ = (
        "_body",
        "_query",
        "_raw_body",
        "actor",
        "answer_headers",
        "credential",
        "device_status",
        "indent",
        "session",
    )

    def __init__(
        self,
        scope: MutableMapping[str, Any],
        headers: Headers,
        route: Route,
        path_params: dict[str, str],
        services: Services,
        request_id: str,
        body: bytes = b"",
    ) -> None:
        super().__init__(scope, headers, route, path_params, services, request_id)
        self.actor: Actor | None = None
        self.session: Session | None = None
        self.credential: object = None
        self.answer_headers: list[tuple[str, str]] = []
        self.device_status = ""
        self.indent = 0
        self._raw_body = body
        self._body: Body | None = None
        self._query: Fields | None = None

    # -- who ---------------------------------------------------------------------------------------------

    @property
    def caller(self) -> Actor:
        """The logged-in caller. Only for routes that are neither PUBLIC nor OPTIONAL."""
        if self.actor is None:
            raise LookupError(f"{self.route.name} serves callers that are not logged in")
        return self.actor

    @property
    def is_seafile_client(self) -> bool:
        """Whether one of Seafile's own applications asks. Source: admin accounts §1.6."""
        return "x-seafile-client-version" in self.headers

    @property
    def wants_reference_shape(self) -> bool:
        """Whether to answer the reference server's JSON kind instead of the manual's where the two differ.

        Source: admin accounts §1.6."""
        shapes = self.services.settings.response_shapes
        return shapes == "seahub" or (shapes == "auto" and self.is_seafile_client)

    # -- what --------------------------------------------------------------------------------------------

    @property
    def body(self) -> bytes:
        """The body as sent."""
        return self._raw_body

    def query(self, name: str, default: str | None = None) -> str | None:
        """Return a parameter of the query string; of a repeated one the last."""
        values = self._query_fields().get(name)
        return values[-1] if values else default

    def queries(self, name: str) -> list[str]:
        """Return every value of a repeated parameter of the query string."""
        return self._query_fields().get(name, [])

    def form(self, name: str, default: str | None = None) -> str | None:
        """Return a parameter of the body; of a repeated one the last.

        Raises ApiError for a body that cannot be parsed.
        """
        values = self._parsed_body().fields.get(name)
        return values[-1] if values else default

    def forms(self, name: str) -> list[str]:
        """Return every value of a repeated parameter of the body."""
        return self._parsed_body().fields.get(name, [])

    def json(self) -> Any:
        """Return the body's JSON value, None when it was empty or of another type."""
        return self._parsed_body().json

    def file(self, name: str) -> UploadedFile | None:
        """Return a file of a multipart body."""
        files = self._parsed_body().files.get(name)
        return files[-1] if files else None

    def param(self, name: str, default: str | None = None) -> str | None:
        """Return a parameter from where its verb carries it, else from the other place.

        POST, PUT and PATCH look into the body first, the others into the query. A handler whose manual says
        otherwise asks `query` or `form` first itself.
        """
        if self.method in _BODY_FIRST:
            value = self.form(name)
            return self.query(name, default) if value is None else value
        value = self.query(name)
        return self.form(name, default) if value is None else value

    def params(self, name: str) -> list[str]:
        """Return every value of a repeated parameter, by the rule of `param`."""
        places = (self.forms, self.queries) if self.method in _BODY_FIRST else (self.queries, self.forms)
        return places[0](name) or places[1](name)

    def library_id(self, name: str = "library_id") -> LibraryId:
        """Return the library id in the path. Raises ApiError (404) for what is none."""
        try:
            return LibraryId.parse(self.path_params[name])
        except InvalidId:
            raise not_found() from None

    def library(self, name: str = "library_id") -> Head:
        """Return the library that the path names. Raises LibraryNotFound, or LibraryDamaged."""
        return self.services.libraries.get(self.library_id(name))

    def require(self, library: Head | None = None, path: str = "/") -> None:
        """Have the access evaluator allow the route's action, on a library where it is about one.

        Raises AccessDenied. Only for routes whose action is an Action.
        """
        action = self.route.action
        if isinstance(action, Marker):
            raise LookupError(f"{self.route.name} declares no action that could be decided")
        self.services.access.require(self.caller, action, library, path)

    def _query_fields(self) -> Fields:
        if self._query is None:
            query = self.query_string
            self._query = parse_query(query) if query else {}
        return self._query

    def _parsed_body(self) -> Body:
        if self._body is None:
            self._body = parse_body(self.headers.get("content-type"), self._raw_body)
        return self._body
