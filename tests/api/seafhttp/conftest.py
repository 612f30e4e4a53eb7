"""A server that the tests of the file server share; each makes accounts and libraries of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from seafleet.accounts.model import Account
from seafleet.library.model import Head
from tests.support.inprocess import InProcessServer


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcessServer]:
    """A server on SQLite."""
    with InProcessServer(tmp_path_factory.mktemp("files") / "data") as running:
        yield running


@dataclass
class Shelf:
    """One library of one account on a server."""

    server: InProcessServer
    owner: Account
    library: Head

    def token(self, operation: str, target: object, *, one_time: bool = False) -> str:
        """Return a token for this library."""
        return self.server.token(self.library, operation, target, self.owner, one_time=one_time)

    def upload_path(self, folder: str = "/", operation: str = "upload-api") -> str:
        """Return the path to upload to."""
        return f"/seafhttp/{operation}/{self.token('upload', {'parent_dir': folder})}"

    def upload(
        self, name: str, content: bytes, folder: str = "/", query: str = "", **fields: str
    ) -> httpx.Response:
        """Upload a file."""
        return self.server.request(
            "POST",
            self.upload_path(folder) + query,
            data={"parent_dir": folder, **fields},
            files={"file": (name, content)},
        )

    def download_path(self, path: str, operation: str = "download", *, one_time: bool = False) -> str:
        """Return the path to download a file from."""
        entry = self.server.entry(self.library, path)
        assert entry is not None
        return f"/seafhttp/files/{self.token(operation, entry.id, one_time=one_time)}/{entry.name}"

    def names(self, folder: str = "/") -> list[str]:
        """Return the names in a folder."""
        return self.server.names(self.library, folder)

    def content(self, path: str) -> bytes:
        """Return what is in a file."""
        return self.server.content(self.library, path)

    @property
    def description(self) -> str:
        """The text of the newest commit."""
        return self.server.description(self.library)


@pytest.fixture
def new_shelf(server: InProcessServer) -> Callable[..., Shelf]:
    """Makes libraries."""

    def make(**values: Any) -> Shelf:
        owner = server.account(**values)
        return Shelf(server, owner, server.library(owner))

    return make


@pytest.fixture
def shelf(new_shelf: Callable[..., Shelf]) -> Shelf:
    """An empty library of a new account."""
    return new_shelf()
