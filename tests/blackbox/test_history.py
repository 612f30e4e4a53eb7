"""History of libraries and files, and the trash, through the Web API."""

from __future__ import annotations

from typing import Any

import pytest

from tests.blackbox.conftest import Sample, make_sample
from tests.blackbox.test_libraries import share
from tests.support.catalog import operation
from tests.support.server import ApiClient

NOWHERE = "00000000-0000-4000-8000-000000000000"
NO_COMMIT = "0" * 39 + "1"


def _history(library_id: str) -> str:
    return f"/api/v2.1/repos/{library_id}/history/"


def _trash(library_id: str) -> str:
    return f"/api/v2.1/repos/{library_id}/trash/"


def _delete(sample: Sample, path: str) -> None:
    assert sample.owner.delete(sample.dir(), params={"p": path}).json() == "success"


# -- history of libraries --------------------------------------------------------------------------------


def test_a_history_tells_what_happened_newest_first(alice: ApiClient, shared: Sample) -> None:
    page = operation("get-library-history").check(alice.get(_history(shared.id)))
    assert [item["description"] for item in page["data"]] == [
        'Added "ünïcode ☃.txt".',
        'Added "note.md".',
        'Added "deep.txt".',
        'Added directory "b"',
        'Added directory "empty"',
        'Added directory "a"',
        "Created library",
    ]
    newest = page["data"][0]
    assert (newest["creator"], newest["email"], newest["contact_email"]) == (alice.email,) * 3
    assert (newest["name"], newest["tags"]) == (alice.email.partition("@")[0], [])
    assert (newest["device_name"], newest["client_version"], newest["second_parent_id"]) == (None,) * 3
    assert page["more"] is False


def test_a_history_comes_in_pages(alice: ApiClient, shared: Sample) -> None:
    whole = alice.json("GET", _history(shared.id))["data"]
    found: list[dict[str, Any]] = []
    for number in range(1, len(whole) + 1):
        page = alice.json("GET", _history(shared.id), params={"page": str(number), "per_page": "2"})
        found += page["data"]
        if not page["more"]:
            break
    assert found == whole
    beyond = alice.json("GET", _history(shared.id), params={"page": "100"})
    assert beyond == {"data": [], "more": False}


@pytest.mark.parametrize("params", [{"page": "x", "per_page": "1"}, {"page": "2", "per_page": "x"}])
def test_if_one_of_page_and_size_is_no_number_both_are_the_default(
    alice: ApiClient, shared: Sample, params: dict[str, str]
) -> None:
    assert alice.json("GET", _history(shared.id), params=params) == alice.json("GET", _history(shared.id))


@pytest.mark.parametrize(
    ("params", "text"),
    [({"page": "0"}, "page invalid."), ({"per_page": "-1"}, "per_page invalid.")],
)
def test_pages_begin_at_one(alice: ApiClient, shared: Sample, params: dict[str, str], text: str) -> None:
    answer = alice.get(_history(shared.id), params=params)
    operation("get-library-history").check_error(answer, 400, text)


def test_the_older_history_has_commit_records(alice: ApiClient, shared: Sample) -> None:
    path = f"/api2/repos/{shared.id}/history/"
    page = operation("api2-repo-history").check(alice.get(path, params={"per_page": "2"}))
    newest, next_one = page["commits"]
    assert page["page_next"] is True
    assert (newest["parent_id"], newest["creator_name"]) == (next_one["id"], alice.email)
    shape = operation("get-file-history").shape["commits"][0]
    assert set(shape) <= set(newest)
    assert (newest["rev_file_id"], newest["creator"], newest["version"]) == (None, "0" * 40, 1)


@pytest.mark.parametrize("name", ["get-library-history", "api2-repo-history", "get-library-trash"])
def test_histories_are_for_those_who_may_read(
    alice: ApiClient, bob: ApiClient, shared: Sample, name: str
) -> None:
    call = operation(name)
    denied = bob.get(call.url(repo_id=shared.id))
    assert (denied.status_code, denied.json()) == (403, {"error_msg": "Permission denied."})
    gone = bob.get(call.url(repo_id=NOWHERE))
    assert (gone.status_code, gone.json()) == (404, {"error_msg": f"Library {NOWHERE} not found."})


