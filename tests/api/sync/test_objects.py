"""Listings and packs: what a client lacks, gets and sends."""

from __future__ import annotations

import json
import struct
import zlib

import pytest

from seafleet.formats.compression import compress, decompress
from seafleet.formats.frames import decode_frames, encode_frame, encode_frames
from seafleet.ids import ZERO_ID, ObjectId
from seafleet.store.contract import Kind
from tests.api.sync.conftest import Site
from tests.support.inprocess import InProcessServer
from tests.support.peer import Peer, Tree, make_tree, text_of

# What they store is tested on each database in tests/sync.
DATABASES = ("sqlite",)
MISSING = ObjectId("1" * 40)
FILES = {"a.txt": b"hello", "folder": {"b.txt": b"there", "deep": {"c": b"c"}}, "empty": b"", "void": {}}


# -- listing -------------------------------------------------------------------------------------------------


def test_a_new_client_lacks_every_object(peer: Peer) -> None:
    tree = make_tree(FILES, modifier=peer.email)
    head = peer.push(tree).commit_id
    assert sorted(peer.listing(head)) == sorted(tree.objects)


def test_a_client_lacks_only_what_changed(peer: Peer) -> None:
    first = peer.push(FILES).commit_id
    tree = make_tree({**FILES, "new": b"new"}, modifier=peer.email)
    second = peer.push(tree).commit_id
    new_file = make_tree({"new": b"new"}).objects.keys() - {make_tree({"new": b"new"}).root_id}
    assert sorted(peer.listing(second, first)) == sorted({tree.root_id, *new_file})
    assert peer.listing(second, second) == []


def test_a_drive_asks_for_folders_only(peer: Peer) -> None:
    tree = make_tree(FILES, modifier=peer.email)
    head = peer.push(tree).commit_id
    folders = [name for name, stored in tree.objects.items() if "dirents" in text_of(stored)]
    assert sorted(peer.listing(head, **{"dir-only": ""})) == sorted(folders)


def test_an_empty_library_has_no_objects(peer: Peer) -> None:
    assert peer.listing(peer.head()) == []


def test_a_client_that_is_too_far_behind_gets_everything(peer: Peer) -> None:
    tree = make_tree(FILES, modifier=peer.email)
    head = peer.push(tree).commit_id
    assert sorted(peer.listing(head, MISSING)) == sorted(tree.objects)


def test_a_library_of_too_many_files_is_not_listed(
    server: InProcessServer, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = server.services.settings
    monkeypatch.setattr(server.services, "settings", settings.model_copy(update={"sync_max_files": 2}))
    head = peer.push({"a": b"1", "d": {"b": b"2"}}).commit_id
    calls = ("fs-id-list/", "start-fs-id-list/")
    assert [peer.get(f"{call}?server-head={head}").status_code for call in calls] == [200, 200]
    head = peer.push({"a": b"1", "d": {"b": b"2", "c": b"3"}}).commit_id
    assert [peer.get(f"{call}?server-head={head}").status_code for call in calls] == [447, 447]
    # It can be made smaller all the same.
    head = peer.push({"a": b"1"}).commit_id
    assert peer.get(f"fs-id-list/?server-head={head}").status_code == 200


def test_a_listing_has_a_length_when_it_is_short(peer: Peer) -> None:
    answer = peer.get(f"fs-id-list/?server-head={peer.head()}")
    assert (answer.content, answer.headers["Content-Length"]) == (b"[]", "2")


def _wide() -> Tree:
    """Return a tree of many folders and one content, whose listing is longer than one piece."""
    return make_tree({f"folder {n}": {f"{n} {m}": b"all the same" for m in range(60)} for n in range(150)})


def test_a_long_listing_comes_in_pieces(peer: Peer) -> None:
    tree = _wide()
    answer = peer.get(f"fs-id-list/?server-head={peer.push(tree).commit_id}")
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert sorted(set(answer.json())) == sorted(tree.objects)


def test_a_folder_that_is_not_there_is_a_server_error(site: Site, peer: Peer) -> None:
    tree = make_tree({"a": {"b": {"c": {"d": b"1"}}}})
    commit = peer.push(tree)
    innermost = next(name for name, stored in tree.objects.items() if '"d"' in str(decompress(stored)))
    site.drop_object(Kind.FS, innermost)
    assert peer.get(f"fs-id-list/?server-head={commit.commit_id}").status_code == 500


def test_a_listing_that_breaks_off_is_seen_as_broken(site: Site, peer: Peer) -> None:
    tree = _wide()
    commit = peer.push(tree)
    walked_last = text_of(tree.objects[tree.root_id])["dirents"][0]["id"]
    site.drop_object(Kind.FS, walked_last)
    path = f"/seafhttp/repo/{peer.library_id}/fs-id-list/?server-head={commit.commit_id}"
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nSeafile-Repo-Token: {peer.token}\r\n\r\n"
    answer = site.server.raw(head.encode())
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert len(answer) > 60_000
    assert not answer.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("", "Invalid server-head parameter.\n"),
        ("server-head=x", "Invalid server-head parameter.\n"),
        (f"server-head={'A' * 40}", "Invalid server-head parameter.\n"),
        (f"server-head={MISSING}&client-head=x", "Invalid client-head parameter.\n"),
        (f"server-head={MISSING}&client-head=", "Invalid client-head parameter.\n"),
    ],
)
def test_a_head_that_is_no_id_is_a_bad_request(peer: Peer, query: str, text: str) -> None:
    for call in ("fs-id-list", "start-fs-id-list"):
        answer = peer.get(f"{call}/?{query}")
        assert (answer.status_code, answer.text) == (400, text)


