from __future__ import annotations

from hashlib import sha1, sha256
from itertools import count, islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seafleet.formats import chunking
from seafleet.formats.chunking import MIB, Chunker, ContentDefinedChunker, FixedChunker
from seafleet.formats.fs import FileObject, encode_file
from seafleet.ids import ObjectId
from tests.formats.golden import client_files, content, vectors

SMALL = {"min_bytes": 4096, "average_bytes": 8192, "max_bytes": 32768}


def blocks(chunker: Chunker, data: bytes, piece_bytes: int = 1 << 18) -> list[bytes]:
    """Return the blocks of a file that arrives in pieces of `piece_bytes`."""
    finished, current = [], b""
    for at in range(0, len(data), piece_bytes):
        for piece in chunker.feed(memoryview(data)[at : at + piece_bytes]):
            current += piece.data
            if piece.ends_block:
                finished.append(current)
                current = b""
    assert chunker.finish() == bool(current)
    return [*finished, current] if current else finished


def lengths(chunker: Chunker, data: bytes, piece_bytes: int = 1 << 18) -> list[int]:
    return [len(block) for block in blocks(chunker, data, piece_bytes)]


def cdc_sample() -> bytes:
    """Return the content of vector `cdc`."""
    digests = (sha256(b"seafile-cdc-small" + i.to_bytes(8, "big")).digest() for i in count())
    return b"".join(islice(digests, 300_000 // 32 + 1))[:300_000]


def slow_reference(data: bytes, min_bytes: int, average_bytes: int, max_bytes: int) -> list[int]:
    """Return chunk lengths, found byte by byte as the specification tells it."""
    found, start = [], 0
    while start < len(data):
        end = _slow_end(data[start : start + max_bytes], min_bytes, average_bytes - 1)
        found.append(end)
        start += end
    return found


def _slow_end(chunk: bytes, min_bytes: int, mask: int) -> int:
    if len(chunk) < min_bytes:
        return len(chunk)
    state = chunking.checksum(chunk[min_bytes - 48 : min_bytes])
    for end in range(min_bytes, len(chunk)):
        if state & mask == 0x13:
            return end
        state = _slow_append(state ^ chunking.U[chunk[end - 48]], chunk[end]) & 0xFFFFFFFF
    return len(chunk)


def _slow_append(state: int, byte: int) -> int:
    return ((state << 8 | byte) & (1 << 64) - 1) ^ chunking.T[state >> 55]


class TestFixed:
    def test_cuts_as_the_server_does(self) -> None:
        vector = vectors()["fixed_chunking"]
        cut = blocks(FixedChunker(vector["block_size"]), content(vector["content"]))
        ids = tuple(map(ObjectId.of, cut))
        assert list(ids) == vector["block_ids"]
        assert encode_file(FileObject(ids, 9 * MIB))[0] == vector["file_id"]

    @given(st.binary(max_size=100), st.integers(1, 20), st.integers(1, 50))
    def test_all_blocks_but_the_last_are_full(self, data: bytes, block_bytes: int, piece_bytes: int) -> None:
        cut = blocks(FixedChunker(block_bytes), data, piece_bytes)
        assert b"".join(cut) == data
        assert all(len(block) == block_bytes for block in cut[:-1])
        assert all(0 < len(block) <= block_bytes for block in cut)

    def test_the_default_is_8_mib(self) -> None:
        assert lengths(FixedChunker(), bytes(8 * MIB + 1), 3 * MIB) == [8 * MIB, 1]

    def test_nothing_is_copied(self) -> None:
        data = bytes(10)
        assert all(piece.data.obj is data for piece in FixedChunker(4).feed(data))

    def test_an_empty_file_has_no_block(self) -> None:
        chunker = FixedChunker()
        assert list(chunker.feed(b"")) == []
        assert not chunker.finish()

    def test_a_block_has_at_least_one_byte(self) -> None:
        with pytest.raises(ValueError, match="at least one byte"):
            FixedChunker(0)


class TestContentDefined:
    def test_tables_and_checksum_are_those_of_the_reference(self) -> None:
        vector = vectors()["cdc"]
        assert f"{chunking.T[1]:x}" == vector["T_1_hex"]
        assert f"{chunking.U[1]:x}" == vector["U_1_hex"]
        assert f"{chunking.U[255]:x}" == vector["U_255_hex"]
        assert f"{chunking.checksum(cdc_sample()[:48]):x}" == vector["checksum_of_first_48_bytes_hex"]

    @pytest.mark.parametrize("piece_bytes", [61, 1000, 4096, 300_000])
    def test_small_parameters_give_the_lengths_of_the_reference(self, piece_bytes: int) -> None:
        expected = vectors()["cdc"]["chunk_lengths_for_min4096_avg8192_max32768"]
        assert lengths(ContentDefinedChunker(**SMALL), cdc_sample(), piece_bytes) == expected

    def test_one_chunker_cuts_one_file_after_the_other(self) -> None:
        chunker = ContentDefinedChunker(**SMALL)
        first, second = (lengths(chunker, cdc_sample()[:100_000]) for _ in range(2))
        assert first == second

    @given(st.binary(min_size=1, max_size=2000), st.integers(52, 80), st.integers(1, 300))
    def test_equals_the_byte_by_byte_rule(self, data: bytes, min_bytes: int, piece_bytes: int) -> None:
        data *= 3
        chunker = ContentDefinedChunker(min_bytes, 256, 1000)
        assert lengths(chunker, data, piece_bytes) == slow_reference(data, min_bytes, 256, 1000)

    @pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097])
    def test_what_is_shorter_than_the_minimum_is_one_block(self, size: int) -> None:
        assert sum(lengths(ContentDefinedChunker(**SMALL), bytes(size), 7)) == size

    @pytest.mark.parametrize(
        "parameters", [(51, 256, 1000), (100, 128, 1000), (100, 300, 1000), (1001, 256, 1000)]
    )
    def test_parameters_that_make_no_sense_are_refused(self, parameters: tuple[int, int, int]) -> None:
        with pytest.raises(ValueError, match=r"the (average|minimum)"):
            ContentDefinedChunker(*parameters)

    @pytest.mark.slow
    @pytest.mark.parametrize("file", client_files(), ids=lambda file: file["name"])
    def test_cuts_as_the_desktop_client_does(self, file: dict[str, Any]) -> None:
        data = content(file["generate"])
        assert sha1(data).hexdigest() == file["sha1"]
        cut = blocks(ContentDefinedChunker(), data, MIB)
        assert [len(block) for block in cut] == file["block_sizes"]
        ids = tuple(map(ObjectId.of, cut))
        assert list(ids) == file["block_ids"]
        assert encode_file(FileObject(ids, len(data)))[0] == file["file_id"]
