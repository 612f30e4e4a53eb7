from __future__ import annotations

import gzip
import importlib.util
import random
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seafleet.errors import MalformedObject
from seafleet.formats import compression
from seafleet.formats.compression import compress, decompress
from tests.formats.golden import stored_objects, vectors

LARGE = bytes(random.Random(7).choices(b'{"id": 0123456789abcdef}', k=300_000))


@pytest.fixture(params=["isal", "zlib"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "zlib":
        monkeypatch.setattr(compression, "_isal", None)
    return str(request.param)


def test_stored_bytes_equal_those_of_the_reference() -> None:
    for vector in (vectors()["file_object"], vectors()["dir_object_escapes_from_client"]):
        stored = bytes.fromhex(vector.get("stored_hex") or vector["stored_zlib_level6_hex"])
        assert compress(vector["json_text"].encode()) == stored
        assert decompress(stored) == vector["json_text"].encode()


def test_every_sample_is_compressed_to_the_same_bytes_again() -> None:
    for sample in stored_objects("fs"):
        assert compress(decompress(sample.data)) == sample.data


@pytest.mark.parametrize("size", [0, 1, 2 << 10, (2 << 10) + 1, 64 << 10, 300_000])
def test_what_is_compressed_comes_back(library: str, size: int) -> None:
    text = LARGE[:size]
    assert decompress(compress(text)) == text, library
    assert zlib.decompress(compress(text)) == text


@given(st.binary(max_size=2000), st.integers(0, 9))
def test_any_level_is_readable(text: bytes, level: int) -> None:
    assert decompress(zlib.compress(text, level)) == text


def test_the_limit_is_the_largest_size_that_passes(library: str) -> None:
    stored = compress(LARGE)
    assert decompress(stored, len(LARGE)) == LARGE, library
    with pytest.raises(MalformedObject, match="more than"):
        decompress(stored, len(LARGE) - 1)


def test_a_bomb_is_not_inflated(library: str) -> None:
    bomb = zlib.compress(bytes(5_000_000))
    with pytest.raises(MalformedObject, match="more than 1000 bytes"):
        decompress(bomb, 1000)
    assert len(bomb) < 5_000, library


@pytest.mark.parametrize("text", [b"short", LARGE], ids=["short", "large"])
def test_a_stream_must_be_whole_and_alone(library: str, text: bytes) -> None:
    stored = compress(text)
    for wrong in (b"", stored[:1], stored[:-1], stored[:-4], stored + b"\0", stored + stored):
        with pytest.raises(MalformedObject):
            decompress(wrong)
    assert decompress(stored) == text, library


@pytest.mark.parametrize("text", [b"short", LARGE], ids=["short", "large"])
def test_damage_never_gives_another_text(library: str, text: bytes) -> None:
    stored = compress(text)
    refused = 0
    for at in [*range(0, len(stored), max(1, len(stored) // 50)), *range(len(stored) - 5, len(stored))]:
        damaged = bytearray(stored)
        damaged[at] ^= 0x10
        try:
            # A few bits of a deflate stream mean nothing.
            assert decompress(bytes(damaged)) == text, library
        except MalformedObject:
            refused += 1
    assert refused > 10


def test_isal_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "isal.isal_zlib", None)
    spec = importlib.util.spec_from_file_location("compression_without_isal", compression.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.compress(LARGE) == zlib.compress(LARGE, 6)
    assert module.decompress(compress(LARGE)) == LARGE


def test_other_compressions_are_refused() -> None:
    raw = zlib.compressobj(wbits=-15)
    for wrong in (gzip.compress(b"text"), raw.compress(b"text") + raw.flush(), b"text", b"{}"):
        with pytest.raises(MalformedObject):
            decompress(wrong)
