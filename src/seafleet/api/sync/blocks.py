"""Blocks: raw bytes under the name of their hash.

Source: sync protocol §3, §4, "block-map".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from seafleet.access import Action
from seafleet.api.kernel import BINARY, PUBLIC, ApiRequest, Marker, Reply, StreamRequest, route, stream_route
from seafleet.api.kernel.pool import outcome_of
from seafleet.api.sync.admission import admit, store_on_loop
from seafleet.api.sync.surface import NAME
from seafleet.errors import FileTooLarge, ObjectMissing
from seafleet.ids import ObjectId
from seafleet.store.contract import NOUNS, Kind
from seafleet.sync.blocks import MAX_BLOCK_BYTES, BlockReceiver, small_block

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seafleet.store.objects import ObjectStore

PIECE_BYTES: Final = 512 << 10
_AT_ONCE_BYTES: Final = 1 << 20
"""Blocks up to this size are taken and stored in one visit to a thread."""


@stream_route(
    "GET",
    "/seafhttp/repo/{library_id}/block/{block_id:object}",
    operation="sync-get-block",
    action=Marker.BEARER,
    surface=NAME,
)
async def get_block(request: StreamRequest) -> None:
    """Send a block as it is stored. Raises ObjectMissing."""
    store_id = store_on_loop(request, Action.READ)
    if store_id is not None:
        block_id = ObjectId(request.path_params["block_id"])
        data = small_block(request.services.objects, store_id, block_id)
        if data is not None:
            await request.reply(Reply(data, media_type=BINARY))
            return
    first, size, rest = await request.run_api(_open_block, request)
    if len(first) == size:
        await request.reply(Reply(first, media_type=BINARY))
        return
    await request.start(200, {"Content-Type": BINARY, "Content-Length": str(size)})
    piece = first
    while piece:
        await request.write(piece)
        piece = await request.run_io(next, rest, b"")
    await request.finish()


def _open_block(request: StreamRequest) -> tuple[bytes, int, Iterator[bytes]]:
    store_id = admit(request, Action.READ).head.store_id
    objects, block_id = request.services.objects, ObjectId(request.path_params["block_id"])
    first = objects.read_block(store_id, block_id, 0, PIECE_BYTES)
    size = len(first) if len(first) < PIECE_BYTES else objects.block_size(store_id, block_id)
    return first, size, _pieces(objects, store_id, block_id, size)


def _pieces(objects: ObjectStore, store_id: str, block_id: ObjectId, size: int) -> Iterator[bytes]:
    for offset in range(PIECE_BYTES, size, PIECE_BYTES):
        yield objects.read_block(store_id, block_id, offset, PIECE_BYTES)


@stream_route(
    "PUT",
    "/seafhttp/repo/{library_id}/block/{block_id:object}",
    operation="sync-put-block",
    action=Marker.BEARER,
    surface=NAME,
)
async def put_block(request: StreamRequest) -> None:
    """Store a block, verified. Raises HashMismatch, MalformedObject when it is empty, FileTooLarge."""
    length = request.content_length
    if length is not None and length > MAX_BLOCK_BYTES:
        raise FileTooLarge(MAX_BLOCK_BYTES)
    if length is not None and length <= _AT_ONCE_BYTES:
        await _put_at_once(request, await request.read_body(_AT_ONCE_BYTES))
    else:
        await _put_streamed(request)
    await request.reply(Reply())


async def _put_at_once(request: StreamRequest, data: bytes) -> None:
    objects, block_id = request.services.objects, ObjectId(request.path_params["block_id"])
    store_id = None
    if len(data) <= objects.inline_block_bytes:
        store_id = store_on_loop(request, Action.WRITE)
    if store_id is None:
        await request.run_api(_admit_and_put, request, block_id, data)
    else:
        await outcome_of(request.services.sync.small_blocks.submit(store_id, block_id, data))


def _admit_and_put(request: StreamRequest, block_id: ObjectId, data: bytes) -> None:
    store_id = admit(request, Action.WRITE).head.store_id
    request.services.objects.put_block(store_id, block_id, data)


async def _put_streamed(request: StreamRequest) -> None:
    store_id = (await request.run_api(admit, request, Action.WRITE)).head.store_id
    block_id = ObjectId(request.path_params["block_id"])
    receiver = BlockReceiver(request.services.objects, store_id, block_id)
    try:
        pieces: list[bytes] = []
        size = 0
        async for piece in request.body_chunks():
            pieces.append(piece)
            size += len(piece)
            if size >= PIECE_BYTES:
                await request.run_io(receiver.write, b"".join(pieces))
                pieces, size = [], 0
        await request.run_io(_finish, receiver, b"".join(pieces))
    finally:
        await request.run_io(receiver.abort)


def _finish(receiver: BlockReceiver, last: bytes) -> None:
    receiver.write(last)
    receiver.finish()


@route(
    "GET",
    "/seafhttp/repo/{library_id}/block-map/{file_id:object}",
    operation="sync-block-map",
    action=Marker.BEARER,
    auth=PUBLIC,
    throttle=None,
    surface=NAME,
)
def block_map(request: ApiRequest) -> list[int]:
    """Tell the stored sizes of a file's blocks, in order. Raises ObjectMissing."""
    store_id = admit(request, Action.READ).head.store_id
    services = request.services
    block_ids = services.trees.file(store_id, ObjectId(request.path_params["file_id"])).block_ids
    sizes = services.objects.block_sizes(store_id, block_ids)
    for block_id in block_ids:
        if block_id not in sizes:
            raise ObjectMissing(NOUNS[Kind.BLOCK], block_id)
    return [sizes[block_id] for block_id in block_ids]
