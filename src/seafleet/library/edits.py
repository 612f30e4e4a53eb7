"""The verbs that change a tree: upload, update, make, rename, delete.

Moves and copies are in `moves`, reverts in `reverts`.

Each is a value that knows how to apply itself, what its commit is called, and what it means to locks and
records. Paths are in normal form; names are checked here. What a taken name becomes is told by `numbering`:
the Web API's rule, the file server's, or none, which is to refuse it.

Source: merging §6; conventions §9, §12; file server §2, §3, §6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from seafleet import paths
from seafleet.errors import FileNotFound, FolderNotFound, InvalidPath, NameUnchanged, NotFound
from seafleet.formats.fs import FILE_MODE, Dirent
from seafleet.ids import ZERO_ID, ObjectId
from seafleet.library import descriptions
from seafleet.library.editor import Numbering, TreeEditor
from seafleet.library.model import Activity, Edit, Effects, PendingObject, Relocation
from seafleet.store.generation import Generation
from seafleet.store.ingest import IngestedFile

WEB_NUMBERING: Final[Numbering] = paths.numbered_names
UPLOAD_NUMBERING: Final[Numbering] = paths.numbered_names_upload


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to be put somewhere: what it is called and what is in it.

    `mtime` (Unix seconds) is the present when it is None. `pending` are objects to be stored with it.
    """

    name: str
    file_id: ObjectId = ZERO_ID
    size: int = 0
    mtime: int | None = None
    pending: tuple[PendingObject, ...] = ()

    @classmethod
    def received(cls, name: str, file: IngestedFile, mtime: int | None = None) -> NewFile:
        """Return a file whose content has been received."""
        return cls(name, file.file_id, file.size, mtime, file.pending)

    def entry(self, editor: TreeEditor, name: str, mode: int = FILE_MODE) -> Dirent:
        """Return the directory entry, under a name that is free."""
        mtime = editor.now if self.mtime is None else self.mtime
        return Dirent(self.file_id, mode, mtime, name, editor.modifier, self.size)


@dataclass(frozen=True, slots=True)
class Placed:
    """An entry and where it stands now. `was` is the entry that it replaced."""

    path: str
    entry: Dirent
    was: Dirent | None = None


@dataclass(frozen=True, slots=True)
class AddFiles(Edit[tuple[Placed, ...]]):
    """Upload files into a folder, or into `relative_path` below it, which is made if it is missing.

    A taken name gets a number; with `replace` a file of that name is replaced, while a folder is not:
    NameTaken. The result is in the order of `files`. Raises FolderNotFound, InvalidName, InvalidPath,
    TooManySameNames.
    """

    parent: str
    files: tuple[NewFile, ...]
    replace: bool = False
    relative_path: str = ""
    numbering: Numbering = UPLOAD_NUMBERING
    seen: Generation | None = None

    @property
    def folder(self) -> str:
        """The folder that the files come into."""
        return paths.join(self.parent, "/".join(paths.components(self.relative_path)))

    @property
    def combines_as(self) -> str | None:
        """Uploads share a commit."""
        return "upload"

    @property
    def pending(self) -> Sequence[PendingObject]:
        """The objects of all files."""
        return [each for file in self.files for each in file.pending]

    @property
    def generation(self) -> Generation | None:
        """The store's generation, as it was before the first block was stored."""
        return self.seen

    def preparation(self) -> MakeFolders | None:
        """The folders of the relative path."""
        if not paths.components(self.relative_path):
            return None
        return MakeFolders(self.parent, self.relative_path)

    def apply(self, editor: TreeEditor) -> tuple[Placed, ...]:
        """Put the files into the folder."""
        folder = self.folder
        return tuple(self._put(editor, folder, file) for file in self.files)

    def _put(self, editor: TreeEditor, folder: str, file: NewFile) -> Placed:
        name, was = file.name, None
        check_new(folder, name)
        if self.replace:
            was = editor.get(paths.join(folder, name))
        else:
            name = editor.free_name(folder, name, self.numbering)
        entry = file.entry(editor, name)
        editor.put(folder, entry, replace=self.replace)
        return Placed(paths.join(folder, name), entry, was)

    def describe(self, results: Sequence[tuple[Placed, ...]]) -> str:
        """Return the text; the first file is named as it was asked for, when it is alone."""
        placed = [each for result in results for each in result]
        if not placed:
            return ""
        name = self.files[0].name if self.files else placed[0].entry.name
        return descriptions.uploaded(name, len(placed) - 1)

    def effects(self, result: tuple[Placed, ...]) -> Effects:
        """Files that were replaced must not be locked."""
        return Effects(
            activities=tuple(_file_activity("edit" if p.was else "create", p) for p in result),
            overwritten=tuple(p.path for p in result if p.was),
        )


