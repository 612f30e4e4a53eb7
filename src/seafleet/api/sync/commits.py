"""Commits and heads: asked for, stored, and moved.

Source: sync protocol §3.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from seafleet.access import Action
from seafleet.api.kernel import PUBLIC, TEXT, ApiRequest, Marker, Reply, ReplyError, StreamRequest, route
from seafleet.api.kernel.parameters import parse_query
from seafleet.api.kernel.routes import stream_route
from seafleet.api.sync.admission import admit, existing, identify, note_refusal
from seafleet.api.sync.surface import NAME, refusal
from seafleet.errors import CommitNotFound, ObjectMissing
from seafleet.ids import ObjectId, looks_like_object_id
from seafleet.library.model import Author
from seafleet.store.contract import Kind
from seafleet.sync.refusals import REPORTED

if TYPE_CHECKING:
    from concurrent.futures import Future

    from seafleet.api.sync.admission import Admission
    from seafleet.library.model import PushOutcome
    from seafleet.sync.pushes import MayWrite

_POLL_LIMIT_BYTES: Final = 1 << 20
_LOOP_LIMIT: Final = 50
"""So many heads are looked up on the event loop itself; more are worth a visit to a thread."""

_ids: Final = msgspec.json.Decoder(list[str])
_is_uuid = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}").fullmatch


@route(
    "GET",
    "/seafhttp/repo/{library_id}/commit/HEAD",
    operation="sync-get-head",
    action=Marker.BEARER,
    auth=PUBLIC,
    throttle=None,
    surface=NAME,
)
def get_head(request: ApiRequest) -> dict[str, Any]:
    """Tell the head of a library; that it is gone is told before the token is looked at."""
    head = existing(request)
    grant = identify(request)
    request.services.access.require(grant.actor, Action.READ, head, fresh=True)
    return {"is_corrupted": int(head.is_damaged), "head_commit_id": head.commit_id}


@route(
    "GET",
    "/seafhttp/repo/{library_id}/commit/{commit_id:object}",
    operation="sync-get-commit",
    action=Marker.BEARER,
    auth=PUBLIC,
    throttle=None,
    surface=NAME,
)
def get_commit(request: ApiRequest) -> Reply:
    """Return a commit as it is stored. Raises ObjectMissing."""
    head = admit(request, Action.READ).head
    commit_id = ObjectId(request.path_params["commit_id"])
    stored = request.services.objects.get(head.library_id, Kind.COMMIT, commit_id)
    return Reply(stored, media_type=TEXT)


@route(
    "PUT",
    "/seafhttp/repo/{library_id}/commit/{commit_id:object}",
    operation="sync-put-commit",
    action=Marker.BEARER,
    auth=PUBLIC,
    throttle=None,
    surface=NAME,
)
def put_commit(request: ApiRequest) -> Reply:
    """Keep a commit, which becomes the head later or never. Raises MalformedObject, HashMismatch."""
    head = admit(request, Action.WRITE).head
    commit_id = ObjectId(request.path_params["commit_id"])
    request.services.sync.pushes.store(head, commit_id, request.body)
    return Reply()


@stream_route(
    "PUT",
    "/seafhttp/repo/{library_id}/commit/HEAD",
    operation="sync-put-head",
    action=Marker.BEARER,
    surface=NAME,
)
async def put_head(request: StreamRequest) -> None:
    """Make a commit the head, or merge it into the head: the client learns which by asking for the head."""
    try:
        await request.follow_api(_begin_push, request)
    except REPORTED as error:
        await request.run_api(note_refusal, request, error)
        raise
    await request.reply(Reply())


def _begin_push(request: StreamRequest) -> Future[PushOutcome]:
    commit_id = (parse_query(request.query_string).get("head") or [""])[-1]
    if not looks_like_object_id(commit_id):
        raise ReplyError(refusal(400, "Invalid head parameter."))
    admission = admit(request, Action.WRITE)
    services, head = request.services, admission.head
    author = Author(admission.actor.email, ip=request.client_ip)
    may_write = _writable_paths(request, admission)
    try:
        return services.sync.pushes.begin(head, ObjectId(commit_id), author, may_write)
    except (CommitNotFound, ObjectMissing) as error:  # the client's upload was not complete
        raise ReplyError(refusal(500, str(error))) from error


def _writable_paths(request: StreamRequest, admission: Admission) -> MayWrite | None:
    """Return what tells whether folder permissions let the caller write at a path; None for everywhere."""
    access, actor, head = request.services.access, admission.actor, admission.head
    if access.standing(actor, head).is_owner:
        return None
    permission_at = access.permissions_in(actor, head)

    def may_write(path: str) -> bool:
        permission = permission_at(path)
        return permission is not None and permission.may_write

    return may_write


@stream_route(
    "POST",
    "/seafhttp/repo/head-commits-multi/",
    operation="sync-poll-heads",
    action=Marker.BEARER,
    surface=NAME,
)
async def poll_heads(request: StreamRequest) -> None:
    """Tell the heads of many libraries to whoever knows their ids; clients show no token here."""
    body = await request.read_body(_POLL_LIMIT_BYTES)
    try:
        library_ids = _ids.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        library_ids = []
    if not library_ids or not all(map(_is_uuid, library_ids)):
        raise ReplyError(refusal(400, "not a list of library ids"))
    services = request.services
    if len(library_ids) <= _LOOP_LIMIT and services.db.dialect == "sqlite":
        heads = services.sync.polls.heads(library_ids)
    else:
        heads = await request.run_api(services.sync.polls.heads, library_ids)
    await request.reply(heads)
