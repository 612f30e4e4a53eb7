"""JSON or XML: by the path's suffix, by `Accept`, by the type of the body that was sent, else JSON.

Source: Device Magic devices §3.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from seafleet.api.kernel.media_types import media_type, qualities

if TYPE_CHECKING:
    from seafleet.api.kernel.request import Headers

XML_TYPES: Final = ("application/xml", "text/xml")
JSON_TYPE: Final = "application/json"


class Format(Enum):
    """How a body is written; the value is the suffix of paths."""

    JSON = ".json"
    XML = ".xml"

    @property
    def content_type(self) -> str:
        """Return the `Content-Type` of answers."""
        return f"{JSON_TYPE if self is Format.JSON else XML_TYPES[0]}; charset=utf-8"


def split_suffix(segment: str) -> tuple[str, Format | None]:
    """Return the last segment of a path without the suffix, and what it asks for.

    Only one suffix is cut, and only these two are any: names may hold dots.
    """
    for wanted in Format:
        if segment.endswith(wanted.value):
            return segment.removesuffix(wanted.value), wanted
    return segment, None


def answer_format(path: str, headers: Headers) -> Format | None:
    """Return how to answer a request, None when the caller takes neither."""
    _, by_suffix = split_suffix(path.rstrip("/"))
    if by_suffix is not None:
        return by_suffix
    json, *xml = qualities(headers.get("accept"), (JSON_TYPE, *XML_TYPES))
    if json != max(xml):
        return Format.JSON if json > max(xml) else Format.XML
    if json == 0:
        return None
    name, _ = media_type(headers.get("content-type"))
    return Format.XML if name in XML_TYPES else Format.JSON
