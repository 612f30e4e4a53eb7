from __future__ import annotations

import dataclasses
import json
from hashlib import sha1
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seafleet.errors import MalformedObject
from seafleet.formats.commit import Commit, Encryption, commit_id, decode, encode, names_itself_rightly
from seafleet.ids import ZERO_ID, LibraryId, ObjectId
from tests.formats.golden import Stored, stored_objects, vectors
from tests.formats.samples import int64, object_ids, texts

LIBRARY = LibraryId("943ed9cd-ccfa-4edc-9250-231ac4f1b462")
ROOT = ObjectId.of(b"some root")
KEYS: dict[str, Any] = {
    "commit_id": ZERO_ID,
    "root_id": ROOT,
    "repo_id": LIBRARY,
    "creator_name": "alice@example.com",
    "creator": ZERO_ID,
    "description": "Created library",
    "ctime": 1795326461,
    "parent_id": None,
    "second_parent_id": None,
    "repo_name": "Plain lib",
    "repo_desc": "",
    "repo_category": None,
    "no_local_history": 1,
    "version": 1,
}
ENCRYPTED_V2 = {"encrypted": "true", "enc_version": 2, "magic": "a" * 64, "key": "b" * 96}
ENCRYPTED_V4 = ENCRYPTED_V2 | {"enc_version": 4, "salt": "c" * 64}


def text_with(**changes: Any) -> bytes:
    """Return a commit's text with some keys changed, or left out where they are `...`."""
    keys = {key: value for key, value in (KEYS | changes).items() if value is not ...}
    return json.dumps(keys).encode()


def a_commit(**changes: Any) -> Commit:
    fields: dict[str, Any] = {
        "library_id": LIBRARY,
        "root_id": ROOT,
        "creator_name": "alice@example.com",
        "description": "Created library",
        "ctime": 1795326461,
    }
    return Commit.make(**fields | changes)


class TestReferenceCommits:
    @pytest.mark.parametrize(
        "sample", stored_objects("commits"), ids=lambda sample: f"{sample.store_id[:4]}-{sample.object_id}"
    )
    def test_of_the_server_decode_and_encode_to_the_same_bytes(self, sample: Stored) -> None:
        commit = decode(sample.data)
        assert encode(commit) == sample.data
        assert (commit.library_id, commit.commit_id) == (sample.store_id, sample.object_id)
        assert names_itself_rightly(sample.data)

    def test_of_the_client_decodes_and_encodes_to_the_same_bytes(self) -> None:
        vector = vectors()["commit_from_client"]
        stored = vector["stored_text"].encode()
        commit = decode(stored)
        assert encode(commit) == stored
        assert names_itself_rightly(stored)
        assert (commit.device_name, commit.client_version) == ("unknown", "8.0.10")
        assert commit.creator == "f46c1e0cc64f89bb028c84e5169fde54efac2107"

    def test_ids_are_hashed_over_the_same_bytes(self) -> None:
        vector = vectors()["commit_from_client"]
        commit = decode(vector["stored_text"].encode())
        again = commit_id(
            commit.root_id, commit.creator, commit.creator_name, commit.description, commit.ctime
        )
        assert again == vector["id"] == sha1(bytes.fromhex(vector["hashed_bytes_hex"])).hexdigest()

    def test_first_of_a_library_is_made_with_the_id_of_the_reference(self) -> None:
        vector = vectors()["commit_first_of_library"]
        keys = ("root_id", "creator", "creator_name", "description", "ctime")
        assert a_commit(**{key: vector[key] for key in keys}).commit_id == vector["id"]


class TestMake:
    def test_computes_the_id_and_takes_all_other_fields(self) -> None:
        parent = ObjectId.of(b"parent")
        commit = a_commit(parent_id=parent, library_name="A", conflict=True, new_merge=True)
        assert commit.commit_id == commit_id(
            ROOT, ZERO_ID, "alice@example.com", "Created library", 1795326461
        )
        assert (commit.parent_ids, commit.library_name) == ((parent,), "A")
        assert (commit.conflict, commit.new_merge, commit.repaired, commit.version) == (True, True, False, 1)

    def test_later_changes_time_and_id_only(self) -> None:
        commit = a_commit(library_name="A")
        later = commit.later()
        assert later.ctime == commit.ctime + 1
        assert later.commit_id != commit.commit_id
        assert later == a_commit(library_name="A", ctime=commit.ctime + 1)

    def test_knows_its_parents(self) -> None:
        one, two = ObjectId.of(b"1"), ObjectId.of(b"2")
        assert a_commit().parent_ids == ()
        assert a_commit(parent_id=one, second_parent_id=two).parent_ids == (one, two)

    def test_without_a_name_hashes_nothing_for_it(self) -> None:
        assert a_commit(creator_name=None).commit_id != a_commit(creator_name="").commit_id

    @pytest.mark.parametrize("field", ["creator_name", "description"])
    def test_refuses_text_without_a_utf8_form(self, field: str) -> None:
        with pytest.raises(MalformedObject):
            a_commit(**{field: "\ud800"})

    def test_text_with_a_nul_is_not_written(self) -> None:
        with pytest.raises(MalformedObject):
            encode(a_commit(description="a\0"))


