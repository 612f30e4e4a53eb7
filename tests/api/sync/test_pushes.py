"""Commits pushed by clients: what becomes of the head."""

from __future__ import annotations

import dataclasses
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from seafleet.db import tables
from seafleet.formats.commit import Commit, encode
from seafleet.formats.compression import compress
from seafleet.formats.fs import Directory, Dirent, FileObject, encode_directory, encode_file
from seafleet.ids import ZERO_ID, ObjectId
from seafleet.library.edits import MakeFolder
from seafleet.library.model import Author
from seafleet.store.contract import Kind
from seafleet.store.generation import advance
from tests.api.sync.conftest import Site
from tests.support.peer import Peer, Tree, make_tree

MISSING = ObjectId("1" * 40)


# -- the head moves ------------------------------------------------------------------------------------------


def test_a_pushed_tree_is_cloned_as_it_was(site: Site, peer: Peer) -> None:
    files = {"a.txt": b"hello", "folder": {"b": b"x" * 100_000, "inner": {}}, "empty": b""}
    commit = peer.push(files)
    assert peer.head() == commit.commit_id
    assert site.peer().clone() == files


def test_a_commit_comes_back_byte_for_byte(peer: Peer) -> None:
    commit = peer.make_commit(make_tree({}), peer.head())
    text = encode(commit).replace(b'"repo_category": null', b'"repo_category":null, "unknown": [1]')
    assert peer.put(f"commit/{commit.commit_id}", text).status_code == 200
    assert peer.put_head(commit.commit_id).status_code == 200
    assert peer.get(f"commit/{commit.commit_id}").content == text


def test_sums_and_records_follow_a_push(site: Site, peer: Peer) -> None:
    peer.push({"a": b"x" * 100, "d": {"b": b"y" * 50}})
    commit = peer.push({"a": b"x" * 100, "d": {"b": b"y" * 70}})
    head = site.head()
    assert (head.size_bytes, head.file_count) == (170, 2)
    assert (head.last_modifier, head.commit_id) == (peer.email, commit.commit_id)
    newest = max(site.rows(tables.activity), key=lambda row: row.id)
    assert (newest.op_type, newest.obj_type, newest.path) == ("edit", "file", "/d/b")
    assert (newest.op_user, newest.commit_id) == (peer.email, commit.commit_id)
    row = next(row for row in site.rows(tables.commit_index) if row.commit_id == commit.commit_id)
    assert (row.device_name, row.client_version) == ("straw", "8.0.10")


def test_what_a_commit_calls_its_library_does_not_rename_it(site: Site, peer: Peer) -> None:
    peer.push({"a": b"1"}, library_name="another name")
    assert site.head().name == site.library.name


# -- merging -------------------------------------------------------------------------------------------------


def test_a_push_on_an_old_head_is_merged(site: Site, peer: Peer) -> None:
    base = peer.head()
    first = peer.push({"mine": b"1"}, base)
    second = site.peer().push({"yours": b"2"}, base)
    merged = peer.commit(peer.head())
    assert (merged["parent_id"], merged["second_parent_id"]) == (first.commit_id, second.commit_id)
    assert (merged["new_merge"], merged["creator"], merged["creator_name"]) == (1, ZERO_ID, peer.email)
    assert "conflict" not in merged
    assert peer.clone() == {"mine": b"1", "yours": b"2"}


def test_a_push_is_merged_with_what_the_web_changed(site: Site, peer: Peer) -> None:
    base = peer.push({"a": b"1"}).commit_id
    author = Author(site.owner.email)
    site.server.services.libraries.commit_edit(site.library.library_id, author, MakeFolder("/web"))
    peer.push({"a": b"2"}, base)
    assert peer.clone() == {"a": b"2", "web": {}}


def test_of_two_versions_of_a_file_both_are_kept(site: Site, peer: Peer) -> None:
    base = peer.push({"note.txt": b"0"}).commit_id
    peer.push({"note.txt": b"1"}, base)
    site.peer().push({"note.txt": b"2"}, base)
    files = peer.clone()
    (conflict,) = files.keys() - {"note.txt"}
    assert files == {"note.txt": b"1", conflict: b"2"}
    assert conflict == f"note (SFConflict {peer.email} 2023-11-14-22-13-20).txt"
    assert peer.commit(peer.head())["conflict"] == 1