def test_a_commit_that_is_not_there_is_a_server_error(peer: Peer) -> None:
    assert peer.get(f"fs-id-list/?server-head={MISSING}").status_code == 500


def test_a_tree_that_is_not_there_is_a_server_error(peer: Peer) -> None:
    commit = peer.make_commit(make_tree({"a": b"never sent"}), peer.head())
    assert peer.put_commit(commit).status_code == 200
    assert peer.get(f"fs-id-list/?server-head={commit.commit_id}").status_code == 500


def test_the_listing_in_three_steps_gives_the_same(peer: Peer) -> None:
    first = peer.push({"a": b"1"}).commit_id
    second = peer.push(FILES).commit_id
    query = f"server-head={second}&client-head={first}"
    token = peer.get(f"start-fs-id-list/?{query}").json()["token"]
    assert len(token) == 36
    asked = peer.get(f"query-fs-id-list/?token={token}").json()
    assert asked == {"success": True, "token": token}
    assert peer.get(f"retrieve-fs-id-list/?token={token}").json() == peer.listing(second, first)
    assert peer.get(f"query-fs-id-list/?token={token}").status_code == 404
    assert peer.get(f"retrieve-fs-id-list/?token={token}").status_code == 404


def test_a_started_listing_keeps_what_it_is_for(peer: Peer) -> None:
    head = peer.push(FILES).commit_id
    token = peer.get(f"start-fs-id-list/?server-head={head}&dir-only=1").json()["token"]
    expected = peer.listing(head, **{"dir-only": ""})
    assert peer.get(f"retrieve-fs-id-list/?token={token}").json() == expected


def test_a_started_listing_belongs_to_its_library(site: Site, peer: Peer) -> None:
    token = peer.get(f"start-fs-id-list/?server-head={peer.head()}").json()["token"]
    other = Site(site.server, site.owner, site.server.library(site.owner)).peer()
    assert other.get(f"retrieve-fs-id-list/?token={token}").status_code == 404
    assert peer.get(f"retrieve-fs-id-list/?token={token}").status_code == 200


def test_a_token_for_a_download_is_no_listing(site: Site, peer: Peer) -> None:
    token = site.server.token(site.library, "download", MISSING, site.owner)
    assert peer.get(f"query-fs-id-list/?token={token}").status_code == 404


# -- packs ---------------------------------------------------------------------------------------------------


def test_a_pack_holds_what_was_stored_byte_for_byte(peer: Peer) -> None:
    tree = make_tree(FILES, modifier=peer.email)
    peer.push(tree)
    wanted = list(tree.objects)[:2]
    answer = peer.post("pack-fs/", wanted)
    assert answer.headers["Content-Length"] == str(len(answer.content))
    assert decode_frames(answer.content) == [(name, tree.objects[name]) for name in wanted]
    assert peer.post("pack-fs/", []).content == b""


