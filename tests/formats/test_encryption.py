from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seafleet.errors import InvalidArgument, MalformedObject, WrongPassword
from seafleet.formats import encryption as formats
from seafleet.formats.ciphers import BlockCipher, FileKey, stored_size
from seafleet.formats.commit import Commit, Encryption, decode, encode
from seafleet.formats.encryption import (
    DEFAULT_ENC_VERSION,
    WRITABLE_ENC_VERSIONS,
    change_password,
    check_from_client,
    derive,
    file_key,
    for_sub_library,
    new_encryption,
    unlock,
    verify_password,
    with_password_hash,
)
from seafleet.ids import ZERO_ID, LibraryId, ObjectId
from tests.formats.golden import vectors

LIBRARY = LibraryId("00000000-1111-4222-8333-444444444444")
OTHER_LIBRARY = LibraryId("00000000-1111-4222-8333-555555555555")
PASSWORD = "test-password"
WORKED = vectors()["encryption"]
SERVER_MADE = vectors()["encrypted_libraries_made_by_server"]
slow_version1 = pytest.param("v1", marks=pytest.mark.slow)
versions = pytest.mark.parametrize("version", [slow_version1, "v2", "v3", "v4"])
salted = pytest.mark.parametrize("version", ["v2", "v3", "v4"])


def of_vector(vector: dict[str, Any]) -> Encryption:
    fields = ("magic", "random_key", "salt", "pwd_hash", "pwd_hash_algo", "pwd_hash_params")
    return Encryption(vector["enc_version"], **{field: vector.get(field) or None for field in fields})


def opened(version: str) -> FileKey:
    vector = WORKED[version]
    return FileKey(
        vector["enc_version"], bytes.fromhex(vector["file_key_hex"]), bytes.fromhex(vector["file_iv_hex"])
    )


def new(seed: int = 1, **options: Any) -> Encryption:
    return new_encryption(LIBRARY, PASSWORD, random.Random(seed), **options)


class TestWorkedValues:
    @versions
    def test_password_gives_the_keys_of_the_reference(self, version: str) -> None:
        vector = WORKED[version]
        key = derive(PASSWORD.encode(), vector["enc_version"], vector["salt"])
        assert key.key.hex() == vector["password_key_hex"]
        assert key.iv.hex() == vector["password_iv_hex"]

    @versions
    def test_password_opens_the_library(self, version: str) -> None:
        assert unlock(of_vector(WORKED[version]), LIBRARY, PASSWORD) == opened(version)

    @versions
    def test_blocks_are_those_of_the_reference(self, version: str) -> None:
        vector, cipher = WORKED[version], BlockCipher(opened(version))
        plain, stored = vector["block_plain_utf8"].encode(), bytes.fromhex(vector["block_stored_hex"])
        assert cipher.encrypt(plain) == stored
        assert cipher.decrypt(stored) == plain
        assert ObjectId.of(stored) == vector["block_id"]

    @salted
    def test_a_full_last_unit_is_followed_by_a_unit_of_padding(self, version: str) -> None:
        stored = bytes.fromhex(WORKED[version]["block_of_16_bytes_stored_hex"])
        plain = BlockCipher(opened(version)).decrypt(stored)
        assert (len(plain), len(stored)) == (16, 32)
        assert BlockCipher(opened(version)).encrypt(plain) == stored

    @salted
    def test_a_changed_password_gives_the_values_of_the_reference(self, version: str) -> None:
        vector = WORKED[version]
        expected = vector["after_password_change"]
        changed = change_password(of_vector(vector), LIBRARY, PASSWORD, expected["new_password"])
        assert changed.magic == expected["magic"]
        assert changed.random_key == expected["random_key"]
        assert unlock(changed, LIBRARY, expected["new_password"]) == opened(version)

    @pytest.mark.parametrize(
        "vector", vectors()["pwd_hash"], ids=lambda v: f"{v['algo']}-{v['enc_version']}-{v['params']}"
    )
    def test_password_hashes_verify(self, vector: dict[str, Any]) -> None:
        renamed = vector | {"pwd_hash_algo": vector["algo"], "pwd_hash_params": vector["params"]}
        assert verify_password(of_vector(renamed), LIBRARY, PASSWORD)

    @pytest.mark.parametrize(
        "vector", SERVER_MADE, ids=lambda v: f"{v['enc_version']}-{v['pwd_hash_params'] or 'magic'}"
    )
    def test_libraries_made_by_the_server_open(self, vector: dict[str, Any]) -> None:
        key = unlock(of_vector(vector), LibraryId(vector["repo_id"]), vector["password"])
        assert key.key.hex() == vector["file_key_hex"]
        assert key.iv.hex() == vector["file_iv_hex"]


