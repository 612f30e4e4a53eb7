"""The server's own secret, what is sealed under it, and tokens that are kept as hashes.

The secret is 32 random bytes in a file of its own (mode 0600), or any long text that the operator hands over
in a setting. It never enters the database, so that a copy of the database gives away neither tokens nor
library keys.

A sealed value is ``version (1 byte, 0x01) | nonce (12 bytes) | AES-256-GCM ciphertext and tag``. The key is
derived from the secret for each purpose (HKDF-SHA256), and the purpose is authenticated too: what was sealed
for one purpose does not open for another.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path
from random import SystemRandom
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from seafleet.errors import InvalidArgument, MalformedObject
from seafleet.ids import RandomSource

SECRET_BYTES: Final = 32
NONCE_BYTES: Final = 12
TOKEN_BYTES: Final = 20
_VERSION: Final = b"\x01"


class ServerSecret:
    """Seals and opens short values; its `repr` shows nothing."""

    __slots__ = ("_keys", "_random", "_root")

    def __init__(self, root: bytes, random: RandomSource | None = None) -> None:
        if len(root) < SECRET_BYTES:
            raise InvalidArgument("secret", f"needs at least {SECRET_BYTES} bytes")
        self._root = root
        self._random = random or SystemRandom()
        self._keys: dict[str, AESGCM] = {}

    def __repr__(self) -> str:
        return "ServerSecret(…)"

    @classmethod
    def from_text(cls, text: str, random: RandomSource | None = None) -> Self:
        """Return the secret that a setting holds: at least 32 bytes of any text."""
        return cls(text.strip().encode(), random)

    @classmethod
    def open(cls, path: Path, random: RandomSource | None = None) -> Self:
        """Read the secret's file, or make it with mode 0600 and on disk when this returns.

        Several processes may start at once: the one that links its file first wins, all others read it. A
        file that others may read is refused with InvalidArgument.
        """
        if not path.exists():
            _create(path, (random or SystemRandom()).randbytes(SECRET_BYTES))
        if path.stat().st_mode & 0o077:
            raise InvalidArgument("secret", f"{path.name} must be readable by its owner only (mode 0600)")
        return cls.from_text(path.read_text("ascii"), random)

    def seal(self, purpose: str, data: bytes) -> bytes:
        """Return `data` encrypted and authenticated, different at every call."""
        nonce = self._random.randbytes(NONCE_BYTES)
        return _VERSION + nonce + self._key(purpose).encrypt(nonce, data, purpose.encode())

    def unseal(self, purpose: str, sealed: bytes) -> bytes:
        """Return what was sealed for this purpose. Raises MalformedObject if secret, purpose or bytes are
        other.
        """
        if sealed[:1] != _VERSION:
            raise MalformedObject("sealed value", "unknown version")
        start = len(_VERSION) + NONCE_BYTES
        try:
            return self._key(purpose).decrypt(sealed[len(_VERSION) : start], sealed[start:], purpose.encode())
        except (InvalidTag, ValueError) as error:
            raise MalformedObject("sealed value", "does not open under this secret") from error

    def fingerprint(self, purpose: str, text: str) -> str:
        """Return 40 hex digits that stand for `text` without giving it away; the same at every call."""
        key = self._derive(f"fingerprint:{purpose}")
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:40]

    def signing_key(self, purpose: str) -> bytes:
        """Return 32 bytes for signatures of this purpose, such as cookies; other purposes have other keys."""
        return self._derive(f"signing:{purpose}")

    def _key(self, purpose: str) -> AESGCM:
        key = self._keys.get(purpose)
        if key is None:
            key = self._keys[purpose] = AESGCM(self._derive(f"seal:{purpose}"))
        return key

    def _derive(self, label: str) -> bytes:
        return HKDF(SHA256(), length=32, salt=None, info=f"seafleet:{label}".encode()).derive(self._root)


def _create(path: Path, secret: bytes) -> None:
    """Write the file beside its place and link it there, so that nobody ever reads half a secret."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secret[:4].hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secret.hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        _link(temporary, path)
    finally:
        temporary.unlink()


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except FileExistsError:
        return
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def hash_token(token: str) -> str:
    """Return what is stored of a token: SHA-256 of its text, 64 hex digits.

    Tokens are at least 122 random bits, so neither salt nor a slow hash would add anything.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def new_token(random: RandomSource) -> str:
    """Return a new API, device or sync token: 40 random hex digits."""
    return random.randbytes(TOKEN_BYTES).hex()


def equal(left: str | bytes, right: str | bytes) -> bool:
    """Compare two secrets in a time that does not tell how far they agree."""
    return hmac.compare_digest(_as_bytes(left), _as_bytes(right))


def _as_bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
