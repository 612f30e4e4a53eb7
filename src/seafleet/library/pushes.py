"""Commits that were made elsewhere, or on an older head: made part of a library, by a merge where it takes
one.

A client commits on top of the last head it knew and pushes. If that is still the head, it moves to the pushed
commit; else the server merges, and the client finds out by asking for the head. The same goes for an update
that names the commit it started from.

Source: sync protocol §3, "PUT commit/HEAD"; merging §1, §2.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Final

from seafleet import paths
from seafleet.errors import CommitNotFound
from seafleet.formats.commit import Commit
from seafleet.ids import LibraryId, ObjectId
from seafleet.library.descriptions import describe_merge
from seafleet.library.diff import Change, Status, diff_merge, diff_trees
from seafleet.library.editor import TreeEditor
from seafleet.library.edits import Placed, UpdateFile, kind_of
from seafleet.library.fastforward import merge_commit
from seafleet.library.merge import three_way
from seafleet.library.model import Activity, Author, EditOutcome, Effects, PushOutcome, Relocation
from seafleet.library.rows import seconds
from seafleet.library.workspace import Workspace
from seafleet.store.generation import Generation, require_kept

ACTIVITIES_KEPT: Final = 200
"""So many lines a push writes into the records; a client's first push may bring a hundred thousand files."""

_OPERATIONS: Final = {
    Status.ADDED: "create",
    Status.ADDED_DIR: "create",
    Status.MODIFIED: "edit",
    Status.DELETED: "delete",
    Status.DELETED_DIR: "delete",
    Status.RENAMED: "move",
    Status.RENAMED_DIR: "move",
}


class Push:
    """Make a stored commit part of its library's history. A task for `Libraries.run_task`.

    Pushing again what is part of the history already changes nothing. `seen` is the generation that the
    client's objects were stored under. Raises CommitNotFound when the commit, or one between it and the
    history, is not stored, FileLocked, ObjectMissing, CollectionRan.
    """

    def __init__(
        self, author: Author, library_id: LibraryId, commit_id: ObjectId, seen: Generation | None = None
    ) -> None:
        self.author = author
        self.library_id = library_id
        self.commit_id = commit_id
        self.seen = seen

    def __call__(self, work: Workspace) -> PushOutcome:
        """Fast-forward or merge."""
        if work.tools.commits.in_history(self.library_id, self.commit_id):
            return PushOutcome(work.head.commit_id, work.head.root_id, merged=False, changed=False)
        if self.seen is not None:
            seen = self.seen
            work.also(lambda tx: require_kept(tx, seen))
        pushed = work.tools.commits.get(self.library_id, self.commit_id)
        older = _unknown_ancestors(work, pushed)
        base_id = (older[0] if older else pushed).parent_id
        work.add_older(older)
        if base_id == work.head.commit_id:
            work.set_root(pushed.root_id)
            effects = effects_between(work, work.head.root_id, pushed.root_id)
            work.add(pushed, self.author, (effects,))
            return PushOutcome(pushed.commit_id, pushed.root_id, merged=False, changed=True)
        if base_id is None:
            raise CommitNotFound(self.commit_id)
        base = work.tools.commits.get(self.library_id, base_id)
        work.add_older((pushed,))
        merge_into_head(work, self.author, base.root_id, pushed)
        return PushOutcome(work.head.commit_id, work.head.root_id, merged=True, changed=True)