class TestPasswordCheck:
    @pytest.mark.parametrize(
        "password", ["", "test-passwore", "Test-password", "\0test-password", "pässword"]
    )
    def test_another_password_is_refused(self, password: str) -> None:
        sample = of_vector(WORKED["v2"])
        assert not verify_password(sample, LIBRARY, password)
        with pytest.raises(WrongPassword):
            unlock(sample, LIBRARY, password)

    def test_the_password_belongs_to_one_library(self) -> None:
        assert not verify_password(of_vector(WORKED["v2"]), OTHER_LIBRARY, PASSWORD)

    def test_passwords_are_used_as_they_are_typed(self) -> None:
        made = new_encryption(LIBRARY, "e\u0301", random.Random(1))
        assert verify_password(made, LIBRARY, "e\u0301")
        assert not verify_password(made, LIBRARY, "é")

    def test_a_password_without_utf8_form_is_an_invalid_argument(self) -> None:
        with pytest.raises(InvalidArgument):
            verify_password(of_vector(WORKED["v2"]), LIBRARY, "\ud800")

    def test_nothing_passes_where_there_is_nothing_to_compare_with(self) -> None:
        assert not verify_password(Encryption(2), LIBRARY, "")

    def test_a_hash_is_compared_even_when_there_is_a_magic_too(self) -> None:
        both = dataclasses.replace(new(pwd_hash_algo="pbkdf2_sha256"), magic="f" * 64)
        assert verify_password(both, LIBRARY, PASSWORD)

    def test_a_wrapped_key_that_is_no_key_is_malformed(self) -> None:
        for random_key in (None, "", "zz" * 48, "00" * 47, "00" * 48):
            with pytest.raises(MalformedObject):
                file_key(dataclasses.replace(new(), random_key=random_key), PASSWORD)

    @pytest.mark.parametrize("salt", [None, "", "zz" * 32, "00" * 31, "00 " * 32 + "00"])
    def test_a_salt_that_is_none_is_malformed(self, salt: str | None) -> None:
        with pytest.raises(MalformedObject):
            verify_password(dataclasses.replace(new(enc_version=4), salt=salt), LIBRARY, PASSWORD)

    @pytest.mark.parametrize("enc_version", [-1, 0, 5])
    def test_unknown_versions_are_malformed(self, enc_version: int) -> None:
        with pytest.raises(MalformedObject):
            derive(b"", enc_version)

    def test_a_key_does_not_show_itself(self) -> None:
        assert opened("v2").key.hex() not in repr(opened("v2"))
        assert repr(opened("v2").key) not in repr(opened("v2"))


class TestNewLibraries:
    @pytest.mark.parametrize("enc_version", WRITABLE_ENC_VERSIONS)
    @pytest.mark.parametrize("algo", [None, "pbkdf2_sha256"])
    def test_open_with_their_password_and_pass_as_a_clients(self, enc_version: int, algo: str | None) -> None:
        made = new(enc_version=enc_version, pwd_hash_algo=algo)
        assert unlock(made, LIBRARY, PASSWORD) == file_key(made, PASSWORD)
        check_from_client(made, 4)
        assert (made.salt is None) == (enc_version == 2)
        assert (made.magic is None) == (algo is not None)
        commit = Commit.make(
            library_id=LIBRARY,
            root_id=ZERO_ID,
            creator_name="a@b.c",
            description="",
            ctime=0,
            encryption=made,
        )
        assert decode(encode(commit)).encryption == made

    def test_are_version_2_by_default(self) -> None:
        assert new().enc_version == DEFAULT_ENC_VERSION == 2

    def test_have_secrets_of_their_own(self) -> None:
        assert file_key(new(1), PASSWORD) != file_key(new(2), PASSWORD)
        assert new(1, enc_version=4).salt != new(2, enc_version=4).salt
        assert new(1) == new(1)

    @pytest.mark.parametrize("enc_version", [0, 1, 5])
    def test_are_not_made_in_other_versions(self, enc_version: int) -> None:
        with pytest.raises(InvalidArgument):
            new(enc_version=enc_version)

    def test_write_the_default_parameters_of_their_hash(self) -> None:
        assert new(pwd_hash_algo="pbkdf2_sha256").pwd_hash_params == "1000"
        kept = new(pwd_hash_algo="argon2id", pwd_hash_params="1,1024,2")
        assert kept.pwd_hash_params == "1,1024,2"
        assert verify_password(kept, LIBRARY, PASSWORD)

    def test_are_not_made_with_an_unknown_hash(self) -> None:
        with pytest.raises(InvalidArgument):
            new(pwd_hash_algo="md5")


