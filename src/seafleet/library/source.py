"""Where trees are read from: the one question that diff and merge ask, and an answer in memory for tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from seafleet.errors import MalformedObject, ObjectMissing
from seafleet.formats.compression import compress
from seafleet.formats.fs import EMPTY_DIRECTORY, Directory, decode_verified, encode_directory
from seafleet.ids import ZERO_ID, ObjectId


class TreeSource(Protocol):
    """Reads the directories of one store. The same id gives an equal directory every time."""

    def directory(self, dir_id: ObjectId) -> Directory:
        """Return a directory; the zero id is the empty one. Raises ObjectMissing."""
        ...


class MemoryTrees:
    """Directories held in memory."""

    def __init__(self) -> None:
        self._directories: dict[ObjectId, Directory] = {ZERO_ID: EMPTY_DIRECTORY}

    def directory(self, dir_id: ObjectId) -> Directory:
        """Return a directory; the zero id is the empty one. Raises ObjectMissing."""
        try:
            return self._directories[dir_id]
        except KeyError:
            raise ObjectMissing("directory", dir_id) from None

    def add(self, directory: Directory) -> ObjectId:
        """Keep a directory and return its id: the zero id for the empty one."""
        if not directory:
            return ZERO_ID
        dir_id, _ = encode_directory(directory)
        self._directories[dir_id] = directory
        return dir_id

    def add_objects(self, objects: Iterable[tuple[ObjectId, bytes]]) -> None:
        """Keep directories in their stored form. Raises HashMismatch or MalformedObject for anything else."""
        for object_id, stored in objects:
            directory = decode_verified(object_id, stored)
            if not isinstance(directory, Directory):
                raise MalformedObject("directory", "is a file")
            self._directories[object_id] = directory


def stored_directory(directory: Directory) -> tuple[ObjectId, bytes]:
    """Return id and stored form. Raises ValueError for the empty directory, which is never stored."""
    dir_id, text = encode_directory(directory)
    return dir_id, compress(text)
