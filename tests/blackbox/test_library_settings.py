"""Owners, retention, default libraries, sub-libraries and public libraries through the Web API."""

from __future__ import annotations

import pytest

from tests.blackbox.conftest import Sample, make_sample
from tests.blackbox.test_libraries import share
from tests.support.catalog import operation
from tests.support.server import ApiClient, RunningServer

NOWHERE = "00000000-0000-4000-8000-000000000000"
PUBLIC = {"share_type": "public"}


def _owner(library_id: str) -> str:
    return f"/api2/repos/{library_id}/owner/"


def _limit(library_id: str) -> str:
    return f"/api2/repos/{library_id}/history-limit/"


def _shares(library_id: str) -> str:
    return f"/api2/shared-repos/{library_id}/"


# -- owner -----------------------------------------------------------------------------------------------


def test_the_owner_and_administrators_may_ask_whose_a_library_is(
    server: RunningServer, alice: ApiClient, bob: ApiClient
) -> None:
    library_id, tell = alice.create_library("owned"), operation("get-library-owner")
    share(alice, library_id, bob)
    for caller in (alice, server.admin):
        assert tell.check(caller.get(_owner(library_id))) == {"owner": alice.email}
    tell.check_error(bob.get(_owner(library_id)), 403, "Permission denied.")
    tell.check_error(alice.get(_owner(NOWHERE)), 404, f"Library {NOWHERE} not found.")


def test_a_library_is_given_to_somebody_else(alice: ApiClient, bob: ApiClient) -> None:
    library_id, transfer = alice.create_library("a gift"), operation("transfer-library")
    share(alice, library_id, bob, "r")
    answer = transfer.check(alice.put(_owner(library_id), data={"owner": bob.email.upper()}))
    assert answer == {"success": True}
    assert bob.json("GET", _owner(library_id)) == {"owner": bob.email}
    assert alice.get(f"/api2/repos/{library_id}/").status_code == 403
    mine = [each["type"] for each in bob.json("GET", "/api2/repos/") if each["id"] == library_id]
    assert mine == ["repo"]  # the share with the new owner has ended


def test_an_administrator_gives_away_what_is_not_its_own(
    server: RunningServer, alice: ApiClient, bob: ApiClient
) -> None:
    library_id = alice.create_library("a gift")
    operation("transfer-library").check(server.admin.put(_owner(library_id), json={"owner": bob.email}))
    assert bob.json("GET", _owner(library_id)) == {"owner": bob.email}


def test_refusals_to_give_a_library_away(server: RunningServer, alice: ApiClient, bob: ApiClient) -> None:
    library_id, transfer = alice.create_library("kept"), operation("transfer-library")
    share(alice, library_id, bob)
    guest = "guest-of-transfers@example.com"
    made = server.command("user", "add", guest, "--role", "guest", "--generate")
    assert made.returncode == 0, made.stderr
    role_text = f"Transfer failed: role of {guest} is guest, can not add library."
    cases: list[tuple[ApiClient, str, str, int, str]] = [
        (alice, library_id, "", 400, "owner invalid."),
        (alice, NOWHERE, bob.email, 404, f"Library {NOWHERE} not found."),
        (bob, library_id, "no@example.com", 404, "User no@example.com not found."),
        (bob, library_id, bob.email, 403, "Permission denied."),
        (alice, library_id, guest, 403, role_text),
        (alice, library_id, alice.email, 400, "Library can not be transferred to owner."),
    ]
    for caller, wanted, owner, status, text in cases:
        transfer.check_error(caller.put(_owner(wanted), data={"owner": owner}), status, text)
    assert alice.json("GET", _owner(library_id)) == {"owner": alice.email}


