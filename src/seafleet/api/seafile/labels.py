"""Snapshot labels: words that mark commits.

Source: Web API manual, section "Snapshot Label"; snapshot labels page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from seafleet.access import Action
from seafleet.api.kernel import ApiError, ApiRequest, Marker, route
from seafleet.api.seafile.places import caller_id, require
from seafleet.api.seafile.shapes.labels import label_shape
from seafleet.errors import CommitNotFound, InvalidArgument, InvalidId, LibraryNotFound
from seafleet.ids import LibraryId, ObjectId
from seafleet.labels.service import check_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seafleet.labels.service import Label
    from seafleet.library.history import HistoryEntry
    from seafleet.library.model import Head

Json = dict[str, Any]

_ITEMS: Final = "/api/v2.1/revision-tags/tagged-items/"
_LETTERS: Final = "Tag can only contain letters, numbers, dot, hyphen or underscore."


@dataclass(frozen=True, slots=True)
class _Marked:
    """What a call wants to label: a commit of a library, and with which words."""

    head: Head
    entry: HistoryEntry
    names: Sequence[str]


@route(
    "GET",
    "/api/v2.1/revision-tags/tag-names/",
    operation="get-snapshot-label",
    action=Marker.OWN_ACCOUNT,
)
def label_names(request: ApiRequest) -> list[str]:
    """List the labels that the caller has set, as often as it has set them."""
    return request.services.labels.names_by(caller_id(request))


@route("POST", _ITEMS, operation="create-new-snapshot-label", action=Action.WRITE)
def add_labels(request: ApiRequest) -> Json:
    """Label a commit with more words."""
    marked = _marked(request, blank_is_fine=False)
    labels = request.services.labels.add(
        marked.head.library_id, marked.entry.commit_id, marked.names, caller_id(request)
    )
    return _shape(request, marked, labels)


@route("PUT", _ITEMS, operation="update-snapshot-label", action=Action.WRITE)
def replace_labels(request: ApiRequest) -> Json:
    """Label a commit with these words and no others; with none at all, its labels go."""
    marked = _marked(request, blank_is_fine=True)
    labels = request.services.labels.replace(
        marked.head.library_id, marked.entry.commit_id, marked.names, caller_id(request)
    )
    return _shape(request, marked, labels)


@route("DELETE", _ITEMS, operation="delete-snapshot-label", action=Action.WRITE)
def remove_label(request: ApiRequest) -> Json:
    """Remove a word from every commit of a library."""
    library_id = request.param("repo_id")
    if not library_id:
        raise ApiError(400, "repo_id can not be empty")
    head = _library(request, library_id)
    name = (request.param("tag_name") or request.param("tag_names") or "").strip()
    if not name:
        raise ApiError(400, "tag_name can not be empty")
    _check(name)
    require(request, Action.WRITE, head)
    request.services.labels.remove(head.library_id, name)
    return {}


def _marked(request: ApiRequest, *, blank_is_fine: bool) -> _Marked:
    """Return what is to be labelled, once it exists and the caller may. Raises ApiError."""
    library_id = request.param("repo_id")
    if not library_id:
        raise ApiError(400, "Repo can not be empty")
    head = _library(request, library_id)
    entry = _commit(request, head, request.param("commit_id") or head.commit_id)
    text = request.param("tag_names")
    if text is None or not (text.strip() or blank_is_fine):
        raise ApiError(400, "Tag can not be empty")
    names = [name.strip() for name in text.split(",")] if text.strip() else []
    for name in names:
        _check(name)
    require(request, Action.WRITE, head)
    return _Marked(head, entry, names)


def _library(request: ApiRequest, library_id: str) -> Head:
    try:
        return request.services.libraries.get(LibraryId.parse(library_id))
    except (InvalidId, LibraryNotFound):
        raise ApiError(400, f"Library {library_id} not found") from None


def _commit(request: ApiRequest, head: Head, commit_id: str) -> HistoryEntry:
    try:
        return request.services.history.entry(head.library_id, ObjectId.parse(commit_id))
    except (InvalidId, CommitNotFound):
        raise ApiError(400, f"Commit {commit_id} not found") from None


def _check(name: str) -> None:
    try:
        check_label(name)
    except InvalidArgument:
        raise ApiError(400, _LETTERS) from None


def _shape(request: ApiRequest, marked: _Marked, labels: Sequence[Label]) -> Json:
    author = request.services.names.one(marked.entry.creator_name)
    zone = request.services.settings.zone
    return {"revisionTags": [label_shape(label, marked.entry, author, zone) for label in labels]}
