"""A client that talks to an ASGI application in this process, byte by byte as a server would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlencode

Message = MutableMapping[str, Any]
App = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]


@dataclass
class Response:
    """What came back."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    complete: bool = False

    @property
    def status_code(self) -> int:
        return self.status

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


class Client:
    """Sends requests one by one; close it to end its event loop."""

    def __init__(self, app: App, *, token: str | None = None, address: str = "192.0.2.7") -> None:
        self.app = app
        self.token = token
        self.address = address
        self._runner = asyncio.Runner()

    def close(self) -> None:
        self._runner.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, coroutine: Any) -> Any:
        """Run a coroutine on the client's loop."""
        return self._runner.run(coroutine)

    def request(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Sequence[bytes] | None = None,
        form: Mapping[str, object] | Sequence[tuple[str, object]] | None = None,
        data: object = None,
        token: str | None = None,
        disconnect: bool = False,
    ) -> Response:
        """Send one request. `form` goes URL-encoded, `data` as JSON, a sequence of pieces in chunks.

        With `disconnect` the caller hangs up after the pieces, before the body is complete.
        """
        lines = {"host": "files.example.com", **{k.lower(): v for k, v in (headers or {}).items()}}
        if (known := token or self.token) is not None:
            lines.setdefault("authorization", f"Token {known}")
        if form is not None:
            body = urlencode(form, doseq=True).encode()
            lines.setdefault("content-type", "application/x-www-form-urlencoded")
        elif data is not None:
            body = json.dumps(data).encode()
            lines.setdefault("content-type", "application/json")
        pieces = [body] if isinstance(body, bytes) else list(body or [])
        if isinstance(body, bytes):
            lines.setdefault("content-length", str(len(body)))
        elif body is not None:
            lines.setdefault("transfer-encoding", "chunked")
        response: Response = self._runner.run(self._send(method, target, lines, pieces, disconnect))
        return response

    async def _send(
        self, method: str, target: str, lines: Mapping[str, str], pieces: list[bytes], disconnect: bool
    ) -> Response:
        response = Response()
        messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
        if disconnect:
            messages.append({"type": "http.disconnect"})
        elif messages:
            messages[-1]["more_body"] = False
        else:
            messages.append({"type": "http.request", "body": b"", "more_body": False})
        ended = asyncio.Event()

        async def receive() -> Message:
            if messages:
                return messages.pop(0)
            await ended.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                response.status = message["status"]
                response.headers = {k.decode(): v.decode() for k, v in message["headers"]}
            else:
                response.body += message.get("body", b"")
                response.complete = not message.get("more_body", False)

        await self.app(self._scope(method, target, lines), receive, send)
        ended.set()
        return response

    def _scope(self, method: str, target: str, lines: Mapping[str, str]) -> dict[str, Any]:
        path, _, query = target.partition("?")
        return {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in lines.items()],
            "client": (self.address, 50000),
            "server": ("127.0.0.1", 8000),
            "state": {},
        }

    def get(self, target: str, **rest: Any) -> Response:
        return self.request("GET", target, **rest)

    def post(self, target: str, **rest: Any) -> Response:
        return self.request("POST", target, **rest)

    def put(self, target: str, **rest: Any) -> Response:
        return self.request("PUT", target, **rest)

    def delete(self, target: str, **rest: Any) -> Response:
        return self.request("DELETE", target, **rest)
