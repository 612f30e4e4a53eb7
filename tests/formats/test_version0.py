from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seafleet.errors import MalformedObject
from seafleet.formats.fs import Directory, Dirent, FileObject, decode_fs
from seafleet.ids import ObjectId

SOME_ID = ObjectId.of(b"some content")


def entry(mode: int, name: bytes, object_id: bytes = SOME_ID.encode()) -> bytes:
    return struct.pack(">I40sI", mode, object_id, len(name)) + name


def directory(*entries: bytes) -> bytes:
    return struct.pack(">I", 3) + b"".join(entries)


def test_a_file_is_its_size_and_its_blocks() -> None:
    stored = struct.pack(">IQ", 1, 12345) + bytes.fromhex(SOME_ID) * 2
    assert decode_fs(stored) == FileObject((SOME_ID, SOME_ID), 12345)


def test_a_directory_has_neither_times_nor_sizes() -> None:
    stored = directory(entry(0o100644, "größe".encode()), entry(0o040000, b"sub"))
    assert decode_fs(stored) == Directory(
        [Dirent(SOME_ID, 0o100644, 0, "größe"), Dirent(SOME_ID, 0o040000, 0, "sub")]
    )


@pytest.mark.parametrize(
    "stored",
    [
        b"\0",
        b"\0\0\0\2",
        b"\0\0\0\1",
        struct.pack(">IQ", 1, 5) + bytes(19),
        directory(entry(0o100644, b"name")[:-1]),
        directory(entry(0o100644, b"name")[:20]),
        directory(entry(0o100644, b"\xff")),
        directory(entry(0o100644, b"a/b")),
        directory(entry(0o100644, b"")),
        directory(entry(0o120000, b"link")),
        directory(entry(0o100644, b"name", b"x" * 40)),
        directory(struct.pack(">I40sI", 0o100644, SOME_ID.encode(), 0xFFFFFFFF) + b"name"),
    ],
)
def test_anything_else_is_malformed(stored: bytes) -> None:
    with pytest.raises(MalformedObject):
        decode_fs(stored)


@given(st.sampled_from([1, 3]), st.binary(max_size=200))
def test_any_bytes_give_a_value_or_a_malformed_object(kind: int, rest: bytes) -> None:
    try:
        value = decode_fs(struct.pack(">I", kind) + rest)
    except MalformedObject:
        return
    assert isinstance(value, (FileObject, Directory))
