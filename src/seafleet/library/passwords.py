"""Passwords of encrypted libraries, and the keys that the server keeps while one is set.

The key of all files is kept for one hour for the account that gave the password, sealed under the server's
secret, so that every worker can use it and a copy of the database is worth nothing. Using it does not prolong
the hour.

Source: encryption §1, §5, §6; conventions §11.
"""

from __future__ import annotations

import json
from typing import Any, Final

from sqlalchemy import Executable, bindparam, delete, select

from seafleet.db.engine import Transaction, upsert
from seafleet.db.tables import library_unlock, sync_token
from seafleet.errors import InvalidArgument, MalformedObject, PasswordRequired
from seafleet.formats.ciphers import BlockCipher, FileKey
from seafleet.formats.commit import Encryption
from seafleet.formats.encryption import (
    change_password,
    for_sub_library,
    unlock,
    verify_password,
    with_password_hash,
)
from seafleet.ids import LibraryId
from seafleet.library import descriptions
from seafleet.library.model import Author, Head
from seafleet.library.rows import read_sharing_store
from seafleet.library.service import Libraries
from seafleet.library.workspace import Workspace
from seafleet.secrets import ServerSecret, equal

UNLOCK_SECONDS: Final = 3600
_PURPOSE: Final = "library key"

_unlock = library_unlock.c
_put = upsert(library_unlock)
_PUT: Final = _put.on_conflict_do_update(
    index_elements=[_unlock.library_id, _unlock.account_id],
    set_={name: _put.excluded[name] for name in ("sealed", "expires_at")},
)
_GET: Final = select(_unlock.sealed).where(
    _unlock.library_id == bindparam("library"),
    _unlock.account_id == bindparam("account"),
    _unlock.expires_at > bindparam("now"),
)
_FORGET: Final = delete(library_unlock).where(
    _unlock.library_id == bindparam("library"), _unlock.account_id == bindparam("account")
)
_PURGE: Final = delete(library_unlock).where(_unlock.expires_at <= bindparam("now"))
_DROP_TOKENS: Final = delete(sync_token).where(sync_token.c.library_id == bindparam("library"))


