"""Moving and copying inside a library, and putting in what another library holds.

Nothing is copied but entries: inside one store content is shared by name. Between stores the objects come
first (`transfer`), then the entries are put in, and for a move deleted at the source.

Source: merging §6; conventions §9; files page, "Move and copy".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from seafleet import paths
from seafleet.errors import FolderNotFound
from seafleet.formats.fs import Dirent
from seafleet.library import descriptions
from seafleet.library.editor import Numbering, TreeEditor
from seafleet.library.edits import WEB_NUMBERING, Placed, check_new, entry_of_kind, kind_of
from seafleet.library.model import Activity, Edit, Effects, Relocation
from seafleet.store.generation import Generation


@dataclass(frozen=True, slots=True)
class Relocated:
    """An entry that was moved or copied: where it stood, where it stands, and how."""

    old_path: str
    path: str
    entry: Dirent


@dataclass(frozen=True, slots=True)
class Move(Edit[tuple[Relocated, ...]]):
    """Move entries of a folder into another folder; what is there already stays where it is.

    A taken name gets a number, or is refused (NameTaken) without `numbering`. `new_name` renames a single
    entry on the way. Raises FileNotFound for the first name that is missing, FolderNotFound for the target,
    InvalidPath for a folder into itself, FileLocked.
    """

    parent: str
    names: tuple[str, ...]
    target: str
    numbering: Numbering | None = WEB_NUMBERING
    new_name: str | None = None

    def apply(self, editor: TreeEditor) -> tuple[Relocated, ...]:
        """Move them in the order of the names."""
        _require_folder(editor, self.target)
        return tuple(self._move(editor, name) for name in dict.fromkeys(self.names))

    def _move(self, editor: TreeEditor, name: str) -> Relocated:
        old_path = paths.join(self.parent, name)
        wanted = self.new_name or name
        entry = entry_of_kind(editor, old_path, None)
        if self.target == self.parent and wanted == name:
            return Relocated(old_path, old_path, entry)
        check_new(self.target, wanted)
        if self.numbering is not None:
            wanted = editor.free_name(self.target, wanted, self.numbering)
        moved = editor.move(old_path, self.target, wanted)
        return Relocated(old_path, paths.join(self.target, wanted), moved)

    def describe(self, results: Sequence[tuple[Relocated, ...]]) -> str:
        """Return the text, which gives the old name of the first."""
        done = results[0]
        if not done:
            return ""
        name = paths.split(done[0].old_path)[1]
        return descriptions.moved(name, is_dir=done[0].entry.is_dir, more=len(done) - 1)

    def effects(self, result: tuple[Relocated, ...]) -> Effects:
        """Whatever refers to the old paths follows."""
        moved = [each for each in result if each.path != each.old_path]
        return Effects(
            tuple(
                Activity(
                    "move",
                    kind_of(each.entry),
                    each.path,
                    {"old_path": each.old_path, "obj_id": each.entry.id},
                )
                for each in moved
            ),
            moved=tuple(Relocation(each.old_path, each.path) for each in moved),
        )


@dataclass(frozen=True, slots=True)
class Copy(Edit[tuple[Relocated, ...]]):
    """Copy entries of a folder into a folder of the same library, under numbered names where they are taken.

    Raises FileNotFound for the first name that is missing, FolderNotFound for the target.
    """

    parent: str
    names: tuple[str, ...]
    target: str
    numbering: Numbering | None = WEB_NUMBERING
    new_name: str | None = None

    def apply(self, editor: TreeEditor) -> tuple[Relocated, ...]:
        """Copy them as they are before the first is copied."""
        _require_folder(editor, self.target)
        sources = [paths.join(self.parent, name) for name in dict.fromkeys(self.names)]
        entries = [entry_of_kind(editor, path, None) for path in sources]
        return tuple(
            Relocated(path, *put_copy(editor, entry, self.target, self.numbering, self.new_name))
            for path, entry in zip(sources, entries, strict=True)
        )

    def describe(self, results: Sequence[tuple[Relocated, ...]]) -> str:
        """Return the text."""
        return text_of_copies([each.entry for each in results[0]])

    def effects(self, result: tuple[Relocated, ...]) -> Effects:
        """Nothing is taken away."""
        return Effects(activities_of_copies((each.path, each.entry) for each in result))


@dataclass(frozen=True, slots=True)
class PutEntries(Edit[tuple[Placed, ...]]):
    """Put entries, whose objects are in the library's store, into a folder: copies from elsewhere.

    `seen` is the store's generation, noted before the first of the objects was stored. A taken name gets a
    number, or is refused (NameTaken) without `numbering`. Raises FolderNotFound.
    """

    target: str
    entries: tuple[Dirent, ...]
    seen: Generation | None = None
    numbering: Numbering | None = WEB_NUMBERING

    @property
    def generation(self) -> Generation | None:
        """The store's generation, as it was before the objects came."""
        return self.seen

    def apply(self, editor: TreeEditor) -> tuple[Placed, ...]:
        """Put them in."""
        _require_folder(editor, self.target)
        return tuple(Placed(*put_copy(editor, entry, self.target, self.numbering)) for entry in self.entries)

    def describe(self, results: Sequence[tuple[Placed, ...]]) -> str:
        """Return the text."""
        return text_of_copies([each.entry for each in results[0]])

    def effects(self, result: tuple[Placed, ...]) -> Effects:
        """Nothing is taken away."""
        return Effects(activities_of_copies((each.path, each.entry) for each in result))


def put_copy(
    editor: TreeEditor, entry: Dirent, target: str, numbering: Numbering | None, new_name: str | None = None
) -> tuple[str, Dirent]:
    """Put a copy of an entry into a folder; return its path and itself. A file keeps its time."""
    name = new_name or entry.name
    check_new(target, name)
    if numbering is not None:
        name = editor.free_name(target, name, numbering)
    if entry.is_dir:
        copy = entry.replace(name=name, mtime=editor.now)
    else:
        copy = entry.replace(name=name, modifier=editor.modifier)
    editor.put(target, copy)
    return paths.join(target, name), copy


def text_of_copies(entries: Sequence[Dirent]) -> str:
    """Return the text of a commit that put these into one folder."""
    if not entries:
        return ""
    return descriptions.added(entries[0].name, is_dir=entries[0].is_dir, more=len(entries) - 1)


def activities_of_copies(copies: Iterable[tuple[str, Dirent]]) -> tuple[Activity, ...]:
    """Return what records say of copies."""
    return tuple(Activity("create", kind_of(entry), path, {"obj_id": entry.id}) for path, entry in copies)


def _require_folder(editor: TreeEditor, path: str) -> None:
    if not editor.is_folder(path):
        raise FolderNotFound(path)
