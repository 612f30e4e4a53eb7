"""Downloads of folders and of several items as one archive: its token, and how far it is.

Source: Web API manual, "Download Directory", "Multiple Files / Directories"; transfers page, "Zip".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from seafleet import paths
from seafleet.access import Action
from seafleet.api.kernel import PUBLIC, ApiError, ApiRequest, Marker, route
from seafleet.api.seafile.places import folder_here, folder_missing, library_here, require
from seafleet.errors import FileTooLarge, FolderNotFound, TokenNotFound
from seafleet.transfers.tasks import INTERNAL

if TYPE_CHECKING:
    from seafleet.db.engine import Transaction
    from seafleet.library.model import Head
    from seafleet.transfers.zip import Selection

_NOTED_ITEMS: Final = 10
"""So many items are noted one by one for the audit; of more, the folder that they are in."""


@route(
    "GET",
    "/api/v2.1/repos/{library_id}/zip-task/",
    operation=(
        "download-directory-get-tast-toke",
        "multiple-files-directories-get-tast-toke",
    ),
    action=Action.READ,
)
@route(
    "POST",
    "/api/v2.1/repos/{library_id}/zip-task/",
    operation="v21-zip-task-post",
    action=Action.READ,
)
def zip_task(request: ApiRequest) -> dict[str, str]:
    """Return a token for one archive of items of a folder."""
    sent, names = request.param("parent_dir"), request.params("dirents")
    if not sent:
        raise ApiError(400, "parent_dir invalid.")
    if not names or not all(names) or any("/" in name for name in names):
        raise ApiError(400, "dirents invalid.")
    head, parent = library_here(request), paths.normalize_folder(sent)
    folder_here(request, head, parent)
    require(request, Action.READ, head, parent)
    try:
        selection = request.services.transfers.zips.select(head, parent, names)
    except FolderNotFound as error:
        raise folder_missing(str(error.what)) from None
    return {"zip_token": _token(request, head, parent, selection)}


def _token(request: ApiRequest, head: Head, parent: str, selection: Selection) -> str:
    services, caller = request.services, request.caller
    files = _checked(request, selection)
    token = services.access_tokens.issue(
        head.library_id,
        selection.operation,
        selection.target,
        caller,
        one_time=True,
        ttl=services.settings.web_token_expire_seconds,
        also=lambda tx: _note(request, tx, head, parent, selection),
    )
    unlocked = services.transfers.keys.is_unlocked(head, caller.account_id)
    services.transfers.zip_tasks.create(token, caller.account_id, files, "" if unlocked else INTERNAL)
    return token


def _checked(request: ApiRequest, selection: Selection) -> int:
    """Return the number of files. Refuses too much, by the name of the folder if it is one."""
    zips = request.services.transfers.zips
    sums = zips.sums(selection)
    try:
        zips.check(sums)
    except FileTooLarge:
        first = selection.items[0]
        alone = len(selection.items) == 1 and first.is_dir
        text = f'Unable to download directory "{first.name}": size is too large.'
        raise ApiError(400, text if alone else "Total size exceeds limit.") from None
    return sums.file_count


def _note(request: ApiRequest, tx: Transaction, head: Head, parent: str, selection: Selection) -> None:
    items = [paths.join(parent, entry.name) for entry in selection.items]
    for path in items if len(items) <= _NOTED_ITEMS else [parent]:
        request.services.audit.write(
            tx,
            "web:file:download",
            request.caller,
            ip=request.client_ip,
            library_id=head.library_id,
            path=path,
        )


@route(
    "GET",
    "/api/v2.1/query-zip-progress/",
    operation=(
        "download-directory-query-task-progress",
        "multiple-files-directories-query-task-progress",
    ),
    action=Marker.BEARER,
    auth=PUBLIC,
)
def query_progress(request: ApiRequest) -> dict[str, Any]:
    """Tell how far an archive is, to whoever knows its token."""
    token = request.param("token")
    if not token:
        raise ApiError(400, "token invalid.")
    try:
        found = request.services.transfers.zip_tasks.progress(token)
    except TokenNotFound:
        raise ApiError(404, "progress not found.") from None
    return {
        "zipped": found.zipped,
        "total": found.total,
        "failed": int(bool(found.failed_reason)),
        "failed_reason": found.failed_reason,
        "canceled": int(found.canceled),
    }


@route("POST", "/api/v2.1/cancel-zip-task/", operation="v21-cancel-zip", action=Marker.BEARER, auth=PUBLIC)
def cancel(request: ApiRequest) -> dict[str, bool]:
    """Have an archive not be packed any further. A token that nobody knows is no error."""
    token = request.param("token")
    if not token:
        raise ApiError(400, "token invalid.")
    request.services.transfers.zip_tasks.cancel(token)
    request.services.access_tokens.revoke(token)
    return {"success": True}
