"""Files through the Web API: links, details, both generations of changes, locks, restoring."""

from __future__ import annotations

import io
import zipfile
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.blackbox.conftest import Sample, make_sample
from tests.support.catalog import operation
from tests.support.server import ApiClient

NOWHERE = "00000000-0000-4000-8000-000000000000"
FILE = "/api2/repos/{id}/file/"
FILE21 = "/api/v2.1/repos/{id}/file/"
DETAIL = "/api2/repos/{id}/file/detail/"
REVISION = "/api2/repos/{id}/file/revision/"
REVERT = "/api2/repos/{id}/file/revert/"
COMMIT = "0" * 39 + "1"
WORDS = "operation can only be 'create', 'rename', 'move', 'copy' or 'revert'."
REUSE = (
    "If you want to reuse file server access token for download file, you should set 'reuse' argument as '1'."
)

Case = tuple[str, str, str, dict[str, str], dict[str, str], int, str]
NOTE = {"p": "/note.md"}
GONE = {"p": "/no.md"}

ERRORS: list[Case] = [
    ("download-file", "GET", FILE, {}, {}, 400, "Path is missing."),
    ("download-file", "GET", FILE, GONE, {}, 404, "File not found"),
    ("download-file", "GET", FILE, {"p": "/a"}, {}, 404, "File not found"),
    ("download-file", "GET", FILE, NOTE | {"reuse": "2"}, {}, 400, REUSE),
    ("get-file-detail", "GET", DETAIL, {}, {}, 400, "Path is missing."),
    ("get-file-detail", "GET", DETAIL, GONE, {}, 404, "File not found."),
    ("get-file-detail", "GET", DETAIL, {"p": "/a"}, {}, 404, "File not found."),
    ("get-file-detail", "GET", DETAIL, NOTE | {"commit_id": COMMIT}, {}, 404, "File not found."),
    ("download-file-revision", "GET", REVISION, {}, {}, 400, "Path is missing."),
    ("download-file-revision", "GET", REVISION, NOTE, {}, 404, "Revision not found."),
    (
        "download-file-revision", "GET", REVISION, NOTE | {"commit_id": COMMIT}, {}, 404,
        "Revision not found.",
    ),
    ("rename-file", "POST", FILE, {}, {"operation": "rename"}, 400, "Path is missing or invalid."),
    ("rename-file", "POST", FILE, {"p": "/"}, {"operation": "rename"}, 400, "Path is missing or invalid."),
    ("rename-file", "POST", FILE, {"p": "x"}, {"operation": "rename"}, 400, "Path is missing or invalid."),
    (
        "rename-file", "POST", FILE, NOTE, {"operation": "fly"}, 400,
        "Operation can only be rename, create or move.",
    ),
    ("rename-file", "POST", FILE, NOTE, {"operation": "rename"}, 400, "New name is missing"),
    (
        "rename-file", "POST", FILE, NOTE, {"operation": "rename", "newname": "n" * 256}, 400,
        "New name is too long",
    ),
    (
        "rename-file", "POST", FILE, NOTE, {"operation": "rename", "newname": "x/y"}, 400,
        "File name invalid.",
    ),
    (
        "rename-file", "POST", FILE, NOTE, {"operation": "rename", "newname": "ü" * 200}, 400,
        "File name invalid.",
    ),
    (
        "rename-file", "POST", FILE, NOTE, {"operation": "rename", "newname": "note.md"}, 409,
        "The new name is the same to the old",
    ),
    (
        "rename-file", "POST", FILE, GONE, {"operation": "rename", "newname": "x"}, 520,
        "Failed to rename file: File not found",
    ),
    ("move-file", "POST", FILE, NOTE, {"operation": "move"}, 400, "Missing arguments."),
    (
        "move-file", "POST", FILE, NOTE, {"operation": "move", "dst_repo": NOWHERE, "dst_dir": "/"}, 404,
        "Library not found.",
    ),
    ("copy-file", "POST", FILE, NOTE, {"operation": "copy", "dst_dir": "/"}, 400, "Missing arguments."),
    ("api2-file-create", "POST", FILE, {"p": "/.."}, {"operation": "create"}, 400, "File name invalid."),
    ("lock-file", "PUT", FILE, {}, {"operation": "lock"}, 400, "Path is missing or invalid."),
    ("lock-file", "PUT", FILE, {}, {"p": "/no.md", "operation": "lock"}, 400, "Path is missing or invalid."),
    (
        "lock-file", "PUT", FILE, {}, {"p": "/note.md", "operation": "fly"}, 400,
        "Operation can only be lock or unlock",
    ),
    ("unlock-file", "PUT", FILE, {}, {"p": "/note.md", "operation": "unlock"}, 403, "File is not locked"),
    ("delete-file", "DELETE", FILE, {}, {}, 400, "Path is missing."),
    ("revert-file", "PUT", REVERT, {}, {"commit_id": COMMIT}, 400, "path invalid."),
    ("revert-file", "PUT", REVERT, {}, NOTE, 400, "commit_id invalid."),
    ("revert-file", "PUT", REVERT, {}, NOTE | {"commit_id": COMMIT}, 404, "file /note.md not found."),
    ("create-file", "POST", FILE21, {}, {"operation": "create"}, 400, "p invalid."),
    ("create-file", "POST", FILE21, NOTE, {}, 400, "operation invalid."),
    ("create-file", "POST", FILE21, NOTE, {"operation": "fly"}, 400, WORDS),
    ("create-file", "POST", FILE21, {"p": "/no/x"}, {"operation": "create"}, 404, "Folder /no/ not found."),
    ("create-file", "POST", FILE21, {"p": "/.."}, {"operation": "create"}, 400, "name invalid."),
    (
        "rclone-file-copy", "POST", FILE21, GONE, {"operation": "copy", "dst_repo": NOWHERE, "dst_dir": "/"},
        404, "File /no.md not found.",
    ),
    (
        "rclone-file-copy", "POST", FILE21, NOTE, {"operation": "copy", "dst_repo": NOWHERE, "dst_dir": "/"},
        404, f"Library {NOWHERE} not found.",
    ),
    ("v21-file-info", "GET", FILE21, {}, {}, 400, "p invalid."),
    ("v21-file-info", "GET", FILE21, GONE, {}, 404, "File /no.md not found."),
    ("v21-file-lock", "PUT", FILE21, NOTE, {}, 400, "operation invalid."),
    (
        "v21-file-lock", "PUT", FILE21, NOTE, {"operation": "fly"}, 400,
        "operation can only be 'lock', 'unlock' or 'refresh-lock'.",
    ),
    ("v21-file-lock", "PUT", FILE21, NOTE, {"operation": "unlock"}, 400, "File is not locked."),
    ("v21-file-delete", "DELETE", FILE21, {}, {}, 400, "p invalid."),
    ("restore-file-from-history", "POST", FILE21, NOTE, {"operation": "revert"}, 400, "commit_id invalid."),
]  # fmt: skip


