"""Passwords of encrypted libraries: checked against recorded values, kept for an hour, exchanged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from seafleet import errors
from seafleet.db.tables import library_unlock, sync_token
from seafleet.formats.chunking import FixedChunker
from seafleet.formats.commit import Encryption
from seafleet.ids import LibraryId
from seafleet.library.edits import AddFiles, NewFile
from seafleet.library.model import Head
from seafleet.library.passwords import UNLOCK_SECONDS, Passwords
from seafleet.secrets import ServerSecret
from seafleet.store.contract import Kind
from seafleet.store.ingest import FileIngest
from tests.library.site import Site

VECTORS = json.loads((Path(__file__).parent.parent / "fixtures" / "vectors.json").read_text())
MADE_BY_SERVER = VECTORS["encrypted_libraries_made_by_server"]


def encrypted(site: Site, password: str = "pw", **more: Any) -> Head:
    return site.libraries.create(site.owner_id, "Secret", password=password, **more)


@pytest.fixture(params=MADE_BY_SERVER, ids=lambda v: f"v{v['enc_version']} {v['pwd_hash_algo'] or 'magic'}")
def recorded(request: pytest.FixtureRequest, site: Site) -> tuple[Head, dict[str, Any]]:
    """A library of the reference server, under an id of its own."""
    vector: dict[str, Any] = request.param
    keys = Encryption(
        vector["enc_version"],
        magic=vector["magic"] or None,
        random_key=vector["random_key"],
        salt=vector["salt"],
        pwd_hash=vector["pwd_hash"] or None,
        pwd_hash_algo=vector["pwd_hash_algo"],
        pwd_hash_params=vector["pwd_hash_params"],
    )
    library_id = LibraryId(vector["repo_id"])
    found = site.libraries.find(library_id)
    if found is not None:
        return found, vector
    return site.libraries.create(site.owner_id, "Recorded", encryption=keys, library_id=library_id), vector


def test_libraries_of_the_reference_server_open(site: Site, recorded: tuple[Head, dict[str, Any]]) -> None:
    head, vector = recorded
    with pytest.raises(errors.WrongPassword):
        site.passwords.set(head, site.owner_id, "wrong")
    assert not site.passwords.is_set(head, site.owner_id)
    site.passwords.set(head, site.owner_id, vector["password"])
    key = site.passwords.unlocked_key(head, site.owner_id)
    assert key.key.hex() == vector["file_key_hex"]
    if vector["enc_version"] != 3:
        assert key.iv.hex() == vector["file_iv_hex"]


@pytest.mark.parametrize("enc_version", [2, 3, 4])
def test_what_goes_in_encrypted_comes_out_plain(site: Site, enc_version: int) -> None:
    head = encrypted(site, enc_version=enc_version)
    site.passwords.set(head, site.owner_id, "pw")
    cipher = site.passwords.cipher(head, site.owner_id)
    assert cipher is not None
    ingest = FileIngest(site.objects, head.store_id, chunker=FixedChunker(1000), cipher=cipher)
    content = bytes(range(256)) * 10
    ingest.write(content)
    file = ingest.finish()
    site.do(head.library_id, AddFiles("/", (NewFile.received("a", file),)))
    entry = site.entry(head.library_id, "/a")
    assert entry.size == len(content), "sizes are those of the plain content"
    blocks = site.trees.file(head.store_id, entry.id).block_ids
    stored = [site.objects.get(head.store_id, Kind.BLOCK, block) for block in blocks]
    assert b"".join(map(cipher.decrypt, stored)) == content
    assert b"".join(stored) != content


def test_a_key_is_kept_for_an_hour_from_when_it_was_set(each_site: Site) -> None:
    site = each_site
    head = encrypted(site)
    site.passwords.set(head, site.owner_id, "pw")
    site.clock.advance(UNLOCK_SECONDS - 1)
    assert site.passwords.is_set(head, site.owner_id)
    site.clock.advance(1)
    with pytest.raises(errors.PasswordRequired):
        site.passwords.unlocked_key(head, site.owner_id)
    site.passwords.set(head, site.owner_id, "pw")
    site.clock.advance(UNLOCK_SECONDS - 1)
    site.passwords.set(head, site.owner_id, "pw")
    site.clock.advance(UNLOCK_SECONDS - 1)
    assert site.passwords.is_set(head, site.owner_id), "setting it again begins another hour"
    site.clock.advance(10)
    assert site.passwords.purge() >= 1


def test_a_key_is_set_for_one_account_and_one_library(site: Site) -> None:
    head, other = encrypted(site), encrypted(site)
    friend_id, _ = site.account()
    site.passwords.set(head, site.owner_id, "pw")
    assert not site.passwords.is_set(head, friend_id)
    assert not site.passwords.is_set(other, site.owner_id)
    site.passwords.forget(head.library_id, site.owner_id)
    assert not site.passwords.is_set(head, site.owner_id)
    with pytest.raises(errors.PasswordRequired):
        site.passwords.cipher(head, None)


def test_nothing_needs_to_be_set_for_a_plain_library(site: Site) -> None:
    head = site.head(site.library())
    site.passwords.set(head, site.owner_id, "whatever")
    assert site.passwords.is_set(head, site.owner_id)
    assert site.passwords.cipher(head, None) is None
    with pytest.raises(errors.InvalidArgument):
        site.passwords.check(head, "whatever")


def test_a_copied_row_opens_nothing(site: Site) -> None:
    head = encrypted(site)
    friend_id, _ = site.account()
    site.passwords.set(head, site.owner_id, "pw")
    with site.database.read() as connection:
        sealed = connection.execute(
            select(library_unlock.c.sealed).where(library_unlock.c.library_id == head.library_id)
        ).scalar_one()
    key = site.passwords.unlocked_key(head, site.owner_id)
    assert key.key not in sealed
    row = {"library_id": head.library_id, "account_id": friend_id, "sealed": sealed, "expires_at": 1 << 40}
    site.database.write(lambda tx: tx.execute(insert(library_unlock), row).rowcount)
    assert not site.passwords.is_set(head, friend_id)
    elsewhere = Passwords(site.libraries, ServerSecret(b"another secret of thirty-two byte"))
    assert not elsewhere.is_set(head, site.owner_id)
    spoilt = update(library_unlock).where(library_unlock.c.library_id == head.library_id)
    site.database.write(lambda tx: tx.execute(spoilt.values(sealed=b"\x01" + bytes(60))).rowcount)
    assert not site.passwords.is_set(head, site.owner_id)


def test_a_password_can_be_checked_without_setting_it(site: Site) -> None:
    head = encrypted(site)
    assert site.passwords.check(head, "pw")
    assert not site.passwords.check(head, "other")
    assert head.encryption is not None
    assert site.passwords.check_magic(head, head.encryption.magic or "")
    assert not site.passwords.check_magic(head, "0" * 64)
    assert not site.passwords.is_set(head, site.owner_id)


def test_a_new_password_is_a_commit_and_keeps_the_key(each_site: Site) -> None:
    site = each_site
    head = encrypted(site)
    site.passwords.set(head, site.owner_id, "pw")
    key = site.passwords.unlocked_key(head, site.owner_id)
    with pytest.raises(errors.WrongPassword):
        site.passwords.change(head.library_id, site.owner, "wrong", "new")
    site.clock.advance(1)
    after = site.passwords.change(head.library_id, site.owner, "pw", "new")
    assert (after.root_id, after.commit_id == head.commit_id) == (head.root_id, False)
    assert site.commit(head.library_id).description == "Changed library password"
    assert site.commit(head.library_id).encryption == after.encryption
    assert site.passwords.unlocked_key(after, site.owner_id) == key, "who has set it may go on"
    with pytest.raises(errors.WrongPassword):
        site.passwords.set(after, site.owner_id, "pw")
    site.passwords.set(after, site.owner_id, "new")
    assert site.passwords.unlocked_key(after, site.owner_id) == key


def test_sub_libraries_follow_a_new_password(site: Site) -> None:
    head = encrypted(site)
    site.make_folder(head.library_id, "/d")
    sub = site.sub_libraries.create(site.head(head.library_id), "/d", "sub", site.owner, password="pw")
    site.clock.advance(1)
    site.passwords.change(head.library_id, site.owner, "pw", "new")
    after = site.head(sub.library_id)
    assert site.passwords.check(after, "new")
    site.passwords.set(after, site.owner_id, "new")
    site.passwords.set(site.head(head.library_id), site.owner_id, "new")
    assert site.passwords.unlocked_key(after, site.owner_id) == site.passwords.unlocked_key(
        site.head(head.library_id), site.owner_id
    )


def test_a_password_hash_replaces_the_check_and_ends_sync_tokens(site: Site) -> None:
    head = encrypted(site)
    token = {
        "token_hash": f"hash of {head.library_id}",
        "sealed": b"",
        "library_id": head.library_id,
        "account_id": site.owner_id,
        "created_at": 0,
    }
    site.database.write(lambda tx: tx.execute(insert(sync_token), token).rowcount)
    site.clock.advance(1)
    with pytest.raises(errors.WrongPassword):
        site.passwords.add_hash(head.library_id, site.owner, "wrong", "pbkdf2_sha256", "1000")
    after = site.passwords.add_hash(head.library_id, site.owner, "pw", "pbkdf2_sha256", "1000")
    assert after.encryption is not None
    assert (after.encryption.pwd_hash_algo, after.encryption.pwd_hash_params) == ("pbkdf2_sha256", "1000")
    assert site.passwords.check(after, "pw")
    assert site.commit(head.library_id).description == "Changed library password hash algorithm"
    with site.database.read() as connection:
        left = connection.execute(select(sync_token).where(sync_token.c.library_id == head.library_id))
        assert left.all() == []


def test_a_plain_library_has_no_password_to_change(site: Site) -> None:
    library = site.library()
    with pytest.raises(errors.InvalidArgument):
        site.passwords.change(library, site.owner, "old", "new")
    with pytest.raises(errors.InvalidArgument):
        site.passwords.add_hash(library, site.owner, "old", "pbkdf2_sha256")
