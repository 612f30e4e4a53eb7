"""Encrypted libraries through the Web API: giving, checking and changing the password."""

from __future__ import annotations

import pytest

from tests.blackbox.conftest import Sample
from tests.blackbox.test_libraries import share
from tests.support.catalog import operation
from tests.support.server import ApiClient, RunningServer

OLD, NEW = "an old päss", "a new one"


@pytest.fixture
def secret(alice: ApiClient) -> Sample:
    """An encrypted library of this test's own."""
    return Sample(alice, alice.create_library("secret", passwd=OLD))


def _path(secret: Sample) -> str:
    return f"/api2/repos/{secret.id}/"


def _path_v21(secret: Sample) -> str:
    return f"/api/v2.1/repos/{secret.id}/set-password/"


def _needs_password(caller: ApiClient, secret: Sample) -> bool:
    needed: bool = caller.json("GET", _path(secret))["password_need"]
    return needed


@pytest.mark.parametrize("name", ["decrypt-library", "rclone-decrypt"])
def test_the_right_password_unlocks_for_the_caller_alone(
    alice: ApiClient, bob: ApiClient, secret: Sample, name: str
) -> None:
    share(alice, secret.id, bob)
    assert _needs_password(alice, secret)
    assert operation(name).check(alice.post(_path(secret), data={"password": OLD})) == "success"
    assert not _needs_password(alice, secret)
    assert _needs_password(bob, secret)
    assert bob.json("GET", f"/api/v2.1/repos/{secret.id}/")["lib_need_decrypt"]
    assert bob.post(f"{_path(secret)}?op=setpassword", json={"password": OLD}).json() == "success"
    assert not _needs_password(bob, secret)


def test_content_is_reached_once_the_password_is_given(alice: ApiClient, secret: Sample) -> None:
    alice.post(_path(secret), data={"password": OLD})
    alice.upload(secret.id, "/a.txt", b"attack at dawn")
    assert alice.download(secret.id, "/a.txt") == b"attack at dawn"


def test_wrong_and_missing_passwords_are_told_apart(alice: ApiClient, secret: Sample) -> None:
    decrypt = operation("decrypt-library")
    decrypt.check_error(alice.post(_path(secret), data={"password": "x"}), 400, "Incorrect password")
    for form in ({}, {"password": ""}):
        decrypt.check_error(alice.post(_path(secret), data=form), 440, "Library password is needed.")
    operation("v21-set-password").check_error(
        alice.post(_path_v21(secret), json={"password": "x"}), 400, "Wrong password"
    )
    assert _needs_password(alice, secret)


def test_a_plain_library_needs_no_password(alice: ApiClient, shared: Sample) -> None:
    for form in ({}, {"password": "anything"}):
        assert alice.post(_path(shared), data=form).json() == "success"
    answer = alice.post(_path_v21(shared), data={"password": "anything"})
    operation("v21-set-password").check_error(answer, 400, f"Library {shared.id} is not encrypted.")
    magic = alice.post(f"{_path(shared)}?op=checkpassword&magic=abc")
    operation("decrypt-library").check_error(magic, 500)


def test_a_client_may_have_its_computed_check_compared(alice: ApiClient, secret: Sample) -> None:
    magic = alice.json("GET", _path(secret))["magic"]
    path, decrypt = f"{_path(secret)}?op=checkpassword", operation("decrypt-library")
    assert alice.post(f"{path}&magic={magic}").json() == "success"
    decrypt.check_error(alice.post(f"{path}&magic={'0' * 64}"), 500, "SearpcError:Incorrect password")
    decrypt.check_error(alice.post(path), 441, "Library password magic is needed.")
    assert _needs_password(alice, secret)


def test_strangers_learn_nothing_about_the_password(bob: ApiClient, secret: Sample) -> None:
    decrypt, text = operation("decrypt-library"), "You do not have permission to access this library."
    for query in ("", "?op=setpassword", "?op=checkpassword&magic=abc"):
        decrypt.check_error(bob.post(_path(secret) + query, data={"password": OLD}), 403, text)
    answer = bob.post(_path_v21(secret), data={"password": OLD})
    operation("v21-set-password").check_error(answer, 403, "Permission denied.")


def test_the_newer_call_unlocks_too(alice: ApiClient, secret: Sample) -> None:
    set_password = operation("v21-set-password")
    assert set_password.check(alice.post(_path_v21(secret), data={"password": OLD})) == {"success": True}
    assert not _needs_password(alice, secret)
    set_password.check_error(alice.post(_path_v21(secret)), 400, "password invalid.")


def test_the_password_is_changed_by_who_knows_it_and_files_stay(alice: ApiClient, secret: Sample) -> None:
    alice.post(_path(secret), data={"password": OLD})
    alice.upload(secret.id, "/a.txt", b"as it was")
    form = {"operation": "change-password", "old_password": OLD, "new_password": NEW}
    assert alice.put(_path_v21(secret), data=form).json() == {"success": True}
    assert alice.post(_path(secret), data={"password": OLD}).status_code == 400
    assert alice.post(_path(secret), data={"password": NEW}).json() == "success"
    assert alice.download(secret.id, "/a.txt") == b"as it was"
    assert secret.texts()[0] == "Changed library password"


def test_refusals_to_change_the_password(
    alice: ApiClient, bob: ApiClient, secret: Sample, shared: Sample
) -> None:
    share(alice, secret.id, bob)
    good = {"old_password": OLD, "new_password": NEW}
    cases = [
        (alice, secret, good | {"operation": "reset-password"}, 400, "operation invalid."),
        (alice, secret, good | {"old_password": ""}, 400, "old_password invalid."),
        (alice, secret, {"old_password": OLD}, 400, "new_password invalid."),
        (alice, secret, good | {"old_password": "x"}, 403, "Wrong old password"),
        (alice, shared, good, 400, f"Library {shared.id} is not encrypted."),
        (bob, secret, good, 403, "Permission denied."),
    ]
    for caller, sample, form, status, text in cases:
        answer = caller.put(_path_v21(sample), data=form)
        assert (answer.status_code, answer.json()) == (status, {"error_msg": text})


def test_a_locked_library_does_not_tell_its_history(alice: ApiClient, secret: Sample) -> None:
    path = f"/api/v2.1/repos/{secret.id}/history/"
    text = "Library is encrypted, but password is not set in server."
    operation("get-library-history").check_error(alice.get(path), 403, text)
    alice.post(_path(secret), data={"password": OLD})
    assert operation("get-library-history").check(alice.get(path))["more"] is False


def test_an_unlocked_library_stays_unlocked_over_a_restart(own_server: RunningServer) -> None:
    caller = own_server.admin
    secret = Sample(caller, caller.create_library("secret", passwd=OLD))
    caller.post(_path(secret), data={"password": OLD})
    own_server.stop()
    own_server.start()
    assert not _needs_password(ApiClient(own_server, caller.email, caller.password), secret)
