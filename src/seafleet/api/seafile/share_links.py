"""Share links of the caller: listed, made, ended; and what a folder link shows.

Source: Web API manual, section "File Share Link"; share links page.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from seafleet import paths
from seafleet.access import Action
from seafleet.api.kernel import JSON_UTF8, PUBLIC, ApiError, ApiRequest, Marker, Reply, detail, route
from seafleet.api.seafile.places import entry_here, require, with_slashes
from seafleet.api.seafile.shapes.times import iso
from seafleet.errors import AccessDenied, FolderNotFound, InvalidId, LibraryNotFound, TokenNotFound
from seafleet.ids import LibraryId
from seafleet.library.ordering import folders_first
from seafleet.links.share_links import bearer_of

if TYPE_CHECKING:
    from seafleet.library.model import Head
    from seafleet.links.share_links import ShareLink

Json = dict[str, Any]

MIN_PASSWORD_CHARACTERS: Final = 8
MAX_EXPIRE_DAYS: Final = 36_500
_TWO_ENDS: Final = "Can not pass expire_days and expiration_time at the same time."
_NO_TIME: Final = "expiration_time invalid, should be iso format, for example: 2020-05-17T10:26:22+08:00"
_NOT_ALLOWED: Final = "You do not have permission to perform this action."


@route(
    "GET",
    "/api/v2.1/share-links/",
    operation=(
        "list-all-share-links",
        "list-share-links-of-a-library",
        "list-share-link-of-a-folder-file",
        "rclone-list-share-links",
    ),
    action=Marker.OWN_ACCOUNT,
)
def list_links(request: ApiRequest) -> list[Json]:
    """List the caller's links: all, those of a library, or the one to a path."""
    _require_role(request)
    library_id = request.param("repo_id")
    links = request.services.share_links
    account_id = _account(request)
    if not library_id:
        return _sorted(request, links.of_account(account_id))
    head = _library(request, library_id)
    sent = request.param("path")
    if not sent:
        return _sorted(request, links.of_account(account_id, head.library_id))
    path = paths.normalize_folder(sent)
    if entry_here(request, head, path) is None:
        raise ApiError(404, f"path {sent} not found.")
    found = links.of_path(account_id, head.library_id, path)
    return [] if found is None else [_shape(request, found)]


@route(
    "POST",
    "/api/v2.1/share-links/",
    operation=("create-share-link", "rclone-create-share-link"),
    action=Action.SHARE_LINK,
    pool="auth",
)
def create_link(request: ApiRequest) -> Json:
    """Make a link to a file or folder, or return the one that the caller has made already."""
    _require_role(request)
    library_id, sent = request.param("repo_id"), request.param("path")
    if not library_id:
        raise ApiError(400, "repo_id invalid.")
    if not sent:
        raise ApiError(400, "path invalid.")
    password = request.param("password") or ""
    if password and len(password) < MIN_PASSWORD_CHARACTERS:
        raise ApiError(400, "Password is too short.")
    expires_at, may_download = _expiry(request), _may_download(request)
    head = _library(request, library_id)
    if head.encrypted:
        raise ApiError(403, "Permission denied.")
    path = paths.normalize_folder(sent)
    entry = entry_here(request, head, path)
    if entry is None:
        raise ApiError(404, f"path {sent} not found.")
    require(request, Action.READ, head, path)
    link = request.services.share_links.create(
        request.caller,
        head.library_id,
        path,
        is_dir=entry.is_dir,
        password=password,
        expires_at=expires_at,
        may_download=may_download,
    )
    return _shape(request, link)


@route(
    "GET",
    "/api/v2.1/share-links/{token}/",
    operation="v21-share-link-info",
    action=Marker.OWN_ACCOUNT,
)
def describe_link(request: ApiRequest) -> Json:
    """Tell of one of the caller's links."""
    _require_role(request)
    token = request.path_params["token"]
    try:
        link = request.services.share_links.get(token)
    except TokenNotFound:
        raise ApiError(404, f"token {token} not found.") from None
    if link.account_id != request.caller.account_id:
        raise ApiError(403, "Permission denied.")
    return _shape(request, link)


@route(
    "DELETE",
    "/api/v2.1/share-links/{token}/",
    operation="delete-share-link",
    action=Marker.OWN_ACCOUNT,
)
def delete_link(request: ApiRequest) -> Json:
    """End one of the caller's links; one that nobody knows has ended already."""
    _require_role(request)
    links, token = request.services.share_links, request.path_params["token"]
    try:
        link = links.get(token)
    except TokenNotFound:
        return {"success": True}
    if link.account_id != request.caller.account_id:
        raise ApiError(403, "Permission denied.")
    links.delete(token)
    return {"success": True}


