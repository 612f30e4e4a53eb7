"""Whether there is room for what somebody wants to send: the owner's quota, and the size of single files.

Source: file server §2, "Order of checks"; transfers page, "Links".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seafleet.accounts.model import UNLIMITED
from seafleet.errors import FileTooLarge, QuotaExceeded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seafleet.accounts.service import Accounts
    from seafleet.library.model import Head
    from seafleet.library.service import Libraries


class Limits:
    """Looks at quota and size before and while content arrives.

    What finally counts is the transaction that moves the head: it checks the quota once more.
    """

    def __init__(self, accounts: Accounts, libraries: Libraries, max_upload_bytes: int = 0) -> None:
        self._accounts = accounts
        self._libraries = libraries
        self.max_upload_bytes = max_upload_bytes

    def check(self, head: Head, size_bytes: int) -> None:
        """Raise QuotaExceeded, else FileTooLarge, unless one file of this size may come into a library."""
        self.check_quota(head, size_bytes)
        self.check_sizes((size_bytes,))

    def check_quota(self, head: Head, size_bytes: int = 0) -> None:
        """Raise QuotaExceeded unless the owner has room for so many bytes more."""
        account = self._accounts.get(head.owner_id)
        quota = self._accounts.quota(account)
        if quota != UNLIMITED and self._libraries.usage(head.owner_id) + size_bytes >= quota:
            raise QuotaExceeded(account.email, quota)

    def check_sizes(self, sizes: Sequence[int]) -> None:
        """Raise FileTooLarge if one of these files is larger than the site takes."""
        if self.max_upload_bytes and max(sizes, default=0) > self.max_upload_bytes:
            raise FileTooLarge(self.max_upload_bytes)
