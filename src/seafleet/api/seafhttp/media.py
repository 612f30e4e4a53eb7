"""How files are presented to browsers: content types by extension, and the name to save them under.

Only types that a browser can be trusted with have one of their own. Everything else is a stream of octets, so
that a page in a library never runs in the server's name.

Source: file server §7.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

OCTETS: Final = "application/octet-stream"
SVG: Final = "image/svg+xml"

_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
MEDIA_TYPES: Final = {
    "txt": "text/plain; charset=utf-8",
    "doc": "application/msword",
    "docx": f"{_OFFICE}wordprocessingml.document",
    "ppt": "application/vnd.ms-powerpoint",
    "pptx": f"{_OFFICE}presentationml.presentation",
    "xls": "application/vnd.ms-excel",
    "xlsx": f"{_OFFICE}spreadsheetml.sheet",
    "pdf": "application/pdf",
    "zip": "application/zip",
    "mp3": "audio/mp3",
    "mpeg": "video/mpeg",
    "mp4": "video/mp4",
    "ogv": "video/ogg",
    "mov": "video/mp4",
    "webm": "video/webm",
    "mkv": "video/x-matroska",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "jfif": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "svg": SVG,
    "heic": "image/heic",
    "ico": "image/x-icon",
    "bmp": "image/bmp",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "psd": "image/vnd.adobe.photoshop",
    "webp": "image/webp",
}


def media_type(name: str) -> str:
    """Return the content type of a file by its extension."""
    _, dot, extension = name.rpartition(".")
    return MEDIA_TYPES.get(extension.lower(), OCTETS) if dot else OCTETS


def disposition(name: str, *, inline: bool = False) -> str:
    """Return the header that tells a browser to show or save a file, and under which name.

    The name stands there twice: percent-encoded (RFC 5987) and as it is. In the second form quotes are
    escaped; line breaks never get into a header.
    """
    how = "inline" if inline else "attachment"
    plain = name.replace("\\", "\\\\").replace('"', '\\"')
    encoded = quote(name.encode("utf-8", "replace"), safe="")
    return f"{how};filename*=utf-8''{encoded};filename=\"{plain}\""
