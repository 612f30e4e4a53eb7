"""Locked files, folder permissions, and the list of libraries."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from seafleet.db import tables
from seafleet.library.feed import mark_permissions
from seafleet.library.model import Author
from tests.api.sync.conftest import Site
from tests.support.inprocess import InProcessServer
from tests.support.peer import FORM, Peer

Ask = Callable[..., Any]


@pytest.fixture
def ask(server: InProcessServer) -> Ask:
    """Asks for a list as clients do: the tokens stand in the body."""

    def send(what: str, *peers: Peer, ts: int = 0) -> Any:
        wanted = [{"repo_id": peer.library_id, "token": peer.token, "ts": ts} for peer in peers]
        answer = post(server, what, json.dumps(wanted).encode())
        assert answer.status_code == 200, answer.text
        return answer.json()

    return send


def post(server: InProcessServer, what: str, body: bytes) -> httpx.Response:
    return server.request("POST", f"/seafhttp/repo/{what}", content=body, headers=FORM)


# -- locks ---------------------------------------------------------------------------------------------------


def test_a_client_locks_and_unlocks_a_file(site: Site, peer: Peer, ask: Ask) -> None:
    peer.push({"d": {"a b": b"1"}})
    assert ask("locked-files", peer) == []
    assert peer.put("lock-file?p=d/a%20b").status_code == 200
    (locked,) = ask("locked-files", peer)
    assert locked["repo_id"] == peer.library_id
    assert locked["locked_files"] == [{"path": "d/a b", "by_me": 1}]
    assert peer.put("unlock-file?p=/d/a%20b").status_code == 200
    (unlocked,) = ask("locked-files", peer, ts=locked["ts"])
    assert unlocked["locked_files"] == []
    assert unlocked["ts"] > locked["ts"]


def test_others_see_who_does_not_hold_a_lock(site: Site, peer: Peer, ask: Ask) -> None:
    peer.push({"a": b"1"})
    peer.put("lock-file?p=a")
    (seen,) = ask("locked-files", site.reader())
    assert seen["locked_files"] == [{"path": "a", "by_me": 0}]


def test_only_what_changed_since_is_told(peer: Peer, ask: Ask) -> None:
    peer.push({"a": b"1", "b": b"1"})
    peer.put("lock-file?p=a")
    (first,) = ask("locked-files", peer)
    assert ask("locked-files", peer, ts=first["ts"]) == []
    peer.put("lock-file?p=b")
    (second,) = ask("locked-files", peer, ts=first["ts"])
    assert [each["path"] for each in second["locked_files"]] == ["a", "b"]


def test_a_lock_that_runs_out_is_told_when_it_is_cleared_away(site: Site, peer: Peer, ask: Ask) -> None:
    services = site.server.services
    until = services.clock.now() - timedelta(seconds=1)
    services.locks.lock(site.library.library_id, "/a", site.owner.id, until=until)
    (first,) = ask("locked-files", peer)
    assert first["locked_files"] == []
    services.locks.purge()
    (second,) = ask("locked-files", peer, ts=first["ts"])
    assert second["locked_files"] == []


def test_a_lock_of_somebody_else_is_neither_taken_nor_given_back(site: Site, peer: Peer) -> None:
    peer.push({"a": b"1"})
    member = site.server.account()
    site.share(member, "rw")
    theirs = site.peer(member)
    assert peer.put("lock-file?p=/a").status_code == 200
    assert peer.put("lock-file?p=/a").status_code == 200
    for call in ("lock-file", "unlock-file"):
        answer = theirs.put(f"{call}?p=/a")
        assert (answer.status_code, answer.text) == (403, "File a is locked\n")


@pytest.mark.parametrize(("path", "status"), [("", 400), ("/", 400), ("/none", 404), ("/d", 404)])
def test_only_files_are_locked(peer: Peer, path: str, status: int) -> None:
    peer.push({"d": {}})
    assert peer.put(f"lock-file?p={path}").status_code == status
    assert peer.put("lock-file").status_code == 400


def test_unlocking_what_is_not_locked_is_no_error(peer: Peer) -> None:
    assert peer.put("unlock-file?p=/none").status_code == 200


def test_who_may_not_write_to_a_folder_locks_nothing_in_it(site: Site, peer: Peer) -> None:
    peer.push({"shut": {"a": b"1"}, "b": b"1"})
    member = site.server.account()
    site.share(member, "rw")
    site.rule(member, "/shut", "r")
    assert site.peer(member).put("lock-file?p=/shut/a").status_code == 403
    assert site.peer(member).put("lock-file?p=/b").status_code == 200


# -- folder permissions --------------------------------------------------------------------------------------


def _mark(site: Site, library_id: str | None = None) -> None:
    payload = {"path": "/", "type": "user", "change_event": "add", "user": "", "group": 0, "perm": "r"}
    services, where = site.server.services, library_id or site.library.library_id
    services.db.write(lambda tx: mark_permissions(tx, where, payload, services.clock.timestamp()))


def test_a_client_gets_the_permissions_that_concern_its_account(site: Site, peer: Peer, ask: Ask) -> None:
    member, other = site.server.account(), site.server.account()
    for account in (member, other):
        site.share(account, "rw")
        site.rule(account, f"/{account.id}", "r")
    theirs = site.peer(member)
    assert ask("folder-perm", theirs) == []
    _mark(site)
    (told,) = ask("folder-perm", theirs)
    assert told["repo_id"] == site.library.library_id
    assert told["user_perms"] == [{"path": f"/{member.id}", "permission": "r"}]
    assert told["group_perms"] == []
    assert ask("folder-perm", theirs, ts=told["ts"]) == []
    (owned,) = ask("folder-perm", peer)
    assert owned["user_perms"] == []


def test_permissions_of_groups_stand_apart(site: Site, ask: Ask) -> None:
    member = site.server.account()
    site.share(member, "rw")
    site.group_rule(member, "/g", "r")
    _mark(site)
    (told,) = ask("folder-perm", site.peer(member))
    assert told["user_perms"] == []
    assert told["group_perms"] == [{"path": "/g", "permission": "r"}]


def test_a_sub_library_has_the_permissions_of_its_folder(site: Site, peer: Peer, ask: Ask) -> None:
    peer.push({"sub": {"in": {"a": b"1"}}, "out": {}})
    member = site.server.account()
    for path in ("/sub/in", "/out"):
        site.rule(member, path, "r")
    sub = site.server.services.sub_libraries.create(site.head(), "/sub", "sub", Author(site.owner.email))
    shown = Site(site.server, site.owner, sub)
    shown.share(member, "rw")
    _mark(site)
    (told,) = ask("folder-perm", shown.peer(member))
    assert told["user_perms"] == [{"path": "/in", "permission": "r"}]


# -- both ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["locked-files", "folder-perm"])
@pytest.mark.parametrize("body", [b"", b"{}", b"x", b"[1]", b'[{"repo_id": 1}]', b"\xff"])
def test_a_body_that_is_no_list_of_libraries_is_a_bad_request(
    server: InProcessServer, what: str, body: bytes
) -> None:
    assert post(server, what, body).status_code == 400


def test_libraries_that_a_token_does_not_open_are_left_out(site: Site, peer: Peer, ask: Ask) -> None:
    peer.push({"a": b"1"})
    peer.put("lock-file?p=a")
    _mark(site)
    stranger, unknown, gone = site.peer(site.server.account()), site.peer(), site.peer()
    unknown.token = "0" * 40
    gone.library_id = type(gone.library_id)("00000000-0000-4000-8000-000000000000")
    for what in ("locked-files", "folder-perm"):
        assert ask(what, stranger, unknown, gone) == []
        assert len(ask(what, stranger, peer)) == 1


# -- the list of libraries -----------------------------------------------------------------------------------


def test_a_drive_lists_what_an_account_may_see(site: Site, peer: Peer) -> None:
    member = site.server.account()
    site.share(member, "r")
    own = site.server.library(member)
    token = Site(site.server, member, own).peer().token
    url = f"{site.server.url}/seafhttp/accessible-repos"
    headers = {"Seafile-Repo-Token": token}
    answer = peer.http.get(f"{url}/?repo_id={own.library_id}", headers=headers)
    assert answer.status_code == 200
    assert peer.http.get(f"{url}?repo_id={own.library_id}", headers=headers).json() == answer.json()
    listed = {each["id"]: each for each in answer.json()}
    assert listed[own.library_id] == {
        "version": 1,
        "id": own.library_id,
        "head_commit_id": own.commit_id,
        "name": own.name,
        "mtime": int(own.updated_at.timestamp()),
        "permission": "rw",
        "type": "repo",
        "owner": member.email,
    }
    shared = listed[site.library.library_id]
    assert (shared["type"], shared["permission"], shared["owner"]) == ("srepo", "r", site.owner.email)


def test_the_list_wants_a_library_and_its_token(site: Site, peer: Peer) -> None:
    url = f"{site.server.url}/seafhttp/accessible-repos/"
    good = {"Seafile-Repo-Token": peer.token}
    bad = {"Seafile-Repo-Token": "0" * 40}
    assert peer.http.get(url, headers=good).status_code == 400
    assert peer.http.get(f"{url}?repo_id=x", headers=good).status_code == 400
    assert peer.http.get(f"{url}?repo_id={peer.library_id}").status_code == 400
    assert peer.http.get(f"{url}?repo_id={peer.library_id}", headers=bad).status_code == 400
    assert site.rows(tables.device_error) == []
