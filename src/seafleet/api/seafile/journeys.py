"""What calls on several entries have in common: where from, where to, and how refusals are worded.

Source: transfers page, "Background copy/move" and "fileops"; Web API conventions §11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seafleet import paths
from seafleet.access import Action
from seafleet.api.kernel import ApiError, ApiRequest, Reply, ReplyError
from seafleet.api.seafile.places import author_of, folder_here, folder_missing, require
from seafleet.errors import (
    FileLocked,
    FileNotFound,
    FolderNotFound,
    InvalidId,
    InvalidPath,
    PasswordRequired,
)
from seafleet.ids import LibraryId
from seafleet.transfers.copying import Journey, Landed

if TYPE_CHECKING:
    from seafleet.library.model import Head

MAX_PATH_CHARACTERS = 4096


def library_named(request: ApiRequest, library_id: str) -> Head:
    """Return a library that a parameter names. Raises LibraryNotFound, also for what is no id."""
    try:
        return request.services.libraries.get(LibraryId.parse(library_id))
    except InvalidId:
        raise ApiError(404, f"Library {library_id} not found.") from None


def required(request: ApiRequest, name: str) -> str:
    """Return a parameter. Raises ApiError (400) when it is missing or empty."""
    value = request.param(name)
    if not value:
        raise ApiError(400, f"{name} invalid.")
    return value


def batch(request: ApiRequest, *, keep: bool) -> Journey:
    """Return what a batch call asks for, checked in the documented order."""
    source_id = required(request, "src_repo_id")
    parent = paths.normalize_folder(required(request, "src_parent_dir"))
    names = tuple(name.strip("/") for name in request.params("src_dirents") if name.strip("/"))
    if not names:
        raise ApiError(400, "src_dirents invalid.")
    target_id = required(request, "dst_repo_id")
    folder = paths.normalize_folder(required(request, "dst_parent_dir"))
    source = library_named(request, source_id)
    folder_here(request, source, parent)
    target = library_named(request, target_id)
    folder_here(request, target, folder)
    require(request, Action.READ if keep else Action.WRITE, source, parent)
    require(request, Action.WRITE, target, folder)
    return Journey(source, parent, names, target, folder, keep)


def check(request: ApiRequest, journey: Journey) -> None:
    """Check what can be known before anything is copied, and word it as the batch calls do."""
    try:
        request.services.copier.check(request.caller, journey)
    except FileNotFound as error:
        raise ApiError(404, f"File {error.what} not found.") from None
    except InvalidPath as error:
        text = f"Can not move directory {journey.parent} to its subdirectory {error.path}"
        raise ApiError(400, text) from None
    except FileLocked as error:
        raise _locked(error) from None
    except PasswordRequired as error:
        if error.library_id == journey.target.library_id:
            raise ReplyError(Reply({"lib_need_decrypt": True}, 403)) from None
        raise ApiError(403, "Please provide password to view it.") from None


def run(request: ApiRequest, journey: Journey) -> list[Landed]:
    """Carry a journey out now, and word its refusals."""
    check(request, journey)
    try:
        return request.services.copier.run(request.caller, author_of(request), journey)
    except FileLocked as error:
        raise _locked(error) from None
    except FolderNotFound:
        raise folder_missing(journey.folder) from None


def _locked(error: FileLocked) -> ApiError:
    return ApiError(403, f"File {paths.split(error.path)[1]} is locked.")
