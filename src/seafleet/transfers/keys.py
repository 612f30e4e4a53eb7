"""What encrypts and decrypts the content of a library for somebody, for as long as its password is set.

Source: encryption §1; Web API conventions §11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seafleet.actor import Actor
    from seafleet.formats.ciphers import BlockCipher
    from seafleet.library.model import Head
    from seafleet.library.passwords import Passwords


class LibraryKeys:
    """The keys that the passwords of libraries have opened, as transfers ask for them."""

    def __init__(self, passwords: Passwords) -> None:
        self._passwords = passwords

    def unlock(self, head: Head, account_id: int, password: str) -> None:
        """Unlock a library for one account, for an hour from now. Raises WrongPassword."""
        self._passwords.set(head, account_id, password)

    def is_unlocked(self, head: Head, account_id: int | None) -> bool:
        """Tell whether an account may see content now; always, if it is not encrypted."""
        if account_id is None:
            return not head.encrypted
        return self._passwords.is_set(head, account_id)

    def cipher(self, head: Head, actor: Actor) -> BlockCipher | None:
        """Return what encrypts and decrypts for this actor; None for a library that is not encrypted.

        Raises PasswordRequired.
        """
        return self._passwords.cipher(head, actor.account_id)

    def purge(self) -> int:
        """Drop the keys whose hour is over; return how many."""
        return self._passwords.purge()
