"""JSON from strangers: bounded in size and depth, without anything that two readers would read differently.

Refused are bytes that are not UTF-8, keys that an object has twice, and the numbers that are none in JSON.

Source: RFC 8259 §4, §8.1; device registry §11.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NoReturn

from seafleet.errors import MalformedObject

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 32

_KIND: Final = "JSON"
# A whole string, even one that never ends, or a bracket outside of strings.
_tokens = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


def loads(data: bytes) -> Any:
    """Return the value of a document. Raises MalformedObject("JSON", reason)."""
    if len(data) > MAX_BYTES:
        raise MalformedObject(_KIND, f"larger than {MAX_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
        _check_depth(text)
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except ValueError as error:
        raise MalformedObject(_KIND, str(error)[:200]) from None


def _check_depth(text: str) -> None:
    depth = 0
    for found in _tokens.finditer(text):
        token = found.group()
        if token in ("[", "{"):
            depth += 1
            if depth > MAX_DEPTH:
                raise MalformedObject(_KIND, f"deeper than {MAX_DEPTH} levels")
        elif token in ("]", "}"):
            depth -= 1


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedObject(_KIND, "an object has a key twice")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedObject(_KIND, f"{name} is no number")
