"""Archives as other programs read them: the standard library, and `unzip` where it is installed."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import zipfile
from collections.abc import Sequence
from datetime import UTC, timedelta, timezone
from pathlib import Path

import pytest

from seafleet.errors import MalformedObject
from seafleet.formats.zip import Entry, Layout, central_header, crc32, descriptor, end_records, local_header

EASTERN = timezone(timedelta(hours=2))
NOON = 1_580_644_801  # 2020-02-02 12:00:01 UTC


def file(name: str, content: bytes = b"", mtime: int = NOON, mode: int = 0o100644) -> tuple[Entry, bytes]:
    return Entry(name, len(content), mtime, mode), content


def folder(name: str) -> tuple[Entry, bytes]:
    return Entry(name, 0, NOON, 0o040755, is_dir=True), b""


def archive(parts: Sequence[tuple[Entry, bytes]]) -> bytes:
    """Write an archive the way that it is sent."""
    layout, directory, body = Layout(), bytearray(), bytearray()
    for entry, content in parts:
        directory += central_header(entry, EASTERN, crc32(content), layout.position)
        body += local_header(entry, EASTERN) + content + descriptor(entry, crc32(content))
        layout.add(entry)
        assert layout.position == len(body)
    assert layout.directory_bytes == len(directory)
    whole = bytes(body + directory) + end_records(layout.count, len(directory), len(body))
    assert layout.total_bytes == len(whole)
    return whole


def test_an_archive_is_read_back() -> None:
    parts = [
        file("a/b.txt", b"content"),
        file("empty"),
        folder("a/empty folder"),
        file("\u00fc\U0001f600", b"x"),
    ]
    with zipfile.ZipFile(io.BytesIO(archive(parts))) as found:
        assert found.testzip() is None
        assert found.namelist() == ["a/b.txt", "empty", "a/empty folder/", "\u00fc\U0001f600"]
        assert [found.read(info) for info in found.infolist()] == [b"content", b"", b"", b"x"]
        assert all(info.flag_bits & 0x0800 for info in found.infolist())
        assert [info.is_dir() for info in found.infolist()] == [False, False, True, False]


def test_times_and_modes_are_kept() -> None:
    parts = [file("a", mode=0o100755), folder("b")]
    with zipfile.ZipFile(io.BytesIO(archive(parts))) as found:
        first, second = found.infolist()
    assert first.date_time == (2020, 2, 2, 14, 0, 0)  # in the zone, to two seconds
    assert struct.unpack("<HHBi", first.extra) == (0x5455, 5, 1, NOON)
    assert (first.external_attr >> 16, second.external_attr >> 16) == (0o100755, 0o040755)


@pytest.mark.parametrize(
    ("mtime", "shown"),
    [
        (0, (1980, 1, 1, 0, 0, 0)),
        (-(2**40), (1980, 1, 1, 0, 0, 0)),
        (2**33, (2107, 12, 31, 23, 59, 58)),
        (2**62, (2107, 12, 31, 23, 59, 58)),
    ],
)
def test_times_that_an_archive_cannot_tell_become_the_nearest(mtime: int, shown: tuple[int, ...]) -> None:
    with zipfile.ZipFile(io.BytesIO(archive([file("a", mtime=mtime)]))) as found:
        assert found.infolist()[0].date_time == shown


def test_an_empty_archive_is_one() -> None:
    with zipfile.ZipFile(io.BytesIO(archive([]))) as found:
        assert found.namelist() == []


@pytest.mark.slow
def test_more_entries_than_the_old_form_can_count() -> None:
    count = 65_540
    with zipfile.ZipFile(io.BytesIO(archive([file(str(n)) for n in range(count)]))) as found:
        assert len(found.infolist()) == count
        assert found.namelist()[-1] == str(count - 1)


def test_files_and_places_beyond_four_gigabytes(tmp_path: Path) -> None:
    size = 5 << 30
    large, small = Entry("large", size, NOON, 0o100644), Entry("small", 5, NOON, 0o100644)
    layout, directory = Layout(), b""
    with (tmp_path / "big.zip").open("wb") as out:  # the content is a hole
        for entry, content in ((large, None), (small, b"small")):
            checksum = 0 if content is None else crc32(content)
            directory += central_header(entry, UTC, checksum, layout.position)
            out.write(local_header(entry, UTC))
            out.write(content or b"")
            out.seek(layout.position + len(local_header(entry, UTC)) + entry.size)
            out.write(descriptor(entry, checksum))
            layout.add(entry)
            assert out.tell() == layout.position
        out.write(directory + end_records(layout.count, len(directory), layout.position))
        assert out.tell() == layout.total_bytes
    with zipfile.ZipFile(tmp_path / "big.zip") as found:
        assert [info.file_size for info in found.infolist()] == [size, 5]
        assert found.read("small") == b"small"
        assert found.infolist()[1].header_offset > size


@pytest.mark.parametrize("size", [0xFFFF_FFFE, 0xFFFF_FFFF, 0x1_0000_0000])
def test_sizes_around_the_limit_are_counted_as_they_are_written(size: int) -> None:
    entry = Entry("a", size, NOON, 0o100644)
    for offset in (0, 0xFFFF_FFFE, 0xFFFF_FFFF):
        layout = Layout(position=offset)
        layout.add(entry)
        around = len(local_header(entry, UTC)) + len(descriptor(entry, 0))
        assert layout.position == offset + around + size
        assert layout.directory_bytes == len(central_header(entry, UTC, 0, offset))


def test_a_path_longer_than_an_archive_can_hold_is_refused() -> None:
    with pytest.raises(MalformedObject):
        local_header(Entry("n" * 65_536, 0, NOON, 0o100644), UTC)


@pytest.mark.skipif(shutil.which("unzip") is None, reason="unzip is not installed")
def test_unzip_agrees(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(archive([file("a/b.txt", b"content"), folder("c"), file("\u00fc")]))
    done = subprocess.run(["unzip", "-t", tmp_path / "a.zip"], capture_output=True, text=True, check=False)
    assert "No errors detected" in done.stdout
