"""The server: services, first start, and the ASGI application with an answer to mistakes in the program."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from seafleet import logs
from seafleet.accounts.passwords import make_up_password
from seafleet.api.kernel.application import Application
from seafleet.api.kernel.books import AccessLog, Several
from seafleet.api.kernel.replies import encode_reply, text_reply
from seafleet.api.registry import all_routes, all_surfaces
from seafleet.api.sync.notifications import Notifications
from seafleet.app.background import background_of
from seafleet.app.wiring import build_services, close_services
from seafleet.errors import AlreadyExists
from seafleet.settings import Settings

if TYPE_CHECKING:
    from seafleet.api.kernel.observer import Observer
    from seafleet.api.kernel.replies import Encoded
    from seafleet.api.services import Services

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_SHUTTING_DOWN: Final = encode_reply(text_reply("The server is shutting down.\n", 503))

_log = logs.logger("app")


@dataclass(frozen=True, slots=True)
class FirstStart:
    """The administrator that was made because there was no account; the password only if it was made up."""

    email: str
    password: str | None


def first_start(services: Services) -> FirstStart | None:
    """Make the administrator if there is no account at all; answers what was made."""
    settings = services.settings
    if services.accounts.count() > 0:
        return None
    given = settings.admin_password.get_secret_value()
    password = given or make_up_password(services.random)
    try:
        account = services.accounts.create(settings.admin_email, password, is_staff=True)
    except AlreadyExists:  # another process started at the same moment
        return None
    return FirstStart(account.email, None if given else password)


class Server:
    """The ASGI application: the kernel's, with start and stop, and an answer to mistakes in the program."""

    def __init__(self, services: Services) -> None:
        routes = all_routes()
        services.operations = frozenset(name for route in routes for name in route.operations)
        self.services = services
        self._application = Application(services, routes, all_surfaces(), _observer(services))
        self._notifications = Notifications(services)
        self._periodic = background_of(services)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event: a request, or start and stop."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await self._notifications(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._application(scope, receive, watched)
        except asyncio.CancelledError:  # the time that requests get to finish is over
            _log.warning("request cut off by shutdown", **_what(scope))
            if not started:
                await _send(send, _SHUTTING_DOWN)
        except Exception:
            _log.exception("request failed", **_what(scope))
            if not started:
                await _send(send, self._application.internal_error(scope))

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._periodic.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.to_thread(self.close)
        await send({"type": "lifespan.shutdown.complete"})

    def close(self) -> None:
        """Stop background work and close the services."""
        self.services.registry.daily.stop()
        self._periodic.stop()
        close_services(self.services)


def _what(scope: Scope) -> dict[str, Any]:
    """Return how log lines name a request."""
    return {
        "request": scope.get("request_id"),
        "method": scope["method"],
        "operation": scope.get("operation"),
    }


async def _send(send: Send, answer: Encoded) -> None:
    headers = [*answer.headers, (b"connection", b"close")]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def _observer(services: Services) -> Observer:
    settings = services.settings
    if not settings.access_log or settings.log_level in ("warning", "error"):
        return services.metrics
    return Several((services.metrics, AccessLog(as_json=logs.wants_json(settings.log_format))))


def create_app(settings: Settings | None = None) -> Server:
    """Return the application, ready to serve; `uvicorn --factory seafleet.app:create_app` calls this.

    Without `settings` they are loaded from the environment and the file, and logging is set up. A password
    that is made up for the first administrator is written to stderr, once.
    """
    if settings is None:
        settings = Settings.load()
        logs.configure(settings.log_level, settings.log_format)
    services = build_services(settings)
    made = first_start(services)
    if made is not None:
        sys.stderr.write(describe_first_start(made))
    return Server(services)


def describe_first_start(made: FirstStart) -> str:
    """Return what the operator has to know of the first administrator, in two lines."""
    if made.password is None:
        return f"The administrator {made.email} was made, with the password that is set.\n"
    return (
        f"The administrator {made.email} was made, with the password {made.password}\n"
        "It is shown this once; change it with: seafleet user passwd " + made.email + "\n"
    )
