"""Zip archives that are written front to back: what stands around the content of each entry, and at the end.

An archive is, for each entry ::

    local header | content, as it is | data descriptor

then a central header for each entry, then the end records. Content is stored, not compressed, so that the
size of an archive is known before anything of it has been read; its CRC is known afterwards only, and stands
in the descriptor. Sizes and places from 4 GiB on, and more than 65,534 entries, take the ZIP64 forms.

Names are UTF-8 and flagged so. The time of an entry stands there twice: as local time to two seconds, and in
an extra field as Unix time.

Source: PKWARE APPNOTE 6.3.10, §4.3 to §4.5; Info-ZIP's extra field 0x5455.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from datetime import datetime, tzinfo
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from seafleet.errors import MalformedObject

if TYPE_CHECKING:
    from collections.abc import Iterable

_checksums: Any
try:
    _checksums = import_module("isal.isal_zlib")
except ImportError:  # a platform without wheels: slower, and right all the same
    _checksums = zlib

_LOCAL: Final = struct.Struct("<4s5H3I2H")
_CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
_END: Final = struct.Struct("<4s4H2IH")
_END64: Final = struct.Struct("<4sQ2H2I4Q")
_LOCATOR64: Final = struct.Struct("<4sIQI")
_DESCRIPTOR: Final = struct.Struct("<4s3I")
_DESCRIPTOR64: Final = struct.Struct("<4sI2Q")
_TIME_EXTRA: Final = struct.Struct("<2HBi")

_LIMIT32: Final = 0xFFFF_FFFF
_LIMIT16: Final = 0xFFFF
_VERSION: Final = 20
_VERSION64: Final = 45
_MADE_ON_UNIX: Final = 3 << 8
_UTF8_NAME: Final = 0x0800
_DESCRIBED_BEHIND: Final = 0x0008
_STORED: Final = 0
_FOLDER_ATTRIBUTE: Final = 0x10
_MIN_TIME: Final = (1980, 1, 1, 0, 0, 0)
_MAX_TIME: Final = (2107, 12, 31, 23, 59, 58)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder in an archive. `name` has no slash at the end; `mode` are Unix bits with the type.

    `mtime` is in Unix seconds, `size` in bytes, 0 for a folder.
    """

    name: str
    size: int
    mtime: int
    mode: int
    is_dir: bool = False

    @property
    def stored_name(self) -> bytes:
        """The name as it stands in the archive. Raises MalformedObject when it is too long for one."""
        name = (self.name + "/" if self.is_dir else self.name).encode("utf-8", "replace")
        if len(name) > _LIMIT16:
            raise MalformedObject("zip entry", "its path is longer than an archive can hold")
        return name


def crc32(data: bytes, crc: int = 0) -> int:
    """Return the checksum of content that began with what `crc` is the checksum of."""
    return int(_checksums.crc32(data, crc))


def local_header(entry: Entry, zone: tzinfo) -> bytes:
    """Return what stands before the content of an entry; its time is shown in `zone`."""
    name, large = entry.stored_name, entry.size >= _LIMIT32
    extra = _time_extra(entry) + (_sizes_extra(0, 0) if large else b"")
    header = _LOCAL.pack(
        b"PK\x03\x04",
        _VERSION64 if large else _VERSION,
        _flags(entry),
        _STORED,
        *_dos_time(entry.mtime, zone),
        0,
        _LIMIT32 if large else 0,
        _LIMIT32 if large else 0,
        len(name),
        len(extra),
    )
    return header + name + extra


def descriptor(entry: Entry, crc: int) -> bytes:
    """Return what stands behind the content of an entry: nothing for a folder."""
    if entry.is_dir:
        return b""
    form = _DESCRIPTOR64 if entry.size >= _LIMIT32 else _DESCRIPTOR
    return form.pack(b"PK\x07\x08", crc, entry.size, entry.size)


