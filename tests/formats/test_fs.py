from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seafleet.errors import HashMismatch, InvalidName, MalformedObject
from seafleet.formats.compression import compress
from seafleet.formats.fs import (
    EMPTY_DIRECTORY,
    EMPTY_FILE,
    Directory,
    Dirent,
    FileObject,
    decode_fs,
    decode_json,
    decode_verified,
    encode_directory,
    encode_file,
    glimpse,
)
from seafleet.ids import ZERO_ID, ObjectId
from tests.formats.golden import Stored, stored_objects, vectors
from tests.formats.samples import entries, file_objects, names, trees

CLIENT_OBJECTS = [
    "file_object",
    "file_object_three_blocks_from_client",
    "dir_object_escapes_from_client",
    "dir_object_root_from_client",
    "dir_object_unicode_from_client",
]
SOME_ID = ObjectId.of(b"some content")


def encode(value: Directory | FileObject) -> tuple[ObjectId, bytes]:
    return encode_directory(value) if isinstance(value, Directory) else encode_file(value)


def a_file(name: str, **fields: Any) -> Dirent:
    defaults: dict[str, Any] = {"size": 5, "mtime": 1_700_000_000, "modifier": "a@b.c"}
    return Dirent.file(name, SOME_ID, **defaults | fields)


def listing(*names: str) -> list[str]:
    return [entry.name for entry in Directory(map(a_file, names))]


class TestReferenceObjects:
    @pytest.mark.parametrize("sample", stored_objects("fs"), ids=lambda sample: str(sample.object_id))
    def test_decode_and_encode_to_the_same_bytes(self, sample: Stored) -> None:
        value = decode_verified(sample.object_id, sample.data)
        object_id, text = encode(value)
        assert object_id == sample.object_id
        assert compress(text) == sample.data
        assert decode_fs(sample.data) == value

    @pytest.mark.parametrize("key", CLIENT_OBJECTS)
    def test_of_the_client_decode_and_encode_to_the_same_text(self, key: str) -> None:
        vector = vectors()[key]
        text = vector["json_text"].encode()
        assert encode(decode_json(text)) == (vector["id"], text)

    def test_hold_what_the_client_saw(self) -> None:
        root = decode_json(vectors()["dir_object_root_from_client"]["json_text"].encode())
        assert isinstance(root, Directory)
        script, folder = root.get("run.sh"), root.get("emptydir")
        assert script == a_file(
            "run.sh", mtime=1795326584, size=10, modifier="alice@example.com", executable=True
        ).replace(id=ObjectId("0e7e7e16d59ebd9a8bd73b82c026a1bf38db63f6"))
        assert folder == Dirent.directory("emptydir", mtime=1795326584)

    def test_names_are_kept_byte_for_byte(self) -> None:
        vector = vectors()["dir_object_escapes_from_client"]
        directory = decode_json(vector["json_text"].encode())
        assert isinstance(directory, Directory)
        assert [entry.name.encode().hex() for entry in directory] == [vector["name_utf8_hex"]]


class TestDirent:
    def test_tells_files_from_directories(self) -> None:
        file, folder = a_file("a"), Dirent.directory("b", mtime=0)
        assert (file.is_file, file.is_dir) == (True, False)
        assert (folder.is_file, folder.is_dir) == (False, True)
        assert (folder.modifier, folder.size) == (None, None)

    @pytest.mark.parametrize("mode", [0o100644, 0o100755, 0o100600, 0o040000, 0o040644, 0o040755])
    def test_may_have_any_permission_bits(self, mode: int) -> None:
        text = b'{"type": 3, "dirents": [{"id": "%b", "mode": %d, "name": "a"}]}' % (SOME_ID.encode(), mode)
        directory = decode_json(text)
        assert isinstance(directory, Directory)
        assert directory.entries[0].mode == mode
        assert directory.entries[0].is_dir == (mode < 0o100000)

    @pytest.mark.parametrize("name", ["", "/", "a/b", "a\0", "\ud800"])
    def test_cannot_be_made_with_a_name_that_no_directory_holds(self, name: str) -> None:
        with pytest.raises(InvalidName):
            a_file(name)
        with pytest.raises(InvalidName):
            Dirent.directory(name, mtime=0)
        with pytest.raises(InvalidName):
            a_file("good").replace(name=name)

    def test_is_copied_with_changes(self) -> None:
        assert a_file("a", size=1).replace(name="b", size=2) == a_file("b", size=2)

    def test_cannot_be_changed(self) -> None:
        with pytest.raises(AttributeError):
            a_file("a").name = "b"  # type: ignore[misc]

    def test_with_a_name_that_has_no_utf8_form_is_not_encoded(self) -> None:
        with pytest.raises(MalformedObject):
            encode_directory(Directory([Dirent(SOME_ID, 0o100644, 0, "\ud800", "a@b.c", 1)]))


