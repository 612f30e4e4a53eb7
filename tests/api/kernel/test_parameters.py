"""Reading parameters from queries and bodies."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seafleet.api.kernel.errors import ApiError
from seafleet.api.kernel.parameters import parse_body, parse_query

FORM = "application/x-www-form-urlencoded"
BOUNDARY = "multipart/form-data; boundary=XX"


def refusal(content_type: str, data: bytes) -> tuple[int, str, str]:
    with pytest.raises(ApiError) as caught:
        parse_body(content_type, data)
    return caught.value.status, caught.value.key, str(caught.value.message)


def multipart(*parts: tuple[str, str, bytes]) -> bytes:
    lines = [
        b'--XX\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
        % (name.encode(), rest.encode(), data)
        for name, rest, data in parts
    ]
    return b"".join(lines) + b"--XX--\r\n"


def test_fields_repeat_and_blank_ones_count() -> None:
    assert parse_query(b"a=1&b=&a=2&c") == {"a": ["1", "2"], "b": [""], "c": [""]}


def test_plus_is_a_blank_and_percent_codes_are_utf8() -> None:
    assert parse_query(b"p=/K%C3%A4se+brot") == {"p": ["/Käse brot"]}


@pytest.mark.parametrize("query", [b"p=%ff", b"p=%ed%a0%80", b"p=\xff", b"p=a%00b", b"a%00b=1"])
def test_what_is_not_utf8_or_holds_nul_is_a_bad_request(query: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        parse_query(query)
    assert caught.value.status == 400
    assert "\0" not in str(caught.value.message)


def test_forms_multipart_and_json_read_alike() -> None:
    expected = {"name": ["Käse"], "group_id": ["1", "2"]}
    json_body = '{"name": "Käse", "group_id": [1, 2]}'.encode()
    parts = multipart(("name", "", "Käse".encode()), ("group_id", "", b"1"), ("group_id", "", b"2"))
    assert parse_body(FORM, b"name=K%C3%A4se&group_id=1&group_id=2").fields == expected
    assert parse_body("application/json; charset=utf-8", json_body).fields == expected
    assert parse_body(BOUNDARY, parts).fields == expected


def test_json_values_are_spelled_as_json_spells_them_and_null_counts_as_absent() -> None:
    body = parse_body("application/json", b'{"a": true, "b": 1.5, "c": null, "d": {"e": 1}, "f": []}')
    assert body.fields == {"a": ["true"], "b": ["1.5"], "d": ['{"e":1}'], "f": []}
    assert body.json["c"] is None


def test_json_that_is_no_object_has_no_fields_but_stays_readable() -> None:
    body = parse_body("application/json", b"[1]")
    assert (body.fields, body.json) == ({}, [1])


@pytest.mark.parametrize("content_type", ["application/json", FORM, BOUNDARY, "text/plain", ""])
def test_an_empty_body_has_no_parameters_whatever_its_type(content_type: str) -> None:
    assert parse_body(content_type, b"").fields == {}


@pytest.mark.parametrize(
    "data", [b"{", b"[1,]", b'{"a": "\xff"}', b'{"a":"\\ud800"}', b"[" * 200_000, b"nope", b'{"a":1}{']
)
def test_malformed_json_is_told_as_such(data: bytes) -> None:
    status, key, text = refusal("application/json", data)
    assert (status, key) == (400, "detail")
    assert text.startswith("JSON parse error - ")


def test_nul_in_json_is_refused_by_the_name_of_its_field() -> None:
    assert refusal("application/json", b'{"name": "a\\u0000b"}') == (400, "error_msg", "name invalid.")


def test_another_content_type_is_unsupported() -> None:
    assert refusal("text/plain", b"x") == (415, "detail", 'Unsupported media type "text/plain" in request.')
    assert refusal("", b"x") == (415, "detail", 'Unsupported media type "" in request.')


@pytest.mark.parametrize(
    ("content_type", "data"),
    [
        ("multipart/form-data", b"--XX--\r\n"),
        (BOUNDARY, b"no boundary at all"),
        (BOUNDARY, b'--XX\r\nContent-Disposition: form-data; name="a"\r\n\r\nhalf'),
        (BOUNDARY, multipart(("a", "", b"\xff"))),
        ("multipart/form-data; boundary=" + "X" * 300, b"--X"),
    ],
)
def test_malformed_multipart_is_a_bad_request(content_type: str, data: bytes) -> None:
    assert refusal(content_type, data)[0] == 400


def test_files_of_a_multipart_body_come_whole_with_name_and_type() -> None:
    body = parse_body(
        BOUNDARY, multipart(("avatar", '; filename="a.png"\r\nContent-Type: image/png', b"\x00\xff"))
    )
    (file,) = body.files["avatar"]
    assert (file.name, file.data, file.media_type) == ("a.png", b"\x00\xff", "image/png")


@given(st.binary(max_size=200), st.sampled_from([FORM, BOUNDARY, "application/json"]))
def test_no_body_causes_anything_but_fields_or_a_refusal(data: bytes, content_type: str) -> None:
    with contextlib.suppress(ApiError):
        parse_body(content_type, data)
