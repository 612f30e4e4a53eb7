"""What libraries and files were: commits, revisions, and what was deleted.

Source: Web API manual, "Get Library History", "Get Library Trash", "Get File History"; libraries page,
"History, trash, retention"; files page, "History of a file".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from seafleet import paths
from seafleet.access import Action
from seafleet.api.kernel import JSON_UTF8, TOKEN, ApiError, ApiRequest, Reply, route
from seafleet.api.seafile.paging import MAX_PER_PAGE, page_and_size, whole
from seafleet.api.seafile.places import (
    DENIED,
    author_of,
    caller_id,
    file_here,
    folder_here,
    library_here,
    require,
)
from seafleet.api.seafile.shapes import history as shapes
from seafleet.errors import CommitNotFound, FileNotFound, InvalidId
from seafleet.ids import ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seafleet.library.history import HistoryEntry, Revision, RevisionPage
    from seafleet.library.model import Head
    from seafleet.library.trash import TrashPage

Json = dict[str, Any]

LOCKED: Final = "Library is encrypted, but password is not set in server."
_HISTORY_SIZE: Final = 100
_OLD_HISTORY_SIZE: Final = 25
_TRASH_SIZE: Final = 100
_REVISIONS: Final = 50
_MAX_DAYS: Final = 100_000
_AVATAR: Final = "/media/avatars/default.png"


# -- libraries -------------------------------------------------------------------------------------------


@route("GET", "/api/v2.1/repos/{library_id}/history/", operation="get-library-history", action=Action.READ)
def library_history(request: ApiRequest) -> Json:
    """List the commits of a library, newest first."""
    page, size = page_and_size(request, _HISTORY_SIZE)
    head = library_here(request)
    require(request, Action.READ, head)
    services = request.services
    if not services.library_passwords.is_set(head, caller_id(request)):
        raise ApiError(403, LOCKED)
    entries, more = _commits(request, head, page, size)
    people = services.names.of(entry.creator_name for entry in entries)
    labels = services.labels.of_commits(head.library_id, [entry.commit_id for entry in entries])
    items = [
        shapes.history_item(
            entry, people[entry.creator_name], labels.get(entry.commit_id, ()), services.settings.zone
        )
        for entry in entries
    ]
    return {"data": items, "more": more}


@route(
    "GET", "/api2/repos/{library_id}/history/", operation="api2-repo-history", action=Action.READ, auth=TOKEN
)
def library_history_api2(request: ApiRequest) -> Reply:
    """List the commits of a library as the older call did."""
    page, size = page_and_size(request, _OLD_HISTORY_SIZE)
    head = library_here(request)
    require(request, Action.READ, head)
    entries, more = _commits(request, head, page, size)
    people = request.services.names.of(entry.creator_name for entry in entries)
    records = [shapes.commit_record(head.library_id, each, people[each.creator_name]) for each in entries]
    return Reply({"commits": records, "page_next": more}, media_type=JSON_UTF8)


def _commits(request: ApiRequest, head: Head, page: int, size: int) -> tuple[list[HistoryEntry], bool]:
    """Return one page of commits, merges that nobody has to know of left out, and whether there are more."""
    found = request.services.history.commits(head, offset=(page - 1) * size, limit=size + 1)
    return [entry for entry in found[:size] if not entry.is_quiet_merge], len(found) > size


# -- files -----------------------------------------------------------------------------------------------


@route(
    "GET",
    "/api2/repos/{library_id}/file/history/",
    operation="get-file-history",
    action=Action.READ,
    auth=TOKEN,
)
def file_history(request: ApiRequest) -> Reply:
    """List the versions of a file, back to when it got its present path."""
    text = request.param("p")
    if not text:
        raise ApiError(400, "p invalid.")
    path = paths.normalize_file(text)
    head = library_here(request)
    file_here(request, head, path, f"File {path} not found.")
    require(request, Action.READ, head, path)
    found = list(_revisions(request, head, path))
    people = request.services.names.of(each.commit.creator_name for each in found)
    records = [shapes.revision_record(head.library_id, each, people) for each in found]
    return Reply({"commits": records}, media_type=JSON_UTF8)


def _revisions(request: ApiRequest, head: Head, path: str) -> Iterator[Revision]:
    """Yield the versions of a file, newest first; the last one may tell under which path it stood before."""
    start: ObjectId | None = head.commit_id
    while start is not None:
        page = request.services.history.revisions(head, path, start=start)
        for revision in page.revisions:
            yield revision
            if revision.renamed_from is not None:
                return
        start = page.next_commit_id


@route(
    "GET",
    "/api/v2.1/repos/{library_id}/file/history/",
    operation="v21-file-history",
    action=Action.READ,
)
def file_history_v21(request: ApiRequest) -> Json:
    """List versions of a file, and tell at which commit to go on; beyond a rename, under the older path."""
    text = request.param("path")
    if not text:
        raise ApiError(400, "path invalid.")
    path = paths.normalize_file(text)
    head = library_here(request)
    found = _revision_page(request, head, path)
    require(request, Action.READ, head, path)
    kept, next_commit = _until_rename(found)
    people = request.services.names.of(each.commit.creator_name for each in kept)
    avatar, zone = request.absolute_url(_AVATAR), request.services.settings.zone
    items = [shapes.revision_item(each, people[each.commit.creator_name], avatar, zone) for each in kept]
    return {"data": items, "next_start_commit": next_commit or False}


def _revision_page(request: ApiRequest, head: Head, path: str) -> RevisionPage:
    """Return the versions that are asked for. Raises ApiError (404) when no file was there in that commit."""
    commit_id = request.param("commit_id")
    try:
        start = ObjectId.parse(commit_id) if commit_id else head.commit_id
        return request.services.history.revisions(head, path, start=start, limit=_limit(request))
    except (InvalidId, CommitNotFound, FileNotFound):
        raise ApiError(404, f"File {path} not found.") from None


def _limit(request: ApiRequest) -> int:
    try:
        limit = whole(request.param("limit") or "")
    except ValueError:
        return _REVISIONS
    return min(limit, MAX_PER_PAGE) if limit >= 1 else _REVISIONS


def _until_rename(page: RevisionPage) -> tuple[list[Revision], ObjectId | None]:
    """Return the versions under one path, and the commit to go on from, which may know another one."""
    kept: list[Revision] = []
    for revision in page.revisions:
        kept.append(revision)
        if revision.renamed_from is not None:
            return kept, revision.commit.parent_id
    return kept, page.next_commit_id


# -- trash -----------------------------------------------------------------------------------------------


@route("GET", "/api/v2.1/repos/{library_id}/trash/", operation="get-library-trash", action=Action.READ)
def library_trash(request: ApiRequest) -> Json:
    """List what was deleted below a folder and can be restored, newest deletion first, in portions."""
    show_days = _days(request, "show_days")
    path = paths.normalize_folder(request.param("path") or paths.ROOT)
    head = library_here(request)
    folder_here(request, head, path)
    require(request, Action.READ, head, path)
    start, skipped = _scan_stat(request.param("scan_stat"))
    size = _trash_size(request)
    try:
        found = request.services.trash.scan(
            head, path, show_days=show_days, start=start, limit=skipped + size
        )
    except CommitNotFound:
        raise ApiError(400, "scan_stat invalid.") from None
    zone = request.services.settings.zone
    wanted = found.entries[skipped : skipped + size]
    scan_stat = _next_scan_stat(found, start or head.commit_id, skipped + size)
    items = [shapes.deleted_item(entry, zone) for entry in wanted]
    return {"data": items, "more": scan_stat is not None, "scan_stat": scan_stat}


@route("DELETE", "/api/v2.1/repos/{library_id}/trash/", operation="rclone-clean-trash", action=Action.OWN)
def clean_trash(request: ApiRequest) -> Json:
    """Forget what was deleted before a number of days, or all of it; sub-libraries follow their origin."""
    keep_days = _days(request, "keep_days")
    head = library_here(request)
    require(request, Action.OWN, head)
    if head.is_sub_library:
        raise ApiError(403, DENIED)
    request.services.trash.empty(head, author_of(request), keep_days)
    return {"success": True}


def _days(request: ApiRequest, name: str) -> int:
    try:
        days = whole(request.param(name) or "0")
    except ValueError:
        days = -1
    if not 0 <= days <= _MAX_DAYS:
        raise ApiError(400, f"{name} invalid.")
    return days


def _trash_size(request: ApiRequest) -> int:
    try:
        size = whole(request.param("per_page") or "")
    except ValueError:
        return _TRASH_SIZE
    return min(size, MAX_PER_PAGE) if size >= 1 else _TRASH_SIZE


def _scan_stat(text: str | None) -> tuple[ObjectId | None, int]:
    """Return the commit to look on from and how many of its entries were told already."""
    if not text:
        return None, 0
    commit_id, _, number = text.partition(".")
    try:
        return ObjectId.parse(commit_id), min(abs(whole(number or "0")), _MAX_DAYS)
    except (InvalidId, ValueError):
        raise ApiError(400, "scan_stat invalid.") from None


def _next_scan_stat(found: TrashPage, start: ObjectId, told: int) -> str | None:
    """Return where to go on: within what was found, if a commit deletes more than a page holds, or after."""
    if len(found.entries) > told:
        return f"{start}.{told}"
    return found.next_commit_id