def test_a_change_wins_over_a_deletion(site: Site, peer: Peer) -> None:
    base = peer.push({"a": b"0", "b": b"0"}).commit_id
    peer.push({"a": b"1"}, base)
    site.peer().push({"b": b"2"}, base)
    assert peer.clone() == {"a": b"1", "b": b"2"}


def test_pushing_the_same_again_changes_nothing(site: Site, peer: Peer) -> None:
    commit = peer.push({"a": b"1"})
    assert peer.put_head(commit.commit_id).status_code == 200
    assert peer.head() == commit.commit_id
    author = Author(site.owner.email)
    site.server.services.libraries.commit_edit(site.library.library_id, author, MakeFolder("/web"))
    head = peer.head()
    assert peer.put_head(commit.commit_id).status_code == 200
    assert peer.head() == head


def test_pushing_again_what_was_merged_with_conflicts_adds_nothing(site: Site, peer: Peer) -> None:
    base = peer.push({"a.txt": b"0"}).commit_id
    peer.push({"a.txt": b"1"}, base)
    other = site.peer().push({"a.txt": b"2"}, base)
    head, files = peer.head(), peer.clone()
    for _ in range(3):
        assert peer.put_head(other.commit_id).status_code == 200
    assert (peer.head(), peer.clone()) == (head, files)
    assert len(files) == 2


def test_forty_clients_at_once_lose_nothing(site: Site, peer: Peer) -> None:
    base = peer.push({"old": b"0"}).commit_id
    peers = [site.peer() for _ in range(40)]
    ready = threading.Barrier(len(peers))

    def push(number: int) -> httpx.Response:
        with httpx.Client(timeout=60) as http:
            peers[number].http = http
            commit = peers[number].begin({"old": b"0", f"new {number}": b"%d" % number}, base)
            ready.wait(30)
            return peers[number].put_head(commit.commit_id)

    with ThreadPoolExecutor(len(peers)) as pool:
        answers = list(pool.map(push, range(len(peers))))
    assert {answer.status_code for answer in answers} == {200}
    expected = {"old": b"0"} | {f"new {number}": b"%d" % number for number in range(len(peers))}
    assert peer.clone() == expected
    assert site.head().file_count == len(expected)


# -- what is wrong with a commit -----------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "?head=", "?head=x", f"?head={'A' * 40}", f"?head={'1' * 41}"])
def test_a_head_that_is_no_id_is_a_bad_request(peer: Peer, query: str) -> None:
    assert peer.put(f"commit/HEAD/{query}").status_code == 400


def test_a_commit_that_was_never_stored_is_not_there(peer: Peer) -> None:
    assert peer.get(f"commit/{MISSING}").status_code == 404
    assert peer.put_head(MISSING).status_code == 500


def test_a_commit_must_build_on_one_that_is_known(site: Site, peer: Peer) -> None:
    for base in (MISSING, None):
        commit = peer.make_commit(make_tree({}), base)
        assert peer.put_commit(commit).status_code == 200
        assert peer.put_head(commit.commit_id).status_code == 400
    assert peer.head() == site.library.commit_id


def _spoilt(commit: Commit, **changes: Any) -> bytes:
    return json.dumps({**json.loads(encode(commit)), **changes}).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"repo_id": "00000000-0000-4000-8000-000000000000"},
        {"repo_id": "x"},
        {"commit_id": "1" * 40},
        {"commit_id": None},
        {"description": "another text"},
        {"ctime": 1},
        {"ctime": "1"},
        {"root_id": "x"},
        {"parent_id": "x"},
        {"creator": "short"},
        {"version": 0},
        {"version": 2},
        {"encrypted": "true", "enc_version": 2, "magic": "0" * 64, "key": "0" * 96},
        {"encrypted": "true", "enc_version": 9},
    ],
)
def test_a_commit_that_is_not_what_it_says_is_refused(peer: Peer, changes: dict[str, object]) -> None:
    commit = peer.make_commit(make_tree({}), peer.head())
    answer = peer.put(f"commit/{commit.commit_id}", _spoilt(commit, **changes))
    assert answer.status_code == 400
    assert peer.get(f"commit/{commit.commit_id}").status_code == 404


