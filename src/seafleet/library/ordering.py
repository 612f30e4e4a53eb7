"""The order in which people are shown what is in a folder. Source: directories page, "List"."""

from __future__ import annotations

from collections.abc import Iterable

from seafleet.formats.fs import Dirent


def folders_first(entries: Iterable[Dirent]) -> list[Dirent]:
    """Return folders, then files, each by lower-cased name."""
    ordered = sorted(entries, key=_by_name)
    return [entry for entry in ordered if entry.is_dir] + [entry for entry in ordered if entry.is_file]


def _by_name(entry: Dirent) -> tuple[str, str]:
    return entry.name.lower(), entry.name
