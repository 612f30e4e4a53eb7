"""Several entries at once: fileops, batches, and tasks in the background."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from tests.blackbox.conftest import Sample, make_sample
from tests.support.catalog import operation
from tests.support.server import ApiClient

NOWHERE = "00000000-0000-4000-8000-000000000000"
TASK = "/api/v2.1/copy-move-task/"
PROGRESS = "/api/v2.1/query-copy-move-progress/"
DELETE = "/api/v2.1/repos/batch-delete-item/"
COPY_TASK = "asynchronously-copy-move-file-directory-get-task-id"
_DEADLINE_SECONDS = 30.0


def fileops(sample: Sample, verb: str, query: dict[str, str], **form: Any) -> httpx.Response:
    """Send one of the older calls."""
    return sample.owner.post(f"/api2/repos/{sample.id}/fileops/{verb}/", params=query, data=form)


def batch(sample: Sample, verb: str, target: Sample, folder: str, *names: str, parent: str = "/") -> Any:
    """Send one of the batch calls."""
    body = {
        "src_repo_id": sample.id,
        "src_parent_dir": parent,
        "src_dirents": list(names),
        "dst_repo_id": target.id,
        "dst_parent_dir": folder,
    }
    return sample.owner.post(f"/api/v2.1/repos/{verb}-item/", json=body)


def finished(client: ApiClient, task_id: str) -> dict[str, Any]:
    """Return the last progress of a task."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while time.monotonic() < deadline:
        told: dict[str, Any] = client.json("GET", PROGRESS, params={"task_id": task_id})
        if told["successful"] or told["failed"] or told["canceled"]:
            return told
    raise AssertionError("the task did not end")


# -- fileops ---------------------------------------------------------------------------------------------

COPY = "multiple-files-directories-copy"
MOVE = "multiple-files-directories-move"
SAME = "The destination directory is the same as the source."


@pytest.mark.parametrize(
    ("name", "verb", "query", "form", "status", "text"),
    [
        (COPY, "copy", {}, {}, 400, "Missing argument."),
        (COPY, "copy", {}, {"file_names": "a", "dst_dir": "/"}, 400, "Missing argument."),
        (MOVE, "move", {}, {"file_names": "a", "dst_repo": NOWHERE}, 400, "Missing argument."),
        (MOVE, "move", {"p": "/a"}, {"file_names": "b", "dst_repo": "{id}", "dst_dir": "/a/"}, 400, SAME),
        (
            COPY, "copy", {"p": "/no"}, {"file_names": "a", "dst_repo": "{id}", "dst_dir": "/a"}, 404,
            "Folder /no/ not found.",
        ),
        (
            COPY, "copy", {}, {"file_names": "a", "dst_repo": NOWHERE, "dst_dir": "/"}, 404,
            f"Library {NOWHERE} not found.",
        ),
        (
            COPY, "copy", {}, {"file_names": "a:no", "dst_repo": "{id}", "dst_dir": "/a/b"}, 400,
            "file_names invalid.",
        ),
    ],
)  # fmt: skip
def test_fileops_refuse_in_the_documented_words(
    shared: Sample, name: str, verb: str, query: dict[str, str], form: dict[str, str], status: int, text: str
) -> None:
    form = {key: value.replace("{id}", shared.id) for key, value in form.items()}
    operation(name).check_error(fileops(shared, verb, query, **form), status, text)


def test_fileops_copy_several_under_free_names(sample: Sample) -> None:
    sample.owner.upload(sample.id, "/a/note.md", b"other")
    form = {"file_names": "note.md:a:", "dst_repo": sample.id, "dst_dir": "/a/empty"}
    told = operation(COPY).check(fileops(sample, "copy", {"p": "/"}, **form))
    assert [each["obj_name"] for each in told] == ["note.md", "a"]
    again = fileops(sample, "copy", {}, file_names="note.md", dst_repo=sample.id, dst_dir="/a").json()
    assert again == [{"repo_id": sample.id, "parent_dir": "/a", "obj_name": "note (1).md"}]
    assert "/a/empty/a/b/deep.txt" in sample.tree()
    assert sample.texts()[:2] == ['Added "note (1).md"', 'Added "note.md" and 1 more files']


def test_fileops_move_several_into_another_library(sample: Sample) -> None:
    other = make_sample(sample.owner)
    form = {"file_names": ["note.md", "a"], "dst_repo": other.id, "dst_dir": "/a/empty"}
    operation(MOVE).check(fileops(sample, "move", {}, **form))
    assert sample.tree() == ["/ünïcode ☃.txt"]
    assert other.owner.download(other.id, "/a/empty/a/b/deep.txt") == b"deep"
    assert sample.texts()[0] == 'Deleted "note.md" and 1 more files'


