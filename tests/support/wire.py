"""HTTP as bytes: requests that no library would send, and answers as they come over the wire."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import quote_from_bytes

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
_SECONDS: Final = 20.0
"""An answer that takes longer counts as none."""


@dataclass(frozen=True)
class Answer:
    """A complete answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        """Return the values of a header, joined."""
        return ", ".join(value for known, value in self.headers if known.lower() == name.lower())

    def json(self) -> Any:
        """Return the body's JSON value."""
        return json.loads(self.body)


@dataclass
class Wire:
    """One connection to a server on this machine; opened anew when the server has closed it."""

    port: int
    token: str = ""
    _socket: socket.socket | None = field(default=None, repr=False)

    def request(
        self,
        method: str,
        target: str | bytes,
        headers: Iterable[str | bytes] = (),
        body: bytes = b"",
        *,
        length: int | None = None,
    ) -> Answer | None:
        """Send a request and return its answer, None when the server closes without one.

        Nothing is checked or escaped. `length` is what Content-Length says, if that is to be wrong.
        """
        lines = [_bytes(method) + b" " + _bytes(target) + b" HTTP/1.1", *map(_bytes, headers)]
        if not any(line.lower().startswith(b"host:") for line in lines[1:]):
            lines.append(b"Host: 127.0.0.1:%d" % self.port)
        if self.token and not any(line.lower().startswith(b"authorization:") for line in lines[1:]):
            lines.append(b"Authorization: Token " + self.token.encode())
        if body or length is not None:
            lines.append(b"Content-Length: %d" % (len(body) if length is None else length))
        return self.exchange(b"\r\n".join(lines) + b"\r\n\r\n" + body, method)

    def exchange(self, data: bytes, method: str = "GET", *, half_close: bool = False) -> Answer | None:
        """Send bytes and return one answer. Raises TimeoutError when there is none in time."""
        fresh = self._socket is None
        try:
            return self._exchange(data, method, half_close)
        except (ConnectionError, http.client.RemoteDisconnected):
            self.close()
            if fresh:
                return None
        try:  # the server may have closed the old connection before it saw this request
            return self._exchange(data, method, half_close)
        except (ConnectionError, http.client.RemoteDisconnected):
            self.close()
            return None

    def _exchange(self, data: bytes, method: str, half_close: bool) -> Answer:
        connection = self._connected()
        try:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # an early refusal may still be read
        response = http.client.HTTPResponse(connection, method=method)
        response.begin()
        answer = Answer(response.status, response.getheaders(), response.read())
        if half_close or response.will_close:
            self.close()
        return answer

    def connect(self) -> socket.socket:
        """Return a new connection of the caller's own."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = self.connect()
        return self._socket

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def escaped(text: str | bytes) -> str:
    """Return text or bytes percent-encoded, slashes as well."""
    return quote_from_bytes(_bytes(text), safe="")


def form(fields: Iterable[tuple[str, str | bytes]]) -> bytes:
    """Return a URL-encoded form of fields that need not be text."""
    return "&".join(f"{escaped(name)}={escaped(value)}" for name, value in fields).encode()


def multipart(
    fields: Iterable[tuple[str, str | bytes]],
    files: Iterable[tuple[str, str | bytes, bytes]] = (),
    boundary: str = "boundary",
) -> bytes:
    """Return a multipart body of fields and files, names as they are; send it as `multipart_type()`."""
    mark = f"--{boundary}\r\n".encode()
    parts = [
        mark + f'Content-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + _bytes(value) + b"\r\n"
        for name, value in fields
    ]
    for name, file_name, content in files:
        head = f'Content-Disposition: form-data; name="{name}"; filename="'.encode() + _bytes(file_name)
        parts.append(mark + head + b'"\r\n\r\n' + content + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode()


def multipart_type(boundary: str = "boundary") -> str:
    """Return the header line that goes with `multipart`."""
    return f"Content-Type: multipart/form-data; boundary={boundary}"