def _identity(case: Case) -> str:
    name, _, _, query, form, status, text = case
    return f"{name}-{status}-{text[:30]}-{len(query) + len(form)}"


@pytest.mark.parametrize("case", ERRORS, ids=_identity)
def test_refuses_in_the_documented_words(shared: Sample, case: Case) -> None:
    name, verb, path, query, form, status, text = case
    answer = shared.owner.request(verb, path.format(id=shared.id), params=query, data=form)
    operation(name).check_error(answer, status, text)


@pytest.mark.parametrize("case", [c for c in ERRORS if c[4]], ids=_identity)
def test_reads_json_bodies_like_forms(shared: Sample, case: Case) -> None:
    name, verb, path, query, form, status, text = case
    answer = shared.owner.request(verb, path.format(id=shared.id), params=query, json=form)
    operation(name).check_error(answer, status, text)


RENAME = {"operation": "rename", "newname": "x.md"}
STRANGERS: list[tuple[str, str, str, dict[str, str], dict[str, str], str]] = [
    ("download-file", "GET", FILE, NOTE, {}, "You do not have permission to access this file."),
    ("get-file-detail", "GET", DETAIL, NOTE, {}, "Permission denied."),
    ("download-file-revision", "GET", REVISION, NOTE | {"commit_id": COMMIT}, {}, "Permission denied."),
    ("rename-file", "POST", FILE, NOTE, RENAME, "You do not have permission to rename file."),
    ("move-file", "POST", FILE, NOTE, {"operation": "move"}, "You do not have permission to move file."),
    ("copy-file", "POST", FILE, NOTE, {"operation": "copy"}, "You do not have permission to copy file."),
    (
        "api2-file-create", "POST", FILE, {"p": "/x"}, {"operation": "create"},
        "You do not have permission to create file.",
    ),
    ("lock-file", "PUT", FILE, {}, NOTE | {"operation": "lock"}, "Permission denied."),
    ("delete-file", "DELETE", FILE, NOTE, {}, "Permission denied."),
    ("revert-file", "PUT", REVERT, {}, NOTE | {"commit_id": COMMIT}, "Permission denied."),
    ("create-file", "POST", FILE21, {"p": "/x"}, {"operation": "create"}, "Permission denied."),
    ("rclone-file-rename", "POST", FILE21, NOTE, RENAME, "Permission denied."),
    (
        "restore-file-from-history", "POST", FILE21, NOTE, {"operation": "revert", "commit_id": COMMIT},
        "Permission denied.",
    ),
    ("v21-file-info", "GET", FILE21, NOTE, {}, "Permission denied."),
    ("v21-file-lock", "PUT", FILE21, NOTE, {"operation": "lock"}, "Permission denied."),
    ("v21-file-delete", "DELETE", FILE21, NOTE, {}, "Permission denied."),
]  # fmt: skip


