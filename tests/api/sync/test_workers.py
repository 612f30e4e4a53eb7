"""Several server processes on one database: what one of them does holds for the clients of all."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.support.peer import Peer, make_tree
from tests.support.server import PASSWORD, ApiClient, RunningServer

CONNECTIONS = 8
PUSHES = 40
SOON_SECONDS = 30

_numbers = itertools.count(1)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def two_workers(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A server of two processes, once on each database."""
    folder = tmp_path_factory.mktemp("workers") / "data"
    server = RunningServer(folder, module_database_url, {"SEAFLEET_WORKERS": "2"}).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def people(two_workers: RunningServer) -> tuple[ApiClient, ApiClient]:
    """Who shares, and with whom."""
    return two_workers.user("owner"), two_workers.user("member")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What the test opens, to be closed at its end."""
    with ExitStack() as opened:
        yield opened


def peers_of(user: ApiClient, library_id: str, count: int, stack: ExitStack) -> list[Peer]:
    """Return sync clients with one token, and a connection each: to the one worker or to the other."""
    token = user.json("GET", f"/api2/repos/{library_id}/download-info/")["token"]
    return [
        Peer(
            user.server.url,
            library_id,
            token,
            email=user.email,
            http=stack.enter_context(httpx.Client(timeout=120)),
        )
        for _ in range(count)
    ]


# -- changes -------------------------------------------------------------------------------------------------


def test_a_change_through_any_worker_reaches_the_clients_of_all(
    two_workers: RunningServer, people: tuple[ApiClient, ApiClient], stack: ExitStack
) -> None:
    user, _ = people
    library_id = user.create_library()
    peers = peers_of(user, library_id, 5, stack)
    ticket = {"id": library_id, "jwt_token": peers[0].get("jwt-token").json()["jwt_token"]}
    address = f"ws://127.0.0.1:{two_workers.port}/notification"
    sockets = [stack.enter_context(connect(address)) for _ in range(CONNECTIONS)]
    for socket in sockets:
        socket.send(json.dumps({"type": "subscribe", "content": {"repos": [ticket]}}))
        assert _heard(socket) == peers[0].head()
    for number, peer in enumerate(peers):
        commit = peer.push(make_tree({f"{number}": b"%d" % number}))
        assert [_heard(socket) for socket in sockets] == [commit.commit_id] * CONNECTIONS
        assert {each.head() for each in peers} == {commit.commit_id}


def _heard(socket: Any) -> str:
    message = json.loads(socket.recv(SOON_SECONDS))
    assert message["type"] == "repo-update"
    commit_id: str = message["content"]["commit_id"]
    return commit_id


def test_forty_pushes_at_once_to_two_workers_lose_nothing(
    people: tuple[ApiClient, ApiClient], stack: ExitStack
) -> None:
    user, _ = people
    library_id = user.create_library()
    peers = peers_of(user, library_id, PUSHES, stack)
    base = peers[0].push({"old": b"old", "both": b"base"}).commit_id
    ready = threading.Barrier(PUSHES)

    def push(number: int) -> int:
        files = {"old": b"old", "both": b"%d" % number, f"new {number}": b"%d" % number}
        commit = peers[number].begin(files, base)
        ready.wait(120)
        statuses = [peers[number].put_head(commit.commit_id).status_code for _ in range(2)]
        assert peers[number].get(f"commit/{commit.commit_id}").status_code == 200
        return max(statuses)

    with ThreadPoolExecutor(PUSHES) as pool:
        assert set(pool.map(push, range(PUSHES))) == {200}
    files = peers[0].clone()
    assert {name: files.pop(name) for name in [f"new {n}" for n in range(PUSHES)]} == {
        f"new {n}": b"%d" % n for n in range(PUSHES)
    }
    assert files.pop("old") == b"old"
    # One of the forty versions has the name, every other one a name of its own; each is there once.
    assert sorted(files.values()) == sorted(b"%d" % n for n in range(PUSHES))
    assert all(name == "both" or name.startswith("both (SFConflict ") for name in files)


# -- what ends a client's access -----------------------------------------------------------------------------


@dataclass
class Member:
    """Somebody whose desktop keeps a library of another account in step, through both workers."""

    owner: ApiClient
    user: ApiClient
    device_id: str
    library_id: str
    peers: list[Peer]

    def answers(self) -> set[int]:
        """Return how each connection's questions are answered: may I, what is the head, give me a block."""
        return {answer.status_code for peer in self.peers for answer in _questions(peer)}