# -- retention -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sent", "kept"), [("4", 4), ("0", 0), ("-1", -1), ("-7", -1)])
def test_retention_is_set_and_told(alice: ApiClient, sent: str, kept: int) -> None:
    library_id = alice.create_library("kept")
    tell, change = operation("get-library-history-limit-days"), operation("set-library-history-limit-days")
    assert tell.check(alice.get(_limit(library_id))) == {"keep_days": -1}
    assert change.check(alice.put(_limit(library_id), data={"keep_days": sent})) == {"keep_days": kept}
    assert tell.check(alice.get(_limit(library_id))) == {"keep_days": kept}


def test_a_library_without_history_shows_its_head_alone(alice: ApiClient) -> None:
    sample = make_sample(alice)
    alice.delete(f"/api2/repos/{sample.id}/file/", params={"p": "/note.md"})
    alice.put(_limit(sample.id), json={"keep_days": 0})
    assert sample.texts() == ['Deleted "note.md"']
    assert alice.json("GET", f"/api/v2.1/repos/{sample.id}/trash/")["data"] == []


@pytest.mark.parametrize("sent", [{}, {"keep_days": "x"}, {"keep_days": "1" * 12}, {"keep_days": "9" * 30}])
def test_retention_is_a_number_of_days(alice: ApiClient, shared: Sample, sent: dict[str, str]) -> None:
    answer = alice.put(_limit(shared.id), data=sent)
    operation("set-library-history-limit-days").check_error(answer, 400, "keep_days invalid.")


def test_retention_is_the_owners_business_and_not_that_of_sub_libraries(
    alice: ApiClient, bob: ApiClient
) -> None:
    sample = make_sample(alice)
    share(alice, sample.id, bob)
    params = {"p": "/a", "name": "a"}
    sub_id = alice.json("GET", f"/api2/repos/{sample.id}/dir/sub_repo/", params=params)["sub_repo_id"]
    for name in ("get-library-history-limit-days", "set-library-history-limit-days"):
        call = operation(name)
        for caller, library_id in ((bob, sample.id), (alice, sub_id)):
            answer = caller.request(call.method, _limit(library_id), data={"keep_days": "x"})
            call.check_error(answer, 403, "Permission denied.")
        call.check_error(alice.request(call.method, _limit(NOWHERE)), 404)


# -- default library -------------------------------------------------------------------------------------


def test_a_default_library_is_made_when_it_is_asked_for(own_server: RunningServer) -> None:
    caller, path = own_server.admin, "/api2/default-repo/"
    tell, make = operation("get-default-lib"), operation("create-default-lib")
    assert tell.check(caller.get(path)) == {"exists": False}
    made = make.check(caller.post(path))
    assert make.check(caller.post(path)) == made == tell.check(caller.get(path))
    info = caller.json("GET", f"/api2/repos/{made['repo_id']}/")
    assert (info["name"], info["desc"]) == ("My Library", "My Library")
    caller.delete(f"/api2/repos/{made['repo_id']}/")
    assert caller.json("GET", path) == {"exists": False}
    assert caller.json("POST", path)["repo_id"] != made["repo_id"]


# -- sub-libraries ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["check/create-sub-library", "desktop-create-subrepo"])
def test_a_folder_has_one_sub_library_whatever_it_is_called(alice: ApiClient, name: str) -> None:
    sample, call = make_sample(alice), operation(name)
    path = f"/api2/repos/{sample.id}/dir/sub_repo/"
    made = call.check(alice.get(path, params={"p": "/a/b", "name": "first"}))
    assert call.check(alice.get(path, params={"p": "a/b/", "name": "second"})) == made
    sub_id = made["sub_repo_id"]
    assert alice.json("GET", f"/api2/repos/{sub_id}/")["name"] == "first"
    assert alice.names(sub_id) == ["deep.txt"]
    of_parent = alice.json("GET", path, params={"p": "/a", "name": "a"})["sub_repo_id"]
    inner = f"/api2/repos/{of_parent}/dir/sub_repo/"
    assert call.check(alice.get(inner, params={"p": "/b", "name": "third"})) == made


