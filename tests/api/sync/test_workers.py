"""Several server processes on one database: a change reaches the clients of all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.support.peer import Peer, make_tree
from tests.support.server import RunningServer

CONNECTIONS = 8
SOON_SECONDS = 10

pytestmark = pytest.mark.slow


@pytest.fixture
def two_workers(tmp_path: Path) -> Iterator[RunningServer]:
    """A server of two processes."""
    server = RunningServer(tmp_path / "data", settings={"SEAFLEET_WORKERS": "2"}).start()
    yield server
    server.stop()


def test_a_change_through_any_worker_reaches_the_clients_of_all(two_workers: RunningServer) -> None:
    user = two_workers.user()
    library_id = user.create_library()
    token = user.json("GET", f"/api2/repos/{library_id}/download-info/")["token"]
    peer = Peer(two_workers.url, library_id, token, email=user.email, http=user.http)
    ticket = {"id": library_id, "jwt_token": peer.get("jwt-token").json()["jwt_token"]}
    address = f"ws://127.0.0.1:{two_workers.port}/notification"
    with ExitStack() as stack:
        sockets = [stack.enter_context(connect(address)) for _ in range(CONNECTIONS)]
        for socket in sockets:
            socket.send(json.dumps({"type": "subscribe", "content": {"repos": [ticket]}}))
            assert _heard(socket) == peer.head()
        for number in range(4):
            # A connection of its own, perhaps to the other worker.
            peer.http = stack.enter_context(httpx.Client(timeout=60))
            commit = peer.push(make_tree({f"{number}": b"%d" % number}))
            assert [_heard(socket) for socket in sockets] == [commit.commit_id] * CONNECTIONS
            assert peer.head() == commit.commit_id


def _heard(socket: Any) -> str:
    message = json.loads(socket.recv(SOON_SECONDS))
    assert message["type"] == "repo-update"
    commit_id: str = message["content"]["commit_id"]
    return commit_id