def test_fileops_delete_several_in_one_commit(sample: Sample) -> None:
    answer = fileops(sample, "delete", {"p": "/"}, file_names="a:no:note.md")
    assert operation("multiple-files-directories-delete").check(answer) == "success"
    assert sample.tree() == ["/ünïcode ☃.txt"]
    assert sample.texts()[0] == 'Removed directory "a" and 1 more files' or sample.texts()[0].startswith(
        'Deleted "a" and 1 more'
    )
    listed = fileops(sample, "delete", {"reloaddir": "true"}, file_names="ünïcode ☃.txt")
    assert listed.json() == []


def test_fileops_are_for_those_with_access(shared: Sample, bob: ApiClient) -> None:
    mine = bob.create_library("bob's own")
    form = {"file_names": "note.md", "dst_repo": mine, "dst_dir": "/"}
    answer = bob.post(f"/api2/repos/{shared.id}/fileops/copy/", data=form)
    operation(COPY).check_error(answer, 403, "You do not have permission to copy file of this folder.")
    form["dst_repo"] = mine
    answer = fileops(shared, "copy", {}, **form)
    operation(COPY).check_error(answer, 403, "You do not have permission to copy file to destination folder.")


# -- batches ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["sync-batch-copy", "sync-batch-move"])
def test_batches_bring_entries_at_once(sample: Sample, verb: str) -> None:
    other = make_sample(sample.owner)
    assert batch(sample, verb, sample, "/a/empty", "note.md").json() == {"success": True}
    assert batch(sample, verb, other, "/a/empty", "a", "ünïcode ☃.txt").json() == {"success": True}
    assert other.owner.download(other.id, "/a/empty/a/b/deep.txt") == b"deep"
    assert ("/a/b/deep.txt" in sample.tree()) is (verb == "sync-batch-copy")


@pytest.mark.parametrize("verb", ["sync-batch-copy", "sync-batch-move", "async-batch-copy"])
@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        ({"src_repo_id": ""}, 400, "src_repo_id invalid."),
        ({"src_parent_dir": ""}, 400, "src_parent_dir invalid."),
        ({"src_dirents": []}, 400, "src_dirents invalid."),
        ({"dst_repo_id": ""}, 400, "dst_repo_id invalid."),
        ({"dst_parent_dir": ""}, 400, "dst_parent_dir invalid."),
        ({"src_repo_id": NOWHERE}, 404, f"Library {NOWHERE} not found."),
        ({"dst_parent_dir": "/no"}, 404, "Folder /no/ not found."),
    ],
)
def test_batches_refuse_in_the_documented_words(
    shared: Sample, verb: str, change: dict[str, Any], status: int, text: str
) -> None:
    body = {
        "src_repo_id": shared.id,
        "src_parent_dir": "/",
        "src_dirents": ["note.md"],
        "dst_repo_id": shared.id,
        "dst_parent_dir": "/a",
    }
    answer = shared.owner.post(f"/api/v2.1/repos/{verb}-item/", json=body | change)
    operation("desktop-sync-batch-copy-item").check_error(answer, status, text)


def test_batches_delete_in_one_commit(sample: Sample) -> None:
    body = {"repo_id": sample.id, "parent_dir": "/", "dirents": ["a", "note.md", "no"]}
    told = operation("desktop-batch-delete").check(sample.owner.request("DELETE", DELETE, json=body))
    assert sample.tree() == ["/ünïcode ☃.txt"]
    assert told["commit_id"] == sample.owner.json("GET", f"/api2/repos/{sample.id}/")["head_commit_id"]


def test_a_folder_is_not_moved_into_itself(sample: Sample) -> None:
    before = sample.tree()
    assert batch(sample, "sync-batch-move", sample, "/a/b", "a").status_code == 400
    assert sample.tree() == before


# -- tasks -----------------------------------------------------------------------------------------------


def task_form(sample: Sample, target: Sample, **change: str) -> dict[str, str]:
    """Return the arguments of a copy of `/a` into `/a/empty` of another library."""
    return {
        "src_repo_id": sample.id,
        "src_parent_dir": "/",
        "src_dirent_name": "a",
        "dst_repo_id": target.id,
        "dst_parent_dir": "/a/empty",
        "operation": "copy",
        "dirent_type": "dir",
    } | change


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        ({"src_repo_id": ""}, 400, "src_repo_id invalid."),
        ({"src_parent_dir": ""}, 400, "src_parent_dir invalid."),
        ({"src_dirent_name": ""}, 400, "src_dirent_name invalid."),
        ({"dst_repo_id": ""}, 400, "dst_repo_id invalid."),
        ({"dst_parent_dir": ""}, 400, "dst_parent_dir invalid."),
        ({"operation": ""}, 400, "operation invalid."),
        ({"dirent_type": ""}, 400, "dirent_type invalid."),
        ({"operation": "move", "dst_parent_dir": "/"}, 400, "Invalid destination path"),
        ({"dst_parent_dir": "/" + "x" * 4096}, 400, "Destination path is too long."),
        ({"operation": "fly"}, 400, "operation can only be 'move' or 'copy'."),
        ({"dirent_type": "link"}, 400, "operation can only be 'file' or 'dir'."),
        ({"src_repo_id": NOWHERE}, 404, f"Library {NOWHERE} not found."),
        ({"src_dirent_name": "no"}, 404, "Folder /no/ not found."),
        ({"src_dirent_name": "no", "dirent_type": "file"}, 404, "File /no not found."),
        ({"dst_repo_id": NOWHERE}, 404, f"Library {NOWHERE} not found."),
        ({"dst_parent_dir": "/no"}, 404, "Folder /no/ not found."),
        (
            {"operation": "move"}, 400,
            "Can not move directory /a/ to its subdirectory /a/empty/",
        ),
    ],
)  # fmt: skip
def test_tasks_refuse_in_the_documented_words(
    shared: Sample, change: dict[str, str], status: int, text: str
) -> None:
    answer = shared.owner.post(TASK, data=task_form(shared, shared, **change))
    operation(COPY_TASK).check_error(answer, status, text)


