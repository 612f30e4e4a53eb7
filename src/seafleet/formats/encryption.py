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
from hashlib import pbkdf2_hmac, sha1
from typing import Final

from seafleet.errors import InvalidArgument, MalformedObject, WrongPassword
from seafleet.formats.ciphers import BlockCipher, FileKey, stored_size
from seafleet.formats.commit import Encryption
from seafleet.formats.password_hash import check_params, default_params, password_hash
from seafleet.ids import LibraryId, RandomSource

__all__ = [
    "DEFAULT_ENC_VERSION",
    "WRITABLE_ENC_VERSIONS",
    "BlockCipher",
    "Encryption",
    "FileKey",
    "change_password",
    "check_from_client",
    "derive",
    "file_key",
    "for_sub_library",
    "new_encryption",
    "stored_size",
    "unlock",
    "verify_password",
    "with_password_hash",
]

DEFAULT_ENC_VERSION: Final = 2
"""The one version that every client in use can open."""
WRITABLE_ENC_VERSIONS: Final = (2, 3, 4)

_SALTED_FROM: Final = 3
_FIXED_SALT: Final = bytes.fromhex("da9045c306c7cc26")
_SECRET_BYTES: Final = 32
_SALT_BYTES: Final = 32
_KEY_BYTES: Final = 32
_IV_BYTES: Final = 16
_VERSION1_KEY_BYTES: Final = 16
_KEY_ROUNDS: Final = 1000
_IV_ROUNDS: Final = 10
_VERSION1_ROUNDS: Final = 1 << 19


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
    while len(stream) < _VERSION1_KEY_BYTES + _IV_BYTES:
        previous += data + _FIXED_SALT
        for _ in range(_VERSION1_ROUNDS):
            previous = sha1(previous, usedforsecurity=False).digest()
        stream += previous
    key, iv = stream[:_VERSION1_KEY_BYTES], stream[_VERSION1_KEY_BYTES:][:_IV_BYTES]
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
        check_params(encryption.pwd_hash_algo, encryption.pwd_hash_params)
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


def _password_hash(encryption: Encryption, library_id: LibraryId, password: str) -> str:
    salt = _salt(encryption.enc_version, encryption.salt).ljust(_SALT_BYTES, b"\0")
    data = _utf8(library_id + password)
    return password_hash(data, salt, encryption.pwd_hash_algo, encryption.pwd_hash_params).hex()


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
