"""A lean HTTP/1.1 client and the few Web API calls that the benchmarks make.

The client shares two cores with the server, so it does as little as it can: one socket, one request at a
time, bodies of known length or in chunks.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from selectors import EVENT_READ, DefaultSelector
from typing import Any, Final, cast
from urllib.parse import quote, urlsplit

BOUNDARY: Final = "seafleet-benchmark-boundary"
_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Response:
    """A complete answer. `body` is empty when a sink took it."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body's JSON value."""
        return json.loads(self.body)


class Connection:
    """One kept-alive connection to `host:port`; opened again when the server closed it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.host = parts.netloc
        self._socket: socket.socket | None = None
        self._buffer = b""

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: str = "",
        body: bytes = b"",
        stream: Iterator[bytes] | None = None,
        length: int | None = None,
        sink: Callable[[memoryview], object] | None = None,
    ) -> Response:
        """Send one request and read its answer. `stream` with `length` sends a large body in pieces."""
        size = len(body) if length is None else length
        head = f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\nContent-Length: {size}\r\n{headers}\r\n"
        connection = self._connected()
        connection.sendall(head.encode() + body)
        for piece in stream or ():
            connection.sendall(piece)
        return self._read_answer(connection, method, sink)

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket, self._buffer = None, b""

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=600)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    def _read_answer(
        self, connection: socket.socket, method: str, sink: Callable[[memoryview], object] | None
    ) -> Response:
        head = self._read_until(connection, b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        status = int(first.split(" ", 2)[1])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if method == "HEAD" or status in (204, 304):
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            body = self._read_chunked(connection)
        else:
            body = self._read_sized(connection, int(headers.get("content-length", "0")), sink)
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Response(status, headers, body)

    def _read_until(self, connection: socket.socket, mark: bytes) -> bytes:
        while mark not in self._buffer:
            piece = connection.recv(65536)
            if not piece:
                raise ConnectionError("the server closed the connection")
            self._buffer += piece
        head, _, self._buffer = self._buffer.partition(mark)
        return head

    def _read_sized(
        self, connection: socket.socket, size: int, sink: Callable[[memoryview], object] | None
    ) -> bytes:
        head, self._buffer = self._buffer[:size], self._buffer[size:]
        if sink is None:
            pieces, got = [head], len(head)
            while got < size:
                piece = connection.recv(min(size - got, _PIECE))
                pieces.append(piece)
                got += len(piece)
            return b"".join(pieces)
        sink(memoryview(head))
        space, got = memoryview(bytearray(_PIECE)), len(head)
        while got < size:
            count = connection.recv_into(space[: min(_PIECE, size - got)])
            if not count:
                raise ConnectionError("the server closed the connection")
            sink(space[:count])
            got += count
        return b""

    def _read_chunked(self, connection: socket.socket) -> bytes:
        pieces = []
        while size := int(self._read_until(connection, b"\r\n").partition(b";")[0], 16):
            pieces.append(self._read_sized(connection, size, None))
            self._read_until(connection, b"\r\n")
        self._read_until(connection, b"\r\n")
        return b"".join(pieces)


class Client:
    """A logged-in user of a server that speaks Seafile's Web API."""

    def __init__(self, url: str, email: str, password: str, token: str = "") -> None:
        self.url, self._credentials = url, (email, password)
        self.connection = Connection(url)
        self.token = token or self._login(email, password)

    def again(self) -> Client:
        """Return the same user on a connection of its own."""
        return Client(self.url, *self._credentials, token=self.token)

    def call(self, method: str, path: str, form: dict[str, str] | None = None) -> Response:
        """Make an API call and return the answer. Raises RuntimeError unless it is a success."""
        body = "&".join(f"{quote(k)}={quote(v)}" for k, v in (form or {}).items()).encode()
        headers = f"Authorization: Token {self.token}\r\nAccept: application/json\r\n"
        if form is not None:
            headers += "Content-Type: application/x-www-form-urlencoded\r\n"
        return _checked(self.connection.request(method, path, headers=headers, body=body), path)

    def create_library(self, name: str) -> str:
        """Create a library and return its id."""
        library_id: str = self.call("POST", "/api2/repos/", {"name": name}).json()["repo_id"]
        return library_id

    def delete_library(self, library_id: str) -> None:
        """Delete a library."""
        self.call("DELETE", f"/api2/repos/{library_id}/")

    def upload_path(self, library_id: str) -> str:
        """Ask for an upload link to the root; return its path."""
        return _path_of(self.call("GET", f"/api2/repos/{library_id}/upload-link/?p=/").json())

    def upload(self, path: str, name: str, content: bytes, folder: str = "/") -> None:
        """Upload a small file into a folder through an upload link."""
        body = form_head(name, folder) + content + form_tail()
        answer = self.connection.request("POST", path + "?ret-json=1", headers=form_header(), body=body)
        _checked(answer, path)

    def upload_stream(self, path: str, name: str, pieces: Iterator[bytes], size: int) -> None:
        """Upload a large file into the root through an upload link."""
        head, tail = form_head(name), form_tail()

        def parts() -> Iterator[bytes]:
            yield from pieces
            yield tail

        answer = self.connection.request(
            "POST",
            path + "?ret-json=1",
            headers=form_header(),
            body=head,
            stream=parts(),
            length=len(head) + size + len(tail),
        )
        _checked(answer, path)

    def download(self, library_id: str, name: str, sink: Callable[[memoryview], object]) -> None:
        """Download a file of the root, handing its bytes to `sink`."""
        link = self.call("GET", f"/api2/repos/{library_id}/file/?p=/{quote(name)}").json()
        _checked(self.connection.request("GET", _path_of(link), sink=sink), link)

    def _login(self, email: str, password: str) -> str:
        form = f"username={quote(email)}&password={quote(password)}".encode()
        header = "Content-Type: application/x-www-form-urlencoded\r\n"
        answer = self.connection.request("POST", "/api2/auth-token/", headers=header, body=form)
        token: str = _checked(answer, "/api2/auth-token/").json()["token"]
        return token


