"""The keys of encrypted libraries that somebody has unlocked: one account, one library, one hour.

The server never keeps a password. When one is given, the file key that it opens is kept, sealed under the
server's secret, for an hour from then; use does not prolong it.

Source: encryption §1; Web API conventions §11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, delete, select

from seafleet.db.engine import upsert
from seafleet.db.tables import library_unlock
from seafleet.errors import MalformedObject, PasswordRequired
from seafleet.formats.ciphers import BlockCipher, FileKey
from seafleet.formats.encryption import unlock

if TYPE_CHECKING:
    from seafleet.actor import Actor
    from seafleet.clock import Clock
    from seafleet.db.engine import Database
    from seafleet.library.model import Head
    from seafleet.secrets import ServerSecret

LIFETIME_SECONDS: Final = 3600
_PURPOSE: Final = "library-key"
_IV_BYTES: Final = 16

_unlock = library_unlock.c
_FIND: Final = select(_unlock.sealed).where(
    _unlock.library_id == bindparam("library"),
    _unlock.account_id == bindparam("account"),
    _unlock.expires_at > bindparam("now"),
)
_put = upsert(library_unlock)
_PUT: Final = _put.on_conflict_do_update(
    index_elements=[_unlock.library_id, _unlock.account_id],
    set_={"sealed": _put.excluded.sealed, "expires_at": _put.excluded.expires_at},
)
_FORGET: Final = delete(library_unlock).where(_unlock.library_id == bindparam("library"))
_PURGE: Final = delete(library_unlock).where(_unlock.expires_at <= bindparam("now"))


class LibraryKeys:
    """Unlocks libraries for accounts, and hands out the keys of those that are unlocked."""

    def __init__(self, database: Database, clock: Clock, secret: ServerSecret) -> None:
        self._database = database
        self._clock = clock
        self._secret = secret

    def unlock(self, head: Head, account_id: int, password: str) -> None:
        """Unlock a library for one account, for an hour from now. Raises WrongPassword.

        Does nothing for a library that is not encrypted.
        """
        if head.encryption is None:
            return
        key = unlock(head.encryption, head.library_id, password)
        row = {
            "library_id": head.library_id,
            "account_id": account_id,
            "sealed": self._secret.seal(_PURPOSE, _packed(key)),
            "expires_at": self._clock.timestamp() + LIFETIME_SECONDS,
        }
        self._database.write(lambda tx: tx.execute(_PUT, row).rowcount)

    def is_unlocked(self, head: Head, account_id: int | None) -> bool:
        """Tell whether an account may see content now; always, if it is not encrypted."""
        return head.encryption is None or self._key(head, account_id) is not None

    def cipher(self, head: Head, actor: Actor) -> BlockCipher | None:
        """Return what encrypts and decrypts for this actor; None for a library that is not encrypted.

        Raises PasswordRequired.
        """
        if head.encryption is None:
            return None
        key = self._key(head, actor.account_id)
        if key is None:
            raise PasswordRequired(head.library_id)
        return BlockCipher(key)

    def forget(self, library_id: str) -> None:
        """Lock a library for everybody: its password was changed."""
        self._database.write(lambda tx: tx.execute(_FORGET, {"library": library_id}).rowcount)

    def purge(self) -> int:
        """Delete what has expired; return how many."""
        now = self._clock.timestamp()
        return self._database.write(lambda tx: tx.execute(_PURGE, {"now": now}).rowcount)

    def _key(self, head: Head, account_id: int | None) -> FileKey | None:
        wanted = {"library": head.library_id, "account": account_id, "now": self._clock.timestamp()}
        with self._database.read() as connection:
            sealed = connection.execute(_FIND, wanted).scalar()
        if sealed is None:
            return None
        try:
            return _unpacked(self._secret.unseal(_PURPOSE, sealed))
        except MalformedObject:  # the server's secret is another one now
            return None


def _packed(key: FileKey) -> bytes:
    return bytes([key.enc_version]) + key.iv + key.key


def _unpacked(data: bytes) -> FileKey:
    return FileKey(data[0], data[1 + _IV_BYTES :], data[1 : 1 + _IV_BYTES])
