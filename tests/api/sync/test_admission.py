"""Who is let in, and in which order a request is looked at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import httpx
import pytest

from seafleet.actor import Actor
from seafleet.db import tables
from seafleet.library.model import Author
from tests.api.sync.conftest import Site
from tests.support.peer import Peer

ID: Final = "1" * 40
Call = tuple[str, str]
READING: Final[tuple[Call, ...]] = (
    ("GET", "permission-check/?op=download"),
    ("GET", "quota-check/?delta=0"),
    ("GET", "jwt-token"),
    ("GET", "commit/HEAD"),
    ("GET", f"commit/{ID}"),
    ("GET", f"fs-id-list/?server-head={ID}"),
    ("GET", f"start-fs-id-list/?server-head={ID}"),
    ("GET", "query-fs-id-list/?token=x"),
    ("GET", "retrieve-fs-id-list/?token=x"),
    ("POST", "pack-fs/"),
    ("POST", "check-fs/"),
    ("POST", "check-blocks/"),
    ("GET", f"block/{ID}"),
    ("GET", f"block-map/{ID}"),
)
WRITING: Final[tuple[Call, ...]] = (
    ("GET", "permission-check/?op=upload"),
    ("PUT", f"commit/{ID}"),
    ("PUT", f"commit/HEAD/?head={ID}"),
    ("POST", "recv-fs/"),
    ("PUT", f"block/{ID}"),
    ("PUT", "lock-file?p=/a"),
    ("PUT", "unlock-file?p=/a"),
)
ALL: Final = READING + WRITING
# These tell that a library is gone before they look at the token.
LIBRARY_FIRST: Final = {call for call in ALL if call[0] == "GET" and "permission-check" in call[1]} | {
    ("GET", "commit/HEAD")
}


def send(peer: Peer, call: Call, headers: dict[str, str] | None = None) -> httpx.Response:
    """Send a request, with an empty list as its body where it has one; `headers` replace the token."""
    method, path = call
    content = None if method == "GET" else b"[]"
    if headers is None:
        return peer.request(method, path, content=content)
    return peer.http.request(method, f"{peer.url}/{path}", content=content, headers=headers)


def statuses(
    peer: Peer, calls: Iterable[Call] = ALL, headers: dict[str, str] | None = None
) -> dict[Call, int]:
    """Return what each call is answered with."""
    return {call: send(peer, call, headers).status_code for call in calls}


def all_are(status: int, calls: Iterable[Call] = ALL) -> dict[Call, int]:
    """Return the same status for each call."""
    return dict.fromkeys(calls, status)


def test_a_request_without_a_token_is_a_bad_request(peer: Peer) -> None:
    assert statuses(peer, headers={}) == all_are(400)


@pytest.mark.parametrize("token", ["0" * 40, "short", "A" * 40])
def test_an_unknown_token_is_refused(peer: Peer, token: str) -> None:
    assert statuses(peer, headers={"Seafile-Repo-Token": token}) == all_are(403)


def test_a_token_of_another_library_is_refused(site: Site, peer: Peer) -> None:
    other = site.server.library(site.owner)
    actor = Actor(site.owner.id, site.owner.email)
    token = site.server.services.sync_tokens.issue(other.library_id, actor)
    assert statuses(peer, headers={"Seafile-Repo-Token": token}) == all_are(403)


def test_a_token_counts_only_while_its_account_may_read(site: Site) -> None:
    assert statuses(site.peer(site.server.account())) == all_are(403)


def test_readers_may_read_and_not_write(site: Site) -> None:
    reader = site.reader()
    assert statuses(reader, WRITING) == all_are(403, WRITING)
    assert not {401, 403, 444}.intersection(statuses(reader, READING).values())


def test_nobody_may_write_to_a_read_only_library(site: Site, peer: Peer) -> None:
    site.set_library(status=1)
    assert statuses(peer, WRITING) == all_are(403, WRITING)
    assert not {401, 403, 444}.intersection(statuses(peer, READING).values())


def test_that_a_library_is_gone_is_told_where_the_client_asks_first(site: Site, peer: Peer) -> None:
    site.server.services.library_bin.delete(site.library.library_id, Author(site.owner.email))
    expected = {call: 444 if call in LIBRARY_FIRST else 403 for call in ALL}
    assert statuses(peer) == expected
    assert statuses(peer, LIBRARY_FIRST, headers={}) == all_are(444, LIBRARY_FIRST)


def test_parameters_are_looked_at_before_the_library(site: Site, peer: Peer) -> None:
    site.server.services.library_bin.delete(site.library.library_id, Author(site.owner.email))
    assert peer.check("upload", client_ver="1").status_code == 400


def test_a_damaged_library_is_told_apart(site: Site, peer: Peer) -> None:
    site.set_library(is_damaged=True)
    calls = [call for call in ALL if call != ("GET", "commit/HEAD")]
    assert statuses(peer, calls) == all_are(445, calls)
    head = peer.get("commit/HEAD").json()
    assert head == {"is_corrupted": 1, "head_commit_id": site.library.commit_id}
    assert head["is_corrupted"] is not True


def test_that_a_library_is_damaged_is_told_before_the_token_is_looked_at(site: Site, peer: Peer) -> None:
    site.set_library(is_damaged=True)
    check = ("GET", "permission-check/?op=download")
    assert send(peer, check, headers={}).status_code == 445


def test_a_blocked_device_is_refused_with_the_reason(site: Site) -> None:
    actor, peer = site.on_device()
    site.set_device(actor, admin_state="LOST")
    assert statuses(peer) == all_are(403)
    for call in ALL:
        answer = send(peer, call)
        assert answer.json() == {"reason": "device blocked", "device_status": "LOST"}
        assert answer.headers["X-Device-Status"] == "LOST"


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"admin_state": "STOLEN"}, "STOLEN"),
        ({"admin_state": "DISABLED"}, "DISABLED"),
        ({"approval": "pending"}, "PENDING_APPROVAL"),
    ],
)
def test_every_state_that_blocks_has_its_word_and_ends_with_the_state(
    site: Site, values: dict[str, str], word: str
) -> None:
    actor, peer = site.on_device()
    assert peer.check().status_code == 200
    site.set_device(actor, **values)
    assert peer.check().json() == {"reason": "device blocked", "device_status": word}
    site.set_device(actor, admin_state="ACTIVE", approval="approved")
    assert peer.check().status_code == 200


def test_an_unlinked_device_is_refused_at_its_next_request(site: Site) -> None:
    actor, peer = site.on_device()
    assert peer.head() == site.library.commit_id
    assert actor.device is not None
    site.server.services.tokens.unlink(site.owner, "linux", actor.device.client_device_id)
    assert statuses(peer) == all_are(403)


def test_a_removed_device_is_refused(site: Site) -> None:
    actor, peer = site.on_device()
    site.set_device(actor, removed_at=1)
    assert statuses(peer) == all_are(403)


def test_a_share_that_ends_ends_syncing_at_once(site: Site) -> None:
    reader = site.reader()
    assert reader.check().status_code == 200
    site.unshare()
    assert statuses(reader) == all_are(403)


def test_a_disabled_account_is_refused(site: Site, peer: Peer) -> None:
    assert peer.check().status_code == 200
    accounts = tables.account
    site.write(accounts.update().where(accounts.c.id == site.owner.id).values(is_active=False))
    assert statuses(peer) == all_are(403)


def test_the_token_may_stand_in_the_authorization_header(peer: Peer) -> None:
    head = ("GET", "commit/HEAD")
    assert send(peer, head, {"Authorization": f"Token {peer.token}"}).status_code == 200
    both = {"Seafile-Repo-Token": peer.token, "Authorization": "Token " + "0" * 40}
    assert send(peer, head, both).status_code == 200
    assert send(peer, head, {"Authorization": "Token"}).status_code == 400


def test_a_slash_at_the_end_changes_nothing(peer: Peer) -> None:
    def with_other_end(path: str) -> str:
        place, mark, query = path.partition("?")
        return (place[:-1] if place.endswith("/") else place + "/") + mark + query

    others = [(method, with_other_end(path)) for method, path in ALL]
    assert list(statuses(peer, others).values()) == list(statuses(peer).values())


def test_paths_without_a_library_end_in_a_slash_or_not(site: Site, peer: Peer) -> None:
    ticket = [{"repo_id": site.library.library_id, "token": peer.token, "ts": 0}]
    listed = f"?repo_id={site.library.library_id}"
    calls: list[tuple[str, str, str, object]] = [
        ("GET", "/seafhttp/protocol-version", "", None),
        ("GET", "/seafhttp/accessible-repos", listed, None),
        ("POST", "/seafhttp/repo/locked-files", "", ticket),
        ("POST", "/seafhttp/repo/folder-perm", "", ticket),
        ("POST", "/seafhttp/repo/head-commits-multi", "", [site.library.library_id]),
        ("GET", "/notification/ping", "", None),
    ]
    headers = {"Seafile-Repo-Token": peer.token}
    for method, path, query, body in calls:
        for end in ("", "/"):
            answer = site.server.request(method, path + end + query, json=body, headers=headers)
            assert answer.status_code == 200, path + end


def test_an_upper_case_library_id_is_no_library(site: Site, peer: Peer) -> None:
    peer.url = peer.url.replace(site.library.library_id, "ABCDEF12-0000-4000-8000-000000000000")
    assert statuses(peer) == all_are(404)


def test_what_is_no_object_id_is_not_found(peer: Peer) -> None:
    calls = [
        (method, f"{kind}/{name}")
        for kind in ("commit", "block")
        for method in ("GET", "PUT")
        for name in ("A" * 40, "1" * 39, "1" * 41, "g" * 40)
    ]
    calls += [("GET", f"block-map/{name}") for name in ("A" * 40, "x")]
    assert statuses(peer, calls) == all_are(404, calls)