def central_header(entry: Entry, zone: tzinfo, crc: int, offset: int) -> bytes:
    """Return the entry's line in the directory; its local header stands at `offset`."""
    name = entry.stored_name
    size, at = min(entry.size, _LIMIT32), min(offset, _LIMIT32)
    large = [entry.size, entry.size] if size == _LIMIT32 else []
    large += [offset] if at == _LIMIT32 else []
    extra = _time_extra(entry) + (_sizes_extra(*large) if large else b"")
    version = _VERSION64 if large else _VERSION
    header = _CENTRAL.pack(
        b"PK\x01\x02",
        _MADE_ON_UNIX | version,
        version,
        _flags(entry),
        _STORED,
        *_dos_time(entry.mtime, zone),
        crc,
        size,
        size,
        len(name),
        len(extra),
        0,
        0,
        0,
        entry.mode << 16 | (_FOLDER_ATTRIBUTE if entry.is_dir else 0),
        at,
    )
    return header + name + extra


def end_records(count: int, directory_bytes: int, directory_offset: int) -> bytes:
    """Return the end of an archive of so many entries, after its directory."""
    records = b""
    if count >= _LIMIT16 or max(directory_bytes, directory_offset) >= _LIMIT32:
        records = _END64.pack(
            b"PK\x06\x06",
            _END64.size - 12,
            _MADE_ON_UNIX | _VERSION64,
            _VERSION64,
            0,
            0,
            count,
            count,
            directory_bytes,
            directory_offset,
        ) + _LOCATOR64.pack(b"PK\x06\x07", 0, directory_offset + directory_bytes, 1)
    entries = min(count, _LIMIT16)
    return records + _END.pack(
        b"PK\x05\x06",
        0,
        0,
        entries,
        entries,
        min(directory_bytes, _LIMIT32),
        min(directory_offset, _LIMIT32),
        0,
    )


@dataclass(slots=True)
class Layout:
    """How large an archive gets, entry by entry. `position` is where the next local header stands."""

    position: int = 0
    count: int = 0
    directory_bytes: int = 0

    def add(self, entry: Entry) -> None:
        """Count an entry: its content, and what stands before and behind it and in the directory."""
        name, large = len(entry.stored_name), entry.size >= _LIMIT32
        places = (2 if large else 0) + (1 if self.position >= _LIMIT32 else 0)
        self.directory_bytes += _CENTRAL.size + name + _TIME_EXTRA.size + (4 + 8 * places if places else 0)
        self.position += _LOCAL.size + name + _TIME_EXTRA.size + (20 if large else 0)
        if not entry.is_dir:
            self.position += entry.size + (_DESCRIPTOR64 if large else _DESCRIPTOR).size
        self.count += 1

    @property
    def total_bytes(self) -> int:
        """The size of the whole archive."""
        end = end_records(self.count, self.directory_bytes, self.position)
        return self.position + self.directory_bytes + len(end)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Layout:
        """Return the layout of an archive of these entries."""
        layout = cls()
        for entry in entries:
            layout.add(entry)
        return layout


def _flags(entry: Entry) -> int:
    return _UTF8_NAME if entry.is_dir else _UTF8_NAME | _DESCRIBED_BEHIND


def _dos_time(mtime: int, zone: tzinfo) -> tuple[int, int]:
    """Return time and date; what the format cannot tell becomes the nearest that it can."""
    try:
        shown = datetime.fromtimestamp(mtime, zone).timetuple()[:6]
    except (ValueError, OverflowError, OSError):
        shown = _MAX_TIME if mtime > 0 else _MIN_TIME
    year, month, day, hour, minute, second = min(max(tuple(shown), _MIN_TIME), _MAX_TIME)
    return hour << 11 | minute << 5 | second // 2, (year - 1980) << 9 | month << 5 | day


def _time_extra(entry: Entry) -> bytes:
    return _TIME_EXTRA.pack(0x5455, 5, 1, min(max(entry.mtime, -(2**31)), 2**31 - 1))


def _sizes_extra(*values: int) -> bytes:
    return struct.pack(f"<2H{len(values)}Q", 1, 8 * len(values), *values)
