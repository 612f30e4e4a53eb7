"""Endpoints whose bodies move in pieces."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from seafleet.api.kernel import ApiError, ClientGone, Marker, StreamRequest, stream_route, streams
from seafleet.errors import FileTooLarge
from tests.support.asgi import Client

Serve = Callable[..., Client]
Endpoint = Callable[[StreamRequest], Awaitable[None]]


def stream(verb: str = "POST") -> Callable[[Endpoint], Endpoint]:
    return stream_route(verb, "/s/{token}", operation="stream", action=Marker.BEARER, surface="seafile")


def test_a_body_arrives_piece_by_piece_and_work_runs_in_threads(serve: Serve) -> None:
    @stream()
    async def count(request: StreamRequest) -> None:
        sizes = [await request.run_io(len, chunk) async for chunk in request.body_chunks()]
        names = {
            await request.run_io(lambda: threading.current_thread().name),
            await request.run_api(lambda: threading.current_thread().name),
        }
        await request.reply({"sizes": sizes, "threads": sorted(names), "token": request.path_params["token"]})

    answer = serve(count).post("/s/abc", body=[b"one", b"", b"three"])
    assert answer.json() == {"sizes": [3, 5], "threads": ["api-0", "io-0"], "token": "abc"}
    assert "connection" not in answer.headers


def test_an_answer_in_pieces_carries_the_request_id(serve: Serve) -> None:
    @stream("GET")
    async def pieces(request: StreamRequest) -> None:
        await request.start(206, {"Content-Length": "6"})
        for piece in (b"abc", memoryview(b"def")):
            await request.write(piece)
        await request.finish()

    answer = serve(pieces).get("/s/abc")
    assert (answer.status, answer.body, answer.complete) == (206, b"abcdef", True)
    assert answer.headers["x-request-id"]


def test_an_upload_that_breaks_off_ends_the_endpoint_without_an_answer(serve: Serve) -> None:
    left: list[bool] = []

    @stream()
    async def take(request: StreamRequest) -> None:
        try:
            async for _ in request.body_chunks():
                pass
        finally:
            left.append(request.client_gone)

    assert serve(take).post("/s/abc", body=[b"half"], disconnect=True).status == 0
    assert left == [True]


def test_a_download_stops_when_the_caller_has_gone(serve: Serve) -> None:
    written: list[int] = []
    third = asyncio.Event()

    @stream("GET")
    async def endless(request: StreamRequest) -> None:
        await request.start(200)
        while True:
            await request.write(b"x")
            written.append(1)
            if len(written) == 3:
                third.set()
            await asyncio.sleep(0)

    client = serve(endless)
    sent: list[Any] = []

    async def hang_up_after_three() -> None:
        async def receive() -> dict[str, Any]:
            await third.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await client.app(client._scope("GET", "/s/abc", {}), receive, send)

    client.run(hang_up_after_three())
    assert 3 <= len(written) < 10


def test_errors_before_the_answer_begins_are_told_and_close_an_unread_connection(serve: Serve) -> None:
    @stream()
    async def refuse(request: StreamRequest) -> None:
        raise FileTooLarge(10) if request.path_params["token"] == "big" else ApiError(400, "no")

    client = serve(refuse)
    big = client.post("/s/big", body=[b"a", b"b"])
    assert (big.status, big.json()) == (442, {"error_msg": "File size is too large."})
    assert (big.headers["connection"], big.complete) == ("close", True)
    plain = client.post("/s/other")
    assert (plain.status, plain.json()) == (400, {"error_msg": "no"})
    assert "connection" not in plain.headers


def test_a_caller_that_waits_for_100_continue_is_refused_at_once(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []

    async def no_linger(_receive: object) -> None:
        reads.append(1)

    monkeypatch.setattr(streams, "linger", no_linger)

    @stream()
    async def refuse(_request: StreamRequest) -> None:
        raise ApiError(403, "no")

    client = serve(refuse)
    answer = client.post("/s/abc", body=b"x" * 10, headers={"Expect": "100-continue"})
    assert (answer.status, answer.complete, reads) == (403, True, [])
    client.post("/s/abc", body=b"x" * 10)
    assert reads == [1]


def test_errors_after_the_answer_began_cannot_be_told(serve: Serve) -> None:
    @stream("GET")
    async def half(request: StreamRequest) -> None:
        await request.start(200, {"Content-Length": "10"})
        await request.write(b"12345")
        raise ApiError(500, "too late")

    answer = serve(half).get("/s/abc")
    assert (answer.status, answer.body, answer.complete) == (200, b"12345", False)


@pytest.mark.parametrize("body", [b"x" * 11, [b"x" * 6, b"x" * 5]])
def test_a_whole_body_is_read_up_to_a_limit(serve: Serve, body: Any) -> None:
    @stream()
    async def whole(request: StreamRequest) -> None:
        await request.reply((await request.read_body(10)).decode())

    client = serve(whole)
    assert client.post("/s/abc", body=b"x" * 10).json() == "x" * 10
    assert client.post("/s/abc", body=body).status == 413


@pytest.mark.parametrize(("length", "expected"), [("10", 10), ("", None), ("ten", None), ("-1", None)])
def test_the_announced_length_is_a_number_or_unknown(serve: Serve, length: str, expected: int | None) -> None:
    @stream()
    async def tell(request: StreamRequest) -> None:
        await request.reply(request.content_length)
        if expected is None and length == "":
            raise ClientGone

    headers = {"Content-Length": length} if length else {}
    answer = serve(tell).post("/s/abc", headers=headers)
    assert answer.json() == expected if expected is not None else answer.body in (b"", b"null")