class TestEncode:
    def test_writes_what_only_some_commits_have_in_the_order_of_the_reference(self) -> None:
        encryption = Encryption(4, "m" * 64, "k" * 96, "s" * 64)
        flags = {"conflict": True, "new_merge": True, "repaired": True}
        commit = a_commit(device_name="pc", encryption=encryption, **flags)
        assert list(json.loads(encode(commit)))[12:] == [
            *("device_name", "encrypted", "enc_version", "magic", "key", "salt"),
            *("no_local_history", "version", "conflict", "new_merge", "repaired"),
        ]
        assert json.loads(encode(commit))["encrypted"] == "true"
        assert json.loads(encode(commit))["conflict"] == 1

    def test_writes_a_password_hash_instead_of_the_magic(self) -> None:
        encryption = Encryption(2, None, "k" * 96, None, "h" * 64, "argon2id", "2,102400,8")
        keys = json.loads(encode(a_commit(encryption=encryption)))
        assert "magic" not in keys
        assert (keys["pwd_hash"], keys["pwd_hash_algo"]) == ("h" * 64, "argon2id")
        assert decode(encode(a_commit(encryption=encryption))).encryption == encryption

    def test_leaves_an_absent_creator_name_and_version_0_out(self) -> None:
        commit = dataclasses.replace(a_commit(creator_name=None), version=0)
        assert not {"creator_name", "version"} & json.loads(encode(commit)).keys()
        assert decode(encode(commit)) == commit


@st.composite
def commits(draw: st.DrawFn) -> Commit:
    ids = st.none() | object_ids
    return Commit.make(
        library_id=LIBRARY,
        root_id=draw(object_ids),
        creator_name=draw(st.none() | texts.map(str.lower)),
        description=draw(texts),
        ctime=draw(int64),
        parent_id=draw(ids),
        second_parent_id=draw(ids),
        library_name=draw(texts),
        library_description=draw(texts),
        device_name=draw(st.none() | texts),
        client_version=draw(st.none() | texts),
        conflict=draw(st.booleans()),
        new_merge=draw(st.booleans()),
        repaired=draw(st.booleans()),
    )


@given(commits())
def test_what_is_encoded_is_decoded_and_names_itself_rightly(commit: Commit) -> None:
    stored = encode(commit)
    assert decode(stored) == commit
    assert names_itself_rightly(stored)
    assert json.loads(stored)["commit_id"] == commit.commit_id


class TestTolerance:
    def test_a_closing_nul_is_cut_off(self) -> None:
        assert decode(text_with() + b"\0") == decode(text_with())
        with pytest.raises(MalformedObject):
            decode(text_with() + b"\0\0")

    def test_unknown_keys_compact_text_and_any_order_are_readable(self) -> None:
        reordered = json.dumps(dict(reversed(KEYS.items())) | {"new key": [1]}, separators=(",", ":"))
        assert decode(reordered.encode()) == decode(text_with())

    def test_texts_may_be_missing(self) -> None:
        texts = ("creator_name", "description", "repo_name", "repo_desc", "parent_id", "second_parent_id")
        commit = decode(text_with(**dict.fromkeys(texts, ...), version=..., no_local_history=...))
        assert (commit.creator_name, commit.description, commit.library_name) == (None, "", "")
        assert (commit.parent_ids, commit.version) == ((), 0)

    def test_the_creator_name_is_lower_cased_in_ascii_only(self) -> None:
        assert decode(text_with(creator_name="ALICE@Exämple.ÄÉİ")).creator_name == "alice@exämple.ÄÉİ"

    def test_the_creator_may_be_any_40_characters(self) -> None:
        assert decode(text_with(creator="ä" * 40)).creator == "ä" * 40

    def test_only_the_string_true_means_encrypted(self) -> None:
        assert decode(text_with(encrypted="false", enc_version=9)).encryption is None
        assert decode(text_with(**ENCRYPTED_V2)).encryption == Encryption(2, "a" * 64, "b" * 96)

    def test_empty_encryption_texts_count_as_absent(self) -> None:
        keys = ENCRYPTED_V2 | {"salt": "", "pwd_hash": "", "pwd_hash_algo": "", "pwd_hash_params": ""}
        assert decode(text_with(**keys)).encryption == Encryption(2, "a" * 64, "b" * 96)

    def test_an_encrypted_library_may_fail_to_say_how(self) -> None:
        assert decode(text_with(encrypted="true")).encryption == Encryption(0)

    def test_version_1_has_a_short_magic_and_no_key(self) -> None:
        keys = {"encrypted": "true", "enc_version": 1, "magic": "a" * 32}
        assert decode(text_with(**keys)).encryption == Encryption(1, "a" * 32)


