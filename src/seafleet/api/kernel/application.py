"""The ASGI application: finds the route, runs its handler in one hop to a thread, sends the answer.

A small request costs the event loop only its routing and its sockets; everything else (who calls, throttle,
parsing, the handler, encoding) happens in a single visit to a pool.

Source: Web API conventions §§1–5.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from typing import TYPE_CHECKING, Any, cast

from seafleet import logs
from seafleet.access import Action
from seafleet.api.kernel.errors import ApiError, ReplyError, detail, method_not_allowed, not_found, too_large
from seafleet.api.kernel.negotiation import NotAcceptableError, accepted_indent
from seafleet.api.kernel.replies import JSON, Encoded, Reply, as_reply, encode_reply, header_line
from seafleet.api.kernel.request import ApiRequest, Headers
from seafleet.api.kernel.router import Match, Router, WrongVerb
from seafleet.api.kernel.routes import Auth, Marker, Route
from seafleet.api.kernel.streams import ClientGone, StreamRequest, linger
from seafleet.db.engine import WouldBlock
from seafleet.decision import Decision
from seafleet.errors import (
    AccessDenied,
    HeadMoved,
    LibraryDamaged,
    ObjectMissing,
    SeafleetError,
    StorageFailure,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, MutableMapping

    from seafleet.api.kernel.observer import Observer
    from seafleet.api.kernel.routes import Handler, StreamHandler
    from seafleet.api.kernel.streams import Receive, Send
    from seafleet.api.kernel.surfaces import Surface
    from seafleet.api.services import Services

    Scope = MutableMapping[str, Any]

_PARSES = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"]
_OUR_FAULT = (StorageFailure, LibraryDamaged, ObjectMissing, HeadMoved)
_STAFF_ONLY = (Marker.STAFF, Action.ADMINISTER)
_UNTOLD = Route("-", "-", "unknown", Marker.ANYONE, Auth.PUBLIC, handler=lambda _request: None)

_log = logs.logger("api")


class Application:
    """Serves the routes of all surfaces. Mistakes in handlers propagate to the composition root."""

    def __init__(
        self,
        services: Services,
        routes: Iterable[Route],
        surfaces: Mapping[str, Surface],
        observer: Observer | None = None,
    ) -> None:
        self._services = services
        self._surfaces = dict(surfaces)
        self._prefixes = [
            (_prefix_pattern(prefix), surface) for surface in surfaces.values() for prefix in surface.prefixes
        ]
        self._observer = observer
        self._router: Router[Route] = Router()
        for route in _without_namesakes(routes):
            self._surfaces[route.surface]  # a route of an unknown surface is a mistake to tell at the start
            self._router.add(route.verb, route.pattern, route)
        prefix = os.urandom(5).hex()
        self._ids = (f"{prefix}{number:08x}" for number in itertools.count(1))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        started = time.perf_counter()
        scope["request_id"] = next(self._ids)
        found = self._router.match(scope["method"], scope["raw_path"])
        if not isinstance(found, Match):
            answer = self._unrouted(scope, found)
            await _send_answer(answer, scope, receive, send, read=not scope_has_body(scope))
            self._observe(scope, _UNTOLD, answer.status, len(answer.body), started)
            return
        scope["path_params"], scope["operation"] = found.params, found.route.operation
        if found.route.stream:
            await self._stream(found, scope, receive, send, started)
        else:
            await self._plain(found, scope, receive, send, started)

    # -- plain requests ----------------------------------------------------------------------------------

    async def _plain(
        self, found: Match[Route], scope: Scope, receive: Receive, send: Send, started: float
    ) -> None:
        lines = dict(scope["headers"])
        route, drained = found.route, True
        body: bytes | None = b""
        if b"content-length" in lines or b"transfer-encoding" in lines:
            try:
                body, drained = await _read(lines, receive, route.body_limit_bytes)
            except ClientGone:
                return
        if body is not None:
            parts = (scope, Headers(lines), route, found.params, self._services, scope["request_id"], body)
            answer = await self._run(lambda: ApiRequest(*parts))
        else:
            answer = encode_reply(self._surfaces[route.surface].refusal(too_large(), scope))
        await _send_answer(answer, scope, receive, send, read=drained)
        self._observe(scope, route, answer.status, len(answer.body), started)

    async def _run(self, make_request: Callable[[], ApiRequest]) -> Encoded:
        """Answer a request where its route says; on the event loop only what takes no longer than a hop."""
        request, services = make_request(), self._services
        if request.route.pool == "auth":
            return await services.auth.run(self._answer, request)
        if request.route.pool == "loop" and services.db.dialect == "sqlite":
            try:
                return self._answer(request)
            except WouldBlock:  # once in ten minutes the use of a token is noted
                request = make_request()
        return await services.api.run(self._answer, request)

    def _answer(self, request: ApiRequest) -> Encoded:
        """Everything that a small request needs, in one go."""
        surface = self._surfaces[request.route.surface]
        try:
            self._admit(request, surface)
            handler = cast("Handler", request.route.handler)
            reply = as_reply(handler(request))
        except ApiError as error:
            reply = surface.refusal(error, request.scope)
        except ReplyError as error:
            reply = error.reply
        except SeafleetError as error:
            reply = self._failed(request, error)
        answer = encode_reply(reply, request.indent)
        if request.device_status:
            answer.headers.append(header_line("X-Device-Status", request.device_status))
        answer.headers.extend(header_line(name, value) for name, value in request.answer_headers)
        return answer

    def _admit(self, request: ApiRequest, surface: Surface) -> None:
        """Check form of the answer, caller and throttle, in this order."""
        route = request.route
        if surface.negotiates:
            request.indent = _negotiate(request)
        if route.auth is not Auth.PUBLIC and surface.authenticate is not None:
            request.actor = surface.authenticate(request)
            if request.actor is not None:
                request.scope.setdefault("account", request.actor.email)
        if route.action in _STAFF_ONLY and not (request.actor is not None and request.actor.is_staff):
            raise AccessDenied(
                Decision(allowed=False, reason="only administrators may do this", rule="not_staff")
            )
        if route.throttle is not None:
            self._throttle(request, route.throttle)

    def _throttle(self, request: ApiRequest, scope: str) -> None:
        address, actor = request.client_ip, request.actor
        if actor is None or actor.account_id is None:
            self._services.throttle.hit(scope, address, address)
        elif scope != "anon":
            self._services.throttle.hit(scope, actor.account_id, address)

    # -- streams -----------------------------------------------------------------------------------------

    async def _stream(
        self, found: Match[Route], scope: Scope, receive: Receive, send: Send, started: float
    ) -> None:
        request = StreamRequest(
            scope,
            Headers(dict(scope["headers"])),
            found.route,
            found.params,
            self._services,
            scope["request_id"],
            receive,
            send,
        )
        try:
            await cast("StreamHandler", found.route.handler)(request)
        except ClientGone:
            pass
        except ApiError as error:
            surface = self._surfaces[found.route.surface]
            await self._refuse(request, surface.refusal(error, scope))
        except ReplyError as error:
            await self._refuse(request, error.reply)
        except SeafleetError as error:
            await self._refuse(request, self._failed(request, error))
        finally:
            await request.close()
            self._observe(scope, found.route, request.status, request.sent_bytes, started)

    async def _refuse(self, request: StreamRequest, reply: Reply) -> None:
        if not request.started and not request.client_gone:
            await request.reply(reply)

    # -- the rest ----------------------------------------------------------------------------------------

    def _failed(self, request: ApiRequest | StreamRequest, error: SeafleetError) -> Reply:
        """Return the surface's answer to an error; what is no fault of the caller's, the operator is told."""
        reply = self._surfaces[request.route.surface].domain_error(request, error)
        if reply.status >= 500 and isinstance(error, _OUR_FAULT):
            _log.error(
                "request failed",
                request=request.request_id,
                method=request.method,
                operation=request.route.operation,
                error=f"{type(error).__name__}: {error}",
            )
        return reply

    def _unrouted(self, scope: Scope, found: object) -> Encoded:
        if not isinstance(found, WrongVerb):
            path = scope["raw_path"]
            surface = next((each for is_below, each in self._prefixes if is_below(path)), None)
            error = not_found()
            return encode_reply(error.reply() if surface is None else surface.refusal(error, scope))
        if scope["method"] == "OPTIONS":
            return encode_reply(_describe(found.routes[0], found.allowed))
        surface = self._surfaces[found.routes[0].surface]
        return encode_reply(surface.refusal(method_not_allowed(scope["method"], found.allowed), scope))

    def _observe(self, scope: Scope, route: Route, status: int, size: int, started: float) -> None:
        if self._observer is not None:
            self._observer.request_done(scope, route, status, size, time.perf_counter() - started)

    def internal_error(self, scope: Scope) -> Encoded:
        """Return the answer of the path's surface for a mistake in the program."""
        found = self._router.match(scope["method"], scope["raw_path"])
        surface = self._surfaces[found.route.surface if isinstance(found, Match) else "seafile"]
        if surface.negotiated_error is None:
            return encode_reply(surface.internal_error)
        return encode_reply(surface.refusal(ApiError(500, "Internal Server Error"), scope))


