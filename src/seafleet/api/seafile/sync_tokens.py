"""What desktop applications ask the Web API around synchronising: tokens, notices, what a commit changed.

Source: Web API manual, "Fetch Library Download Info"; sync protocol §6; libraries page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from seafleet.access import Action
from seafleet.api.kernel import JSON_UTF8, TOKEN, ApiError, ApiRequest, Marker, Reply, ReplyError, route
from seafleet.api.seafile.shapes.download_info import with_sync_token
from seafleet.errors import AccessDenied, CommitNotFound, InvalidId, LibraryNotFound
from seafleet.ids import ZERO_ID, LibraryId, ObjectId, looks_like_object_id
from seafleet.library.diff import Change, Status, diff_trees

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seafleet.library.model import Head

_KEYS: Final = {
    Status.ADDED: "added_files",
    Status.DELETED: "deleted_files",
    Status.MODIFIED: "modified_files",
    Status.RENAMED: "renamed_files",
    Status.RENAMED_DIR: "renamed_files",
    Status.ADDED_DIR: "added_dirs",
    Status.DELETED_DIR: "deleted_dirs",
}


@route(
    "GET",
    "/api2/repos/{library_id}/download-info/",
    operation="fetch-library-download-info",
    action=Action.READ,
    auth=TOKEN,
)
def fetch_download_info(request: ApiRequest) -> dict[str, Any]:
    """Return what a client needs to synchronise a library, a fresh sync token with it."""
    head = request.library()
    try:
        request.require(head)
    except AccessDenied as error:
        if error.decision.rule.startswith("device_"):
            raise
        raise ApiError(403, "You do not have permission to access this library.") from None
    return with_sync_token(request, head)


@route("GET", "/api2/repo-tokens/", operation="desktop-repo-tokens", action=Marker.OWN_ACCOUNT, auth=TOKEN)
def repo_tokens(request: ApiRequest) -> Reply:
    """Return a sync token for each library that is named and that the caller may read."""
    text = request.param("repos")
    if not text:
        raise ApiError(400, "You must specify libaries ids")  # the word is misspelled, and known so
    try:
        wanted = [LibraryId.parse(part) for part in text.split(",")]
    except InvalidId:
        raise ApiError(400, "Libraries ids are invalid") from None
    readable = [library_id for library_id in dict.fromkeys(wanted) if _may_read(request, library_id)]
    return Reply(request.services.sync_tokens.issue_many(readable, request.caller), media_type=JSON_UTF8)


def _may_read(request: ApiRequest, library_id: LibraryId) -> bool:
    try:
        return request.services.access.decide(request.caller, Action.READ, library_id).allowed
    except LibraryNotFound:
        return False


@route("POST", "/api2/client-login/", operation="desktop-client-login", action=Marker.OWN_ACCOUNT, auth=TOKEN)
def client_login(request: ApiRequest) -> Reply:
    """Return a ticket with which the caller's browser is logged in once, within half a minute."""
    account_id = request.caller.account_id
    assert account_id is not None, "callers of the Web API have accounts"
    return Reply({"token": request.services.tickets.issue(account_id)}, media_type=JSON_UTF8)


@route("GET", "/api2/unseen_messages/", operation="desktop-unseen", action=Marker.OWN_ACCOUNT, auth=TOKEN)
def unseen_messages(_request: ApiRequest) -> dict[str, int]:
    """Tell how many messages wait for the caller: none, for this server sends none."""
    return {"count": 0}


@route(
    "GET",
    "/api2/repo_history_changes/{library_id}/",
    operation="desktop-commit-changes",
    action=Action.READ,
    auth=TOKEN,
)
def commit_changes(request: ApiRequest) -> dict[str, list[str]]:
    """Tell what one commit changed, in paths without a slash before them; what is empty is left out."""
    try:
        head = request.library()
    except LibraryNotFound:
        raise _refused("Library does not exist") from None
    request.require(head)
    commit_id = request.param("commit_id") or ""
    if not looks_like_object_id(commit_id):
        raise _refused("Invalid argument")
    try:
        return _by_kind(_changes(request, head, ObjectId(commit_id)))
    except CommitNotFound:
        raise _refused("Invalid argument") from None


def _refused(text: str) -> ReplyError:
    return ReplyError(Reply({"err": text}, 400))


def _changes(request: ApiRequest, head: Head, commit_id: ObjectId) -> list[Change]:
    services = request.services
    commits = services.libraries.commits
    commit = commits.get(head.library_id, commit_id)
    parent = commits.get(head.library_id, commit.parent_id).root_id if commit.parent_id else ZERO_ID
    return diff_trees(services.trees.source(head.store_id), parent, commit.root_id)


def _by_kind(changes: Iterable[Change]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for change in changes:
        paths = [change.path] if change.new_path is None else [change.path, change.new_path]
        found.setdefault(_KEYS[change.status], []).extend(path[1:] for path in paths)
    return found
