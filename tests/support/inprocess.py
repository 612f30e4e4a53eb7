"""A real server in a thread of this process: requests go over sockets, and tests may look behind it."""

from __future__ import annotations

import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import httpx
import uvicorn

from seafleet.accounts.model import Account
from seafleet.actor import Actor
from seafleet.api.services import Services
from seafleet.app import Server, create_app
from seafleet.formats.fs import Dirent
from seafleet.library.model import Head
from seafleet.settings import Settings

_numbers = itertools.count(1)
_START_SECONDS = 20.0
_STOP_SECONDS = 20.0


class InProcessServer:
    """The application under uvicorn in a thread, and its services."""

    def __init__(self, data: Path, **settings: Any) -> None:
        self.data = data
        values = {"admin_password": "an administrator's", "access_log": False, "log_level": "error"}
        self.settings = Settings.load(data=data, **{**values, **settings})
        self.app: Server
        self.http: httpx.Client
        self.port = 0

    def start(self) -> Self:
        """Serve on a free port, the same one after a stop."""
        # The listener first: with it nothing is left open when its port is taken.
        listener = socket.create_server(("127.0.0.1", self.port))
        try:
            self.app = create_app(self.settings)
        except BaseException:
            listener.close()
            raise
        self.http = httpx.Client(timeout=60)
        self.port = int(listener.getsockname()[1])
        config = uvicorn.Config(
            self.app,
            loop="uvloop",
            http="httptools",
            ws="websockets-sansio",
            log_config=None,
            access_log=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="test-server")
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                listener.close()
                self.stop()
                raise RuntimeError("the server did not start")
            time.sleep(0.005)
        return self

    def stop(self) -> None:
        """Stop serving and close the services."""
        self.http.close()
        self._server.should_exit = True
        self._thread.join(_STOP_SECONDS)
        assert not self._thread.is_alive(), "the server did not stop"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def services(self) -> Services:
        """What the server works with."""
        return self.app.services

    def settled(self) -> None:
        """Return when no request is being worked on, here or in threads."""
        self._wait(lambda: not self._server.server_state.tasks)

    @staticmethod
    def _wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _STOP_SECONDS
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.001)

    # -- people and libraries ----------------------------------------------------------------------------

    def account(self, **values: Any) -> Account:
        """Make an account that no other test uses; it cannot log in."""
        return self.services.accounts.create(f"user-{next(_numbers)}@example.com", None, **values)

    def library(self, owner: Account, **values: Any) -> Head:
        """Make an empty library."""
        return self.services.libraries.create(owner.id, f"library {next(_numbers)}", **values)

    def head(self, library: Head) -> Head:
        """Return the library as it is now."""
        return self.services.libraries.get(library.library_id)

    def token(
        self, library: Head, operation: str, target: object, owner: Account, *, one_time: bool = False
    ) -> str:
        """Return a file server token; `target` is an object id, or becomes JSON."""
        text = target if isinstance(target, str) else json.dumps(target)
        actor = Actor(owner.id, owner.email)
        return self.services.access_tokens.issue(library.library_id, operation, text, actor, one_time)

    def api_token(self, owner: Account) -> str:
        """Return an API token of an account."""
        return self.services.tokens.issue_plain(owner)

    def listeners(self, library: Head) -> int:
        """Return how many connected clients are told of changes of a library."""
        return len(self.app._notifications._by_library.get(library.library_id, ()))

    # -- what is in libraries ----------------------------------------------------------------------------

    def entry(self, library: Head, path: str) -> Dirent | None:
        """Return the entry at a path now."""
        head = self.head(library)
        return self.services.trees.find(head.store_id, head.root_id, path)

    def names(self, library: Head, path: str = "/") -> list[str]:
        """Return the names in a folder now, in ascending order."""
        head = self.head(library)
        _, folder = self.services.trees.folder(head.store_id, head.root_id, path)
        return sorted(entry.name for entry in folder)

    def content(self, library: Head, path: str) -> bytes:
        """Return the content of a file of a library that is not encrypted."""
        found = self.entry(library, path)
        assert found is not None, f"{path} is not there"
        contents = self.services.transfers.contents
        reader = contents.whole(library.store_id, contents.file(library.store_id, found.id))
        return b"".join(iter(reader.read, b""))

    def description(self, library: Head) -> str:
        """Return the text of the newest commit."""
        head = self.head(library)
        return self.services.libraries.commits.get(head.library_id, head.commit_id).description

    # -- requests ----------------------------------------------------------------------------------------

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request through a proper client."""
        return self.http.request(method, self.url + path, **options)

    def raw(self, *pieces: bytes, until: bytes | None = None) -> bytes:
        """Send bytes as they are, on a connection of their own; return all that comes back until it closes.

        With `until`, hang up as soon as that has come; an empty one hangs up when the request has begun.
        """
        received = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            for piece in pieces:
                connection.sendall(piece)
            if until == b"":
                self._wait(lambda: bool(self._server.server_state.tasks))
            while until is None or until not in received:
                data = connection.recv(65536)
                if not data:
                    break
                received += data
        return received


def multipart(
    parts: Iterable[tuple[str, str | None, bytes]], boundary: str = "test-boundary"
) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a form of (name, file name or None, content), in this order."""
    body = b""
    for name, file_name, content in parts:
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'.encode()
        if file_name is not None:
            body += f'; filename="{file_name}"\r\nContent-Type: application/octet-stream'.encode()
        body += b"\r\n\r\n" + content + b"\r\n"
    body += f"--{boundary}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def head_of(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    """Return the head of a request, for `InProcessServer.raw`."""
    lines = [f"{method} {path} HTTP/1.1", "Host: files.example.com", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
