"""Files of one request: kept together or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from seafleet.clock import FixedClock
from seafleet.db.engine import Database
from seafleet.formats.ciphers import BlockCipher, FileKey
from seafleet.ids import ZERO_ID, LibraryId, ObjectId
from seafleet.store.contract import Kind
from seafleet.store.local import LocalBlobs
from seafleet.store.objects import ObjectStore
from seafleet.transfers.receiving import Counter, FilesReceiver, file_name

STORE = LibraryId("00000000-1111-4222-8333-444444444444")
MANY = 40  # more than are held open at once


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[ObjectStore]:
    database = Database.open(str(tmp_path / "test.db"))
    clock = FixedClock()
    yield ObjectStore(database, LocalBlobs(tmp_path, clock), clock=clock, inline_block_bytes=100)
    database.close()


def send(receiver: Counter, name: str, *pieces: bytes) -> None:
    receiver.begin(name)
    for piece in pieces:
        receiver.write(piece)
    receiver.end()


def stored_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("test.db")]


def test_files_are_returned_in_the_order_in_which_they_came(objects: ObjectStore) -> None:
    receiver = FilesReceiver(objects, STORE)
    for number in range(MANY):
        send(receiver, f"{number}", b"x" * number)
    assert list(receiver.names) == [str(number) for number in range(MANY)]
    assert list(receiver.sizes) == list(range(MANY))
    assert [file.size for file in receiver.finish()] == list(range(MANY))


def test_nothing_has_a_name_before_the_end(objects: ObjectStore, tmp_path: Path) -> None:
    receiver = FilesReceiver(objects, STORE)
    send(receiver, "large", b"x" * 1000)
    send(receiver, "another", b"y" * 1000)
    assert not (tmp_path / "blocks").exists()
    first, second = receiver.finish()
    assert len(stored_files(tmp_path / "blocks")) == 2
    for file, content in ((first, b"x"), (second, b"y")):
        (block_id,) = file.block_ids
        assert objects.get(STORE, Kind.BLOCK, block_id) == content * 1000


def test_what_is_given_up_leaves_nothing(objects: ObjectStore, tmp_path: Path) -> None:
    receiver = FilesReceiver(objects, STORE)
    send(receiver, "whole", b"x" * 1000)
    receiver.begin("half")
    receiver.write(b"y" * 1000)
    receiver.abort()
    receiver.abort()
    assert stored_files(tmp_path) == []


def test_small_objects_wait_for_the_commit_only_up_to_a_limit(tmp_path: Path) -> None:
    database = Database.open(str(tmp_path / "test.db"))
    clock = FixedClock()
    objects = ObjectStore(database, LocalBlobs(tmp_path, clock), clock=clock, inline_block_bytes=1 << 20)
    receiver = FilesReceiver(objects, STORE)
    for number in range(6):
        send(receiver, f"{number}", bytes([number]) * (1 << 20))
    waiting = [bool(file.pending) for file in receiver.finish()]
    assert waiting == [True, True, True, False, False, False]
    kept = ObjectId.of(bytes([5]) * (1 << 20))
    assert objects.missing(STORE, Kind.BLOCK, [kept]) == []
    database.close()


def test_an_empty_file_is_the_zero_id(objects: ObjectStore) -> None:
    receiver = FilesReceiver(objects, STORE)
    send(receiver, "empty")
    (file,) = receiver.finish()
    assert (file.file_id, file.pending) == (ZERO_ID, ())


def test_content_is_encrypted_on_the_way(objects: ObjectStore) -> None:
    cipher = BlockCipher(FileKey(2, bytes(32), bytes(16)))
    receiver = FilesReceiver(objects, STORE, cipher)
    send(receiver, "secret", b"a ", b"secret")
    (file,) = receiver.finish()
    ((_, block_id, data), _) = file.pending
    assert cipher.decrypt(data) == b"a secret"
    assert file.block_ids == (block_id,)
    assert file.size == len(b"a secret")


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("a.txt", "a.txt"),
        ("/home/me/a.txt", "a.txt"),
        ("C:\\me\\a.txt", "a.txt"),
        ("a/b\\c", "c"),
        ("folder/", ""),
        ("e\u0301", "\u00e9"),
        ("", ""),
    ],
)
def test_names_are_the_last_component_in_composed_form(sent: str, name: str) -> None:
    assert file_name(sent) == name
