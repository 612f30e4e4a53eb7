from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seafleet.errors import MalformedObject
from seafleet.formats.jsonform import dumps, dumps_as_given, loads, quote
from seafleet.ids import ZERO_ID
from tests.formats.golden import vectors

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=20,
)


def test_escapes_are_those_of_the_reference() -> None:
    vector = vectors()["json_escapes"]
    text = bytes.fromhex(vector["input_utf8_hex"]).decode()
    assert quote(text).encode() == bytes.fromhex(vector["encoded_utf8_hex"])


def test_a_backslash_before_letters_is_not_taken_for_an_escape() -> None:
    assert quote("\\u001f\x1f") == '"\\\\u001f\\u001F"'
    assert quote("\\u0000") == '"\\\\u0000"'


@given(texts)
def test_every_text_is_read_back_by_any_parser(text: str) -> None:
    assert json.loads(quote(text)) == text


@given(values)
def test_text_differs_from_the_standard_library_in_the_case_of_hexadecimal_digits_only(value: object) -> None:
    standard = json.dumps(value, sort_keys=True, ensure_ascii=False)
    assert dumps(value).decode().lower() == standard.lower()
    assert json.loads(dumps(value)) == value


def test_keys_are_sorted_or_left_as_given() -> None:
    value = {"b": [1, {}], "a": [], "é": {"z": None, "y": ZERO_ID}}
    assert dumps(value).decode() == '{"a": [], "b": [1, {}], "é": {"y": "' + ZERO_ID + '", "z": null}}'
    assert dumps_as_given({"b": 1, "a": 2}) == b'{"b": 1, "a": 2}'


@pytest.mark.parametrize("text", ["\ud800", "a\udfff", "\0", "a\0b"])
def test_text_that_no_reader_takes_is_not_written(text: str) -> None:
    with pytest.raises(MalformedObject):
        quote(text)
    with pytest.raises(MalformedObject):
        dumps({"key": text})


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 5_000,
        b'"\\u0000"',
        b'"\\\\\\u0000"',
        b'"a\0"',
        b"null null",
        b"NaN",
        b"'a'",
        b'"\\x41"',
    ],
)
def test_malformed_text_raises_one_kind_of_error(text: bytes) -> None:
    with pytest.raises(MalformedObject) as caught:
        loads(msgspec.json.Decoder(str), text, "sample")
    assert caught.value.kind == "sample"


def test_an_escaped_backslash_before_zeros_is_no_nul() -> None:
    assert loads(msgspec.json.Decoder(str), rb'"\\u0000"', "sample") == r"\u0000"
