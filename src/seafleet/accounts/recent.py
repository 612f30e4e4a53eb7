"""Names and passwords that were right a moment ago, for callers who send them with every request.

Checking a password costs a deliberate 0.1 s and a line in the login log. Whoever asks again within a few
seconds is known by a keyed hash of both, which never leaves this process. The account itself is read each
time.

Source: MobileFirst devices §1.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from random import SystemRandom
from typing import TYPE_CHECKING, Final

from seafleet.errors import AccountNotFound

if TYPE_CHECKING:
    from seafleet.accounts.model import Account
    from seafleet.accounts.service import Accounts
    from seafleet.clock import Clock
    from seafleet.ids import RandomSource

REMEMBER_SECONDS: Final = 5
MAX_ENTRIES: Final = 1000
_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class _Entry:
    account_id: int
    until: float


class RecentLogins:
    """Remembers who logged in. Safe to use from many threads."""

    def __init__(self, accounts: Accounts, clock: Clock, random: RandomSource | None = None) -> None:
        self._accounts = accounts
        self._clock = clock
        self._key = (random or SystemRandom()).randbytes(_KEY_BYTES)
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, _Entry] = OrderedDict()

    def authenticate(self, username: str, password: str, ip: str, via: str) -> Account:
        """Return whose name and password these are; see `Accounts.authenticate`.

        A password that was changed by another worker may be good for five seconds more.
        """
        digest, now = self._digest(username, password), self._clock.now().timestamp()
        account = self._recall(digest, now)
        if account is not None:
            return account
        account = self._accounts.authenticate(username, password, ip, via)
        with self._lock:
            self._known[digest] = _Entry(account.id, now + REMEMBER_SECONDS)
            while len(self._known) > MAX_ENTRIES:
                self._known.popitem(last=False)
        return account

    def forget(self, account_id: int) -> None:
        """Have the account's next call checked anew."""
        with self._lock:
            for digest in [key for key, entry in self._known.items() if entry.account_id == account_id]:
                del self._known[digest]

    def _recall(self, digest: bytes, now: float) -> Account | None:
        with self._lock:
            entry = self._known.get(digest)
            if entry is None or not entry.until - REMEMBER_SECONDS <= now < entry.until:
                return None
        try:
            account = self._accounts.get(entry.account_id)
        except AccountNotFound:
            return None
        return account if account.is_active else None

    def _digest(self, username: str, password: str) -> bytes:
        name, word = (text.encode("utf-8", "surrogatepass") for text in (username, password))
        return hashlib.blake2b(b"%d:%b%b" % (len(name), name, word), key=self._key, digest_size=32).digest()