class TestDirectory:
    def test_entries_stand_in_descending_byte_order(self) -> None:
        vector = vectors()["dirent_order"]
        assert listing(*vector["input"]) == vector["stored_order"]

    @given(trees)
    def test_order_is_that_of_utf8_bytes_not_of_letters(self, directory: Directory) -> None:
        encoded = [entry.name.encode() for entry in directory]
        assert encoded == sorted(encoded, reverse=True)

    @given(trees, names)
    def test_finds_entries_by_their_exact_name(self, directory: Directory, name: str) -> None:
        by_name = {entry.name: entry for entry in directory.entries}
        for each in [*by_name, name]:
            assert directory.get(each) == by_name.get(each)
            assert (each in directory) == (each in by_name)
        assert len(directory) == len(by_name)

    def test_case_and_unicode_form_make_different_names(self) -> None:
        directory = Directory(map(a_file, ["a", "A", "é", "e\u0301"]))
        assert len(directory) == 4
        assert "E\u0301" not in directory
        assert 5 not in directory

    @given(trees, st.lists(entries, max_size=5))
    def test_adding_equals_building_anew(self, directory: Directory, new: list[Dirent]) -> None:
        before = directory.entries
        changed = directory.with_entries(new)
        merged = {entry.name: entry for entry in [*before, *new]}
        assert changed == Directory(merged.values())
        assert directory.entries == before
        if changed:
            assert encode_directory(changed) == encode_directory(Directory(merged.values()))

    @given(trees, st.data())
    def test_removing_equals_building_anew(self, directory: Directory, data: st.DataObject) -> None:
        gone = data.draw(st.lists(st.sampled_from([entry.name for entry in directory] or ["x"])))
        changed = directory.without(*gone, "not there")
        kept = Directory(entry for entry in directory if entry.name not in gone)
        assert changed == kept
        if kept:
            assert encode_directory(changed) == encode_directory(kept)

    def test_a_change_encodes_the_changed_entry_only(self) -> None:
        directory = Directory(a_file(f"{number:04}") for number in range(1000))
        encode_directory(directory)
        changed = directory.with_entry(a_file("0500", size=6)).without("0007")
        before = {id(text) for text in directory._encoded_entries()}
        assert sum(id(text) not in before for text in changed._encoded_entries()) == 1

    def test_is_equal_by_content(self) -> None:
        one, other = Directory([a_file("a"), a_file("b")]), Directory([a_file("b"), a_file("a")])
        assert one == other
        assert hash(one) == hash(other)
        assert one != Directory([a_file("a")])
        assert one != "directory"
        assert repr(one) == "Directory(2 entries)"

    def test_two_entries_of_one_name_are_kept_and_the_first_one_counts(self) -> None:
        text = encode_directory(Directory([a_file("same", size=1), a_file("same", size=2), a_file("a")]))[1]
        directory = decode_json(text)
        assert isinstance(directory, Directory)
        assert [entry.size for entry in directory] == [1, 2, 5]
        assert directory.get("same") == a_file("same", size=1)
        assert [entry.size for entry in directory.without("same")] == [2, 5]
        assert [entry.size for entry in directory.with_entry(a_file("same", size=9))] == [9, 2, 5]

    def test_stored_in_another_order_is_sorted_when_read(self) -> None:
        objects = [{"id": SOME_ID, "mode": 0o100644, "name": name} for name in "acb"]
        directory = decode_json(json.dumps({"type": 3, "version": 1, "dirents": objects}).encode())
        assert isinstance(directory, Directory)
        assert [entry.name for entry in directory] == ["c", "b", "a"]


class TestEmpty:
    def test_is_never_encoded(self) -> None:
        with pytest.raises(ValueError, match="zero id"):
            encode_directory(EMPTY_DIRECTORY)
        with pytest.raises(ValueError, match="zero id"):
            encode_file(EMPTY_FILE)

    def test_is_readable_where_somebody_stored_it(self) -> None:
        assert decode_json(b'{"dirents": [], "type": 3, "version": 1}') == EMPTY_DIRECTORY
        assert decode_json(b'{"block_ids": [], "size": 0, "type": 1, "version": 1}') == EMPTY_FILE

    def test_results_from_removing_the_last_entry(self) -> None:
        assert Directory([a_file("a")]).without("a") == EMPTY_DIRECTORY
        assert not EMPTY_DIRECTORY


class TestRoundTrip:
    @given(trees)
    def test_of_directories(self, directory: Directory) -> None:
        if directory:
            object_id, text = encode_directory(directory)
            assert decode_verified(object_id, compress(text)) == directory
            assert json.loads(text)["type"] == 3

    @given(file_objects)
    def test_of_files(self, file: FileObject) -> None:
        object_id, text = encode_file(file)
        assert decode_verified(object_id, compress(text)) == file
        assert json.loads(text) == {
            "block_ids": list(file.block_ids),
            "size": file.size,
            "type": 1,
            "version": 1,
        }


