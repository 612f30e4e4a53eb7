"""The composition root: settings become services, services become the application that uvicorn serves.

This is one of the two places that stand between a mistake in the program and a dead process (the other runs
jobs): only here everything is caught.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import threading
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from random import SystemRandom
from typing import TYPE_CHECKING, Any, Final, TypeVar

from seafleet import logs
from seafleet.api.kernel.application import Application
from seafleet.api.kernel.books import AccessLog, RequestMetrics, Several
from seafleet.api.kernel.replies import Encoded
from seafleet.api.registry import all_routes, all_surfaces
from seafleet.api.services import Services
from seafleet.errors import AlreadyExists, StorageFailure
from seafleet.settings import Settings

if TYPE_CHECKING:
    from seafleet.accounts.model import Roles
    from seafleet.accounts.throttle import Counters
    from seafleet.api.kernel.observer import Observer
    from seafleet.clock import Clock
    from seafleet.db.engine import Database
    from seafleet.devices.model import DevicePolicy
    from seafleet.secrets import ServerSecret
    from seafleet.store.contract import ReadLayer
    from seafleet.store.objects import ObjectStore

T = TypeVar("T")
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PURGE_SECONDS: Final = 300
DATA_MODE: Final = 0o700
_PASSWORD_BYTES: Final = 12

_log = logs.logger("app")


# -- threads -------------------------------------------------------------------------------------------------


class Threads:
    """A bounded pool of threads that run plain functions for the event loop; started when first needed.

    One queue, one wake-up of the loop per result: a hop costs a fifth of what the standard library's executor
    takes.
    """

    def __init__(self, name: str, size: int) -> None:
        self._name = name
        self._size = size
        self._queue: SimpleQueue[tuple[Callable[..., Any], Sequence[object], asyncio.Future[Any]] | None]
        self._queue = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def run(self, work: Callable[..., T], *arguments: object) -> Awaitable[T]:
        """Have a thread run `work(*arguments)`; to be awaited. Called on the event loop only."""
        if len(self._threads) < self._size:
            self._start()
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put((work, arguments, future))
        return future

    def close(self) -> None:
        """Let the threads finish what is queued, and end them."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _start(self) -> None:
        thread = threading.Thread(target=self._serve, name=f"{self._name}-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        while (job := self._queue.get()) is not None:
            work, arguments, future = job
            try:
                result, error = work(*arguments), None
            except BaseException as raised:
                result, error = None, raised
            # The loop may be gone when a server is stopped while work runs: then nobody waits.
            if not future.get_loop().is_closed():
                future.get_loop().call_soon_threadsafe(_settle, future, result, error)
            del job, work, arguments, future, result, error


def _settle(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


class Periodic:
    """Background work that is due again and again, in one thread."""

    def __init__(self) -> None:
        self._tasks: list[tuple[str, float, Callable[[], object]]] = []
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def add(self, name: str, seconds: float, work: Callable[[], object]) -> None:
        """Run `work` every so many seconds, the first time after the first interval."""
        self._tasks.append((name, seconds, work))

    def start(self) -> None:
        """Begin, one thread for each piece of work."""
        for name, seconds, work in self._tasks:
            thread = threading.Thread(target=self._repeat, args=(name, seconds, work), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Let what runs finish, and begin nothing more."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, name: str, seconds: float, work: Callable[[], object]) -> None:
        while not self._stop.wait(seconds):
            try:
                work()
            except Exception:
                _log.exception("background work failed", work=name)


# -- services ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FirstStart:
    """The administrator that was made because there was no account; the password only if it was made up."""

    email: str
    password: str | None


def build_services(settings: Settings) -> Services:
    """Return the server's services on its data folder and database, which are made as needed.

    Raises InvalidArgument for settings that do not fit what is there, StorageFailure for a database or folder
    that cannot be used.
    """
    from seafleet.access import Access
    from seafleet.accounts import AccessTokens, Accounts, LoginTickets, SyncTokens, Throttle, Tokens
    from seafleet.accounts.login import LoginLimits
    from seafleet.accounts.names import Names
    from seafleet.activity.audit import Audit
    from seafleet.clock import SystemClock
    from seafleet.db.engine import Database
    from seafleet.devices.service import Devices
    from seafleet.files.stars import Stars
    from seafleet.library.locks import Locks
    from seafleet.library.service import Libraries
    from seafleet.library.trees import Trees
    from seafleet.transfers.service import Transfers

    _make_data_folder(settings)
    clock, random, secret = SystemClock(), SystemRandom(), _secret(settings)
    database = Database.open(settings.resolved_database_url, pool_size=settings.api_threads + 4)
    objects = _objects(settings, database, clock)
    trees, roles, audit = Trees(objects), _roles(settings), Audit(clock)
    devices = Devices(clock, random, _device_policy(settings))
    access = Access(database, clock, devices, roles)
    libraries = Libraries(
        database,
        objects,
        trees,
        clock,
        random,
        quota_of=lambda account_id: _limit(accounts.quota(accounts.get(account_id))),
        time_zone=settings.zone,
        default_history_days=settings.keep_history_days,
        edit_threads=settings.api_threads,
    )
    accounts = Accounts(
        database,
        clock,
        audit,
        roles=roles,
        site_quota_bytes=settings.site_quota_bytes,
        usage=libraries.usage,
        login_limits=LoginLimits(max_failures=settings.login_max_failures),
    )
    accounts.on_revoked(lambda account_id: access.forget(account_id=account_id))
    return Services(
        settings=settings,
        clock=clock,
        random=random,
        secret=secret,
        db=database,
        objects=objects,
        trees=trees,
        libraries=libraries,
        audit=audit,
        devices=devices,
        accounts=accounts,
        names=Names(database, clock),
        locks=Locks(database, clock),
        stars=Stars(database),
        tokens=Tokens(database, clock, random, secret, devices, audit, roles),
        access_tokens=AccessTokens(database, clock, random, devices),
        sync_tokens=SyncTokens(database, clock, random, secret, devices),
        tickets=LoginTickets(database, clock, random),
        access=access,
        throttle=Throttle(
            clock, _counters(settings, database), limits=_rates(settings), exempt=settings.throttle_exempt
        ),
        transfers=Transfers.build(
            database=database,
            objects=objects,
            trees=trees,
            libraries=libraries,
            accounts=accounts,
            clock=clock,
            secret=secret,
            max_upload_bytes=settings.max_upload_bytes,
        ),
        api=Threads("api", settings.api_threads),
        io=Threads("io", settings.io_threads),
        auth=Threads("auth", settings.auth_threads),
        metrics=RequestMetrics(),
    )


def _limit(quota_bytes: int) -> int | None:
    return None if quota_bytes < 0 else quota_bytes


def _make_data_folder(settings: Settings) -> None:
    try:
        settings.data.mkdir(mode=DATA_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageFailure(f"cannot make the data folder {settings.data}: {error.strerror}") from error


def _objects(settings: Settings, database: Database, clock: Clock) -> ObjectStore:
    from seafleet.store.local import LocalBlobs
    from seafleet.store.objects import ObjectStore

    return ObjectStore(
        database,
        LocalBlobs(settings.data, clock),
        layers=_layers(settings),
        clock=clock,
        inline_block_bytes=settings.inline_block_bytes,
    )


def _device_policy(settings: Settings) -> Callable[[], DevicePolicy]:
    from seafleet.devices.model import DevicePolicy

    policy = DevicePolicy(
        require_approval=settings.device_require_approval,
        allow_unbound_tokens=settings.device_allow_unbound_tokens,
    )
    return lambda: policy


def _counters(settings: Settings, database: Database) -> Counters | None:
    """Return counters that all workers share, None where one process can keep them in memory."""
    from seafleet.accounts.throttle import TableCounters

    is_alone = settings.workers == 1 and database.dialect == "sqlite"
    return None if is_alone else TableCounters(database)


def _rates(settings: Settings) -> dict[str, int]:
    return {
        "ping": settings.throttle_ping_per_minute,
        "anon": settings.throttle_anon_per_minute,
        "user": settings.throttle_user_per_minute,
    }


def _secret(settings: Settings) -> ServerSecret:
    from seafleet.secrets import ServerSecret

    text = settings.secret.get_secret_value()
    return ServerSecret.from_text(text) if text else ServerSecret.open(settings.secret_path)


def _layers(settings: Settings) -> list[ReadLayer]:
    if settings.seafile_data is None:
        return []
    from seafleet.store.seafile_folder import SeafileFolder

    return [SeafileFolder(settings.seafile_data)]


def _roles(settings: Settings) -> Roles:
    from seafleet.accounts.model import DEFAULT_ROLE, GUEST_ROLE, Role, Roles

    own = {name: Role(**role.model_dump()) for name, role in settings.roles.items()}
    return Roles({"default": DEFAULT_ROLE, "guest": GUEST_ROLE, **own})


def first_start(services: Services) -> FirstStart | None:
    """Make the administrator if there is no account at all; answers what was made."""
    settings = services.settings
    if services.accounts.count() > 0:
        return None
    given = settings.admin_password.get_secret_value()
    password = given or secrets.token_urlsafe(_PASSWORD_BYTES)
    try:
        account = services.accounts.create(settings.admin_email, password, is_staff=True)
    except AlreadyExists:  # another process started at the same moment
        return None
    return FirstStart(account.email, None if given else password)


def close_services(services: Services) -> None:
    """Finish what runs in threads and what waits to be written, and close the database."""
    for pool in (services.api, services.io, services.auth):
        pool.close()
    services.libraries.close()
    services.db.close()


# -- the application -----------------------------------------------------------------------------------------


class Server:
    """The ASGI application: the kernel's, with start and stop, and an answer to mistakes in the program."""

    def __init__(self, services: Services) -> None:
        routes = all_routes()
        services.operations = frozenset(name for route in routes for name in route.operations)
        self.services = services
        self._application = Application(services, routes, all_surfaces(), _observer(services))
        self._periodic = Periodic()
        self._periodic.add("purge", PURGE_SECONDS, services.access_tokens.purge)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event: a request, or start and stop."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._application(scope, receive, watched)
        except Exception:
            _log.exception(
                "request failed",
                request=scope.get("request_id"),
                method=scope["method"],
                operation=scope.get("operation"),
            )
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
        self._periodic.stop()
        close_services(self.services)


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
