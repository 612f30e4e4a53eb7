from __future__ import annotations

import random
import re
import uuid

import pytest

from seafleet.errors import InvalidId
from seafleet.ids import ZERO_ID, LibraryId, ObjectId, looks_like_library_id, looks_like_object_id

OBJECT = "f572d396fae9206628714fb2ce00f72e94f2258f"
LIBRARY = "943ed9cd-ccfa-4edc-9250-231ac4f1b462"
NOT_OBJECTS = [
    "",
    OBJECT[:-1],
    OBJECT + "0",
    OBJECT.upper(),
    OBJECT[:-1] + "g",
    OBJECT + "\n",
    " " + OBJECT[1:],
    OBJECT[:-1] + "٣",
]
NOT_LIBRARIES = ["", LIBRARY[:-1], LIBRARY + "0", LIBRARY.upper(), LIBRARY.replace("-", ""), LIBRARY + "\n"]


def test_an_object_is_named_by_the_sha1_of_its_bytes() -> None:
    assert ObjectId.of(b"hello\n") == OBJECT
    assert ObjectId.of(memoryview(b"hello\n")) == OBJECT


def test_an_object_id_is_a_string_of_its_own_type() -> None:
    parsed = ObjectId.parse(OBJECT)
    assert parsed == OBJECT
    assert type(parsed) is ObjectId
    assert f"{parsed}" == OBJECT
    assert {OBJECT: 1}[parsed] == 1


@pytest.mark.parametrize("text", NOT_OBJECTS)
def test_other_text_is_no_object_id(text: str) -> None:
    assert not looks_like_object_id(text)
    with pytest.raises(InvalidId):
        ObjectId.parse(text)


@pytest.mark.parametrize("value", [None, 5, OBJECT.encode(), [OBJECT]])
def test_other_values_are_no_ids(value: object) -> None:
    assert not looks_like_object_id(value)
    assert not looks_like_library_id(value)


def test_the_zero_id_is_an_object_id() -> None:
    assert ObjectId.parse(ZERO_ID) == "0" * 40


def test_a_library_id_is_a_lower_case_uuid() -> None:
    assert LibraryId.parse(LIBRARY) == LIBRARY
    assert looks_like_library_id(LIBRARY)


@pytest.mark.parametrize("text", NOT_LIBRARIES)
def test_other_text_is_no_library_id(text: str) -> None:
    assert not looks_like_library_id(text)
    with pytest.raises(InvalidId):
        LibraryId.parse(text)


def test_a_new_library_id_depends_on_the_random_source_alone() -> None:
    first, second = (LibraryId.random(random.Random(seed)) for seed in (1, 2))
    assert first == LibraryId.random(random.Random(1))
    assert first != second
    assert uuid.UUID(first).version == 4
    assert re.fullmatch(r"[0-9a-f-]{36}", first)