def test_an_id_that_is_asked_for_twice_comes_once(peer: Peer) -> None:
    tree = make_tree({"a": b"1"})
    peer.push(tree)
    answer = peer.post("pack-fs/", [tree.root_id, tree.root_id])
    assert len(decode_frames(answer.content)) == 1


def test_a_pack_ends_after_about_a_megabyte(site: Site, peer: Peer) -> None:
    large = [_incompressible(number) for number in range(4)]
    peer.post("recv-fs/", encode_frames(large))
    answer = peer.post("pack-fs/", [name for name, _ in large])
    sent = decode_frames(answer.content)
    assert sent == large[:3]
    assert decode_frames(peer.post("pack-fs/", [large[3][0]]).content) == large[3:]


def _incompressible(number: int) -> tuple[ObjectId, bytes]:
    """Return a file object of 400 kB whose text does not get smaller."""
    blocks = '", "'.join(ObjectId.of(b"%d %d" % (number, n)) for n in range(17_000))
    text = f'{{"block_ids": ["{blocks}"], "size": 1, "type": 1, "version": 1}}'.encode()
    stored = zlib.compress(text, 1)
    assert 350_000 < len(stored) < 500_000
    return ObjectId.of(text), stored


@pytest.mark.parametrize("body", [b"", b"x", b"{}", b'"a"', b"null", b"[", b"\xff"])
def test_a_body_that_is_no_list_is_a_bad_request(peer: Peer, body: bytes) -> None:
    for call in ("pack-fs/", "check-fs/", "check-blocks/"):
        assert peer.post(call, body).status_code == 400


@pytest.mark.parametrize("wanted", [["x"], ["A" * 40], [1], [None], [["1" * 40]], ["1" * 41]])
def test_a_pack_of_what_is_no_id_is_a_bad_request(peer: Peer, wanted: object) -> None:
    assert peer.post("pack-fs/", wanted).status_code == 400


@pytest.mark.parametrize("wanted", [MISSING, ZERO_ID])
def test_a_pack_of_what_is_missing_is_a_server_error(peer: Peer, wanted: str) -> None:
    tree = make_tree({"a": b"1"})
    peer.push(tree)
    assert peer.post("pack-fs/", [tree.root_id, wanted]).status_code == 500


# -- checks --------------------------------------------------------------------------------------------------


def test_checks_return_what_is_missing_in_order_and_pass_over_what_is_no_id(peer: Peer) -> None:
    tree = make_tree({"a": b"1", "b": b"2"})
    peer.push(tree)
    unknown = [f"{number:040x}" for number in range(1, 4)]
    fs = [unknown[2], tree.root_id, "x", unknown[0], 5, None, "A" * 40, *tree.objects, ZERO_ID]
    assert peer.post("check-fs/", fs).json() == [unknown[2], unknown[0]]
    blocks = [unknown[1], *tree.blocks, ZERO_ID]
    assert peer.post("check-blocks/", blocks).json() == [unknown[1], ZERO_ID]
    assert peer.post("check-fs/", []).json() == []


def test_many_ids_may_be_checked_at_once(peer: Peer) -> None:
    unknown = [f"{number:040x}" for number in range(1, 20_001)]
    assert peer.post("check-fs/", unknown).json() == unknown


# -- receiving -----------------------------------------------------------------------------------------------


def test_received_objects_are_stored_as_they_came(peer: Peer) -> None:
    text = b'{"block_ids": ["' + b"1" * 40 + b'"], "size": 1, "type": 1, "version": 1}'
    stored = zlib.compress(text, 1)
    object_id = ObjectId.of(text)
    answer = peer.post("recv-fs/", encode_frame(object_id, stored))
    assert (answer.status_code, answer.content) == (200, b"")
    assert peer.objects([object_id]) == {object_id: stored}


