"""Links to the content of files: what a download starts with.

Source: Web API manual, "Download File", "Download a File Revision"; files page, "Download".
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from seafleet import paths
from seafleet.access import Action
from seafleet.api.kernel import JSON_UTF8, ApiError, ApiRequest, Reply, route
from seafleet.api.seafile.places import LIBRARY_GONE, file_here, library_here, require
from seafleet.errors import CommitNotFound, FileNotFound, InvalidId
from seafleet.ids import ObjectId
from seafleet.library.history import History

if TYPE_CHECKING:
    from seafleet.formats.fs import Dirent
    from seafleet.library.model import Head

_NO_ACCESS = "You do not have permission to access this file."
_REUSE_WORD = (
    "If you want to reuse file server access token for download file, you should set 'reuse' argument as '1'."
)


@route("GET", "/api2/repos/{library_id}/file/", operation="download-file", action=Action.READ)
@route("GET", "/api2/repos/{library_id}/file/", operation="rclone-download-link", action=Action.READ)
def download_link(request: ApiRequest) -> Reply:
    """Return the URL under which a file's content can be fetched, once unless `reuse=1`."""
    head = library_here(request, LIBRARY_GONE)
    text = request.param("p")
    if not text:
        raise ApiError(400, "Path is missing.")
    path = paths.normalize_file(text)
    require(request, Action.READ, head, paths.split(path)[0], _NO_ACCESS)
    entry = file_here(request, head, path, "File not found")
    reuse = request.param("reuse") or "0"
    if reuse not in ("0", "1"):
        raise ApiError(400, _REUSE_WORD)
    if (request.param("op") or "").lower() == "downloadblks":
        return _block_list(request, head, entry)
    return link_to(request, head, path, entry, one_time=reuse == "0")


@route(
    "GET", "/api2/repos/{library_id}/file/revision/", operation="download-file-revision", action=Action.READ
)
def revision_link(request: ApiRequest) -> Reply:
    """Return the URL of an older version of a file."""
    text = request.param("p")
    if not text:
        raise ApiError(400, "Path is missing.")
    path = paths.normalize_file(text)
    head = library_here(request)
    require(request, Action.READ, head, paths.split(path)[0])
    entry = revision_of(request, head, path, request.param("commit_id") or "", "Revision not found.")
    return link_to(request, head, path, entry, one_time=True)


def revision_of(request: ApiRequest, head: Head, path: str, commit_id: str, missing: str) -> Dirent:
    """Return the file that stood at `path` in a commit. `missing` is the text of the 404."""
    try:
        return History(request.services.libraries).file_at(head, ObjectId.parse(commit_id), path)
    except (InvalidId, CommitNotFound, FileNotFound):
        raise ApiError(404, missing) from None


def link_to(request: ApiRequest, head: Head, path: str, entry: Dirent, *, one_time: bool) -> Reply:
    """Return the URL of some content; the access is noted with the token."""
    services = request.services
    noted = partial(
        services.audit.write,
        tag="api:file:download",
        actor=request.caller,
        ip=request.client_ip,
        library_id=head.library_id,
        path=path,
    )
    token = services.access_tokens.issue(
        head.library_id,
        "download",
        entry.id,
        request.caller,
        one_time,
        services.settings.web_token_expire_seconds,
        also=noted,
    )
    url = request.absolute_url(f"/seafhttp/files/{token}/{quote(entry.name)}", encoded=True)
    return Reply(url, headers={"oid": entry.id}, media_type=JSON_UTF8)


def _block_list(request: ApiRequest, head: Head, entry: Dirent) -> Reply:
    """Return the blocks of a file, for clients that fetch them one by one."""
    blocks = request.services.trees.file(head.store_id, entry.id).block_ids
    body = {
        "file_id": entry.id,
        "blklist": list(blocks),
        "encrypted": head.encrypted,
        "enc_version": head.encryption.enc_version if head.encryption else 0,
    }
    return Reply(body, headers={"oid": entry.id}, media_type=JSON_UTF8)
