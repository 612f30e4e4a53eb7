"""A mutable view on one tree: changes are collected, and encoded once for each folder they touched.

Only folders on the way to a change are read. However many entries are put into a folder, it is encoded once,
when `finish` is called or when something needs its id. A savepoint takes back everything that was done after
it.

Source: storage format §5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from seafleet import paths
from seafleet.errors import (
    FileNotFound,
    FolderNotFound,
    InvalidPath,
    MalformedObject,
    NameTaken,
    ObjectMissing,
    TooManySameNames,
)
from seafleet.formats.fs import EMPTY_DIRECTORY, Directory, Dirent
from seafleet.ids import ZERO_ID, LibraryId, ObjectId
from seafleet.library.source import TreeSource, stored_directory
from seafleet.library.trees import EMPTY_STATS, OverlaySource, StoredObject, Trees, TreeStats

Numbering = Callable[[str], Iterator[str]]
"""What a taken name may become, in the order of trying: `paths.numbered_names` or its like."""


@dataclass(frozen=True, slots=True)
class EditedTree:
    """What `finish` leaves to be stored: the new root, new folders, and by how much the tree grew."""

    root_id: ObjectId
    objects: tuple[StoredObject, ...]
    size_delta: int
    file_delta: int


@dataclass(frozen=True, slots=True)
class Savepoint:
    """A state of an editor to come back to; good until the next `finish`."""

    undo_count: int
    object_count: int
    size_delta: int
    file_delta: int


class _Folder:
    """A loaded folder: what is encoded under its id, what was changed since, and its loaded folders.

    In `changes` None marks a removed name. `touched`: something at or below this folder was added or removed,
    so its entry gets a new time.
    """

    __slots__ = ("changes", "children", "directory", "id", "touched")

    def __init__(self, dir_id: ObjectId, directory: Directory) -> None:
        self.id = dir_id
        self.directory = directory
        self.changes: dict[str, Dirent | None] = {}
        self.children: dict[str, _Folder] = {}
        self.touched = False

    def get(self, name: str) -> Dirent | None:
        if name in self.changes:
            return self.changes[name]
        return self.directory.get(name)


_Chain = list[_Folder]


class TreeEditor:
    """Edits the tree under `root_id`. For one thread at a time.

    `now` (Unix seconds) dates what is made and every folder that something was added to or removed from;
    `modifier` is whom new files are attributed to. Paths are in normal form. Folders that an edit needs and
    that cannot be read raise ObjectMissing or MalformedObject.
    """

    def __init__(
        self,
        trees: Trees,
        store_id: LibraryId,
        root_id: ObjectId,
        *,
        now: int,
        modifier: str = "",
        source: OverlaySource | None = None,
    ) -> None:
        self.now = now
        self.modifier = modifier
        self.store_id = store_id
        self._trees = trees
        self._source = source or OverlaySource(trees.source(store_id))
        self._root = _Folder(root_id, self._source.directory(root_id))
        self._objects: list[StoredObject] = []
        self._undo: list[Callable[[], None]] = []
        self._size_delta = 0
        self._file_delta = 0

    @property
    def source(self) -> TreeSource:
        """The folders that this editor reads, including those it has encoded and nobody has stored yet."""
        return self._source

    # --- reading

    def get(self, path: str) -> Dirent | None:
        """Return the entry at `path`, or None. A changed folder is encoded, so that its id is right."""
        parent, name = paths.split(path)
        holder = self._find_folder(parent)
        if holder is None or not name:
            return None
        if name in holder.children:
            self._settle(holder, name)
        return holder.get(name)

    def exists(self, path: str) -> bool:
        """Tell whether there is something at `path`. The root always exists."""
        parent, name = paths.split(path)
        holder = self._find_folder(parent)
        return holder is not None and (not name or holder.get(name) is not None)

    def is_folder(self, path: str) -> bool:
        """Tell whether there is a folder at `path`."""
        return self._find_folder(path) is not None

    def list(self, path: str) -> Directory:
        """Return the present content of a folder. Raises FolderNotFound."""
        folder = self._folder(path)
        self._freeze(folder)
        return folder.directory

    def free_name(self, parent: str, name: str, numbering: Numbering = paths.numbered_names) -> str:
        """Return `name` if it is free in the folder, else the first free one that `numbering` offers.

        Raises FolderNotFound, TooManySameNames.
        """
        folder = self._folder(parent)
        if folder.get(name) is None:
            return name
        for candidate in numbering(name):
            if folder.get(candidate) is None:
                return candidate
        raise TooManySameNames(name)

    # --- changing

    def put(self, parent: str, entry: Dirent, *, replace: bool = False) -> None:
        """Add an entry to a folder; with `replace` in place of one of the same name and kind.

        A folder's entry may name any stored folder. Raises FolderNotFound for the parent, NameTaken.
        """
        chain = self._chain(parent)
        old = chain[-1].get(entry.name)
        if old is not None:
            if not replace or old.is_dir != entry.is_dir:
                raise NameTaken(paths.join(parent, entry.name))
            self._weigh(self._settle(chain[-1], entry.name), -1)
        self._weigh(entry, +1)
        self._set(chain[-1], entry.name, entry)
        self._touch(chain)

    def remove(self, path: str) -> Dirent:
        """Remove the entry at `path`, a folder with all it holds, and return it. Raises FileNotFound."""
        parent, name = self._split(path)
        chain = self._chain(parent)
        if chain[-1].get(name) is None:
            raise FileNotFound(path)
        entry = self._settle(chain[-1], name)
        self._weigh(entry, -1)
        self._set(chain[-1], name, None)
        self._touch(chain)
        return entry

    def make_folder(self, path: str, *, parents: bool = False) -> Dirent:
        """Make an empty folder and return its entry.

        With `parents` the missing folders above it are made too, and a folder that exists is no error. Raises
        NameTaken; FolderNotFound when the parent is missing, or is a file.
        """
        parent, name = self._split(path)
        if parents:
            if self.is_folder(path):
                return self._entry(path)
            if parent != paths.ROOT:
                self.make_folder_chain(parent)
        entry = Dirent.directory(name, ZERO_ID, mtime=self.now)
        self.put(parent, entry)
        return entry

    def make_folder_chain(self, path: str) -> str | None:
        """Make what is missing of a path; return the outermost folder that was made, or None.

        Raises NameTaken when a file is in the way.
        """
        outermost = None
        here = paths.ROOT
        for name in paths.components(path):
            parent, here = here, paths.join(here, name)
            if not self.is_folder(here):
                self.put(parent, Dirent.directory(name, ZERO_ID, mtime=self.now))
                outermost = outermost or here
        return outermost

    def rename(self, path: str, new_name: str) -> Dirent:
        """Give an entry another name in its folder, whose time stays; return the new entry.

        Raises FileNotFound, NameTaken.
        """
        parent, name = self._split(path)
        folder = self._folder(parent)
        entry = folder.get(name)
        if entry is None:
            raise FileNotFound(path)
        if folder.get(new_name) is not None:
            raise NameTaken(paths.join(parent, new_name))
        self._transfer(folder, name, folder, entry.replace(name=new_name))
        return entry.replace(name=new_name)

    def move(self, path: str, new_parent: str, new_name: str) -> Dirent:
        """Move an entry into another folder and return it as it stands there.

        Raises FileNotFound, FolderNotFound for the new parent, NameTaken, and InvalidPath when a folder would
        be moved into itself.
        """
        parent, name = self._split(path)
        source, target = self._chain(parent), self._chain(new_parent)
        entry = source[-1].get(name)
        if entry is None:
            raise FileNotFound(path)
        if entry.is_dir and paths.is_inside(new_parent, path):
            raise InvalidPath(new_parent, "lies inside the folder that would be moved there")
        if target[-1].get(new_name) is not None:
            raise NameTaken(paths.join(new_parent, new_name))
        moved = entry.replace(name=new_name)
        self._transfer(source[-1], name, target[-1], moved)
        self._touch(source)
        self._touch(target)
        return moved

    # --- taking back, and finishing

    def savepoint(self) -> Savepoint:
        """Return the present state, to come back to."""
        return Savepoint(len(self._undo), len(self._objects), self._size_delta, self._file_delta)

    def rollback(self, to: Savepoint) -> None:
        """Take back everything since `to`."""
        while len(self._undo) > to.undo_count:
            self._undo.pop()()
        del self._objects[to.object_count :]
        self._size_delta, self._file_delta = to.size_delta, to.file_delta

    def finish(self) -> EditedTree:
        """Encode what was changed since the last `finish`; the editor may go on from there."""
        self._freeze(self._root)
        objects = tuple(dict(self._objects).items())
        edited = EditedTree(self._root.id, objects, self._size_delta, self._file_delta)
        self._objects.clear()
        self._undo.clear()
        self._size_delta = self._file_delta = 0
        return edited

    def stats(self, dir_id: ObjectId) -> TreeStats:
        """Return the sums over a folder, stored or encoded by this editor."""
        return self._trees.stats_within(self.store_id, self._source, dir_id)

    def keep_folders(self) -> None:
        """Hand the folders that were encoded to the cache of `Trees`, once they have been stored."""
        for dir_id, folder in self._source.items():
            self._trees.remember(self.store_id, dir_id, folder)

    # --- walking

    def _find_folder(self, path: str) -> _Folder | None:
        folder = self._root
        for name in paths.components(path):
            child = self._child(folder, name)
            if child is None:
                return None
            folder = child
        return folder

    def _folder(self, path: str) -> _Folder:
        return self._chain(path)[-1]

    def _chain(self, path: str) -> _Chain:
        """Return the folders from the root to `path`."""
        chain = [self._root]
        for name in paths.components(path):
            child = self._child(chain[-1], name)
            if child is None:
                raise FolderNotFound(path)
            chain.append(child)
        return chain

    def _child(self, folder: _Folder, name: str) -> _Folder | None:
        child = folder.children.get(name)
        if child is not None:
            return child
        entry = folder.get(name)
        if entry is None or not entry.is_dir:
            return None
        child = folder.children[name] = _Folder(entry.id, self._source.directory(entry.id))
        return child

    def _entry(self, path: str) -> Dirent:
        entry = self.get(path)
        if entry is None:
            raise FileNotFound(path)
        return entry

    @staticmethod
    def _split(path: str) -> tuple[str, str]:
        if path == paths.ROOT:
            raise InvalidPath(path, "the root itself cannot be changed")
        return paths.split(path)

    # --- changes, each with the way back

    def _set(self, folder: _Folder, name: str, entry: Dirent | None) -> None:
        """Change one name. A folder loaded under that name is let go."""
        children = folder.children
        child = children.pop(name, None)

        def undo() -> None:
            children.pop(name, None)
            if child is not None:
                children[name] = child

        self._undo.append(undo)
        self._change(folder, name, entry)

    def _change(self, folder: _Folder, name: str, entry: Dirent | None) -> None:
        known, old = name in folder.changes, folder.changes.get(name)

        def undo() -> None:
            if known:
                folder.changes[name] = old
            else:
                del folder.changes[name]

        folder.changes[name] = entry
        self._undo.append(undo)

    def _adopt(self, folder: _Folder, name: str, child: _Folder) -> None:
        def undo() -> None:
            del folder.children[name]

        folder.children[name] = child
        self._undo.append(undo)

    def _transfer(self, source: _Folder, name: str, target: _Folder, entry: Dirent) -> None:
        child = source.children.get(name)
        self._set(source, name, None)
        self._set(target, entry.name, entry)
        if child is not None:
            self._adopt(target, entry.name, child)

    def _touch(self, chain: _Chain) -> None:
        untouched = [folder for folder in chain if not folder.touched]
        if not untouched:
            return

        def undo() -> None:
            for folder in untouched:
                folder.touched = False

        for folder in untouched:
            folder.touched = True
        self._undo.append(undo)

    def _weigh(self, entry: Dirent, sign: int) -> None:
        if entry.is_dir:
            below = self.stats(entry.id) if sign > 0 else self._stats_if_readable(entry.id)
            self._size_delta += sign * below.size_bytes
            self._file_delta += sign * below.file_count
        else:
            self._size_delta += sign * (entry.size or 0)
            self._file_delta += sign

    def _stats_if_readable(self, dir_id: ObjectId) -> TreeStats:
        """Return the sums over a folder that goes; a damaged one can go too, and counts as empty."""
        try:
            return self.stats(dir_id)
        except (ObjectMissing, MalformedObject):
            return EMPTY_STATS

    # --- encoding

    def _settle(self, holder: _Folder, name: str) -> Dirent:
        """Return the entry called `name`, which is there, with the id and time that it has now."""
        child = holder.children.get(name)
        if child is not None:
            self._freeze(child)
            self._refresh(holder, name, child)
        entry = holder.get(name)
        assert entry is not None
        return entry

    def _freeze(self, top: _Folder) -> None:
        """Encode `top` and what was changed below it."""
        for folder in reversed(_with_descendants(top)):
            for name, child in folder.children.items():
                self._refresh(folder, name, child)
            if folder.changes:
                self._encode(folder)

    def _refresh(self, holder: _Folder, name: str, child: _Folder) -> None:
        """Bring the entry of a loaded folder, which has been encoded, up to date."""
        entry = holder.get(name)
        assert entry is not None
        mtime = entry.mtime
        if child.touched:
            mtime = self.now
            self._untouch(child)
        if (child.id, mtime) != (entry.id, entry.mtime):
            self._change(holder, name, entry.replace(id=child.id, mtime=mtime))

    def _untouch(self, folder: _Folder) -> None:
        def undo() -> None:
            folder.touched = True

        folder.touched = False
        self._undo.append(undo)

    def _encode(self, folder: _Folder) -> None:
        before = folder.id, folder.directory, folder.changes

        def undo() -> None:
            folder.id, folder.directory, folder.changes = before

        folder.directory, folder.changes = _applied(folder.directory, folder.changes), {}
        folder.id = self._store(folder.directory)
        self._undo.append(undo)

    def _store(self, directory: Directory) -> ObjectId:
        if not directory:
            return ZERO_ID
        dir_id, stored = stored_directory(directory)
        self._objects.append((dir_id, stored))
        self._source.keep(dir_id, directory)
        return dir_id


def _with_descendants(top: _Folder) -> list[_Folder]:
    """Return `top` and the loaded folders below it, parents before children."""
    found = [top]
    for folder in found:
        found.extend(folder.children.values())
    return found


def _applied(directory: Directory, changes: dict[str, Dirent | None]) -> Directory:
    removed = [name for name, entry in changes.items() if entry is None]
    added = [entry for entry in changes.values() if entry is not None]
    if removed:
        directory = directory.without(*removed)
    if added:
        directory = directory.with_entries(added)
    return directory if directory else EMPTY_DIRECTORY
