"""Encrypted libraries: what a password opens, and how blocks are encrypted.

===========  =======================================  ============================  =========================
enc_version  cipher of blocks and of the random key   salt                          written
===========  =======================================  ============================  =========================
1            AES-128-CBC, no random key               fixed, 8 bytes                never: read only
2            AES-256-CBC                              fixed, 8 bytes                the default
3            AES-128-ECB                              32 random bytes per library   on request only
4            AES-256-CBC                              32 random bytes per library   not for clients before 9
===========  =======================================  ============================  =========================

Everything comes from one derivation, ``derive(data) -> key, iv``: of library id and password for the value
that checks the password (`magic`), of the password for the key that wraps the library's 32 secret bytes
(`random_key`), and of these bytes for the key and IV of all blocks. A password hash, where there is one,
replaces `magic` and nothing else.

Only block content is encrypted: each block by itself, padded (PKCS#7) by 1 to 16 bytes, from the same IV.
Names, sizes and times are not.

Source: encryption §1 to §6; values made by the C server.
"""

from __future__ import annotations

import dataclasses
import hmac
import re
from dataclasses import dataclass
from hashlib import pbkdf2_hmac, sha1
from typing import Final, Protocol

from argon2.exceptions import HashingError
from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from seafleet.errors import InvalidArgument, MalformedObject, WrongPassword
from seafleet.formats.commit import Encryption
from seafleet.ids import LibraryId, RandomSource

DEFAULT_ENC_VERSION: Final = 2
"""The one version that every client in use can open."""
WRITABLE_ENC_VERSIONS: Final = (2, 3, 4)
PBKDF2_SHA256: Final = "pbkdf2_sha256"
ARGON2ID: Final = "argon2id"
PASSWORD_HASH_ALGORITHMS: Final = (PBKDF2_SHA256, ARGON2ID)
PADDING_BYTES: Final = 16

_SALTED_FROM: Final = 3
_FIXED_SALT: Final = bytes.fromhex("da9045c306c7cc26")
_SECRET_BYTES: Final = 32
_SALT_BYTES: Final = 32
_KEY_BYTES: Final = 32
_IV_BYTES: Final = 16
_SHORT_KEY_BYTES: Final = 16
_KEY_ROUNDS: Final = 1000
_IV_ROUNDS: Final = 10
_VERSION1_ROUNDS: Final = 1 << 19
_DEFAULT_PBKDF2_ROUNDS: Final = 1000
_DEFAULT_ARGON2: Final = (2, 102400, 8)

# Whoever creates a library chooses its parameters, and every password check costs this server that much.
_MAX_PBKDF2_ROUNDS: Final = 10_000_000
_MAX_ARGON2: Final = (16, 512 << 10, 64)

_leading_number = re.compile(r"\s*([+-]?[0-9]{1,18})").match


@dataclass(frozen=True, slots=True, repr=False)
class FileKey:
    """Key and IV of one derivation; as a library's file key, those of all its blocks. Not shown by repr."""

    enc_version: int
    key: bytes
    iv: bytes


class Transform(Protocol):
    """Encrypts or decrypts one block that comes in pieces."""

    def update(self, data: bytes) -> bytes:
        """Take the next piece and return what is ready."""
        ...

    def finalize(self) -> bytes:
        """Return the rest of the block. Raises MalformedObject if it does not decrypt."""
        ...


class BlockCipher:
    """Encrypts and decrypts the blocks of one library. Safe to share between threads."""

    def __init__(self, file_key: FileKey) -> None:
        self._key = file_key

    def encrypt(self, plain: bytes) -> bytes:
        """Return the stored bytes of a block, `stored_size(len(plain))` of them."""
        encryptor = self.encryptor()
        return encryptor.update(plain) + encryptor.finalize()

    def decrypt(self, stored: bytes) -> bytes:
        """Return the plain bytes of a block. Raises MalformedObject if this is not its key."""
        decryptor = self.decryptor()
        return decryptor.update(stored) + decryptor.finalize()

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

    def update(self, data: bytes) -> bytes:
        self._plain_bytes += len(data)
        return self._encryptor.update(data)

    def finalize(self) -> bytes:
        missing = PADDING_BYTES - self._plain_bytes % PADDING_BYTES
        return self._encryptor.update(bytes([missing]) * missing) + self._encryptor.finalize()