class TestNamesItselfRightly:
    def hashed_without_nuls(self) -> str:
        parts = (ROOT, ZERO_ID, "alice@example.com", "Created library")
        return sha1("".join(parts).encode() + (1795326461).to_bytes(8, "big")).hexdigest()

    def test_accepts_both_rules_in_use(self) -> None:
        assert names_itself_rightly(text_with(commit_id=a_commit().commit_id))
        assert names_itself_rightly(text_with(commit_id=self.hashed_without_nuls()))
        assert not names_itself_rightly(text_with(commit_id=ROOT))

    def test_hashes_the_name_as_it_was_sent(self) -> None:
        sent = commit_id(ROOT, ZERO_ID, "Alice@Example.com", "Created library", 1795326461)
        assert names_itself_rightly(text_with(commit_id=sent, creator_name="Alice@Example.com"))

    def test_refuses_what_decode_refuses(self) -> None:
        with pytest.raises(MalformedObject):
            names_itself_rightly(text_with(root_id="x"))


MALFORMED: dict[str, dict[str, Any]] = {
    "no commit id": {"commit_id": ...},
    "no root": {"root_id": ...},
    "root null": {"root_id": None},
    "root too short": {"root_id": ROOT[1:]},
    "root in upper case": {"root_id": ROOT.upper()},
    "parent not hexadecimal": {"parent_id": "x" * 40},
    "empty parent": {"parent_id": ""},
    "second parent too long": {"second_parent_id": ROOT + "0"},
    "no library": {"repo_id": ...},
    "library not a UUID": {"repo_id": "943ed9cd"},
    "library in upper case": {"repo_id": LIBRARY.upper()},
    "no creator": {"creator": ...},
    "creator of 39": {"creator": "0" * 39},
    "no time": {"ctime": ...},
    "time as text": {"ctime": "5"},
    "time as fraction": {"ctime": 1.5},
    "time of 2**63": {"ctime": 2**63},
    "time before -2**63": {"ctime": -(2**63) - 1},
    "description as number": {"description": 5},
    "description with half a character": {"description": "\ud800"},
    "description with NUL": {"description": "a\0"},
    "version as text": {"version": "1"},
    "encrypted as truth": {"encrypted": True},
    "encryption version 5": ENCRYPTED_V4 | {"enc_version": 5},
    "encryption version -1": ENCRYPTED_V4 | {"enc_version": -1},
    "no magic": ENCRYPTED_V2 | {"magic": ...},
    "short magic": ENCRYPTED_V2 | {"magic": "a" * 32},
    "long magic of version 1": ENCRYPTED_V2 | {"enc_version": 1},
    "short password hash": ENCRYPTED_V2 | {"magic": ..., "pwd_hash": "a" * 63},
    "no key": ENCRYPTED_V2 | {"key": ...},
    "short key": ENCRYPTED_V2 | {"key": "b" * 64},
    "no salt": ENCRYPTED_V4 | {"salt": ...},
    "short salt": ENCRYPTED_V4 | {"salt": "c" * 63},
    "no salt in version 3": ENCRYPTED_V4 | {"enc_version": 3, "salt": ...},
}


class TestHostileInput:
    @pytest.mark.parametrize("case", MALFORMED)
    def test_is_malformed(self, case: str) -> None:
        with pytest.raises(MalformedObject):
            decode(text_with(**MALFORMED[case]))

    @pytest.mark.parametrize(
        "stored",
        [b"", b"\0", b"[]", b"null", b"{}", b'{"a":' * 100_000, text_with()[:-1], text_with() * 2, b"\xff"],
    )
    def test_that_is_no_commit_at_all_is_malformed(self, stored: bytes) -> None:
        with pytest.raises(MalformedObject):
            decode(stored)

    @given(st.sampled_from(sorted(KEYS | ENCRYPTED_V4)), st.none() | st.booleans() | int64 | st.text())
    def test_of_wrong_types_gives_a_commit_or_a_malformed_object(self, key: str, value: object) -> None:
        try:
            commit = decode(text_with(**ENCRYPTED_V4 | {key: value}))
        except MalformedObject:
            return
        assert decode(encode(commit)) == commit

    @given(st.integers(0), st.integers(0, 255))
    def test_of_one_wrong_byte_gives_a_commit_or_a_malformed_object(self, at: int, byte: int) -> None:
        stored = bytearray(text_with(**ENCRYPTED_V4))
        stored[at % len(stored)] = byte
        try:
            commit = decode(bytes(stored))
        except MalformedObject:
            return
        assert isinstance(commit, Commit)