def test_a_sub_library_of_an_encrypted_library_needs_the_password(alice: ApiClient) -> None:
    library_id, call = alice.create_library("secret", passwd="a pass"), operation("check/create-sub-library")
    alice.make_folder(library_id, "/a")
    path, params = f"/api2/repos/{library_id}/dir/sub_repo/", {"p": "/a", "name": "a"}
    call.check_error(alice.get(path, params=params), 400, "password invalid.")
    call.check_error(alice.get(path, params=params | {"password": "x"}), 400, "Wrong password")
    made = call.check(alice.get(path, params=params | {"password": "a pass"}))
    sub_path = f"/api2/repos/{made['sub_repo_id']}/"
    assert alice.post(sub_path, data={"password": "a pass"}).json() == "success"


def test_refusals_of_sub_libraries(alice: ApiClient, bob: ApiClient, shared: Sample) -> None:
    cases: list[tuple[ApiClient, str, dict[str, str], int, str]] = [
        (alice, shared.id, {"name": "a"}, 400, "p invalid."),
        (alice, shared.id, {"p": "/", "name": "a"}, 400, "p invalid."),
        (alice, shared.id, {"p": "/a"}, 400, "name invalid."),
        (alice, shared.id, {"p": "/a", "name": "a/b"}, 400, "name invalid."),
        (alice, NOWHERE, {"p": "/a", "name": "a"}, 404, f"Library {NOWHERE} not found."),
        (bob, shared.id, {"p": "/a", "name": "a"}, 403, "Permission denied."),
    ]
    for caller, library_id, params, status, text in cases:
        answer = caller.get(f"/api2/repos/{library_id}/dir/sub_repo/", params=params)
        operation("check/create-sub-library").check_error(answer, status, text)
    gone = alice.get(f"/api2/repos/{shared.id}/dir/sub_repo/", params={"p": "/no", "name": "a"})
    assert (gone.status_code, gone.json()) == (404, {"error_msg": "Folder /no/ not found."})


# -- everybody -------------------------------------------------------------------------------------------


def test_a_public_library_is_everybodys(alice: ApiClient, bob: ApiClient) -> None:
    form = {"name": "for all", "desc": "a text", "passwd": "", "permission": "rw"}
    made = operation("create-public-lib").check(alice.post("/api2/repos/public/", data=form))
    assert (made["owner"], made["permission"], made["encrypted"]) == (alice.email, "rw", False)
    assert bob.json("GET", f"/api2/repos/{made['id']}/")["permission"] == "rw"
    operation("remove-public-lib").check(alice.delete(_shares(made["id"]), params=PUBLIC))
    assert bob.get(f"/api2/repos/{made['id']}/").status_code == 403


def test_a_public_library_is_for_reading_unless_said_otherwise(alice: ApiClient, bob: ApiClient) -> None:
    made = alice.json("POST", "/api2/repos/public/", json={"name": "for all", "passwd": "a pass"})
    info = bob.json("GET", f"/api2/repos/{made['id']}/")
    assert (made["encrypted"], info["encrypted"], info["permission"]) == (True, True, "r")
    alice.delete(f"/api2/repos/{made['id']}/")


@pytest.mark.parametrize("permission", ["admin", "x", "RW"])
def test_a_public_library_is_read_or_written(alice: ApiClient, permission: str) -> None:
    answer = alice.post("/api2/repos/public/", data={"name": "for all", "permission": permission})
    operation("create-public-lib").check_error(answer, 400, "Invalid permission")
    path = _shares(alice.create_library("kept"))
    share_call = operation("set-exist-lib-as-public-lib")
    answer = alice.put(path, params=PUBLIC | {"permission": permission})
    share_call.check_error(answer, 400, "Permission need to be rw or r.")


