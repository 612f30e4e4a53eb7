"""Where a call points: libraries, folders and files, found and checked in the order that the manual gives.

Source: Web API conventions §5 (order of validation), §8 (paths).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seafleet import paths
from seafleet.access import Action
from seafleet.api.kernel import ApiError, ApiRequest
from seafleet.errors import AccessDenied, FolderNotFound, LibraryNotFound
from seafleet.library.model import Author

if TYPE_CHECKING:
    from seafleet.formats.fs import Directory, Dirent
    from seafleet.ids import ObjectId
    from seafleet.library.model import Head

LIBRARY_GONE = "Library not found."
DENIED = "Permission denied."


def caller_id(request: ApiRequest) -> int:
    """Return the caller's account; everybody who logs in to the Web API has one."""
    account_id = request.caller.account_id
    assert account_id is not None, "callers of the Web API have accounts"
    return account_id


def author_of(request: ApiRequest) -> Author:
    """Return the caller as the author of a change."""
    return Author(request.caller.email, ip=request.client_ip)


def library_here(request: ApiRequest, missing: str | None = None) -> Head:
    """Return the library that the path names. `missing` is the text of the 404 where a call has its own."""
    try:
        return request.library()
    except LibraryNotFound:
        if missing is None:
            raise
        raise ApiError(404, missing) from None


def with_slashes(path: str) -> str:
    """Return a folder's path as old answers spell it: with a slash at the end."""
    return path if path == paths.ROOT else f"{path}/"


def folder_here(request: ApiRequest, head: Head, path: str) -> tuple[ObjectId, Directory]:
    """Return id and content of a folder. Raises ApiError (404) with the path as the manual spells it."""
    try:
        return request.services.trees.folder(head.store_id, head.root_id, path)
    except FolderNotFound:
        raise folder_missing(path) from None


def folder_missing(path: str) -> ApiError:
    """Return the 404 for a folder."""
    return ApiError(404, f"Folder {with_slashes(path)} not found.")


def entry_here(request: ApiRequest, head: Head, path: str) -> Dirent | None:
    """Return what is at a path, None for nothing; the root is a folder."""
    return request.services.trees.find(head.store_id, head.root_id, path)


def file_here(request: ApiRequest, head: Head, path: str, missing: str) -> Dirent:
    """Return the file at a path. `missing` is the text of the 404."""
    entry = entry_here(request, head, path)
    if entry is None or entry.is_dir:
        raise ApiError(404, missing)
    return entry


def require(
    request: ApiRequest, action: Action, head: Head, path: str = paths.ROOT, text: str = DENIED
) -> None:
    """Have the evaluator allow an action, or raise ApiError (403) with this call's own text."""
    try:
        request.services.access.require(request.caller, action, head, path)
    except AccessDenied:
        raise ApiError(403, text) from None


def permission_word(request: ApiRequest, head: Head, path: str = paths.ROOT) -> str:
    """Return the caller's permission at a path as the API words it, empty for none."""
    permission = request.services.access.permission(request.caller, head, path)
    return permission.wire if permission is not None else ""
