"""Uploads in several requests: chunks of one file that are kept until the last one has come.

A chunk is received into a file of its own, and only when all of it has come does it become part of the
upload: the first one as it is, later ones copied to their place. Before a chunk is acknowledged, its bytes
and the row that counts them are on disk; so an upload goes on after a restart of client or server.

What has come is always one stretch from the beginning: a chunk that would leave a hole is refused. A chunk
that comes again overwrites. The uploads of one account never mix with those of another.

Source: file server §5.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, select

from seafleet.db.engine import upsert
from seafleet.db.tables import upload_temp
from seafleet.errors import InvalidArgument, StorageFailure
from seafleet.paths import path_hash

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seafleet.clock import Clock
    from seafleet.db.engine import Database
    from seafleet.ids import RandomSource

LIFETIME_SECONDS: Final = 3 * 86_400
_PIECE_BYTES: Final = 1 << 20
_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600

_temp = upload_temp.c
_ONE: Final = select(upload_temp).where(
    _temp.library_id == bindparam("library"), _temp.path_hash == bindparam("hash")
)
_put = upsert(upload_temp)
_PUT: Final = _put.on_conflict_do_update(
    index_elements=[_temp.library_id, _temp.path_hash],
    set_={
        name: _put.excluded[name]
        for name in ("temp_name", "total_bytes", "received_bytes", "account_email", "updated_at")
    },
)
_DROP: Final = delete(upload_temp).where(
    _temp.library_id == bindparam("library"), _temp.path_hash == bindparam("hash")
)
_DROP_OLD: Final = delete(upload_temp).where(_temp.updated_at < bindparam("before"))
_NAMES: Final = select(_temp.temp_name)

_content_range = re.compile(r"\s*bytes\s+([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})\s*").fullmatch


@dataclass(frozen=True, slots=True)
class Stretch:
    """Which bytes of a file a chunk is: from `first` to `last`, which is included, of `total`."""

    first: int
    last: int
    total: int

    @classmethod
    def parse(cls, header: str) -> Stretch:
        """Return what a `Content-Range` header says. Raises InvalidArgument("Content-Range")."""
        match = _content_range(header)
        if match is None:
            raise InvalidArgument("Content-Range", "not of the form bytes first-last/total")
        first, last, total = map(int, match.groups())
        if first > last or last >= total:
            raise InvalidArgument("Content-Range", "not a part of the file")
        return cls(first, last, total)

    @property
    def length(self) -> int:
        """How many bytes the chunk has."""
        return self.last - self.first + 1

    @property
    def is_last(self) -> bool:
        """Whether the file ends with this chunk."""
        return self.last + 1 == self.total


@dataclass(frozen=True, slots=True)
class Place:
    """Whose upload it is, and where the file is to be."""

    library_id: str
    path: str
    account_email: str

    @property
    def key(self) -> dict[str, str]:
        """The key of its row."""
        return {"library": self.library_id, "hash": path_hash(self.library_id, self.path)}


class Chunk:
    """A chunk that is being received. For one thread at a time; end it with `keep` or `discard`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        with _storage_errors("cannot create a temporary file"):
            self._handle: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _FILE_MODE)

    def write(self, data: bytes) -> None:
        """Append bytes. Raises StorageFailure."""
        assert self._handle is not None, "written to after its end"
        with _storage_errors("cannot write a temporary file"):
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._handle, rest) :]
        self.size += len(data)

    def read(self) -> Iterator[bytes]:
        """Yield what was written."""
        assert self._handle is not None, "read after its end"
        return _pieces(self._handle, self.size)

    def keep(self) -> None:
        """End the writing: on return the bytes are on disk."""
        assert self._handle is not None, "kept twice"
        with _storage_errors("cannot sync a temporary file"):
            os.fsync(self._handle)
        self._close()

    def copy_to(self, target: int, offset: int) -> None:
        """Write all bytes at a place of another open file. Raises StorageFailure."""
        for piece in self.read():
            with _storage_errors("cannot write a temporary file"):
                rest = memoryview(piece)
                while rest:
                    written = os.pwrite(target, rest, offset)
                    rest, offset = rest[written:], offset + written

    def discard(self) -> None:
        """Drop it. Never raises; does nothing a second time."""
        self._close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _close(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            with contextlib.suppress(OSError):
                os.close(handle)


class ResumableUploads:
    """Keeps the chunks of unfinished uploads in files below `folder`. Safe to use from many processes."""

    def __init__(self, database: Database, clock: Clock, random: RandomSource, folder: Path) -> None:
        self._database = database
        self._clock = clock
        self._random = random
        self._folder = folder

    def begin(self) -> Chunk:
        """Return a chunk to be filled. Raises StorageFailure."""
        path = self._folder / self._random.randbytes(16).hex()
        try:
            return Chunk(path)
        except StorageFailure:
            self._make_folder()
            return Chunk(path)

    def received_bytes(self, place: Place) -> int:
        """Return how many bytes of an upload have come, from the beginning on; 0 when there is none."""
        row = self._row(place)
        return int(row.received_bytes) if row is not None else 0

    def add(self, place: Place, stretch: Stretch, chunk: Chunk) -> None:
        """Make a chunk part of the upload, durable on return; the chunk is used up.

        Raises InvalidArgument("Content-Range") when it is not as long as it says or would leave a hole, and
        StorageFailure, also when the upload's file is gone: then the upload has to begin anew.
        """
        self._check(stretch, chunk)
        row = self._row(place)
        if row is not None and row.total_bytes == stretch.total and stretch.first <= row.received_bytes:
            self._insert(place, stretch, chunk, row.temp_name)
        elif stretch.first == 0:
            self._start(place, stretch, chunk)
            if row is not None:
                self._remove_file(row.temp_name)
        else:
            raise InvalidArgument("Content-Range", "bytes before it have not come yet")

    def content(self, place: Place, stretch: Stretch, chunk: Chunk) -> Iterator[bytes]:
        """Yield the whole file, of which `chunk` is the end. Raises as `add` does."""
        self._check(stretch, chunk)
        if stretch.first > 0:
            row = self._row(place)
            if row is None or row.total_bytes != stretch.total or stretch.first > row.received_bytes:
                raise InvalidArgument("Content-Range", "bytes before it have not come yet")
            with self._opened(place, row.temp_name) as handle:
                yield from _pieces(handle, stretch.first)
        yield from chunk.read()

    def forget(self, place: Place) -> None:
        """Drop an upload: it has become a file of the library."""
        row = self._row(place)
        if row is not None:
            self._database.write(lambda tx: tx.execute(_DROP, place.key).rowcount)
            self._remove_file(row.temp_name)

    def purge(self) -> int:
        """Drop uploads that nothing came for in three days, and files without an upload that are as old.

        Return how many files went.
        """
        before = self._clock.timestamp() - LIFETIME_SECONDS
        self._database.write(lambda tx: tx.execute(_DROP_OLD, {"before": before}).rowcount)
        with self._database.read() as connection:
            used = set(connection.execute(_NAMES).scalars())
        unused = [name for name in self._names() if name not in used and self._is_older(name, before)]
        for name in unused:
            self._remove_file(name)
        return len(unused)

    # -- parts -------------------------------------------------------------------------------------------

    @staticmethod
    def _check(stretch: Stretch, chunk: Chunk) -> None:
        if chunk.size != stretch.length:
            raise InvalidArgument("Content-Range", f"{chunk.size} bytes came")

    def _row(self, place: Place) -> Any:
        """Return the row of the account's upload, None if there is none, or only somebody else's."""
        with self._database.read() as connection:
            row = connection.execute(_ONE, place.key).one_or_none()
        return row if row is not None and row.account_email == place.account_email else None

    def _start(self, place: Place, stretch: Stretch, chunk: Chunk) -> None:
        chunk.keep()
        with _storage_errors("cannot sync a folder"):
            _sync_folder(self._folder)
        self._count(place, stretch.total, stretch.last + 1, chunk.path.name)

    def _insert(self, place: Place, stretch: Stretch, chunk: Chunk, temp_name: str) -> None:
        with self._opened(place, temp_name) as handle:
            # One chunk at a time: what counts is the row as it is when it is this chunk's turn.
            fcntl.flock(handle, fcntl.LOCK_EX)
            row = self._row(place)
            if row is None or row.temp_name != temp_name or stretch.first > row.received_bytes:
                raise InvalidArgument("Content-Range", "another upload took its place")
            chunk.copy_to(handle, stretch.first)
            with _storage_errors("cannot sync a temporary file"):
                os.fdatasync(handle)
            self._count(place, stretch.total, max(row.received_bytes, stretch.last + 1), temp_name)
        chunk.discard()

    def _count(self, place: Place, total: int, received: int, temp_name: str) -> None:
        row = {
            "library_id": place.library_id,
            "path_hash": place.key["hash"],
            "path": place.path,
            "temp_name": temp_name,
            "total_bytes": total,
            "received_bytes": received,
            "account_email": place.account_email,
            "updated_at": self._clock.timestamp(),
        }
        self._database.write(lambda tx: tx.execute(_PUT, row).rowcount)

    @contextlib.contextmanager
    def _opened(self, place: Place, temp_name: str) -> Iterator[int]:
        """Open the file of an upload; when it is gone, so is the upload."""
        try:
            handle = os.open(self._folder / temp_name, os.O_RDWR)
        except OSError as error:
            self._database.write(lambda tx: tx.execute(_DROP, place.key).rowcount)
            raise StorageFailure(f"cannot open a temporary file: {error.strerror}") from error
        try:
            yield handle
        finally:
            os.close(handle)

    def _make_folder(self) -> None:
        with _storage_errors("cannot make the folder for uploads"):
            self._folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)
            _sync_folder(self._folder.parent)

    def _names(self) -> list[str]:
        try:
            return os.listdir(self._folder)
        except FileNotFoundError:
            return []

    def _is_older(self, name: str, before: int) -> bool:
        try:
            return os.stat(self._folder / name).st_mtime < before
        except OSError:
            return False

    def _remove_file(self, name: str) -> None:
        with contextlib.suppress(OSError):
            (self._folder / name).unlink()


def _pieces(handle: int, length: int) -> Iterator[bytes]:
    offset = 0
    while offset < length:
        with _storage_errors("cannot read a temporary file"):
            piece = os.pread(handle, min(_PIECE_BYTES, length - offset), offset)
        if not piece:
            raise StorageFailure("a temporary file is shorter than what has come")
        offset += len(piece)
        yield piece


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _storage_errors(what_failed: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageFailure(f"{what_failed}: {error.strerror or error}") from error