@pytest.mark.parametrize("body", [b"", b"x", b"[]", b"{}", b"\xff", b"null", b'{"commit_id"'])
def test_what_is_no_commit_is_refused(peer: Peer, body: bytes) -> None:
    assert peer.put(f"commit/{MISSING}", body).status_code == 400


def test_a_commit_may_be_stored_again(peer: Peer) -> None:
    commit = peer.make_commit(make_tree({}), peer.head())
    for _ in range(2):
        assert peer.put_commit(commit).status_code == 200


def test_a_commit_is_not_taken_for_another_of_its_name(peer: Peer) -> None:
    first = peer.push({"a": b"1"})
    twin = dataclasses.replace(first, parent_id=first.commit_id)
    assert peer.put_commit(twin).status_code == 400
    assert peer.commit(first.commit_id)["parent_id"] == first.parent_id


# -- what is wrong with a tree -------------------------------------------------------------------------------


def test_files_whose_blocks_are_missing_are_named(peer: Peer) -> None:
    tree = make_tree({"ok": b"sent", "lost.txt": b"not sent", "d": {"also ü": b"not either"}})
    sent = make_tree({"ok": b"sent"}).blocks
    commit = peer.begin(Tree(tree.root_id, tree.objects, sent))
    answer = peer.put_head(commit.commit_id)
    assert answer.status_code == 446
    assert sorted(answer.json()) == ["d/also ü", "lost.txt"]
    peer.send_tree(tree)
    assert peer.put_head(commit.commit_id).status_code == 200


def test_a_commit_on_top_of_one_that_was_refused_is_checked_with_it(site: Site, peer: Peer) -> None:
    lost = make_tree({"lost.txt": b"not sent"})
    refused = peer.begin(Tree(lost.root_id, lost.objects))
    assert peer.put_head(refused.commit_id).status_code == 446
    more = make_tree({"lost.txt": b"not sent", "more": b"sent"})
    more.blocks = make_tree({"more": b"sent"}).blocks
    commit = peer.begin(more, refused.commit_id)
    answer = peer.put_head(commit.commit_id)
    assert (answer.status_code, answer.json()) == (446, ["lost.txt"])
    assert peer.head() == site.library.commit_id
    peer.send_tree(lost)
    assert peer.put_head(commit.commit_id).status_code == 200
    assert peer.clone() == {"lost.txt": b"not sent", "more": b"sent"}


def test_commits_that_name_each_other_as_parents_are_refused(site: Site, peer: Peer) -> None:
    first = peer.make_commit(make_tree({}), MISSING)
    second = peer.make_commit(make_tree({}), first.commit_id)
    for commit in (dataclasses.replace(first, parent_id=second.commit_id), second):
        assert peer.put_commit(commit).status_code == 200
    assert peer.put_head(second.commit_id).status_code == 400
    assert peer.head() == site.library.commit_id


def test_a_file_whose_object_is_missing_is_named(peer: Peer) -> None:
    tree = make_tree({"a": b"1"})
    del tree.objects[next(name for name in tree.objects if name != tree.root_id)]
    answer = peer.put_head(peer.begin(tree).commit_id)
    assert (answer.status_code, answer.json()) == (446, ["a"])


@pytest.mark.parametrize("what", ["root", "folder"])
def test_a_tree_without_one_of_its_folders_does_not_become_the_head(
    site: Site, peer: Peer, what: str
) -> None:
    tree = make_tree({"d": {"a": b"1"}})
    folder = next(name for name, entry in make_tree({"a": b"1"}).objects.items() if entry and name)
    lost = tree.root_id if what == "root" else make_tree({"a": b"1"}).root_id
    assert folder
    del tree.objects[lost]
    assert peer.put_head(peer.begin(tree).commit_id).status_code == 500
    assert peer.head() == site.library.commit_id


def test_what_was_there_before_is_not_looked_at_again(site: Site, peer: Peer) -> None:
    tree = make_tree({"old": {"a": b"1"}})
    peer.push(tree)
    for block in tree.blocks:
        site.drop_object(Kind.BLOCK, block)
    peer.push({"old": {"a": b"1"}, "new": b"2"})
    assert site.head().file_count == 2


def _one(entry: Dirent) -> Tree:
    root_id, text = encode_directory(Directory([entry]))
    return Tree(root_id, {root_id: compress(text)})


