"""Folders: listed, detailed, made, renamed, removed.

Source: Web API manual, section "Directory"; directories page; Web API conventions §8, §9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from seafleet import paths
from seafleet.access import Action
from seafleet.api.kernel import ApiError, ApiRequest, Reply, route
from seafleet.api.seafile.listings import check_listing, list_folder, list_folder_v21, parent_listing
from seafleet.api.seafile.places import (
    LIBRARY_GONE,
    author_of,
    entry_here,
    folder_here,
    folder_missing,
    library_here,
    require,
    with_slashes,
)
from seafleet.api.seafile.restoring import restore
from seafleet.api.seafile.shapes.infos import folder_info
from seafleet.api.seafile.shapes.times import iso
from seafleet.errors import FolderNotFound, InvalidName, InvalidPath, NameTaken, NameUnchanged
from seafleet.library.edits import Delete, MakeFolder, MakeFolders, Placed, Rename

if TYPE_CHECKING:
    from seafleet.library.model import Edit, EditOutcome, Head

R = TypeVar("R")

_TRUE: Final = ("true", "1")
_V21_WORDS: Final = "operation can only be 'mkdir', 'rename' or 'revert'."


# -- reading ---------------------------------------------------------------------------------------------


@route("GET", "/api2/repos/{library_id}/dir/", operation="list-directory-entries", action=Action.LIST)
@route("GET", "/api2/repos/{library_id}/dir/", operation="rclone-list-v2", action=Action.LIST)
def list_directory(request: ApiRequest) -> Reply:
    """List a folder, flat or with everything below it."""
    check_listing(request)
    head = library_here(request)
    return list_folder(request, head, paths.normalize_folder(request.param("p") or "/"))


@route("GET", "/api/v2.1/repos/{library_id}/dir/", operation="rclone-list-v21", action=Action.LIST)
def list_directory_v21(request: ApiRequest) -> Reply:
    """List a folder in the newer shape."""
    check_listing(request)
    for name in ("with_thumbnail", "with_parents"):
        if (request.param(name) or "false").lower() not in ("true", "false"):
            raise ApiError(400, f"{name} invalid.")
    head = library_here(request)
    return list_folder_v21(request, head, paths.normalize_folder(request.param("p") or "/"))


@route(
    "GET", "/api/v2.1/repos/{library_id}/dir/detail/", operation="get-directory-detail", action=Action.LIST
)
@route("GET", "/api/v2.1/repos/{library_id}/dir/detail/", operation="rclone-dir-detail", action=Action.LIST)
def directory_detail(request: ApiRequest) -> dict[str, Any]:
    """Tell size and counts of everything below a folder."""
    text = request.param("path") or ""
    path = paths.normalize_folder(text)
    if not text or path == paths.ROOT:
        raise ApiError(400, "path invalid.")
    head = library_here(request)
    entry = entry_here(request, head, path)
    if entry is None or not entry.is_dir:
        raise folder_missing(path)
    require(request, Action.LIST, head, path)
    stats = request.services.trees.stats(head.store_id, entry.id)
    return {
        "repo_id": head.library_id,
        "path": with_slashes(path),
        "name": entry.name,
        "file_count": stats.file_count,
        "dir_count": stats.folder_count,
        "size": stats.size_bytes,
        "mtime": iso(entry.mtime, request.services.settings.zone),
    }


# -- changing, older calls -------------------------------------------------------------------------------


@route("POST", "/api2/repos/{library_id}/dir/", operation="create-new-directory", action=Action.WRITE)
@route("POST", "/api2/repos/{library_id}/dir/", operation="rclone-mkdir", action=Action.WRITE)
@route("POST", "/api2/repos/{library_id}/dir/", operation="rename-directory", action=Action.WRITE)
@route("POST", "/api2/repos/{library_id}/dir/", operation="rclone-rename-dir", action=Action.WRITE)
def change_directory(request: ApiRequest) -> Reply:
    """Make or rename a folder."""
    head = library_here(request, LIBRARY_GONE)
    text = request.query("p") or request.form("p") or ""
    if not text.startswith("/"):
        raise ApiError(400, "Path is missing.")
    path = paths.normalize_folder(text)
    if path == paths.ROOT:
        raise ApiError(400, "Path is invalid.")
    verb = _VERBS.get((request.form("operation") or request.query("operation") or "").lower())
    if verb is None:
        raise ApiError(400, "Operation not supported.")
    return verb(request, head, path)


def _make(request: ApiRequest, head: Head, path: str) -> Reply:
    if (request.param("create_parents") or "").lower() in _TRUE:
        return _make_with_parents(request, head, path)
    parent, name = paths.split(path)
    _check_name(name, "Folder name invalid.")
    folder_here(request, head, parent)
    require(request, Action.WRITE, head, parent)
    placed = _committed(request, head, MakeFolder(path), "Folder name invalid.").result
    return _made(request, head, placed.path)


def _make_with_parents(request: ApiRequest, head: Head, path: str) -> Reply:
    require(request, Action.WRITE, head)
    try:
        _committed(request, head, MakeFolders(paths.ROOT, path), "Folder name invalid.")
    except NameTaken:
        raise ApiError(520, "Failed to make directory.") from None
    return _made(request, head, path)


def _made(request: ApiRequest, head: Head, path: str) -> Reply:
    headers = {"Location": folder_url(request, head, path)}
    if (request.query("reloaddir") or "").lower() == "true":
        return parent_listing(request, head, path, headers)
    return Reply("success", 201, headers)


def _rename(request: ApiRequest, head: Head, path: str) -> Reply:
    _require_folder(request, head, path)
    require(request, Action.WRITE, head, path)
    new_name = request.form("newname") or request.query("newname")
    if not new_name:
        raise ApiError(400, "New name is mandatory.")
    if new_name == paths.split(path)[1]:
        return Reply("success")
    _check_name(new_name, "Folder name invalid.")
    _committed(request, head, Rename(path, new_name, is_dir=True), "Folder name invalid.")
    return Reply("success")


_VERBS: Final = {"mkdir": _make, "rename": _rename}


@route("DELETE", "/api2/repos/{library_id}/dir/", operation="delete-directory", action=Action.WRITE)
@route("DELETE", "/api2/repos/{library_id}/dir/", operation="rclone-delete-dir", action=Action.WRITE)
def delete_directory(request: ApiRequest) -> Reply:
    """Remove a folder with all it holds; the manual lets it remove files too."""
    path = _path_of_deleted(request)
    head = library_here(request)
    entry = entry_here(request, head, path)
    if entry is None:
        raise folder_missing(path)
    require(request, Action.WRITE, head, path)
    if path == paths.ROOT:
        raise ApiError(400, "Path is invalid.")
    request.services.libraries.commit_edit(head.library_id, author_of(request), Delete.path(path))
    if (request.param("reloaddir") or "").lower() == "true":
        return parent_listing(request, head, path)
    return Reply("success")


# -- changing, newer calls -------------------------------------------------------------------------------


@route("POST", "/api/v2.1/repos/{library_id}/dir/", operation="v21-dir-mkdir", action=Action.WRITE)
@route("POST", "/api/v2.1/repos/{library_id}/dir/", operation="v21-dir-rename", action=Action.WRITE)
@route("POST", "/api/v2.1/repos/{library_id}/dir/", operation="v21-dir-revert", action=Action.WRITE)
def change_directory_v21(request: ApiRequest) -> dict[str, Any]:
    """Make, rename or bring back a folder, and tell what came of it."""
    text = request.query("p") or request.form("p") or ""
    if not text.startswith("/"):
        raise ApiError(400, "p invalid.")
    path = paths.normalize_folder(text)
    if path == paths.ROOT:
        raise ApiError(400, "Can not operate root dir.")
    word = (request.form("operation") or request.query("operation") or "").lower()
    if not word:
        raise ApiError(400, "operation invalid.")
    verb = _V21_VERBS.get(word)
    if verb is None:
        raise ApiError(400, _V21_WORDS)
    return verb(request, library_here(request), path)


def _make_v21(request: ApiRequest, head: Head, path: str) -> dict[str, Any]:
    parent, name = paths.split(path)
    folder_here(request, head, parent)
    require(request, Action.WRITE, head, parent)
    _check_name(name, "name invalid.")
    placed = _committed(request, head, MakeFolder(path), "name invalid.").result
    return folder_info(request, head, placed)


def _rename_v21(request: ApiRequest, head: Head, path: str) -> dict[str, Any]:
    new_name = request.form("newname") or request.query("newname")
    if not new_name:
        raise ApiError(400, "newname invalid.")
    _check_name(new_name, "name invalid.")
    _require_folder(request, head, path)
    require(request, Action.WRITE, head, path)
    try:
        placed = _committed(request, head, Rename(path, new_name, is_dir=True), "name invalid.").result
    except NameUnchanged:
        entry = entry_here(request, head, path)
        assert entry is not None
        placed = Placed(path, entry)
    return folder_info(request, head, placed)


def _revert_v21(request: ApiRequest, head: Head, path: str) -> dict[str, Any]:
    commit_id = request.form("commit_id") or request.query("commit_id")
    if not commit_id:
        raise ApiError(400, "commit_id invalid.")
    there = entry_here(request, head, path)
    require(request, Action.WRITE, head, paths.ROOT if there is None else path)
    restore(request, head, path, commit_id, is_dir=True, missing=folder_missing(path))
    return {"success": True}


_V21_VERBS: Final = {"mkdir": _make_v21, "rename": _rename_v21, "revert": _revert_v21}


@route("DELETE", "/api/v2.1/repos/{library_id}/dir/", operation="v21-dir-delete", action=Action.WRITE)
def delete_directory_v21(request: ApiRequest) -> dict[str, Any]:
    """Remove a folder with all it holds."""
    path = _path_of_deleted(request)
    if path == paths.ROOT:
        raise ApiError(400, "Can not delete root path.")
    head = library_here(request)
    _require_folder(request, head, path)
    require(request, Action.WRITE, head, path)
    done = request.services.libraries.commit_edit(head.library_id, author_of(request), Delete.path(path))
    return {"success": True, "commit_id": done.commit_id}


# -- parts -----------------------------------------------------------------------------------------------


def folder_url(request: ApiRequest, head: Head, path: str) -> str:
    """Return the URL under which a folder is listed."""
    return request.absolute_url(f"/api2/repos/{head.library_id}/dir/?p={quote(path)}", encoded=True)


def _path_of_deleted(request: ApiRequest) -> str:
    text = request.param("p")
    if not text:
        raise ApiError(400, "p invalid.")
    return paths.normalize_folder(text)


def _require_folder(request: ApiRequest, head: Head, path: str) -> None:
    entry = entry_here(request, head, path)
    if entry is None or not entry.is_dir:
        raise folder_missing(path)


def _check_name(name: str, text: str) -> None:
    try:
        paths.validate_name(name)
    except InvalidName:
        raise ApiError(400, text) from None


def _committed(request: ApiRequest, head: Head, edit: Edit[R], invalid_name: str) -> EditOutcome[R]:
    """Commit an edit, and word its refusals as calls on folders do."""
    try:
        return request.services.libraries.commit_edit(head.library_id, author_of(request), edit)
    except InvalidName:
        raise ApiError(400, invalid_name) from None
    except InvalidPath:
        raise ApiError(400, "Path is too long.") from None
    except FolderNotFound as error:
        raise folder_missing(str(error.what)) from None
