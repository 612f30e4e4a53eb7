"""Reading any stretch of any file, whatever its blocks are like."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seafleet.clock import FixedClock
from seafleet.db.engine import Database
from seafleet.errors import MalformedObject, ObjectMissing
from seafleet.formats.ciphers import BlockCipher, FileKey
from seafleet.formats.fs import EMPTY_FILE, FileObject
from seafleet.ids import ZERO_ID, LibraryId, ObjectId
from seafleet.library.trees import Trees
from seafleet.store.contract import Kind
from seafleet.store.memory import MemoryBlobs
from seafleet.store.objects import ObjectStore
from seafleet.transfers.content import PIECE_BYTES, ContentReader, Contents

STORE = LibraryId("00000000-1111-4222-8333-444444444444")
CIPHER = BlockCipher(FileKey(2, bytes(32), bytes(16)))
SOME_ID = ObjectId("1" * 40)


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    database = Database.open(str(tmp_path_factory.mktemp("content") / "test.db"))
    clock = FixedClock()
    yield ObjectStore(database, MemoryBlobs(clock), clock=clock, inline_block_bytes=8)
    database.close()


@pytest.fixture(scope="module")
def contents(objects: ObjectStore) -> Contents:
    return Contents(objects, Trees(objects))


def stored(objects: ObjectStore, *blocks: bytes) -> tuple[ObjectId, ...]:
    pairs = [(ObjectId.of(block), block) for block in blocks]
    objects.put(STORE, Kind.BLOCK, pairs)
    return tuple(block_id for block_id, _ in pairs)


def drained(reader: ContentReader) -> bytes:
    return b"".join(iter(reader.read, b""))


def content_of(sizes: list[int]) -> list[bytes]:
    """Return blocks of these sizes, all different."""
    return [bytes((number * 7 + at) % 251 for at in range(size)) for number, size in enumerate(sizes)]


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=12),
    st.integers(0, 400),
    st.integers(1, 400),
)
def test_any_stretch_is_what_a_slice_would_be(
    objects: ObjectStore, contents: Contents, sizes: list[int], first: int, length: int
) -> None:
    blocks = content_of(sizes)
    whole = b"".join(blocks)
    first = min(first, len(whole) - 1)
    length = min(length, len(whole) - first)
    file = FileObject(stored(objects, *blocks), len(whole))
    file_id = ObjectId.of(repr(sizes).encode())
    assert drained(contents.part(STORE, file_id, file, first, length)) == whole[first : first + length]
    assert drained(contents.whole(STORE, file)) == whole


@given(st.lists(st.integers(1, 70), min_size=1, max_size=8))
def test_encrypted_blocks_are_decrypted_one_by_one(
    objects: ObjectStore, contents: Contents, sizes: list[int]
) -> None:
    blocks = content_of(sizes)
    file = FileObject(stored(objects, *map(CIPHER.encrypt, blocks)), sum(sizes))
    assert drained(contents.whole(STORE, file, CIPHER)) == b"".join(blocks)


@pytest.mark.parametrize("version", [1, 2, 3, 4])
@given(st.lists(st.integers(1, 70), min_size=1, max_size=8), st.integers(0, 600), st.integers(1, 600))
def test_any_stretch_of_encrypted_content_is_what_a_slice_would_be(
    objects: ObjectStore, contents: Contents, version: int, sizes: list[int], first: int, length: int
) -> None:
    cipher = BlockCipher(FileKey(version, bytes(range(16 if version == 1 else 32)), bytes(range(16))))
    blocks = content_of(sizes)
    whole = b"".join(blocks)
    first = min(first, len(whole) - 1)
    length = min(length, len(whole) - first)
    file = FileObject(stored(objects, *map(cipher.encrypt, blocks)), len(whole))
    file_id = ObjectId.of(repr((version, sizes)).encode())
    found = drained(contents.part(STORE, file_id, file, first, length, cipher))
    assert found == whole[first : first + length]


def test_pieces_are_of_bounded_size_and_small_blocks_are_put_together(
    objects: ObjectStore, contents: Contents
) -> None:
    large, small = bytes(3 * PIECE_BYTES + 1), [bytes([n]) * 1000 for n in range(200)]
    for blocks in ([large], small):
        size = sum(map(len, blocks))
        reader = contents.whole(STORE, FileObject(stored(objects, *blocks), size))
        pieces = list(iter(reader.read, b""))
        assert max(map(len, pieces)) <= PIECE_BYTES
        assert len(pieces) <= size // (PIECE_BYTES // 2) + 1
        assert reader.remaining_bytes == 0


def test_the_empty_file_is_nothing(contents: Contents) -> None:
    assert contents.file(STORE, ZERO_ID) == EMPTY_FILE
    assert drained(contents.whole(STORE, EMPTY_FILE)) == b""


def test_a_missing_block_is_reported(objects: ObjectStore, contents: Contents) -> None:
    (there,) = stored(objects, b"there")
    file = FileObject((there, SOME_ID, there), 15)
    with pytest.raises(ObjectMissing):
        drained(contents.whole(STORE, file))
    with pytest.raises(ObjectMissing):
        contents.part(STORE, ObjectId("2" * 40), file, 14, 1)
    assert drained(contents.part(STORE, ObjectId("3" * 40), file, 0, 5)) == b"there"


def test_blocks_that_hold_less_than_the_file_claims_are_reported(
    objects: ObjectStore, contents: Contents
) -> None:
    file = FileObject(stored(objects, b"short"), 6)
    with pytest.raises(MalformedObject):
        drained(contents.whole(STORE, file))


def test_what_blocks_hold_beyond_the_file_is_not_read(objects: ObjectStore, contents: Contents) -> None:
    assert drained(contents.whole(STORE, FileObject(stored(objects, b"longer"), 4))) == b"long"


def test_a_wrong_key_is_reported(objects: ObjectStore, contents: Contents) -> None:
    file = FileObject(stored(objects, CIPHER.encrypt(b"secret")), 6)
    wrong = BlockCipher(FileKey(2, bytes(31) + b"x", bytes(16)))
    with pytest.raises(MalformedObject):
        drained(contents.whole(STORE, file, wrong))
    with pytest.raises(MalformedObject):
        drained(contents.part(STORE, ObjectId("4" * 40), file, 1, 5, wrong))


def test_an_unknown_file_is_reported(contents: Contents) -> None:
    with pytest.raises(ObjectMissing):
        contents.file(STORE, SOME_ID)
