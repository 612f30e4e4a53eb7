"""The heads of many libraries at once."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from seafleet.db.engine import Database
from seafleet.sync.polls import HeadPolls
from tests.api.sync.conftest import Site
from tests.support.inprocess import InProcessServer
from tests.support.peer import FORM, Peer

Poll = Callable[[object], httpx.Response]
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def poll(server: InProcessServer) -> Poll:
    """Polls as clients do: without a token, announced as a form."""

    def send(wanted: object) -> httpx.Response:
        body = wanted if isinstance(wanted, bytes) else json.dumps(wanted).encode()
        return server.request("POST", "/seafhttp/repo/head-commits-multi/", content=body, headers=FORM)

    return send


def test_heads_come_by_library_and_unknown_ones_are_left_out(site: Site, peer: Peer, poll: Poll) -> None:
    other = site.server.library(site.owner)
    commit = peer.push({"a": b"1"})
    answer = poll([site.library.library_id, other.library_id, UNKNOWN])
    assert answer.status_code == 200
    assert answer.json() == {
        site.library.library_id: commit.commit_id,
        other.library_id: other.commit_id,
    }


def test_one_library_may_be_asked_for_alone(site: Site, poll: Poll) -> None:
    assert poll([site.library.library_id]).json() == {site.library.library_id: site.library.commit_id}
    assert poll([UNKNOWN]).json() == {}


def test_more_libraries_than_the_loop_looks_up_itself(site: Site, poll: Poll) -> None:
    wanted = [f"00000000-0000-4000-8000-{number:012}" for number in range(1000)]
    assert poll([*wanted, site.library.library_id]).json() == {
        site.library.library_id: site.library.commit_id
    }


def test_a_head_that_another_process_moved_is_seen_at_once(site: Site, peer: Peer, poll: Poll) -> None:
    poll([site.library.library_id])
    commit = peer.push({"a": b"1"})
    another = Database.open(site.server.settings.resolved_database_url)
    try:
        heads = HeadPolls(another).heads([site.library.library_id])
    finally:
        another.close()
    assert heads == {site.library.library_id: commit.commit_id}
    assert poll([site.library.library_id]).json() == heads


def test_the_path_is_served_with_and_without_a_slash(site: Site) -> None:
    for end in ("", "/"):
        answer = site.server.request(
            "POST", f"/seafhttp/repo/head-commits-multi{end}", content=json.dumps([UNKNOWN])
        )
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"x", b'["x"]', b"[1]", b"[null]", b'"a"', b"\xff", b"[["]
)
def test_what_is_no_list_of_libraries_is_a_bad_request(poll: Poll, body: bytes) -> None:
    assert poll(body).status_code == 400
