"""How answers are written and which form a caller gets."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seafleet.api.kernel.negotiation import NotAcceptableError, accepted_indent
from seafleet.api.kernel.replies import Reply, as_reply, encode_json, encode_reply, header_line
from seafleet.ids import LibraryId


def test_json_is_compact_ascii_with_lower_case_escapes() -> None:
    assert encode_json({"name": "Käse 😀\x1f", "n": [1, True, None]}) == (
        b'{"name":"K\\u00e4se \\ud83d\\ude00\\u001f","n":[1,true,null]}'
    )


def test_a_string_result_is_quoted_and_nothing_else() -> None:
    assert encode_json("pong") == b'"pong"'


def test_ids_are_written_as_strings() -> None:
    assert encode_json({"id": LibraryId("7460f7ac-a0ff-4585-8906-bb5a57d2e118")}) == (
        b'{"id":"7460f7ac-a0ff-4585-8906-bb5a57d2e118"}'
    )


def test_indent_puts_a_blank_after_colons_only() -> None:
    assert encode_json({"a": [1, 2]}, 4) == b'{\n    "a": [\n        1,\n        2\n    ]\n}'


@given(
    st.recursive(st.text() | st.integers(-(2**62), 2**62) | st.booleans() | st.none(), st.lists, max_leaves=9)
)
def test_every_value_reads_back_as_it_was(value: object) -> None:
    assert json.loads(encode_json(value)) == value
    assert json.loads(encode_json(value, 4)) == value
    assert encode_json(value).isascii()


def test_half_a_surrogate_pair_is_escaped_and_not_an_error() -> None:
    assert encode_json(["\udcff", "é"]) == b'["\\udcff","\\u00e9"]'


def test_handlers_may_return_a_value_a_status_with_a_body_or_a_reply() -> None:
    assert as_reply([1]) == Reply([1], 200)
    assert as_reply((201, "success")) == Reply("success", 201)
    assert as_reply(Reply(b"x", 206)) == Reply(b"x", 206)


def test_no_content_has_neither_length_nor_type_and_bytes_are_octets() -> None:
    assert encode_reply(Reply(status=204)).headers == []
    assert encode_reply(Reply(b"\xff")).headers == [
        (b"content-length", b"1"),
        (b"content-type", b"application/octet-stream"),
    ]


def test_a_header_value_cannot_start_another_line() -> None:
    assert header_line("Location", "/a\r\nSet-Cookie: x=1") == (b"location", b"/a  Set-Cookie: x=1")


@pytest.mark.parametrize(
    ("accept", "indent"),
    [
        ("", 0),
        ("*/*", 0),
        ("application/json", 0),
        ("application/json; indent=4", 4),
        ("application/json;indent=99", 8),
        ("application/json; indent=-3", 0),
        ("application/json; indent=two", 0),
        ("application/json; charset=utf-8; indent=2", 2),
        ("application/xml, application/json; indent=3; q=0.5", 3),
        ("text/html,application/xhtml+xml,*/*;q=0.8", 0),
        ("text/html", 0),
        ("APPLICATION/JSON; INDENT=4", 4),
    ],
)
def test_accept_says_how_far_json_is_indented(accept: str, indent: int) -> None:
    assert accepted_indent(accept) == indent


@pytest.mark.parametrize("accept", ["application/xml", "text/plain", "image/*, audio/ogg", "nonsense"])
def test_a_caller_that_takes_no_json_is_refused(accept: str) -> None:
    with pytest.raises(NotAcceptableError):
        accepted_indent(accept)
