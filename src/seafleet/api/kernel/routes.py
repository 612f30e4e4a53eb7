"""Declares routes: which verb and path, which operation of the catalog, who may call, what it needs.

A handler is a plain function; the decorators only note what they are told on it, and `seafleet.api.registry`
collects the notes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

if TYPE_CHECKING:
    from seafleet.access import Action
    from seafleet.api.kernel.request import ApiRequest
    from seafleet.api.kernel.streams import StreamRequest

Handler = Callable[["ApiRequest"], Any]
StreamHandler = Callable[["StreamRequest"], Awaitable[None]]
F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_BODY_LIMIT_BYTES: Final = 1 << 20
NOTES: Final = "__seafleet_routes__"


class Auth(StrEnum):
    """How a caller proves who it is, before the handler runs."""

    TOKEN = "token"
    """An API token in `Authorization`."""
    SESSION = "session"
    """An API token, or the web session's cookie."""
    OPTIONAL = "optional"
    """As SESSION, but a caller without credentials is let in as nobody."""
    PUBLIC = "public"
    """Nobody is asked; a sent `Authorization` header is not even read."""


class Marker(StrEnum):
    """What a route needs when it is not an action on a library."""

    ANYONE = "anyone"
    """Tells nothing and changes nothing that belongs to somebody."""
    OWN_ACCOUNT = "own-account"
    """Shows and changes only what belongs to the caller's own account."""
    STAFF = "staff"
    """Only administrators; the kernel refuses others before any argument is looked at."""
    BEARER = "bearer"
    """Whoever knows the token in the path or header; the handler has it checked."""
    ROLE = "role"
    """Whoever holds a role in what the path names; the handler has it checked."""


TOKEN, SESSION, OPTIONAL, PUBLIC = Auth.TOKEN, Auth.SESSION, Auth.OPTIONAL, Auth.PUBLIC

Pool = Literal["api", "auth", "loop"]


@dataclass(frozen=True, slots=True)
class Route:
    """One declared route.

    `action` is what the access evaluator is asked, or a Marker that says why it is not.
    """

    verb: str
    pattern: str
    operation: str
    action: Action | Marker
    auth: Auth
    handler: Handler | StreamHandler
    surface: str = "seafile"
    throttle: str | None = "user"
    body_limit_bytes: int = DEFAULT_BODY_LIMIT_BYTES
    pool: Pool = "api"
    stream: bool = False
    allow_suspended: bool = False
    operations: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Where the handler is defined, for people."""
        return f"{self.handler.__module__}.{self.handler.__qualname__}"


def route(
    verb: str,
    pattern: str,
    *,
    operation: str | tuple[str, ...],
    action: Action | Marker,
    auth: Auth = SESSION,
    throttle: str | None = "user",
    surface: str = "seafile",
    body_limit_bytes: int = DEFAULT_BODY_LIMIT_BYTES,
    pool: Pool = "api",
    allow_suspended: bool = False,
) -> Callable[[F], F]:
    """Declare a handler: `def handler(request: ApiRequest) -> Reply | (status, body) | JSON-able value`.

    It runs in a thread of `pool` ("auth" for what hashes passwords), in one hop with authentication,
    throttling, parsing and encoding. "loop" is for what reads a row or two by their keys, if anything, and
    writes nothing: it is answered on the event loop where reading does not wait. `operation` names what it
    answers, as the catalogs do; `throttle` a scope of the settings, None for no limit. `allow_suspended` lets
    tokens in whose device is blocked. May be stacked: to serve several paths, or to name several operations
    of one path; the topmost one counts then.
    """
    names = (operation,) if isinstance(operation, str) else operation

    def note(handler: F) -> F:
        declared = Route(
            verb,
            pattern,
            names[0],
            action,
            auth,
            handler,
            surface,
            throttle,
            body_limit_bytes,
            pool,
            allow_suspended=allow_suspended,
            operations=names,
        )
        return _note(handler, declared)

    return note


def stream_route(
    verb: str,
    pattern: str,
    *,
    operation: str | tuple[str, ...],
    action: Action | Marker,
    surface: str,
) -> Callable[[F], F]:
    """Declare a streaming endpoint: `async def endpoint(request: StreamRequest) -> None`.

    It runs on the event loop, checks its own credentials (a token in the path or a header), and reads and
    writes bodies in pieces.
    """
    names = (operation,) if isinstance(operation, str) else operation

    def note(handler: F) -> F:
        declared = Route(
            verb,
            pattern,
            names[0],
            action,
            PUBLIC,
            handler,
            surface,
            throttle=None,
            stream=True,
            operations=names,
        )
        return _note(handler, declared)

    return note


def routes_of(handler: object) -> tuple[Route, ...]:
    """Return the routes that were declared on a function, in the order in which they are written."""
    return tuple(reversed(getattr(handler, NOTES, ())))


def _note(handler: F, declared: Route) -> F:
    setattr(handler, NOTES, (*getattr(handler, NOTES, ()), declared))
    return handler