@dataclass(frozen=True, slots=True)
class CreateFile(Edit[Placed]):
    """Add one file that was not uploaded through the file server's forms: empty, or made of blocks.

    A taken name gets a number, or is refused (NameTaken) without `numbering`; with `replace` the file is
    replaced.
    """

    parent: str
    file: NewFile
    replace: bool = False
    numbering: Numbering | None = WEB_NUMBERING
    seen: Generation | None = None

    @property
    def pending(self) -> Sequence[PendingObject]:
        """The objects of the file."""
        return self.file.pending

    @property
    def generation(self) -> Generation | None:
        """The store's generation, as it was before the first block was looked for."""
        return self.seen

    def apply(self, editor: TreeEditor) -> Placed:
        """Put the file into its folder."""
        name, was = self.file.name, None
        check_new(self.parent, name)
        if self.replace:
            was = editor.get(paths.join(self.parent, name))
        elif self.numbering is not None:
            name = editor.free_name(self.parent, name, self.numbering)
        entry = self.file.entry(editor, name)
        editor.put(self.parent, entry, replace=self.replace)
        return Placed(paths.join(self.parent, name), entry, was)

    def describe(self, results: Sequence[Placed]) -> str:
        """Return the text, without a full stop."""
        return descriptions.added(results[0].entry.name)

    def effects(self, result: Placed) -> Effects:
        """A file that was replaced must not be locked."""
        return Effects(
            activities=(_file_activity("edit" if result.was else "create", result),),
            overwritten=(result.path,) if result.was else (),
        )


@dataclass(frozen=True, slots=True)
class UpdateFile(Edit[Placed]):
    """Replace the content of a file; the same content is no change. `file.name` is not looked at.

    Raises FileNotFound when there is no file at `path`.
    """

    path: str
    file: NewFile
    seen: Generation | None = None

    @property
    def pending(self) -> Sequence[PendingObject]:
        """The objects of the file."""
        return self.file.pending

    @property
    def generation(self) -> Generation | None:
        """The store's generation, as it was before the first block was stored."""
        return self.seen

    def apply(self, editor: TreeEditor) -> Placed:
        """Exchange the entry."""
        old = editor.get(self.path)
        if old is None or old.is_dir:
            raise FileNotFound(self.path)
        if old.id == self.file.file_id:
            return Placed(self.path, old, old)
        entry = self.file.entry(editor, old.name, old.mode)
        editor.put(paths.split(self.path)[0], entry, replace=True)
        return Placed(self.path, entry, old)

    def describe(self, results: Sequence[Placed]) -> str:
        """Return the text."""
        return descriptions.modified(results[0].entry.name)

    def effects(self, result: Placed) -> Effects:
        """The file must not be locked."""
        return Effects((_file_activity("edit", result),), overwritten=(self.path,))


@dataclass(frozen=True, slots=True)
class MakeFolder(Edit[Placed]):
    """Make a folder in a folder that exists.

    A taken name gets a number, or is refused (NameTaken) without `numbering`. Raises FolderNotFound,
    InvalidName, InvalidPath.
    """

    path: str
    numbering: Numbering | None = WEB_NUMBERING

    def apply(self, editor: TreeEditor) -> Placed:
        """Make it."""
        parent, name = paths.split(self.path)
        check_new(parent, name)
        if self.numbering is not None:
            name = editor.free_name(parent, name, self.numbering)
        path = paths.join(parent, name)
        return Placed(path, editor.make_folder(path))

    def describe(self, results: Sequence[Placed]) -> str:
        """Return the text."""
        return descriptions.added(results[0].entry.name, is_dir=True)

    def effects(self, result: Placed) -> Effects:
        """Nothing is taken away."""
        return Effects((Activity("create", "dir", result.path),))


@dataclass(frozen=True, slots=True)
class MakeFolders(Edit[tuple[str, ...]]):
    """Make every missing folder of a relative path below a folder that exists; the result are those made.

    Folders that exist are taken as they are. Raises NameTaken when a file is in the way, FolderNotFound,
    InvalidName, InvalidPath.
    """

    parent: str
    relative_path: str

    @property
    def path(self) -> str:
        """The innermost folder."""
        return paths.join(self.parent, "/".join(paths.components(self.relative_path)))

    def apply(self, editor: TreeEditor) -> tuple[str, ...]:
        """Make what is missing."""
        if not editor.is_folder(self.parent):
            raise FolderNotFound(self.parent)
        paths.validate_path(self.path)
        made = []
        here = self.parent
        for name in paths.components(self.relative_path):
            paths.validate_name(name)
            here = paths.join(here, name)
            if not editor.is_folder(here):
                editor.make_folder(here)
                made.append(here)
        return tuple(made)

    def describe(self, results: Sequence[tuple[str, ...]]) -> str:
        """Return the text, which gives the relative path."""
        return descriptions.added("/".join(paths.components(self.relative_path)), is_dir=True)

    def effects(self, result: tuple[str, ...]) -> Effects:
        """Nothing is taken away."""
        return Effects(tuple(Activity("create", "dir", path) for path in result))


