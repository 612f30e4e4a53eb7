"""Shares and what they permit, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Self

from seafleet.errors import InvalidArgument
from seafleet.ids import LibraryId


class Permission(StrEnum):
    """What somebody may do in a library. The order of strength is READ, WRITE, ADMIN."""

    READ = "r"
    WRITE = "rw"
    ADMIN = "admin"  # as WRITE, and manages shares and folder permissions

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the permission that a caller names. Raises InvalidArgument("permission")."""
        try:
            return cls(text)
        except ValueError as error:
            raise InvalidArgument("permission") from error

    @property
    def may_write(self) -> bool:
        """Tell whether files may be changed."""
        return self is not Permission.READ

    @property
    def wire(self) -> str:
        """Return the word of the API: `admin` reads `rw` there, with a flag beside it."""
        return "rw" if self.may_write else "r"

    @property
    def strength(self) -> int:
        """Return a number that is higher for the stronger of two."""
        return _STRENGTH[self]


_STRENGTH = {Permission.READ: 1, Permission.WRITE: 2, Permission.ADMIN: 3}


def strongest(permissions: list[Permission]) -> Permission | None:
    """Return the strongest of some permissions, None of none."""
    return max(permissions, key=lambda permission: permission.strength, default=None)


ShareKind = Literal["user", "group", "public"]


@dataclass(frozen=True, slots=True)
class Grant:
    """One share that reaches an account: of the library itself, or of a folder (`path` in the origin
    library).
    """

    kind: ShareKind
    permission: Permission
    path: str | None = None


@dataclass(frozen=True, slots=True)
class FolderRule:
    """One folder permission that applies to an account, by itself or through a group."""

    path: str
    kind: Literal["user", "group"]
    permission: Permission


@dataclass(frozen=True, slots=True)
class LibraryFacts:
    """All that the evaluator needs to know of one account and one library.

    `grants` hold the shares of the library itself (`path` None) and, for a sub-library, also those of its
    origin (`path` None) and of the origin's shared folders, the sub-library's own included (`path` set).
    `rules` are those of the library, or of the origin, with paths in there. `origin_path` is where a
    sub-library hangs, None for others.
    """

    library_id: LibraryId
    owner_id: int
    is_read_only: bool
    account_is_active: bool
    origin_path: str | None
    grants: tuple[Grant, ...]
    rules: tuple[FolderRule, ...]


@dataclass(frozen=True, slots=True)
class UserShare:
    """A library or sub-library shared with one account."""

    library_id: LibraryId
    from_account_id: int
    from_email: str
    to_account_id: int
    to_email: str
    permission: Permission
    created_at: int


@dataclass(frozen=True, slots=True)
class GroupShare:
    """A library or sub-library shared with a group."""

    library_id: LibraryId
    from_account_id: int
    from_email: str
    group_id: int
    group_name: str
    permission: Permission
    created_at: int


@dataclass(frozen=True, slots=True)
class PublicShare:
    """A library that everybody of an organization reaches."""

    library_id: LibraryId
    organization_id: int
    permission: Permission
    created_at: int
