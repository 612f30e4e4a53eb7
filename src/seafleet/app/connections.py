"""Connections that do not let a caller hold on for ever, or fill the memory before it is known who calls.

uvicorn itself waits without limit for the rest of a request, and keeps a request line of any length. Here
the head of a request is limited in size and time, and who stands still in the middle of a body or an answer
is cut off. What moves is never cut off, however slow it is.

uvicorn also writes head and body of an answer one by one, which costs two system calls and two packets where
one would do: a quarter of what a small request costs in all. Here the head waits for the body.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState


_SMALL_BYTES: Final = 16 << 10


class OneGo:
    """A connection as one answer writes to it: the head is kept until the first piece of the body comes.

    It has what uvicorn's cycle of request and answer asks of a transport, and nothing else.
    """

    __slots__ = ("_cycle", "_head", "_transport")

    def __init__(self, cycle: RequestResponseCycle, transport: asyncio.Transport) -> None:
        self._cycle = cycle
        self._transport = transport
        self._head: bytes | None = None  # empty: it has been sent

    def write(self, data: bytes) -> None:
        """Send a piece, with the head if that is waiting; keep it if it is the head."""
        head = self._head
        if head:
            self._head = b""
            if len(data) < _SMALL_BYTES:
                self._transport.write(head + data)
            else:
                self._transport.writelines((head, data))
        elif head is None and self._cycle.response_started:
            self._head = data
        else:  # "100 Continue", which comes before the head, or a further piece
            self._transport.write(data)

    def close(self) -> None:
        """Send what is waiting, and close."""
        self.write(b"")
        self._transport.close()

    def is_closing(self) -> bool:
        """Tell whether the connection is closed or about to be."""
        return self._transport.is_closing()


@dataclass(frozen=True, slots=True)
class Patience:
    """What a caller is granted: a head of so many bytes in so many seconds, and pauses of so many seconds.

    It is looked after every `look_seconds`, so everything may take that much longer.
    """

    head_bytes: int = 64 << 10
    head_seconds: float = 30.0
    pause_seconds: float = 120.0
    look_seconds: float = 10.0


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits. The limits are the same for all connections of a process."""

    patience: ClassVar[Patience] = Patience()

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._watch: asyncio.TimerHandle | None = None
        self._head_bytes: int | None = None  # None: no head is being received
        self._waiting_since: float | None = None
        self._answering: RequestResponseCycle | None = None
        self._received_bytes = 0
        self._stood_at = (0, 0)
        self._stands_since: float | None = None

    # -- what uvicorn calls ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to watch."""
        super().connection_made(transport)
        self._waiting_since = self.loop.time()
        self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """End watching."""
        self._end_watch()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """End watching: a web socket has pings of its own."""
        self._end_watch()
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        """Take what came, unless it makes the head of a request too long."""
        self._received_bytes += len(data)
        super().data_received(data)
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > self.patience.head_bytes:
                self._head_bytes = None
                self._refuse_head()

    def on_message_begin(self) -> None:
        """Note that a head begins."""
        self._head_bytes, self._waiting_since = 0, self.loop.time()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Note that the head is complete."""
        self._head_bytes = self._waiting_since = None
        super().on_headers_complete()
        self._answering = self.cycle
        self._join_head_and_body(self.cycle)

    def _join_head_and_body(self, cycle: RequestResponseCycle | None) -> None:
        """Have an answer, which has not begun yet, go out in one piece; that to HEAD is only a head."""
        if cycle is not None and self.scope["method"] != "HEAD":
            cycle.transport = OneGo(cycle, self.transport)  # type: ignore[assignment]

    # -- watching ----------------------------------------------------------------------------------------

    def _refuse_head(self) -> None:
        text = b"Request header is too large."
        self.transport.write(
            b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (len(text), text)
        )
        self.transport.close()

    def _look_later(self) -> None:
        self._watch = self.loop.call_later(self.patience.look_seconds, self._look)

    def _end_watch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _look(self) -> None:
        now = self.loop.time()
        if self._head_takes_too_long(now):
            self.transport.close()
        elif self._stands_still(now):
            # A polite close would wait until all is sent, which is what the caller does not let happen.
            self.transport.abort()
        else:
            self._look_later()

    def _head_takes_too_long(self, now: float) -> bool:
        if self._waiting_since is None or self._is_answering():
            return False
        return now - self._waiting_since > self.patience.head_seconds

    def _stands_still(self, now: float) -> bool:
        """Tell whether it is the caller that has let nothing move for too long."""
        stands_at = (self._received_bytes, self.transport.get_write_buffer_size())
        if stands_at != self._stood_at or not self._is_callers_turn():
            self._stood_at, self._stands_since = stands_at, None
            return False
        if self._stands_since is None:
            self._stands_since = now
        return now - self._stands_since > self.patience.pause_seconds

    def _is_callers_turn(self) -> bool:
        if self.flow.write_paused:
            return True
        if self._answering is None or not self._is_answering():
            return False
        asked = not self._answering.waiting_for_100_continue
        return asked and self._answering.more_body and not self.flow.read_paused

    def _is_answering(self) -> bool:
        return self._answering is not None and not self._answering.response_complete