def test_objects_may_be_received_again(peer: Peer) -> None:
    tree = make_tree(FILES)
    frames = encode_frames(tree.objects.items())
    assert peer.post("recv-fs/", frames).status_code == 200
    assert peer.post("recv-fs/", frames).status_code == 200


def test_objects_come_in_any_number_of_pieces(site: Site, peer: Peer) -> None:
    tree = make_tree(FILES)
    frames = encode_frames(tree.objects.items())
    path = f"{peer.url}/recv-fs/"
    pieces = (frames[at : at + 7] for at in range(0, len(frames), 7))
    headers = {"Seafile-Repo-Token": peer.token}
    assert peer.http.post(path, content=pieces, headers=headers).status_code == 200
    assert peer.post("check-fs/", list(tree.objects)).json() == []


def _frame(object_id: str, length: int, data: bytes) -> bytes:
    return struct.pack(">40sI", object_id.encode(), length) + data


GOOD = b'{"block_ids": ["2222222222222222222222222222222222222222"], "size": 2, "type": 1, "version": 1}'
GOOD_ID = ObjectId.of(GOOD)
STORED = compress(GOOD)
BAD = {
    "nothing": b"",
    "less than a head": b"1" * 43,
    "an upper-case id": _frame(GOOD_ID.upper(), len(STORED), STORED),
    "an id that is none": _frame("x" * 40, len(STORED), STORED),
    "a length beyond the end": _frame(GOOD_ID, len(STORED) + 1, STORED),
    "a length before the end": _frame(GOOD_ID, len(STORED) - 1, STORED),
    "an empty object": _frame(GOOD_ID, 0, b""),
    "a giant": _frame(GOOD_ID, 2**32 - 1, STORED),
    "another object's name": _frame(MISSING, len(STORED), STORED),
    "the empty folder's name": _frame(ZERO_ID, len(STORED), STORED),
    "what is not compressed": _frame(GOOD_ID, len(GOOD), GOOD),
    "a cut stream": _frame(GOOD_ID, len(STORED) - 4, STORED[:-4]),
    "more after the stream": _frame(GOOD_ID, len(STORED) + 1, STORED + b"x"),
    "gzip": _frame(GOOD_ID, len(STORED), b"\x1f\x8b" + STORED[2:]),
    "a bomb": _frame(GOOD_ID, len(bomb := zlib.compress(b" " * (80 << 20), 9)), bomb),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_body_is_refused_and_nothing_of_it_is_stored(peer: Peer, kind: str) -> None:
    assert peer.post("recv-fs/", BAD[kind]).status_code == 400
    assert peer.post("check-fs/", [GOOD_ID]).json() == [GOOD_ID]


@pytest.mark.parametrize("kind", sorted(BAD.keys() - {"nothing"}))
def test_what_stood_before_a_bad_frame_is_not_stored_either(peer: Peer, kind: str) -> None:
    good = make_tree({"a": kind.encode()})
    body = encode_frames(good.objects.items()) + BAD[kind]
    assert peer.post("recv-fs/", body).status_code == 400
    assert set(peer.post("check-fs/", list(good.objects)).json()) == set(good.objects)


def test_a_client_that_hangs_up_leaves_nothing_behind(site: Site, peer: Peer) -> None:
    tree = make_tree(FILES)
    frames = encode_frames(tree.objects.items())
    head = (
        f"POST /seafhttp/repo/{peer.library_id}/recv-fs/ HTTP/1.1\r\nHost: x\r\n"
        f"Seafile-Repo-Token: {peer.token}\r\nContent-Length: {len(frames) + 100}\r\n\r\n"
    )
    site.server.raw(head.encode() + frames, until=b"")
    site.server.settled()
    assert set(peer.post("check-fs/", list(tree.objects)).json()) == set(tree.objects)


def test_bodies_are_read_by_their_endpoint_and_not_by_their_type(peer: Peer) -> None:
    tree = make_tree({"a": b"1=2&3=4"})
    headers = {"Content-Type": "application/json"}
    frames = encode_frames(tree.objects.items())
    assert peer.request("POST", "recv-fs/", content=frames, headers=headers).status_code == 200
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    body = json.dumps(list(tree.objects))
    assert peer.request("POST", "check-fs/", content=body, headers=headers).json() == []
