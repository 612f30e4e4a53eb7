"""Zip archives of folders, made while they are sent: no temporary file, and memory that does not grow.

What goes in is found by walking a tree, which never changes. It is walked three times: to know the size of
the archive, to send the content, and for the directory at the end, so that only four bytes for each entry
have to be kept meanwhile.

Source: file server §7, "GET /zip/<tok>"; transfers page, "Zip".
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from seafleet import paths
from seafleet.errors import FileTooLarge, FolderNotFound, InvalidArgument
from seafleet.formats.fs import DIRECTORY_MODE, Dirent
from seafleet.formats.zip import (
    Entry,
    Layout,
    central_header,
    crc32,
    descriptor,
    end_records,
    local_header,
)
from seafleet.ids import ZERO_ID, ObjectId
from seafleet.transfers.content import PIECE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import tzinfo

    from seafleet.clock import Clock
    from seafleet.formats.ciphers import BlockCipher
    from seafleet.library.model import Head
    from seafleet.library.trees import Trees
    from seafleet.transfers.content import Contents

FOLDER: Final = "download-dir"
SEVERAL: Final = "download-multi"
_FOLDER_MODE: Final = DIRECTORY_MODE | 0o755


_encoder = msgspec.json.Encoder(enc_hook=str)


class _FolderTarget(msgspec.Struct):
    obj_id: str
    dir_name: str
    is_windows: int = 0


class _SeveralTarget(msgspec.Struct):
    parent_dir: str
    file_list: list[str]
    is_windows: int = 0
    root_id: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is to be packed: entries of a library, each under its name in the archive.

    `operation` and `target` are what an access token for this says; `name` is the name of the archive.
    """

    head: Head
    items: tuple[Dirent, ...]
    name: str
    operation: str
    target: str


@dataclass(frozen=True, slots=True)
class Sums:
    """How much is to be packed."""

    size_bytes: int
    file_count: int


class Zips:
    """Chooses what to pack, and packs it: `max_bytes` of content at most, 0 for any; times in `zone`."""

    def __init__(
        self, trees: Trees, contents: Contents, clock: Clock, zone: tzinfo, max_bytes: int = 0
    ) -> None:
        self._trees = trees
        self._contents = contents
        self._clock = clock
        self._zone = zone
        self.max_bytes = max_bytes

    def select(self, head: Head, parent: str, names: Sequence[str]) -> Selection:
        """Return entries of a folder as the library is now; one folder alone stands for itself.

        Raises FolderNotFound for `parent`, and with the path of the first entry that is missing.
        """
        items = self._entries(head, head.root_id, parent, names)
        if len(items) == 1 and items[0].is_dir:
            return self._folder(head, items[0])
        target = _SeveralTarget(parent, [entry.name for entry in items], root_id=head.root_id)
        return self._several(head, items, target)

    def of_token(self, head: Head, operation: str, target: str) -> Selection:
        """Return what an access token was made for. Raises InvalidArgument, FolderNotFound."""
        try:
            if operation.removesuffix("-link") == FOLDER:
                wanted = msgspec.json.decode(target, type=_FolderTarget)
                folder_id = ObjectId.parse(wanted.obj_id)
                return self._folder(head, Dirent.directory(wanted.dir_name, folder_id, mtime=self._now()))
            several = msgspec.json.decode(target, type=_SeveralTarget)
        except msgspec.MsgspecError:
            raise InvalidArgument("target", "not what tokens for archives hold") from None
        root_id = ObjectId.parse(several.root_id) if several.root_id else head.root_id
        parent = paths.normalize_folder(several.parent_dir)
        return self._several(head, self._entries(head, root_id, parent, several.file_list), several)

    def sums(self, selection: Selection) -> Sums:
        """Return size and number of the files. Raises ObjectMissing, MalformedObject."""
        size_bytes = file_count = 0
        for entry in selection.items:
            if entry.is_dir:
                below = self._trees.stats(selection.head.store_id, entry.id)
                size_bytes, file_count = size_bytes + below.size_bytes, file_count + below.file_count
            else:
                size_bytes, file_count = size_bytes + (entry.size or 0), file_count + 1
        return Sums(size_bytes, file_count)

    def check(self, sums: Sums) -> None:
        """Raise FileTooLarge if this is more than the site packs."""
        if self.max_bytes and sums.size_bytes > self.max_bytes:
            raise FileTooLarge(self.max_bytes)

    def reader(
        self, selection: Selection, cipher: BlockCipher | None, note: Callable[[int], None]
    ) -> ZipReader:
        """Return what reads the archive. `note` is told again and again how many files it holds so far.

        What `note` raises ends the reading.
        """
        return ZipReader(self._trees, self._contents, self._zone, selection, cipher, note)

    def _entries(
        self, head: Head, root_id: ObjectId, parent: str, names: Iterable[str]
    ) -> tuple[Dirent, ...]:
        _, folder = self._trees.folder(head.store_id, root_id, parent)
        found = []
        for name in dict.fromkeys(names):
            entry = folder.get(name)
            if entry is None:
                raise FolderNotFound(paths.join(parent, name))
            found.append(entry)
        return tuple(found)

    def _folder(self, head: Head, entry: Dirent) -> Selection:
        target = _encoder.encode(_FolderTarget(entry.id, entry.name)).decode()
        return Selection(head, (entry,), f"{entry.name}.zip", FOLDER, target)

    def _several(self, head: Head, items: tuple[Dirent, ...], target: _SeveralTarget) -> Selection:
        today = self._clock.now().astimezone(self._zone)
        name = f"documents-export-{today:%Y-%m-%d}.zip"
        return Selection(head, items, name, SEVERAL, _encoder.encode(target).decode())

    def _now(self) -> int:
        return self._clock.timestamp()


