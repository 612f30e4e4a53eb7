"""Encryption of blocks: AES with PKCS#7 padding, each block by itself, from the same IV.

===========  ===========  =============================================
enc_version  cipher       key
===========  ===========  =============================================
1            AES-128-CBC  16 bytes
2, 4         AES-256-CBC  32 bytes
3            AES-128-ECB  the first 16 of 32 bytes; the IV is not used
===========  ===========  =============================================

Padding adds 1 to 16 bytes, so that a block of 8 MiB is stored as 8 MiB + 16 bytes.

Source: encryption §2, §5.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Protocol

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from seafleet.errors import MalformedObject

PADDING_BYTES: Final = 16
TAIL_BYTES: Final = 2 * PADDING_BYTES
"""How much of the end of a stored block tells its plain size."""

_SHORT_KEY_BYTES: Final = 16

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True, repr=False)
class FileKey:
    """Key and IV of one derivation; as a library's file key, those of all its blocks. Not shown by repr."""

    enc_version: int
    key: bytes
    iv: bytes


class Transform(Protocol):
    """Encrypts or decrypts one block that comes in pieces."""

    def update(self, data: Buffer) -> bytes:
        """Take the next piece and return what is ready."""
        ...

    def finalize(self) -> bytes:
        """Return the rest of the block. Raises MalformedObject if it does not decrypt."""
        ...


class BlockCipher:
    """Encrypts and decrypts the blocks of one library. Safe to share between threads."""

    def __init__(self, file_key: FileKey) -> None:
        self._key = file_key

    def encrypt(self, plain: Buffer) -> bytes:
        """Return the stored bytes of a block, `stored_size(len(plain))` of them."""
        encryptor = self.encryptor()
        return encryptor.update(plain) + encryptor.finalize()

    def decrypt(self, stored: Buffer) -> bytes:
        """Return the plain bytes of a block. Raises MalformedObject if this is not its key."""
        decryptor = self.decryptor()
        return decryptor.update(stored) + decryptor.finalize()

    def plain_size(self, stored_bytes: int, tail: Buffer) -> int:
        """Return the plain size of a stored block, from its last TAIL_BYTES (all of it if it is shorter).

        Raises MalformedObject if this is not its key.
        """
        iv = bytes(tail[:PADDING_BYTES]) if len(tail) == TAIL_BYTES else self._key.iv
        last = BlockCipher(replace(self._key, iv=iv)).decrypt(tail[-PADDING_BYTES:])
        return stored_bytes - PADDING_BYTES + len(last)

    def encryptor(self) -> Transform:
        """Return what encrypts one block that comes in pieces."""
        return _Encryptor(self._key)

    def decryptor(self) -> Transform:
        """Return what decrypts one block that comes in pieces."""
        return _Decryptor(self._key)


def stored_size(plain_bytes: int) -> int:
    """Return the stored size of a block of that many bytes: padding is always added."""
    return (plain_bytes // PADDING_BYTES + 1) * PADDING_BYTES


class _Encryptor:
    def __init__(self, key: FileKey) -> None:
        self._encryptor = _cipher(key).encryptor()
        self._plain_bytes = 0

    def update(self, data: Buffer) -> bytes:
        self._plain_bytes += len(data)
        return self._encryptor.update(data)

    def finalize(self) -> bytes:
        missing = PADDING_BYTES - self._plain_bytes % PADDING_BYTES
        return self._encryptor.update(bytes([missing]) * missing) + self._encryptor.finalize()


class _Decryptor:
    def __init__(self, key: FileKey) -> None:
        self._decryptor = _cipher(key).decryptor()
        self._unpadder = PKCS7(PADDING_BYTES * 8).unpadder()

    def update(self, data: Buffer) -> bytes:
        return self._unpadder.update(self._decryptor.update(data))

    def finalize(self) -> bytes:
        try:
            return self._unpadder.update(self._decryptor.finalize()) + self._unpadder.finalize()
        except ValueError:
            raise MalformedObject("block", "does not decrypt with the key of its library") from None


def _cipher(key: FileKey) -> Cipher[modes.CBC] | Cipher[modes.ECB]:
    if key.enc_version == 1:
        return Cipher(algorithms.AES(key.key[:_SHORT_KEY_BYTES]), modes.CBC(key.iv))
    if key.enc_version == 3:
        return Cipher(algorithms.AES(key.key[:_SHORT_KEY_BYTES]), modes.ECB())  # the format asks for it
    return Cipher(algorithms.AES(key.key), modes.CBC(key.iv))
