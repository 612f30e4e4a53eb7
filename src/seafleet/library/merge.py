"""Three-way merge of trees. There is no content merge: a file that both sides changed is kept twice.

Names are settled one by one, first as files, then as directories (a name may be a file in one tree and a
directory in another), by object id alone: mode, mtime and modifier do not count, and where ids are equal
head's entry is taken as it is.

*Files.* What one side left alone is taken from the other; a change wins over a deletion; of two different
changes head's keeps the name and remote's gets a conflict name.

*Directories.* What one side left alone is taken from the other; everything else is merged name by name,
with an empty directory in the place of a missing one. So of a directory that one side deleted and the other
changed only what was changed remains, and when nothing remains it stays, empty.

*A file meets a directory.* When both remain, head's entry keeps the name and remote's gets a conflict name.
A directory that gets a conflict name, or keeps its name beside a file, has been through the rule above with
its other side empty: what it still had in common with base is gone. Keeping all of it would be allowed to a
new server; this one does as the C server does, so that libraries end alike whoever merges.

Decided otherwise than there:

* A conflict name that is taken by other content gets a number, ` (1)` before the extension. If it is taken by
  the very same content, nothing is added: merging twice gives what merging once gave.
* A directory that holds two entries of one name is merged as if all but the first had numbered names; of
  entries that are equal in name, kind and id one is kept. So no entry is lost, and no directory that a merge
  makes holds a name twice. Directories taken over whole are not touched.
* A conflict name longer than 255 bytes has its stem shortened, and what comes before its time has no slash
  and no control character.

Source: merging §2; `merge_case` of the recorded vectors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from itertools import count
from typing import Final

from seafleet.formats.fs import Directory, Dirent
from seafleet.ids import ZERO_ID, ObjectId
from seafleet.library.pairing import unequal_names
from seafleet.library.recursion import evaluate
from seafleet.library.source import TreeSource, stored_directory
from seafleet.paths import MAX_NAME_BYTES, ROOT, join

_WHO_BYTES: Final = 128
_MANY: Final = 16
_not_in_names = re.compile(r"[/\x00-\x1f\x7f]")


def _unchanged(who: str) -> str:
    return who


@dataclass(frozen=True, slots=True)
class ConflictNaming:
    """Makes the names of what a merge has to keep beside something else.

    `creator_name` is that of remote's commit; `now` the time of the merge; `tz` the zone in which times are
    written, the server's own. `display_name` turns the e-mail of a user into what is shown instead.
    """

    creator_name: str | None
    now: datetime
    tz: tzinfo = UTC
    display_name: Callable[[str], str] = _unchanged

    def name(self, entry: Dirent) -> str:
        """Return the conflict name of an entry of remote's tree.

        ``<stem> (SFConflict <who> <YYYY-MM-DD-HH-MM-SS>)<.ext>``: modifier and mtime of a file; creator of
        the commit and present time for a directory, and where the entry does not say.
        """
        return next(self.names(entry))

    def names(self, entry: Dirent) -> Iterator[str]:
        """Yield the conflict name, then the same with ` (1)`, ` (2)`, … before the extension, without end."""
        return _numbered(entry.name, self._mark(entry))

    def _mark(self, entry: Dirent) -> str:
        who = self.creator_name if entry.is_dir else entry.modifier or self.creator_name
        when = self.now.astimezone(self.tz) if entry.is_dir else self._local(entry.mtime)
        words = ["SFConflict", self._shown(who or ""), f"{when:%Y-%m-%d-%H-%M-%S}"]
        return f" ({' '.join(filter(None, words))})"

    def _shown(self, who: str) -> str:
        shown = self.display_name(who) if who else ""
        return _cut(_not_in_names.sub("_", shown), _WHO_BYTES)

    def _local(self, seconds: int) -> datetime:
        """Return the time of an mtime; of one that no calendar has, the present."""
        try:
            return datetime.fromtimestamp(seconds, self.tz)
        except (OverflowError, ValueError, OSError):
            return self.now.astimezone(self.tz)


@dataclass(frozen=True, slots=True)
class MergeResult:
    """A merged tree.

    `objects` are the directories that were made, in their stored form, children before parents; none of them
    is one of the directories that were merged. `conflicts` are the paths at which remote's version of
    something was put aside; of a folder that occurs at several places, the first only.
    """

    root_id: ObjectId
    objects: tuple[tuple[ObjectId, bytes], ...]
    conflicts: tuple[str, ...]

    @property
    def has_conflicts(self) -> bool:
        """Whether the merge commit is to say `conflict`."""
        return bool(self.conflicts)


def three_way(
    source: TreeSource,
    base_root: ObjectId,
    head_root: ObjectId,
    remote_root: ObjectId,
    *,
    naming: ConflictNaming,
) -> MergeResult:
    """Merge what `remote_root` changed since `base_root` into `head_root`. Raises ObjectMissing.

    Reads the folders that both sides changed, each combination once.
    """
    merge = _Merge(source, naming)
    if (decided := _undisputed(base_root, head_root, remote_root)) is not None:
        return MergeResult(decided, (), ())
    root_id = evaluate(merge.folder, _Folder(base_root, head_root, remote_root, ROOT))
    return MergeResult(root_id, tuple(merge.objects.items()), tuple(merge.conflicts))


def _undisputed(base: ObjectId, head: ObjectId, remote: ObjectId) -> ObjectId | None:
    if remote in (head, base):
        return head
    return remote if head == base else None


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder to merge. Where it lies does not change the result: the path takes no part in comparisons."""

    base: ObjectId
    head: ObjectId
    remote: ObjectId
    path: str = field(compare=False)