def test_inside_a_library_there_is_nothing_to_wait_for(sample: Sample) -> None:
    form = task_form(sample, sample, src_dirent_name="note.md", dirent_type="file", operation="move")
    assert sample.owner.post(TASK, data=form).json() == {"task_id": ""}
    assert "/a/empty/note.md" in sample.tree()


@pytest.mark.parametrize("word", ["copy", "move"])
def test_a_task_brings_a_folder_and_tells_how_far_it_is(sample: Sample, word: str) -> None:
    other = make_sample(sample.owner)
    task_id = sample.owner.json("POST", TASK, data=task_form(sample, other, operation=word))["task_id"]
    told = finished(sample.owner, task_id)
    assert (told["successful"], told["done"], told["total"]) == (True, 1, 1)
    assert other.owner.download(other.id, "/a/empty/a/b/deep.txt") == b"deep"
    assert ("/a/b/deep.txt" in sample.tree()) is (word == "copy")
    assert other.texts()[0] == 'Added directory "a"'
    name = "asynchronously-copy-move-file-directory-query-progress"
    operation(name).check(sample.owner.get(PROGRESS, params={"task_id": task_id}))


@pytest.mark.parametrize("verb", ["async-batch-copy", "async-batch-move"])
def test_batches_go_on_in_the_background(sample: Sample, verb: str) -> None:
    other = make_sample(sample.owner)
    answer = batch(sample, verb, other, "/a/empty", "a", "note.md")
    assert finished(sample.owner, answer.json()["task_id"])["successful"]
    assert other.owner.names(other.id, "/a/empty") == ["a", "note.md"]


def test_tasks_belong_to_who_began_them(sample: Sample, bob: ApiClient) -> None:
    other = make_sample(sample.owner)
    task_id = sample.owner.json("POST", TASK, data=task_form(sample, other))["task_id"]
    answer = bob.get(PROGRESS, params={"task_id": task_id})
    assert (answer.status_code, answer.json()) == (500, {"error_msg": "Error"})
    assert bob.request("DELETE", TASK, data={"task_id": task_id}).json() == {"success": True}
    assert finished(sample.owner, task_id)["successful"], "a stranger cancels nothing"


def test_ended_and_unknown_tasks_are_canceled_already(alice: ApiClient) -> None:
    assert alice.request("DELETE", TASK, data={"task_id": NOWHERE}).json() == {"success": True}
    missing = alice.request("DELETE", TASK)
    name = "asynchronously-copy-move-file-directory-cancel-task"
    operation(name).check_error(missing, 400, "task_id invalid.")
    operation(name).check_error(alice.get(PROGRESS), 400, "task_id invalid.")


# -- between libraries of different keys -----------------------------------------------------------------


def unlock(sample: Sample, password: str) -> None:
    """Give the password of a library."""
    answer = sample.owner.post(f"/api2/repos/{sample.id}/", data={"password": password})
    assert answer.json() == "success"


def test_copies_into_and_out_of_encrypted_libraries(sample: Sample) -> None:
    vault = Sample(sample.owner, sample.owner.create_library("vault", passwd="abcdefgh"))
    locked = batch(sample, "async-batch-copy", vault, "/", "a")
    assert (locked.status_code, locked.json()) == (403, {"lib_need_decrypt": True})
    unlock(vault, "abcdefgh")
    task_id = batch(sample, "async-batch-copy", vault, "/", "a", "note.md").json()["task_id"]
    assert finished(sample.owner, task_id)["successful"]
    assert vault.owner.download(vault.id, "/a/b/deep.txt") == b"deep"
    assert vault.tree() == ["/a/", "/a/b/", "/a/b/deep.txt", "/a/empty/", "/note.md"]
    second = Sample(sample.owner, sample.owner.create_library("second", passwd="ijklmnop"))
    unlock(second, "ijklmnop")
    assert batch(vault, "sync-batch-move", second, "/", "a").json() == {"success": True}
    assert second.owner.download(second.id, "/a/b/deep.txt") == b"deep"
    assert batch(second, "sync-batch-copy", sample, "/a/empty", "a").json() == {"success": True}
    assert sample.owner.download(sample.id, "/a/empty/a/b/deep.txt") == b"deep"
