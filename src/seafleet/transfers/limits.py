"""Whether there is room for what somebody wants to send: the owner's quota, and the size of single files.

Source: file server §2, "Order of checks"; transfers page, "Links".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seafleet.accounts.model import UNLIMITED
from seafleet.errors import FileTooLarge, QuotaExceeded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seafleet.accounts.service import Accounts
    from seafleet.library.model import Head
    from seafleet.library.service import Libraries


@dataclass(frozen=True, slots=True)
class Room:
    """What an account's libraries may take, and what they take already, in bytes."""

    owner_email: str
    quota_bytes: int
    used_bytes: int

    def check(self, size_bytes: int) -> None:
        """Raise QuotaExceeded unless there is room for so many bytes more."""
        if self.quota_bytes != UNLIMITED and self.used_bytes + size_bytes >= self.quota_bytes:
            raise QuotaExceeded(self.owner_email, self.quota_bytes)


class Limits:
    """Looks at quota and size before and while content arrives.

    What finally counts is the transaction that moves the head: it checks the quota once more.
    """

    def __init__(self, accounts: Accounts, libraries: Libraries, max_upload_bytes: int = 0) -> None:
        self._accounts = accounts
        self._libraries = libraries
        self.max_upload_bytes = max_upload_bytes

    def check(self, head: Head, size_bytes: int) -> Room:
        """Return the room in a library, where one file of this size may come.

        Raises QuotaExceeded, else FileTooLarge.
        """
        room = self.room(head)
        room.check(size_bytes)
        self.check_sizes((size_bytes,))
        return room

    def check_quota(self, head: Head, size_bytes: int = 0) -> None:
        """Raise QuotaExceeded unless the owner has room for so many bytes more."""
        self.room(head).check(size_bytes)

    def room(self, head: Head) -> Room:
        """Return how much room there is now for the owner of a library."""
        account = self._accounts.get(head.owner_id)
        quota = self._accounts.quota(account)
        used = 0 if quota == UNLIMITED else self._libraries.usage(head.owner_id)
        return Room(account.email, quota, used)

    def check_sizes(self, sizes: Sequence[int]) -> None:
        """Raise FileTooLarge if one of these files is larger than the site takes."""
        if self.max_upload_bytes and max(sizes, default=0) > self.max_upload_bytes:
            raise FileTooLarge(self.max_upload_bytes)
