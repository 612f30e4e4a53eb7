"""The merge tables as data, and the simplest program that follows them: what the real merge is compared to.

A row is the pattern of the three versions of a name, base, head and remote: equal letters are equal ids, a
dash is nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from tests.library.tree_models import File, Folder, Node

FILE_ROWS = {
    "-A-": "head",
    "--A": "remote",
    "-AA": "head",
    "-AB": "conflict",
    "AAA": "head",
    "AAB": "remote",
    "ABA": "head",
    "ABB": "head",
    "ABC": "conflict",
    "AA-": "gone",
    "AB-": "head",
    "A-A": "gone",
    "A-B": "remote",
    "A--": "gone",
    "---": "gone",
}

FOLDER_ROWS = {
    "-A-": "head",
    "--A": "remote",
    "A--": "gone",
    "AA-": "gone",
    "AB-": "recurse",
    "A-A": "gone",
    "A-B": "recurse",
    "-AA": "head",
    "AAA": "head",
    "ABB": "head",
    "AAB": "remote",
    "ABA": "head",
    "-AB": "recurse",
    "ABC": "recurse",
    "---": "gone",
}


def same_id(one: Node, other: Node) -> bool:
    if isinstance(one, File) and isinstance(other, File):
        return one.content == other.content
    return isinstance(one, Folder) and isinstance(other, Folder) and one.entries == other.entries


def pattern(*versions: Node | None) -> str:
    letters: list[str] = []
    for at, node in enumerate(versions):
        if node is None:
            letters.append("-")
            continue
        earlier = [i for i in range(at) if (other := versions[i]) is not None and same_id(other, node)]
        used = len(set(letters) - {"-"})
        letters.append(letters[earlier[0]] if earlier else "ABC"[used])
    return "".join(letters)


class Model:
    """Merges three folders; `creator` and `now` (Unix seconds, shown in UTC) name conflicts."""

    def __init__(self, creator: str, now: int) -> None:
        self.creator = creator
        self.now = now
        self.conflicts: list[str] = []

    def merge(self, base: Folder, head: Folder, remote: Folder) -> Folder:
        if same_id(head, remote) or same_id(base, remote):
            return head
        if same_id(base, head):
            return remote
        return Folder(self._entries(base, head, remote, ""))

    def _entries(self, base: Folder, head: Folder, remote: Folder, path: str) -> dict[str, Node]:
        result: dict[str, Node] = {}
        aside: list[tuple[str, Node]] = []
        names = {*base.entries, *head.entries, *remote.entries}
        for name in sorted(names, key=str.encode, reverse=True):
            three = base.entries.get(name), head.entries.get(name), remote.entries.get(name)
            settled = self._settle(f"{path}/{name}", *three)
            if settled:
                result[name] = settled[0]
            aside += [(name, node) for node in settled[1:]]
        for name, node in aside:
            self._put_aside(result, name, node, path)
        return result

    def _settle(self, path: str, base: Node | None, head: Node | None, remote: Node | None) -> list[Node]:
        """Return what keeps the name and what has to take another."""
        files = _settle_files(as_file(base), as_file(head), as_file(remote))
        folders = self._settle_folders(path, as_folder(base), as_folder(head), as_folder(remote))
        return files + folders if isinstance(head, File) else folders + files

    def _settle_folders(
        self, path: str, base: Folder | None, head: Folder | None, remote: Folder | None
    ) -> list[Node]:
        outcome = FOLDER_ROWS[pattern(base, head, remote)]
        if outcome == "gone":
            return []
        if outcome != "recurse":
            chosen = head if outcome == "head" else remote
            return [chosen] if chosen else []
        shape = head or remote or Folder()
        empty = Folder()
        return [replace(shape, entries=self._entries(base or empty, head or empty, remote or empty, path))]

    def _put_aside(self, result: dict[str, Node], name: str, node: Node, path: str) -> None:
        for candidate in self._conflict_names(name, node):
            taken = result.get(candidate)
            if taken is None or same_id(taken, node):
                result.setdefault(candidate, node)
                self.conflicts.append(f"{path}/{candidate}")
                return

    def _conflict_names(self, name: str, node: Node) -> Iterator[str]:
        who, when = self.creator, self.now
        if isinstance(node, File):
            who, when = node.modifier or self.creator, node.mtime
        dot = name.rfind(".")
        stem, extension = (name[:dot], name[dot:]) if dot >= 0 else (name, "")
        shown = datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d-%H-%M-%S")
        yield f"{stem} (SFConflict {who} {shown}){extension}"
        for number in itertools.count(1):
            yield f"{stem} (SFConflict {who} {shown}) ({number}){extension}"


def as_file(node: Node | None) -> File | None:
    return node if isinstance(node, File) else None


def as_folder(node: Node | None) -> Folder | None:
    return node if isinstance(node, Folder) else None


def _settle_files(base: File | None, head: File | None, remote: File | None) -> list[Node]:
    both: list[Node] = [node for node in (head, remote) if node is not None]
    rows = {"head": both[:1], "remote": both[-1:], "conflict": both, "gone": []}
    return rows[FILE_ROWS[pattern(base, head, remote)]]