@dataclass(frozen=True, slots=True)
class Rename(Edit[Placed]):
    """Give something another name in its folder; the result tells the name that it really has.

    A taken name gets a number, or is refused (NameTaken) without `numbering`. Raises FileNotFound (or
    FolderNotFound, when a folder is asked for), NameUnchanged, InvalidName, FileLocked.
    """

    path: str
    new_name: str
    numbering: Numbering | None = WEB_NUMBERING
    is_dir: bool | None = None

    def apply(self, editor: TreeEditor) -> Placed:
        """Rename it."""
        parent, name = paths.split(self.path)
        old = entry_of_kind(editor, self.path, self.is_dir)
        if self.new_name == name:
            raise NameUnchanged(name)
        check_new(parent, self.new_name)
        new_name = self.new_name
        if self.numbering is not None:
            new_name = editor.free_name(parent, new_name, self.numbering)
        return Placed(paths.join(parent, new_name), editor.rename(self.path, new_name), old)

    def describe(self, results: Sequence[Placed]) -> str:
        """Return the text, which gives the old name."""
        return descriptions.renamed(paths.split(self.path)[1], is_dir=results[0].entry.is_dir)

    def effects(self, result: Placed) -> Effects:
        """Whatever refers to the old path follows."""
        old_name = paths.split(self.path)[1]
        detail = {"old_path": self.path, "old_name": old_name, "obj_id": result.entry.id}
        return Effects(
            (Activity("rename", kind_of(result.entry), result.path, detail),),
            moved=(Relocation(self.path, result.path),),
        )


@dataclass(frozen=True, slots=True)
class Delete(Edit[tuple[Placed, ...]]):
    """Delete entries of a folder; names that are not there are passed over.

    With `only_if`, one id for each name, only what still has that id is deleted. Raises FileLocked.
    """

    parent: str
    names: tuple[str, ...]
    only_if: tuple[ObjectId, ...] | None = None

    @classmethod
    def path(cls, path: str) -> Delete:
        """Return the deletion of one thing. The root deletes nothing."""
        parent, name = paths.split(path)
        return cls(parent, (name,) if name else ())

    @property
    def combines_as(self) -> str | None:
        """Deletions share a commit."""
        return "delete"

    def apply(self, editor: TreeEditor) -> tuple[Placed, ...]:
        """Remove what is there."""
        expected = self.only_if or (None,) * len(self.names)
        wanted = dict(zip(self.names, expected, strict=True))
        there = (
            paths.join(self.parent, name)
            for name, object_id in wanted.items()
            if self._is_there(editor, name, object_id)
        )
        return tuple(Placed(path, editor.remove(path)) for path in there)

    def _is_there(self, editor: TreeEditor, name: str, object_id: ObjectId | None) -> bool:
        if object_id is None:
            return bool(name) and editor.exists(paths.join(self.parent, name))
        entry = editor.get(paths.join(self.parent, name))
        return entry is not None and entry.id == object_id

    def describe(self, results: Sequence[tuple[Placed, ...]]) -> str:
        """Return the text."""
        gone = [placed.entry for result in results for placed in result]
        if not gone:
            return ""
        return descriptions.deleted(gone[0].name, is_dir=gone[0].is_dir, more=len(gone) - 1)

    def effects(self, result: tuple[Placed, ...]) -> Effects:
        """Nothing of it must be locked."""
        return Effects(
            tuple(Activity("delete", kind_of(p.entry), p.path, _detail(p.entry)) for p in result),
            removed=tuple(p.path for p in result),
        )


def check_new(parent: str, name: str) -> None:
    """Check what is about to be made. Raises InvalidName, InvalidPath."""
    paths.validate_name(name)
    paths.validate_path(paths.join(parent, name))


def entry_of_kind(editor: TreeEditor, path: str, is_dir: bool | None) -> Dirent:
    """Return the entry at `path`.

    Raises FileNotFound or FolderNotFound, as what was asked for, and InvalidPath for the root.
    """
    if path == paths.ROOT:
        raise InvalidPath(path, "the root itself cannot be changed")
    entry = editor.get(path)
    if entry is None or is_dir not in (None, entry.is_dir):
        missing: type[NotFound] = FolderNotFound if is_dir else FileNotFound
        raise missing(path)
    return entry


def kind_of(entry: Dirent) -> str:
    """Return how records call what this is: file or dir."""
    return "dir" if entry.is_dir else "file"


def _file_activity(op_type: str, placed: Placed) -> Activity:
    return Activity(op_type, "file", placed.path, _detail(placed.entry))


def _detail(entry: Dirent) -> dict[str, object]:
    return {"obj_id": entry.id, "size": entry.size or 0}
