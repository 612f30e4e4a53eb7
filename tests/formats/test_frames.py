from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seafleet.errors import MalformedObject
from seafleet.formats.frames import HEAD_BYTES, FrameParser, decode_frames, encode_frame, encode_frames
from seafleet.ids import ObjectId
from tests.formats.golden import stored_objects, vectors
from tests.formats.samples import object_ids

SOME_ID = ObjectId.of(b"some content")
objects = st.lists(st.tuples(object_ids, st.binary(min_size=1)), max_size=5)


def in_pieces(parser: FrameParser, body: bytes, size: int) -> list[tuple[ObjectId, bytes]]:
    """Return what comes out when the body goes in by pieces of `size` bytes."""
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    found = [pair for piece in pieces for pair in parser.feed(piece)]
    parser.finish()
    return found


def test_a_frame_is_the_one_of_the_reference() -> None:
    vector = vectors()["pack_frame"]
    object_id = ObjectId.parse(vector["objects"][0])
    stored = bytes.fromhex(vectors()["file_object"]["stored_zlib_level6_hex"])
    assert encode_frame(object_id, stored).hex() == vector["frame_hex"]
    assert decode_frames(bytes.fromhex(vector["frame_hex"])) == [(object_id, stored)]


def test_all_samples_pass_in_one_body() -> None:
    samples = [(sample.object_id, sample.data) for sample in stored_objects("fs")]
    assert decode_frames(encode_frames(samples)) == samples


@given(objects, st.integers(1, 200))
def test_objects_come_out_however_the_body_is_torn(
    sent: list[tuple[ObjectId, bytes]], piece_bytes: int
) -> None:
    assert in_pieces(FrameParser(), encode_frames(sent), piece_bytes) == sent


@given(objects, st.integers(1, 200))
def test_a_cut_body_gives_the_whole_objects_and_then_an_error(
    sent: list[tuple[ObjectId, bytes]], missing: int
) -> None:
    body = encode_frames([*sent, (SOME_ID, bytes(200))])
    parser = FrameParser()
    assert parser.feed(body[:-missing]) == sent
    with pytest.raises(MalformedObject, match="ends inside"):
        parser.finish()


@pytest.mark.parametrize("left", [1, 39, HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + 1])
def test_a_body_may_not_end_inside_a_frame(left: int) -> None:
    with pytest.raises(MalformedObject, match="ends inside"):
        decode_frames(encode_frame(SOME_ID, b"abc")[:left])


def test_an_empty_body_holds_nothing() -> None:
    assert decode_frames(b"") == []


def test_an_object_comes_out_with_its_last_byte() -> None:
    parser = FrameParser()
    frame = encode_frame(SOME_ID, b"abc")
    assert parser.feed(frame[:-1]) == []
    assert parser.feed(memoryview(frame)[-1:]) == [(SOME_ID, b"abc")]
    parser.finish()


def test_an_object_above_the_limit_is_refused_before_it_arrives() -> None:
    assert decode_frames(encode_frame(SOME_ID, bytes(10)), max_object_bytes=10)
    with pytest.raises(MalformedObject, match="11 bytes"):
        FrameParser(max_object_bytes=10).feed(encode_frame(SOME_ID, bytes(11))[:HEAD_BYTES])
    with pytest.raises(MalformedObject, match="4294967295 bytes"):
        FrameParser().feed(SOME_ID.encode() + b"\xff\xff\xff\xff")


def test_an_empty_object_is_refused() -> None:
    with pytest.raises(MalformedObject, match="0 bytes"):
        FrameParser().feed(SOME_ID.encode() + bytes(4))


@pytest.mark.parametrize(
    "raw_id", [SOME_ID.upper().encode(), bytes(40), b"x" * 40, b"\xff" * 40, b" " + SOME_ID.encode()[1:]]
)
def test_an_id_must_be_lower_case_hexadecimal(raw_id: bytes) -> None:
    with pytest.raises(MalformedObject, match="hexadecimal"):
        FrameParser().feed(raw_id + struct.pack(">I", 3) + b"abc")


@given(st.binary(max_size=300))
def test_any_bytes_give_objects_or_a_malformed_object(body: bytes) -> None:
    try:
        found = decode_frames(body)
    except MalformedObject:
        return
    assert encode_frames(found) == body