@pytest.mark.parametrize("call", STRANGERS, ids=lambda call: call[0])
def test_strangers_are_denied(shared: Sample, bob: ApiClient, call: Any) -> None:
    name, verb, path, query, form, text = call
    answer = bob.request(verb, path.format(id=shared.id), params=query, data=form)
    operation(name).check_error(answer, 403, text)


@pytest.mark.parametrize("call", STRANGERS, ids=lambda call: call[0])
def test_libraries_that_do_not_exist_are_told(alice: ApiClient, call: Any) -> None:
    _, verb, path, query, form, _ = call
    answer = alice.request(verb, path.format(id=NOWHERE), params=query, data=form)
    assert answer.status_code == 404
    assert "ibrary" in answer.json()["error_msg"]


# -- reading ---------------------------------------------------------------------------------------------


def test_a_download_link_works_once(shared: Sample) -> None:
    answer = shared.owner.get(shared.file(), params={"p": "/ünïcode ☃.txt"})
    url = operation("download-file").check(answer)
    first, second = httpx.get(url), httpx.get(url)
    assert first.content.decode() == "häßlich"
    assert (first.status_code, second.status_code) == (200, 403)
    assert first.headers["etag"] == answer.headers["oid"]


def test_a_reusable_download_link_works_again(shared: Sample) -> None:
    url = shared.owner.json("GET", shared.file(), params={"p": "/note.md", "reuse": "1"})
    assert [httpx.get(url).text for _ in range(3)] == ["# note"] * 3


def test_tells_what_a_file_is(shared: Sample) -> None:
    detail = operation("get-file-detail").check(
        shared.owner.get(DETAIL.format(id=shared.id), params={"p": "/a/b/deep.txt"})
    )
    assert (detail["name"], detail["size"], detail["type"]) == ("deep.txt", 4, "file")
    assert detail["last_modifier_email"] == shared.owner.email
    info = shared.owner.get(shared.file("api/v2.1"), params={"p": "/a/b/deep.txt"})
    told = operation("v21-file-info").check(info)
    assert (told["parent_dir"], told["can_edit"]) == ("/a/b", True)