class UpdateOnBase:
    """Replace the content of a file as it was in the commit `base_id`. A task for `Libraries.run_task`.

    When the head is another one, the update is merged into it: a file that changed there keeps its name, and
    this one gets a conflict name. Raises CommitNotFound for the base, FileNotFound when it has no such file,
    FileLocked.
    """

    def __init__(self, author: Author, library_id: LibraryId, update: UpdateFile, base_id: ObjectId) -> None:
        self.author = author
        self.library_id = library_id
        self.update = update
        self.base_id = base_id

    def __call__(self, work: Workspace) -> EditOutcome[Placed]:
        """Apply it to the base, and merge if need be."""
        if work.head.commit_id == self.base_id:
            placed, effects = work.apply(self.author, self.update)
            changed = work.commit_edits(self.author, self.update.describe([placed]), [effects])
            return EditOutcome(work.head.commit_id, work.head.root_id, placed, changed)
        base = work.tools.commits.get(self.library_id, self.base_id)
        work.take_pending(self.update)
        placed, root_id = self._on_base(work, base)
        if root_id == base.root_id:
            return EditOutcome(work.head.commit_id, work.head.root_id, placed, changed=False)
        made = work.make_commit(self.author, root_id, self.update.describe([placed]))
        made = work.with_free_id(dataclasses.replace(made, parent_id=base.commit_id))
        work.add_older((made,))
        merge_into_head(work, self.author, base.root_id, made)
        return EditOutcome(work.head.commit_id, work.head.root_id, placed, changed=True)

    def _on_base(self, work: Workspace, base: Commit) -> tuple[Placed, ObjectId]:
        editor = TreeEditor(
            work.tools.trees,
            work.head.store_id,
            base.root_id,
            now=seconds(work.now),
            modifier=self.author.email,
        )
        placed = self.update.apply(editor)
        edited = editor.finish()
        work.add_objects(edited.objects)
        return placed, edited.root_id


def merge_into_head(work: Workspace, author: Author, base_root: ObjectId, remote: Commit) -> None:
    """Merge what `remote` changed since `base_root` into the head, in a commit with both as parents."""
    head = work.tools.commits.get(work.head.library_id, work.head.commit_id)
    naming = work.naming(remote.creator_name)
    merged = three_way(work.source, base_root, head.root_id, remote.root_id, naming=naming)
    work.add_objects(merged.objects)
    changes = diff_merge(work.source, merged.root_id, head.root_id, remote.root_id)
    work.set_root(merged.root_id)
    effects = effects_between(work, head.root_id, merged.root_id)
    commit = merge_commit(
        head,
        remote,
        root_id=merged.root_id,
        description=describe_merge(changes),
        conflict=merged.has_conflicts,
        ctime=seconds(work.now),
    )
    commit = dataclasses.replace(
        commit,
        library_name=work.head.name,
        library_description=work.head.description,
        encryption=work.head.encryption,
    )
    work.add(work.with_free_id(commit), author, (effects,))


def effects_between(
    work: Workspace,
    old_root: ObjectId,
    new_root: ObjectId,
    *,
    under: str = paths.ROOT,
    ignores_locks: bool = False,
) -> Effects:
    """Return what the step from one tree, or folder at `under`, to another means to locks and records."""
    changes = [_placed(change, under) for change in diff_trees(work.source, old_root, new_root)]
    return Effects(
        activities=tuple(map(_activity, changes[:ACTIVITIES_KEPT])),
        overwritten=_paths(changes, Status.MODIFIED),
        removed=_paths(changes, Status.DELETED, Status.DELETED_DIR),
        moved=tuple(Relocation(c.path, c.new_path) for c in changes if c.new_path is not None),
        ignores_locks=ignores_locks,
    )


def _placed(change: Change, under: str) -> Change:
    """Return a change below a folder as one of the whole tree."""
    if under == paths.ROOT:
        return change
    new_path = None if change.new_path is None else paths.join(under, change.new_path[1:])
    return dataclasses.replace(change, path=paths.join(under, change.path[1:]), new_path=new_path)


def _paths(changes: Iterable[Change], *statuses: Status) -> tuple[str, ...]:
    return tuple(change.path for change in changes if change.status in statuses)


def _activity(change: Change) -> Activity:
    detail: dict[str, object] = {"obj_id": change.entry.id, "size": change.entry.size or 0}
    if change.new_path is not None:
        detail["old_path"] = change.path
    path = change.new_path or change.path
    return Activity(_OPERATIONS[change.status], kind_of(change.entry), path, detail)


def _unknown_ancestors(work: Workspace, commit: Commit) -> list[Commit]:
    """Return the commits between the history and `commit`, which are not part of it yet, oldest first."""
    found: list[Commit] = []
    seen = {commit.commit_id}
    parent_id = commit.parent_id
    while parent_id is not None and not work.tools.commits.in_history(commit.library_id, parent_id):
        if parent_id in seen:
            raise CommitNotFound(parent_id)
        seen.add(parent_id)
        parent = work.tools.commits.get(commit.library_id, parent_id)
        found.append(parent)
        parent_id = parent.parent_id
    found.reverse()
    return found
