"""Files, older calls: detail, create, rename, move, copy, lock, delete.

Source: Web API manual, section "File"; files page.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from seafleet import paths
from seafleet.access import Action
from seafleet.api.kernel import JSON_UTF8, ApiError, ApiRequest, Reply, route
from seafleet.api.seafile.file_links import revision_of
from seafleet.api.seafile.listings import parent_listing
from seafleet.api.seafile.places import (
    LIBRARY_GONE,
    author_of,
    entry_here,
    file_here,
    folder_missing,
    library_here,
    permission_word,
    require,
)
from seafleet.api.seafile.shapes.times import iso
from seafleet.errors import (
    FileLocked,
    FileNotFound,
    FolderNotFound,
    InvalidId,
    InvalidName,
    InvalidPath,
    LibraryNotFound,
    NameUnchanged,
    PasswordRequired,
)
from seafleet.ids import LibraryId
from seafleet.library.edits import CreateFile, Delete, NewFile, Rename
from seafleet.transfers.copying import Journey, Landed

if TYPE_CHECKING:
    from seafleet.library.model import Edit, EditOutcome, Head

R = TypeVar("R")

MAX_NAME_CHARACTERS: Final = 255
_NO_PATH: Final = "Path is missing or invalid."
_FILE_GONE: Final = "File not found"
_ENCRYPTED: Final = "SearpcError:Can't copy files between encrypted repo(s)."


@route("GET", "/api2/repos/{library_id}/file/detail/", operation="get-file-detail", action=Action.READ)
@route("GET", "/api2/repos/{library_id}/file/detail/", operation="rclone-file-detail", action=Action.READ)
def file_detail(request: ApiRequest) -> Reply:
    """Tell size, time and last modifier of a file, or of the version in a commit."""
    text = request.param("p")
    if not text:
        raise ApiError(400, "Path is missing.")
    path = paths.normalize_file(text)
    head = library_here(request)
    commit_id = request.param("commit_id")
    if commit_id:
        entry = revision_of(request, head, path, commit_id, "File not found.")
    else:
        entry = file_here(request, head, path, "File not found.")
    require(request, Action.READ, head, paths.split(path)[0])
    services, email = request.services, entry.modifier or ""
    person = services.names.one(email)
    body = {
        "id": entry.id,
        "type": "file",
        "name": entry.name,
        "size": entry.size or 0,
        "mtime": entry.mtime,
        "last_modified": iso(entry.mtime, services.settings.zone),
        "last_modifier_email": email,
        "last_modifier_name": person.name,
        "last_modifier_contact_email": person.contact_email,
        "starred": path in services.stars.of(request.caller.account_id, head.library_id),
        "permission": permission_word(request, head, paths.split(path)[0]),
    }
    return Reply(body, media_type=JSON_UTF8)


# -- POST: one URL, several verbs ------------------------------------------------------------------------


@route("POST", "/api2/repos/{library_id}/file/", operation="rename-file", action=Action.WRITE)
@route("POST", "/api2/repos/{library_id}/file/", operation="move-file", action=Action.WRITE)
@route("POST", "/api2/repos/{library_id}/file/", operation="copy-file", action=Action.WRITE)
@route("POST", "/api2/repos/{library_id}/file/", operation="api2-file-create", action=Action.WRITE)
def change_file(request: ApiRequest) -> Reply:
    """Create, rename, move or copy a file."""
    head = library_here(request, LIBRARY_GONE)
    text = request.query("p") or request.form("p") or ""
    path = paths.normalize_file(text)
    if not text.startswith("/") or path == paths.ROOT:
        raise ApiError(400, _NO_PATH)
    verb = _VERBS.get((request.form("operation") or request.query("operation") or "").lower())
    if verb is None:
        raise ApiError(400, "Operation can only be rename, create or move.")
    return verb(request, head, path)


def _create(request: ApiRequest, head: Head, path: str) -> Reply:
    parent, name = paths.split(path)
    require(request, Action.WRITE, head, parent, "You do not have permission to create file.")
    placed = committed(request, head, CreateFile(parent, NewFile(name))).result
    headers = {"Location": file_url(request, head.library_id, placed.path)}
    return _reloaded(request, head, path, headers) or Reply("success", 201, headers)


def _rename(request: ApiRequest, head: Head, path: str) -> Reply:
    parent, name = paths.split(path)
    require(request, Action.WRITE, head, parent, "You do not have permission to rename file.")
    new_name = request.form("newname") or request.query("newname")
    if not new_name:
        raise ApiError(400, "New name is missing")
    if len(new_name) > MAX_NAME_CHARACTERS:
        raise ApiError(400, "New name is too long")
    if new_name == name:
        raise ApiError(409, "The new name is the same to the old")
    try:
        placed = committed(request, head, Rename(path, new_name, is_dir=False)).result
    except FileNotFound:
        raise ApiError(520, f"Failed to rename file: {_FILE_GONE}") from None
    headers = {"Location": file_url(request, head.library_id, placed.path)}
    return _reloaded(request, head, path, headers) or Reply("success", 301, headers)


def _move(request: ApiRequest, head: Head, path: str) -> Reply:
    parent = paths.split(path)[0]
    text = "You do not have permission to move file."
    require(request, Action.WRITE, head, parent, text)
    target, folder = _destination(request)
    if target.library_id == head.library_id and folder == parent:
        return Reply("success")
    require(request, Action.WRITE, target, folder, text)
    landed = _landed(request, head, path, target, folder, keep=False)
    headers = {"Location": file_url(request, target.library_id, landed.path)}
    return _reloaded(request, head, path, headers) or Reply(_landing(target, folder, landed), 301, headers)


def _copy(request: ApiRequest, head: Head, path: str) -> Reply:
    text = "You do not have permission to copy file."
    require(request, Action.READ, head, paths.split(path)[0], text)
    target, folder = _destination(request)
    require(request, Action.WRITE, target, folder, text)
    landed = _landed(request, head, path, target, folder, keep=True)
    headers = {"Location": file_url(request, target.library_id, landed.path)}
    reloaded = _reloaded(request, target, landed.path, headers)
    return reloaded or Reply(_landing(target, folder, landed), 200, headers)


_VERBS: Final = {"create": _create, "rename": _rename, "move": _move, "copy": _copy}


def _destination(request: ApiRequest) -> tuple[Head, str]:
    library_id = request.param("dst_repo")
    folder = request.param("dst_dir")
    if not library_id or not folder:
        raise ApiError(400, "Missing arguments.")
    try:
        target = request.services.libraries.get(LibraryId.parse(library_id))
    except (InvalidId, LibraryNotFound):
        raise ApiError(404, LIBRARY_GONE) from None
    path = paths.normalize_folder(folder)
    entry = entry_here(request, target, path)
    if entry is None or not entry.is_dir:
        raise folder_missing(path)
    return target, path


def _landed(request: ApiRequest, head: Head, path: str, target: Head, folder: str, *, keep: bool) -> Landed:
    parent, name = paths.split(path)
    file_here(request, head, path, _FILE_GONE)
    try:
        journey = Journey(head, parent, (name,), target, folder, keep)
        return request.services.copier.run(request.caller, author_of(request), journey)[0]
    except FileNotFound:
        raise ApiError(404, _FILE_GONE) from None
    except FolderNotFound:
        raise folder_missing(folder) from None
    except PasswordRequired:
        raise ApiError(500, _ENCRYPTED) from None


def _landing(target: Head, folder: str, landed: Landed) -> dict[str, Any]:
    return {"repo_id": target.library_id, "parent_dir": folder, "obj_name": landed.entry.name}


def _reloaded(request: ApiRequest, head: Head, path: str, headers: dict[str, str]) -> Reply | None:
    wanted = request.query("reloaddir") or request.form("reloaddir") or ""
    return parent_listing(request, head, path, headers) if wanted.lower() == "true" else None


# -- locks -----------------------------------------------------------------------------------------------


@route("PUT", "/api2/repos/{library_id}/file/", operation="lock-file", action=Action.WRITE)
@route("PUT", "/api2/repos/{library_id}/file/", operation="unlock-file", action=Action.WRITE)
def lock_file(request: ApiRequest) -> Reply:
    """Lock a file for the caller, or give the lock back."""
    head = library_here(request, LIBRARY_GONE)
    text = request.param("p") or ""
    path = paths.normalize_file(text)
    if not text:
        raise ApiError(400, _NO_PATH)
    try:
        file_here(request, head, path, _NO_PATH)
    except ApiError:
        raise ApiError(400, _NO_PATH) from None
    require(request, Action.WRITE, head, paths.split(path)[0])
    verb = (request.param("operation") or "").lower()
    if verb == "lock":
        return _lock(request, head, path)
    if verb == "unlock":
        return _unlock(request, head, path)
    raise ApiError(400, "Operation can only be lock or unlock")


def _lock(request: ApiRequest, head: Head, path: str) -> Reply:
    account_id = request.caller.account_id
    assert account_id is not None, "callers of the Web API have accounts"
    days = lock_days(request)
    until = request.services.clock.now() + timedelta(days=days) if days > 0 else None
    try:
        request.services.locks.lock(head.library_id, path, account_id, until=until)
    except FileLocked:
        raise ApiError(403, "File is already locked") from None
    return Reply("success")


def _unlock(request: ApiRequest, head: Head, path: str) -> Reply:
    try:
        if not request.services.locks.unlock(head.library_id, path, request.caller.account_id):
            raise ApiError(403, "File is not locked")
    except FileLocked:
        raise ApiError(403, "You can not unlock this file") from None
    return Reply("success")


def lock_days(request: ApiRequest) -> int:
    """Return for how many days a lock is asked for; 0 means until it is given back."""
    text = request.param("expire") or "0"
    try:
        return min(max(int(text), 0), 36_500)
    except ValueError:
        raise ApiError(400, "expire invalid.") from None


# -- delete ----------------------------------------------------------------------------------------------


@route("DELETE", "/api2/repos/{library_id}/file/", operation="delete-file", action=Action.WRITE)
@route("DELETE", "/api2/repos/{library_id}/file/", operation="rclone-delete-file", action=Action.WRITE)
def delete_file(request: ApiRequest) -> Reply:
    """Delete a file, or a folder; what is not there is deleted already."""
    head = library_here(request, LIBRARY_GONE)
    text = request.param("p")
    if not text:
        raise ApiError(400, "Path is missing.")
    path = paths.normalize_file(text)
    require(request, Action.WRITE, head, paths.split(path)[0])
    if path == paths.ROOT:
        raise ApiError(400, "Path is missing.")
    committed(request, head, Delete.path(path))
    if (request.param("reloaddir") or "").lower() == "true":
        return parent_listing(request, head, path)
    return Reply("success")


# -- parts -----------------------------------------------------------------------------------------------


def file_url(request: ApiRequest, library_id: str, path: str) -> str:
    """Return the URL that answers with a file's download link."""
    return request.absolute_url(f"/api2/repos/{library_id}/file/?p={quote(path)}", encoded=True)


def committed(
    request: ApiRequest, head: Head, edit: Edit[R], invalid_name: str = "File name invalid."
) -> EditOutcome[R]:
    """Commit an edit, and word its refusals as calls on files do."""
    try:
        return request.services.libraries.commit_edit(head.library_id, author_of(request), edit)
    except InvalidName:
        raise ApiError(400, invalid_name) from None
    except InvalidPath:
        raise ApiError(400, "Path is too long.") from None
    except FolderNotFound as error:
        raise folder_missing(str(error.what)) from None
    except NameUnchanged:
        raise ApiError(409, "The new name is the same to the old") from None
