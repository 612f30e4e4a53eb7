"""Downloads of files and of single blocks.

Everything that can refuse a download, and the first half megabyte, take one visit to a thread.

Source: file server §7.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

from seafleet import paths
from seafleet.access import Action
from seafleet.api.kernel import BINARY, ApiError, Marker, Reply, StreamRequest, stream_route
from seafleet.api.kernel.auth import token_of
from seafleet.api.kernel.parameters import parse_query
from seafleet.api.seafhttp.errors import refuse_download
from seafleet.api.seafhttp.media import SVG, disposition, media_type
from seafleet.api.seafhttp.ranges import ByteRange, MultipartReader, UnsatisfiableRange, parse_ranges
from seafleet.api.seafhttp.streaming import Reader, Streamed, respond
from seafleet.api.seafhttp.surface import NAME
from seafleet.errors import FileNotFound, TokenNotFound
from seafleet.ids import LibraryId, ObjectId

if TYPE_CHECKING:
    from seafleet.actor import Actor
    from seafleet.api.services import Services
    from seafleet.db.engine import Transaction
    from seafleet.formats.ciphers import BlockCipher
    from seafleet.formats.fs import FileObject
    from seafleet.library.model import Head

CACHE_SECONDS: Final = 3600
_ANYBODY: Final = {"Access-Control-Allow-Origin": "*"}


# -- routes --------------------------------------------------------------------------------------------------


@stream_route(
    "GET",
    "/seafhttp/files/{token}/{name:rest}",
    operation="file-server-download",
    action=Marker.BEARER,
    surface=NAME,
)
async def download(request: StreamRequest) -> None:
    """Send the file that a token was made for; the name in the path only names it."""
    await respond(request, await request.run_api(_by_token, request))


@stream_route(
    "GET",
    "/seafhttp/blks/{token}/{block_id}",
    operation="file-server-block",
    action=Marker.BEARER,
    surface=NAME,
)
async def download_block(request: StreamRequest) -> None:
    """Send one block of the file that a token was made for, as it is stored."""
    await respond(request, await request.run_api(_block, request))


@stream_route(
    "GET",
    "/seafhttp/repos/{library_id}/files/{path:rest}",
    operation="file-server-download-by-path",
    action=Action.READ,
    surface=NAME,
)
async def download_by_path(request: StreamRequest) -> None:
    """Send a file to whoever shows an API token and may read it."""
    await respond(request, await request.run_api(_by_path, request))


# -- what they send ------------------------------------------------------------------------------------------


def _by_token(request: StreamRequest) -> Reply | Streamed:
    name = request.path_params["name"].rpartition("/")[2]
    if not name:
        raise refuse_download(400, "Invalid URL")
    services = request.services
    grant = services.access_tokens.take(request.path_params["token"], "view", "download")
    head = services.libraries.get(grant.library_id)
    services.access.require(grant.actor, Action.READ, head, _scope(grant.actor))
    wanted = _Wanted(head, ObjectId.parse(grant.object), name, grant.operation.startswith("view"))
    return _file(request, wanted, grant.actor, f"max-age={CACHE_SECONDS}")


def _scope(actor: Actor) -> str:
    """Return the path to decide on: tokens name contents, and only a link is bound to where these lie."""
    return actor.link.path if actor.link is not None else paths.ROOT


def _block(request: StreamRequest) -> Reply | Streamed:
    services = request.services
    grant = services.access_tokens.take(request.path_params["token"], "downloadblks")
    head = services.libraries.get(grant.library_id)
    services.access.require(grant.actor, Action.READ, head, _scope(grant.actor))
    contents, block_id = services.transfers.contents, request.path_params["block_id"]
    file = contents.file(head.store_id, ObjectId.parse(grant.object))
    if block_id not in file.block_ids:
        return Reply(None, 400, media_type=BINARY)
    size = services.objects.block_size(head.store_id, ObjectId(block_id))
    headers = {**_ANYBODY, "Content-Disposition": f'attachment;filename="{block_id}"'}
    return _begun(
        request, 200, headers, BINARY, size, contents.block(head.store_id, ObjectId(block_id), size)
    )


def _by_path(request: StreamRequest) -> Reply | Streamed:
    actor = _caller(request)
    operation = (parse_query(request.query_string).get("op") or [""])[-1]
    if not operation:
        raise refuse_download(400, "No operation")
    if operation not in ("view", "download"):
        raise refuse_download(400, "Operation is neither view or download")
    path = paths.normalize_file(request.path_params["path"])
    if path == paths.ROOT:
        raise refuse_download(400, "Invalid file_path")
    services = request.services
    head = services.libraries.get(LibraryId(request.path_params["library_id"]))
    services.access.require(actor, Action.READ, head, path)
    entry = services.trees.find(head.store_id, head.root_id, path)
    if entry is None or entry.is_dir:
        raise FileNotFound(path)
    wanted = _Wanted(head, entry.id, entry.name, operation == "view")
    answer = _file(request, wanted, actor, "private, no-cache")
    if answer.status == 200 and request.method == "GET":
        _record(request, actor, head, path)
    return answer


def _caller(request: StreamRequest) -> Actor:
    """Return who shows an API token. Refuses everybody else."""
    try:
        token = token_of(request.headers.get("authorization"))
    except ApiError:
        token = None
    if token is None:
        raise refuse_download(400, "Both token and cookie are not set")
    try:
        return request.services.tokens.resolve(token).actor
    except TokenNotFound:
        raise refuse_download(403, "Permission denied") from None


def _record(request: StreamRequest, actor: Actor, head: Head, path: str) -> None:
    services = request.services

    def work(tx: Transaction) -> None:
        services.audit.write(
            tx, "api:file:download", actor, ip=request.client_ip, library_id=head.library_id, path=path
        )

    services.db.write(work)


# -- files ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A file that is to be sent, and how: under which name, to be shown or saved."""

    head: Head
    file_id: ObjectId
    name: str
    inline: bool

    @property
    def media_type(self) -> str:
        return media_type(self.name)


