"""A server's libraries without a server: services on a database, an owner, and short words for edits."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import insert

from seafleet import paths
from seafleet.clock import FixedClock
from seafleet.db.engine import Database
from seafleet.db.tables import account
from seafleet.formats.commit import Commit
from seafleet.formats.compression import compress
from seafleet.formats.fs import Dirent, FileObject, encode_file
from seafleet.ids import LibraryId, ObjectId
from seafleet.library.editor import TreeEditor
from seafleet.library.edits import AddFiles, Delete, MakeFolders, NewFile
from seafleet.library.history import History
from seafleet.library.locks import Locks
from seafleet.library.model import Author, Edit, EditOutcome, Head
from seafleet.library.passwords import Passwords
from seafleet.library.service import Libraries
from seafleet.library.sub_libraries import SubLibraries
from seafleet.library.trash import Trash
from seafleet.library.trees import Trees
from seafleet.secrets import ServerSecret
from seafleet.store.contract import Kind, ReadLayer
from seafleet.store.memory import MemoryBlobs
from seafleet.store.objects import ObjectStore

R = TypeVar("R")

_numbers = itertools.count(1)


@dataclass
class Site:
    """All about libraries on one database. Accounts are made up anew, so tests may share it."""

    database: Database
    layers: tuple[ReadLayer, ...] = ()
    clock: FixedClock = field(default_factory=FixedClock)
    quotas: dict[int, int] = field(default_factory=dict)
    history_days: int = -1

    def __post_init__(self) -> None:
        self.random = random.Random(next(_numbers))
        self.objects = ObjectStore(
            self.database, MemoryBlobs(self.clock), layers=self.layers, clock=self.clock
        )
        self.trees = Trees(self.objects)
        self.libraries = Libraries(
            self.database,
            self.objects,
            self.trees,
            self.clock,
            self.random,
            quota_of=self.quotas.get,
            default_history_days=self.history_days,
        )
        self.history = History(self.libraries)
        self.trash = Trash(self.libraries, self.history)
        self.locks = Locks(self.database, self.clock)
        self.secret = ServerSecret(b"0123456789abcdef0123456789abcdef", self.random)
        self.passwords = Passwords(self.libraries, self.secret)
        self.sub_libraries = SubLibraries(self.libraries, self.history)
        self.owner_id, self.owner = self.account()

    def account(self) -> tuple[int, Author]:
        """Make an account; return its id, and it as an author."""
        email = f"user{next(_numbers)}@example.org"
        row = {"email": email, "created_at_us": 0}
        account_id = self.database.write(
            lambda tx: tx.execute(insert(account), row).inserted_primary_key[0]  # type: ignore[index]
        )
        return int(account_id), Author(email)

    def library(self, name: str = "Library") -> LibraryId:
        """Make a library of the owner."""
        return self.libraries.create(self.owner_id, name).library_id

    def head(self, library_id: LibraryId) -> Head:
        """Return the library as it is now."""
        return self.libraries.get(library_id)

    def commit(self, library_id: LibraryId) -> Commit:
        """Return the head commit."""
        return self.libraries.commits.get(library_id, self.head(library_id).commit_id)

    def do(self, library_id: LibraryId, edit: Edit[R], author: Author | None = None) -> EditOutcome[R]:
        """Apply an edit, by the owner unless told otherwise, a second after the last."""
        self.clock.advance(1)
        return self.libraries.commit_edit(library_id, author or self.owner, edit)

    def upload(self, library_id: LibraryId, path: str, content: str = "") -> ObjectId:
        """Put a file at a path whose folder exists; return the head commit."""
        parent, name = paths.split(path)
        return self.do(library_id, AddFiles(parent, (new_file(name, content),), replace=True)).commit_id

    def make_folder(self, library_id: LibraryId, path: str) -> ObjectId:
        """Make folders; return the head commit."""
        return self.do(library_id, MakeFolders("/", path)).commit_id

    def delete(self, library_id: LibraryId, path: str) -> ObjectId:
        """Delete something; return the head commit."""
        return self.do(library_id, Delete.path(path)).commit_id

    def build(self, library_id: LibraryId, spec: Mapping[str, str | None]) -> ObjectId:
        """Make folders (None) and files (their content) at paths, whose parents come first."""
        for path, content in spec.items():
            if content is None:
                self.make_folder(library_id, path)
            else:
                self.upload(library_id, path, content)
        return self.head(library_id).commit_id

    def tree(self, library_id: LibraryId, commit_id: ObjectId | None = None) -> dict[str, str | None]:
        """Return the paths of a library, folders with None and files with their content."""
        head = self.head(library_id)
        root_id = head.root_id
        if commit_id is not None:
            root_id = self.libraries.commits.get(library_id, commit_id).root_id
        return {
            path: None if entry.is_dir else self.content(head.store_id, entry)
            for path, entry in self.trees.walk(head.store_id, root_id)
        }

    def content(self, store_id: str, entry: Dirent) -> str:
        """Return a file's text."""
        file = self.trees.file(LibraryId(store_id), entry.id)
        return b"".join(self.objects.get(store_id, Kind.BLOCK, each) for each in file.block_ids).decode()

    def entry(self, library_id: LibraryId, path: str) -> Dirent:
        """Return the entry at a path that exists."""
        head = self.head(library_id)
        entry = self.trees.find(head.store_id, head.root_id, path)
        assert entry is not None, path
        return entry

    def set_mode(self, library_id: LibraryId, path: str, mode: int) -> None:
        """Change the mode of a file, as only sync clients do."""
        changed = self.entry(library_id, path).replace(mode=mode)
        self.do(library_id, SetEntry(paths.split(path)[0], changed))

    def texts(self, library_id: LibraryId) -> list[str]:
        """Return the texts of all commits, newest first, but for the first commit's."""
        return [entry.description for entry in self.history.commits(self.head(library_id))][:-1]

    def check(self, library_id: LibraryId) -> None:
        """Compare the kept sums with the tree."""
        head = self.head(library_id)
        stats = Trees(self.objects).stats(head.store_id, head.root_id)
        assert (head.size_bytes, head.file_count) == (stats.size_bytes, stats.file_count)


class SetEntry(Edit[None]):
    """Put an entry in place of another one."""

    def __init__(self, parent: str, entry: Dirent) -> None:
        self.parent = parent
        self.entry = entry

    def apply(self, editor: TreeEditor) -> None:
        editor.put(self.parent, self.entry, replace=True)

    def describe(self, results: Sequence[None]) -> str:
        return "set"


def new_file(name: str, content: str = "", mtime: int | None = None) -> NewFile:
    """Return a file whose objects are still to be stored."""
    if not content:
        return NewFile(name, mtime=mtime)
    data = content.encode()
    block_id = ObjectId.of(data)
    file_id, text = encode_file(FileObject((block_id,), len(data)))
    pending = ((Kind.BLOCK, block_id, data), (Kind.FS, file_id, compress(text)))
    return NewFile(name, file_id, len(data), mtime, pending)