class _Decryptor:
    def __init__(self, key: FileKey) -> None:
        self._decryptor = _cipher(key).decryptor()
        self._unpadder = PKCS7(PADDING_BYTES * 8).unpadder()

    def update(self, data: bytes) -> bytes:
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


# Keys


def derive(data: bytes, enc_version: int, salt: str | None = None) -> FileKey:
    """Return key and IV for `data`. `salt` is hexadecimal, and used from version 3 on."""
    if enc_version == 1:
        return _derive_version1(data)
    if enc_version not in WRITABLE_ENC_VERSIONS:
        raise MalformedObject("encryption", f"enc_version {enc_version}")
    raw_salt = _salt(enc_version, salt)
    key = pbkdf2_hmac("sha256", data, raw_salt, _KEY_ROUNDS, _KEY_BYTES)
    return FileKey(enc_version, key, pbkdf2_hmac("sha256", key, raw_salt, _IV_ROUNDS, _IV_BYTES))


def _derive_version1(data: bytes) -> FileKey:
    """Return what OpenSSL's EVP_BytesToKey gives for AES-128-CBC and SHA-1."""
    stream = previous = b""
    while len(stream) < _SHORT_KEY_BYTES + _IV_BYTES:
        previous += data + _FIXED_SALT
        for _ in range(_VERSION1_ROUNDS):
            previous = sha1(previous, usedforsecurity=False).digest()
        stream += previous
    key, iv = stream[:_SHORT_KEY_BYTES], stream[_SHORT_KEY_BYTES:][:_IV_BYTES]
    return FileKey(1, key, iv)


def file_key(encryption: Encryption, password: str) -> FileKey:
    """Return the key of all blocks, without a check of the password: see `unlock`.

    Raises MalformedObject when the random key is unusable or the password wrong.
    """
    wrapping = derive(_utf8(password), encryption.enc_version, encryption.salt)
    if encryption.enc_version == 1:
        return wrapping
    return derive(_secret(encryption, wrapping), encryption.enc_version, encryption.salt)


def unlock(encryption: Encryption, library_id: LibraryId, password: str) -> FileKey:
    """Return the key of all blocks. Raises WrongPassword."""
    _check_password(encryption, library_id, password)
    return file_key(encryption, password)


def verify_password(encryption: Encryption, library_id: LibraryId, password: str) -> bool:
    """Tell whether this is the library's password, in a time that says nothing about it.

    Raises InvalidArgument for hash parameters beyond all reason.
    """
    if encryption.pwd_hash:
        expected, found = encryption.pwd_hash, _password_hash(encryption, library_id, password)
    else:
        expected, found = encryption.magic or "", _magic(encryption, library_id, password)
    return hmac.compare_digest(expected.encode(), found.encode())


# Making and changing what a commit says


def new_encryption(
    library_id: LibraryId,
    password: str,
    rng: RandomSource,
    *,
    enc_version: int = DEFAULT_ENC_VERSION,
    pwd_hash_algo: str | None = None,
    pwd_hash_params: str | None = None,
) -> Encryption:
    """Return the encryption of a new library, with a fresh secret (and salt, from version 3 on).

    With `pwd_hash_algo` the password is checked by a hash instead of `magic`. Raises InvalidArgument for
    versions that are not written and for unknown algorithms.
    """
    if enc_version not in WRITABLE_ENC_VERSIONS:
        raise InvalidArgument("enc_version", f"{enc_version} is not written")
    encryption = Encryption(
        enc_version,
        salt=rng.randbytes(_SALT_BYTES).hex() if enc_version >= _SALTED_FROM else None,
        pwd_hash_algo=pwd_hash_algo,
        pwd_hash_params=pwd_hash_params,
    )
    return _sealed(encryption, library_id, password, rng.randbytes(_SECRET_BYTES))