@route(
    "GET",
    "/api2/d/{token}/dir/",
    operation="list-direntry-in-dir-download-link",
    action=Marker.BEARER,
    auth=PUBLIC,
    pool="auth",
)
def list_linked_folder(request: ApiRequest) -> Reply:
    """List a folder through a link to it, with the rights of who made the link."""
    links = request.services.share_links
    try:
        link = links.open(request.path_params["token"])
        head = request.services.libraries.get(link.library_id)
    except (TokenNotFound, LibraryNotFound):
        raise ApiError(400, "Invalid token") from None
    if not link.is_dir:
        raise ApiError(400, "Invalid token")
    if link.has_password:
        password = request.param("password")
        if not password:
            raise ApiError(403, "Password is required")
        if not links.verify(link, password):
            raise ApiError(403, "Invalid Password")
    path = paths.join(link.path, "/".join(paths.components(request.param("p") or "/")))
    if ".." in paths.components(path):
        raise ApiError(400, "Invalid path")
    try:
        request.services.access.require(bearer_of(link), Action.LIST, head, path)
        _, folder = request.services.trees.folder(head.store_id, head.root_id, path)
    except AccessDenied:
        raise ApiError(400, "Invalid token") from None
    except FolderNotFound:
        raise ApiError(400, "Invalid path") from None
    listed = [
        {"id": entry.id, "type": "dir", "name": entry.name, "mtime": entry.mtime}
        if entry.is_dir
        else {
            "id": entry.id,
            "type": "file",
            "name": entry.name,
            "mtime": entry.mtime,
            "size": entry.size or 0,
        }
        for entry in folders_first(folder)
    ]
    return Reply(listed, media_type=JSON_UTF8)


# -- parts -----------------------------------------------------------------------------------------------


def _require_role(request: ApiRequest) -> None:
    role = request.services.accounts.roles.of(request.caller.role)
    if not role.can_generate_share_link:
        raise detail(403, _NOT_ALLOWED)


def _account(request: ApiRequest) -> int:
    account_id = request.caller.account_id
    assert account_id is not None, "callers of the Web API have accounts"
    return account_id


def _library(request: ApiRequest, library_id: str) -> Head:
    try:
        return request.services.libraries.get(LibraryId.parse(library_id))
    except InvalidId:
        raise ApiError(404, f"Library {library_id} not found.") from None


def _expiry(request: ApiRequest) -> datetime | None:
    days, moment = request.param("expire_days"), request.param("expiration_time")
    if days and moment:
        raise ApiError(400, _TWO_ENDS)
    if moment:
        try:
            end = datetime.fromisoformat(moment)
        except ValueError:
            raise ApiError(400, _NO_TIME) from None
        if end.tzinfo is None:
            raise ApiError(400, _NO_TIME)
        return end
    try:
        number = int(days or 0)
    except ValueError:
        return None
    if number <= 0:
        return None
    return request.services.clock.now() + timedelta(days=min(number, MAX_EXPIRE_DAYS))


def _may_download(request: ApiRequest) -> bool:
    """Return whether content may be saved: `permissions` is an object, or the text of one."""
    sent = request.param("permissions")
    body = request.json()
    value: Any = body.get("permissions") if isinstance(body, dict) else None
    if sent and not isinstance(value, dict):
        try:
            value = json.loads(sent)
        except ValueError:
            value = sent
    if value in (None, ""):
        return True
    if not isinstance(value, dict):
        raise ApiError(400, f"permissions invalid: {sent}")
    may_view, may_save = bool(value.get("can_preview", True)), bool(value.get("can_download", True))
    if not may_view and not may_save:
        raise ApiError(400, f"permissions invalid: {sent}")
    return may_save


def _sorted(request: ApiRequest, links: list[ShareLink]) -> list[Json]:
    shaped = [_shape(request, link) for link in links]
    return sorted(shaped, key=lambda link: (not link["is_dir"], link["obj_name"]))


def _shape(request: ApiRequest, link: ShareLink) -> Json:
    zone, now = request.services.settings.zone, request.services.clock.timestamp()
    name = paths.split(link.path)[1] or "/"
    return {
        "username": link.email,
        "repo_id": link.library_id,
        "repo_name": link.library_name,
        "path": with_slashes(link.path) if link.is_dir else link.path,
        "obj_name": name,
        "is_dir": link.is_dir,
        "token": link.token,
        "link": request.absolute_url(f"/{'d' if link.is_dir else 'f'}/{link.token}/"),
        "view_cnt": link.view_count,
        "ctime": iso(link.created_at, zone),
        "expire_date": "" if link.expires_at is None else iso(link.expires_at, zone),
        "is_expired": link.is_expired(now),
        "permissions": {"can_preview": True, "can_download": link.may_download},
    }
