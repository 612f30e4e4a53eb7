"""The order in which people are shown what is in a folder. Source: directories page, "List"."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

from seafleet.formats.fs import Dirent


def folders_first(entries: Iterable[Dirent]) -> list[Dirent]:
    """Return folders, then files, each by lower-cased name."""
    # Twice, by strings: folders are in order of their names already, and tuples take long to compare.
    ordered = sorted(entries, key=attrgetter("name"))
    ordered.sort(key=_folded)
    folders = [entry for entry in ordered if entry.is_dir]
    return folders + [entry for entry in ordered if not entry.is_dir] if folders else ordered


def _folded(entry: Dirent) -> str:
    return entry.name.lower()
