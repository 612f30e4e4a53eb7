"""Files that arrive one after the other in one request, kept only if the request turns out to be good.

Content is cut, hashed and written as it comes, but gets its names in the store in `finish`: whatever is wrong
with the request besides, found out before or after the content, leaves nothing behind after `abort`.

Source: file server §2.
"""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from seafleet.store.contract import Kind
from seafleet.store.ingest import FileIngest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seafleet.formats.ciphers import BlockCipher
    from seafleet.ids import LibraryId
    from seafleet.store.ingest import IngestedFile
    from seafleet.store.objects import ObjectStore
    from seafleet.transfers.resumable import Chunk, ResumableUploads

_OPEN_FILES: Final = 32
"""So many files of a request are held without names at most; each may have an open temporary file."""
_PENDING_BYTES: Final = 4 << 20
"""So many bytes of small objects wait for the transaction of the commit; what is more is stored before."""


def file_name(sent: str) -> str:
    """Return the name of an uploaded file as it is to be stored: the last component, in composed form.

    Source: file server §2, storage format §9.
    """
    return unicodedata.normalize("NFC", sent.replace("\\", "/").rpartition("/")[2])


class Receiver(Protocol):
    """Takes the files of one request. Called from threads, one call at a time, in the order of the content.

    ``(begin write… end)…``, and `abort` at any time: it drops what was received and never raises.
    """

    @property
    def names(self) -> Sequence[str]:
        """The names of the files, as sent."""
        ...

    @property
    def sizes(self) -> Sequence[int]:
        """Their sizes in bytes."""
        ...

    def begin(self, name: str) -> None:
        """Open the next file."""
        ...

    def write(self, data: bytes) -> None:
        """Take the next bytes of the open file."""
        ...

    def end(self) -> None:
        """Close the open file."""
        ...

    def abort(self) -> None:
        """Drop everything."""
        ...


class Counter:
    """Counts what is received and keeps none of it: for content that cannot be stored anyway."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.sizes: list[int] = []

    def begin(self, name: str) -> None:
        """Open the next file."""
        self.names.append(name)
        self.sizes.append(0)

    def write(self, data: bytes) -> None:
        """Take the next bytes of the open file."""
        self.sizes[-1] += len(data)

    def end(self) -> None:
        """Close the open file."""

    def abort(self) -> None:
        """Drop everything."""


class FilesReceiver(Counter):
    """Stores what is received, in one store, encrypted if there is a cipher."""

    def __init__(self, objects: ObjectStore, store_id: LibraryId, cipher: BlockCipher | None = None) -> None:
        super().__init__()
        self._objects = objects
        self._store_id = store_id
        self._cipher = cipher
        self._open: list[FileIngest] = []
        self._done: list[IngestedFile] = []
        self._pending_bytes = 0

    def begin(self, name: str) -> None:
        """Open the next file."""
        super().begin(name)
        if len(self._open) >= _OPEN_FILES:
            self._finish_first()
        self._open.append(FileIngest(self._objects, self._store_id, cipher=self._cipher))

    def write(self, data: bytes) -> None:
        """Take the next bytes of the open file. Raises StorageFailure."""
        super().write(data)
        self._open[-1].write(data)

    def finish(self) -> list[IngestedFile]:
        """Return the files, in the order in which they came; their large blocks are durable now.

        Raises StorageFailure, CollectionRan.
        """
        while self._open:
            self._finish_first()
        return self._done

    def abort(self) -> None:
        """Drop everything that has no name yet."""
        for ingest in self._open:
            ingest.abort()
        self._open.clear()

    def _finish_first(self) -> None:
        done = self._open[0].finish()
        del self._open[0]
        size = sum(len(data) for _, _, data in done.pending)
        if self._pending_bytes + size > _PENDING_BYTES:
            done = self._stored(done)
        else:
            self._pending_bytes += size
        self._done.append(done)

    def _stored(self, file: IngestedFile) -> IngestedFile:
        """Store at once what would have waited for the commit."""
        for kind in (Kind.BLOCK, Kind.FS):
            batch = [(object_id, data) for each, object_id, data in file.pending if each is kind]
            if batch:
                self._objects.put(self._store_id, kind, batch, verify=False)
        return replace(file, pending=())


class ChunkReceiver(Counter):
    """Receives one chunk of a file into a file of its own."""

    def __init__(self, uploads: ResumableUploads) -> None:
        super().__init__()
        self._uploads = uploads
        self.chunk: Chunk | None = None

    def begin(self, name: str) -> None:
        """Open the chunk; more than one is counted and not kept. Raises StorageFailure."""
        super().begin(name)
        if self.chunk is None:
            self.chunk = self._uploads.begin()

    def write(self, data: bytes) -> None:
        """Take the next bytes of the chunk. Raises StorageFailure."""
        super().write(data)
        if self.chunk is not None and len(self.names) == 1:
            self.chunk.write(data)

    def abort(self) -> None:
        """Drop the chunk."""
        if self.chunk is not None:
            self.chunk.discard()
