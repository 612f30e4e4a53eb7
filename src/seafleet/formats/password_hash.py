"""Password hashes that may stand in a commit instead of `magic`, to check a library's password.

=============  ==================================================================  ============
algorithm      parameters                                                          default
=============  ==================================================================  ============
pbkdf2_sha256  rounds                                                              1000
argon2id       passes, memory in KiB, lanes: three numbers with commas between     2,102400,8
=============  ==================================================================  ============

Numbers are read as C's atoi does; what is no number above zero counts as the default, and fewer than three
parts as all three defaults. Some clients write the algorithm's name as parameters, so this is needed.

Source: encryption §6.
"""

from __future__ import annotations

import re
from hashlib import pbkdf2_hmac
from typing import Final

from argon2.exceptions import HashingError
from argon2.low_level import Type, hash_secret_raw

from seafleet.errors import InvalidArgument

PBKDF2_SHA256: Final = "pbkdf2_sha256"
ARGON2ID: Final = "argon2id"
ALGORITHMS: Final = (PBKDF2_SHA256, ARGON2ID)
HASH_BYTES: Final = 32

_DEFAULT_ROUNDS: Final = 1000
_DEFAULT_COSTS: Final = (2, 102400, 8)

# Whoever creates a library chooses its parameters, and every check of its password costs this server that.
_MAX_ROUNDS: Final = 10_000_000
_MAX_COSTS: Final = (16, 512 << 10, 64)

_leading_number = re.compile(r"\s*([+-]?[0-9]{1,18})").match


def password_hash(data: bytes, salt: bytes, algo: str | None, params: str | None) -> bytes:
    """Return the 32 bytes of a hash. Raises InvalidArgument as `check_params` does."""
    check_params(algo, params)
    if algo == PBKDF2_SHA256:
        return pbkdf2_hmac("sha256", data, salt, _rounds(params), HASH_BYTES)
    passes, memory_kib, lanes = _costs(params)
    try:
        return hash_secret_raw(data, salt, passes, memory_kib, lanes, HASH_BYTES, Type.ID)
    except HashingError as error:
        raise InvalidArgument("pwd_hash_params", str(error)) from None


def default_params(algo: str) -> str:
    """Return the parameters to write where none are configured. Raises InvalidArgument."""
    if algo == PBKDF2_SHA256:
        return str(_DEFAULT_ROUNDS)
    if algo == ARGON2ID:
        return ",".join(map(str, _DEFAULT_COSTS))
    raise _unknown(algo)


def check_params(algo: str | None, params: str | None) -> None:
    """Raise InvalidArgument for an unknown algorithm, or parameters that cost more than anybody needs."""
    if algo == PBKDF2_SHA256:
        too_much = _rounds(params) > _MAX_ROUNDS
    elif algo == ARGON2ID:
        too_much = any(cost > limit for cost, limit in zip(_costs(params), _MAX_COSTS, strict=True))
    else:
        raise _unknown(algo)
    if too_much:
        raise InvalidArgument("pwd_hash_params", f"{str(params)[:80]!r} cost too much")


def _unknown(algo: str | None) -> InvalidArgument:
    return InvalidArgument("pwd_hash_algo", f"{str(algo)[:80]!r} is unknown")


def _rounds(params: str | None) -> int:
    return _positive(params or "", _DEFAULT_ROUNDS)


def _costs(params: str | None) -> tuple[int, int, int]:
    """Return passes, memory in KiB and lanes."""
    parts = (params or "").split(",")
    if len(parts) < len(_DEFAULT_COSTS):
        return _DEFAULT_COSTS
    passes, memory_kib, lanes = map(_positive, parts[:3], _DEFAULT_COSTS)
    return passes, memory_kib, lanes


def _positive(text: str, default: int) -> int:
    match = _leading_number(text)
    number = int(match.group(1)) if match else 0
    return number if number > 0 else default
