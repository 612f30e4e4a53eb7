"""Links to upload to: for files, for new content, and for files in blocks.

Checks come in the order library, folder, permission, quota. A link is good for an hour and any number of
uploads, into the folder it was asked for and below.

Source: Web API manual, section "Upload / Update links"; transfers page, "Links".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from seafleet import paths
from seafleet.access import Action
from seafleet.api.kernel import TOKEN, ApiError, ApiRequest, Reply, route
from seafleet.api.seafile.places import folder_here, library_here, require
from seafleet.transfers.blocks import MAX_LIST_BYTES, missing_blocks
from seafleet.transfers.links import Operation
from seafleet.transfers.receiving import file_name
from seafleet.transfers.resumable import Place

if TYPE_CHECKING:
    from seafleet.library.model import Head

ROOT: Final = "/seafhttp"
_NO_LIBRARY: Final = "You do not have permission to access this repo."
_DENIED: Final = "You do not have permission to access this folder."


@route(
    "GET",
    "/api2/repos/{library_id}/upload-link/",
    operation=("get-upload-link", "rclone-upload-link"),
    action=Action.WRITE,
)
def upload_link(request: ApiRequest) -> str:
    """Return a URL to upload files to."""
    return _link(request, "upload")


@route("GET", "/api2/repos/{library_id}/update-link/", operation="get-update-link", action=Action.WRITE)
def update_link(request: ApiRequest) -> str:
    """Return a URL to send new content of existing files to."""
    return _link(request, "update")


@route(
    "GET",
    "/api2/repos/{library_id}/upload-blks-link/",
    operation="get-upload-blks-link",
    action=Action.WRITE,
    auth=TOKEN,
)
def upload_blocks_link(request: ApiRequest) -> str:
    """Return a URL to make files of uploaded blocks at."""
    return _url(request, "upload-blks-api", _issue(request, "upload"))


@route(
    "GET",
    "/api2/repos/{library_id}/update-blks-link/",
    operation="get-update-blks-link",
    action=Action.WRITE,
    auth=TOKEN,
)
def update_blocks_link(request: ApiRequest) -> str:
    """Return a URL to make new content of uploaded blocks at."""
    return _url(request, "update-blks-api", _issue(request, "update"))


@route(
    "POST",
    "/api2/repos/{library_id}/upload-blks-link/",
    operation="upload-blks-post",
    action=Action.WRITE,
    auth=TOKEN,
    body_limit_bytes=MAX_LIST_BYTES,
)
def upload_missing_blocks_link(request: ApiRequest) -> dict[str, Any]:
    """Return which blocks of a file are missing, and where to send them and the list of all of them."""
    head, folder = _place(request)
    asked = (request.param("blklist") or "").split(",")
    missing = missing_blocks(request.services.objects, head, [each.strip() for each in asked])
    token = _issue(request, "upload", (head, folder))
    return {
        "rawblksurl": _url(request, "upload-raw-blks-api", token),
        "commiturl": _url(request, "upload-blks-api", token) + "?commitonly=true&ret-json=true",
        "blklist": missing,
    }


@route(
    "GET",
    "/api2/repos/{library_id}/files/{file_id:object}/blks/{block_id:object}/download-link/",
    operation="block-download-link",
    action=Action.READ,
    auth=TOKEN,
)
def block_download_link(request: ApiRequest) -> str:
    """Return a URL for one block of a file, good for one download."""
    head = library_here(request)
    folder = paths.normalize_folder(request.param("p") or paths.ROOT)
    folder_here(request, head, folder)
    require(request, Action.READ, head, folder, _NO_LIBRARY)
    file_id, block_id = request.path_params["file_id"], request.path_params["block_id"]
    token = request.services.access_tokens.issue(
        head.library_id,
        "downloadblks",
        file_id,
        request.caller,
        one_time=True,
        ttl=request.services.settings.web_token_expire_seconds,
    )
    return request.absolute_url(f"{ROOT}/blks/{token}/{block_id}")


@route(
    "GET",
    "/api/v2.1/repos/{library_id}/file-uploaded-bytes/",
    operation="desktop-file-uploaded-bytes",
    action=Action.WRITE,
)
def uploaded_bytes(request: ApiRequest) -> Reply:
    """Tell from which byte on an upload in chunks goes on; the header says that it may be one."""
    sent = request.param("parent_dir")
    if not sent:
        raise ApiError(400, "parent_dir invalid.")
    name = file_name(request.param("file_name") or "")
    if not name:
        raise ApiError(400, "file_name invalid.")
    head, folder = library_here(request), paths.normalize_folder(sent)
    folder_here(request, head, folder)
    require(request, Action.WRITE, head, folder)
    place = Place(head.library_id, paths.join(folder, name), request.caller.email)
    received = request.services.transfers.resumable.received_bytes(place)
    return Reply({"uploadedBytes": received}, headers={"Accept-Ranges": "bytes"})


def _link(request: ApiRequest, operation: Operation) -> str:
    place = _place(request)
    caller = request.param("from") or "api"
    if caller not in ("api", "web"):
        raise ApiError(400, "from invalid.")
    manner = "aj" if caller == "web" else "api"
    return _url(request, f"{operation}-{manner}", _issue(request, operation, place))


def _place(request: ApiRequest) -> tuple[Head, str]:
    """Return library and folder that may be written to and has room."""
    head = library_here(request)
    folder = paths.normalize_folder(request.param("p") or paths.ROOT)
    folder_here(request, head, folder)
    require(request, Action.WRITE, head, folder, _DENIED)
    request.services.transfers.limits.check_quota(head)
    return head, folder


def _issue(request: ApiRequest, operation: Operation, place: tuple[Head, str] | None = None) -> str:
    head, folder = place or _place(request)
    return request.services.upload_links.token(head.library_id, operation, folder, request.caller)


def _url(request: ApiRequest, operation: str, token: str) -> str:
    return request.absolute_url(f"{ROOT}/{operation}/{token}")
