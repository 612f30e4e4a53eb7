"""Blocks, small and large, sent and fetched."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator

import pytest

from seafleet.ids import ZERO_ID, ObjectId
from seafleet.store.contract import Kind
from seafleet.sync.blocks import MAX_BLOCK_BYTES
from tests.api.sync.conftest import Site
from tests.support.peer import Peer, make_tree

# What they store is tested on each database in tests/sync.
DATABASES = ("sqlite",)
SIZES = (1, 65_536, 65_537, 524_288, 1 << 20, (1 << 20) + 1, 3_000_001)


def content(size: int) -> bytes:
    """Return bytes that no other test sends."""
    return random.Random(size).randbytes(size)


def name_of(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


@pytest.mark.parametrize("size", SIZES)
def test_a_block_comes_back_as_it_was_sent(peer: Peer, size: int) -> None:
    data = content(size)
    answer = peer.put(f"block/{name_of(data)}", data)
    assert (answer.status_code, answer.content) == (200, b"")
    answer = peer.get(f"block/{name_of(data)}")
    assert answer.content == data
    assert answer.headers["Content-Length"] == str(size)
    assert peer.post("check-blocks/", [name_of(data)]).json() == []


@pytest.mark.parametrize("size", SIZES)
def test_a_block_of_another_name_is_refused_and_not_kept(site: Site, peer: Peer, size: int) -> None:
    data = content(size)
    wrong = name_of(data + b"x")
    assert peer.put(f"block/{wrong}", data).status_code == 400
    assert peer.get(f"block/{wrong}").status_code == 404
    assert set(peer.post("check-blocks/", [wrong, name_of(data)]).json()) == {wrong, name_of(data)}
    assert site.temporary_files() == []


def test_a_block_may_be_sent_again(peer: Peer) -> None:
    for size in (100, 2_000_000):
        data = content(size)
        for _ in range(2):
            assert peer.put(f"block/{name_of(data)}", data).status_code == 200


def test_a_block_may_come_without_a_length(peer: Peer) -> None:
    for size in (10, 2_000_000):
        data = content(size)
        pieces: Iterator[bytes] = (data[at : at + 100_000] for at in range(0, size, 100_000))
        headers = {"Seafile-Repo-Token": peer.token}
        answer = peer.http.put(f"{peer.url}/block/{name_of(data)}", content=pieces, headers=headers)
        assert answer.status_code == 200
        assert peer.block(name_of(data)) == data


def test_an_empty_block_is_refused(peer: Peer) -> None:
    empty = name_of(b"")
    assert peer.put(f"block/{empty}", b"").status_code == 400
    headers = {"Seafile-Repo-Token": peer.token}
    assert peer.http.put(f"{peer.url}/block/{empty}", content=iter(()), headers=headers).status_code == 400


def test_a_block_that_says_it_is_too_large_is_refused_before_it_is_sent(site: Site, peer: Peer) -> None:
    head = (
        f"PUT /seafhttp/repo/{peer.library_id}/block/{'1' * 40} HTTP/1.1\r\nHost: x\r\n"
        f"Seafile-Repo-Token: {peer.token}\r\nContent-Length: {MAX_BLOCK_BYTES + 1}\r\n\r\n"
    )
    assert site.server.raw(head.encode(), until=b"\r\n\r\n").startswith(b"HTTP/1.1 413 ")


def test_a_block_that_is_not_there_is_not_found(peer: Peer) -> None:
    assert peer.get(f"block/{'1' * 40}").status_code == 404
    assert peer.get(f"block/{ZERO_ID}").status_code == 404


def test_a_client_that_hangs_up_leaves_no_part_of_a_block(site: Site, peer: Peer) -> None:
    for size in (1000, 3_000_001):
        data = content(size)
        head = (
            f"PUT /seafhttp/repo/{peer.library_id}/block/{name_of(data)} HTTP/1.1\r\nHost: x\r\n"
            f"Seafile-Repo-Token: {peer.token}\r\nContent-Length: {size}\r\n\r\n"
        )
        site.server.raw(head.encode() + data[:-1], until=b"")
        site.server.settled()
        assert peer.get(f"block/{name_of(data)}").status_code == 404
    assert site.temporary_files() == []


def test_a_block_map_tells_the_sizes_in_order(site: Site, peer: Peer) -> None:
    small, large = content(10), content(100_000)
    ids = [ObjectId.of(small), ObjectId.of(large), ObjectId.of(small)]
    for data in (small, large):
        peer.put(f"block/{name_of(data)}", data)
    file_id = site.store_file(ids, 100_020)
    assert peer.get(f"block-map/{file_id}").json() == [10, 100_000, 10]


def test_a_block_map_of_nothing_known_is_not_found(site: Site, peer: Peer) -> None:
    assert peer.get(f"block-map/{'1' * 40}").status_code == 404
    file_id = site.store_file([ObjectId("2" * 40)], 1)
    assert peer.get(f"block-map/{file_id}").status_code == 404
    folder = make_tree({"a": b"1"})
    peer.push(folder)
    assert peer.get(f"block-map/{folder.root_id}").status_code in (400, 404)


def test_the_empty_file_has_no_blocks(peer: Peer) -> None:
    assert peer.get(f"block-map/{ZERO_ID}").json() == []


def test_blocks_of_another_library_are_not_there(site: Site, peer: Peer) -> None:
    data = content(77)
    peer.put(f"block/{name_of(data)}", data)
    other = Site(site.server, site.owner, site.server.library(site.owner)).peer()
    assert other.get(f"block/{name_of(data)}").status_code == 404
    assert other.post("check-blocks/", [name_of(data)]).json() == [name_of(data)]


def test_small_blocks_are_kept_as_rows_and_large_ones_as_blobs(site: Site, peer: Peer) -> None:
    small, large = content(65_536), content(65_537)
    for data in (small, large):
        peer.put(f"block/{name_of(data)}", data)
    store_id, objects = site.library.store_id, site.server.services.objects
    assert objects.blobs.stat(store_id, ObjectId.of(large)) is not None
    assert objects.blobs.stat(store_id, ObjectId.of(small)) is None
    assert set(objects.get_many(store_id, Kind.BLOCK, [ObjectId.of(small)])) == {name_of(small)}