def _questions(peer: Peer) -> tuple[httpx.Response, ...]:
    block_id = next(iter(make_tree({"a": b"1"}).blocks))
    return (
        peer.check(),
        peer.get("commit/HEAD"),
        peer.get(f"block/{block_id}"),
        peer.put(f"block/{block_id}", b"1"),
    )


@pytest.fixture
def member(people: tuple[ApiClient, ApiClient], stack: ExitStack) -> Member:
    """A member that is let in, as both workers have just seen."""
    return let_in(*people, stack)


def let_in(owner: ApiClient, person: ApiClient, stack: ExitStack) -> Member:
    """Share a library, and have it kept in step on a new device."""
    library_id = owner.create_library("shared")
    shared = {"share_type": "personal", "permission": "rw", "users": person.email}
    owner.json("PUT", f"/api2/shared-repos/{library_id}/", params=shared)
    device_id = f"{next(_numbers):040x}"
    form = {"username": person.email, "password": PASSWORD, "device_name": "desk"}
    form |= {"platform": "linux", "device_id": device_id, "client_version": "", "platform_version": ""}
    answer = person.http.post("/api2/auth-token/", data=form)
    on_device = ApiClient(owner.server, person.email, PASSWORD, answer.json()["token"])
    peers = peers_of(on_device, library_id, CONNECTIONS, stack)
    peers[0].push({"a": b"1"})
    made = Member(owner, on_device, device_id, library_id, peers)
    assert made.answers() == {200}
    return made


def _unlink(member: Member) -> None:
    answer = member.user.delete("/api2/devices/", data={"platform": "linux", "device_id": member.device_id})
    assert answer.json() == {"success": True}


def _change_password(member: Member) -> None:
    _command(member, "passwd", "--password-stdin", stdin=PASSWORD)


def _command(member: Member, *words: str, stdin: str = "") -> None:
    done = member.user.server.command("user", *words, member.user.email, stdin=stdin)
    assert done.returncode == 0, done.stderr


def _unshare(member: Member) -> None:
    params = {"share_type": "personal", "user": member.user.email}
    answer = member.owner.delete(f"/api2/shared-repos/{member.library_id}/", params=params)
    assert answer.status_code == 200, answer.text


def _log_out(member: Member) -> None:
    member.user.json("POST", "/api2/logout-device/")


@pytest.mark.parametrize("end", [_unlink, _change_password, _unshare, _log_out])
def test_what_ends_access_does_so_at_the_next_request_to_any_worker(
    member: Member, end: Callable[[Member], None]
) -> None:
    end(member)
    assert member.answers() == {403}
    assert member.owner.names(member.library_id) == ["a"]


def test_a_disabled_account_is_refused_at_its_next_request_to_any_worker(
    two_workers: RunningServer, people: tuple[ApiClient, ApiClient], stack: ExitStack
) -> None:
    leaver = let_in(people[0], two_workers.user("leaver"), stack)
    _command(leaver, "disable")
    assert leaver.answers() == {403}


def test_a_share_that_becomes_read_only_ends_pushing_at_the_next_request_to_any_worker(
    member: Member,
) -> None:
    shared = {"share_type": "personal", "permission": "r", "users": member.user.email}
    member.owner.json("PUT", f"/api2/shared-repos/{member.library_id}/", params=shared)
    assert {peer.check("upload").status_code for peer in member.peers} == {403}
    assert {peer.put(f"block/{'1' * 40}", b"1").status_code for peer in member.peers} == {403}
    assert {peer.check().status_code for peer in member.peers} == {200}


def test_a_deleted_library_is_told_at_the_next_request_to_any_worker(member: Member) -> None:
    member.owner.json("DELETE", f"/api2/repos/{member.library_id}/")
    assert {peer.check().status_code for peer in member.peers} == {444}
    assert {peer.get("commit/HEAD").status_code for peer in member.peers} == {444}
    assert {peer.get(f"block/{'1' * 40}").status_code for peer in member.peers} == {403}
