"""Stored forms of passwords."""

from __future__ import annotations

import hashlib
import random
from typing import Literal

import pytest
from argon2 import PasswordHasher, extract_parameters

from seafleet.accounts.passwords import MAX_PASSWORD_BYTES, Passwords, make_up_password
from tests.support.world import FAST

SALT = bytes.fromhex("db9145c306c7cc26")
PBKDF2_SALT = bytes(range(32))


def _pbkdf2(password: str, iterations: int = 10) -> str:
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), PBKDF2_SALT, iterations)
    return f"PBKDF2SHA256${iterations}${PBKDF2_SALT.hex()}${digest.hex()}"


FORMS = {
    "argon2": FAST.hash("pässword"),
    "pbkdf2": _pbkdf2("pässword"),
    "sha256": hashlib.sha256("pässword".encode() + SALT).hexdigest(),
    "sha1": hashlib.sha1("pässword".encode()).hexdigest(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_stored_form_knows_its_password(form: str) -> None:
    assert FAST.verify(FORMS[form], "pässword")
    assert not FAST.verify(FORMS[form], "Pässword")
    assert not FAST.verify(FORMS[form], "")


@pytest.mark.parametrize("form", FORMS)
def test_old_forms_are_to_be_replaced(form: str) -> None:
    assert FAST.needs_rehash(FORMS[form]) == (form != "argon2")


def test_weaker_parameters_are_to_be_replaced() -> None:
    stronger = Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    assert stronger.needs_rehash(FORMS["argon2"])
    assert stronger.verify(FORMS["argon2"], "pässword")


@pytest.mark.parametrize(
    "stored",
    [
        None,
        "",
        "!",
        "$argon2id$broken",
        "PBKDF2SHA256$0$aa$" + "0" * 64,
        "PBKDF2SHA256$99999999$aa$" + "0" * 64,
        "pbkdf2_sha256$1$a$b",
        "a" * 63,
        "z" * 64,
    ],
)
def test_what_is_no_hash_fits_no_password(stored: str | None) -> None:
    assert not FAST.verify(stored, "")
    assert not FAST.verify(stored, "!")
    assert not FAST.verify(stored, "decoy")


def test_nobody_logs_in_by_sending_the_stored_text() -> None:
    for stored in FORMS.values():
        assert not FAST.verify(stored, stored)


def test_overlong_passwords_are_refused_unread() -> None:
    long = "x" * (MAX_PASSWORD_BYTES + 1)
    assert not FAST.verify(FAST.hash(long), long)


def test_lone_surrogates_do_no_harm() -> None:
    assert FAST.verify(FAST.hash("\ud800"), "\ud800")


class CountingHasher(PasswordHasher):
    """Counts verifications."""

    verified = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        self.verified += 1
        return super().verify(hash, password)


@pytest.mark.parametrize("stored", [None, "!", *FORMS.values()], ids=["none", "locked", *FORMS])
def test_a_wrong_password_costs_one_slow_verification_whatever_is_stored(stored: str | None) -> None:
    hasher = CountingHasher(time_cost=1, memory_cost=8, parallelism=1)
    assert not Passwords(hasher).verify(stored, "wrong")
    assert hasher.verified == 1


def test_what_is_verified_for_unknown_names_costs_as_much_as_a_real_hash() -> None:
    decoy, real = extract_parameters(FAST._decoy), extract_parameters(FORMS["argon2"])
    assert decoy == real


def test_made_up_passwords_can_be_typed_and_are_not_taken_for_options() -> None:
    made = {make_up_password(random.Random(seed)) for seed in range(500)}
    assert len(made) == 500
    assert all(len(password) == 20 and password.isascii() and password.isalnum() for password in made)
    assert not set("lo01IO") & set("".join(made))
    assert len(set("".join(made))) == 56