def test_links_to_older_versions(sample: Sample) -> None:
    commit_id = _head(sample)
    sample.owner.upload(sample.id, "/note.md", b"changed", replace=True)
    query = {"p": "/note.md", "commit_id": commit_id}
    answer = sample.owner.get(REVISION.format(id=sample.id), params=query)
    assert httpx.get(operation("download-file-revision").check(answer)).text == "# note"
    detail = sample.owner.json("GET", DETAIL.format(id=sample.id), params=query)
    assert detail["size"] == 6


def _head(sample: Sample) -> str:
    return str(sample.owner.json("GET", f"/api2/repos/{sample.id}/")["head_commit_id"])


# -- changing --------------------------------------------------------------------------------------------


def _old(sample: Sample, path: str, **form: str) -> httpx.Response:
    return sample.owner.post(sample.file(), params={"p": path}, data=form, follow_redirects=False)


def _new(sample: Sample, path: str, **form: str) -> httpx.Response:
    return sample.owner.post(sample.file("api/v2.1"), params={"p": path}, json=form)


def _target(answer: httpx.Response) -> str:
    parts = urlsplit(answer.headers["location"])
    assert parts.path.startswith("/api2/repos/")
    assert parts.path.endswith("/file/")
    return parse_qs(parts.query)["p"][0]


def test_creates_empty_files(sample: Sample) -> None:
    answer = _old(sample, "/a/x.txt", operation="create")
    assert operation("api2-file-create").check(answer) == "success"
    assert _target(answer) == "/a/x.txt"
    told = operation("create-file").check(_new(sample, "/a/x.txt", operation="create"))
    assert (told["obj_name"], told["obj_id"], told["size"]) == ("x (1).txt", "0" * 40, 0)
    assert sample.texts()[0] == 'Added "x (1).txt"'


@pytest.mark.parametrize("suffix", ["docx", "xlsx", "pptx"])
def test_new_office_files_hold_an_empty_document(sample: Sample, suffix: str) -> None:
    told = operation("create-file").check(_new(sample, f"/new.{suffix}", operation="create"))
    content = sample.owner.download(sample.id, f"/new.{suffix}")
    assert told["size"] == len(content)
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None
    assert sample.texts()[:2] == [f'Modified "new.{suffix}"', f'Added "new.{suffix}"']


@pytest.mark.parametrize("path", ["/note.md", "/a/b/deep.txt"])
def test_renames_with_a_redirect_to_the_new_name(sample: Sample, path: str) -> None:
    answer = _old(sample, path, operation="rename", newname="neu ä.txt")
    assert operation("rename-file").check(answer) == "success"
    parent = path.rpartition("/")[0]
    assert _target(answer) == f"{parent}/neu ä.txt"
    followed = sample.owner.get(answer.headers["location"])
    assert httpx.get(followed.json()).status_code == 200
    assert sample.texts()[0] == f'Renamed "{path.rpartition("/")[2]}"'


def test_a_taken_name_gets_a_number_before_the_last_dot(sample: Sample) -> None:
    sample.owner.upload(sample.id, "/x.tar.gz", b"1")
    answer = _old(sample, "/note.md", operation="rename", newname="x.tar.gz")
    assert _target(answer) == "/x.tar (1).gz"


def test_the_newer_rename_tells_the_file(sample: Sample) -> None:
    told = operation("rclone-file-rename").check(
        _new(sample, "/note.md", operation="rename", newname="memo.md")
    )
    assert (told["obj_name"], told["size"]) == ("memo.md", 6)
    again = _new(sample, "/memo.md", operation="rename", newname="memo.md")
    assert (again.status_code, again.json()) == (400, {"error_msg": "The new name is the same to the old"})


