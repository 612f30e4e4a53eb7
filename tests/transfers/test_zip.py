"""Archives that are larger than the old form can tell, packed from a library as they are sent."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest

from seafleet.db.engine import Database
from seafleet.formats.compression import compress
from seafleet.formats.fs import FileObject, encode_file
from seafleet.ids import LibraryId, ObjectId
from seafleet.library.edits import AddFiles, MakeFolder, NewFile
from seafleet.store.contract import Kind
from seafleet.store.ingest import FileIngest
from seafleet.transfers.content import PIECE_BYTES, Contents
from seafleet.transfers.zip import Zips
from tests.library.site import Site

BLOCK = b"0123456789abcdef" * (1 << 19)
BLOCKS = 520
COUNT = 65_540


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    database = Database.open(str(tmp_path / "test.db"))
    yield (opened := Site(database))
    opened.libraries.close()
    database.close()


def huge_file(site: Site, library: LibraryId, name: str) -> NewFile:
    """Return a file of more than 4 GiB that is one block many times over."""
    ingest = FileIngest(site.objects, library)
    ingest.write(BLOCK)
    ingest.finish()
    size = BLOCKS * len(BLOCK)
    file_id, text = encode_file(FileObject((ObjectId.of(BLOCK),) * BLOCKS, size))
    return NewFile(name, file_id, size, 0, ((Kind.FS, file_id, compress(text)),))


@pytest.mark.slow
def test_more_files_and_bytes_than_the_old_form_can_tell(site: Site, tmp_path: Path) -> None:
    library = site.library()
    site.do(library, MakeFolder("/many"))
    site.do(library, AddFiles("/many", tuple(NewFile(f"{n:05}") for n in range(COUNT))))
    site.do(library, AddFiles("/", (huge_file(site, library, "huge"), NewFile("ünïcode"))))
    zips = Zips(site.trees, Contents(site.objects, site.trees), site.clock, UTC)
    counts: list[int] = []
    selection = zips.select(site.head(library), "/", ["huge", "many", "ünïcode"])
    reader = zips.reader(selection, None, counts.append)
    length = save(iter(reader.read, b""), reader.total_bytes, tmp_path / "archive.zip")
    assert length == reader.total_bytes > BLOCKS * len(BLOCK)
    assert counts[-1] == COUNT + 2
    with zipfile.ZipFile(tmp_path / "archive.zip") as archive:
        found = archive.infolist()
        assert [found[0].filename, found[0].file_size] == ["huge", BLOCKS * len(BLOCK)]
        assert [each.filename for each in found[1:3]] == ["many/00000", "many/00001"]
        assert (len(found), found[-1].filename) == (COUNT + 2, "ünïcode")
        assert archive.read("many/00000") == b""


def save(pieces: Iterator[bytes], total_bytes: int, path: Path) -> int:
    """Keep the beginning and the last part of an archive, with a hole between; return its length."""
    position, kept_from = 0, total_bytes - (64 << 20)
    with path.open("wb") as file:
        for piece in pieces:
            assert len(piece) <= 2 * PIECE_BYTES, "pieces are small, however large the archive is"
            if position < PIECE_BYTES or position > kept_from:
                file.seek(position)
                file.write(piece)
            position += len(piece)
    return position