class ZipReader:
    """Reads an archive piece by piece. For one thread at a time; `total_bytes` is how long it gets."""

    def __init__(
        self,
        trees: Trees,
        contents: Contents,
        zone: tzinfo,
        selection: Selection,
        cipher: BlockCipher | None,
        note: Callable[[int], None],
    ) -> None:
        self._trees = trees
        self._contents = contents
        self._zone = zone
        self._selection = selection
        self._cipher = cipher
        self._note = note
        self._pieces = self._archive()
        self.total_bytes = Layout.of(entry for entry, _ in self._walk()).total_bytes

    def read(self) -> bytes:
        """Return the next bytes; nothing at the end.

        Raises ObjectMissing and MalformedObject for content that cannot be read, and what `note` raises.
        """
        pieces: list[bytes] = []
        size = 0
        while size < PIECE_BYTES // 2:
            piece = next(self._pieces, None)
            if piece is None:
                break
            pieces.append(piece)
            size += len(piece)
        return b"".join(pieces)

    def _walk(self) -> Iterator[tuple[Entry, Dirent]]:
        """Yield files and empty folders; other folders are there by what they hold."""
        store_id = self._selection.head.store_id
        for top in self._selection.items:
            yield from _shown(top.name, top)
            if top.is_dir:
                for path, entry in self._trees.walk(store_id, top.id):
                    yield from _shown(top.name + path, entry)

    def _archive(self) -> Iterator[bytes]:
        checksums, layout, files = array("I"), Layout(), 0
        for entry, dirent in self._walk():
            yield local_header(entry, self._zone)
            checksum = 0
            for piece in self._content(dirent):
                checksum = crc32(piece, checksum)
                self._note(files)
                yield piece
            yield descriptor(entry, checksum)
            checksums.append(checksum)
            layout.add(entry)
            files += not entry.is_dir
            self._note(files)
        yield from self._directory(checksums)
        yield end_records(layout.count, layout.directory_bytes, layout.position)

    def _content(self, dirent: Dirent) -> Iterator[bytes]:
        if dirent.is_dir or not dirent.size:
            return
        store_id = self._selection.head.store_id
        file = self._contents.file(store_id, dirent.id)
        reader = self._contents.beginning(store_id, file, dirent.size, self._cipher)
        while piece := reader.read():
            yield piece

    def _directory(self, checksums: array[int]) -> Iterator[bytes]:
        layout = Layout()
        for (entry, _), checksum in zip(self._walk(), checksums, strict=True):
            yield central_header(entry, self._zone, checksum, layout.position)
            layout.add(entry)


def _shown(path: str, dirent: Dirent) -> Iterator[tuple[Entry, Dirent]]:
    """Yield the entry of a file or an empty folder, under a name that stays inside where it is unpacked."""
    if dirent.is_dir and dirent.id != ZERO_ID:
        return
    name = "/".join(_harmless(part) for part in path.split("/"))
    if dirent.is_dir:
        yield Entry(name, 0, dirent.mtime, _FOLDER_MODE, is_dir=True), dirent
    else:
        yield Entry(name, dirent.size or 0, dirent.mtime, dirent.mode & 0xFFFF), dirent


def _harmless(part: str) -> str:
    """Return a name that no system takes for a way out: clients may have synced any bytes."""
    return "_" * len(part) if part in (".", "..") else part.replace("\\", "_")