def _file(request: StreamRequest, wanted: _Wanted, actor: Actor, cache_control: str) -> Reply | Streamed:
    """Return all of a file, a part of it, or word that the caller has it already."""
    services, head = request.services, wanted.head
    cipher = services.transfers.keys.cipher(head, actor)
    headers = _headers(services, wanted, cache_control)
    if _is_known(request, wanted.file_id):
        return Streamed(304, headers)
    contents = services.transfers.contents
    file = contents.file(head.store_id, wanted.file_id)
    headers["Accept-Ranges"] = "bytes"
    if file.size and _asks_for_range(request, wanted.file_id):
        return _ranges(request, wanted, file, cipher, headers)
    reader = contents.whole(head.store_id, file, cipher)
    return _begun(request, 200, headers, wanted.media_type, file.size, reader)


def _headers(services: Services, wanted: _Wanted, cache_control: str) -> dict[str, str]:
    headers = {
        "ETag": wanted.file_id,
        "Last-Modified": format_datetime(services.clock.now(), usegmt=True),
        "Cache-Control": cache_control,
        "Content-Disposition": disposition(wanted.name, inline=wanted.inline),
        "X-Content-Type-Options": "nosniff",
        **_ANYBODY,
    }
    if wanted.media_type == SVG:
        headers["Content-Security-Policy"] = "sandbox"
    return headers


def _is_known(request: StreamRequest, file_id: ObjectId) -> bool:
    """Tell whether the caller has this content: what an id stands for never changes."""
    tags = request.headers.get("if-none-match")
    if tags:
        return any(_tag(each) in (file_id, "*") for each in tags.split(","))
    return "if-modified-since" in request.headers


def _tag(text: str) -> str:
    return text.strip().removeprefix("W/").strip('"')


def _asks_for_range(request: StreamRequest, file_id: ObjectId) -> bool:
    if request.method != "GET" or "range" not in request.headers:
        return False
    condition = request.headers.get("if-range")
    return not condition or _tag(condition) == file_id


def _ranges(
    request: StreamRequest,
    wanted: _Wanted,
    file: FileObject,
    cipher: BlockCipher | None,
    headers: dict[str, str],
) -> Reply | Streamed:
    store_id, contents = wanted.head.store_id, request.services.transfers.contents
    try:
        ranges = parse_ranges(request.headers.get("range"), file.size)
    except UnsatisfiableRange:
        return Reply(None, 416, {"Content-Range": f"bytes */{file.size}", **_ANYBODY})

    def reader_of(each: ByteRange) -> Reader:
        return contents.part(store_id, wanted.file_id, file, each.first, each.length, cipher)

    if len(ranges) > 1:
        boundary = wanted.file_id + request.request_id
        parts = MultipartReader(ranges, file.size, wanted.media_type, boundary, reader_of)
        kind = f"multipart/byteranges; boundary={boundary}"
        return _begun(request, 206, headers, kind, parts.length, parts)
    (only,) = ranges
    headers["Content-Range"] = f"bytes {only.first}-{only.last}/{file.size}"
    return _begun(request, 206, headers, wanted.media_type, only.length, reader_of(only))


def _begun(
    request: StreamRequest, status: int, headers: dict[str, str], kind: str, length: int, reader: Reader
) -> Reply | Streamed:
    """Read the beginning, so that what cannot be read is refused as long as it can be, and short is quick."""
    headers = {**headers, "Content-Type": kind, "Content-Length": str(length)}
    if request.method == "HEAD":
        return Streamed(status, headers)
    first = reader.read() if length else b""
    if len(first) == length:
        del headers["Content-Length"], headers["Content-Type"]
        return Reply(first, status, headers, kind)
    return Streamed(status, headers, first, reader)
