"""Bringing back files and folders from older commits.

Source: Web API manual, "Revert File", "Revert Directory"; files page, "Reverts"; directories page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seafleet import paths
from seafleet.access import Action
from seafleet.api.kernel import ApiError, ApiRequest, route
from seafleet.api.seafile.places import author_of, entry_here, library_here, require
from seafleet.errors import BlocksMissing, CommitNotFound, InvalidId, NotFound
from seafleet.ids import ObjectId
from seafleet.library.reverts import Restore

if TYPE_CHECKING:
    from seafleet.library.model import Head


@route("PUT", "/api2/repos/{library_id}/file/revert/", operation="revert-file", action=Action.WRITE)
def revert_file(request: ApiRequest) -> dict[str, Any]:
    """Bring back a file as a commit had it."""
    return _revert(request, is_dir=False)


@route("PUT", "/api2/repos/{library_id}/dir/revert/", operation="revert-directory", action=Action.WRITE)
def revert_directory(request: ApiRequest) -> dict[str, Any]:
    """Bring back a folder as a commit had it."""
    return _revert(request, is_dir=True)


def _revert(request: ApiRequest, *, is_dir: bool) -> dict[str, Any]:
    text, commit_id = request.param("p"), request.param("commit_id")
    if not text:
        raise ApiError(400, "path invalid.")
    if not commit_id:
        raise ApiError(400, "commit_id invalid.")
    head = library_here(request, f"library {request.library_id()} not found.")
    path = paths.normalize_folder(text)
    there = None if is_dir else entry_here(request, head, path)
    require(request, Action.WRITE, head, paths.ROOT if there is None else paths.split(path)[0])
    restore(request, head, path, commit_id, is_dir=is_dir)
    return {"success": True, "ret": 0}


def restore(
    request: ApiRequest,
    head: Head,
    path: str,
    commit_id: str,
    *,
    is_dir: bool,
    missing: ApiError | None = None,
) -> None:
    """Bring something back. Raises `missing`, in the older calls' words unless it is given, when the commit
    does not exist or does not hold it.
    """
    missing = missing or ApiError(404, f"{'folder' if is_dir else 'file'} {path} not found.")
    if path == paths.ROOT:
        raise missing
    try:
        task = Restore(author_of(request), ObjectId.parse(commit_id), path, is_dir=is_dir)
        request.services.libraries.run_task(head.library_id, task)
    except (InvalidId, CommitNotFound, NotFound, BlocksMissing):
        raise missing from None
