"""Limits on connections, on a real event loop with real sockets; only the patience is shorter."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from seafleet.app.connections import OneGo, Patience, PatientProtocol

Message = MutableMapping[str, Any]
_LIMIT_SECONDS = 20.0
_MIB = 1 << 20


class Impatient(PatientProtocol):
    patience = Patience(head_bytes=2000, head_seconds=0.05, pause_seconds=0.1, look_seconds=0.02)


class Patient(PatientProtocol):
    patience = Patience(head_bytes=2000)


async def app(scope: Any, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Any]) -> None:
    """Read the whole body and answer with its size; below `/large` with very much."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            gone.append(size)
            return
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/large":
        for _ in range(64):
            await send({"type": "http.response.body", "body": bytes(_MIB), "more_body": True})
        on_large_answered.pop()()
    await send({"type": "http.response.body", "body": b"%d" % size})


gone: list[int] = []
on_large_answered: list[Callable[[], None]] = []


def talk(
    conversation: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bytes]],
    protocol: type[PatientProtocol] = Impatient,
) -> bytes:
    """Return what a conversation with a server of this protocol came to."""

    async def run() -> bytes:
        gone.clear()
        config = Config(app, interface="asgi3", lifespan="off", ws="none", log_config=None)
        config.load()
        loop = asyncio.get_running_loop()
        state = ServerState()
        server = await loop.create_server(lambda: protocol(config, state, {}), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            return await asyncio.wait_for(conversation(reader, writer), _LIMIT_SECONDS)
        finally:
            writer.close()
            server.close()
            await asyncio.gather(*state.tasks)

    return asyncio.run(run())


def test_a_request_that_comes_is_answered() -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3000\r\n\r\n")
        writer.write(bytes(3000))
        return await reader.read()

    assert talk(conversation).endswith(b"3000\r\n0\r\n\r\n")


@pytest.mark.parametrize("start", [b"", b"GET /", b"GET / HTTP/1.1\r\nHost: x\r\nX: "])
def test_a_head_that_does_not_come_to_its_end_ends_the_connection(start: bytes) -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(start)
        return await reader.read()

    assert talk(conversation) == b""


@pytest.mark.parametrize("start", [b"GET /", b"GET / HTTP/1.1\r\nHost: x\r\nX: "])
def test_a_head_without_end_is_refused_before_it_fills_the_memory(start: bytes) -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(start + b"x" * 3000)
        return await reader.read()

    assert talk(conversation, Patient).startswith(b"HTTP/1.1 431 ")


def test_a_body_that_stands_still_is_given_up() -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000\r\n\r\n" + bytes(1000))
        return await reader.read()

    assert talk(conversation) == b""
    assert gone == [1000]


def test_an_answer_that_nobody_reads_is_given_up() -> None:
    async def conversation(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        ended = asyncio.get_running_loop().create_future()
        on_large_answered.append(lambda: ended.set_result(b"given up"))
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        return bytes(await ended)

    assert talk(conversation) == b"given up"


def test_a_connection_between_requests_stays() -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        answers = b""
        loop = asyncio.get_running_loop()
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answers += await reader.readuntil(b"0\r\n\r\n")
            later = loop.create_future()
            loop.call_later(5 * Impatient.patience.look_seconds, later.set_result, None)
            await later
        return answers

    assert talk(conversation).count(b"HTTP/1.1 200 OK") == 2


# -- head and body in one piece ------------------------------------------------------------------------------


class Wire:
    """What a transport was asked to do."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def writelines(self, pieces: tuple[bytes, ...]) -> None:
        self.sent.append(b"".join(pieces))

    def close(self) -> None:
        self.closed = True


class Cycle:
    """As much of a request and its answer as the connection looks at."""

    response_started = False


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_the_head_of_an_answer_goes_out_with_the_first_piece_of_its_body(size: int) -> None:
    wire, cycle = Wire(), Cycle()
    connection = OneGo(cycle, wire)  # type: ignore[arg-type]
    connection.write(b"100 Continue")
    cycle.response_started = True
    connection.write(b"head")
    assert wire.sent == [b"100 Continue"]
    connection.write(bytes(size))
    connection.write(b"more")
    assert wire.sent == [b"100 Continue", b"head" + bytes(size), b"more"]


def test_a_head_that_waits_is_sent_when_the_connection_closes() -> None:
    wire, cycle = Wire(), Cycle()
    connection = OneGo(cycle, wire)  # type: ignore[arg-type]
    cycle.response_started = True
    connection.write(b"head")
    connection.close()
    assert wire.sent == [b"head"]
    assert wire.closed


def test_a_caller_that_waits_for_leave_to_go_on_gets_it_at_once() -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        writer.write(head)
        leave = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"ab")
        return leave + await reader.readuntil(b"0\r\n\r\n")

    answer = talk(conversation)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"2\r\n0\r\n\r\n")


def test_requests_in_a_row_and_one_for_a_head_are_all_answered() -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        for verb in (b"GET", b"HEAD", b"GET", b"HEAD"):
            writer.write(verb + b" / HTTP/1.1\r\nHost: x\r\n\r\n")
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return await reader.read()

    answer = talk(conversation, Patient)
    assert answer.count(b"HTTP/1.1 200 OK") == 5
    assert answer.count(b"\r\n1\r\n0\r\n0\r\n\r\n") == 3
