"""News by web socket: a client subscribes to libraries and is told when one changes.

Each connection has a queue of its own, so that a slow client keeps nobody waiting; one whose queue is full is
cut off, and asks for heads as it would without all this.

Source: sync protocol §7.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence, Set
from typing import TYPE_CHECKING, Any, Final

import msgspec

from seafleet.access import Action
from seafleet.actor import Actor
from seafleet.api.kernel import Marker, StreamRequest, stream_route
from seafleet.api.sync.surface import NAME
from seafleet.errors import AccountNotFound, LibraryNotFound, StorageFailure, TokenNotFound
from seafleet.library.feed import LOCK_CHANGED, PERMISSION_CHANGED
from seafleet.library.heads import HEAD_CHANGED
from seafleet.sync.feed import ChangeFeed, News

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from seafleet.api.services import Services
    from seafleet.library.model import HeadChanged
    from seafleet.sync.subscriptions import Subscription

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

PATH: Final = "/notification"
POLL_SECONDS: Final = 0.5
"""How soon changes are noticed that another worker made; our own are told at once."""
CHECK_SECONDS: Final = 300
"""How often subscriptions are looked at again: whether they have run out, or access has ended."""

MAX_MESSAGE_BYTES: Final = 1 << 20
MAX_SUBSCRIPTIONS: Final = 10_000
QUEUE_LENGTH: Final = MAX_SUBSCRIPTIONS + 1000
_PROTOCOL_ERROR: Final = 1002
_NOT_HERE: Final = 1008

_WORDS: Final = {
    HEAD_CHANGED: "repo-update",
    LOCK_CHANGED: "file-lock-changed",
    PERMISSION_CHANGED: "folder-perm-changed",
}


@stream_route("GET", "/notification/ping", operation="notification-ping", action=Marker.ANYONE, surface=NAME)
async def ping(request: StreamRequest) -> None:
    """Tell that there are notifications here."""
    await request.reply({"ret": "pong"})


# -- what clients say ----------------------------------------------------------------------------------------


class _Wanted(msgspec.Struct):
    id: str
    jwt_token: str = ""


class _Content(msgspec.Struct):
    repos: list[_Wanted] = []


class _Said(msgspec.Struct):
    type: str
    content: _Content = msgspec.field(default_factory=_Content)


_said: Final = msgspec.json.Decoder(_Said)
_encode: Final = msgspec.json.Encoder(enc_hook=str).encode


def _message(word: str, content: dict[str, Any]) -> str:
    return _encode({"type": word, "content": content}).decode()


class _Connection:
    """One client: what it subscribed to, and what waits to be sent to it."""

    def __init__(self) -> None:
        self.subscriptions: dict[str, Subscription] = {}
        self.queue: asyncio.Queue[str | None] = asyncio.Queue(QUEUE_LENGTH)

    def tell(self, message: str) -> None:
        """Queue a message; a client that does not keep up is cut off."""
        if self.queue.full():
            self.end()
        else:
            self.queue.put_nowait(message)

    def end(self) -> None:
        """Have the connection closed as soon as possible."""
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(None)


# -- the hub -------------------------------------------------------------------------------------------------


class Notifications:
    """The web sockets of one process. Reads the feed only while somebody is connected."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._connections: set[_Connection] = set()
        self._by_library: dict[str, set[_Connection]] = {}
        self._wake: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reader: asyncio.Task[None] | None = None
        self._begun: asyncio.Future[None]
        services.libraries.listen(self._head_changed)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one web socket until either side ends it."""
        await receive()
        if scope["path"].rstrip("/") != PATH:
            await send({"type": "websocket.close", "code": _NOT_HERE})
            return
        connection = _Connection()
        await self._add(connection)
        await send({"type": "websocket.accept"})
        sender = asyncio.create_task(self._send_all(connection, send))
        try:
            await self._listen(connection, receive)
        finally:
            await self._remove(connection)
            connection.end()
            with contextlib.suppress(OSError):
                await sender

    # -- one connection --------------------------------------------------------------------------------------

    async def _listen(self, connection: _Connection, receive: Receive) -> None:
        """Do what the client says, until it leaves or says something that makes no sense."""
        while (message := await receive())["type"] == "websocket.receive":
            text = message.get("text") or message.get("bytes") or b""
            if len(text) > MAX_MESSAGE_BYTES:
                return
            try:
                said = _said.decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                return
            if said.type == "subscribe":
                await self._subscribe(connection, said.content.repos)
            elif said.type == "unsubscribe":
                for each in said.content.repos:
                    self._forget(connection, each.id)
            else:
                return

    async def _subscribe(self, connection: _Connection, wanted: list[_Wanted]) -> None:
        """Note what a client wants to hear of; tell it the heads, for it may have missed the last change."""
        granted = await self._services.api.run(self._granted, wanted)
        for each in wanted:
            subscription = granted.get(each.id)
            if subscription is None or len(connection.subscriptions) >= MAX_SUBSCRIPTIONS:
                connection.tell(_message("jwt-expired", {"repo_id": each.id}))
            else:
                connection.subscriptions[each.id] = subscription
                self._by_library.setdefault(each.id, set()).add(connection)
        heads = await self._services.api.run(self._services.sync.polls.heads, list(granted))
        for library_id, commit_id in heads.items():
            connection.tell(_message(_WORDS[HEAD_CHANGED], {"repo_id": library_id, "commit_id": commit_id}))

    def _granted(self, wanted: list[_Wanted]) -> dict[str, Subscription]:
        """Return the subscriptions whose token is good, for libraries that its account may still read."""
        found: dict[str, Subscription] = {}
        for each in wanted:
            try:
                subscription = self._services.sync.subscriptions.read(each.jwt_token)
            except TokenNotFound:
                continue
            if subscription.library_id == each.id and self._may_read(subscription):
                found[each.id] = subscription
        return found

    def _may_read(self, subscription: Subscription) -> bool:
        services, link_id = self._services, subscription.link_id
        if link_id is not None and link_id not in services.sync_tokens.admitted([link_id]):
            return False
        return self._account_may_read(subscription.email, subscription.library_id, fresh=True)

    def _account_may_read(self, email: str, library_id: str, *, fresh: bool) -> bool:
        services = self._services
        try:
            account = services.accounts.get_by_email(email)
            actor = Actor(account.id, account.email, role=account.role)
            return services.access.decide(actor, Action.READ, library_id, fresh=fresh).allowed
        except (AccountNotFound, LibraryNotFound):
            return False

    async def _send_all(self, connection: _Connection, send: Send) -> None:
        while (message := await connection.queue.get()) is not None:
            await send({"type": "websocket.send", "text": message})
        await send({"type": "websocket.close", "code": _PROTOCOL_ERROR})

    # -- all connections -------------------------------------------------------------------------------------

    async def _add(self, connection: _Connection) -> None:
        """Take a connection in; from its first subscription on it misses nothing."""
        self._connections.add(connection)
        if self._reader is None:
            self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
            self._begun = self._loop.create_future()
            self._reader = asyncio.create_task(self._read_feed(self._wake, self._begun))
        await self._begun

    async def _remove(self, connection: _Connection) -> None:
        self._connections.discard(connection)
        for library_id in list(connection.subscriptions):
            self._forget(connection, library_id)
        if not self._connections and self._reader is not None:
            reader, self._reader = self._reader, None
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader

    def _forget(self, connection: _Connection, library_id: str) -> None:
        if connection.subscriptions.pop(library_id, None) is None:
            return
        others = self._by_library[library_id]
        others.discard(connection)
        if not others:
            del self._by_library[library_id]

    def _head_changed(self, _change: HeadChanged) -> None:
        """Have the feed read at once; called on any thread."""
        loop, wake = self._loop, self._wake
        if self._reader is not None and loop is not None and wake is not None and not loop.is_closed():
            loop.call_soon_threadsafe(wake.set)

    async def _read_feed(self, wake: asyncio.Event, begun: asyncio.Future[None]) -> None:
        feed = ChangeFeed(self._services.db, self._services.clock)
        await self._services.api.run(feed.skip)
        begun.set_result(None)
        check_at = asyncio.get_running_loop().time() + CHECK_SECONDS
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), POLL_SECONDS)
            wake.clear()
            try:
                await self._deliver(await self._services.api.run(feed.read))
                if asyncio.get_running_loop().time() >= check_at:
                    check_at = asyncio.get_running_loop().time() + CHECK_SECONDS
                    await self._check()
            except StorageFailure:  # the database is away for a moment
                continue

    async def _deliver(self, news: Sequence[News]) -> None:
        await self._end_refused({each.library_id for each in news})
        for each in news:
            readers = self._by_library.get(each.library_id)
            if readers:
                content = {"repo_id": each.library_id, **each.payload}
                message = _message(_WORDS[each.kind], content)
                for connection in list(readers):
                    connection.tell(message)

    async def _end_refused(self, library_ids: Iterable[str]) -> None:
        """End the subscriptions to libraries whose device or account is refused now: they hear no more."""
        held = [
            (connection, connection.subscriptions[library_id])
            for library_id in library_ids
            for connection in self._by_library.get(library_id, ())
        ]
        if not held:
            return
        refused = await self._services.api.run(self._refused, {subscription for _, subscription in held})
        for connection, subscription in held:
            if subscription in refused:
                self._end(connection, subscription.library_id)

    def _refused(self, subscriptions: Set[Subscription]) -> set[Subscription]:
        """Return those that may not hear news: devices as they are now, shares as they were seconds ago."""
        links = {each.link_id for each in subscriptions if each.link_id is not None}
        admitted = {None, *self._services.sync_tokens.admitted(links)}
        readers = {(each.email, each.library_id) for each in subscriptions}
        may_read = {reader for reader in readers if self._account_may_read(*reader, fresh=False)}
        return {
            each
            for each in subscriptions
            if each.link_id not in admitted or (each.email, each.library_id) not in may_read
        }

    def _end(self, connection: _Connection, library_id: str) -> None:
        self._forget(connection, library_id)
        connection.tell(_message("jwt-expired", {"repo_id": library_id}))

    async def _check(self) -> None:
        """End subscriptions that have run out, or whose account may not read the library any more."""
        now = self._services.clock.timestamp()
        for connection in list(self._connections):
            held = list(connection.subscriptions.items())
            for library_id in await self._services.api.run(self._ended, held, now):
                self._end(connection, library_id)

    def _ended(self, held: list[tuple[str, Subscription]], now: int) -> list[str]:
        return [name for name, each in held if each.expires_at <= now or not self._may_read(each)]
