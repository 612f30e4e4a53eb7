"""The description of every commit, word for word as clients expect it.

Texts are English; web clients translate by pattern, so wording, quotes and full stops matter. Names stand in
double quotes, not escaped. Texts of web operations have no newline at the end, and only uploads and restored
libraries end with a full stop; texts made from a diff have one line for each kind of change, each ending with
both. `more` is how many entries there are besides the one that is named.

Source: merging §5, §6; storage format §11, §12.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from seafleet.library.diff import Change, Status

CREATED_LIBRARY: Final = "Created library"
CHANGED_LIBRARY: Final = "Changed library name or description"
CHANGED_PASSWORD: Final = "Changed library password"
ADDED_PASSWORD_HASH: Final = "Changed library password hash algorithm"
AUTO_MERGE: Final = "Auto merge by system"


# -- from a diff ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Kind:
    one: str
    several: str
    noun: str

    def line(self, name: str, count: int) -> str:
        if count == 1:
            return f'{self.one} "{name}".\n'
        return f'{self.several} "{name}" and {count - 1} more {self.noun}.\n'


_UPDATED: Final = _Kind("Added or modified", "Added or modified", "files")
_KIND_OF: Final = {  # in the order of the lines
    Status.ADDED: _UPDATED,
    Status.MODIFIED: _UPDATED,
    Status.DELETED: _Kind("Deleted", "Deleted", "files"),
    Status.RENAMED: _Kind("Renamed", "Renamed", "files"),
    Status.ADDED_DIR: _Kind("Added directory", "Added", "directories"),
    Status.DELETED_DIR: _Kind("Removed directory", "Removed", "directories"),
    Status.RENAMED_DIR: _Kind("Renamed directory", "Renamed", "directories"),
}


def describe(changes: Iterable[Change]) -> str:
    """Return one line for each kind of change; nothing when there are none.

    A line names the first change of its kind and counts the rest, so give them as `diff_trees` and
    `diff_merge` do: last walked first.
    """
    counts = dict.fromkeys(_KIND_OF.values(), 0)
    named: dict[_Kind, str] = {}
    for change in changes:
        kind = _KIND_OF[change.status]
        counts[kind] += 1
        named.setdefault(kind, change.name)
    return "".join(kind.line(named[kind], count) for kind, count in counts.items() if count)


def describe_merge(changes: Iterable[Change]) -> str:
    """Return what `describe` does, or the text of a merge that has nothing to tell."""
    return describe(changes) or AUTO_MERGE


# -- of web operations ------------------------------------------------------------------------------------


def uploaded(name: str, more: int = 0) -> str:
    """Return the text of an upload; `name` is the one asked for, even when another one was free."""
    return f'Added "{name}" and {more} more files.' if more else f'Added "{name}".'


def added(name: str, *, is_dir: bool = False, more: int = 0) -> str:
    """Return the text of a new empty file, a new folder, a file made of blocks, or of copies.

    A folder that was made together with its parents is named by its relative path, as it was given.
    """
    return _operation("Added", "Added directory", name, is_dir, more)


def modified(name: str) -> str:
    """Return the text of a file whose content was replaced."""
    return f'Modified "{name}"'


def deleted(name: str, *, is_dir: bool = False, more: int = 0) -> str:
    """Return the text of a deletion, or of what a move to another library does to the source."""
    return _operation("Deleted", "Removed directory", name, is_dir, more)


def renamed(old_name: str, *, is_dir: bool = False) -> str:
    """Return the text of a new name in the same folder."""
    return _operation("Renamed", "Renamed directory", old_name, is_dir)


def moved(name: str, *, is_dir: bool = False, more: int = 0) -> str:
    """Return the text of a move inside a library."""
    return _operation("Moved", "Moved directory", name, is_dir, more)


def reverted_file(name: str, to: datetime, tz: tzinfo) -> str:
    """Return the text of a file restored from a commit of the time `to`, shown in the zone `tz`."""
    return f'Reverted file "{name}" to status at {_shown(to, tz)}'


def recovered_folder(name: str) -> str:
    """Return the text of a folder restored from a commit."""
    return f'Recovered deleted directory "{name}"'


def reverted_library(to: datetime, tz: tzinfo) -> str:
    """Return the text of a library restored to a commit of the time `to`, shown in the zone `tz`."""
    return f"Reverted repo to status at {_shown(to, tz)}."


def repaired(damaged_files: Sequence[str] = (), damaged_folders: Sequence[str] = ()) -> str:
    """Return the text of a repair, with the paths of what was damaged."""
    files = _listed("Damaged files", damaged_files)
    return "Repaired by system." + files + _listed("Damaged folders", damaged_folders)


def _operation(verb: str, folder_verb: str, name: str, is_dir: bool, more: int = 0) -> str:
    if more:
        return f'{verb} "{name}" and {more} more files'
    return f'{folder_verb if is_dir else verb} "{name}"'


def _shown(time: datetime, tz: tzinfo) -> str:
    return f"{time.astimezone(tz):%Y-%m-%d %H:%M:%S}"


def _listed(title: str, paths: Sequence[str]) -> str:
    return f"\n{title}:\n" + "".join(f"{path}\n" for path in paths) if paths else ""
