"""The Web API's answer to every error of the domain."""

from __future__ import annotations

from typing import Any

import pytest

from seafleet import errors
from seafleet.api.seafile.errors import TABLE, reply_to
from seafleet.decision import Decision
from seafleet.errors import SeafleetError


def subclasses(kind: type[SeafleetError]) -> set[type[SeafleetError]]:
    return {kind}.union(*(subclasses(each) for each in kind.__subclasses__()))


def answer(error: SeafleetError) -> tuple[int, Any]:
    reply = reply_to(None, error)  # type: ignore[arg-type]
    return reply.status, reply.body


def test_every_error_has_a_row_of_its_own() -> None:
    ours = {kind for kind in subclasses(SeafleetError) if kind.__module__ == "seafleet.errors"}
    assert ours - TABLE.keys() == set()


def test_every_row_is_for_an_error_that_exists() -> None:
    assert all(issubclass(kind, SeafleetError) for kind in TABLE)


def test_an_error_without_a_row_gets_that_of_the_nearest_one_above() -> None:
    class MovedTooOften(errors.LibraryNotFound):
        pass

    assert answer(MovedTooOften("7460")) == (404, {"error_msg": "Library 7460 not found."})


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (errors.LibraryNotFound("7460"), 404, {"error_msg": "Library 7460 not found."}),
        (errors.FolderNotFound("/a/"), 404, {"error_msg": "Folder /a/ not found."}),
        (errors.FileNotFound("/a"), 404, {"error_msg": "File /a not found."}),
        (errors.AccountNotFound("a@b.org"), 404, {"error_msg": "User a@b.org not found."}),
        (errors.InvalidArgument("p"), 400, {"error_msg": "p invalid."}),
        (errors.InvalidName("a/b", "slash"), 400, {"error_msg": "name invalid."}),
        (errors.QuotaExceeded("a@b.org", 1), 443, {"error_msg": "Out of quota."}),
        (errors.NameUnchanged("a"), 409, {"error_msg": "The new name is the same to the old"}),
        (errors.FileLocked("/a", "b@b.org"), 403, {"error_msg": "File is locked"}),
        (errors.PasswordRequired("7460"), 440, {"error_msg": "Library password is needed."}),
        (errors.WrongPassword("7460"), 400, {"error_msg": "Incorrect password"}),
        (errors.StorageFailure("disk full"), 500, {"error_msg": "Internal Server Error"}),
        (errors.LibraryDamaged("7460", "root"), 500, {"error_msg": "Internal Server Error"}),
        (
            errors.BadCredentials(),
            400,
            {"non_field_errors": ["Unable to login with provided credentials."]},
        ),
    ],
)
def test_errors_read_as_the_reference_words_them(error: SeafleetError, status: int, body: Any) -> None:
    assert answer(error) == (status, body)


@pytest.mark.parametrize(
    ("rule", "body"),
    [
        ("no_share", {"error_msg": "Permission denied."}),
        ("not_staff", {"detail": "You do not have permission to perform this action."}),
        ("role", {"detail": "You do not have permission to perform this action."}),
        ("anonymous", {"detail": "Authentication credentials were not provided."}),
        ("device_lost", {"error_msg": "why", "device_status": "LOST"}),
    ],
)
def test_a_refusal_is_worded_by_the_rule_that_decided(rule: str, body: Any) -> None:
    assert answer(errors.AccessDenied(Decision(False, "why", rule))) == (403, body)


def test_internal_failures_tell_nothing_of_their_reason() -> None:
    for error in (errors.StorageFailure("/srv/secret"), errors.ObjectMissing("block", "0" * 40)):
        assert answer(error)[1] == {"error_msg": "Internal Server Error"}
