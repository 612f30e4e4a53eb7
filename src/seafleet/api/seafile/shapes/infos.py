"""One file or folder as the newer calls describe it after changing it.

Source: Web API manual, "Create File"; files page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seafleet import paths
from seafleet.api.seafile.shapes.times import iso

if TYPE_CHECKING:
    from seafleet.api.kernel import ApiRequest
    from seafleet.library.edits import Placed
    from seafleet.library.model import Head


def folder_info(request: ApiRequest, head: Head, placed: Placed) -> dict[str, Any]:
    """Return a folder: where it stands and what it is called."""
    return {
        "type": "dir",
        "repo_id": head.library_id,
        "parent_dir": paths.split(placed.path)[0],
        "obj_name": placed.entry.name,
        "obj_id": placed.entry.id,
        "mtime": iso(placed.entry.mtime, request.services.settings.zone),
    }


def file_info(request: ApiRequest, head: Head, placed: Placed) -> dict[str, Any]:
    """Return a file: where it stands, its size, whether it is locked and what the caller may do with it."""
    access = request.services.access.permission(request.caller, head, paths.split(placed.path)[0])
    lock = request.services.locks.get(head.library_id, placed.path)
    may_write = access is not None and access.may_write
    return {
        "type": "file",
        "repo_id": head.library_id,
        "parent_dir": paths.split(placed.path)[0],
        "obj_name": placed.entry.name,
        "obj_id": placed.entry.id,
        "size": placed.entry.size or 0,
        "mtime": iso(placed.entry.mtime, request.services.settings.zone),
        "is_locked": lock is not None,
        "can_preview": access is not None,
        "can_edit": may_write and (lock is None or lock.account_id == request.caller.account_id),
    }
