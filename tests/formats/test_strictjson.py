from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seafleet.errors import MalformedObject
from seafleet.formats.strictjson import MAX_BYTES, MAX_DEPTH, loads

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(values, st.booleans())
def test_every_value_is_read_as_any_parser_reads_it(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert loads(text.encode("utf-8", "replace")) == json.loads(text.encode("utf-8", "replace"))


def test_a_byte_order_mark_is_passed_over() -> None:
    assert loads(b"\xef\xbb\xbf[1]") == [1]


@pytest.mark.parametrize("text", ['{"a":1,"a":1}', '[{"b":{"a":1,"b":2,"\\u0061":3}}]'])
def test_a_key_that_stands_twice_is_refused(text: str) -> None:
    with pytest.raises(MalformedObject, match="twice"):
        loads(text.encode())


@pytest.mark.parametrize("bracket", ["[]", "{}"])
def test_depth_is_bounded(bracket: str) -> None:
    opening, closing = ("[", "]") if bracket == "[]" else ('{"a":', "}")
    assert loads((opening * (MAX_DEPTH - 1) + bracket + closing * (MAX_DEPTH - 1)).encode())
    with pytest.raises(MalformedObject, match="deeper"):
        loads((opening * MAX_DEPTH + bracket + closing * MAX_DEPTH).encode())
    with pytest.raises(MalformedObject):
        loads((opening * 100_000).encode())


def test_brackets_in_strings_are_not_depth() -> None:
    text = '["' + "[{" * 1000 + '\\"' + "[" * 1000 + '\\\\"]'
    assert len(loads(text.encode())[0]) == 3002


@pytest.mark.parametrize("head", ['"', '["', '{"a":"\\', '"\\"', '\\"'])
def test_long_strings_that_never_end_are_refused_at_once(head: str) -> None:
    with pytest.raises(MalformedObject):
        loads((head + '\\"' * 400_000).encode())


def test_size_is_bounded() -> None:
    assert loads(b" " * (MAX_BYTES - 2) + b"[]") == []
    with pytest.raises(MalformedObject, match="larger"):
        loads(b" " * (MAX_BYTES - 1) + b"[]")


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b" ", b"{", b"[1,]", b"{'a':1}", b"NaN", b"[Infinity]", b"-Infinity", b"01", b"[1] 2"),
        *(b"\xff", b'"\x01"', '"\u00e4"'.encode("latin-1"), '"a"'.encode("utf-16"), b"9" * 10_000),
    ],
)
def test_what_is_not_json_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedObject):
        loads(data)
