"""Libraries: made, found, changed, and their heads moved.

Every change of a head goes through `commit_edit` and its siblings, and so through one queue for each library.

Source: storage format §4, §10, §12; libraries page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from datetime import UTC, tzinfo
from itertools import islice
from typing import Any, Final, TypeVar

from sqlalchemy import bindparam, insert, select, update

from seafleet import paths
from seafleet.clock import Clock
from seafleet.db.engine import Database, Transaction
from seafleet.db.tables import account, garbage_library, library, library_trash
from seafleet.errors import (
    AccountNotFound,
    AlreadyExists,
    InvalidArgument,
    LibraryDamaged,
    LibraryNotFound,
    MalformedObject,
    ObjectMissing,
)
from seafleet.formats.commit import Commit, Encryption
from seafleet.formats.encryption import check_from_client, new_encryption
from seafleet.ids import ZERO_ID, LibraryId, RandomSource
from seafleet.library import descriptions
from seafleet.library.bin import LIBRARY_CHANGED, LibraryBin
from seafleet.library.combiner import Combiner, EditJob, Listener, Task
from seafleet.library.commits import Commits
from seafleet.library.heads import announce, insert_commit, record_activity
from seafleet.library.model import Activity, Author, Edit, EditOutcome, Effects, Head, LibraryStatus
from seafleet.library.rows import (
    iter_all,
    library_row,
    moment,
    read_head,
    read_heads,
    read_owned,
    read_usage,
)
from seafleet.library.trees import Trees
from seafleet.library.workspace import Tools, Workspace
from seafleet.store.objects import ObjectStore

R = TypeVar("R")

KEEP_ALL_HISTORY: Final = -1
HIGHEST_ENC_VERSION: Final = 4
_FILE_VERSION: Final = 1

_EMAIL: Final = select(account.c.email).where(account.c.id == bindparam("account"))
_IN_USE: Final = (
    select(library.c.id)
    .where(library.c.id == bindparam("library"))
    .union(
        select(library_trash.c.library_id).where(library_trash.c.library_id == bindparam("library")),
        select(garbage_library.c.library_id).where(garbage_library.c.library_id == bindparam("library")),
    )
)
_INSERT: Final = insert(library)
_SET_OWNER: Final = (
    update(library).where(library.c.store_id == bindparam("store")).values(owner_id=bindparam("owner"))
)
_SET_LIMIT: Final = (
    update(library).where(library.c.id == bindparam("library")).values(history_limit_days=bindparam("days"))
)
_SET_STATUS: Final = (
    update(library).where(library.c.id == bindparam("library")).values(status=bindparam("to"))
)
_SET_SUMS: Final = (
    update(library)
    .where(library.c.id == bindparam("library"), library.c.head_commit_id == bindparam("at"))
    .values(size_bytes=bindparam("size"), file_count=bindparam("files"))
)
_SET_DAMAGED: Final = (
    update(library).where(library.c.id == bindparam("library")).values(is_damaged=bindparam("to"))
)


def _no_quota(owner_id: int) -> int | None:
    return None


def _as_it_is(who: str) -> str:
    return who


class Libraries:
    """The libraries of this server. Safe to share between threads.

    `quota_of` tells the quota of an account in bytes, None for no limit. Texts show times in `time_zone`, and
    conflict names call people what `display_name` makes of their address.
    """

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        trees: Trees,
        clock: Clock,
        random: RandomSource,
        *,
        quota_of: Callable[[int], int | None] = _no_quota,
        display_name: Callable[[str], str] = _as_it_is,
        time_zone: tzinfo = UTC,
        default_history_days: int = KEEP_ALL_HISTORY,
        edit_threads: int = 8,
    ) -> None:
        self.database = database
        self.objects = objects
        self.trees = trees
        self.commits = Commits(objects)
        self.clock = clock
        self.random = random
        self.time_zone = time_zone
        self.default_history_days = default_history_days
        self.bin = LibraryBin(database, objects)
        tools = Tools(objects, trees, self.commits, time_zone, display_name)
        self._combiner = Combiner(database, tools, clock, quota_of, threads=edit_threads)

    def close(self) -> None:
        """Finish the changes that wait, and refuse more."""
        self._combiner.close()

    def listen(self, listener: Listener) -> None:
        """Have `listener` told of every head that this process has moved: short work, on any thread."""
        self._combiner.listen(listener)

    # --- finding

    def find(self, library_id: str) -> Head | None:
        """Return a library, damaged or not, or None."""
        with self.database.read() as connection:
            return read_head(connection, library_id)

    def get(self, library_id: str) -> Head:
        """Return a library. Raises LibraryNotFound, LibraryDamaged."""
        head = self.find(library_id)
        if head is None:
            raise LibraryNotFound(library_id)
        if head.is_damaged:
            raise LibraryDamaged(library_id, "it was found to be damaged")
        return head

    def get_many(self, library_ids: Iterable[str]) -> dict[LibraryId, Head]:
        """Return those libraries that exist, damaged ones included, by their ids."""
        with self.database.read() as connection:
            return read_heads(connection, library_ids)

    def owned_by(self, owner_id: int, *, sub_libraries: bool = False, name_contains: str = "") -> list[Head]:
        """Return what an account owns, damaged ones included, newest change first.

        Sub-libraries are left out unless asked for. `name_contains` compares without regard to case.
        """
        with self.database.read() as connection:
            found = read_owned(connection, owner_id)
        return [
            head
            for head in found
            if (sub_libraries or not head.is_sub_library) and name_matches(head, name_contains)
        ]

    def list_all(self, *, offset: int = 0, limit: int | None = None, name_contains: str = "") -> list[Head]:
        """Return the libraries of everybody but sub-libraries, damaged ones included, newest change first.

        `offset` and `limit` count what matches `name_contains`, which compares without regard to case.
        """
        end = None if limit is None else offset + limit
        with self.database.read() as connection:
            matching = (head for head in iter_all(connection) if name_matches(head, name_contains))
            return list(islice(matching, offset, end))

    def usage(self, owner_id: int) -> int:
        """Return how many bytes an account's libraries hold; sub-libraries are part of their origins."""
        with self.database.read() as connection:
            return read_usage(connection, owner_id)

    def email_of(self, account_id: int) -> str:
        """Return the address of an account. Raises AccountNotFound."""
        with self.database.read() as connection:
            email = connection.execute(_EMAIL, {"account": account_id}).scalar()
        if email is None:
            raise AccountNotFound(account_id)
        return str(email)

    # --- making

    def create(
        self,
        owner_id: int,
        name: str,
        description: str = "",
        *,
        password: str | None = None,
        enc_version: int = 2,
        encryption: Encryption | None = None,
        library_id: LibraryId | None = None,
    ) -> Head:
        """Make an empty library.

        With `password` the server makes its keys; with `encryption` a client has made them, for `library_id`.
        Raises InvalidName, InvalidArgument, AccountNotFound, and AlreadyExists for an id that is, or was, in
        use.
        """
        paths.validate_name(name)
        _check_description(description)
        new_id = library_id or LibraryId.random(self.random)
        if password:
            encryption = new_encryption(new_id, password, self.random, enc_version=enc_version)
        elif encryption is not None:
            check_from_client(encryption, HIGHEST_ENC_VERSION)
        owner_email = self.email_of(owner_id)
        commit = Commit.make(
            library_id=new_id,
            root_id=ZERO_ID,
            creator_name=owner_email,
            description=descriptions.CREATED_LIBRARY,
            ctime=self.clock.timestamp(),
            library_name=name,
            library_description=description,
            encryption=encryption,
        )
        head = new_head(commit, owner_id, owner_email)
        self.database.write(lambda tx: self._create(tx, head, commit))
        return head

    # --- changing

    def commit_edit(self, library_id: LibraryId, author: Author, edit: Edit[R]) -> EditOutcome[R]:
        """Apply an edit; on return it is on disk. Waits for the edits before it.

        Raises what the edit raises, LibraryNotFound, LibraryDamaged, QuotaExceeded, FileLocked,
        CollectionRan, HeadMoved, StorageFailure; then nothing was changed.
        """
        return self._combiner.run(library_id, EditJob(author, edit))

    def begin_edit(self, library_id: LibraryId, author: Author, edit: Edit[R]) -> Future[EditOutcome[R]]:
        """Do the same without waiting for others or the disk."""
        return self._combiner.begin(library_id, EditJob(author, edit))

    def submit_edit(self, library_id: LibraryId, author: Author, edit: Edit[R]) -> Future[EditOutcome[R]]:
        """Do the same without any work in the calling thread, for the event loop."""
        return self._combiner.submit(library_id, EditJob(author, edit))

    def run_task(self, library_id: LibraryId, task: Callable[[Workspace], R]) -> R:
        """Run what makes its own commits, alone between the edits of others. It may run more than once."""
        return self._combiner.run(library_id, Task(task))

    def submit_task(self, library_id: LibraryId, task: Callable[[Workspace], R]) -> Future[R]:
        """Do the same without waiting."""
        return self._combiner.submit(library_id, Task(task))

    def rename(
        self,
        library_id: LibraryId,
        author: Author,
        *,
        name: str | None = None,
        description: str | None = None,
    ) -> Head:
        """Change name and description in a commit; what is None stays.

        Raises InvalidName, InvalidArgument.
        """
        if name is not None:
            paths.validate_name(name)
        _check_description(description or "")

        def task(work: Workspace) -> None:
            old = work.head
            changes = {"name": name, "description": description}
            work.set_identity(**{key: value for key, value in changes.items() if value is not None})
            effects = Effects((Activity("rename", "repo", "/", {"old_repo_name": old.name}),))
            commit = work.make_commit(author, old.root_id, descriptions.CHANGED_LIBRARY)
            work.add(commit, author, (effects,) if work.head.name != old.name else ())

        self.run_task(library_id, task)
        return self.get(library_id)

    def delete(self, library_id: str, author: Author) -> None:
        """Put a library into the bin, from where `bin.restore` brings it back. Raises LibraryNotFound."""
        self.bin.delete(library_id, author)

    def restore(self, library_id: str, owner_id: int | None = None) -> Head:
        """Bring a deleted library back, for its owner or for another account. Raises LibraryNotFound."""
        self.bin.restore(library_id, owner_id)
        return self.get(library_id)

    # --- settings

    def set_owner(self, library_id: str, owner_id: int) -> None:
        """Give a library and its sub-libraries to another account. Raises AccountNotFound."""
        self.email_of(owner_id)
        self._change(library_id, _SET_OWNER, {"store": library_id, "owner": owner_id})

    def set_history_limit(self, library_id: str, days: int | None) -> None:
        """Set how long history is kept: a negative number for ever, 0 not at all, None as the site says."""
        self._change(library_id, _SET_LIMIT, {"library": library_id, "days": days})

    def set_status(self, library_id: str, status: LibraryStatus) -> None:
        """Make a library read-only or normal again."""
        self._change(library_id, _SET_STATUS, {"library": library_id, "to": status.value})

    def set_damaged(self, library_id: str, damaged: bool) -> None:
        """Note that head or root cannot be read, or can be read again."""
        self._change(library_id, _SET_DAMAGED, {"library": library_id, "to": damaged})

    def recount(self, library_id: str) -> Head:
        """Compute size and number of files anew, as after damage was removed. Raises LibraryDamaged."""
        head = self.get(library_id)
        try:
            stats = self.trees.stats(head.store_id, head.root_id)
        except (ObjectMissing, MalformedObject) as error:
            raise LibraryDamaged(library_id, f"a folder cannot be read: {error}") from error
        sums = {"library": library_id, "at": head.commit_id, "size": stats.size_bytes}
        counted = {**sums, "files": stats.file_count}
        self.database.write(lambda tx: tx.execute(_SET_SUMS, counted).rowcount)
        return self.get(library_id)

    # --- parts

    def _change(self, library_id: str, statement: Any, values: dict[str, object]) -> None:
        now = self.clock.timestamp()

        def work(tx: Transaction) -> None:
            if tx.execute(statement, values).rowcount < 1:
                raise LibraryNotFound(library_id)
            announce(tx, LIBRARY_CHANGED, library_id, {}, now)

        self.database.write(work)

    def _create(self, tx: Transaction, head: Head, commit: Commit) -> None:
        if tx.execute(_IN_USE, {"library": head.library_id}).first() is not None:
            raise AlreadyExists("library", head.library_id)
        now = self.clock.timestamp()
        tx.execute(_INSERT, library_row(head))
        insert_commit(tx, self.objects, commit)
        record_activity(tx, head, commit.commit_id, head.owner_email, Activity("create", "repo", "/"), now)
        announce(tx, LIBRARY_CHANGED, head.library_id, {}, now)


def new_head(commit: Commit, owner_id: int, owner_email: str, *, store_id: LibraryId | None = None) -> Head:
    """Return the head that a library's first commit makes, without any content."""
    made_at = moment(commit.ctime)
    return Head(
        library_id=commit.library_id,
        store_id=store_id or commit.library_id,
        commit_id=commit.commit_id,
        root_id=commit.root_id,
        name=commit.library_name,
        description=commit.library_description,
        owner_id=owner_id,
        owner_email=owner_email,
        organization_id=1,
        created_at=made_at,
        updated_at=made_at,
        last_modifier=commit.creator_name or "",
        size_bytes=0,
        file_count=0,
        version=_FILE_VERSION,
        status=LibraryStatus.NORMAL,
        is_damaged=False,
        generation="",
        encryption=commit.encryption,
        history_limit_days=None,
        valid_since=None,
    )


def _check_description(text: str) -> None:
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise InvalidArgument("description", "is not text")


def name_matches(head: Head, part: str) -> bool:
    """Tell whether the library's name contains `part`, without regard to case."""
    return part.casefold() in head.name.casefold()