class TestVerification:
    def test_compares_with_the_text_as_received(self) -> None:
        """Go's writer spells control characters in lower case: its ids are right as they are."""
        text = entry_with(name="\x1f")
        assert rb"\u001f" in text
        directory = decode_verified(ObjectId.of(text), compress(text))
        assert isinstance(directory, Directory)
        assert encode_directory(directory)[0] != ObjectId.of(text)

    def test_refuses_another_name(self) -> None:
        stored = compress(encode_file(FileObject((SOME_ID,), 1))[1])
        with pytest.raises(HashMismatch):
            decode_verified(ZERO_ID, stored)

    def test_refuses_version_0(self) -> None:
        with pytest.raises(MalformedObject):
            decode_verified(ZERO_ID, b"\0\0\0\1" + bytes(8))

    def test_refuses_text_above_the_limit(self) -> None:
        object_id, text = encode_file(FileObject((SOME_ID,) * 100, 1))
        assert decode_verified(object_id, compress(text), len(text))
        with pytest.raises(MalformedObject, match="more than"):
            decode_verified(object_id, compress(text), len(text) - 1)
        with pytest.raises(MalformedObject, match="more than"):
            decode_fs(compress(text), len(text) - 1)


def entry_with(**fields: object) -> bytes:
    """Return a directory object of one entry with some fields changed, or left out where they are `...`."""
    entry = {"id": SOME_ID, "mode": 33188, "modifier": "a@b.c", "mtime": 1, "name": "a", "size": 1} | fields
    present = {key: value for key, value in entry.items() if value is not ...}
    return json.dumps({"dirents": [present], "type": 3, "version": 1}).encode()


def object_with(**fields: object) -> bytes:
    return json.dumps({"block_ids": [SOME_ID], "size": 1, "type": 1, "version": 1} | fields).encode()


class TestTolerance:
    @pytest.mark.parametrize("missing", ["mtime", "modifier", "size"])
    def test_an_entry_may_lack_what_old_stores_did_not_record(self, missing: str) -> None:
        directory = decode_json(entry_with(**{missing: ...}))
        assert isinstance(directory, Directory)
        expected = {"mtime": 0, "modifier": None, "size": None}[missing]
        assert getattr(directory.entries[0], missing) == expected

    def test_an_entry_without_modifier_or_size_is_encoded_without(self) -> None:
        directory = decode_json(entry_with(modifier=..., size=...))
        assert isinstance(directory, Directory)
        assert sorted(json.loads(encode_directory(directory)[1])["dirents"][0]) == [
            "id",
            "mode",
            "mtime",
            "name",
        ]

    def test_unknown_keys_are_ignored(self) -> None:
        assert decode_json(entry_with(colour="red", more={"a": [1.5, None]})) == decode_json(entry_with())
        assert decode_json(object_with(colour="red")) == FileObject((SOME_ID,), 1)

    def test_a_directory_loses_what_only_files_have(self) -> None:
        directory = decode_json(entry_with(mode=0o040000))
        assert directory == Directory([Dirent.directory("a", SOME_ID, mtime=1)])

    def test_compact_text_and_a_missing_version_are_readable(self) -> None:
        assert decode_json(b'{"type":1,"size":1,"block_ids":["%b"]}\n' % SOME_ID.encode()) == FileObject(
            (SOME_ID,), 1
        )

    @pytest.mark.parametrize(
        "name", [".", "..", "\\", "\x01", "\x7f", "a\n", " ", "e\u0301", "😀", "x" * 300]
    )
    def test_odd_names_are_readable(self, name: str) -> None:
        directory = decode_json(entry_with(name=name))
        assert isinstance(directory, Directory)
        assert name in directory


