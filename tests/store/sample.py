"""Small libraries made of real objects, and what a collection has to know about them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, insert, select, update

from seafleet.db.engine import Transaction, upsert
from seafleet.db.tables import account, library
from seafleet.formats.chunking import FixedChunker
from seafleet.formats.commit import Commit, encode
from seafleet.formats.compression import compress
from seafleet.formats.fs import Directory, Dirent, FileObject, decode_fs, encode_directory
from seafleet.ids import ZERO_ID, LibraryId, ObjectId
from seafleet.store.contract import Kind
from seafleet.store.generation import Generation, require_kept
from seafleet.store.history import KEEP_ALL, live_commits, read_commit
from seafleet.store.ingest import FileIngest
from seafleet.store.objects import ObjectStore

BLOCK_BYTES = 256
Tree = Mapping[str, "bytes | Tree"]


def add_file(store: ObjectStore, store_id: str, content: bytes) -> FileObject:
    """Store a file as an upload does, without a head that names it."""
    receiving = FileIngest(store, store_id, chunker=FixedChunker(BLOCK_BYTES))
    receiving.write(content)
    file = receiving.finish()
    for kind, object_id, data in file.pending:
        store.put(store_id, kind, [(object_id, data)])
    return FileObject(file.block_ids, file.size)


def add_tree(store: ObjectStore, store_id: str, tree: Tree) -> ObjectId:
    """Store a tree of files and folders; return the id of its root."""
    entries = []
    for name, node in tree.items():
        if isinstance(node, bytes):
            receiving = FileIngest(store, store_id, chunker=FixedChunker(BLOCK_BYTES))
            receiving.write(node)
            file = receiving.finish()
            for kind, object_id, data in file.pending:
                store.put(store_id, kind, [(object_id, data)])
            entries.append(Dirent.file(name, file.file_id, size=file.size, mtime=1, modifier="a@b"))
        else:
            entries.append(Dirent.directory(name, add_tree(store, store_id, node), mtime=1))
    if not entries:
        return ZERO_ID
    root_id, text = encode_directory(Directory(entries))
    store.put(store_id, Kind.FS, [(root_id, compress(text))])
    return root_id


def read_tree(store: ObjectStore, store_id: str, root_id: ObjectId) -> dict[str, object]:
    """Read a tree back, every byte of it."""
    if root_id == ZERO_ID:
        return {}
    directory = decode_fs(store.get(store_id, Kind.FS, root_id))
    assert isinstance(directory, Directory)
    return {
        entry.name: read_tree(store, store_id, entry.id)
        if entry.is_dir
        else read_file(store, store_id, entry.id)
        for entry in directory
    }


def read_file(store: ObjectStore, store_id: str, file_id: ObjectId) -> bytes:
    if file_id == ZERO_ID:
        return b""
    file = decode_fs(store.get(store_id, Kind.FS, file_id))
    assert isinstance(file, FileObject)
    return b"".join(store.read_block(store_id, block_id) for block_id in file.block_ids)


@dataclass
class SampleLibrary:
    """A library with a row of its own whose head moves as a server's does."""

    store: ObjectStore
    library_id: LibraryId
    store_id: str = ""
    _counter: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.store_id = self.store_id or self.library_id
        self.store.database.write(self._create)

    def _create(self, tx: Transaction) -> None:
        tx.execute(
            upsert(account).on_conflict_do_nothing(),
            {"id": 1, "email": "a@b", "created_at_us": 0},
        )
        head = {"head_commit_id": ZERO_ID, "root_id": ZERO_ID, "created_at": 0, "updated_at": 0}
        ids = {"id": self.library_id, "store_id": self.store_id, "owner_id": 1, "name": "sample"}
        tx.execute(insert(library), {**ids, **head})

    @property
    def head_id(self) -> ObjectId | None:
        """The head commit, if there is one yet."""
        with self.store.database.read() as connection:
            found = select(library.c.head_commit_id).where(library.c.id == self.library_id)
            head = ObjectId(connection.execute(found).scalar_one())
        return None if head == ZERO_ID else head

    @property
    def head(self) -> Commit:
        """The head commit itself."""
        assert self.head_id is not None
        return read_commit(self.store, self.library_id, self.head_id)

    def save(self, tree: Tree, seen: Generation | None = None) -> Commit:
        """Store a tree and commit it."""
        return self.commit(add_tree(self.store, self.store_id, tree), seen)

    def commit(
        self,
        root_id: ObjectId,
        seen: Generation | None = None,
        require: Callable[[Transaction, Generation], None] = require_kept,
    ) -> Commit:
        """Move the head to a root; with `seen`, only if nothing that matters was collected since then."""
        self._counter += 1
        commit = Commit.make(
            library_id=self.library_id,
            root_id=root_id,
            creator_name="a@b",
            description=f"change {self._counter}",
            ctime=self.store.clock.timestamp(),
            parent_id=self.head_id,
        )

        def work(tx: Transaction) -> None:
            if seen is not None:
                require(tx, seen)
            self.store.insert(tx, self.library_id, Kind.COMMIT, [(commit.commit_id, encode(commit))])
            moved = update(library).where(library.c.id == self.library_id)
            tx.execute(moved.values(head_commit_id=commit.commit_id, root_id=root_id))

        self.store.database.write(work)
        return commit

    def content(self) -> dict[str, object]:
        """Every byte of the head."""
        return read_tree(self.store, self.store_id, self.head.root_id)


@dataclass
class LibraryRoots:
    """A `RootSource` over the table of libraries, with one history limit for all of them."""

    store: ObjectStore
    truncate_time: int = KEEP_ALL

    def store_ids(self) -> list[str]:
        with self.store.database.read() as connection:
            return list(connection.execute(select(library.c.store_id).distinct()).scalars())

    def heads(self, connection: Connection, store_id: str) -> Hashable:
        found = select(library.c.id, library.c.head_commit_id).where(library.c.store_id == store_id)
        return tuple(map(tuple, connection.execute(found.order_by(library.c.id))))

    def roots(self, store_id: str) -> Iterator[ObjectId]:
        with self.store.database.read() as connection:
            heads = list(
                connection.execute(
                    select(library.c.id, library.c.head_commit_id).where(library.c.store_id == store_id)
                )
            )
        for library_id, head_id in heads:
            if head_id != ZERO_ID:
                for commit in live_commits(self.store, library_id, ObjectId(head_id), self.truncate_time):
                    yield commit.root_id


def everything(store: ObjectStore, store_id: str) -> set[ObjectId]:
    """The ids of all fs objects and blocks of a store."""
    with store.database.read() as connection:
        rows = [
            object_id
            for kind in (Kind.FS, Kind.BLOCK)
            for object_id in store.rows.page(connection, store_id, kind, "")
        ]
    return {*rows, *(blob.object_id for blob in store.blobs.list(store_id))}
