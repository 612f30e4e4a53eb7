"""Requests whose bodies move in pieces: uploads, downloads, the sync protocol.

Such an endpoint runs on the event loop and must not compute or touch files there: `run_io` and `run_api` hand
work to threads. Back pressure comes by itself: the socket is read only while `body_chunks` is being iterated,
and `write` waits for a slow reader.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final, TypeVar

from seafleet.api.kernel.errors import too_large
from seafleet.api.kernel.replies import as_reply, encode_reply, header_line
from seafleet.api.kernel.request import Headers, RequestBase

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping

    from seafleet.api.kernel.replies import Encoded
    from seafleet.api.kernel.routes import Route
    from seafleet.api.services import Services

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

T = TypeVar("T")

LINGER_SECONDS: Final = 2.0
LINGER_BYTES: Final = 64 << 20
_NO_BODY_STATUSES: Final = frozenset((204, 304))


class ClientGone(Exception):
    """The caller closed the connection: nobody waits for the answer any more."""


class StreamRequest(RequestBase):
    """One request whose endpoint reads and writes its bodies in pieces."""

    __slots__ = (
        "_gone",
        "_reading",
        "_receive",
        "_send",
        "_sent_all",
        "_watcher",
        "body_read",
        "sent_bytes",
        "status",
    )

    def __init__(
        self,
        scope: MutableMapping[str, Any],
        headers: Headers,
        route: Route,
        path_params: dict[str, str],
        services: Services,
        request_id: str,
        receive: Receive,
        send: Send,
    ) -> None:
        super().__init__(scope, headers, route, path_params, services, request_id)
        self._receive = receive
        self._send = send
        self._reading = False
        self._gone = False
        self._sent_all = False
        self._watcher: asyncio.Task[None] | None = None
        self.body_read = not has_body(headers)
        self.sent_bytes = 0
        self.status = 0

    # -- reading -----------------------------------------------------------------------------------------

    @property
    def content_length(self) -> int | None:
        """The announced length of the body in bytes, None when it comes in chunks."""
        text = self.headers.get("content-length")
        return int(text) if text.isascii() and text.isdecimal() else None

    async def body_chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives, in pieces of at most 256 KiB.

        Raises ClientGone when it breaks off.

        The first read lets a caller that waits for "100 Continue" go on: check what can refuse the request
        before.
        """
        self._reading = True
        while not self.body_read:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._gone = True
                raise ClientGone
            self.body_read = not message.get("more_body", False)
            if data := message.get("body", b""):
                yield data

    async def read_body(self, limit_bytes: int) -> bytes:
        """Return the whole body.

        Raises ApiError (413) beyond the limit, before reading when the length is announced.
        """
        if (self.content_length or 0) > limit_bytes:
            raise too_large()
        pieces, size = [], 0
        async for chunk in self.body_chunks():
            size += len(chunk)
            if size > limit_bytes:
                raise too_large()
            pieces.append(chunk)
        return b"".join(pieces)

    # -- working -----------------------------------------------------------------------------------------

    async def run_io(self, work: Callable[..., T], *arguments: object) -> T:
        """Run file, hash and cipher work in a thread of the io pool."""
        return await self.services.io.run(work, *arguments)

    async def run_api(self, work: Callable[..., T], *arguments: object) -> T:
        """Run domain work (database, trees) in a thread of the api pool."""
        return await self.services.api.run(work, *arguments)

    async def follow_api(self, work: Callable[..., Any], *arguments: object) -> Any:
        """Do the same; if `work` returns a future, return what that comes to."""
        return await self.services.api.follow(work, *arguments)

    async def follow_io(self, work: Callable[..., Any], *arguments: object) -> Any:
        """Do the same in a thread of the io pool."""
        return await self.services.io.follow(work, *arguments)

    # -- writing -----------------------------------------------------------------------------------------

    @property
    def started(self) -> bool:
        """Whether the status line has gone out, so that errors can no longer be told."""
        return self.status != 0

    @property
    def finished(self) -> bool:
        """Whether the whole answer has been handed over."""
        return self._sent_all

    @property
    def client_gone(self) -> bool:
        """Whether the caller is known to have closed the connection."""
        return self._gone

    async def start(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        """Send status and headers. Without a `Content-Length` the body goes out in chunks."""
        await self._start(status, [header_line(name, value) for name, value in (headers or {}).items()])

    async def write(self, data: bytes | memoryview) -> None:
        """Send a piece of the body, waiting while the caller reads slowly. Raises ClientGone."""
        if self._watcher is None and self.body_read:
            self._watcher = asyncio.create_task(self._watch())
        if self._gone:
            raise ClientGone
        self.sent_bytes += len(data)
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self) -> None:
        """End the answer's body."""
        self._sent_all = True
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def reply(self, result: object) -> None:
        """Send a complete answer: a Reply, `(status, body)` or a JSON-able value.

        When the request's body has not been read to its end the connection closes after the answer.
        """
        await self.send_encoded(encode_reply(as_reply(result)))

    async def send_encoded(self, answer: Encoded) -> None:
        """Send an encoded answer; see `reply`."""
        headers = answer.headers if self.body_read else [*answer.headers, (b"connection", b"close")]
        await self._start(answer.status, headers)
        self.sent_bytes += len(answer.body)
        self._sent_all = True
        await self._send({"type": "http.response.body", "body": answer.body, "more_body": not self.body_read})
        if not self.body_read:
            if self._reading or "expect" not in self.headers:
                await linger(self._receive)
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def close(self) -> None:
        """Stop watching the connection. The kernel calls this when the endpoint has returned."""
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher

    async def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status = status
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [*headers, (b"x-request-id", self.request_id.encode())],
            }
        )

    async def _watch(self) -> None:
        while not self._gone:
            self._gone = (await self._receive())["type"] == "http.disconnect"


def has_body(headers: Headers) -> bool:
    """Tell whether a request announces a body."""
    length = headers.get("content-length")
    return "transfer-encoding" in headers or length not in ("", "0")


async def linger(receive: Receive) -> None:
    """Read away, for a moment, what a refused caller still sends.

    Closing at once would destroy the answer on its way.
    """

    async def drain() -> None:
        size = 0
        while size < LINGER_BYTES:
            message = await receive()
            size += len(message.get("body", b""))
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                return

    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(drain(), LINGER_SECONDS)