class Passwords:
    """Sets, checks and changes passwords. Who may do so is decided elsewhere."""

    def __init__(self, libraries: Libraries, secret: ServerSecret) -> None:
        self._libraries = libraries
        self._database = libraries.database
        self._clock = libraries.clock
        self._secret = secret

    # --- the key of an account

    def set(self, head: Head, account_id: int, password: str) -> None:
        """Keep the key of a library for an account, for an hour from now. Raises WrongPassword.

        Nothing happens for a library that is not encrypted.
        """
        if head.encryption is None:
            return
        key = unlock(head.encryption, head.library_id, password)
        row = {
            "library_id": head.library_id,
            "account_id": account_id,
            "sealed": self._seal(head.library_id, account_id, key),
            "expires_at": self._clock.timestamp() + UNLOCK_SECONDS,
        }
        self._execute(_PUT, row)

    def is_set(self, head: Head, account_id: int) -> bool:
        """Tell whether content can be read and written for this account; always so when it is plain."""
        return head.encryption is None or self._find(head, account_id) is not None

    def unlocked_key(self, head: Head, account_id: int) -> FileKey:
        """Return the key of an encrypted library that the account has set. Raises PasswordRequired."""
        key = self._find(head, account_id)
        if key is None:
            raise PasswordRequired(head.library_id)
        return key

    def cipher(self, head: Head, account_id: int | None) -> BlockCipher | None:
        """Return what encrypts and decrypts blocks; None when they are stored as they are.

        Raises PasswordRequired, for nobody in particular (None) always.
        """
        if head.encryption is None:
            return None
        if account_id is None:
            raise PasswordRequired(head.library_id)
        return BlockCipher(self.unlocked_key(head, account_id))

    def forget(self, library_id: str, account_id: int) -> None:
        """Drop the key that an account has set."""
        self._execute(_FORGET, {"library": library_id, "account": account_id})

    def purge(self) -> int:
        """Drop all keys whose hour is over; return how many."""
        return self._execute(_PURGE, {"now": self._clock.timestamp()})

    # --- the password itself

    def check(self, head: Head, password: str) -> bool:
        """Tell whether this is the library's password. Raises InvalidArgument when there is none."""
        return verify_password(_encryption(head), head.library_id, password)

    def check_magic(self, head: Head, magic: str) -> bool:
        """Tell whether a client has computed the right check of the password."""
        encryption = _encryption(head)
        return equal(encryption.pwd_hash or encryption.magic or "", magic)

    def change(self, library_id: LibraryId, author: Author, old_password: str, new_password: str) -> Head:
        """Exchange the password, in a commit; files stay as they are, and keys that are set stay good.

        The library's sub-libraries follow. Raises WrongPassword, InvalidArgument.
        """

        def task(work: Workspace) -> Encryption:
            changed = change_password(
                _encryption(work.head), work.head.library_id, old_password, new_password
            )
            _commit(work, author, descriptions.CHANGED_PASSWORD, changed)
            return changed

        changed = self._libraries.run_task(library_id, task)
        for sub in self._sub_libraries(library_id):
            self._adopt(sub, author, for_sub_library(changed, library_id, sub, new_password))
        return self._libraries.get(library_id)

    def add_hash(
        self, library_id: LibraryId, author: Author, password: str, algo: str, params: str | None = None
    ) -> Head:
        """Have the password checked by a password hash from now on. Raises WrongPassword, InvalidArgument.

        All sync tokens of the library end: clients that do not know the hash would push commits without it.
        """

        def task(work: Workspace) -> None:
            changed = with_password_hash(_encryption(work.head), work.head.library_id, password, algo, params)
            work.also(lambda tx: _drop_tokens(tx, library_id))
            _commit(work, author, descriptions.ADDED_PASSWORD_HASH, changed)

        self._libraries.run_task(library_id, task)
        return self._libraries.get(library_id)

    # --- parts

    def _execute(self, statement: Executable, values: dict[str, object]) -> int:
        return self._database.write(lambda tx: tx.execute(statement, values).rowcount)

    def _adopt(self, library_id: LibraryId, author: Author, encryption: Encryption) -> None:
        def task(work: Workspace) -> None:
            _commit(work, author, descriptions.CHANGED_PASSWORD, encryption)

        self._libraries.run_task(library_id, task)

    def _sub_libraries(self, library_id: LibraryId) -> list[LibraryId]:
        with self._database.read() as connection:
            found = read_sharing_store(connection, library_id)
        return [head.library_id for head in found if head.is_sub_library]

    def _find(self, head: Head, account_id: int) -> FileKey | None:
        place = {"library": head.library_id, "account": account_id, "now": self._clock.timestamp()}
        with self._database.read() as connection:
            sealed = connection.execute(_GET, place).scalar()
        return None if sealed is None else self._open(head.library_id, account_id, sealed)

    def _seal(self, library_id: str, account_id: int, key: FileKey) -> bytes:
        value = [library_id, account_id, key.enc_version, key.key.hex(), key.iv.hex()]
        return self._secret.seal(_PURPOSE, json.dumps(value).encode())

    def _open(self, library_id: str, account_id: int, sealed: bytes) -> FileKey | None:
        """Return the key, or None when the row was sealed under another secret or for somebody else."""
        try:
            value: list[Any] = json.loads(self._secret.unseal(_PURPOSE, sealed))
        except MalformedObject:
            return None
        if value[:2] != [library_id, account_id]:
            return None
        return FileKey(value[2], bytes.fromhex(value[3]), bytes.fromhex(value[4]))


def _encryption(head: Head) -> Encryption:
    if head.encryption is None:
        raise InvalidArgument("library", "is not encrypted")
    return head.encryption


def _commit(work: Workspace, author: Author, text: str, encryption: Encryption) -> None:
    work.set_identity(encryption=encryption)
    work.add(work.make_commit(author, work.head.root_id, text), author)


def _drop_tokens(tx: Transaction, library_id: str) -> None:
    tx.execute(_DROP_TOKENS, {"library": library_id})