def change_password(
    encryption: Encryption, library_id: LibraryId, old_password: str, new_password: str
) -> Encryption:
    """Return the encryption under a new password. The file key stays, so no block is written anew.

    Raises WrongPassword, and InvalidArgument for version 1, where the password is the key.
    """
    if encryption.enc_version == 1:
        raise InvalidArgument("enc_version", "the password of a version 1 library cannot be changed")
    _check_password(encryption, library_id, old_password)
    wrapping = derive(_utf8(old_password), encryption.enc_version, encryption.salt)
    return _sealed(encryption, library_id, new_password, _secret(encryption, wrapping))


def with_password_hash(
    encryption: Encryption, library_id: LibraryId, password: str, algo: str, params: str | None = None
) -> Encryption:
    """Return the encryption with its password checked by a hash. Raises WrongPassword, InvalidArgument."""
    _check_password(encryption, library_id, password)
    hashed = dataclasses.replace(encryption, pwd_hash_algo=algo, pwd_hash_params=params)
    return _with_check(hashed, library_id, password)


def for_sub_library(
    encryption: Encryption, origin_id: LibraryId, sub_library_id: LibraryId, password: str
) -> Encryption:
    """Return the encryption of a sub-library: all the origin's but the check, which holds the library's id.

    Raises WrongPassword.
    """
    _check_password(encryption, origin_id, password)
    return _with_check(encryption, sub_library_id, password)


def check_from_client(encryption: Encryption, highest_enc_version: int) -> None:
    """Raise InvalidArgument unless these fields, made by a client, can be a new library's."""
    if encryption.enc_version not in WRITABLE_ENC_VERSIONS or encryption.enc_version > highest_enc_version:
        raise InvalidArgument("enc_version", f"{encryption.enc_version} is not accepted")
    if encryption.pwd_hash:
        _check_hex("pwd_hash", encryption.pwd_hash, _KEY_BYTES)
        _check_algorithm(encryption)
    else:
        _check_hex("magic", encryption.magic, _KEY_BYTES)
    _check_hex("random_key", encryption.random_key, stored_size(_SECRET_BYTES))
    if encryption.enc_version >= _SALTED_FROM:
        _check_hex("salt", encryption.salt, _SALT_BYTES)


def _check_password(encryption: Encryption, library_id: LibraryId, password: str) -> None:
    if not verify_password(encryption, library_id, password):
        raise WrongPassword(library_id)


def _sealed(encryption: Encryption, library_id: LibraryId, password: str, secret: bytes) -> Encryption:
    """Return `encryption` with the secret wrapped under the password, and the check of this password."""
    wrapping = derive(_utf8(password), encryption.enc_version, encryption.salt)
    random_key = BlockCipher(wrapping).encrypt(secret).hex()
    return _with_check(dataclasses.replace(encryption, random_key=random_key), library_id, password)


def _with_check(encryption: Encryption, library_id: LibraryId, password: str) -> Encryption:
    if encryption.pwd_hash_algo is None:
        return dataclasses.replace(encryption, magic=_magic(encryption, library_id, password))
    params = encryption.pwd_hash_params or default_params(encryption.pwd_hash_algo)
    hashed = dataclasses.replace(encryption, magic=None, pwd_hash_params=params)
    return dataclasses.replace(hashed, pwd_hash=_password_hash(hashed, library_id, password))


def _secret(encryption: Encryption, wrapping: FileKey) -> bytes:
    wrapped = _unhex("random key", encryption.random_key, stored_size(_SECRET_BYTES))
    return BlockCipher(wrapping).decrypt(wrapped)


# What checks a password


def _magic(encryption: Encryption, library_id: LibraryId, password: str) -> str:
    return derive(_utf8(library_id + password), encryption.enc_version, encryption.salt).key.hex()


