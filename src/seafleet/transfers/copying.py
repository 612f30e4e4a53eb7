"""Copying and moving entries, inside a library or into another one, whatever their keys are.

Inside one library, and between a sub-library and its origin, only entries change place. Between libraries
that can read each other's blocks, objects are given to the other store by name. Between libraries of
different keys the content is decrypted and encrypted anew while it is read, for which both have to be
unlocked by who asks.

Nothing is seen at the target before everything is there: one commit puts all of it in. Room is checked before
the first byte is copied, and once more by the commit.

Source: encryption §5, "Copying or moving"; files page, "Move and copy"; transfers page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from seafleet import paths
from seafleet.errors import FileNotFound, InvalidPath
from seafleet.formats.fs import Directory, Dirent
from seafleet.ids import ZERO_ID, ObjectId
from seafleet.library.edits import Delete
from seafleet.library.locks import read_locks, require_unlocked
from seafleet.library.moves import Copy, Move, PutEntries
from seafleet.library.places import origin_place
from seafleet.library.source import stored_directory
from seafleet.library.transfer import copy_subtrees
from seafleet.store.contract import Kind
from seafleet.store.ingest import FileIngest

if TYPE_CHECKING:
    from seafleet.actor import Actor
    from seafleet.db.engine import Transaction
    from seafleet.formats.ciphers import BlockCipher
    from seafleet.library.model import Author, Edit, Head
    from seafleet.library.service import Libraries
    from seafleet.library.workspace import Workspace
    from seafleet.transfers.content import Contents
    from seafleet.transfers.keys import LibraryKeys
    from seafleet.transfers.limits import Limits

R = TypeVar("R")

Progress = Callable[[int], None]
"""Told how many more files are there; may raise to stop."""

InCommit = Callable[["Transaction"], None]
"""Runs in the transaction of a commit; may raise to prevent it."""

_PENDING_BYTES: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Journey:
    """What is to be brought where: entries called `names` in the folder `parent` of `source`, into `folder`
    of `target`. `keep` says whether they stay where they were.
    """

    source: Head
    parent: str
    names: tuple[str, ...]
    target: Head
    folder: str
    keep: bool

    @property
    def is_inside(self) -> bool:
        """Whether this happens inside one library."""
        return self.source.library_id == self.target.library_id


@dataclass(frozen=True, slots=True)
class Landed:
    """An entry where it came to stand."""

    path: str
    entry: Dirent


def _untold(files: int) -> None:
    return None


class Copier:
    """Carries journeys out. Safe to use from many threads."""

    def __init__(self, libraries: Libraries, contents: Contents, keys: LibraryKeys, limits: Limits) -> None:
        self._libraries = libraries
        self._contents = contents
        self._keys = keys
        self._limits = limits

    def entries(self, journey: Journey) -> tuple[Dirent, ...]:
        """Return what is to be brought. Raises FileNotFound for the first name that is missing."""
        source = journey.source
        found = []
        for name in dict.fromkeys(journey.names):
            path = paths.join(journey.parent, name)
            entry = self._libraries.trees.find(source.store_id, source.root_id, path)
            if entry is None or not entry.name:
                raise FileNotFound(path)
            found.append(entry)
        return tuple(found)

    def count(self, journey: Journey) -> int:
        """Return how many files are to be brought."""
        return sum(self._weight(journey.source, entry)[1] for entry in self.entries(journey))

    def check(self, actor: Actor, journey: Journey) -> None:
        """Raise what would stop the journey and is known beforehand.

        FileNotFound; InvalidPath for a folder that would come into itself; QuotaExceeded; FileLocked for what
        is to be moved while somebody else holds a lock on it; PasswordRequired for the one of two libraries
        with different keys that is locked.
        """
        entries = self.entries(journey)
        if not journey.keep and journey.source.store_id == journey.target.store_id:
            self._require_outside(journey, entries)
        if journey.keep or journey.source.owner_id != journey.target.owner_id:
            self._limits.check_quota(
                journey.target, sum(self._weight(journey.source, entry)[0] for entry in entries)
            )
        if not journey.keep:
            self._require_unlocked(actor, journey, entries)
        self._ciphers(actor, journey)

    def run(
        self,
        actor: Actor,
        author: Author,
        journey: Journey,
        *,
        progress: Progress = _untold,
        in_copy: InCommit | None = None,
        in_commit: InCommit | None = None,
    ) -> list[Landed]:
        """Bring everything, and return it in the order of the names.

        `in_commit` goes with the last commit; `in_copy` with the one before it, when what is moved to another
        library has come there and is still to be removed. Raises as `check`; FolderNotFound for the target,
        FileLocked, CollectionRan, and what `progress`, `in_copy` and `in_commit` raise.
        """
        self.check(actor, journey)
        if journey.is_inside:
            return self._inside(author, journey, in_commit)
        target, entries = journey.target, self.entries(journey)
        seen = self._libraries.objects.generation(target.store_id)
        carried = self._carry(actor, journey, entries, progress)
        edit = PutEntries(journey.folder, carried, seen)
        placed = self._commit(target, author, edit, in_commit if journey.keep else in_copy)
        if not journey.keep:
            ids = tuple(entry.id for entry in entries)
            names = tuple(entry.name for entry in entries)
            self._commit(journey.source, author, Delete(journey.parent, names, only_if=ids), in_commit)
        return [Landed(each.path, each.entry) for each in placed]

    def _inside(self, author: Author, journey: Journey, in_commit: InCommit | None) -> list[Landed]:
        verb = Copy if journey.keep else Move
        edit = verb(journey.parent, journey.names, journey.folder)
        return [Landed(e.path, e.entry) for e in self._commit(journey.source, author, edit, in_commit)]

    def _commit(self, head: Head, author: Author, edit: Edit[R], also: InCommit | None) -> R:
        def task(work: Workspace) -> R:
            if also is not None:
                work.also(also)
            result: R
            result, effects = work.apply(author, edit)
            work.commit_edits(author, edit.describe([result]), [effects])
            return result

        if also is None:
            return self._libraries.commit_edit(head.library_id, author, edit).result
        return self._libraries.run_task(head.library_id, task)

    def _require_outside(self, journey: Journey, entries: Sequence[Dirent]) -> None:
        """Raise InvalidPath for a folder that would come into itself, be it through a sub-library."""
        with self._libraries.database.read() as connection:
            parent = origin_place(connection, journey.source.library_id, journey.parent).path
            folder = origin_place(connection, journey.target.library_id, journey.folder).path
        if any(entry.is_dir and paths.is_inside(folder, paths.join(parent, entry.name)) for entry in entries):
            raise InvalidPath(journey.folder, "lies inside the folder that would be moved there")

    def _require_unlocked(self, actor: Actor, journey: Journey, entries: Sequence[Dirent]) -> None:
        now = self._libraries.clock.timestamp()
        with self._libraries.database.read() as connection:
            locks = read_locks(connection, journey.source.library_id, now)
        require_unlocked(locks, actor.email, [paths.join(journey.parent, entry.name) for entry in entries])

    def _weight(self, head: Head, entry: Dirent) -> tuple[int, int]:
        """Return bytes and number of files of an entry with all it holds."""
        if not entry.is_dir:
            return entry.size or 0, 1
        stats = self._libraries.trees.stats(head.store_id, entry.id)
        return stats.size_bytes, stats.file_count

    # -- between stores --------------------------------------------------------------------------------------

    def _ciphers(self, actor: Actor, journey: Journey) -> tuple[BlockCipher | None, BlockCipher | None]:
        """Return what decrypts at the source and what encrypts at the target; nothing for equal keys."""
        if _share_key(journey.source, journey.target):
            return None, None
        return self._keys.cipher(journey.source, actor), self._keys.cipher(journey.target, actor)

    def _carry(
        self, actor: Actor, journey: Journey, entries: Sequence[Dirent], progress: Progress
    ) -> tuple[Dirent, ...]:
        """Give the target's store what the entries hold; return the entries as they are there."""
        source, target = journey.source, journey.target
        if _share_key(source, target):
            copy_subtrees(
                self._libraries.objects,
                self._libraries.trees,
                source.store_id,
                target.store_id,
                entries,
                progress=progress,
            )
            return tuple(entries)
        ciphers = self._ciphers(actor, journey)
        rewriter = _Rewriter(self._libraries, self._contents, source, target, ciphers, progress)
        return tuple(rewriter.rewrite(entry) for entry in entries)


