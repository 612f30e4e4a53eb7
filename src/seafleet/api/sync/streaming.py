"""Answers that are computed while they are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seafleet.api.kernel import Reply, StreamRequest

if TYPE_CHECKING:
    from collections.abc import Iterator


async def send_pieces(request: StreamRequest, first: bytes, rest: Iterator[bytes], media_type: str) -> None:
    """Send a body that comes from an iterator, each piece computed in a thread while nobody waits for it.

    With a length if there is but one piece. An error in the middle flies: the answer stays incomplete, and
    the closed connection tells the client.
    """
    piece = await request.run_io(next, rest, b"")
    if not piece:
        await request.reply(Reply(first, media_type=media_type))
        return
    await request.start(200, {"Content-Type": media_type})
    await request.write(first)
    while piece:
        await request.write(piece)
        piece = await request.run_io(next, rest, b"")
    await request.finish()