@pytest.mark.parametrize("name", ["..", ".", "é" * 128, "x" * 256])
def test_names_that_no_file_can_have_are_refused(site: Site, peer: Peer, name: str) -> None:
    for entry in (Dirent(ZERO_ID, 0o100644, 1, name, "a", 0), Dirent(ZERO_ID, 0o40000, 1, name)):
        assert peer.put_head(peer.begin(_one(entry)).commit_id).status_code == 400
    assert peer.head() == site.library.commit_id


def test_other_odd_names_are_taken(site: Site, peer: Peer) -> None:
    names = ["...", "a\\b", "new\nline", "e\u0301", "\u00e9", " ", "x" * 255, ':*?"<>|', "con", "a."]
    files = {name: name.encode() for name in names}
    peer.push(files)
    assert peer.clone() == files


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b"not json",
        b'{"dirents": "x", "type": 3, "version": 1}',
        b'{"dirents": [{"id": "x", "mode": 33188, "mtime": 1, "name": "a"}], "type": 3, "version": 1}',
        b'{"dirents": [{"id": "%s", "mode": 33188, "mtime": 1, "name": "a/b"}], "type": 3, "version": 1}'
        % (b"0" * 40),
        b'{"dirents": [{"id": "%s", "mode": 0, "mtime": 1, "name": "a"}], "type": 3, "version": 1}'
        % (b"0" * 40),
        b'{"block_ids": ["%s"], "size": 1, "type": 1, "version": 1}' % (b"1" * 40),
    ],
)
def test_a_root_that_is_no_folder_is_refused(site: Site, peer: Peer, text: bytes) -> None:
    tree = Tree(ObjectId.of(text), {ObjectId.of(text): compress(text)})
    assert peer.put_head(peer.begin(tree).commit_id).status_code == 400
    assert peer.head() == site.library.commit_id


def test_a_file_that_is_a_folder_is_refused(site: Site, peer: Peer) -> None:
    inner = make_tree({"a": b""})
    tree = _one(Dirent(inner.root_id, 0o100644, 1, "f", "a", 1))
    tree.objects.update(inner.objects)
    assert peer.put_head(peer.begin(tree).commit_id).status_code == 400
    assert peer.head() == site.library.commit_id


def test_a_very_deep_tree_is_taken(site: Site, peer: Peer) -> None:
    files: dict[str, Any] = {"leaf": b"1"}
    for _ in range(600):
        files = {"d": files}
    peer.push(files)
    assert site.head().file_count == 1
    assert len(peer.listing(peer.head())) == 602


def test_a_tree_that_names_one_folder_in_a_million_places_is_looked_at_once(site: Site, peer: Peer) -> None:
    tree = make_tree({"leaf": b"1"})
    for _ in range(20):
        entries = [Dirent(tree.root_id, 0o40000, 1, name) for name in ("a", "b")]
        tree.root_id, text = encode_directory(Directory(entries))
        tree.objects[tree.root_id] = compress(text)
    peer.push(tree)
    assert site.head().file_count == 1 << 20
    assert len(peer.listing(peer.head())) == 22


# -- limits --------------------------------------------------------------------------------------------------


def test_a_push_beyond_the_quota_is_refused_and_the_client_may_free_room(site: Site, peer: Peer) -> None:
    base = peer.push({"a": b"x" * 500}).commit_id
    site.server.services.accounts.update(site.owner, quota_bytes=1000)
    commit = peer.begin({"a": b"x" * 500, "b": b"y" * 500})
    assert peer.put_head(commit.commit_id).status_code == 443
    assert peer.head() == base
    site.server.services.accounts.update(site.owner, quota_bytes=400)
    peer.push({})
    assert site.head().size_bytes == 0
    (error,) = site.rows(tables.device_error)
    assert error.message == "Out of quota."


