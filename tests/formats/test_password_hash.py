from __future__ import annotations

from hashlib import pbkdf2_hmac

import pytest

from seafleet.errors import InvalidArgument
from seafleet.formats.password_hash import ALGORITHMS, check_params, default_params, password_hash

DATA, SALT = b"library id and password", bytes(32)


def pbkdf2(rounds: int) -> bytes:
    return pbkdf2_hmac("sha256", DATA, SALT, rounds, 32)


@pytest.mark.parametrize(
    ("params", "rounds"),
    [
        ("20", 20),
        (" 20", 20),
        ("+20", 20),
        ("20abc", 20),
        ("20,5", 20),
        ("0", 1000),
        ("-5", 1000),
        ("", 1000),
        (None, 1000),
        ("pbkdf2_sha256", 1000),
        ("٣", 1000),
    ],
)
def test_rounds_are_read_as_a_c_program_reads_them(params: str | None, rounds: int) -> None:
    assert password_hash(DATA, SALT, "pbkdf2_sha256", params) == pbkdf2(rounds)


@pytest.mark.parametrize("params", ["1,64,2,9", " 1, 64, 2", "1x,64y,2z"])
def test_costs_are_read_as_a_c_program_reads_them(params: str) -> None:
    assert password_hash(DATA, SALT, "argon2id", params) == password_hash(DATA, SALT, "argon2id", "1,64,2")


@pytest.mark.slow
@pytest.mark.parametrize("params", ["", "1,64", "argon2id", "0,0,0", "-1,x,"])
def test_costs_that_are_none_stand_for_the_defaults(params: str) -> None:
    assert password_hash(DATA, SALT, "argon2id", params) == password_hash(
        DATA, SALT, "argon2id", "2,102400,8"
    )


@pytest.mark.parametrize(
    ("algo", "params"),
    [
        ("pbkdf2_sha256", "10000001"),
        ("pbkdf2_sha256", "9" * 50),
        ("argon2id", "17,1024,2"),
        ("argon2id", "1,999999999,2"),
        ("argon2id", "1,1024,65"),
    ],
)
def test_costs_beyond_reason_are_refused_before_they_are_paid(algo: str, params: str) -> None:
    with pytest.raises(InvalidArgument):
        check_params(algo, params)
    with pytest.raises(InvalidArgument):
        password_hash(DATA, SALT, algo, params)


def test_costs_that_the_algorithm_refuses_are_invalid() -> None:
    with pytest.raises(InvalidArgument):
        password_hash(DATA, SALT, "argon2id", "1,8,64")


@pytest.mark.parametrize("algo", [None, "", "md5", "PBKDF2_SHA256"])
def test_unknown_algorithms_are_invalid(algo: str | None) -> None:
    with pytest.raises(InvalidArgument):
        password_hash(DATA, SALT, algo, "1")
    with pytest.raises(InvalidArgument):
        default_params(str(algo))


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_default_parameters_are_in_bounds(algo: str) -> None:
    check_params(algo, default_params(algo))