def default_params(algo: str) -> str:
    """Return the parameters of a password hash that is configured without any. Raises InvalidArgument."""
    if algo == PBKDF2_SHA256:
        return str(_DEFAULT_PBKDF2_ROUNDS)
    if algo == ARGON2ID:
        return ",".join(map(str, _DEFAULT_ARGON2))
    raise InvalidArgument("pwd_hash_algo", f"{algo[:80]!r} is unknown")


def _password_hash(encryption: Encryption, library_id: LibraryId, password: str) -> str:
    salt = _salt(encryption.enc_version, encryption.salt).ljust(_SALT_BYTES, b"\0")
    data = _utf8(library_id + password)
    params = encryption.pwd_hash_params or ""
    if encryption.pwd_hash_algo == PBKDF2_SHA256:
        return pbkdf2_hmac("sha256", data, salt, _pbkdf2_rounds(params), _KEY_BYTES).hex()
    if encryption.pwd_hash_algo == ARGON2ID:
        return _argon2id(data, salt, _argon2_costs(params)).hex()
    raise InvalidArgument("pwd_hash_algo", f"{str(encryption.pwd_hash_algo)[:80]!r} is unknown")


def _check_algorithm(encryption: Encryption) -> None:
    """Raise InvalidArgument for an unknown algorithm or parameters beyond all reason."""
    params = encryption.pwd_hash_params or ""
    if encryption.pwd_hash_algo == PBKDF2_SHA256:
        _pbkdf2_rounds(params)
    elif encryption.pwd_hash_algo == ARGON2ID:
        _argon2_costs(params)
    else:
        raise InvalidArgument("pwd_hash_algo", f"{str(encryption.pwd_hash_algo)[:80]!r} is unknown")


def _pbkdf2_rounds(params: str) -> int:
    rounds = _positive(params, _DEFAULT_PBKDF2_ROUNDS)
    if rounds > _MAX_PBKDF2_ROUNDS:
        raise InvalidArgument("pwd_hash_params", f"more than {_MAX_PBKDF2_ROUNDS} rounds")
    return rounds


def _argon2_costs(params: str) -> tuple[int, int, int]:
    """Return passes, memory in KiB and lanes."""
    parts = params.split(",")
    if len(parts) < len(_DEFAULT_ARGON2):
        return _DEFAULT_ARGON2
    passes, memory_kib, lanes = map(_positive, parts[:3], _DEFAULT_ARGON2)
    if passes > _MAX_ARGON2[0] or memory_kib > _MAX_ARGON2[1] or lanes > _MAX_ARGON2[2]:
        raise InvalidArgument("pwd_hash_params", f"costlier than {_MAX_ARGON2}")
    return passes, memory_kib, lanes


def _positive(text: str, default: int) -> int:
    """Return the number that `text` begins with, or `default` if there is none above zero (C's atoi)."""
    match = _leading_number(text)
    number = int(match.group(1)) if match else 0
    return number if number > 0 else default


def _argon2id(data: bytes, salt: bytes, costs: tuple[int, int, int]) -> bytes:
    passes, memory_kib, lanes = costs
    try:
        return hash_secret_raw(data, salt, passes, memory_kib, lanes, _KEY_BYTES, Type.ID)
    except HashingError as error:
        raise InvalidArgument("pwd_hash_params", str(error)) from None


# Text and bytes


def _salt(enc_version: int, salt: str | None) -> bytes:
    return _unhex("salt", salt, _SALT_BYTES) if enc_version >= _SALTED_FROM else _FIXED_SALT


def _unhex(what: str, text: str | None, length: int) -> bytes:
    try:
        raw = bytes.fromhex(text or "")
    except ValueError:
        raw = b""
    if len(raw) != length:
        raise MalformedObject("encryption", f"the {what} is not {length * 2} hexadecimal digits")
    return raw


def _check_hex(name: str, text: str | None, length: int) -> None:
    try:
        _unhex(name, text, length)
    except MalformedObject as error:
        raise InvalidArgument(name, error.reason) from None


def _utf8(password: str) -> bytes:
    try:
        return password.encode()
    except UnicodeEncodeError:
        raise InvalidArgument("password", "has no UTF-8 form") from None
