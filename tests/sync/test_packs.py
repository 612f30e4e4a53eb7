"""Packs that go out and come in."""

from __future__ import annotations

import random

import pytest

from seafleet.errors import HashMismatch, MalformedObject, ObjectMissing
from seafleet.formats.compression import compress
from seafleet.formats.frames import decode_frames, encode_frame, encode_frames
from seafleet.formats.fs import FileObject, encode_file
from seafleet.ids import ZERO_ID, LibraryId, ObjectId
from seafleet.store.contract import Kind
from seafleet.store.objects import ObjectStore
from seafleet.sync import packs
from seafleet.sync.packs import PackReceiver, pack


def some(count: int) -> list[tuple[ObjectId, bytes]]:
    """Return file objects in stored form."""
    made = [encode_file(FileObject((ObjectId.of(b"%d" % number),), number)) for number in range(count)]
    return [(object_id, compress(text)) for object_id, text in made]


def test_a_pack_keeps_the_order_in_which_it_was_asked_for(objects: ObjectStore, store_id: LibraryId) -> None:
    made = some(30)
    objects.put(store_id, Kind.FS, made)
    random.Random(1).shuffle(made)
    assert decode_frames(pack(objects, store_id, [name for name, _ in made])) == made


def test_a_pack_ends_with_the_object_that_fills_it(
    objects: ObjectStore, store_id: LibraryId, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = some(10)
    objects.put(store_id, Kind.FS, made)
    monkeypatch.setattr(packs, "PACK_BYTES", sum(len(data) for _, data in made[:4]) - 1)
    assert decode_frames(pack(objects, store_id, [name for name, _ in made])) == made[:4]


@pytest.mark.parametrize("wanted", [ZERO_ID, ObjectId("1" * 40)])
def test_a_pack_of_what_is_missing_is_an_error(
    objects: ObjectStore, store_id: LibraryId, wanted: ObjectId
) -> None:
    with pytest.raises(ObjectMissing):
        pack(objects, store_id, [wanted])


def test_received_objects_are_stored_at_the_end(objects: ObjectStore, store_id: LibraryId) -> None:
    made = some(20)
    receiver = PackReceiver(objects, store_id)
    body = encode_frames(made)
    for at in range(0, len(body), 11):
        receiver.feed(body[at : at + 11])
    assert objects.get_many(store_id, Kind.FS, [name for name, _ in made]) == {}
    receiver.finish()
    assert objects.get_many(store_id, Kind.FS, [name for name, _ in made]) == dict(made)
    assert receiver.object_count == 20


def test_a_large_body_is_stored_in_batches(objects: ObjectStore, store_id: LibraryId) -> None:
    made = some(20)
    receiver = PackReceiver(objects, store_id, batch_bytes=500)
    for each in made:
        receiver.feed(encode_frame(*each))
    stored = objects.get_many(store_id, Kind.FS, [name for name, _ in made])
    assert 0 < len(stored) < 20
    with pytest.raises(HashMismatch):
        receiver.feed(encode_frame(ObjectId("1" * 40), made[0][1]))
    assert objects.get_many(store_id, Kind.FS, [name for name, _ in made]) == stored


def test_a_body_that_ends_inside_a_frame_stores_nothing(objects: ObjectStore, store_id: LibraryId) -> None:
    made = some(3)
    receiver = PackReceiver(objects, store_id)
    receiver.feed(encode_frames(made)[:-1])
    with pytest.raises(MalformedObject):
        receiver.finish()
    assert objects.get_many(store_id, Kind.FS, [name for name, _ in made]) == {}