def test_a_library_becomes_public_and_private_again(
    server: RunningServer, alice: ApiClient, bob: ApiClient
) -> None:
    library_id, path = alice.create_library("for all"), _shares
    publish, withdraw = operation("set-exist-lib-as-public-lib"), operation("remove-public-lib")
    for permission in ("rw", "r"):
        params = PUBLIC | {"permission": permission}
        assert publish.check(alice.put(path(library_id), params=params)) == "success"
        assert bob.json("GET", f"/api2/repos/{library_id}/")["permission"] == permission
    assert withdraw.check(server.admin.delete(path(library_id), params=PUBLIC)) == "success"
    assert bob.get(f"/api2/repos/{library_id}/").status_code == 403
    assert withdraw.check(alice.delete(path(library_id), params=PUBLIC)) == "success"


def test_the_older_call_shares_with_accounts_all_or_none(alice: ApiClient, bob: ApiClient) -> None:
    library_id, call = alice.create_library("shared"), operation("set-exist-lib-as-public-lib")
    good = {"share_type": "personal", "permission": "r"}
    for users in (f"{bob.email},x", alice.email):
        answer = alice.put(_shares(library_id), params=good | {"users": users})
        assert answer.json() == {"error_msg": "Some users are not valid, sharing rolled back"}
    answer = alice.put(_shares(library_id), params=good | {"users": f"{bob.email},no@example.com"})
    assert answer.json() == {"error_msg": "Some users are not existent, sharing rolled back"}
    assert alice.put(_shares(library_id), params=good).status_code == 400
    assert bob.get(f"/api2/repos/{library_id}/").status_code == 403
    assert call.check(alice.put(_shares(library_id), params=good | {"users": bob.email})) == "success"
    assert bob.get(f"/api2/repos/{library_id}/").status_code == 200
    gone = alice.delete(_shares(library_id), params={"share_type": "personal", "user": bob.email})
    assert operation("remove-public-lib").check(gone) == "success"
    assert bob.get(f"/api2/repos/{library_id}/").status_code == 403


def test_refusals_to_share(alice: ApiClient, bob: ApiClient) -> None:
    library_id, call = alice.create_library("kept"), operation("set-exist-lib-as-public-lib")
    denied = "You do not have permission to share library."
    public = PUBLIC | {"permission": "r"}
    call.check_error(bob.put(_shares(library_id), params={}), 403, denied)
    call.check_error(alice.put(_shares(NOWHERE), params=public), 403, denied)
    wrong = "Share type can only be personal or group or public."
    for word in ("", "x"):
        params = {"share_type": word, "permission": "r"}
        call.check_error(alice.put(_shares(library_id), params=params), 400, wrong)
    for group_id, text in (("x", "Group ID must be integer."), ("999999", "Group does not exist .")):
        params = {"share_type": "group", "permission": "r", "group_id": group_id}
        answer = alice.put(_shares(library_id), params=params)
        assert (answer.status_code, answer.json()) == (400, {"error_msg": text})


def test_refusals_to_unshare(alice: ApiClient, bob: ApiClient) -> None:
    library_id, call = alice.create_library("kept"), operation("remove-public-lib")
    cases: list[tuple[ApiClient, str, dict[str, str], int, str]] = [
        (alice, NOWHERE, PUBLIC, 404, "Library not found."),
        (bob, library_id, {}, 403, "You do not have permission to unshare library."),
        (alice, library_id, {}, 400, "Share type is required."),
        (alice, library_id, {"share_type": "x"}, 400, "Share type can only be personal or group or public."),
        (alice, library_id, {"share_type": "personal"}, 400, "User is required."),
        (alice, library_id, {"share_type": "personal", "user": "x"}, 400, "User is not valid"),
        (alice, library_id, {"share_type": "group"}, 400, "Group ID is required."),
        (alice, library_id, {"share_type": "group", "group_id": "x"}, 400, "Group ID is not valid."),
    ]
    for caller, wanted, params, status, text in cases:
        call.check_error(caller.delete(_shares(wanted), params=params), status, text)
    ended = alice.delete(_shares(library_id), params={"share_type": "group", "group_id": "999999"})
    assert call.check(ended) == "success"