HOSTILE: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "no object": lambda: b"[]",
    "a number": lambda: b"3",
    "no type": lambda: b"{}",
    "type of a link": lambda: object_with(type=2),
    "type as text": lambda: object_with(type="1"),
    "type as fraction": lambda: b'{"type": 1.0, "size": 1, "block_ids": []}',
    "version 0": lambda: object_with(version=0),
    "version as text": lambda: object_with(version="1"),
    "no blocks": lambda: b'{"type": 1, "size": 1}',
    "no size": lambda: b'{"type": 1, "block_ids": []}',
    "size as text": lambda: object_with(size="1"),
    "negative size": lambda: object_with(size=-1),
    "size of 2**63": lambda: object_with(size=2**63),
    "size of 5,000 digits": lambda: b'{"type": 1, "block_ids": [], "size": ' + b"9" * 5000 + b"}",
    "blocks as text": lambda: object_with(block_ids=SOME_ID),
    "block as number": lambda: object_with(block_ids=[5]),
    "block id too short": lambda: object_with(block_ids=[SOME_ID[1:]]),
    "block ids of 39 and 41": lambda: object_with(block_ids=[SOME_ID[1:], SOME_ID + "0"]),
    "block id in upper case": lambda: object_with(block_ids=[SOME_ID.upper()]),
    "block id with blanks": lambda: object_with(block_ids=[SOME_ID[:38] + "  "]),
    "block id in foreign digits": lambda: object_with(block_ids=["٣" * 40]),
    "no entries": lambda: b'{"type": 3}',
    "entries as object": lambda: b'{"type": 3, "dirents": {}}',
    "entry as list": lambda: b'{"type": 3, "dirents": [[]]}',
    "entry without id": lambda: entry_with(id=...),
    "entry without mode": lambda: entry_with(mode=...),
    "entry without name": lambda: entry_with(name=...),
    "entry with a bad id": lambda: entry_with(id="x" * 40),
    "id with null": lambda: entry_with(id=None),
    "mode of a link": lambda: entry_with(mode=0o120000),
    "mode of nothing": lambda: entry_with(mode=0),
    "negative mode": lambda: entry_with(mode=-1),
    "mode of 2**32": lambda: entry_with(mode=2**32 + 0o100644),
    "mtime as text": lambda: entry_with(mtime="1"),
    "mtime of 2**64": lambda: entry_with(mtime=2**64),
    "mtime as truth": lambda: entry_with(mtime=True),
    "modifier as number": lambda: entry_with(modifier=5),
    "modifier with NUL": lambda: entry_with(modifier="a\0"),
    "empty name": lambda: entry_with(name=""),
    "name with slash": lambda: entry_with(name="a/b"),
    "name of a parent's child": lambda: entry_with(name="../a"),
    "name with NUL": lambda: entry_with(name="a\0b"),
    "name with half a character": lambda: entry_with(name="\ud800"),
    "name in Latin 1": lambda: entry_with(name="?").replace(b"?", b"\xe9"),
    "name over-long in UTF-8": lambda: entry_with(name="?").replace(b"?", b"\xc0\xaf"),
    "deep nesting": lambda: b'{"type": 3, "x": ' + b"[" * 200_000,
    "deep nesting in an entry": lambda: entry_with(x=0).replace(b'"x": 0', b'"x": ' + b'{"a":' * 200_000),
    "two objects": lambda: object_with() + object_with(),
    "cut short": lambda: object_with()[:-1],
}  # fmt: skip


class TestHostileInput:
    @pytest.mark.parametrize("case", HOSTILE)
    def test_is_malformed(self, case: str) -> None:
        with pytest.raises(MalformedObject):
            decode_json(HOSTILE[case]())

    @given(st.binary())
    def test_of_any_kind_gives_a_value_or_a_malformed_object(self, data: bytes) -> None:
        for decode in (decode_fs, decode_json):
            with pytest.raises(MalformedObject):
                decode(data)

    @given(trees, st.integers(0), st.integers(0, 255))
    def test_of_one_wrong_byte_gives_a_value_or_a_malformed_object(
        self, directory: Directory, at: int, byte: int
    ) -> None:
        text = bytearray(encode_directory(directory.with_entry(a_file("a")))[1])
        text[at % len(text)] = byte
        try:
            value = decode_json(bytes(text))
        except MalformedObject:
            return
        assert isinstance(value, Directory)
        assert len(value) >= len(directory)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | inner
        )
    )
    def test_of_wrong_types_gives_a_value_or_a_malformed_object(self, value: object) -> None:
        for field in ("id", "mode", "mtime", "name", "modifier", "size"):
            text = entry_with(**{field: value})
            try:
                assert isinstance(decode_json(text), Directory)
            except MalformedObject:
                continue


# -- one entry without the rest --------------------------------------------------------------------------


_NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)


@given(st.lists(_NAMES, unique=True))
def test_a_glimpse_finds_what_decoding_finds(names: list[str]) -> None:
    entries = [Dirent(ObjectId.of(name.encode()), 33188, 7, name, 'who "} ever', 3) for name in names]
    if not entries:
        return
    text = encode_directory(Directory(entries))[1]
    for entry in entries:
        assert glimpse(text, entry.name) == entry
    assert glimpse(text, "not there") in (None, *(entry for entry in entries if entry.name == "not there"))


def test_a_glimpse_says_nothing_about_other_spellings() -> None:
    text = b'{"version":1,"type":3,"dirents":[{"id":"%s","mode":33188,"name":"a"}]}' % (b"1" * 40)
    assert glimpse(text, "a") is None
    assert glimpse(b'"name": "a"', "a") is None
    assert glimpse(b'{"id": "x", "mode": 33188, "name": "a"}', "a") is None
