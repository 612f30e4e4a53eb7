"""The older calls on several files: names joined by colons, done at once.

Source: Web API manual, "Multiple Files / Directories"; transfers page, "fileops".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from seafleet import paths
from seafleet.access import Action
from seafleet.api.kernel import ApiError, ApiRequest, Reply, route
from seafleet.api.seafile import journeys
from seafleet.api.seafile.listings import list_folder
from seafleet.api.seafile.places import author_of, entry_here, folder_here, library_here, require
from seafleet.errors import LibraryNotFound
from seafleet.library.edits import Delete
from seafleet.transfers.copying import Journey

if TYPE_CHECKING:
    from seafleet.library.model import Head

_DENIED: Final = {
    True: (
        "You do not have permission to copy file of this folder.",
        "You do not have permission to copy file to destination folder.",
    ),
    False: (
        "You do not have permission to move file in this folder.",
        "You do not have permission to move file to destination folder.",
    ),
}


@route(
    "POST",
    "/api2/repos/{library_id}/fileops/copy/",
    operation="multiple-files-directories-copy",
    action=Action.WRITE,
    throttle=None,
)
def copy_files(request: ApiRequest) -> Reply:
    """Copy entries of a folder into another."""
    return _bring(request, keep=True)


@route(
    "POST",
    "/api2/repos/{library_id}/fileops/move/",
    operation="multiple-files-directories-move",
    action=Action.WRITE,
    throttle=None,
)
def move_files(request: ApiRequest) -> Reply:
    """Move entries of a folder into another; those that somebody else has locked stay."""
    return _bring(request, keep=False)


@route(
    "POST",
    "/api2/repos/{library_id}/fileops/delete/",
    operation="multiple-files-directories-delete",
    action=Action.WRITE,
    throttle=None,
)
def delete_files(request: ApiRequest) -> Reply:
    """Delete entries of a folder in one commit; those that are missing or locked are passed over."""
    parent, names = _parent(request), _names(request)
    if not names:
        raise ApiError(400, "Missing argument.")
    head = library_here(request, "Library not found.")
    folder_here(request, head, parent)
    require(request, Action.WRITE, head, parent, "You do not have permission to delete this file.")
    free = tuple(name for name in names if not _is_locked(request, head, paths.join(parent, name)))
    request.services.libraries.commit_edit(head.library_id, author_of(request), Delete(parent, free))
    return _reloaded(request, head, parent) or Reply("success")


def _bring(request: ApiRequest, *, keep: bool) -> Reply:
    parent, names = _parent(request), _names(request)
    library_id, folder = request.param("dst_repo"), request.param("dst_dir")
    if not names or not library_id or not folder:
        raise ApiError(400, "Missing argument.")
    target_folder = paths.normalize_folder(folder)
    if library_id == request.library_id() and target_folder == parent:
        raise ApiError(400, "The destination directory is the same as the source.")
    source = library_here(request)
    folder_here(request, source, parent)
    target = journeys.library_named(request, library_id)
    folder_here(request, target, target_folder)
    require(request, Action.READ if keep else Action.WRITE, source, parent, _DENIED[keep][0])
    require(request, Action.WRITE, target, target_folder, _DENIED[keep][1])
    wanted = [paths.join(parent, name) for name in names]
    if any(entry_here(request, source, path) is None for path in wanted):
        raise ApiError(400, "file_names invalid.")
    if not keep:
        names = tuple(name for name in names if not _is_locked(request, source, paths.join(parent, name)))
    landed = journeys.run(request, Journey(source, parent, names, target, target_folder, keep))
    told = [
        {"repo_id": target.library_id, "parent_dir": folder, "obj_name": each.entry.name} for each in landed
    ]
    return _reloaded(request, source, parent) or Reply(told)


def _parent(request: ApiRequest) -> str:
    return paths.normalize_folder(request.query("p") or request.form("p") or "/")


def _names(request: ApiRequest) -> tuple[str, ...]:
    """Return the names: joined by colons in one field, or one in each of several fields."""
    given = request.params("file_names")
    names = given[0].split(":") if len(given) == 1 else given
    return tuple(dict.fromkeys(name.strip("/") for name in names if name.strip("/")))


def _is_locked(request: ApiRequest, head: Head, path: str) -> bool:
    """Tell whether somebody else holds the lock on a file, or on one below a folder."""
    locks = request.services.locks.of(head.library_id).values()
    return any(
        paths.is_inside(lock.path, path) and lock.account_id != request.caller.account_id for lock in locks
    )


def _reloaded(request: ApiRequest, head: Head, parent: str) -> Reply | None:
    if (request.query("reloaddir") or request.form("reloaddir") or "").lower() != "true":
        return None
    now = request.services.libraries.find(head.library_id)
    if now is None:
        raise LibraryNotFound(head.library_id)
    return list_folder(request, now, parent)
