"""What calls on one library answer to strangers, for libraries that are not there, and to wrong verbs."""

from __future__ import annotations

import uuid

import pytest

from tests.blackbox.conftest import Sample
from tests.blackbox.test_libraries import client_keys
from tests.support.catalog import operation
from tests.support.server import ApiClient

NOWHERE = "00000000-0000-4000-8000-000000000000"
NOT_FOUND = f"Library {NOWHERE} not found."
DENIED = "Permission denied."
NO_ACCESS = "You do not have permission to access this library."

# Operation, what to send beside the library, answer for one that is not there, answer to a stranger.
CALLS: list[tuple[str, dict[str, str], str, str]] = [
    ("get-library-info", {}, "Library not found.", NO_ACCESS),
    (
        "rename-library",
        {"repo_name": "x"},
        "Library not found.",
        "You do not have permission to rename this library.",
    ),
    ("decrypt-library", {"password": "x"}, "Library not found.", NO_ACCESS),
    ("delete-library", {}, NOT_FOUND, DENIED),
    ("v21-repo-delete", {}, NOT_FOUND, DENIED),
    ("python-repo-info", {}, NOT_FOUND, DENIED),
    ("get-library-owner", {}, NOT_FOUND, DENIED),
    ("transfer-library", {"owner": "admin@example.com"}, NOT_FOUND, DENIED),
    ("get-library-history-limit-days", {}, NOT_FOUND, DENIED),
    ("set-library-history-limit-days", {"keep_days": "1"}, NOT_FOUND, DENIED),
    ("get-library-history", {}, NOT_FOUND, DENIED),
    ("get-library-trash", {}, NOT_FOUND, DENIED),
    ("rclone-clean-trash", {}, NOT_FOUND, DENIED),
    ("get-file-history", {"p": "/note.md"}, NOT_FOUND, DENIED),
    ("v21-file-history", {"path": "/note.md"}, NOT_FOUND, DENIED),
    ("check/create-sub-library", {"p": "/a", "name": "a"}, NOT_FOUND, DENIED),
]
PATHS = sorted({operation(call[0]).path for call in CALLS} | {"/api2/repos/", "/api/v2.1/repos/"})


def _send(caller: ApiClient, name: str, library_id: str, sent: dict[str, str]) -> tuple[int, str]:
    call = operation(name)
    place = "data" if call.method in ("POST", "PUT") else "params"
    query = "?op=rename" if name == "rename-library" else ""
    answer = caller.request(call.method, call.url(repo_id=library_id) + query, **{place: sent})
    call.check_error(answer, answer.status_code)
    return answer.status_code, answer.json()["error_msg"]


@pytest.mark.parametrize(("name", "sent", "missing", "_refusal"), CALLS, ids=[call[0] for call in CALLS])
def test_a_library_that_is_not_there_is_told_so(
    bob: ApiClient, name: str, sent: dict[str, str], missing: str, _refusal: str
) -> None:
    assert _send(bob, name, NOWHERE, sent) == (404, missing)


@pytest.mark.parametrize(("name", "sent", "_missing", "refusal"), CALLS, ids=[call[0] for call in CALLS])
def test_strangers_are_refused(
    bob: ApiClient, shared: Sample, name: str, sent: dict[str, str], _missing: str, refusal: str
) -> None:
    assert _send(bob, name, shared.id, sent) == (403, refusal)


@pytest.mark.parametrize("path", PATHS)
def test_other_verbs_are_not_allowed(alice: ApiClient, path: str) -> None:
    answer = alice.request("PATCH", path.replace("{repo_id}", NOWHERE))
    assert (answer.status_code, answer.json()) == (405, {"detail": 'Method "PATCH" not allowed.'})
    assert "GET" in answer.headers["allow"] or "POST" in answer.headers["allow"]


@pytest.mark.parametrize("library_id", [NOWHERE.upper(), "-" * 36, "x"])
def test_what_is_no_library_id_is_nowhere(alice: ApiClient, library_id: str) -> None:
    assert alice.get(f"/api2/repos/{library_id}/").status_code == 404


def test_keys_that_a_client_made_up_do_not_open(alice: ApiClient) -> None:
    keys = client_keys(str(uuid.uuid4()), "a pass") | {"random_key": "0" * 96}
    alice.json("POST", "/api2/repos/", data={"name": "made up", **keys})
    form = {"password": "a pass"}
    answer = alice.post(f"/api2/repos/{keys['repo_id']}/", data=form)
    operation("decrypt-library").check_error(answer, 500, "Internal server error")
    answer = alice.post(f"/api/v2.1/repos/{keys['repo_id']}/set-password/", data=form)
    operation("v21-set-password").check_error(answer, 500, "Decrypt library error")


def test_the_newer_call_for_passwords_knows_which_libraries_there_are(alice: ApiClient) -> None:
    answer = alice.post(f"/api/v2.1/repos/{NOWHERE}/set-password/", data={"password": "x"})
    operation("v21-set-password").check_error(answer, 404, NOT_FOUND)


def test_an_empty_body_of_json_is_no_error(alice: ApiClient, shared: Sample) -> None:
    headers = {"Content-Type": "application/json"}
    assert alice.get(f"/api2/repos/{shared.id}/", headers=headers).status_code == 200
    assert alice.post(f"/api2/repos/{shared.id}/", headers=headers).json() == "success"


def test_answers_are_indented_where_that_is_asked_for(alice: ApiClient, shared: Sample) -> None:
    headers = {"Accept": "application/json; indent=4"}
    for path in ("/api2/repos/", f"/api2/repos/{shared.id}/", f"/api2/repos/{shared.id}/owner/"):
        assert "\n    " in alice.get(path, headers=headers).text
