"""Libraries through the Web API: lists, infos, making, renaming and deleting them."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from seafleet.formats.encryption import new_encryption
from seafleet.ids import LibraryId
from tests.blackbox.conftest import Sample, make_sample
from tests.support.catalog import operation
from tests.support.server import ApiClient


class _Fixed:
    """Randomness that never changes."""

    def randbytes(self, n: int, /) -> bytes:
        return bytes(range(n))


def share(owner: ApiClient, library_id: str, to: ApiClient, permission: str = "rw") -> None:
    """Share a library with an account."""
    params = {"share_type": "personal", "user": to.email, "permission": permission}
    assert owner.put(f"/api2/shared-repos/{library_id}/", params=params).json() == "success"


def client_keys(library_id: str, password: str, enc_version: int = 2, **hashed: str) -> dict[str, str]:
    """Return what a client sends that makes the keys of an encrypted library itself."""
    keys = new_encryption(LibraryId(library_id), password, _Fixed(), enc_version=enc_version, **hashed)
    fields = ("enc_version", "magic", "random_key", "salt", "pwd_hash", "pwd_hash_algo", "pwd_hash_params")
    sent = {name: str(value) for name in fields if (value := getattr(keys, name)) is not None}
    return {"repo_id": library_id, **sent}


def _line(found: list[dict[str, Any]], library_id: str, **members: object) -> dict[str, Any]:
    """Return the one line of a list about a library that has these members too."""
    wanted = {"id": library_id, **members}
    (line,) = [each for each in found if wanted.items() <= each.items()]
    return line


# -- lists -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["list-libraries", "search-library-by-name", "rclone-list-libraries", "python-list-repos"]
)
def test_the_list_has_the_documented_shape(alice: ApiClient, shared: Sample, name: str) -> None:
    answer = alice.get("/api2/repos/")
    found = operation("list-libraries").check(answer)
    operation(name).check(answer)
    line = _line(found, shared.id, type="repo")
    assert (line["owner"], line["permission"], line["virtual"]) == (alice.email, "rw", False)
    assert (line["name"], line["modifier_email"]) == ("sample", alice.email)
    assert line["size"] == len(b"deep") + len(b"# note") + len("häßlich".encode())
    assert answer.headers["enable_encrypted_library"] == "True"


def test_a_library_shows_once_for_each_way_in_which_it_is_reached(alice: ApiClient, bob: ApiClient) -> None:
    owner, friend = alice, bob
    library_id = owner.create_library("many ways")
    share(owner, library_id, friend, "r")
    public = {"share_type": "public", "permission": "rw"}
    owner.put(f"/api2/shared-repos/{library_id}/", params=public)
    found = operation("list-libraries").check(friend.get("/api2/repos/"))
    shared = _line(found, library_id, type="srepo")
    assert (shared["owner"], shared["owner_nickname"]) == (owner.email, owner.email.partition("@")[0])
    assert (shared["share_type"], shared["permission"], shared["is_admin"]) == ("personal", "r", False)
    everybody = _line(found, library_id, type="grepo")
    assert (everybody["owner"], everybody["share_from"]) == ("Organization", owner.email)
    assert (everybody["share_type"], everybody["permission"]) == ("public", "rw")
    listed = operation("v21-repos").check(friend.get("/api/v2.1/repos/"))["repos"]
    ways = [(each["type"], each["permission"]) for each in listed if each["repo_id"] == library_id]
    assert ways == [("shared", "r"), ("public", "rw")]


@pytest.mark.parametrize(
    ("asked", "types"),
    [
        ("mine", {"repo"}),
        ("shared", {"srepo"}),
        ("mine,shared", {"repo", "srepo"}),
        ("group", set()),
        ("mime", set()),
        ("mine,mime", {"repo"}),
        ("", {"repo", "srepo"}),
    ],
)
def test_types_choose_and_unknown_words_choose_nothing(
    alice: ApiClient, bob: ApiClient, asked: str, types: set[str]
) -> None:
    own, other = bob.create_library("own"), alice.create_library("other")
    share(alice, other, bob)
    answer = bob.get("/api2/repos/", params={"type": asked})
    found = operation("list-libraries").check(answer)
    assert {each["type"] for each in found if each["id"] in (own, other)} == types


def test_the_newer_list_takes_its_types_one_by_one(alice: ApiClient) -> None:
    library_id = alice.create_library("listed")
    path = "/api/v2.1/repos/?type=shared&type="
    mine = operation("v21-repos").check(alice.get(path + "mine"))["repos"]
    (line,) = [each for each in mine if each["repo_id"] == library_id]
    assert (line["type"], line["starred"], line["monitored"], line["status"]) == (
        "mine",
        False,
        False,
        "normal",
    )
    public = alice.json("GET", path + "public")["repos"]
    assert {each["type"] for each in public} <= {"public"}


def test_names_are_searched_for_a_part_whatever_its_case(alice: ApiClient) -> None:
    library_id = alice.create_library("Größe und Maß")
    found = alice.json("GET", "/api2/repos/", params={"nameContains": "GRÖSSE UND"})
    assert [each["id"] for each in found] == [library_id]
    assert alice.json("GET", "/api2/repos/", params={"nameContains": "GRÖSSE", "type": "shared"}) == []


def test_lists_are_sorted_by_change_and_leave_out_sub_libraries(alice: ApiClient) -> None:
    first = make_sample(alice)
    second = alice.create_library("second")
    sub = alice.json("GET", f"/api2/repos/{first.id}/dir/sub_repo/", params={"p": "/a", "name": "a"})
    found = [each["id"] for each in alice.json("GET", "/api2/repos/", params={"type": "mine"})]
    assert sub["sub_repo_id"] not in found
    assert {first.id, second} <= set(found)
    times = [each["mtime"] for each in alice.json("GET", "/api2/repos/", params={"type": "mine"})]
    assert times == sorted(times, reverse=True)


# -- one library -----------------------------------------------------------------------------------------


def test_the_info_tells_what_the_caller_may_do(alice: ApiClient, bob: ApiClient) -> None:
    sample = make_sample(alice)
    share(alice, sample.id, bob, "r")
    mine, theirs = (
        operation("get-library-info").check(each.get(f"/api2/repos/{sample.id}/")) for each in (alice, bob)
    )
    assert (mine["owner"], mine["permission"], mine["file_count"]) == ("self", "rw", 3)
    assert (theirs["owner"], theirs["permission"], theirs["root"]) == ("share", "r", mine["root"])
    assert (mine["password_need"], mine["desc"]) == (None, "")
    assert "magic" not in mine


def test_the_newer_info_tells_more(alice: ApiClient, bob: ApiClient) -> None:
    library_id = alice.create_library("told", desc="a text")
    check, path = operation("python-repo-info").check, f"/api/v2.1/repos/{library_id}/"
    before = check(alice.get(path))
    share(alice, library_id, bob, "r")
    after = check(alice.get(path))
    assert (before["has_been_shared_out"], after["has_been_shared_out"]) == (False, True)
    assert (before["is_admin"], before["lib_need_decrypt"], before["no_quota"]) == (True, False, True)
    theirs = check(bob.get(path))
    assert (theirs["is_admin"], theirs["permission"], theirs["owner_email"]) == (False, "r", alice.email)


def test_a_sub_library_says_what_it_is(alice: ApiClient) -> None:
    sample = make_sample(alice)
    answer = alice.json("GET", f"/api2/repos/{sample.id}/dir/sub_repo/", params={"p": "/a", "name": "a"})
    info = alice.json("GET", f"/api/v2.1/repos/{answer['sub_repo_id']}/")
    assert (info["is_virtual"], info["repo_name"], info["file_count"]) == (True, "a", 1)


# -- making ----------------------------------------------------------------------------------------------


def test_a_new_library_is_answered_with_what_a_client_synchronises_by(alice: ApiClient) -> None:
    form = {"name": "new ☃", "desc": "a text", "story_id": "ignored"}
    made = operation("create-library").check(alice.post("/api2/repos/", data=form))
    assert (made["repo_name"], made["repo_desc"], made["email"]) == ("new ☃", "a text", alice.email)
    assert (made["encrypted"], made["enc_version"], made["magic"], made["salt"]) == ("", 0, "", "")
    assert len(made["token"]) == 40
    texts = Sample(alice, made["repo_id"]).texts()
    assert texts == ["Created library"]


def test_a_json_body_with_an_empty_password_makes_a_plain_library(alice: ApiClient) -> None:
    body = {"name": "from rclone", "desc": "", "passwd": ""}
    made = operation("rclone-create-library").check(alice.post("/api2/repos/", json=body))
    assert made["encrypted"] == ""


def test_the_web_gets_no_sync_token(alice: ApiClient) -> None:
    made = alice.json("POST", "/api2/repos/?from=web", data={"name": "from the web"})
    assert made["token"] == ""


def test_two_libraries_may_have_the_same_name(alice: ApiClient) -> None:
    assert alice.create_library("twin") != alice.create_library("twin")


def test_with_a_password_the_server_makes_the_keys(alice: ApiClient) -> None:
    form = {"name": "secret", "passwd": "a pass"}
    made = operation("create-library").check(alice.post("/api2/repos/", data=form))
    assert (made["encrypted"], made["enc_version"], made["salt"]) == (1, 2, "")
    info = operation("get-library-info").check(alice.get(f"/api2/repos/{made['repo_id']}/"))
    assert (info["magic"], info["random_key"]) == (made["magic"], made["random_key"])
    assert (info["encrypted"], info["password_need"], info["enc_version"]) == (True, True, 2)
    line = _line(alice.json("GET", "/api2/repos/"), made["repo_id"])
    assert line["encrypted"] is True


def test_a_client_may_make_id_and_keys_itself(alice: ApiClient) -> None:
    keys = client_keys(str(uuid.uuid4()), "a pass")
    made = operation("create-library").check(alice.post("/api2/repos/", data={"name": "own keys", **keys}))
    assert (made["repo_id"], made["magic"], made["random_key"]) == tuple(
        keys[name] for name in ("repo_id", "magic", "random_key")
    )
    unlock = alice.post(f"/api2/repos/{keys['repo_id']}/", data={"password": "a pass"})
    assert unlock.json() == "success"
    again = alice.post("/api2/repos/", data={"name": "own keys", **keys})
    operation("create-library").check_error(again, 520, "Failed to create library.")


def test_a_client_may_check_its_password_by_a_hash(alice: ApiClient) -> None:
    keys = client_keys(str(uuid.uuid4()), "a pass", pwd_hash_algo="pbkdf2_sha256", pwd_hash_params="1000")
    assert "magic" not in keys
    made = alice.json("POST", "/api2/repos/", json={"name": "hashed", **keys})
    assert (made["magic"], made["pwd_hash"], made["pwd_hash_algo"]) == ("", keys["pwd_hash"], "pbkdf2_sha256")
    path = f"/api2/repos/{keys['repo_id']}/"
    assert alice.post(path, data={"password": "wrong"}).status_code == 400
    assert alice.post(path, data={"password": "a pass"}).json() == "success"


@pytest.mark.parametrize(
    ("changed", "status", "text"),
    [
        ({"repo_id": "not-an-id"}, 400, "Repo id must be a valid uuid"),
        ({"enc_version": "two"}, 400, "Invalid enc_version param."),
        ({"enc_version": "-1"}, 400, "You must provide magic, random_key and enc_version."),
        ({"magic": "abc"}, 400, "You must provide magic, random_key and enc_version."),
        ({"random_key": ""}, 400, "You must provide magic, random_key and enc_version."),
        ({"magic": "x" * 64}, 520, "Failed to create library."),
        ({"enc_version": "0"}, 520, "Failed to create library."),
        ({"enc_version": "4", "salt": "0" * 64}, 520, "Failed to create library."),
    ],
)
def test_keys_that_cannot_be_any_are_refused(
    alice: ApiClient, changed: dict[str, str], status: int, text: str
) -> None:
    keys = client_keys(str(uuid.uuid4()), "a pass") | changed
    answer = alice.post("/api2/repos/", data={"name": "wrong keys", **keys})
    operation("create-library").check_error(answer, status, text)


@pytest.mark.parametrize("name", ["a/b", "..", ".", "a\tb", "n" * 256, "ü" * 128])
@pytest.mark.parametrize("path", ["/api2/repos/", "/api2/repos/public/"])
def test_names_that_no_folder_could_have_are_refused(alice: ApiClient, path: str, name: str) -> None:
    answer = alice.post(path, json={"name": name})
    assert (answer.status_code, answer.json()) == (400, {"error_msg": "name invalid."})


@pytest.mark.parametrize("path", ["/api2/repos/", "/api2/repos/public/"])
def test_a_name_is_required(alice: ApiClient, path: str) -> None:
    for form in ({}, {"name": ""}):
        answer = alice.post(path, data=form)
        assert (answer.status_code, answer.json()) == (400, {"error_msg": "Library name is required."})


# -- renaming --------------------------------------------------------------------------------------------


def test_renaming_is_a_commit_and_keeps_what_is_not_sent(alice: ApiClient) -> None:
    library_id = alice.create_library("old name", desc="a text")
    answer = alice.post(f"/api2/repos/{library_id}/?op=rename", data={"repo_name": "new name"})
    assert operation("rename-library").check(answer) == "success"
    info = alice.json("GET", f"/api2/repos/{library_id}/")
    assert (info["name"], info["desc"]) == ("new name", "a text")
    assert Sample(alice, library_id).texts()[0] == "Changed library name or description"
    alice.post(f"/api2/repos/{library_id}/?op=rename", json={"repo_name": "new name", "repo_desc": "b"})
    assert alice.json("GET", f"/api2/repos/{library_id}/")["desc"] == "b"


@pytest.mark.parametrize("form", [{}, {"repo_name": ""}, {"repo_name": "a/b"}])
def test_a_library_is_not_renamed_to_nothing(alice: ApiClient, bob: ApiClient, form: dict[str, str]) -> None:
    library_id = alice.create_library("kept")
    for caller in (alice, bob):  # the name is looked at first
        answer = caller.post(f"/api2/repos/{library_id}/?op=rename", data=form)
        operation("rename-library").check_error(answer, 400, "name invalid.")


def test_only_the_owner_renames(alice: ApiClient, bob: ApiClient) -> None:
    library_id = alice.create_library("kept")
    share(alice, library_id, bob)
    answer = bob.post(f"/api2/repos/{library_id}/?op=rename", data={"repo_name": "mine"})
    text = "You do not have permission to rename this library."
    operation("rename-library").check_error(answer, 403, text)


def test_an_unknown_op_is_no_error(alice: ApiClient) -> None:
    library_id = alice.create_library("kept")
    answer = alice.post(f"/api2/repos/{library_id}/?op=fly", data={"op": "rename", "repo_name": "x"})
    assert (answer.status_code, answer.json()) == (200, "unsupported operation")


# -- deleting --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "version"),
    [("delete-library", "api2"), ("rclone-delete-library", "api2"), ("v21-repo-delete", "api/v2.1")],
)
def test_a_deleted_library_is_gone_for_everybody(
    alice: ApiClient, bob: ApiClient, name: str, version: str
) -> None:
    library_id = alice.create_library("doomed")
    share(alice, library_id, bob)
    path = f"/{version}/repos/{library_id}/"
    operation(name).check_error(bob.delete(path), 403) if name != "rclone-delete-library" else None
    operation(name).check(alice.delete(path))
    for caller in (alice, bob):
        assert caller.get(f"/api2/repos/{library_id}/").status_code == 404
    gone = alice.delete(path)
    assert (gone.status_code, gone.json()) == (404, {"error_msg": f"Library {library_id} not found."})
    assert library_id not in [each["id"] for each in bob.json("GET", "/api2/repos/")]
