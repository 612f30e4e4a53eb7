"""News by web socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from seafleet.api.sync import notifications
from seafleet.db.engine import Database
from seafleet.devices.model import DeviceInfo
from seafleet.devices.origin import Origin
from seafleet.library.edits import MakeFolder
from seafleet.library.feed import announce, mark_permissions
from seafleet.library.heads import HEAD_CHANGED
from seafleet.library.model import Author
from seafleet.sync.subscriptions import LIFETIME_SECONDS
from tests.api.sync.conftest import Site
from tests.support.inprocess import InProcessServer
from tests.support.peer import Peer

Connect = Callable[[], AbstractContextManager[ClientConnection]]
SOON_SECONDS = 5


@pytest.fixture
def connected(server: InProcessServer) -> Connect:
    """Opens a web socket to the server."""

    @contextmanager
    def opened() -> Iterator[ClientConnection]:
        with connect(f"ws://127.0.0.1:{server.port}/notification", open_timeout=SOON_SECONDS) as socket:
            yield socket

    return opened


def say(socket: ClientConnection, word: str, *repos: dict[str, str]) -> None:
    socket.send(json.dumps({"type": word, "content": {"repos": list(repos)}}))


def subscribe(socket: ClientConnection, *peers: Peer) -> None:
    tokens = [(peer.library_id, peer.get("jwt-token").json()["jwt_token"]) for peer in peers]
    say(socket, "subscribe", *({"id": name, "jwt_token": token} for name, token in tokens))
    told = [hear(socket) for _ in peers]
    assert {each["type"] for each in told} == {"repo-update"}
    heads = {each["content"]["repo_id"]: each["content"]["commit_id"] for each in told}
    assert heads == {peer.library_id: peer.head() for peer in peers}


def settle(socket: ClientConnection) -> None:
    """Return when the server has done what it was told so far: it answers in order."""
    say(socket, "subscribe", {"id": "settled", "jwt_token": ""})
    assert hear(socket) == {"type": "jwt-expired", "content": {"repo_id": "settled"}}


def hear(socket: ClientConnection) -> Any:
    return json.loads(socket.recv(SOON_SECONDS))


def change(site: Site, path: str) -> str:
    """Make a folder as the web would; return the new head."""
    edit, author = MakeFolder(path), Author(site.owner.email)
    return site.server.services.libraries.commit_edit(site.library.library_id, author, edit).commit_id


def update_of(site: Site, commit_id: str) -> dict[str, Any]:
    return {"type": "repo-update", "content": {"repo_id": site.library.library_id, "commit_id": commit_id}}


def test_the_server_says_that_it_notifies(server: InProcessServer) -> None:
    for path in ("/notification/ping", "/notification/ping/"):
        assert server.request("GET", path).json() == {"ret": "pong"}


def test_who_subscribes_is_told_the_head_which_it_may_have_missed(
    site: Site, peer: Peer, connected: Connect
) -> None:
    commit_id = change(site, "/just before")
    token = peer.get("jwt-token").json()["jwt_token"]
    with connected() as socket:
        say(socket, "subscribe", {"id": peer.library_id, "jwt_token": token})
        assert hear(socket) == update_of(site, commit_id)


def test_a_change_reaches_who_subscribed(site: Site, peer: Peer, connected: Connect) -> None:
    with connected() as socket:
        subscribe(socket, peer)
        assert hear_after(socket, lambda: change(site, "/web")) == update_of(site, peer.head())
        commit = peer.push({"a": b"1"}, peer.head())
        assert hear(socket) == update_of(site, commit.commit_id)


def hear_after(socket: ClientConnection, action: Callable[[], object]) -> Any:
    action()
    return hear(socket)


def test_a_change_that_another_process_made_arrives_too(site: Site, peer: Peer, connected: Connect) -> None:
    another = Database.open(site.server.settings.resolved_database_url)
    payload, library_id = {"commit_id": "1" * 40}, site.library.library_id
    try:
        with connected() as socket:
            subscribe(socket, peer)
            another.write(lambda tx: announce(tx, HEAD_CHANGED, library_id, payload, 1))
            assert hear(socket) == update_of(site, "1" * 40)
    finally:
        another.close()


def test_every_subscriber_hears_of_its_own_libraries_only(site: Site, peer: Peer, connected: Connect) -> None:
    other = Site(site.server, site.owner, site.server.library(site.owner))
    with connected() as first, connected() as second:
        subscribe(first, peer)
        subscribe(second, peer, other.peer())
        change(other, "/x")
        commit_id = change(site, "/y")
        assert hear(first) == update_of(site, commit_id)
        assert hear(second) == update_of(other, other.head().commit_id)
        assert hear(second) == update_of(site, commit_id)


def test_who_unsubscribes_hears_nothing_more(site: Site, peer: Peer, connected: Connect) -> None:
    other = Site(site.server, site.owner, site.server.library(site.owner))
    with connected() as socket:
        subscribe(socket, peer, other.peer())
        say(socket, "unsubscribe", {"id": peer.library_id}, {"id": "unknown"})
        settle(socket)
        change(site, "/x")
        change(other, "/y")
        assert hear(socket) == update_of(other, other.head().commit_id)


def test_locks_and_folder_permissions_are_told(site: Site, peer: Peer, connected: Connect) -> None:
    services, library_id = site.server.services, site.library.library_id
    payload = {"path": "/d", "type": "user", "change_event": "add", "user": "u", "group": 0, "perm": "r"}
    with connected() as socket:
        subscribe(socket, peer)
        services.locks.lock(library_id, "/a", site.owner.id)
        assert hear(socket) == {
            "type": "file-lock-changed",
            "content": {
                "repo_id": library_id,
                "path": "/a",
                "change_event": "locked",
                "lock_user": site.owner.email,
            },
        }
        services.locks.unlock(library_id, "/a", site.owner.id)
        assert hear(socket)["content"]["change_event"] == "unlocked"
        services.db.write(lambda tx: mark_permissions(tx, library_id, payload, 1))
        assert hear(socket) == {
            "type": "folder-perm-changed",
            "content": {"repo_id": library_id, **payload},
        }


@pytest.mark.parametrize("token", ["", "x", "a.b.c"])
def test_a_token_that_is_not_ours_is_told_to_be_renewed(site: Site, connected: Connect, token: str) -> None:
    with connected() as socket:
        say(socket, "subscribe", {"id": site.library.library_id, "jwt_token": token})
        assert hear(socket) == {
            "type": "jwt-expired",
            "content": {"repo_id": site.library.library_id},
        }


def test_a_token_opens_its_own_library_only(site: Site, peer: Peer, connected: Connect) -> None:
    other = site.server.library(site.owner)
    token = peer.get("jwt-token").json()["jwt_token"]
    with connected() as socket:
        say(socket, "subscribe", {"id": other.library_id, "jwt_token": token})
        assert hear(socket)["type"] == "jwt-expired"


def test_a_token_of_somebody_who_lost_access_opens_nothing(site: Site, connected: Connect) -> None:
    reader = site.reader()
    token = reader.get("jwt-token").json()["jwt_token"]
    site.unshare()
    with connected() as socket:
        say(socket, "subscribe", {"id": site.library.library_id, "jwt_token": token})
        assert hear(socket)["type"] == "jwt-expired"


def test_subscriptions_end_with_the_right_to_read(
    site: Site, connected: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "CHECK_SECONDS", 0)
    reader = site.reader()
    with connected() as socket:
        subscribe(socket, reader)
        site.unshare()
        assert hear(socket) == {
            "type": "jwt-expired",
            "content": {"repo_id": site.library.library_id},
        }


def test_who_lost_access_hears_of_no_change_any_more(site: Site, peer: Peer, connected: Connect) -> None:
    reader = site.reader()
    with connected() as socket, connected() as owners:
        subscribe(socket, reader)
        subscribe(owners, peer)
        site.unshare()
        site.server.services.access.forget()
        commit_id = change(site, "/unheard of")
        assert hear(socket) == {
            "type": "jwt-expired",
            "content": {"repo_id": site.library.library_id},
        }
        assert hear(owners) == update_of(site, commit_id)


def test_a_device_that_is_blocked_hears_of_no_change_any_more(site: Site, connected: Connect) -> None:
    services = site.server.services
    info = DeviceInfo.of("linux", "d" * 40, "desk")
    actor = services.tokens.resolve(services.tokens.connect(site.owner, info).token).actor
    assert actor.device is not None
    library_id = site.library.library_id
    bound = site.peer(actor)
    token = bound.get("jwt-token").json()["jwt_token"]
    with connected() as socket:
        subscribe(socket, bound)
        lost = services.registry.actions.set_status("LOST")
        services.registry.apply(actor.device.device_id, lost, Origin("task", "test", "system"))
        change(site, "/unheard of")
        assert hear(socket) == {"type": "jwt-expired", "content": {"repo_id": library_id}}
        say(socket, "subscribe", {"id": library_id, "jwt_token": token})
        assert hear(socket)["type"] == "jwt-expired"


def test_a_token_says_who_and_for_how_long(site: Site, peer: Peer) -> None:
    token = peer.get("jwt-token").json()["jwt_token"]
    found = site.server.services.sync.subscriptions.read(token)
    assert (found.library_id, found.email) == (site.library.library_id, site.owner.email)
    now = site.server.services.clock.timestamp()
    assert found.expires_at == pytest.approx(now + LIFETIME_SECONDS, abs=5)


@pytest.mark.parametrize("text", ["", "x", "[]", '{"type": "shout"}', '{"type": 1}', '{"content": {}}'])
def test_who_says_something_else_is_cut_off(connected: Connect, text: str) -> None:
    with connected() as socket:
        socket.send(text)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(SOON_SECONDS)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1002


def test_a_message_that_is_too_large_is_cut_off(connected: Connect) -> None:
    with connected() as socket:
        socket.send("x" * (notifications.MAX_MESSAGE_BYTES + 1))
        with pytest.raises(ConnectionClosed):
            socket.recv(SOON_SECONDS)


def test_other_paths_have_no_web_socket(server: InProcessServer) -> None:
    with (
        pytest.raises(InvalidStatus) as refused,
        connect(f"ws://127.0.0.1:{server.port}/elsewhere", open_timeout=SOON_SECONDS),
    ):
        pass
    assert refused.value.response.status_code == 403