def _prefix_pattern(prefix: str) -> Callable[[bytes], object]:
    """Return what tells whether a raw path begins so; `*` is one segment."""
    return re.compile(re.escape(prefix).replace(r"\*", "[^/]+").encode()).match


def _without_namesakes(routes: Iterable[Route]) -> Iterable[Route]:
    """Yield each route once: a handler may be declared for a path several times, once for each operation."""
    known = set()
    for route in routes:
        key = (route.verb, route.pattern, route.handler)
        if key not in known:
            known.add(key)
            yield route


def _negotiate(request: ApiRequest) -> int:
    if b"format=" in request.query_string and (wanted := request.query("format")) is not None:
        if wanted != "json":
            raise not_found()
        return 0
    try:
        return accepted_indent(request.headers.get("accept"))
    except NotAcceptableError:
        raise detail(406, "Could not satisfy the request Accept header.") from None


def _describe(route: Route, allowed: tuple[str, ...]) -> Reply:
    words = route.operation.replace("-", " ").capitalize()
    text = (route.handler.__doc__ or "").strip().partition("\n")[0]
    return Reply(
        {"name": words, "description": text, "renders": [JSON], "parses": _PARSES},
        headers={"Allow": ", ".join(allowed)},
    )


async def _read(lines: dict[bytes, bytes], receive: Receive, limit_bytes: int) -> tuple[bytes | None, bool]:
    """Return the body, None when it is above the limit, and whether it has been read to its end."""
    announced = lines.get(b"content-length", b"")
    if announced.isdigit() and int(announced) > limit_bytes:
        return None, False
    pieces: list[bytes] = []
    size, more = 0, announced != b"0"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece = message.get("body", b"")
        size += len(piece)
        more = message.get("more_body", False)
        if size > limit_bytes:
            return None, not more
        pieces.append(piece)
    return b"".join(pieces), True


async def _send_answer(answer: Encoded, scope: Scope, receive: Receive, send: Send, *, read: bool) -> None:
    """Send an answer; `read` tells whether the request's body has been read to its end."""
    headers = [*answer.headers, (b"x-request-id", scope["request_id"].encode())]
    if not read:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": not read})
    if not read:
        if not any(name == b"expect" for name, _ in scope["headers"]):
            await linger(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def scope_has_body(scope: Scope) -> bool:
    """Tell whether a request announces a body."""
    for name, value in scope["headers"]:
        if name == b"transfer-encoding" or (name == b"content-length" and value != b"0"):
            return True
    return False
