"""The Basic scheme: a name and a password in `Authorization`.

Source: RFC 7617 §2.
"""

from __future__ import annotations

import base64
import binascii


def basic_credentials(authorization: str) -> tuple[str, str] | None:
    """Return name and password of an `Authorization` header; None when it is absent, of another scheme or
    malformed.

    Both are UTF-8, or Latin-1 where they are not that.
    """
    scheme, _, encoded = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        plain = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    try:
        text = plain.decode()
    except UnicodeDecodeError:
        text = plain.decode("latin-1")
    name, colon, password = text.partition(":")
    return (name, password) if colon else None