def _share_key(source: Head, target: Head) -> bool:
    """Tell whether blocks of one library can be read in the other as they are stored."""
    keys = [
        head.encryption and (head.encryption.random_key, head.encryption.salt) for head in (source, target)
    ]
    return keys[0] == keys[1]


class _Rewriter:
    """Stores trees of one library anew under another's key."""

    def __init__(
        self,
        libraries: Libraries,
        contents: Contents,
        source: Head,
        target: Head,
        ciphers: tuple[BlockCipher | None, BlockCipher | None],
        progress: Progress,
    ) -> None:
        self._trees = libraries.trees
        self._objects = libraries.objects
        self._contents = contents
        self._source_id = source.store_id
        self._target_id = target.store_id
        self._decipher, self._encipher = ciphers
        self._progress = progress
        self._pending: list[tuple[Kind, ObjectId, bytes]] = []
        self._pending_bytes = 0

    def rewrite(self, entry: Dirent) -> Dirent:
        """Store everything an entry holds, durable on return, and return the entry with its new id."""
        if not entry.is_dir:
            done = self._file(entry)
        else:
            done = entry.replace(id=self._folder(entry.id))
        self._flush()
        return done

    def _folder(self, top: ObjectId) -> ObjectId:
        """Store a folder, those below it first, without recursion: trees may be deep."""
        levels: list[_Level] = [_Level(None, iter(self._trees.directory(self._source_id, top)))]
        while True:
            level = levels[-1]
            entry = next(level.rest, None)
            if entry is None:
                dir_id = self._store(Directory(level.done))
                levels.pop()
                if not levels:
                    return dir_id
                assert level.entry is not None
                levels[-1].done.append(level.entry.replace(id=dir_id))
            elif entry.is_dir:
                levels.append(_Level(entry, iter(self._trees.directory(self._source_id, entry.id))))
            else:
                level.done.append(self._file(entry))

    def _file(self, entry: Dirent) -> Dirent:
        file = self._contents.file(self._source_id, entry.id)
        reader = self._contents.whole(self._source_id, file, self._decipher)
        ingest = FileIngest(self._objects, self._target_id, cipher=self._encipher)
        try:
            while data := reader.read():
                ingest.write(data)
            done = ingest.finish()
        finally:
            ingest.abort()
        self._keep(done.pending)
        self._progress(1)
        return entry.replace(id=done.file_id, size=done.size)

    def _store(self, folder: Directory) -> ObjectId:
        if not folder:
            return ZERO_ID
        dir_id, stored = stored_directory(folder)
        self._keep([(Kind.FS, dir_id, stored)])
        return dir_id

    def _keep(self, pending: Iterable[tuple[Kind, ObjectId, bytes]]) -> None:
        for item in pending:
            self._pending.append(item)
            self._pending_bytes += len(item[2])
        if self._pending_bytes > _PENDING_BYTES:
            self._flush()

    def _flush(self) -> None:
        """Store what waits: blocks before what names them."""
        for kind in (Kind.BLOCK, Kind.FS):
            batch = [(object_id, data) for each, object_id, data in self._pending if each is kind]
            if batch:
                self._objects.put(self._target_id, kind, batch, verify=False)
        self._pending.clear()
        self._pending_bytes = 0


@dataclass(slots=True)
class _Level:
    """A folder at work: its entry, what is left of it, and what is done."""

    entry: Dirent | None
    rest: Iterator[Dirent]
    done: list[Dirent] = field(default_factory=list)