def test_objects_that_collection_took_meanwhile_have_to_be_sent_again(
    site: Site, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = site.server.services
    pushes = services.sync.pushes
    check = pushes._check

    def collected_after_the_check(*arguments: Any) -> None:
        check(*arguments)
        before = services.clock.timestamp() + 10
        services.db.write(lambda tx: advance(tx, site.library.store_id, before, services.random))

    commit = peer.begin({"a": b"1"})
    with monkeypatch.context() as patch:
        patch.setattr(pushes, "_check", collected_after_the_check)
        answer = peer.put_head(commit.commit_id)
    assert (answer.status_code, answer.text) == (409, "GC Conflict.\n")
    assert peer.put_head(commit.commit_id).status_code == 200


# -- locks and rules -----------------------------------------------------------------------------------------


def test_a_file_that_somebody_else_locked_stays_as_it_is(site: Site, peer: Peer) -> None:
    base = peer.push({"d": {"a": b"1"}, "b": b"1"}).commit_id
    other = site.server.account()
    site.share(other, "rw")
    site.server.services.locks.lock(site.library.library_id, "/d/a", other.id)
    for files in ({"d": {"a": b"2"}, "b": b"1"}, {"d": {}, "b": b"1"}, {"b": b"1"}):
        answer = peer.put_head(peer.begin(files).commit_id)
        assert (answer.status_code, answer.text) == (403, "File d/a is locked\n")
    assert peer.head() == base
    peer.push({"d": {"a": b"1"}, "b": b"2"})
    site.peer(other).push({"d": {"a": b"2"}, "b": b"2"})
    assert peer.clone() == {"d": {"a": b"2"}, "b": b"2"}


def test_folder_permissions_bind_those_who_push(site: Site, peer: Peer) -> None:
    base = peer.push({"open": {"a": b"1"}, "shut": {"b": b"1"}}).commit_id
    member = site.server.account()
    site.share(member, "rw")
    site.rule(member, "/shut", "r")
    theirs = site.peer(member)
    refused = (
        {"open": {"a": b"1"}, "shut": {"b": b"2"}},
        {"open": {"a": b"1"}, "shut": {}},
        {"open": {"a": b"1"}},
        {"open": {"a": b"1"}, "shut": {"b": b"1", "new": b"1"}},
        {"open": {"a": b"1", "b": b"1"}, "shut": {}},
    )
    for files in refused:
        answer = theirs.put_head(theirs.begin(files).commit_id)
        assert answer.status_code == 403
        assert answer.text.startswith("Update to path shut")
        assert answer.text.endswith(" is not allowed by folder permission settings\n")
    assert peer.head() == base
    theirs.push({"open": {"a": b"2", "c": {}}, "shut": {"b": b"1"}})
    peer.push({"open": {}, "shut": {"b": b"2"}})


def test_a_folder_permission_may_give_what_the_share_does_not(site: Site, peer: Peer) -> None:
    peer.push({"ours": {"a": b"1"}})
    member = site.server.account()
    site.share(member, "rw")
    site.rule(member, "/", "r")
    site.rule(member, "/ours", "rw")
    theirs = site.peer(member)
    assert theirs.check("upload").status_code == 403
    assert site.server.services.access.permission(site.actor(member), site.library, "/ours") == "rw"


# -- sub-libraries -------------------------------------------------------------------------------------------


def test_a_sub_library_shares_its_objects_with_its_origin_and_not_its_commits(site: Site, peer: Peer) -> None:
    peer.push({"sub": {"a": b"1"}, "b": b"2"})
    author = Author(site.owner.email)
    sub = site.server.services.sub_libraries.create(site.head(), "/sub", "sub", author)
    theirs = Site(site.server, site.owner, sub).peer()
    assert theirs.clone() == {"a": b"1"}
    commit = theirs.push({"a": b"1", "new": b"3"})
    assert theirs.commit(commit.commit_id)["repo_id"] == sub.library_id
    assert peer.get(f"commit/{commit.commit_id}").status_code == 404
    assert peer.post("check-fs/", [commit.root_id]).json() == []
    assert peer.post("check-blocks/", [ObjectId.of(b"3")]).json() == []


def test_many_files_in_one_file_object_are_checked_once(peer: Peer) -> None:
    block = b"shared"
    file_id, text = encode_file(FileObject((ObjectId.of(block),), len(block)))
    entries = [Dirent(file_id, 0o100644, 1, f"{n}", "a", len(block)) for n in range(1200)]
    root_id, root_text = encode_directory(Directory(entries))
    tree = Tree(root_id, {file_id: compress(text), root_id: compress(root_text)})
    answer = peer.put_head(peer.begin(tree).commit_id)
    assert answer.status_code == 446
    assert len(answer.json()) == 100
    tree.blocks[ObjectId.of(block)] = block
    peer.push(tree)
