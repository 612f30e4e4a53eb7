from __future__ import annotations

import pytest

from seafleet.api.kernel.media_types import media_type, qualities

JSON, XML, TEXT_XML = "application/json", "application/xml", "text/xml"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", (1.0, 1.0, 1.0)),
        ("*/*", (1.0, 1.0, 1.0)),
        ("application/xml", (0.0, 1.0, 0.0)),
        ("APPLICATION/XML; charset=utf-8", (0.0, 1.0, 0.0)),
        ("application/*", (1.0, 1.0, 0.0)),
        ("text/*;q=0.3, application/json;q=0.2", (0.2, 0.0, 0.3)),
        ("text/html, application/xml;q=0.9, */*;q=0.8", (0.8, 0.9, 0.8)),
        ("*/*, application/json;q=0", (0.0, 1.0, 1.0)),
        ("application/json;q=0.1, application/json;q=0.7", (0.7, 0.0, 0.0)),
        ("text/csv", (0.0, 0.0, 0.0)),
        ("rubbish", (0.0, 0.0, 0.0)),
        ("application/json;q=2, text/xml;q=x, application/xml", (0.0, 1.0, 0.0)),
        ("*/json, application/xml", (0.0, 1.0, 0.0)),
        (",,application/json,,", (1.0, 0.0, 0.0)),
    ],
)
def test_the_narrowest_range_that_fits_decides(accept: str, expected: tuple[float, ...]) -> None:
    assert qualities(accept, (JSON, XML, TEXT_XML)) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", ("", "")),
        ("application/json", ("application/json", "")),
        ('Text/XML; a=b; Charset="UTF-8"', ("text/xml", "utf-8")),
        (" application/xml ;charset=iso-8859-1", ("application/xml", "iso-8859-1")),
    ],
)
def test_a_content_type_is_its_name_and_charset(header: str, expected: tuple[str, str]) -> None:
    assert media_type(header) == expected
