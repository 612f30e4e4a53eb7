"""Password hashes: argon2id for new ones, and the forms that an adopted Seafile deployment brings along.

========================================================  ==========================================
stored text                                               meaning
========================================================  ==========================================
``$argon2id$…``                                           ours
``PBKDF2SHA256$<iterations>$<salt hex>$<hash hex>``       PBKDF2-HMAC-SHA256, 32-byte salt and hash
64 hex digits                                             SHA-256 of password and a fixed 8-byte salt
40 hex digits                                             SHA-1 of the password
null, empty or ``!``                                      no login by password
========================================================  ==========================================

Source: database model §11.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION

from seafleet.ids import RandomSource
from seafleet.secrets import equal

_LEGACY_SALT: Final = bytes.fromhex("db9145c306c7cc26")
_MAX_PBKDF2_ITERATIONS: Final = 10_000_000
_is_pbkdf2 = re.compile(r"PBKDF2SHA256\$([1-9][0-9]{0,7})\$((?:[0-9a-f]{2})+)\$([0-9a-f]{64})").fullmatch
_is_hex = re.compile(r"[0-9a-f]+").fullmatch

MAX_PASSWORD_BYTES: Final = 4096
"""Longer ones are refused unread: hashing them would cost more than they protect."""

_EASY_LETTERS: Final = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_MADE_UP_LENGTH: Final = 20


def make_up_password(random: RandomSource) -> str:
    """Return a new password of about 115 bits that survives being read aloud, copied and put into a shell.

    Letters and digits only, without those that look alike: a leading dash would be taken for an option.
    """
    fair = 256 - 256 % len(_EASY_LETTERS)
    letters: list[str] = []
    while len(letters) < _MADE_UP_LENGTH:
        drawn = (byte for byte in random.randbytes(_MADE_UP_LENGTH) if byte < fair)
        letters += (_EASY_LETTERS[byte % len(_EASY_LETTERS)] for byte in drawn)
    return "".join(letters[:_MADE_UP_LENGTH])


class Passwords:
    """Hashes and verifies passwords. Costs 64 MiB and about 0.1 s a call unless told otherwise: use a small
    pool.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        # Verified where there is nothing to verify, so that the time of an answer does not tell which names
        # exist.
        self._decoy = _decoy(self._hasher)

    def hash(self, password: str) -> str:
        """Return what to store for a password."""
        return self._hasher.hash(_encode(password))

    def verify(self, stored: str | None, password: str) -> bool:
        """Tell whether this is the password. Never raises; a wrong one takes as long whatever is stored."""
        secret = _encode(password)
        if len(secret) > MAX_PASSWORD_BYTES:
            return False
        if stored is not None and stored.startswith("$argon2"):
            return self._verify_argon2(stored, secret)
        if stored and _verify_legacy(stored, secret):
            return True
        self._verify_argon2(self._decoy, secret)
        return False

    def needs_rehash(self, stored: str) -> bool:
        """Tell whether a password that was found right should be stored anew, in the present form."""
        return not stored.startswith("$argon2") or self._hasher.check_needs_rehash(stored)

    def _verify_argon2(self, stored: str, secret: bytes) -> bool:
        try:
            return self._hasher.verify(stored, secret)
        except (VerificationError, InvalidHashError):
            return False


def _decoy(hasher: PasswordHasher) -> str:
    """Return the text of a hash with the hasher's costs that no password fits; it costs nothing to make."""
    salt, digest = (b64encode(bytes(n)).decode().rstrip("=") for n in (hasher.salt_len, hasher.hash_len))
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2{hasher.type.name.lower()}$v={ARGON2_VERSION}${costs}${salt}${digest}"


def _encode(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


def _verify_legacy(stored: str, secret: bytes) -> bool:
    found = _is_pbkdf2(stored)
    if found is not None:
        iterations, salt, digest = int(found[1]), bytes.fromhex(found[2]), found[3]
        if iterations > _MAX_PBKDF2_ITERATIONS:
            return False
        return equal(hashlib.pbkdf2_hmac("sha256", secret, salt, iterations).hex(), digest)
    if _is_hex(stored) is None:
        return False
    if len(stored) == 64:
        return equal(hashlib.sha256(secret + _LEGACY_SALT).hexdigest(), stored)
    return len(stored) == 40 and equal(hashlib.sha1(secret, usedforsecurity=False).hexdigest(), stored)
