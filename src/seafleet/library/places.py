"""Where a path of a library really lies: a sub-library shows a folder of its origin.

What is kept for a file, such as its lock, is kept once, at its place in the origin, so that it counts by
whichever way the file is reached.

Source: storage format §11.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, select

from seafleet import paths
from seafleet.db.tables import sub_library

_sub = sub_library.c
_SHOWN: Final[Select[Any]] = select(_sub.origin_library_id, _sub.path).where(
    _sub.library_id == bindparam("library")
)
_OF_ORIGIN: Final[Select[Any]] = select(_sub.library_id, _sub.path).where(
    _sub.origin_library_id == bindparam("origin")
)


@dataclass(frozen=True, slots=True)
class Place:
    """A path of a library that is no sub-library."""

    library_id: str
    path: str


def origin_place(connection: Connection, library_id: str, path: str) -> Place:
    """Return where a path of any library lies in the library that keeps it."""
    shown = connection.execute(_SHOWN, {"library": library_id}).one_or_none()
    if shown is None:
        return Place(library_id, path)
    return Place(shown.origin_library_id, paths.rebase(path, paths.ROOT, shown.path))


def shown_places(connection: Connection, place: Place) -> Iterator[Place]:
    """Yield a place, and as what it is seen in sub-libraries."""
    yield place
    for row in connection.execute(_OF_ORIGIN, {"origin": place.library_id}).all():
        if paths.is_inside(place.path, row.path):
            yield Place(row.library_id, paths.rebase(place.path, row.path, paths.ROOT))