# -- history of files ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def versions(alice: ApiClient) -> Sample:
    """A file of three versions, renamed after the first: `/old.txt`, now `/a/new.txt`."""
    sample = Sample(alice, alice.create_library("versions"))
    alice.make_folder(sample.id, "/a")
    alice.upload(sample.id, "/old.txt", b"1")
    alice.post(
        sample.file("api/v2.1"), params={"p": "/old.txt"}, data={"operation": "rename", "newname": "new.txt"}
    )
    form = {"operation": "move", "dst_repo": sample.id, "dst_dir": "/a"}
    alice.post(sample.file("api/v2.1"), params={"p": "/new.txt"}, data=form)
    alice.upload(sample.id, "/a/new.txt", b"22", replace=True)
    alice.make_folder(sample.id, "/other")
    alice.upload(sample.id, "/a/new.txt", b"333", replace=True)
    return sample


def test_a_file_has_a_history_back_to_its_last_rename(alice: ApiClient, versions: Sample) -> None:
    call = operation("get-file-history")
    path = f"/api2/repos/{versions.id}/file/history/"
    found = call.check(alice.get(path, params={"p": "/a/new.txt"}))["commits"]
    assert [each["rev_file_size"] for each in found] == [3, 2, 1]
    assert [each["rev_renamed_old_path"] for each in found] == [None, None, "new.txt"]
    assert found[0]["user_info"]["email"] == alice.email
    assert found[-1]["desc"] == 'Moved "new.txt"'


def test_the_newer_history_goes_on_past_renames(alice: ApiClient, versions: Sample) -> None:
    call, path = operation("v21-file-history"), f"/api/v2.1/repos/{versions.id}/file/history/"
    params, sizes, olds = {"path": "/a/new.txt"}, [], []
    while True:
        page = call.check(alice.get(path, params=params))
        sizes += [each["size"] for each in page["data"]]
        old = page["data"][-1]["rev_renamed_old_path"]
        if not old:
            break
        olds.append(old)
        params = {"path": f"/{old}", "commit_id": page["next_start_commit"]}
    assert page["next_start_commit"] is False
    assert (sizes, olds) == ([3, 2, 1, 1, 1], ["new.txt", "old.txt"])


def test_the_newer_history_comes_in_portions(alice: ApiClient, versions: Sample) -> None:
    path, params = f"/api/v2.1/repos/{versions.id}/file/history/", {"path": "a/new.txt", "limit": "1"}
    first = alice.json("GET", path, params=params)
    assert [each["size"] for each in first["data"]] == [3]
    second = alice.json("GET", path, params=params | {"commit_id": first["next_start_commit"]})
    assert [each["size"] for each in second["data"]] == [2]
    for limit in ("0", "-1", "x"):
        whole = alice.json("GET", path, params=params | {"limit": limit})
        assert [each["size"] for each in whole["data"]] == [3, 2, 1]


def test_refusals_of_file_histories(alice: ApiClient, bob: ApiClient, versions: Sample) -> None:
    cases: list[tuple[str, str, ApiClient, str, dict[str, str], int, str]] = []
    for name, key, text in (
        ("get-file-history", "p", "p invalid."),
        ("v21-file-history", "path", "path invalid."),
    ):
        cases += [
            (name, key, alice, versions.id, {}, 400, text),
            (name, key, alice, NOWHERE, {key: "/x"}, 404, f"Library {NOWHERE} not found."),
            (name, key, alice, versions.id, {key: "/no"}, 404, "File /no not found."),
            (name, key, alice, versions.id, {key: "/a"}, 404, "File /a not found."),
            (name, key, bob, versions.id, {key: "/a/new.txt"}, 403, "Permission denied."),
        ]
    for name, _, caller, library_id, params, status, text in cases:
        call = operation(name)
        call.check_error(caller.get(call.url(repo_id=library_id), params=params), status, text)
    call = operation("v21-file-history")
    for commit_id in (NO_COMMIT, "x"):
        params = {"path": "/a/new.txt", "commit_id": commit_id}
        answer = alice.get(call.url(repo_id=versions.id), params=params)
        call.check_error(answer, 404, "File /a/new.txt not found.")


# -- trash -----------------------------------------------------------------------------------------------


