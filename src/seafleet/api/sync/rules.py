"""Locked files and folder permissions, which clients keep copies of; and what a mounted drive lists.

The two lists come without a token of their own: each entry of the body carries one.

Source: sync protocol §4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from seafleet import paths
from seafleet.access import Action
from seafleet.api.kernel import PUBLIC, ApiRequest, Marker, Reply, ReplyError, route
from seafleet.api.sync.admission import admit, token_of
from seafleet.api.sync.surface import NAME, refusal
from seafleet.errors import FileNotFound, InvalidId, NotFound, Refused, TokenNotFound
from seafleet.ids import LibraryId
from seafleet.sharing.reachable import Way

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seafleet.accounts.sync_tokens import SyncGrant
    from seafleet.api.sync.admission import Admission
    from seafleet.library.model import Head
    from seafleet.sharing.reachable import ReachableLibrary

_TYPES: Final = {Way.OWNED: "repo", Way.SHARED: "srepo", Way.GROUP: "grepo", Way.PUBLIC: "grepo"}


class _Asked(msgspec.Struct):
    """One library that a client asks about; `ts` is the stamp of what it knows."""

    repo_id: str
    token: str
    ts: int = 0


_asked: Final = msgspec.json.Decoder(list[_Asked])


def _readable(request: ApiRequest) -> Iterator[tuple[_Asked, SyncGrant, Head]]:
    """Yield what is asked about libraries that the token beside them opens; others are passed over.

    Raises ReplyError (400) for a body that is no such list.
    """
    services = request.services
    try:
        wanted = _asked.decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ReplyError(refusal(400, "not a list of libraries and tokens")) from None
    for each in wanted:
        try:
            grant = services.sync_tokens.resolve(each.token, each.repo_id)
            head = services.libraries.get(each.repo_id)
            services.access.require(grant.actor, Action.READ, head, fresh=True)
        except (NotFound, Refused):
            continue
        yield each, grant, head


@route(
    "POST",
    "/seafhttp/repo/locked-files",
    operation="sync-locked-files",
    action=Marker.BEARER,
    auth=PUBLIC,
    throttle=None,
    surface=NAME,
)
def locked_files(request: ApiRequest) -> list[dict[str, Any]]:
    """Tell the locks of those libraries in which they changed since the client last asked."""
    rules = request.services.sync.rules
    answers = []
    for each, grant, head in _readable(request):
        found = rules.locked_files(head.library_id, grant.actor.account_id, each.ts)
        if found is not None:
            files = [{"path": path, "by_me": int(by_me)} for path, by_me in found.files]
            answers.append({"repo_id": head.library_id, "ts": found.stamp, "locked_files": files})
    return answers


@route(
    "POST",
    "/seafhttp/repo/folder-perm",
    operation="sync-folder-permissions",
    action=Marker.BEARER,
    auth=PUBLIC,
    throttle=None,
    surface=NAME,
)
def folder_permissions(request: ApiRequest) -> list[dict[str, Any]]:
    """Tell the folder permissions of those libraries in which they changed since the client last asked."""
    rules = request.services.sync.rules
    answers = []
    for each, grant, head in _readable(request):
        account_id = grant.actor.account_id
        assert account_id is not None, "sync tokens belong to accounts"
        found = rules.folder_permissions(head.library_id, head.store_id, account_id, each.ts)
        if found is not None:
            answers.append(
                {
                    "repo_id": head.library_id,
                    "ts": found.stamp,
                    "user_perms": [_permission(*pair) for pair in found.own],
                    "group_perms": [_permission(*pair) for pair in found.of_groups],
                }
            )
    return answers


def _permission(path: str, permission: str) -> dict[str, str]:
    return {"path": path, "permission": permission}


@route(
    "PUT",
    "/seafhttp/repo/{library_id}/lock-file",
    operation="sync-lock-file",
    action=Marker.BEARER,
    auth=PUBLIC,
    throttle=None,
    surface=NAME,
)
def lock_file(request: ApiRequest) -> Reply:
    """Lock a file for the caller, or keep it locked. Raises FileNotFound, FileLocked."""
    admission, path, account_id = _file_to_lock(request)
    head = admission.head
    entry = request.services.trees.find(head.store_id, head.root_id, path)
    if entry is None or entry.is_dir:
        raise FileNotFound(path)
    request.services.locks.refresh(head.library_id, path, account_id)
    return Reply()


@route(
    "PUT",
    "/seafhttp/repo/{library_id}/unlock-file",
    operation="sync-unlock-file",
    action=Marker.BEARER,
    auth=PUBLIC,
    throttle=None,
    surface=NAME,
)
def unlock_file(request: ApiRequest) -> Reply:
    """Give the caller's lock back; it is no error when there is none. Raises FileLocked."""
    admission, path, account_id = _file_to_lock(request)
    request.services.locks.unlock(admission.head.library_id, path, account_id)
    return Reply()


def _file_to_lock(request: ApiRequest) -> tuple[Admission, str, int]:
    """Return who asks, the path, and the account. Raises ReplyError (400), and AccessDenied at the path."""
    path = paths.normalize_file(request.query("p") or "")
    if path == paths.ROOT:
        raise ReplyError(refusal(400, "Invalid p parameter."))
    admission = admit(request, Action.READ)
    request.services.access.require(admission.actor, Action.WRITE, admission.head, path)
    account_id = admission.actor.account_id
    assert account_id is not None, "sync tokens belong to accounts"
    return admission, path, account_id


@route(
    "GET",
    "/seafhttp/accessible-repos/",
    operation="sync-accessible-libraries",
    action=Marker.BEARER,
    auth=PUBLIC,
    throttle=None,
    surface=NAME,
)
def accessible_libraries(request: ApiRequest) -> list[dict[str, Any]]:
    """List every library that the account of a token may see; the token is that of the library named."""
    services = request.services
    try:
        library_id = LibraryId.parse(request.query("repo_id") or "")
        grant = services.sync_tokens.resolve(token_of(request.headers), library_id)
    except (InvalidId, TokenNotFound):
        raise ReplyError(refusal(400, "Invalid repo_id parameter or token.")) from None
    return [_listed(each) for each in services.sync.reachable(grant.actor)]


def _listed(each: ReachableLibrary) -> dict[str, Any]:
    return {
        "version": each.version,
        "id": each.library_id,
        "head_commit_id": each.head_commit_id,
        "name": each.name,
        "mtime": each.updated_at,
        "permission": each.access,
        "type": _TYPES[Way(each.way)],
        "owner": each.owner_email,
    }
