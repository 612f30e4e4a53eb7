"""Several entries in one call: copied, moved, deleted; at once or in the background.

Source: catalog of client calls, "desktop client" and "rclone"; Web API manual, "Asynchronously Copy/Move
File/Directory"; transfers page.
"""

from __future__ import annotations

from typing import Any, Final

from seafleet import paths
from seafleet.access import Action
from seafleet.api.kernel import ApiError, ApiRequest, Marker, route
from seafleet.api.seafile import journeys
from seafleet.api.seafile.journeys import required
from seafleet.api.seafile.places import (
    author_of,
    entry_here,
    folder_here,
    folder_missing,
    require,
    with_slashes,
)
from seafleet.errors import FileLocked, TokenNotFound
from seafleet.library.edits import Delete
from seafleet.transfers.copying import Journey

Json = dict[str, Any]

_ARGUMENTS: Final = (
    "src_repo_id",
    "src_parent_dir",
    "src_dirent_name",
    "dst_repo_id",
    "dst_parent_dir",
    "operation",
    "dirent_type",
)


# -- at once ---------------------------------------------------------------------------------------------


@route(
    "POST",
    "/api/v2.1/repos/sync-batch-copy-item/",
    operation="desktop-sync-batch-copy-item",
    action=Action.WRITE,
)
def copy_items(request: ApiRequest) -> Json:
    """Copy entries of a folder into another, and answer when it is done."""
    journeys.run(request, journeys.batch(request, keep=True))
    return {"success": True}


@route("POST", "/api/v2.1/repos/sync-batch-move-item/", operation="rclone-move-dir", action=Action.WRITE)
def move_items(request: ApiRequest) -> Json:
    """Move entries of a folder into another, and answer when it is done."""
    journeys.run(request, journeys.batch(request, keep=False))
    return {"success": True}


@route("DELETE", "/api/v2.1/repos/batch-delete-item/", operation="desktop-batch-delete", action=Action.WRITE)
def delete_items(request: ApiRequest) -> Json:
    """Delete entries of a folder in one commit; names that are not there are passed over."""
    library_id = required(request, "repo_id")
    parent = paths.normalize_folder(required(request, "parent_dir"))
    names = tuple(name.strip("/") for name in request.params("dirents") if name.strip("/"))
    if not names:
        raise ApiError(400, "dirents invalid.")
    head = journeys.library_named(request, library_id)
    folder_here(request, head, parent)
    require(request, Action.WRITE, head, parent)
    try:
        edit = Delete(parent, names)
        done = request.services.libraries.commit_edit(head.library_id, author_of(request), edit)
    except FileLocked as error:
        raise ApiError(423, f"File {paths.split(error.path)[1]} is locked.") from None
    return {"success": True, "commit_id": done.commit_id}


# -- in the background -----------------------------------------------------------------------------------


@route(
    "POST",
    "/api/v2.1/repos/async-batch-copy-item/",
    operation="desktop-async-batch-copy-item",
    action=Action.WRITE,
)
def copy_items_later(request: ApiRequest) -> Json:
    """Copy entries of a folder into another, in the background when it takes time."""
    return _begin(request, journeys.batch(request, keep=True))


@route(
    "POST",
    "/api/v2.1/repos/async-batch-move-item/",
    operation="desktop-async-batch-move-item",
    action=Action.WRITE,
)
def move_items_later(request: ApiRequest) -> Json:
    """Move entries of a folder into another, in the background when it takes time."""
    return _begin(request, journeys.batch(request, keep=False))


@route(
    "POST",
    "/api/v2.1/copy-move-task/",
    operation="asynchronously-copy-move-file-directory-get-task-id",
    action=Action.WRITE,
)
def copy_or_move_later(request: ApiRequest) -> Json:
    """Copy or move one entry, in the background when it takes time."""
    given = {name: required(request, name) for name in _ARGUMENTS}
    parent = paths.normalize_folder(given["src_parent_dir"])
    folder = paths.normalize_folder(given["dst_parent_dir"])
    name = given["src_dirent_name"].strip("/")
    keep = _word(given)
    if given["src_repo_id"] == given["dst_repo_id"] and parent == folder and not keep:
        raise ApiError(400, "Invalid destination path")
    if len(paths.join(folder, name)) > journeys.MAX_PATH_CHARACTERS:
        raise ApiError(400, "Destination path is too long.")
    source = journeys.library_named(request, given["src_repo_id"])
    path = paths.join(parent, name)
    entry = entry_here(request, source, path)
    is_dir = given["dirent_type"].lower() == "dir"
    if entry is None or not entry.name or entry.is_dir is not is_dir:
        raise folder_missing(path) if is_dir else ApiError(404, f"File {path} not found.")
    target = journeys.library_named(request, given["dst_repo_id"])
    folder_here(request, target, folder)
    require(request, Action.WRITE, target, folder)
    require(request, Action.READ if keep else Action.WRITE, source, parent)
    if not keep and source.library_id == target.library_id and is_dir and paths.is_inside(folder, path):
        text = f"Can not move directory {with_slashes(path)} to its subdirectory {with_slashes(folder)}"
        raise ApiError(400, text)
    return _begin(request, Journey(source, parent, (name,), target, folder, keep))


def _word(given: dict[str, str]) -> bool:
    """Return whether the entry stays where it is; check the words first."""
    operation, kind = given["operation"].lower(), given["dirent_type"].lower()
    if operation not in ("move", "copy"):
        raise ApiError(400, "operation can only be 'move' or 'copy'.")
    if kind not in ("file", "dir"):
        raise ApiError(400, "operation can only be 'file' or 'dir'.")
    return operation == "copy"


def _begin(request: ApiRequest, journey: Journey) -> Json:
    """Do at once what is done by changing entries; begin a task for what copies content."""
    try:
        if journey.source.store_id == journey.target.store_id:
            journeys.run(request, journey)
            return {"task_id": ""}
        journeys.check(request, journey)
    except ApiError as error:
        raise _single(error) from None
    return {"task_id": request.services.tasks.start(request.caller, author_of(request), journey)}


def _single(error: ApiError) -> ApiError:
    return ApiError(403, "File is locked") if error.status == 403 and "locked" in error.message else error


@route(
    "GET",
    "/api/v2.1/query-copy-move-progress/",
    operation="asynchronously-copy-move-file-directory-query-progress",
    action=Marker.OWN_ACCOUNT,
)
def task_progress(request: ApiRequest) -> Json:
    """Tell how far a task of the caller's is, counted in files, and how it ended."""
    task_id = required(request, "task_id")
    try:
        told = request.services.tasks.progress(task_id, request.caller.account_id)
    except TokenNotFound:
        raise ApiError(500, "Error") from None
    return {
        "done": told.done,
        "total": told.total,
        "canceled": told.state == "canceled",
        "failed": told.state == "failed",
        "failed_reason": told.failed_reason,
        "successful": told.state == "done",
    }


@route(
    "DELETE",
    "/api/v2.1/copy-move-task/",
    operation="asynchronously-copy-move-file-directory-cancel-task",
    action=Marker.OWN_ACCOUNT,
)
def cancel_task(request: ApiRequest) -> Json:
    """Stop a task of the caller's; one that has ended, or that nobody knows, is stopped already."""
    task_id = request.form("task_id") or request.query("task_id")
    if not task_id:
        raise ApiError(400, "task_id invalid.")
    request.services.tasks.cancel(task_id, request.caller.account_id)
    return {"success": True}