class TestFieldsFromAClient:
    @pytest.mark.parametrize(
        "changes",
        [
            {"enc_version": 1},
            {"enc_version": 3},
            {"magic": None},
            {"magic": "a" * 63},
            {"magic": "z" * 64},
            {"random_key": None},
            {"random_key": "a" * 64},
            {"pwd_hash": "a" * 64},
            {"pwd_hash": "a" * 63, "pwd_hash_algo": "argon2id"},
            {"pwd_hash": "a" * 64, "pwd_hash_algo": "argon2id", "pwd_hash_params": "999,102400,8"},
        ],
    )
    def test_must_fit_a_new_library(self, changes: dict[str, Any]) -> None:
        check_from_client(new(), 2)
        with pytest.raises(InvalidArgument):
            check_from_client(dataclasses.replace(new(), **changes), 2)

    def test_need_a_salt_from_version_3_on(self) -> None:
        with pytest.raises(InvalidArgument):
            check_from_client(dataclasses.replace(new(enc_version=4), salt=None), 4)

    def test_may_hold_odd_parameters_that_stand_for_the_defaults(self) -> None:
        made = new(pwd_hash_algo="pbkdf2_sha256", pwd_hash_params="pbkdf2_sha256")
        check_from_client(made, 2)
        assert made.pwd_hash_params == "pbkdf2_sha256"
        assert made.pwd_hash == new(pwd_hash_algo="pbkdf2_sha256", pwd_hash_params="1000").pwd_hash


class TestChanges:
    @pytest.mark.parametrize("options", [{}, {"enc_version": 4}, {"pwd_hash_algo": "pbkdf2_sha256"}])
    def test_a_new_password_opens_the_same_blocks(self, options: dict[str, Any]) -> None:
        made = new(**options)
        changed = change_password(made, LIBRARY, PASSWORD, "new")
        assert unlock(changed, LIBRARY, "new") == unlock(made, LIBRARY, PASSWORD)
        assert not verify_password(changed, LIBRARY, PASSWORD)
        kept = ("enc_version", "salt", "pwd_hash_algo", "pwd_hash_params")
        assert all(getattr(changed, field) == getattr(made, field) for field in kept)

    def test_need_the_old_password(self) -> None:
        with pytest.raises(WrongPassword):
            change_password(new(), LIBRARY, "wrong", "new")
        with pytest.raises(WrongPassword):
            with_password_hash(new(), LIBRARY, "wrong", "argon2id")
        with pytest.raises(WrongPassword):
            for_sub_library(new(), LIBRARY, OTHER_LIBRARY, "wrong")

    def test_of_a_version_1_password_are_impossible(self) -> None:
        with pytest.raises(InvalidArgument):
            change_password(of_vector(WORKED["v1"]), LIBRARY, PASSWORD, "new")

    def test_to_a_password_hash_keep_the_key_and_drop_the_magic(self) -> None:
        made = new()
        hashed = with_password_hash(made, LIBRARY, PASSWORD, "pbkdf2_sha256", "20")
        assert (hashed.magic, hashed.random_key) == (None, made.random_key)
        assert (hashed.pwd_hash_algo, hashed.pwd_hash_params) == ("pbkdf2_sha256", "20")
        assert unlock(hashed, LIBRARY, PASSWORD) == unlock(made, LIBRARY, PASSWORD)

    @pytest.mark.parametrize("options", [{}, {"pwd_hash_algo": "pbkdf2_sha256", "pwd_hash_params": "7"}])
    def test_for_a_sub_library_concern_the_check_only(self, options: dict[str, Any]) -> None:
        made = new(enc_version=4, **options)
        inner = for_sub_library(made, LIBRARY, OTHER_LIBRARY, PASSWORD)
        assert unlock(inner, OTHER_LIBRARY, PASSWORD) == unlock(made, LIBRARY, PASSWORD)
        assert not verify_password(inner, LIBRARY, PASSWORD)
        assert dataclasses.replace(inner, magic=made.magic, pwd_hash=made.pwd_hash) == made


class TestBlocks:
    @pytest.mark.parametrize("version", ["v1", "v2", "v3", "v4"])
    @given(plain=st.binary(max_size=100), cut=st.integers(0, 100))
    def test_come_back_whole_or_in_pieces(self, version: str, plain: bytes, cut: int) -> None:
        cipher = BlockCipher(opened(version))
        stored = cipher.encrypt(plain)
        assert len(stored) == stored_size(len(plain))
        assert cipher.decrypt(stored) == plain
        for transform, given_bytes, expected in (
            (cipher.encryptor(), plain, stored),
            (cipher.decryptor(), stored, plain),
        ):
            pieces = [transform.update(given_bytes[:cut]), transform.update(given_bytes[cut:])]
            assert b"".join([*pieces, transform.finalize()]) == expected

    def test_of_the_server_are_8_mib_and_one_unit(self) -> None:
        assert stored_size(8 << 20) == (8 << 20) + 16
        assert stored_size(0) == 16

    @pytest.mark.parametrize("stored", [b"", b"x", bytes(15), bytes(16), bytes(17), bytes(32)])
    def test_of_another_key_are_malformed(self, stored: bytes) -> None:
        with pytest.raises(MalformedObject):
            BlockCipher(opened("v2")).decrypt(stored)

    def test_equal_content_gives_equal_blocks_inside_one_library_only(self) -> None:
        one, other = (BlockCipher(file_key(new(seed), PASSWORD)) for seed in (1, 2))
        assert one.encrypt(b"content") == one.encrypt(b"content")
        assert one.encrypt(b"content") != other.encrypt(b"content")


def test_the_module_offers_what_it_names() -> None:
    assert all(hasattr(formats, name) for name in formats.__all__)
