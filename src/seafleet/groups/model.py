"""Groups and their members, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MemberRole = Literal["Owner", "Admin", "Member"]


@dataclass(frozen=True, slots=True)
class Group:
    """A group of accounts. `parent_group_id`: 0 for ordinary groups, -1 for a top department, else the one
    above.

    `owner_email` is None for a group whose owner was deleted. `created_at_us` is in microseconds.
    """

    id: int
    name: str
    creator_email: str
    owner_id: int | None
    owner_email: str | None
    created_at_us: int
    parent_group_id: int
    organization_id: int
    quota_bytes: int | None

    @property
    def is_department(self) -> bool:
        """Tell whether this is a department, whose members reach what is shared with those above it."""
        return self.parent_group_id != 0


@dataclass(frozen=True, slots=True)
class Member:
    """One account in a group."""

    group_id: int
    account_id: int
    email: str
    nickname: str
    profile_contact_email: str | None
    login_id: str | None
    is_admin: bool
    is_owner: bool
    joined_at: int

    @property
    def role(self) -> MemberRole:
        """Return the word of the API; the owner is called so whatever the flag says."""
        if self.is_owner:
            return "Owner"
        return "Admin" if self.is_admin else "Member"
