"""Blocks that arrive in pieces."""

from __future__ import annotations

import pytest

from seafleet.errors import FileTooLarge, HashMismatch, MalformedObject
from seafleet.ids import LibraryId, ObjectId
from seafleet.store.objects import ObjectStore
from seafleet.sync import blocks
from seafleet.sync.blocks import BlockReceiver


@pytest.mark.parametrize("size", [1, 100, 101, 5000])
@pytest.mark.parametrize("piece", [1, 99, 10_000])
def test_a_block_is_stored_whatever_its_pieces(
    objects: ObjectStore, store_id: LibraryId, size: int, piece: int
) -> None:
    data = bytes(range(256)) * 20
    data = data[:size]
    receiver = BlockReceiver(objects, store_id, ObjectId.of(data))
    for at in range(0, size, piece):
        receiver.write(data[at : at + piece])
    receiver.finish()
    receiver.abort()
    assert objects.read_block(store_id, ObjectId.of(data)) == data


@pytest.mark.parametrize("size", [50, 5000])
def test_a_block_of_another_name_is_not_stored(objects: ObjectStore, store_id: LibraryId, size: int) -> None:
    wrong = ObjectId("1" * 40)
    receiver = BlockReceiver(objects, store_id, wrong)
    receiver.write(b"x" * size)
    with pytest.raises(HashMismatch):
        receiver.finish()
    receiver.abort()
    assert objects.block_sizes(store_id, [wrong, ObjectId.of(b"x" * size)]) == {}


def test_an_empty_block_is_refused(objects: ObjectStore, store_id: LibraryId) -> None:
    receiver = BlockReceiver(objects, store_id, ObjectId.of(b""))
    receiver.write(b"")
    with pytest.raises(MalformedObject):
        receiver.finish()


def test_a_block_that_does_not_end_is_refused(
    objects: ObjectStore, store_id: LibraryId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "MAX_BLOCK_BYTES", 1000)
    receiver = BlockReceiver(objects, store_id, ObjectId.of(b"x" * 1001))
    receiver.write(b"x" * 1000)
    with pytest.raises(FileTooLarge):
        receiver.write(b"x")
    receiver.abort()
    assert objects.block_sizes(store_id, [ObjectId.of(b"x" * 1001)]) == {}
