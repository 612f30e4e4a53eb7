from __future__ import annotations

import base64

import pytest

from seafleet.api.kernel.basic import basic_credentials


def sent(text: bytes, scheme: str = "Basic") -> str:
    return f"{scheme} {base64.b64encode(text).decode()}"


@pytest.mark.parametrize(
    ("plain", "pair"),
    [
        (b"ann:secret", ("ann", "secret")),
        (b"ann:a:b", ("ann", "a:b")),
        (b"token:", ("token", "")),
        (b":x", ("", "x")),
        ("ännchen:pässe".encode(), ("ännchen", "pässe")),
        ("ännchen:pässe".encode("latin-1"), ("ännchen", "pässe")),
    ],
)
def test_name_and_password_are_what_stands_around_the_first_colon(
    plain: bytes, pair: tuple[str, str]
) -> None:
    assert basic_credentials(sent(plain)) == pair
    assert basic_credentials(sent(plain, "bAsIc")) == pair


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic ",
        "Basic ???",
        "Basic YQ",
        "Basic YTpi YTpi",
        sent(b"no colon"),
        sent(b"a:b", "Token"),
    ],
)
def test_what_is_not_the_basic_scheme_gives_nobody(header: str) -> None:
    assert basic_credentials(header) is None