def answers_within(
    seconds: float, host: str, requests: Iterator[bytes], body_bytes: int, connections: int = 4
) -> int:
    """Ask as fast as answers come, on several connections of one thread; return how many came in time.

    Every answer is a success with a body of that length. Raises RuntimeError for any other.
    """
    selector = DefaultSelector()
    address, port = host.rsplit(":", 1)
    for _ in range(connections):
        connection = socket.create_connection((address, int(port)))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, EVENT_READ, bytearray())
        connection.sendall(next(requests))
    done, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        for key, _ in selector.select(0.1):
            connection, buffer = cast("socket.socket", key.fileobj), key.data
            buffer += connection.recv(1 << 18)
            head = buffer.find(b"\r\n\r\n")
            if head >= 0 and len(buffer) >= head + 4 + body_bytes:
                if not buffer.startswith(b"HTTP/1.1 200"):
                    raise RuntimeError(f"not a success: {bytes(buffer[:200])!r}")
                buffer.clear()
                done += 1
                connection.sendall(next(requests))
    return done


def form_header() -> str:
    """Return the header line that announces a multipart form."""
    return f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"


def form_head(name: str, folder: str = "/") -> bytes:
    """Return the multipart form up to the first byte of the file."""
    return (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="parent_dir"\r\n\r\n{folder}\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="replace"\r\n\r\n0\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()


def form_tail() -> bytes:
    """Return the multipart form behind the last byte of the file."""
    return f"\r\n--{BOUNDARY}--\r\n".encode()


def _path_of(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _checked(answer: Response, what: str) -> Response:
    if answer.status not in (200, 201):
        raise RuntimeError(f"{what.partition('?')[0]}: status {answer.status}: {answer.body[:200]!r}")
    return answer
