"""Tokens to upload with, for callers that ask for one again and again.

A client such as rclone asks for a new link before each file. A token for uploads may be used any number of
times, so who asks again soon gets the same one, which saves a write to disk for every file.

Source: transfers page, "Links"; file server §9.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Final, Literal

from seafleet.errors import SeafleetError

if TYPE_CHECKING:
    from seafleet.accounts.access_tokens import AccessTokens
    from seafleet.actor import Actor
    from seafleet.clock import Clock
    from seafleet.ids import LibraryId

Operation = Literal["upload", "update"]

REUSE_SECONDS: Final = 60
"""So much may be missing of the lifetime of a token that is handed out."""
_KEPT: Final = 10_000

_Key = tuple[object, ...]


class UploadLinks:
    """Hands out tokens for uploads. Safe to use from many threads."""

    def __init__(self, access_tokens: AccessTokens, clock: Clock, ttl_seconds: int) -> None:
        self._access_tokens = access_tokens
        self._clock = clock
        self._ttl_seconds = ttl_seconds
        self._lock = Lock()
        self._recent: OrderedDict[_Key, tuple[str, int]] = OrderedDict()

    def token(self, library_id: LibraryId, operation: Operation, folder: str, actor: Actor) -> str:
        """Return a token for a folder, where the actor may write, and all below it.

        It is good for at least `ttl_seconds` but a minute. The same caller, on the same device, with the same
        credentials, may be given the same token again.
        """
        key = (
            library_id,
            operation,
            folder,
            actor.account_id,
            actor.token_id,
            actor.device_link_id,
            actor.link,
        )
        now = self._clock.timestamp()
        with self._lock:
            token, issued_at = self._recent.get(key, ("", 0))
        if token and now - issued_at < REUSE_SECONDS and self._is_good(token):
            return token
        target = json.dumps({"parent_dir": folder})
        token = self._access_tokens.issue(library_id, operation, target, actor, ttl=self._ttl_seconds)
        with self._lock:
            self._recent[key] = (token, now)
            self._recent.move_to_end(key)
            if len(self._recent) > _KEPT:
                self._recent.popitem(last=False)
        return token

    def _is_good(self, token: str) -> bool:
        """Tell whether a token still stands for something: what it was bound to may have ended."""
        try:
            self._access_tokens.peek(token)
        except SeafleetError:
            return False
        return True