def test_moves_inside_a_library(sample: Sample) -> None:
    form = {"operation": "move", "dst_repo": sample.id, "dst_dir": "/a/"}
    answer = _old(sample, "/note.md", **form)
    told = answer.json()
    assert answer.status_code == 301
    assert told == {"repo_id": sample.id, "parent_dir": "/a", "obj_name": "note.md"}
    assert _target(answer) == "/a/note.md"
    assert sample.texts()[0] == 'Moved "note.md"'
    assert sample.owner.download(sample.id, "/a/note.md") == b"# note"


def test_moving_to_the_same_folder_does_nothing(sample: Sample) -> None:
    before = sample.texts()
    form = {"operation": "move", "dst_repo": sample.id, "dst_dir": "/a/b"}
    answer = _old(sample, "/a/b/deep.txt", **form)
    assert (answer.status_code, answer.json()) == (200, "success")
    told = operation("rclone-file-move").check(_new(sample, "/a/b/deep.txt", **form))
    assert told["obj_name"] == "deep.txt"
    assert sample.texts() == before


def test_copies_inside_a_library(sample: Sample) -> None:
    form = {"operation": "copy", "dst_repo": sample.id, "dst_dir": "/"}
    answer = _old(sample, "/note.md", **form)
    assert (answer.status_code, answer.json()["obj_name"]) == (200, "note (1).md")
    told = operation("rclone-file-copy").check(_new(sample, "/note.md", **form))
    assert told["obj_name"] == "note (2).md"
    assert sample.texts()[:2] == ['Added "note (2).md"', 'Added "note (1).md"']


@pytest.mark.parametrize("call", [_old, _new])
def test_copies_and_moves_between_libraries(sample: Sample, call: Any) -> None:
    other = make_sample(sample.owner)
    to_other = {"dst_repo": other.id, "dst_dir": "/a/empty"}
    assert call(sample, "/note.md", operation="copy", **to_other).status_code == 200
    assert call(sample, "/a/b/deep.txt", operation="move", **to_other).status_code in (200, 301)
    assert other.owner.names(other.id, "/a/empty") == ["deep.txt", "note.md"]
    assert other.owner.download(other.id, "/a/empty/deep.txt") == b"deep"
    assert "/note.md" in sample.tree()
    assert "/a/b/deep.txt" not in sample.tree()
    assert other.texts()[:2] == ['Added "deep.txt"', 'Added "note.md"']
    assert sample.texts()[0] == 'Deleted "deep.txt"'


@pytest.mark.parametrize("word", ["move", "copy"])
def test_missing_sources_and_targets_are_told(sample: Sample, word: str) -> None:
    gone = _old(sample, "/no.md", operation=word, dst_repo=sample.id, dst_dir="/a")
    assert (gone.status_code, gone.json()) == (404, {"error_msg": "File not found"})
    nowhere = _old(sample, "/note.md", operation=word, dst_repo=sample.id, dst_dir="/no")
    assert (nowhere.status_code, nowhere.json()) == (404, {"error_msg": "Folder /no/ not found."})


@pytest.mark.parametrize("word", ["move", "copy"])
def test_nothing_is_put_into_libraries_of_strangers(sample: Sample, bob: ApiClient, word: str) -> None:
    foreign = bob.create_library("bob's")
    for call in (_old, _new):
        answer = call(sample, "/note.md", operation=word, dst_repo=foreign, dst_dir="/")
        assert answer.status_code == 403
    assert bob.names(foreign) == []


def test_changes_and_lists_the_folder(sample: Sample) -> None:
    query = {"p": "/note.md", "reloaddir": "true"}
    answer = sample.owner.post(sample.file(), params=query, data={"operation": "rename", "newname": "b.md"})
    assert [entry["name"] for entry in answer.json()] == ["a", "b.md", "ünïcode ☃.txt"]


# -- locks -----------------------------------------------------------------------------------------------


