"""Files, newer calls: each answers with what the file is afterwards.

Source: Web API manual, "Create File" and "Restore File From History"; files page.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from seafleet import paths
from seafleet.access import Action
from seafleet.api.kernel import ApiError, ApiRequest, route
from seafleet.api.seafile.files import MAX_NAME_CHARACTERS, committed, lock_days
from seafleet.api.seafile.places import (
    author_of,
    entry_here,
    file_here,
    folder_here,
    folder_missing,
    library_here,
    require,
)
from seafleet.api.seafile.restoring import restore
from seafleet.api.seafile.shapes.infos import file_info
from seafleet.errors import FileLocked, FolderNotFound, InvalidId, InvalidName, PasswordRequired
from seafleet.files.office import empty_document
from seafleet.ids import LibraryId
from seafleet.library.edits import CreateFile, Delete, NewFile, Placed, Rename, UpdateFile
from seafleet.store.ingest import FileIngest
from seafleet.transfers.copying import Journey

if TYPE_CHECKING:
    from seafleet.formats.fs import Dirent
    from seafleet.library.model import Head

Json = dict[str, Any]

_WORDS: Final = "operation can only be 'create', 'rename', 'move', 'copy' or 'revert'."
_LOCK_WORDS: Final = "operation can only be 'lock', 'unlock' or 'refresh-lock'."


@route("GET", "/api/v2.1/repos/{library_id}/file/", operation="v21-file-info", action=Action.READ)
def describe_file(request: ApiRequest) -> Json:
    """Tell what a file is."""
    path = _path(request)
    head = library_here(request)
    entry = _file(request, head, path)
    require(request, Action.READ, head, paths.split(path)[0])
    return file_info(request, head, Placed(path, entry))


# -- POST ------------------------------------------------------------------------------------------------


@route("POST", "/api/v2.1/repos/{library_id}/file/", operation="create-file", action=Action.WRITE)
@route("POST", "/api/v2.1/repos/{library_id}/file/", operation="rclone-file-rename", action=Action.WRITE)
@route("POST", "/api/v2.1/repos/{library_id}/file/", operation="rclone-file-move", action=Action.WRITE)
@route("POST", "/api/v2.1/repos/{library_id}/file/", operation="rclone-file-copy", action=Action.WRITE)
@route(
    "POST", "/api/v2.1/repos/{library_id}/file/", operation="restore-file-from-history", action=Action.WRITE
)
def change_file_v21(request: ApiRequest) -> Json:
    """Create, rename, move, copy or restore a file."""
    path = _path(request)
    word = (request.form("operation") or request.query("operation") or "").lower()
    if not word:
        raise ApiError(400, "operation invalid.")
    verb = _VERBS.get(word)
    if verb is None:
        raise ApiError(400, _WORDS)
    return verb(request, library_here(request), path)


def _create(request: ApiRequest, head: Head, path: str) -> Json:
    parent, name = paths.split(path)
    folder_here(request, head, parent)
    require(request, Action.WRITE, head, parent)
    _check_name(name)
    placed = committed(request, head, CreateFile(parent, NewFile(name)), "name invalid.").result
    return file_info(request, head, _with_document(request, head, placed))


def _with_document(request: ApiRequest, head: Head, placed: Placed) -> Placed:
    """Put an empty document into a new office file; without the password of its library it stays empty."""
    content = empty_document(placed.entry.name)
    if content is None:
        return placed
    objects = request.services.objects
    try:
        cipher = request.services.transfers.keys.cipher(head, request.caller)
    except PasswordRequired:
        return placed
    seen = objects.generation(head.store_id)
    ingest = FileIngest(objects, head.store_id, cipher=cipher)
    ingest.write(content)
    edit = UpdateFile(placed.path, NewFile.received(placed.entry.name, ingest.finish()), seen)
    return committed(request, head, edit, "name invalid.").result


def _rename(request: ApiRequest, head: Head, path: str) -> Json:
    new_name = request.form("newname") or request.query("newname")
    if not new_name:
        raise ApiError(400, "newname invalid.")
    _check_name(new_name)
    if len(new_name) > MAX_NAME_CHARACTERS:
        raise ApiError(400, "newname is too long.")
    if new_name == paths.split(path)[1]:
        raise ApiError(400, "The new name is the same to the old")
    _file(request, head, path)
    require(request, Action.WRITE, head, paths.split(path)[0])
    placed = committed(request, head, Rename(path, new_name, is_dir=False), "name invalid.").result
    return file_info(request, head, placed)


def _move(request: ApiRequest, head: Head, path: str) -> Json:
    target_id, folder = _destination(request, "dst_repo invalid.")
    entry = _file(request, head, path)
    target = request.services.libraries.get(target_id)
    folder_here(request, target, folder)
    parent = paths.split(path)[0]
    require(request, Action.WRITE, head, parent)
    require(request, Action.WRITE, target, folder)
    if target.library_id == head.library_id and folder == parent:
        return file_info(request, head, Placed(path, entry))
    return _landed(request, head, path, target, folder, keep=False)


def _copy(request: ApiRequest, head: Head, path: str) -> Json:
    target_id, folder = _destination(request, "dst_repo_id invalid.")
    _file(request, head, path)
    target = request.services.libraries.get(target_id)
    folder_here(request, target, folder)
    require(request, Action.READ, head, paths.split(path)[0])
    require(request, Action.WRITE, target, folder)
    return _landed(request, head, path, target, folder, keep=True)


def _revert(request: ApiRequest, head: Head, path: str) -> Json:
    commit_id = request.form("commit_id") or request.query("commit_id")
    if not commit_id:
        raise ApiError(400, "commit_id invalid.")
    there = entry_here(request, head, path)
    require(request, Action.WRITE, head, paths.ROOT if there is None else paths.split(path)[0])
    restore(request, head, path, commit_id, is_dir=False)
    return {"success": True, "ret": 0}


_VERBS: Final = {"create": _create, "rename": _rename, "move": _move, "copy": _copy, "revert": _revert}


# -- PUT, DELETE -----------------------------------------------------------------------------------------


@route("PUT", "/api/v2.1/repos/{library_id}/file/", operation="v21-file-lock", action=Action.WRITE)
def lock_file_v21(request: ApiRequest) -> Json:
    """Lock a file, prolong the own lock on it, or give it back."""
    path = _path(request)
    word = (request.param("operation") or "").lower()
    if not word:
        raise ApiError(400, "operation invalid.")
    if word not in ("lock", "unlock", "refresh-lock"):
        raise ApiError(400, _LOCK_WORDS)
    head = library_here(request)
    entry = _file(request, head, path)
    require(request, Action.WRITE, head, paths.split(path)[0])
    _change_lock(request, head, path, word)
    return file_info(request, head, Placed(path, entry))


def _change_lock(request: ApiRequest, head: Head, path: str, word: str) -> None:
    locks, account_id = request.services.locks, request.caller.account_id
    assert account_id is not None, "callers of the Web API have accounts"
    days = lock_days(request)
    until = request.services.clock.now() + timedelta(days=days) if days > 0 else None
    try:
        if word == "lock":
            locks.lock(head.library_id, path, account_id, until=until)
        elif locks.get(head.library_id, path) is None:
            raise ApiError(400, "File is not locked.")
        elif word == "unlock":
            locks.unlock(head.library_id, path, account_id)
        else:
            locks.refresh(head.library_id, path, account_id, until=until)
    except FileLocked:
        raise ApiError(*_LOCK_REFUSALS[word]) from None


_LOCK_REFUSALS: Final = {
    "lock": (400, "File is locked"),
    "unlock": (403, "You can not unlock this file."),
    "refresh-lock": (403, "You can not refresh this file's lock."),
}


@route("DELETE", "/api/v2.1/repos/{library_id}/file/", operation="v21-file-delete", action=Action.WRITE)
def delete_file_v21(request: ApiRequest) -> Json:
    """Delete a file; what is not there is deleted already."""
    path = _path(request)
    head = library_here(request)
    require(request, Action.WRITE, head, paths.split(path)[0])
    done = committed(request, head, Delete.path(path))
    return {"success": True, "commit_id": done.commit_id}


# -- parts -----------------------------------------------------------------------------------------------


def _path(request: ApiRequest) -> str:
    text = request.query("p") or request.form("p") or ""
    path = paths.normalize_file(text)
    if path == paths.ROOT:
        raise ApiError(400, "p invalid.")
    return path


def _file(request: ApiRequest, head: Head, path: str) -> Dirent:
    return file_here(request, head, path, f"File {path} not found.")


def _check_name(name: str) -> None:
    try:
        paths.validate_name(name)
    except InvalidName:
        raise ApiError(400, "name invalid.") from None


def _destination(request: ApiRequest, no_library: str) -> tuple[LibraryId, str]:
    try:
        target_id = LibraryId.parse(request.param("dst_repo") or "")
    except InvalidId:
        raise ApiError(400, no_library) from None
    folder = request.param("dst_dir")
    if not folder:
        raise ApiError(400, "dst_dir invalid.")
    return target_id, paths.normalize_folder(folder)


def _landed(request: ApiRequest, head: Head, path: str, target: Head, folder: str, *, keep: bool) -> Json:
    parent, name = paths.split(path)
    try:
        journey = Journey(head, parent, (name,), target, folder, keep)
        landed = request.services.copier.run(request.caller, author_of(request), journey)[0]
    except FolderNotFound:
        raise folder_missing(folder) from None
    except PasswordRequired:
        raise ApiError(403, "Please provide password to view it.") from None
    return file_info(request, target, Placed(landed.path, landed.entry))
