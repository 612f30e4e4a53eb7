"""Directories in memory, and recursion that does not use the stack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator

import pytest

from seafleet.errors import HashMismatch, MalformedObject, ObjectMissing
from seafleet.formats.compression import compress
from seafleet.formats.fs import EMPTY_DIRECTORY, Directory, FileObject, encode_file
from seafleet.ids import ZERO_ID, ObjectId
from seafleet.library.recursion import evaluate
from seafleet.library.source import MemoryTrees, stored_directory
from tests.library.tree_models import File, file_entry

DIRECTORY = Directory([file_entry("a", File("A"))])


def test_a_directory_is_found_by_the_id_it_got() -> None:
    source = MemoryTrees()
    assert source.directory(source.add(DIRECTORY)) == DIRECTORY


def test_the_empty_directory_is_always_there() -> None:
    source = MemoryTrees()
    assert source.add(EMPTY_DIRECTORY) == ZERO_ID
    assert source.directory(ZERO_ID) == EMPTY_DIRECTORY


def test_an_unknown_directory_is_missing() -> None:
    with pytest.raises(ObjectMissing):
        MemoryTrees().directory(ObjectId("1" * 40))


def test_stored_directories_can_be_added() -> None:
    source = MemoryTrees()
    dir_id, stored = stored_directory(DIRECTORY)
    source.add_objects([(dir_id, stored)])
    assert source.directory(dir_id) == DIRECTORY


def test_what_is_no_directory_of_that_id_is_refused() -> None:
    file_id, text = encode_file(FileObject((ObjectId("1" * 40),), 1))
    with pytest.raises(MalformedObject):
        MemoryTrees().add_objects([(file_id, compress(text))])
    with pytest.raises(HashMismatch):
        MemoryTrees().add_objects([(file_id, stored_directory(DIRECTORY)[1])])


def test_every_key_is_visited_once() -> None:
    visits = Counter[int]()

    def fibonacci(number: int) -> Generator[int, int, int]:
        visits[number] += 1
        if number < 2:
            return number
        return (yield number - 1) + (yield number - 2)

    assert evaluate(fibonacci, 3000) % 10**10 == 6709796000
    assert set(visits.values()) == {1}


def test_an_error_of_a_visit_reaches_the_caller() -> None:
    def visit(number: int) -> Generator[int, int, int]:
        if number == 100:
            raise ObjectMissing("directory", "x")
        return (yield number + 1)

    with pytest.raises(ObjectMissing):
        evaluate(visit, 0)
