"""Encrypted libraries: the server keeps and passes on what it cannot read."""

from __future__ import annotations

from typing import Any

import pytest

from seafleet.formats.ciphers import BlockCipher
from seafleet.formats.commit import Encryption
from seafleet.formats.compression import compress
from seafleet.formats.encryption import new_encryption, unlock
from seafleet.formats.fs import Directory, Dirent, FileObject, encode_directory, encode_file
from seafleet.ids import LibraryId, ObjectId
from seafleet.library.model import Author, Head
from tests.api.sync.conftest import Site
from tests.support.peer import Peer, Tree, make_tree

PASSWORD = "secret"
PLAIN = b"what nobody else may read" * 3
HASHES = [
    ("pbkdf2_sha256", "1000"),
    ("pbkdf2_sha256", "20000"),
    ("argon2id", "1,1024,2"),
]
KINDS = [(version, None, None) for version in (2, 3, 4)] + [
    (version, *named) for version in (2, 4) for named in HASHES
]


def of_library(site: Site, library: Head) -> tuple[Site, Peer, Encryption]:
    """Return a library of the owner with a client and its keys."""
    assert library.encryption is not None
    other = Site(site.server, site.owner, library)
    return other, other.peer(), library.encryption


def made_by_server(site: Site, enc_version: int = 2) -> tuple[Site, Peer, Encryption]:
    """Have the server make the keys."""
    return of_library(site, site.server.library(site.owner, password=PASSWORD, enc_version=enc_version))


def made_by_client(site: Site, enc_version: int, algo: str | None, params: str | None) -> Head:
    """Make id and keys as a client does, that never tells its password."""
    random = site.server.services.random
    library_id = LibraryId.random(random)
    keys = new_encryption(
        library_id,
        PASSWORD,
        random,
        enc_version=enc_version,
        pwd_hash_algo=algo,
        pwd_hash_params=params,
    )
    return site.server.library(site.owner, encryption=keys, library_id=library_id)


def web(site: Site, method: str, path: str, **options: Any) -> Any:
    """Ask the Web API about the library, as its owner."""
    token = site.server.api_token(site.owner)
    answer = site.server.request(
        method,
        path.format(site.library.library_id),
        headers={"Authorization": f"Token {token}"},
        **options,
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def keys_told(site: Site) -> Encryption:
    """Return what a client learns of the keys before it asks its user for the password."""
    told = web(site, "GET", "/api2/repos/{}/download-info/")
    assert (told["encrypted"], type(told["encrypted"])) == (1, int)
    names = ("magic", "random_key", "salt", "pwd_hash", "pwd_hash_algo", "pwd_hash_params")
    return Encryption(told["enc_version"], **{name: told[name] or None for name in names})


def encrypted_tree(cipher: BlockCipher, name: str, plain: bytes) -> Tree:
    """Return the tree of one file as a client makes it: sizes are those of the plain content."""
    tree, block = Tree(), cipher.encrypt(plain)
    block_id = ObjectId.of(block)
    tree.blocks[block_id] = block
    file_id, text = encode_file(FileObject((block_id,), len(plain)))
    tree.objects[file_id] = compress(text)
    entry = Dirent(file_id, 0o100644, 1_700_000_000, name, "ann@example.com", len(plain))
    tree.root_id, text = encode_directory(Directory([entry]))
    tree.objects[tree.root_id] = compress(text)
    return tree


def synchronise(site: Site, password: str = PASSWORD) -> None:
    """Push a file, clone it elsewhere with nothing but the password, and read it on the web."""
    keys = keys_told(site)
    assert keys == site.head().encryption
    library_id = site.library.library_id
    tree = encrypted_tree(BlockCipher(unlock(keys, library_id, password)), "a", PLAIN)
    site.peer().push(tree, encryption=keys)
    stored = site.peer().clone()["a"]
    assert PLAIN[:8] not in stored
    assert BlockCipher(unlock(keys_told(site), library_id, password)).decrypt(stored) == PLAIN
    web(site, "POST", "/api/v2.1/repos/{}/set-password/", data={"password": password})
    link = web(site, "GET", "/api2/repos/{}/file/", params={"p": "/a"})
    assert site.server.http.get(link).content == PLAIN


@pytest.mark.parametrize("enc_version", [2, 3, 4])
def test_a_library_that_the_server_encrypted_is_synchronised(site: Site, enc_version: int) -> None:
    other, _, _ = made_by_server(site, enc_version)
    synchronise(other)


@pytest.mark.parametrize(("enc_version", "algo", "params"), KINDS)
def test_a_library_that_a_client_encrypted_is_synchronised(
    site: Site, enc_version: int, algo: str | None, params: str | None
) -> None:
    library = made_by_client(site, enc_version, algo, params)
    synchronise(Site(site.server, site.owner, library))


def test_who_knew_the_old_password_goes_on_after_it_was_changed(site: Site) -> None:
    other, peer, old = made_by_server(site)
    key = unlock(old, other.library.library_id, PASSWORD)
    author = Author(site.owner.email)
    services = site.server.services
    services.library_passwords.change(other.library.library_id, author, PASSWORD, "another")
    # The client has kept the key, and the check of the password that it was told once.
    peer.push(encrypted_tree(BlockCipher(key), "a", PLAIN), encryption=old)
    assert keys_told(other).magic != old.magic
    synchronise(other, "another")


def test_a_merge_in_an_encrypted_library_keeps_its_keys(site: Site) -> None:
    other, peer, encryption = made_by_server(site)
    base = peer.head()
    peer.push({"a": b"1"}, base, encryption=encryption)
    other.peer().push({"b": b"2"}, base, encryption=encryption)
    merged = peer.commit(peer.head())
    assert (merged["encrypted"], merged["key"]) == ("true", encryption.random_key)
    assert merged["magic"] == encryption.magic
    assert peer.clone() == {"a": b"1", "b": b"2"}


def test_a_plain_commit_is_no_commit_of_an_encrypted_library(site: Site) -> None:
    _, peer, _ = made_by_server(site)
    commit = peer.make_commit(make_tree({}), peer.head())
    assert peer.put_commit(commit).status_code == 400
