"""Commits pushed by clients: what becomes of the head."""

from __future__ import annotations

from tests.api.sync.conftest import Site
from tests.support.peer import Peer


def test_a_pushed_tree_is_cloned_as_it_was(site: Site, peer: Peer) -> None:
    files = {"a.txt": b"hello", "folder": {"b": b"x" * 100_000, "inner": {}}, "empty": b""}
    commit = peer.push(files)
    assert peer.head() == commit.commit_id
    assert site.peer().clone() == files
