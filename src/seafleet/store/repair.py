"""Repair: for each damaged path, the newest version in the history that is whole. Nothing is ever blanked.

A plan is data; the library package makes the commit. What has no whole version in the history stays as it
is and is named: a file of which one block is lost may still be worth having, and a backup may bring the
block back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from seafleet.formats.commit import Commit
from seafleet.formats.fs import Directory, Dirent
from seafleet.ids import ZERO_ID, ObjectId
from seafleet.store.contract import Kind
from seafleet.store.marks import Marks
from seafleet.store.objects import ObjectStore
from seafleet.store.verify import (
    BlockCheck,
    Counts,
    Finding,
    LibraryReport,
    Problem,
    TreeCheck,
    read_file,
    read_folder,
    readable_commits,
)

_CACHED_FOLDERS: Final = 256
# The storage failed, and may not fail another time; or every byte is there, and an earlier version has fewer.
_LEFT_ALONE: Final = frozenset({Problem.BLOCK_UNREADABLE, Problem.LENGTH_DIFFERS})


@dataclass(frozen=True, slots=True)
class Replacement:
    """Put `entry`, as it stood in `commit`, at `path` of the base."""

    path: str
    entry: Dirent
    commit: Commit


@dataclass(frozen=True, slots=True)
class RepairPlan:
    """What to do: start from `base`, put each replacement in its place, commit that as a child of the head.

    `base` is the head unless `went_back`: then the head or its root is lost, and `base` is the newest
    commit of which the root can be read. `unrepaired` are the findings for which the history has nothing
    better.
    """

    base: Commit
    went_back: bool
    replacements: tuple[Replacement, ...]
    unrepaired: tuple[Finding, ...]

    @property
    def description(self) -> str:
        """Say what the repair did, for the commit: what is older now, and what is still damaged."""
        back = [f"all of it ({_named(self.base)})"] if self.went_back else []
        older = back + [f"{found.path} ({_named(found.commit)})" for found in self.replacements]
        damaged = sorted({finding.path for finding in self.unrepaired})
        lines = ["Repaired by system."]
        for title, paths in (("Earlier versions put back:", older), ("Still damaged:", damaged)):
            if paths:
                lines += [title, *paths]
        return "\n".join(lines)


def plan_repair(objects: ObjectStore, report: LibraryReport) -> RepairPlan | None:
    """Return what can be done about the findings of a report; None when no commit can be read at all."""
    if report.base is None:
        return None
    went_back = report.base.commit_id != report.head_id
    replacements, unrepaired = list[Replacement](), list[Finding]()
    with Marks() as good:
        search = _Search(objects, report, good)
        for path, findings in _by_path(report.findings).items():
            if went_back and path in ("", "/"):
                continue
            found = search.replacement(path, {finding.problem for finding in findings})
            if found is None:
                unrepaired += findings
            else:
                replacements.append(found)
    return RepairPlan(report.base, went_back, tuple(replacements), tuple(unrepaired))


def _named(commit: Commit) -> str:
    return f"as of {datetime.fromtimestamp(commit.ctime, UTC):%Y-%m-%d %H:%M:%S} UTC"


def discard_damaged(objects: ObjectStore, store_id: str, block_ids: Sequence[ObjectId]) -> list[ObjectId]:
    """Remove those blocks that do not hash to their names, so that a client can send them again; return them.

    Each is read once more before. What is in a read-only layer stays there.
    """
    with Marks() as good:
        check = BlockCheck(objects, store_id, good, Counts(), read=True)
        sizes = objects.block_sizes(store_id, block_ids)
        problems = {block_id: check.problem(block_id, size) for block_id, size in sizes.items()}
    damaged = [
        block_id
        for block_id, problem in problems.items()
        if problem is not None and problem[0] is Problem.BLOCK_DAMAGED
    ]
    removed = set(
        objects.database.write(
            lambda tx: objects.rows.remove(tx, store_id, Kind.BLOCK, damaged, touched_before=1 << 62)
        )
    )
    removed.update(block_id for block_id in damaged if objects.blobs.remove(store_id, block_id))
    return [block_id for block_id in damaged if block_id in removed]


def _by_path(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    grouped: dict[str, list[Finding]] = {}
    for finding in findings:
        grouped.setdefault(finding.path, []).append(finding)
    return grouped


class _Search:
    """Looks through the history of a library, newest commit first."""

    def __init__(self, objects: ObjectStore, report: LibraryReport, good: Marks) -> None:
        assert report.base is not None
        self._objects = objects
        self._store_id = report.store_id
        self._base = report.base
        self._commits = readable_commits(objects, report.library_id)
        self._blocks = BlockCheck(objects, report.store_id, good, Counts(), read=True)
        self._folder = lru_cache(maxsize=_CACHED_FOLDERS)(
            lambda folder_id: read_folder(objects, report.store_id, folder_id, "")
        )

    def replacement(self, path: str, problems: set[Problem]) -> Replacement | None:
        """Return what to put at a path that has these problems, if anything is better than what is there."""
        if problems & _LEFT_ALONE:
            return None
        return self._corrected(path) if problems == {Problem.SIZE_DIFFERS} else self._earlier(path)

    def _corrected(self, path: str) -> Replacement | None:
        """Return the same entry with the size that its file object gives."""
        entry = self._entry(self._base.root_id, path)
        if entry is None:
            return None
        file = read_file(self._objects, self._store_id, entry.id, path)
        if isinstance(file, Finding):
            return None
        return Replacement(path, entry.replace(size=file.size), self._base)

    def _earlier(self, path: str) -> Replacement | None:
        """Return the newest whole version of a path, of the same kind as now, that is not empty."""
        damaged = self._entry(self._base.root_id, path)
        # Files often begin empty: an empty version is no repair.
        tried = {ZERO_ID} if damaged is None else {ZERO_ID, damaged.id}
        for commit in self._commits:
            entry = self._entry(commit.root_id, path)
            if entry is None or entry.id in tried or (damaged and entry.is_dir != damaged.is_dir):
                continue
            tried.add(entry.id)
            if self._is_whole(path, entry):
                return Replacement(path, entry, commit)
        return None

    def _entry(self, root_id: ObjectId, path: str) -> Dirent | None:
        names = _names(path)
        folder_id = root_id
        for name in names[:-1]:
            entry = self._child(folder_id, name)
            if entry is None or not entry.is_dir:
                return None
            folder_id = entry.id
        return self._child(folder_id, names[-1]) if names else None

    def _child(self, folder_id: ObjectId, name: str) -> Dirent | None:
        folder = self._folder(folder_id)
        return folder.get(name) if isinstance(folder, Directory) else None

    def _is_whole(self, path: str, entry: Dirent) -> bool:
        encrypted = self._base.encryption is not None
        with Marks() as seen:
            check = TreeCheck(
                self._objects, self._store_id, self._blocks, seen, Counts(), encrypted=encrypted
            )
            return next(check.entry(path, entry), None) is None


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name]
