"""What desktop applications ask around synchronising."""

from __future__ import annotations

import pytest

from seafleet.accounts import Account
from seafleet.actor import Actor
from seafleet.api.services import Services
from seafleet.devices.model import DeviceInfo
from seafleet.library.edits import Delete, MakeFolder, Rename
from seafleet.library.model import Author, Head
from tests.support.asgi import Client
from tests.support.catalog import operation


@pytest.fixture
def library(services: Services, account: Account) -> Head:
    """A library of the account."""
    return services.libraries.create(account.id, "Papers", "all of them")


def test_download_info_is_what_the_manual_says(
    client: Client, services: Services, account: Account, token: str, library: Head
) -> None:
    answer = client.get(f"/api2/repos/{library.library_id}/download-info/", token=token)
    info = operation("fetch-library-download-info").check(answer, repo_id=library.library_id)
    assert info["email"] == account.email
    assert (info["repo_name"], info["repo_desc"]) == ("Papers", "all of them")
    assert info["head_commit_id"] == library.commit_id
    assert (info["encrypted"], info["enc_version"], info["magic"]) == ("", 0, "")
    assert info["permission"] == "rw"
    grant = services.sync_tokens.resolve(info["token"], library.library_id)
    assert grant.actor.account_id == account.id


def test_download_info_of_an_encrypted_library_says_so_as_an_integer(
    client: Client, services: Services, account: Account, token: str
) -> None:
    library = services.libraries.create(account.id, "Secret", password="secret")
    info = client.get(f"/api2/repos/{library.library_id}/download-info/", token=token).json()
    assert library.encryption is not None
    assert info["encrypted"] is not True
    assert info["encrypted"] == 1
    assert info["enc_version"] == 2
    assert info["magic"] == library.encryption.magic
    assert info["random_key"] == library.encryption.random_key
    assert info["salt"] == ""


def test_a_sync_token_belongs_to_the_device_that_asked_for_it(
    client: Client, services: Services, account: Account, library: Head
) -> None:
    token = services.tokens.connect(account, DeviceInfo.of("linux", "d" * 40, "desk")).token
    info = client.get(f"/api2/repos/{library.library_id}/download-info/", token=token).json()
    grant = services.sync_tokens.resolve(info["token"], library.library_id)
    assert grant.actor.device is not None
    assert grant.actor.device.client_device_id == "d" * 40


def test_download_info_is_refused_without_access(client: Client, services: Services, library: Head) -> None:
    stranger = services.accounts.create(f"stranger-{library.library_id}@example.com", "a password")
    documented = operation("fetch-library-download-info")
    token = services.tokens.issue_plain(stranger)
    answer = client.get(f"/api2/repos/{library.library_id}/download-info/", token=token)
    documented.check_error(answer, 403, "You do not have permission to access this library.")
    gone = "00000000-0000-4000-8000-000000000000"
    answer = client.get(f"/api2/repos/{gone}/download-info/", token=token)
    documented.check_error(answer, 404)


def test_tokens_for_many_libraries_leave_out_what_is_not_readable(
    client: Client, services: Services, account: Account, token: str, library: Head
) -> None:
    stranger = services.accounts.create(f"owner-{library.library_id}@example.com", "a password")
    other = services.libraries.create(stranger.id, "Not theirs")
    gone = "00000000-0000-4000-8000-000000000000"
    wanted = f"{library.library_id},{other.library_id},{gone}"
    answer = client.get(f"/api2/repo-tokens/?repos={wanted}", token=token)
    found = answer.json()
    assert list(found) == [library.library_id]
    actor = services.sync_tokens.resolve(found[library.library_id], library.library_id).actor
    assert actor == Actor(account.id, account.email)


@pytest.mark.parametrize(
    ("query", "text"),
    [("", "You must specify libaries ids"), ("?repos=abc", "Libraries ids are invalid")],
)
def test_tokens_for_no_libraries_are_refused(client: Client, token: str, query: str, text: str) -> None:
    answer = client.get(f"/api2/repo-tokens/{query}", token=token)
    operation("desktop-repo-tokens").check_error(answer, 400, text)


def test_a_ticket_for_the_browser_works_once(
    client: Client, services: Services, account: Account, token: str
) -> None:
    answer = client.post("/api2/client-login/", token=token)
    ticket = operation("desktop-client-login").check(answer)["token"]
    assert services.tickets.take(ticket) == account.id


def test_no_messages_wait(client: Client, token: str) -> None:
    assert operation("desktop-unseen").check(client.get("/api2/unseen_messages/", token=token)) == {
        "count": 0
    }


def test_what_a_commit_changed_is_told_without_leading_slashes(
    client: Client, services: Services, account: Account, token: str, library: Head
) -> None:
    author, library_id = Author(account.email), library.library_id
    made = services.libraries.commit_edit(library_id, author, MakeFolder("/a")).commit_id
    renamed = services.libraries.commit_edit(library_id, author, Rename("/a", "b")).commit_id
    removed = services.libraries.commit_edit(library_id, author, Delete.path("/b")).commit_id

    def changes(commit_id: str) -> object:
        answer = client.get(f"/api2/repo_history_changes/{library_id}/?commit_id={commit_id}", token=token)
        assert answer.status == 200
        return answer.json()

    assert changes(made) == {"added_dirs": ["a"]}
    assert changes(removed) == {"deleted_dirs": ["b"]}
    assert changes(library.commit_id) == {}
    assert changes(renamed) == {"renamed_files": ["a", "b"]}


@pytest.mark.parametrize("commit_id", ["", "xyz", "0" * 39, "1" * 40])
def test_changes_of_what_is_no_commit_are_refused(
    client: Client, token: str, library: Head, commit_id: str
) -> None:
    answer = client.get(
        f"/api2/repo_history_changes/{library.library_id}/?commit_id={commit_id}", token=token
    )
    operation("desktop-commit-changes").check_error(answer, 400)
    assert answer.json() == {"err": "Invalid argument"}


def test_changes_in_an_unknown_library_are_refused(client: Client, token: str) -> None:
    gone = "00000000-0000-4000-8000-000000000000"
    answer = client.get(f"/api2/repo_history_changes/{gone}/?commit_id={'1' * 40}", token=token)
    assert (answer.status, answer.json()) == (400, {"err": "Library does not exist"})
