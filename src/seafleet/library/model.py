"""The values that libraries are spoken of in: heads, authors, edits and what comes of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from seafleet.formats.commit import Encryption
from seafleet.ids import LibraryId, ObjectId
from seafleet.store.contract import Kind
from seafleet.store.generation import Generation

if TYPE_CHECKING:
    from seafleet.library.editor import TreeEditor

R = TypeVar("R")

PendingObject = tuple[Kind, ObjectId, bytes]
"""An object that has been received and is to be stored in the transaction that makes it reachable."""


class LibraryStatus(IntEnum):
    """Whether a library can be written to."""

    NORMAL = 0
    READ_ONLY = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A library as it is at one moment: the commit its head points to, and what belongs to it.

    Fs objects and blocks lie under `store_id`, which for a sub-library is its origin's id; commits lie under
    `library_id`. `updated_at` is the time of the head commit. `generation` changes when unused objects of the
    library were removed.
    """

    library_id: LibraryId
    store_id: LibraryId
    commit_id: ObjectId
    root_id: ObjectId
    name: str
    description: str
    owner_id: int
    owner_email: str
    organization_id: int
    created_at: datetime
    updated_at: datetime
    last_modifier: str
    size_bytes: int
    file_count: int
    version: int
    status: LibraryStatus
    is_damaged: bool
    generation: str
    encryption: Encryption | None
    history_limit_days: int | None
    valid_since: datetime | None

    @property
    def encrypted(self) -> bool:
        """Whether the content of files is encrypted."""
        return self.encryption is not None

    @property
    def is_sub_library(self) -> bool:
        """Whether this shows a folder of another library."""
        return self.store_id != self.library_id


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes a library. Device and client are told for sync clients only; `ip` is for the records.

    `by_link`: somebody unknown, through a link that the account has made.
    """

    email: str
    device_name: str | None = None
    client_version: str | None = None
    ip: str = field(default="", compare=False)
    by_link: bool = False

    @property
    def holds_locks_as(self) -> str:
        """The address whose locks are the author's own; none for whoever comes by a link."""
        return "" if self.by_link else self.email


@dataclass(frozen=True, slots=True)
class Activity:
    """One line of what happened. `op_type`: create, delete, edit, rename, move, recover, …; `obj_type`: repo,
    file or dir. `detail` is JSON-able.
    """

    op_type: str
    obj_type: str
    path: str
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Relocation:
    """Something that is at another path now, with everything below it."""

    old_path: str
    new_path: str


@dataclass(frozen=True, slots=True)
class Effects:
    """What an edit means beyond the tree.

    `overwritten`, `removed` and the old paths of `moved` may not hold files that somebody else has locked.
    Locks, stars, links and rules of `moved` paths move along.
    """

    activities: tuple[Activity, ...] = ()
    overwritten: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    moved: tuple[Relocation, ...] = ()
    ignores_locks: bool = False

    @property
    def taken_away(self) -> tuple[str, ...]:
        """Every path whose content is no longer there as it was, as far as locks are concerned."""
        if self.ignores_locks:
            return ()
        return (*self.overwritten, *self.removed, *(move.old_path for move in self.moved))


NO_EFFECTS: Final = Effects()


class Edit(ABC, Generic[R]):
    """What to do to a tree: a value without state, since it may be applied again on a newer head.

    Edits of one author that `combines_as` says are alike are written as one commit.
    """

    @property
    def combines_as(self) -> str | None:
        """The word for edits that share a commit with this one; None for a commit of its own."""
        return None

    @property
    def pending(self) -> Sequence[PendingObject]:
        """Objects that the edit refers to and that are to be stored with it."""
        return ()

    @property
    def generation(self) -> Generation | None:
        """The store's generation, noted before the first object of the edit was stored or found."""
        return None

    @property
    def takes_from_history(self) -> bool:
        """Whether the edit refers to objects that only older commits are known to hold."""
        return False

    def preparation(self) -> Edit[Any] | None:
        """What has to be done before, in a commit of its own; it is left out when it changes nothing."""
        return None

    @abstractmethod
    def apply(self, editor: TreeEditor) -> R:
        """Change the tree, and return what came of it. Errors take back what was done."""

    @abstractmethod
    def describe(self, results: Sequence[R]) -> str:
        """Return the text of the commit for these results of edits that combine with this one."""

    def effects(self, result: R) -> Effects:
        """Return what the edit means beyond the tree."""
        return NO_EFFECTS


@dataclass(frozen=True, slots=True)
class EditOutcome(Generic[R]):
    """What came of an edit that is on disk now.

    `commit_id` is the commit that holds it, or the head when there was nothing to change; then `changed` is
    False.
    """

    commit_id: ObjectId
    root_id: ObjectId
    result: R
    changed: bool


@dataclass(frozen=True, slots=True)
class PushOutcome:
    """What came of a commit that was pushed: the head afterwards, and whether a merge made it."""

    commit_id: ObjectId
    root_id: ObjectId
    merged: bool
    changed: bool


@dataclass(frozen=True, slots=True)
class HeadChanged:
    """A head moved. `needs_propagation`: sub-libraries have to be brought into step."""

    library_id: LibraryId
    commit_id: ObjectId
    needs_propagation: bool
