"""Folders through the Web API: shapes, errors in their order, collisions, commit texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.blackbox.conftest import Sample
from tests.support.catalog import operation
from tests.support.server import ApiClient

NOWHERE = "00000000-0000-4000-8000-000000000000"
DIR = "/api2/repos/{id}/dir/"
DIR21 = "/api/v2.1/repos/{id}/dir/"
DETAIL = "/api/v2.1/repos/{id}/dir/detail/"
REVERT = "/api2/repos/{id}/dir/revert/"
COMMIT = "0" * 39 + "1"
LONG = "n" * 256
RECURSIVE = "If you want to get recursive dir entries, you should set 'recursive' argument as '1'."

Case = tuple[str, str, str, dict[str, str], dict[str, str], int, str]

# operation, verb, path, query, form, status, error_msg
ERRORS: list[Case] = [
    ("list-directory-entries", "GET", DIR, {"recursive": "2", "t": "x"}, {}, 400, RECURSIVE),
    ("list-directory-entries", "GET", DIR, {"t": "x"}, {}, 400, "'t'(type) should be 'f' or 'd'."),
    ("list-directory-entries", "GET", DIR, {"p": "/no"}, {}, 404, "Folder /no/ not found."),
    ("list-directory-entries", "GET", DIR, {"p": "/note.md"}, {}, 404, "Folder /note.md/ not found."),
    ("list-directory-entries", "GET", DIR, {"p": "/a/../a"}, {}, 404, "Folder /a/../a/ not found."),
    ("rclone-list-v21", "GET", DIR21, {"with_thumbnail": "x"}, {}, 400, "with_thumbnail invalid."),
    ("rclone-list-v21", "GET", DIR21, {"with_parents": "x"}, {}, 400, "with_parents invalid."),
    ("rclone-list-v21", "GET", DIR21, {"p": "/no"}, {}, 404, "Folder /no/ not found."),
    ("get-directory-detail", "GET", DETAIL, {}, {}, 400, "path invalid."),
    ("get-directory-detail", "GET", DETAIL, {"path": "/"}, {}, 400, "path invalid."),
    ("get-directory-detail", "GET", DETAIL, {"path": "no"}, {}, 404, "Folder /no/ not found."),
    ("create-new-directory", "POST", DIR, {}, {"operation": "mkdir"}, 400, "Path is missing."),
    ("create-new-directory", "POST", DIR, {"p": "x"}, {"operation": "mkdir"}, 400, "Path is missing."),
    ("create-new-directory", "POST", DIR, {"p": "/"}, {"operation": "mkdir"}, 400, "Path is invalid."),
    ("create-new-directory", "POST", DIR, {"p": "/x"}, {}, 400, "Operation not supported."),
    ("create-new-directory", "POST", DIR, {"p": "/x"}, {"operation": "fly"}, 400, "Operation not supported."),
    ("create-new-directory", "POST", DIR, {"p": "/.."}, {"operation": "mkdir"}, 400, "Folder name invalid."),
    (
        "create-new-directory", "POST", DIR, {"p": f"/{LONG}"}, {"operation": "mkdir"}, 400,
        "Folder name invalid.",
    ),
    (
        "create-new-directory", "POST", DIR, {"p": "/no/x"}, {"operation": "mkdir"}, 404,
        "Folder /no/ not found.",
    ),
    (
        "create-new-directory", "POST", DIR, {"p": "/note.md/x"},
        {"operation": "mkdir", "create_parents": "true"}, 520, "Failed to make directory.",
    ),
    ("rename-directory", "POST", DIR, {"p": "/no"}, {"operation": "rename"}, 404, "Folder /no/ not found."),
    ("rename-directory", "POST", DIR, {"p": "/a"}, {"operation": "rename"}, 400, "New name is mandatory."),
    (
        "rename-directory", "POST", DIR, {"p": "/a"}, {"operation": "rename", "newname": "x/y"}, 400,
        "Folder name invalid.",
    ),
    ("delete-directory", "DELETE", DIR, {}, {}, 400, "p invalid."),
    ("delete-directory", "DELETE", DIR, {"p": "/no"}, {}, 404, "Folder /no/ not found."),
    ("delete-directory", "DELETE", DIR, {"p": "/"}, {}, 400, "Path is invalid."),
    ("v21-dir-mkdir", "POST", DIR21, {}, {"operation": "mkdir"}, 400, "p invalid."),
    ("v21-dir-mkdir", "POST", DIR21, {"p": "/"}, {"operation": "mkdir"}, 400, "Can not operate root dir."),
    ("v21-dir-mkdir", "POST", DIR21, {"p": "/x"}, {}, 400, "operation invalid."),
    (
        "v21-dir-mkdir", "POST", DIR21, {"p": "/x"}, {"operation": "fly"}, 400,
        "operation can only be 'mkdir', 'rename' or 'revert'.",
    ),
    ("v21-dir-mkdir", "POST", DIR21, {"p": "/no/x"}, {"operation": "mkdir"}, 404, "Folder /no/ not found."),
    ("v21-dir-mkdir", "POST", DIR21, {"p": "/."}, {"operation": "mkdir"}, 400, "name invalid."),
    ("v21-dir-rename", "POST", DIR21, {"p": "/a"}, {"operation": "rename"}, 400, "newname invalid."),
    (
        "v21-dir-rename", "POST", DIR21, {"p": "/no"}, {"operation": "rename", "newname": "x"}, 404,
        "Folder /no/ not found.",
    ),
    (
        "v21-dir-rename", "POST", DIR21, {"p": "/a"}, {"operation": "rename", "newname": ".."}, 400,
        "name invalid.",
    ),
    ("v21-dir-revert", "POST", DIR21, {"p": "/a"}, {"operation": "revert"}, 400, "commit_id invalid."),
    ("v21-dir-delete", "DELETE", DIR21, {}, {}, 400, "p invalid."),
    ("v21-dir-delete", "DELETE", DIR21, {"p": "/"}, {}, 400, "Can not delete root path."),
    ("v21-dir-delete", "DELETE", DIR21, {"p": "/no"}, {}, 404, "Folder /no/ not found."),
    ("revert-directory", "PUT", REVERT, {}, {"commit_id": COMMIT}, 400, "path invalid."),
    ("revert-directory", "PUT", REVERT, {}, {"p": "/a"}, 400, "commit_id invalid."),
    (
        "revert-directory", "PUT", REVERT, {}, {"p": "/a", "commit_id": COMMIT}, 404, "folder /a not found.",
    ),
]  # fmt: skip


def _identity(case: Case) -> str:
    name, _, _, query, form, status, text = case
    return f"{name}-{status}-{text[:30]}-{len(query) + len(form)}"


@pytest.mark.parametrize("case", ERRORS, ids=_identity)
def test_refuses_in_the_documented_words(shared: Sample, case: Case) -> None:
    name, verb, path, query, form, status, text = case
    answer = shared.owner.request(verb, path.format(id=shared.id), params=query, data=form)
    operation(name).check_error(answer, status, text)


@pytest.mark.parametrize("case", [c for c in ERRORS if c[1] != "GET"], ids=_identity)
def test_reads_json_bodies_like_forms(shared: Sample, case: Case) -> None:
    name, verb, path, query, form, status, text = case
    answer = shared.owner.request(verb, path.format(id=shared.id), params=query, json=form)
    operation(name).check_error(answer, status, text)


CALLS: list[tuple[str, str, str, dict[str, str], dict[str, str]]] = [
    ("list-directory-entries", "GET", DIR, {}, {}),
    ("rclone-list-v21", "GET", DIR21, {}, {}),
    ("get-directory-detail", "GET", DETAIL, {"path": "/a"}, {}),
    ("create-new-directory", "POST", DIR, {"p": "/x"}, {"operation": "mkdir"}),
    ("rename-directory", "POST", DIR, {"p": "/a"}, {"operation": "rename", "newname": "x"}),
    ("delete-directory", "DELETE", DIR, {"p": "/a"}, {}),
    ("v21-dir-mkdir", "POST", DIR21, {"p": "/x"}, {"operation": "mkdir"}),
    ("v21-dir-rename", "POST", DIR21, {"p": "/a"}, {"operation": "rename", "newname": "x"}),
    ("v21-dir-delete", "DELETE", DIR21, {"p": "/a"}, {}),
    ("revert-directory", "PUT", REVERT, {}, {"p": "/a", "commit_id": COMMIT}),
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[0])
def test_strangers_are_denied(shared: Sample, bob: ApiClient, call: Any) -> None:
    name, verb, path, query, form = call
    answer = bob.request(verb, path.format(id=shared.id), params=query, data=form)
    operation(name).check_error(answer, 403, "Permission denied.")


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[0])
def test_libraries_that_do_not_exist_are_told_first(alice: ApiClient, call: Any) -> None:
    name, verb, path, query, form = call
    answer = alice.request(verb, path.format(id=NOWHERE), params=query, data=form)
    operation(name).check_error(answer, 404)


# -- listing ---------------------------------------------------------------------------------------------


def test_lists_folders_first_then_files(shared: Sample) -> None:
    answer = shared.owner.get(shared.dir())
    entries = operation("list-directory-entries").check(answer)
    assert [entry["name"] for entry in entries] == ["a", "note.md", "ünïcode ☃.txt"]
    assert {entry["permission"] for entry in entries} == {"rw"}
    assert entries[1]["size"] == 6
    assert entries[1]["modifier_email"] == shared.owner.email


@pytest.mark.parametrize("path", ["a", "/a", "//a//", "/a/", "a/"])
def test_folders_may_be_named_with_any_slashes(shared: Sample, path: str) -> None:
    assert shared.owner.names(shared.id, path) == ["b", "empty"]


@pytest.mark.parametrize("path", ["api2/repos/{id}/dir", "api2/repos/{id}/dir/"])
def test_urls_work_with_and_without_their_last_slash(shared: Sample, path: str) -> None:
    answer = shared.owner.get("/" + path.format(id=shared.id), params={"p": "/"}, follow_redirects=False)
    assert answer.status_code == 200


def test_filters_by_type(shared: Sample) -> None:
    assert [e["name"] for e in shared.owner.listing(shared.id, t="d")] == ["a"]
    assert [e["name"] for e in shared.owner.listing(shared.id, t="f")] == ["note.md", "ünïcode ☃.txt"]


def test_answers_uptodate_to_who_knows_the_folder(shared: Sample) -> None:
    oid = shared.owner.get(shared.dir()).headers["oid"]
    answer = shared.owner.get(shared.dir(), params={"oid": oid})
    assert (answer.json(), answer.headers["oid"]) == ("uptodate", oid)


def test_lists_everything_below_with_parents(shared: Sample) -> None:
    entries = shared.owner.listing(shared.id, recursive="1")
    found = [(entry["parent_dir"], entry["name"]) for entry in entries]
    assert found == [
        ("/", "a"),
        ("/a", "b"),
        ("/a/b", "deep.txt"),
        ("/a", "empty"),
        ("/", "note.md"),
        ("/", "ünïcode ☃.txt"),
    ]
    files = shared.owner.listing(shared.id, "/a", recursive="1", t="f")
    assert [(entry["parent_dir"], entry["name"]) for entry in files] == [("/a/b", "deep.txt")]


def test_lists_in_the_newer_shape(shared: Sample) -> None:
    answer = shared.owner.get(shared.dir("api/v2.1"), params={"p": "/a"})
    listed = operation("rclone-list-v21").check(answer)
    assert {entry["parent_dir"] for entry in listed["dirent_list"]} == {"/a/"}
    below = shared.owner.json("GET", shared.dir("api/v2.1"), params={"recursive": "1"})
    assert list(below) == ["dirent_list"]
    assert len(below["dirent_list"]) == 6


def test_lists_with_the_folders_above(shared: Sample) -> None:
    query = {"p": "/a/b", "with_parents": "true"}
    listed = shared.owner.json("GET", shared.dir("api/v2.1"), params=query)["dirent_list"]
    parents = [(entry["parent_dir"], entry["name"]) for entry in listed]
    assert parents == [
        ("/", "a"), ("/", "note.md"), ("/", "ünïcode ☃.txt"),
        ("/a/", "b"), ("/a/", "empty"), ("/a/b/", "deep.txt"),
    ]  # fmt: skip


def test_counts_what_is_below(shared: Sample) -> None:
    answer = shared.owner.get(DETAIL.format(id=shared.id), params={"path": "a"})
    told = operation("get-directory-detail").check(answer)
    assert (told["path"], told["name"]) == ("/a/", "a")
    assert (told["file_count"], told["dir_count"], told["size"]) == (1, 2, 4)


def test_encrypted_libraries_list_without_their_password(encrypted: Sample) -> None:
    answer = encrypted.owner.get(encrypted.dir())
    assert (answer.status_code, answer.json()) == (200, [])


def test_indents_as_accept_asks(shared: Sample) -> None:
    answer = shared.owner.get(shared.dir(), headers={"Accept": "application/json; indent=4"})
    assert answer.text.startswith("[\n    {\n")


# -- making ----------------------------------------------------------------------------------------------


def _mkdir(sample: Sample, path: str, **form: str) -> httpx.Response:
    return sample.owner.post(sample.dir(), params={"p": path}, data={"operation": "mkdir", **form})


def test_makes_a_folder_and_tells_where(sample: Sample) -> None:
    answer = _mkdir(sample, "/a/neu ä/")
    assert operation("create-new-directory").check(answer) == "success"
    assert answer.headers["location"].endswith("/dir/?p=/a/neu%20%C3%A4")
    assert "/a/neu ä/" in sample.tree()
    assert sample.texts()[0] == 'Added directory "neu ä"'


def test_numbers_the_folder_when_the_name_is_taken(sample: Sample) -> None:
    for path in ("/v1.2", "/v1.2", "/a", "/.hid", "/.hid"):
        assert _mkdir(sample, path).status_code == 201
    names = sample.owner.names(sample.id)
    assert {"v1.2", "v1 (1).2", "a", "a (1)", ".hid", ".hid (1)"} <= set(names)


@pytest.mark.parametrize("word", ["true", "1"])
def test_makes_missing_parents_in_one_commit(sample: Sample, word: str) -> None:
    assert _mkdir(sample, "/a/p/q/r", create_parents=word).status_code == 201
    assert _mkdir(sample, "/a/p/q", create_parents=word).status_code == 201
    assert "/a/p/q/r/" in sample.tree()
    assert sample.texts()[0] == 'Added directory "a/p/q/r"'


def test_makes_a_folder_and_lists_its_parent(sample: Sample) -> None:
    query = {"p": "/a/new", "reloaddir": "true"}
    answer = sample.owner.post(sample.dir(), params=query, data={"operation": "mkdir"})
    assert [entry["name"] for entry in answer.json()] == ["b", "empty", "new"]


def test_makes_a_folder_in_the_newer_shape(sample: Sample) -> None:
    answer = sample.owner.post(sample.dir("api/v2.1"), params={"p": "/a"}, json={"operation": "mkdir"})
    told = operation("v21-dir-mkdir").check(answer)
    assert (told["parent_dir"], told["obj_name"]) == ("/", "a (1)")


# -- renaming, deleting, restoring -----------------------------------------------------------------------


def _rename_old(sample: Sample, path: str, name: str) -> httpx.Response:
    form = {"operation": "rename", "newname": name}
    return sample.owner.post(sample.dir(), params={"p": path}, data=form)


def _rename_new(sample: Sample, path: str, name: str) -> httpx.Response:
    form = {"operation": "rename", "newname": name}
    return sample.owner.post(sample.dir("api/v2.1"), params={"p": path}, json=form)


@pytest.mark.parametrize("rename", [_rename_old, _rename_new])
def test_renames_with_everything_below(
    sample: Sample, rename: Callable[[Sample, str, str], httpx.Response]
) -> None:
    assert rename(sample, "/a", "z").status_code == 200
    assert "/z/b/deep.txt" in sample.tree()
    assert sample.texts()[0] == 'Renamed directory "a"'
    assert sample.owner.download(sample.id, "/z/b/deep.txt") == b"deep"


@pytest.mark.parametrize("rename", [_rename_old, _rename_new])
def test_renaming_to_the_same_name_does_nothing(
    sample: Sample, rename: Callable[[Sample, str, str], httpx.Response]
) -> None:
    before = sample.texts()
    assert rename(sample, "/a", "a").status_code == 200
    assert sample.texts() == before


@pytest.mark.parametrize("rename", [_rename_old, _rename_new])
def test_renaming_to_a_taken_name_numbers(
    sample: Sample, rename: Callable[[Sample, str, str], httpx.Response]
) -> None:
    assert rename(sample, "/a/empty", "b").status_code == 200
    assert sample.owner.names(sample.id, "/a") == ["b", "b (1)"]


def test_the_newer_rename_tells_what_came_of_it(sample: Sample) -> None:
    told = operation("v21-dir-rename").check(_rename_new(sample, "/a/empty", "full"))
    assert (told["parent_dir"], told["obj_name"]) == ("/a", "full")


@pytest.mark.parametrize(
    ("path", "text"),
    [("/a", 'Removed directory "a"'), ("/a/", 'Removed directory "a"'), ("/note.md", 'Deleted "note.md"')],
)
def test_deletes_folders_and_files(sample: Sample, path: str, text: str) -> None:
    answer = sample.owner.delete(sample.dir(), params={"p": path})
    assert operation("delete-directory").check(answer) == "success"
    assert not [each for each in sample.tree() if each.startswith(path.rstrip("/"))]
    assert sample.texts()[0] == text


def test_deletes_with_parameters_in_the_body(sample: Sample) -> None:
    assert sample.owner.delete(sample.dir(), data={"p": "/a"}).status_code == 200
    assert sample.owner.names(sample.id) == ["note.md", "ünïcode ☃.txt"]


def test_deletes_and_lists_the_parent(sample: Sample) -> None:
    answer = sample.owner.delete(sample.dir(), params={"p": "/a/b", "reloaddir": "true"})
    assert [entry["name"] for entry in answer.json()] == ["empty"]


def test_the_newer_delete_tells_the_commit(sample: Sample) -> None:
    told = operation("v21-dir-delete").check(sample.owner.delete(sample.dir("api/v2.1"), params={"p": "/a"}))
    info = sample.owner.json("GET", f"/api2/repos/{sample.id}/")
    assert told["commit_id"] == info["head_commit_id"]


@pytest.mark.parametrize("generation", ["api2", "v21"])
def test_brings_back_a_deleted_folder(sample: Sample, generation: str) -> None:
    commit_id = sample.owner.json("GET", f"/api2/repos/{sample.id}/")["head_commit_id"]
    before = sample.tree()
    sample.owner.delete(sample.dir(), params={"p": "/a"})
    if generation == "api2":
        form = {"p": "/a", "commit_id": commit_id}
        answer = sample.owner.put(f"{sample.dir()}revert/", data=form)
        operation("revert-directory").check(answer)
    else:
        form = {"operation": "revert", "commit_id": commit_id}
        answer = sample.owner.post(sample.dir("api/v2.1"), params={"p": "/a"}, json=form)
        operation("v21-dir-revert").check(answer)
    assert sample.tree() == before
    assert sample.texts()[0] == 'Recovered deleted directory "a"'
    assert sample.owner.download(sample.id, "/a/b/deep.txt") == b"deep"


def test_brings_back_a_folder_beside_another_of_its_name(sample: Sample) -> None:
    commit_id = sample.owner.json("GET", f"/api2/repos/{sample.id}/")["head_commit_id"]
    sample.owner.delete(sample.dir(), params={"p": "/a/b"})
    form = {"p": "/a", "commit_id": commit_id}
    assert sample.owner.put(f"{sample.dir()}revert/", data=form).status_code == 200
    assert "/a (1)/b/deep.txt" in sample.tree()
