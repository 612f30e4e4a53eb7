"""Which form of answer a caller accepts: JSON, how far indented, or nothing that we have.

Source: Web API conventions §4.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

MAX_INDENT: Final = 8
_JSON_TYPES: Final = frozenset(("*/*", "application/*", "application/json"))
_BROWSER_TYPES: Final = frozenset(("text/html", "text/*", "application/xhtml+xml"))


class NotAcceptableError(Exception):
    """The caller accepts no form that this server has."""


@lru_cache(maxsize=512)
def accepted_indent(accept: str) -> int:
    """Return the indent that an `Accept` header asks for, 0 to 8, 0 for compact.

    A browser's `text/html` is answered with JSON. Raises NotAcceptableError when nothing fits.
    """
    accepted = False
    for media_range in accept.split(","):
        name, *parameters = (part.strip().lower() for part in media_range.split(";"))
        if name in _JSON_TYPES:
            if indent := _indent(parameters):
                return indent
            accepted = True
        elif name in _BROWSER_TYPES:
            accepted = True
    if not accepted and accept.strip():
        raise NotAcceptableError
    return 0


def _indent(parameters: list[str]) -> int:
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "indent":
            try:
                return max(0, min(MAX_INDENT, int(value)))
            except ValueError:
                return 0
    return 0