def test_what_was_deleted_is_in_the_trash_and_comes_back_from_there(alice: ApiClient) -> None:
    sample, call = make_sample(alice), operation("get-library-trash")
    note = alice.json("GET", sample.file("api/v2.1"), params={"p": "/note.md"})
    _delete(sample, "/note.md")
    _delete(sample, "/a")
    page = call.check(alice.get(_trash(sample.id)))
    assert (page["more"], page["scan_stat"]) == (False, None)
    folder, file = page["data"]
    assert (folder["obj_name"], folder["parent_dir"], folder["is_dir"]) == ("a", "/", True)
    assert (folder["obj_id"], folder["size"]) == ("", "")
    assert (file["obj_name"], file["obj_id"], file["size"]) == ("note.md", note["obj_id"], 6)
    for entry, kind in ((file, "file"), (folder, "dir")):
        form = {"p": entry["parent_dir"] + entry["obj_name"], "commit_id": entry["commit_id"]}
        assert alice.put(f"/api2/repos/{sample.id}/{kind}/revert/", data=form).json()["success"]
    assert sample.tree() == ["/a/", "/a/b/", "/a/b/deep.txt", "/a/empty/", "/note.md", "/ünïcode ☃.txt"]
    assert alice.json("GET", _trash(sample.id))["data"] == []


def test_the_trash_of_a_folder_holds_what_was_below_it(alice: ApiClient) -> None:
    sample = make_sample(alice)
    _delete(sample, "/note.md")
    _delete(sample, "/a/b/deep.txt")
    found = alice.json("GET", _trash(sample.id), params={"path": "a"})["data"]
    assert [(each["parent_dir"], each["obj_name"]) for each in found] == [("/a/b/", "deep.txt")]


def test_the_trash_comes_in_portions_however_much_one_commit_deletes(alice: ApiClient) -> None:
    sample, call = make_sample(alice), operation("get-library-trash")
    for number in range(5):
        alice.upload(sample.id, f"/{number}.txt", b"")
    names = ":".join(f"{number}.txt" for number in range(5))
    alice.post(f"/api2/repos/{sample.id}/fileops/delete/", params={"p": "/"}, data={"file_names": names})
    _delete(sample, "/a")
    found, params = [], {"per_page": "2"}
    while True:
        page = call.check(alice.get(_trash(sample.id), params=params))
        assert len(page["data"]) <= 2
        found += [each["obj_name"] for each in page["data"]]
        if not page["more"]:
            break
        params["scan_stat"] = page["scan_stat"]
    assert found[0] == "a"
    assert sorted(found[1:]) == [f"{number}.txt" for number in range(5)]


@pytest.mark.parametrize("name", ["get-library-trash", "rclone-clean-trash"])
def test_days_are_a_number(alice: ApiClient, shared: Sample, name: str) -> None:
    call, param = operation(name), "show_days" if name == "get-library-trash" else "keep_days"
    for value in ("x", "-1", "9" * 20):
        answer = alice.request(call.method, _trash(shared.id), params={param: value})
        call.check_error(answer, 400, f"{param} invalid.")


def test_refusals_of_the_trash(alice: ApiClient, shared: Sample) -> None:
    call = operation("get-library-trash")
    for path in ("/no", "/note.md"):
        answer = alice.get(_trash(shared.id), params={"path": path})
        call.check_error(answer, 404, f"Folder {path}/ not found.")
    for stat in ("x", NO_COMMIT, f"{NO_COMMIT}.x"):
        answer = alice.get(_trash(shared.id), params={"scan_stat": stat})
        assert (answer.status_code, answer.json()) == (400, {"error_msg": "scan_stat invalid."})
    assert alice.json("GET", _trash(shared.id), params={"show_days": "1", "per_page": "x"})["data"] == []


def test_only_the_owner_empties_the_trash(alice: ApiClient, bob: ApiClient) -> None:
    sample, call = make_sample(alice), operation("rclone-clean-trash")
    share(alice, sample.id, bob)
    _delete(sample, "/note.md")
    call.check_error(bob.delete(_trash(sample.id)), 403, "Permission denied.")
    call.check_error(alice.delete(_trash(NOWHERE)), 404, f"Library {NOWHERE} not found.")
    call.check(alice.delete(_trash(sample.id), data={"keep_days": "1"}))
    assert len(alice.json("GET", _trash(sample.id))["data"]) == 1
    call.check(alice.delete(_trash(sample.id)))
    assert alice.json("GET", _trash(sample.id))["data"] == []


def test_the_trash_of_a_sub_library_is_emptied_with_its_origins(alice: ApiClient) -> None:
    sample, call = make_sample(alice), operation("rclone-clean-trash")
    params = {"p": "/a", "name": "a"}
    sub_id = alice.json("GET", f"/api2/repos/{sample.id}/dir/sub_repo/", params=params)["sub_repo_id"]
    call.check_error(alice.delete(_trash(sub_id)), 403, "Permission denied.")