_Visit = Generator[_Folder, ObjectId, ObjectId]
_Three = tuple[Dirent | None, Dirent | None, Dirent | None]


class _Merge:
    def __init__(self, source: TreeSource, naming: ConflictNaming) -> None:
        self.objects: dict[ObjectId, bytes] = {}
        self.conflicts: list[str] = []
        self._source = source
        self._naming = naming

    def folder(self, folder: _Folder) -> _Visit:
        """Merge one folder and return its id; asks for the ids of the folders in it."""
        known = {each: self._source.directory(each) for each in (folder.head, folder.remote, folder.base)}
        base, head, remote = (
            uniquely_named(known[each]) for each in (folder.base, folder.head, folder.remote)
        )
        changed: dict[str, Dirent | None] = {}
        aside: list[Dirent] = []
        for name in unequal_names(base, remote):  # all other names are as head has them
            three = base.get(name), head.get(name), remote.get(name)
            stays, moves = yield from self._entry(folder, three)
            if stays is not three[1]:
                changed[name] = stays
            if moves is not None:
                aside.append(moves)
        merged = _edited(head, changed)
        return self._made(known, self._with_put_aside(folder.path, merged, aside))

    def _entry(
        self, folder: _Folder, three: _Three
    ) -> Generator[_Folder, ObjectId, tuple[Dirent | None, Dirent | None]]:
        """Settle one name: return the entry that has it afterwards and the one that has to take another."""
        file, second = _settle_file(_of_kind(three, is_dir=False))
        directory = yield from self._settle_directory(folder, _of_kind(three, is_dir=True))
        if file is None or directory is None:
            return file or directory, second
        return (file, directory) if file is three[1] else (directory, file)

    def _settle_directory(
        self, folder: _Folder, three: _Three
    ) -> Generator[_Folder, ObjectId, Dirent | None]:
        decided, winner = _one_side(three)
        if decided:
            return winner
        base, head, remote = three
        shape = head or remote
        assert shape is not None
        path = join(folder.path, shape.name)
        merged_id = yield _Folder(_id(base), _id(head), _id(remote), path)
        return shape.replace(id=merged_id)

    def _with_put_aside(self, path: str, merged: Directory, entries: list[Dirent]) -> Directory:
        """Return the directory with entries of remote under free conflict names, unless they are there."""
        if not entries:
            return merged
        names = _FreeNames(merged, reuse=True)
        for entry in entries:
            renamed = names.add(entry, self._naming.names(entry))
            self.conflicts.append(join(path, renamed))
        return merged.with_entries(names.added)

    def _made(self, known: Mapping[ObjectId, Directory], merged: Directory) -> ObjectId:
        """Return the id of a merged directory, keeping its object unless it is one of the `known`."""
        if not merged:
            return ZERO_ID
        for known_id, directory in known.items():
            if merged == directory:
                return known_id
        made_id, stored = stored_directory(merged)
        if made_id not in known:
            self.objects[made_id] = stored
        return made_id


