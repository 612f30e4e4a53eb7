"""What a site may forbid about libraries, and what guests may not do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.catalog import operation
from tests.support.server import PASSWORD, ApiClient, RunningServer


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that allows as little as possible."""
    rules = {
        "SEAFLEET_ENCRYPTED_LIBRARIES": "false",
        "SEAFLEET_ALLOW_PUBLIC_LIBRARIES": "false",
        "SEAFLEET_ALLOW_HISTORY_LIMITS": "false",
    }
    server = RunningServer(tmp_path_factory.mktemp("strict") / "data", settings=rules).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def member(strict: RunningServer) -> ApiClient:
    return strict.user("member")


@pytest.fixture(scope="module")
def guest(strict: RunningServer) -> ApiClient:
    done = strict.command(
        "user", "add", "guest@example.com", "--role", "guest", "--password-stdin", stdin=PASSWORD
    )
    assert done.returncode == 0, done.stderr
    return ApiClient(strict, "guest@example.com", PASSWORD)


def test_encrypted_libraries_are_not_made(member: ApiClient) -> None:
    text = "NOT allow to create encrypted library."
    form = {"name": "secret", "passwd": "a pass"}
    operation("create-library").check_error(member.post("/api2/repos/", data=form), 403, text)
    by_client = member.post("/api2/repos/", data={"name": "secret", "repo_id": "x"})
    operation("create-library").check_error(by_client, 403, text)
    public = member.server.admin.post("/api2/repos/public/", data=form)
    operation("create-public-lib").check_error(public, 403, text)
    assert member.get("/api2/repos/").headers["enable_encrypted_library"] == "False"


def test_only_administrators_publish(strict: RunningServer, member: ApiClient) -> None:
    params = {"share_type": "public", "permission": "r"}
    path = f"/api2/shared-repos/{member.create_library('kept')}/"
    text = "Failed to share library to public: permission denied."
    operation("set-exist-lib-as-public-lib").check_error(member.put(path, params=params), 403, text)
    text = "You do not have permission to create library."
    answer = member.post("/api2/repos/public/", data={"name": "for all"})
    operation("create-public-lib").check_error(answer, 403, text)
    operation("create-public-lib").check(strict.admin.post("/api2/repos/public/", data={"name": "for all"}))
    listed = member.json("GET", "/api2/repos/", params={"type": "org"})
    assert [each["name"] for each in listed] == ["for all"]


def test_retention_is_told_and_not_set(member: ApiClient) -> None:
    path = f"/api2/repos/{member.create_library('kept')}/history-limit/"
    assert member.json("GET", path) == {"keep_days": -1}
    answer = member.put(path, data={"keep_days": "1"})
    operation("set-library-history-limit-days").check_error(answer, 403, "Permission denied.")


def test_guests_own_nothing_and_do_not_see_what_is_public(strict: RunningServer, guest: ApiClient) -> None:
    strict.admin.post("/api2/repos/public/", data={"name": "for members"})
    text = "You do not have permission to create library."
    for name in ("create-library", "create-public-lib", "create-default-lib"):
        call = operation(name)
        call.check_error(guest.post(call.path), 403, text)
    assert guest.json("GET", "/api2/default-repo/") == {"exists": False}
    assert guest.json("GET", "/api2/repos/") == []