def test_locks_are_shown_and_given_back(sample: Sample) -> None:
    form = {"p": "/note.md", "operation": "lock", "expire": "1"}
    operation("lock-file").check(sample.owner.put(sample.file(), data=form))
    again = sample.owner.put(sample.file(), data=form)
    operation("lock-file").check_error(again, 403, "File is already locked")
    entry = next(e for e in sample.owner.listing(sample.id) if e["name"] == "note.md")
    assert (entry["is_locked"], entry["locked_by_me"]) == (True, True)
    assert entry["lock_owner"] == sample.owner.email
    assert entry["lock_expires"] - entry["lock_time"] in (86_399, 86_400)
    operation("unlock-file").check(sample.owner.put(sample.file(), data=form | {"operation": "unlock"}))
    entry = next(e for e in sample.owner.listing(sample.id) if e["name"] == "note.md")
    assert entry["is_locked"] is False


def test_the_newer_lock_call_tells_the_file(sample: Sample) -> None:
    query, path = {"p": "/note.md"}, sample.file("api/v2.1")
    locked = sample.owner.put(path, params=query, json={"operation": "lock"})
    assert operation("v21-file-lock").check(locked)["is_locked"] is True
    again = sample.owner.put(path, params=query, json={"operation": "lock"})
    operation("v21-file-lock").check_error(again, 400, "File is locked")
    refreshed = sample.owner.put(path, params=query, json={"operation": "refresh-lock", "expire": 2})
    assert operation("v21-file-lock").check(refreshed)["is_locked"] is True
    freed = sample.owner.put(path, params=query, json={"operation": "unlock"})
    assert operation("v21-file-lock").check(freed)["is_locked"] is False


# -- deleting, restoring ---------------------------------------------------------------------------------


def test_deletes_files_and_what_is_not_there(sample: Sample) -> None:
    for _ in range(2):
        answer = sample.owner.delete(sample.file(), params={"p": "/note.md"})
        assert operation("delete-file").check(answer) == "success"
    told = operation("v21-file-delete").check(
        sample.owner.delete(sample.file("api/v2.1"), params={"p": "/a/b/deep.txt"})
    )
    assert told["commit_id"] == _head(sample)
    assert sample.texts()[:2] == ['Deleted "deep.txt"', 'Deleted "note.md"']
    assert "/note.md" not in sample.tree()


@pytest.mark.parametrize("generation", ["api2", "v21"])
def test_brings_back_an_older_version(sample: Sample, generation: str) -> None:
    commit_id = _head(sample)
    sample.owner.upload(sample.id, "/note.md", b"changed", replace=True)
    _restore(sample, generation, "/note.md", commit_id)
    assert sample.owner.download(sample.id, "/note.md") == b"# note"
    assert sample.texts()[0].startswith('Reverted file "note.md" to status at 20')
    head = _head(sample)
    _restore(sample, generation, "/note.md", commit_id)
    assert _head(sample) == head, "the same content is no change"


@pytest.mark.parametrize("generation", ["api2", "v21"])
def test_brings_back_a_file_with_its_folders(sample: Sample, generation: str) -> None:
    commit_id = _head(sample)
    sample.owner.delete(sample.dir(), params={"p": "/a"})
    _restore(sample, generation, "/a/b/deep.txt", commit_id)
    assert sample.owner.download(sample.id, "/a/b/deep.txt") == b"deep"
    assert sample.texts()[1] == 'Added directory "a/b"'


def test_brings_back_a_file_beside_a_folder_of_its_name(sample: Sample) -> None:
    commit_id = _head(sample)
    sample.owner.delete(sample.file(), params={"p": "/note.md"})
    sample.owner.make_folder(sample.id, "/note.md")
    _restore(sample, "api2", "/note.md", commit_id)
    assert sample.owner.download(sample.id, "/note (1).md") == b"# note"


def _restore(sample: Sample, generation: str, path: str, commit_id: str) -> None:
    if generation == "api2":
        form = {"p": path, "commit_id": commit_id}
        operation("revert-file").check(sample.owner.put(REVERT.format(id=sample.id), data=form))
    else:
        answer = _new(sample, path, operation="revert", commit_id=commit_id)
        operation("restore-file-from-history").check(answer)
