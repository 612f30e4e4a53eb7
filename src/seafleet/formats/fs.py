"""Directory and file objects, the nodes of a library's tree.

A directory object is the JSON text ``{"dirents": [...], "type": 3, "version": 1}``; each entry:

========  =====================  ==============================  ======================
key       type                   file                            directory
========  =====================  ==============================  ======================
id        40 hex digits          file object or zero id          directory or zero id
mode      integer                0100644 or 0100755              0040000
modifier  string                 who wrote the content last      absent
mtime     integer, Unix seconds  of the content                  of the folder
name      string                 unique in the directory         unique in the directory
size      integer, bytes         plain (decrypted) size          absent
========  =====================  ==============================  ======================

A file object is ``{"block_ids": [...], "size": N, "type": 1, "version": 1}``. Keys are sorted, entries
stand in descending order of the UTF-8 bytes of their names, and the id is the SHA-1 of the text before
compression. The empty file and the empty directory have the zero id and are never stored.

Ids are checked against the text as received, never against a text written anew: other writers spell control
characters differently.

Source: storage format §3, §5, §6.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Annotated, Any, Final

import msgspec

from seafleet.errors import HashMismatch, InvalidName, MalformedObject
from seafleet.formats import version0
from seafleet.formats.compression import DEFAULT_MAX_BYTES, decompress
from seafleet.formats.jsonform import loads, quote
from seafleet.ids import OBJECT_ID_LENGTH, ZERO_ID, ObjectId

FILE_MODE: Final = 0o100644
EXECUTABLE_MODE: Final = 0o100755
DIRECTORY_MODE: Final = 0o040000

_TYPE_BITS: Final = 0o170000
_FILE_BITS: Final = 0o100000
_DIRECTORY_BITS: Final = 0o040000
_FILE_TYPE: Final = 1
_DIRECTORY_TYPE: Final = 3

_Integer = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Size = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Mode = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
_Version = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]

_name_of = attrgetter("name")
_needs_escape = re.compile(r'["\\\x00-\x1f\ud800-\udfff]').search


class Dirent(msgspec.Struct, frozen=True, gc=False):
    """One entry of a directory. (A msgspec struct: a tenth of a dataclass's cost, and folders are large.)

    `mtime` is in Unix seconds. `modifier` and `size` (bytes) are None for directories, and for files of
    stores that did not record them. The constructor checks nothing: new entries come from `file` and
    `directory`, stored ones from `decode_fs`.
    """

    id: ObjectId
    mode: int
    mtime: int
    name: str
    modifier: str | None = None
    size: int | None = None

    @classmethod
    def file(
        cls,
        name: str,
        id: ObjectId,
        *,
        size: int,
        mtime: int,
        modifier: str,
        executable: bool = False,
    ) -> Dirent:
        """Return the entry of a file. Raises InvalidName if no directory can hold `name`."""
        mode = EXECUTABLE_MODE if executable else FILE_MODE
        return cls(id, mode, mtime, _checked_name(name), modifier, size)

    @classmethod
    def directory(cls, name: str, id: ObjectId = ZERO_ID, *, mtime: int) -> Dirent:
        """Return the entry of a directory. Raises InvalidName if no directory can hold `name`."""
        return cls(id, DIRECTORY_MODE, mtime, _checked_name(name))

    @property
    def is_dir(self) -> bool:
        """Whether this is a directory."""
        return self.mode & _TYPE_BITS == _DIRECTORY_BITS

    @property
    def is_file(self) -> bool:
        """Whether this is a file."""
        return self.mode & _TYPE_BITS == _FILE_BITS

    def replace(self, **changes: Any) -> Dirent:
        """Return a copy with some fields changed. Raises InvalidName for a bad new name."""
        if "name" in changes:
            _checked_name(changes["name"])
        return msgspec.structs.replace(self, **changes)


class Directory:
    """An immutable directory: its entries, in descending byte order of their names.

    Changing a directory gives another one that shares the encoded text of all other entries, so that one
    new file in a large folder costs a copy of pointers. Names are found by bisection, in about a
    microsecond, without an index that would have to be copied along.

    Old servers stored two entries of one name after a repeated merge. Both are kept; the first is the one
    that is found, replaced or removed.
    """

    __slots__ = ("_entries", "_texts")

    def __init__(self, entries: Iterable[Dirent] = ()) -> None:
        self._entries = tuple(sorted(entries, key=_name_of, reverse=True))
        self._texts: list[bytes] | None = None

    @property
    def entries(self) -> tuple[Dirent, ...]:
        """The entries, in descending byte order of their names."""
        return self._entries

    def get(self, name: str) -> Dirent | None:
        """Return the entry called exactly `name`, or None."""
        at = _position(self._entries, name)
        found = self._entries[at : at + 1]
        return found[0] if found and found[0].name == name else None

    def with_entry(self, entry: Dirent) -> Directory:
        """Return this directory with `entry` added, or put in place of the one of the same name."""
        return self.with_entries((entry,))

    def with_entries(self, new: Iterable[Dirent]) -> Directory:
        """Return this directory with each entry of `new` added or put in place of its namesake."""
        entries, texts = list(self._entries), list(self._encoded_entries())
        for entry in new:
            at = _position(entries, entry.name)
            taken = at < len(entries) and entries[at].name == entry.name
            entries[at : at + taken] = [entry]
            texts[at : at + taken] = [_entry_text(entry)]
        return _assembled(tuple(entries), texts)

    def without(self, *names: str) -> Directory:
        """Return this directory without the entries of these names; others are passed over."""
        entries, texts = list(self._entries), list(self._encoded_entries())
        for name in names:
            at = _position(entries, name)
            if at < len(entries) and entries[at].name == name:
                del entries[at], texts[at]
        return _assembled(tuple(entries), texts)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[Dirent]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Directory) and self._entries == other._entries

    def __hash__(self) -> int:
        return hash(self._entries)

    def __repr__(self) -> str:
        return f"Directory({len(self._entries)} entries)"

    def _encoded_entries(self) -> list[bytes]:
        if self._texts is None:
            self._texts = [_entry_text(entry) for entry in self._entries]
        return self._texts


EMPTY_DIRECTORY: Final = Directory()


@dataclass(frozen=True, slots=True)
class FileObject:
    """The content of a file: its blocks in order, and its plain size in bytes."""

    block_ids: tuple[ObjectId, ...]
    size: int


EMPTY_FILE: Final = FileObject((), 0)


def encode_directory(directory: Directory) -> tuple[ObjectId, bytes]:
    """Return id and JSON text. Raises ValueError for the empty directory, which is never stored."""
    if not directory:
        raise ValueError("the empty directory has the zero id and no text")
    texts = directory._encoded_entries().copy()
    # One join of everything: adding head and tail afterwards would copy a megabyte twice more.
    texts[0] = b'{"dirents": [' + texts[0]
    texts[-1] += b'], "type": 3, "version": 1}'
    text = b", ".join(texts)
    return ObjectId.of(text), text


def encode_file(file: FileObject) -> tuple[ObjectId, bytes]:
    """Return id and JSON text. Raises ValueError for the empty file, which is never stored."""
    if not file.block_ids:
        raise ValueError("the empty file has the zero id and no text")
    blocks = '", "'.join(file.block_ids)
    text = f'{{"block_ids": ["{blocks}"], "size": {file.size}, "type": 1, "version": 1}}'.encode()
    return ObjectId.of(text), text


def decode_fs(stored: bytes, max_bytes: int = DEFAULT_MAX_BYTES) -> Directory | FileObject:
    """Return the value of a stored object, be it a zlib stream or of version 0.

    Raises MalformedObject for everything else, and when the text is longer than `max_bytes`.
    """
    if version0.looks_like(stored):
        return _of_version0(stored)
    return decode_json(decompress(stored, max_bytes))


def decode_verified(
    object_id: ObjectId, stored: bytes, max_bytes: int = DEFAULT_MAX_BYTES
) -> Directory | FileObject:
    """Return the value of an object that somebody sent under the name `object_id`.

    Raises HashMismatch when the text does not hash to the name, MalformedObject when it is not readable.
    Objects of version 0 are refused: nobody sends them.
    """
    text = decompress(stored, max_bytes)
    found = ObjectId.of(text)
    if found != object_id:
        raise HashMismatch("fs object", object_id, found)
    return decode_json(text)


def decode_json(text: bytes) -> Directory | FileObject:
    """Return the value of an inflated object. Unknown keys are ignored. Raises MalformedObject."""
    wire = loads(_decoder, text, "fs object")
    if wire.type == _DIRECTORY_TYPE:
        return _directory(wire)
    if wire.type == _FILE_TYPE:
        return _file(wire)
    raise MalformedObject("fs object", f"type {wire.type}")


def glimpse(text: bytes, name: str) -> Dirent | None:
    """Return the entry called `name` of a directory's JSON text without decoding the rest.

    None says nothing: the name may stand there in another spelling than ours, or not at all. No string in
    the text can hold the marks that are looked for, because quotes inside strings are escaped.
    """
    mark = f'"name": {_quoted(name)}'.encode()
    at = text.find(mark)
    begin = text.rfind(b'{"id": "', 0, at) if at >= 0 else -1
    if begin < 0:
        return None
    end = text.find(b"}", at + len(mark)) + 1
    try:
        entry = _entry(_entry_decoder.decode(text[begin:end]))
    except (msgspec.DecodeError, MalformedObject):
        return None
    return entry if entry.name == name and _is_lower_hex(entry.id) else None


class _WireEntry(msgspec.Struct, gc=False):
    id: str
    mode: _Mode
    name: str
    mtime: _Integer = 0
    modifier: str | None = None
    size: _Size | None = None


class _WireObject(msgspec.Struct):
    type: int
    version: _Version = 1
    dirents: list[_WireEntry] | None = None
    block_ids: list[str] | None = None
    size: _Size | None = None


_decoder: Final = msgspec.json.Decoder(_WireObject)
_entry_decoder: Final = msgspec.json.Decoder(_WireEntry)


def _directory(wire: _WireObject) -> Directory:
    if wire.dirents is None:
        raise MalformedObject("directory", "no dirents")
    _check_ids("directory", [entry.id for entry in wire.dirents])
    _check_names([entry.name for entry in wire.dirents])
    return Directory(map(_entry, wire.dirents))


def _entry(wire: _WireEntry) -> Dirent:
    kind = wire.mode & _TYPE_BITS
    if kind == _FILE_BITS:
        return Dirent(ObjectId(wire.id), wire.mode, wire.mtime, wire.name, wire.modifier, wire.size)
    if kind == _DIRECTORY_BITS:
        return Dirent(ObjectId(wire.id), wire.mode, wire.mtime, wire.name)
    raise MalformedObject("directory", f"mode {wire.mode:o} is neither a file's nor a directory's")


def _file(wire: _WireObject) -> FileObject:
    if wire.block_ids is None or wire.size is None:
        raise MalformedObject("file", "no block_ids or no size")
    _check_ids("file", wire.block_ids)
    return FileObject(tuple(map(ObjectId, wire.block_ids)), wire.size)


def _of_version0(stored: bytes) -> Directory | FileObject:
    value = version0.parse(stored)
    if isinstance(value, version0.File):
        return FileObject(value.block_ids, value.size)
    _check_names([entry.name for entry in value])
    return Directory(_entry(_WireEntry(entry.id, entry.mode, entry.name)) for entry in value)


def _check_ids(kind: str, ids: list[str]) -> None:
    """Raise unless all are object ids: one look at all of them together, since there may be 100,000."""
    joined = "".join(ids)
    if not set(map(len, ids)) <= {OBJECT_ID_LENGTH} or not _is_lower_hex(joined):
        raise MalformedObject(kind, "an id is not 40 lower-case hexadecimal digits")


def _is_lower_hex(text: str) -> bool:
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        return False
    # The length shows that no white space was skipped.
    return len(raw) * 2 == len(text) and text == text.lower()


def _check_names(names: list[str]) -> None:
    """Raise for names that no writer can have made and that would be dangerous to use as a path."""
    joined = "\0".join(names)
    if "" in names or "/" in joined or joined.count("\0") >= len(names) > 0:
        raise MalformedObject("directory", "a name is empty or holds a slash or a NUL")


def _checked_name(name: str) -> str:
    if not name or "/" in name or "\0" in name:
        raise InvalidName(name, "empty, or holds a slash or a NUL")
    if not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError:
            raise InvalidName(ascii(name), "has no UTF-8 form") from None
    return name


def _position(entries: Sequence[Dirent], name: str) -> int:
    """Return where `name` stands or would stand. (Code points order as their UTF-8 bytes do.)"""
    low, high = 0, len(entries)
    while low < high:
        middle = (low + high) // 2
        if entries[middle].name > name:
            low = middle + 1
        else:
            high = middle
    return low


def _assembled(entries: tuple[Dirent, ...], texts: list[bytes]) -> Directory:
    """Return the directory of entries that stand in order already, with their encoded texts."""
    directory = Directory.__new__(Directory)
    directory._entries = entries
    directory._texts = texts
    return directory


def _entry_text(entry: Dirent) -> bytes:
    head = f'{{"id": "{entry.id}", "mode": {entry.mode}'
    tail = f'"mtime": {entry.mtime}, "name": {_quoted(entry.name)}'
    if entry.modifier is not None:
        head = f'{head}, "modifier": {_quoted(entry.modifier)}'
    if entry.size is not None:
        tail = f'{tail}, "size": {entry.size}'
    return f"{head}, {tail}}}".encode()


def _quoted(text: str) -> str:
    """Return a JSON string; most names need no escape, and asking is cheaper than encoding."""
    return quote(text) if _needs_escape(text) else f'"{text}"'
