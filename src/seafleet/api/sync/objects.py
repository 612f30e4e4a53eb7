"""Directory and file objects: which ones a client lacks, and many of them in one body.

Source: sync protocol §3; the listing in three steps, "Historical".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import msgspec

from seafleet.access import Action
from seafleet.api.kernel import (
    BINARY,
    JSON,
    PUBLIC,
    ApiRequest,
    Marker,
    Reply,
    ReplyError,
    StreamRequest,
    route,
    stream_route,
)
from seafleet.api.kernel.parameters import parse_query
from seafleet.api.sync.admission import admit
from seafleet.api.sync.streaming import send_pieces
from seafleet.api.sync.surface import NAME, refusal
from seafleet.errors import CommitNotFound, ObjectMissing, OperationMismatch, TokenNotFound
from seafleet.ids import ZERO_ID, ObjectId, looks_like_object_id
from seafleet.store.contract import Kind
from seafleet.sync.differences import json_array, missing_ids
from seafleet.sync.packs import PackReceiver, pack

if TYPE_CHECKING:
    from seafleet.api.kernel.parameters import Fields
    from seafleet.api.kernel.request import RequestBase
    from seafleet.library.model import Head

ID_LIST_LIMIT_BYTES: Final = 4 << 20
"""Enough for 90,000 ids; clients send a thousand at most."""

LISTING: Final = "sync-listing"
"""The operation of the tokens that the listing in three steps hands out."""

_FEED_BYTES: Final = 1 << 20

_Listing = tuple[bytes, Iterator[bytes]]


# -- listing -------------------------------------------------------------------------------------------------


@stream_route(
    "GET",
    "/seafhttp/repo/{library_id}/fs-id-list/",
    operation="sync-list-objects",
    action=Marker.BEARER,
    surface=NAME,
)
async def list_objects(request: StreamRequest) -> None:
    """List the objects that a client lacks to go from one commit to another."""
    first, rest = await request.run_api(_listing, request)
    await send_pieces(request, first, rest, JSON)


def _listing(request: StreamRequest) -> _Listing:
    wanted = _Wanted(parse_query(request.query_string))
    head = admit(request, Action.READ).head
    _require_listable(request, head)
    return wanted.open(request, head)


def _require_listable(request: RequestBase, head: Head) -> None:
    """Raise ReplyError (447) for a library of more files than the operator lets clients synchronise."""
    limit = request.services.settings.sync_max_files
    if 0 < limit < head.file_count:
        raise ReplyError(refusal(447, "Too many files in library."))


class _Wanted:
    """What is to be listed: from which commit the client comes, to which it goes, and folders only or all."""

    def __init__(self, fields: Fields) -> None:
        self.server_head = _id_in(fields, "server-head")
        self.client_head = _id_in(fields, "client-head") if "client-head" in fields else None
        self.folders_only = "dir-only" in fields

    @property
    def query(self) -> str:
        """The same as a query string."""
        parts = [f"server-head={self.server_head}"]
        parts += [f"client-head={self.client_head}"] if self.client_head else []
        return "&".join([*parts, "dir-only="] if self.folders_only else parts)

    def open(self, request: RequestBase, head: Head) -> _Listing:
        """Begin the listing: return its first piece, and an iterator over the rest.

        Both raise ReplyError (500) when the commit or anything of its tree is not there.
        """
        pieces = self._pieces(request, head)
        return next(pieces), pieces

    def _pieces(self, request: RequestBase, head: Head) -> Iterator[bytes]:
        services = request.services
        try:
            new_root = services.libraries.commits.get(head.library_id, self.server_head).root_id
            old_root = self._old_root(request, head)
            portions = missing_ids(
                services.objects, head.store_id, new_root, old_root, folders_only=self.folders_only
            )
            yield from json_array(portions)
        except (CommitNotFound, ObjectMissing) as error:
            raise ReplyError(refusal(500, str(error))) from error

    def _old_root(self, request: RequestBase, head: Head) -> ObjectId:
        """Return the root that the client has; nothing when it is not known here any more."""
        if self.client_head is None:
            return ZERO_ID
        try:
            return request.services.libraries.commits.get(head.library_id, self.client_head).root_id
        except CommitNotFound:
            return ZERO_ID


def _id_in(fields: Fields, name: str) -> ObjectId:
    value = (fields.get(name) or [""])[-1]
    if not looks_like_object_id(value):
        raise ReplyError(refusal(400, f"Invalid {name} parameter."))
    return ObjectId(value)


# -- listing in three steps ----------------------------------------------------------------------------------


@route(
    "GET",
    "/seafhttp/repo/{library_id}/start-fs-id-list/",
    operation="sync-start-listing",
    action=Marker.BEARER,
    auth=PUBLIC,
    throttle=None,
    surface=NAME,
)
def start_listing(request: ApiRequest) -> dict[str, str]:
    """Return a token for a listing. Nothing is computed before it is fetched: it is sent as it comes."""
    wanted = _Wanted(parse_query(request.query_string))
    admission = admit(request, Action.READ)
    _require_listable(request, admission.head)
    tokens = request.services.access_tokens
    return {"token": tokens.issue(admission.head.library_id, LISTING, wanted.query, admission.actor)}


@route(
    "GET",
    "/seafhttp/repo/{library_id}/query-fs-id-list/",
    operation="sync-query-listing",
    action=Marker.BEARER,
    auth=PUBLIC,
    throttle=None,
    surface=NAME,
)
def query_listing(request: ApiRequest) -> dict[str, Any]:
    """Tell whether a listing can be fetched: always, if its token is known."""
    head = admit(request, Action.READ).head
    token, _ = _started(request, head)
    return {"success": True, "token": token}


@stream_route(
    "GET",
    "/seafhttp/repo/{library_id}/retrieve-fs-id-list/",
    operation="sync-retrieve-listing",
    action=Marker.BEARER,
    surface=NAME,
)
async def retrieve_listing(request: StreamRequest) -> None:
    """Send a listing that was started."""
    first, rest = await request.run_api(_retrieved, request)
    await send_pieces(request, first, rest, JSON)


def _retrieved(request: StreamRequest) -> _Listing:
    head = admit(request, Action.READ).head
    token, wanted = _started(request, head)
    listing = wanted.open(request, head)
    request.services.access_tokens.revoke(token)
    return listing


def _started(request: RequestBase, head: Head) -> tuple[str, _Wanted]:
    """Return the token of a listing, and what it is for. Raises ReplyError (404) when it is not known."""
    token = (parse_query(request.query_string).get("token") or [""])[-1]
    try:
        granted = request.services.access_tokens.take(token, LISTING)
    except (TokenNotFound, OperationMismatch):
        raise ReplyError(refusal(404)) from None
    if granted.library_id != head.library_id:
        raise ReplyError(refusal(404))
    return token, _Wanted(parse_query(granted.object.encode()))


# -- objects -------------------------------------------------------------------------------------------------


@route(
    "POST",
    "/seafhttp/repo/{library_id}/pack-fs/",
    operation="sync-pack-objects",
    action=Marker.BEARER,
    auth=PUBLIC,
    throttle=None,
    surface=NAME,
    body_limit_bytes=ID_LIST_LIMIT_BYTES,
)
def pack_objects(request: ApiRequest) -> Reply:
    """Send objects in frames, as many as fit into about a megabyte; the client asks for the rest again."""
    head = admit(request, Action.READ).head
    ids = id_list(request.body)
    if not all(map(looks_like_object_id, ids)):
        raise ReplyError(refusal(400, "not an object id"))
    try:
        frames = pack(request.services.objects, head.store_id, [ObjectId(text) for text in ids])
    except ObjectMissing as error:
        raise ReplyError(refusal(500, str(error))) from error
    return Reply(frames, media_type=BINARY)


@route(
    "POST",
    "/seafhttp/repo/{library_id}/check-fs/",
    operation="sync-check-objects",
    action=Marker.BEARER,
    auth=PUBLIC,
    throttle=None,
    surface=NAME,
    body_limit_bytes=ID_LIST_LIMIT_BYTES,
)
def check_objects(request: ApiRequest) -> list[str]:
    """Tell which directory and file objects are missing."""
    return _missing(request, Kind.FS)


@route(
    "POST",
    "/seafhttp/repo/{library_id}/check-blocks/",
    operation="sync-check-blocks",
    action=Marker.BEARER,
    auth=PUBLIC,
    throttle=None,
    surface=NAME,
    body_limit_bytes=ID_LIST_LIMIT_BYTES,
)
def check_blocks(request: ApiRequest) -> list[str]:
    """Tell which blocks are missing."""
    return _missing(request, Kind.BLOCK)


def _missing(request: ApiRequest, kind: Kind) -> list[str]:
    head = admit(request, Action.READ).head
    ids = [ObjectId(text) for text in id_list(request.body) if looks_like_object_id(text)]
    return [*request.services.objects.missing(head.store_id, kind, ids)]


_array: Final = msgspec.json.Decoder(list[Any])


def id_list(body: bytes) -> list[Any]:
    """Return the JSON array in a body, whatever its announced type. Raises ReplyError (400)."""
    try:
        return _array.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ReplyError(refusal(400, "not a JSON array")) from None


@stream_route(
    "POST",
    "/seafhttp/repo/{library_id}/recv-fs/",
    operation="sync-receive-objects",
    action=Marker.BEARER,
    surface=NAME,
)
async def receive_objects(request: StreamRequest) -> None:
    """Store objects that come in frames, each verified. Raises MalformedObject, HashMismatch."""
    head = (await request.run_api(admit, request, Action.WRITE)).head
    receiver = PackReceiver(request.services.objects, head.store_id)
    pieces: list[bytes] = []
    size = 0
    async for piece in request.body_chunks():
        pieces.append(piece)
        size += len(piece)
        if size >= _FEED_BYTES:
            await request.run_io(receiver.feed, b"".join(pieces))
            pieces, size = [], 0
    await request.run_io(_finish, receiver, b"".join(pieces))
    await request.reply(Reply())


def _finish(receiver: PackReceiver, last: bytes) -> None:
    receiver.feed(last)
    receiver.finish()
    if not receiver.object_count:
        raise ReplyError(refusal(400, "no objects"))
