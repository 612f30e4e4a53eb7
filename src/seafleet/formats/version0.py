"""Fs objects of library format version 0: binary, not compressed, read only. Such stores are older than 2014.

=========  ====================================================================================
object     bytes, integers big endian
=========  ====================================================================================
file       4: type 1; 8: plain size; then 20 for each block id
directory  4: type 3; then for each entry 4: mode, 40: id, 4: length of the name, name
=========  ====================================================================================

A zlib stream begins with 0x78, so the first byte tells the versions apart.

Source: storage format §13.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from seafleet.errors import MalformedObject
from seafleet.ids import ObjectId, looks_like_object_id

_TYPE: Final = struct.Struct(">I")
_FILE_HEAD: Final = struct.Struct(">IQ")
_ENTRY_HEAD: Final = struct.Struct(">I40sI")
_FILE_TYPE: Final = 1
_DIRECTORY_TYPE: Final = 3
_ID_BYTES: Final = 20


@dataclass(frozen=True, slots=True)
class File:
    """A file: its blocks in order, and its plain size in bytes."""

    block_ids: tuple[ObjectId, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a directory; time, size and author were not recorded."""

    mode: int
    id: ObjectId
    name: str


def looks_like(stored: bytes) -> bool:
    """Tell whether `stored` is of version 0 rather than a zlib stream."""
    return stored[:1] == b"\0"


def parse(stored: bytes) -> File | list[Entry]:
    """Return a file, or a directory's entries in the order found. Raises MalformedObject."""
    if len(stored) < _TYPE.size:
        raise MalformedObject("fs object", "cut short")
    (kind,) = _TYPE.unpack_from(stored)
    if kind == _FILE_TYPE:
        return _file(stored)
    if kind == _DIRECTORY_TYPE:
        return _entries(stored)
    raise MalformedObject("fs object", f"type {kind}")


def _file(stored: bytes) -> File:
    if len(stored) < _FILE_HEAD.size or (len(stored) - _FILE_HEAD.size) % _ID_BYTES:
        raise MalformedObject("file", "cut short")
    size = _FILE_HEAD.unpack_from(stored)[1]
    starts = range(_FILE_HEAD.size, len(stored), _ID_BYTES)
    return File(tuple(ObjectId(stored[at : at + _ID_BYTES].hex()) for at in starts), size)


def _entries(stored: bytes) -> list[Entry]:
    entries = []
    at = _TYPE.size
    while at < len(stored):
        entry, at = _entry(stored, at)
        entries.append(entry)
    return entries


def _entry(stored: bytes, at: int) -> tuple[Entry, int]:
    name_at = at + _ENTRY_HEAD.size
    if name_at > len(stored):
        raise MalformedObject("directory", "cut short")
    mode, id_bytes, name_length = _ENTRY_HEAD.unpack_from(stored, at)
    if name_at + name_length > len(stored):
        raise MalformedObject("directory", "cut short")
    name_bytes = stored[name_at : name_at + name_length]
    return Entry(mode, _object_id(id_bytes), _text(name_bytes)), name_at + name_length


def _object_id(raw: bytes) -> ObjectId:
    text = raw.decode("latin-1")
    if not looks_like_object_id(text):
        raise MalformedObject("directory", "an id is not 40 lower-case hexadecimal digits")
    return ObjectId(text)


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise MalformedObject("directory", "a name is not UTF-8") from None