def _edited(directory: Directory, changed: Mapping[str, Dirent | None]) -> Directory:
    """Return the directory with these names set, or removed where the entry is None."""
    if not changed:
        return directory
    here = [entry for entry in changed.values() if entry is not None]
    if len(changed) > len(directory) // _MANY:  # then encoding anew is cheaper than finding each place
        return Directory([*(entry for entry in directory if entry.name not in changed), *here])
    return directory.without(*(changed.keys() - {entry.name for entry in here})).with_entries(here)


# -- the rules --------------------------------------------------------------------------------------------


def _id(entry: Dirent | None) -> ObjectId:
    return ZERO_ID if entry is None else entry.id


def _of_kind(three: _Three, *, is_dir: bool) -> _Three:
    base, head, remote = (entry if entry is not None and entry.is_dir is is_dir else None for entry in three)
    return base, head, remote


def _one_side(three: _Three) -> tuple[bool, Dirent | None]:
    """Return whether one side decides, since the other did nothing or just the same, and what it decides."""
    _, head, remote = three
    was, mine, theirs = (entry and entry.id for entry in three)
    if theirs in (mine, was):
        return True, head
    return mine == was, remote


def _settle_file(three: _Three) -> tuple[Dirent | None, Dirent | None]:
    """Return the file that remains and the one that has to take another name."""
    _, head, remote = three
    decided, winner = _one_side(three)
    if decided:
        return winner, None
    if head is None or remote is None:
        return head or remote, None
    return head, remote


# -- names ------------------------------------------------------------------------------------------------


def uniquely_named(directory: Directory) -> Directory:
    """Return the directory with ` (1)` and so on in all entries but the first of a name.

    Of entries that are equal in name, kind and id one is kept.
    """
    if len({entry.name for entry in directory}) == len(directory):
        return directory
    distinct: dict[tuple[str, bool, ObjectId], Dirent] = {}
    first: dict[str, Dirent] = {}
    for entry in directory:
        distinct.setdefault((entry.name, entry.is_dir, entry.id), entry)
        first.setdefault(entry.name, entry)
    names = _FreeNames(first.values(), reuse=False)
    for entry in distinct.values():
        if entry is not first[entry.name]:
            names.add(entry, _numbered(entry.name, ""))
    return Directory([*first.values(), *names.added])


class _FreeNames:
    """Gives further entries the first free of the names they might have, in a directory of `entries`.

    With `reuse`, an entry is not added if one of `entries` is the same content under such a name.
    """

    def __init__(self, entries: Iterable[Dirent], *, reuse: bool) -> None:
        self.added: list[Dirent] = []
        there = {entry.name: entry for entry in entries}
        self._taken = set(there)
        self._reusable = there if reuse else {}
        self._series: dict[str, Iterator[str]] = {}

    def add(self, entry: Dirent, names: Iterator[str]) -> str:
        """Add the entry, if need be, and return its name."""
        name = next(names)
        # What was taken once stays taken: another series from the same name goes on where this one ends.
        series = self._series.setdefault(name, names)
        while name in self._taken:
            there = self._reusable.get(name)
            if there is not None and (there.id, there.is_dir) == (entry.id, entry.is_dir):
                return name
            name = next(series)
        self._taken.add(name)
        self.added.append(entry.replace(name=name))
        return name


def _numbered(name: str, mark: str) -> Iterator[str]:
    """Yield `name` with `mark` before the extension, then with a number after the mark as well."""
    stem, dot, extension = name.rpartition(".")
    if not dot:
        stem, extension = name, ""
    yield _fitted(stem, mark, dot + extension)
    for number in count(1):
        yield _fitted(stem, f"{mark} ({number})", dot + extension)


def _fitted(stem: str, mark: str, extension: str) -> str:
    """Return the three together, the stem cut so that they are no longer than a name may be."""
    room = MAX_NAME_BYTES - len(mark.encode())
    if len(extension.encode()) > room:
        stem, extension = stem + extension, ""
    return _cut(stem, room - len(extension.encode())) + mark + extension


def _cut(text: str, size_bytes: int) -> str:
    data = text.encode()
    return text if len(data) <= size_bytes else data[:size_bytes].decode(errors="ignore")
