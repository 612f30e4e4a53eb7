"""The three sample libraries of the C server, read from head commit to content."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha1
from typing import Any

import pytest

from seafleet.formats.commit import Commit, decode
from seafleet.formats.encryption import BlockCipher, unlock
from seafleet.formats.fs import EMPTY_DIRECTORY, EMPTY_FILE, Directory, Dirent, FileObject, decode_verified
from seafleet.ids import ZERO_ID, LibraryId, ObjectId
from tests.formats.golden import libraries, sample, stored_objects

each_library = pytest.mark.parametrize("library", libraries(), ids=lambda library: library["kind"])


def head(library: dict[str, Any]) -> Commit:
    return decode(sample("commits", library["repo_id"], library["head_commit_id"]))


def node(library: dict[str, Any], object_id: ObjectId) -> Directory | FileObject:
    return decode_verified(object_id, sample("fs", library["fs_and_blocks_store_id"], object_id))


def walk(library: dict[str, Any], directory_id: ObjectId, path: str) -> Iterator[tuple[str, Dirent]]:
    """Yield all entries below `path`, with their full paths."""
    directory = EMPTY_DIRECTORY if directory_id == ZERO_ID else node(library, directory_id)
    assert isinstance(directory, Directory)
    for entry in directory:
        yield f"{path}/{entry.name}", entry
        if entry.is_dir:
            yield from walk(library, entry.id, f"{path}/{entry.name}")


def content(library: dict[str, Any], entry: Dirent, cipher: BlockCipher | None) -> bytes:
    file = EMPTY_FILE if entry.id == ZERO_ID else node(library, entry.id)
    assert isinstance(file, FileObject)
    assert file.size == entry.size
    stored = [sample("blocks", library["fs_and_blocks_store_id"], block_id) for block_id in file.block_ids]
    assert tuple(map(ObjectId.of, stored)) == file.block_ids
    return b"".join(map(cipher.decrypt, stored) if cipher else stored)


def cipher_of(library: dict[str, Any]) -> BlockCipher | None:
    encryption = head(library).encryption
    if encryption is None:
        return None
    return BlockCipher(unlock(encryption, LibraryId(library["repo_id"]), library["password"]))


@each_library
def test_every_file_of_the_head_is_rebuilt(library: dict[str, Any]) -> None:
    cipher = cipher_of(library)
    assert (cipher is None) == (library["encrypted"] is None)
    found = {
        path: {"sha1": sha1(data).hexdigest(), "size": len(data)}
        for path, entry in walk(library, head(library).root_id, "")
        if entry.is_file
        for data in [content(library, entry, cipher)]
    }
    assert found == library["paths"]


@each_library
def test_the_tree_is_what_the_server_listed(library: dict[str, Any]) -> None:
    found = [
        (path, entry.id, entry.mtime, entry.size) for path, entry in walk(library, head(library).root_id, "")
    ]
    listed = [
        (
            f"{item['parent_dir'].rstrip('/')}/{item['name']}",
            item["id"],
            item["mtime"],
            item["size"],
        )
        for item in library["dirents_from_server"]
    ]
    assert sorted(found, key=str) == sorted(listed, key=str)


@each_library
def test_the_history_leads_back_to_the_first_commit(library: dict[str, Any]) -> None:
    commit, chain = head(library), []
    while True:
        chain.append(commit)
        if commit.parent_id is None:
            break
        commit = decode(sample("commits", library["repo_id"], commit.parent_id))
    keys = ("commit_id", "parent_id", "second_parent_id", "root_id", "description", "creator_name", "ctime")
    listed = [{key: entry[key] for key in keys} for entry in library["commits_newest_first"]]
    assert [{key: getattr(each, key) for key in keys} for each in chain] == listed


@each_library
def test_every_commit_says_the_same_about_encryption(library: dict[str, Any]) -> None:
    mine = [decode(each.data) for each in stored_objects("commits") if each.store_id == library["repo_id"]]
    assert {commit.encryption for commit in mine} == {head(library).encryption}
    encryption = head(library).encryption
    if encryption is not None:
        assert (encryption.magic, encryption.random_key) == (library["magic"], library["random_key"])


def test_every_block_is_named_by_its_stored_bytes() -> None:
    blocks = stored_objects("blocks")
    assert len(blocks) > 10
    assert all(ObjectId.of(block.data) == block.object_id for block in blocks)
