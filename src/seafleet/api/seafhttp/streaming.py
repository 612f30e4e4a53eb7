"""Answers that are sent while they are read: the next piece is read while the last one is on its way."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from seafleet.api.kernel import Reply, StreamRequest

if TYPE_CHECKING:
    from collections.abc import Mapping


class Reader(Protocol):
    """Gives content piece by piece."""

    def read(self) -> bytes:
        """Return the next bytes; nothing at the end."""
        ...


@dataclass(slots=True)
class Streamed:
    """An answer: `first` has been read already, `reader` has the rest, if there is any."""

    status: int
    headers: Mapping[str, str]
    first: bytes = b""
    reader: Reader | None = None


async def respond(request: StreamRequest, answer: Reply | Streamed) -> None:
    """Send an answer. Stops reading when the caller is gone.

    An error while reading flies: the status is out already, so that the connection closes too early, which is
    how the caller learns of it.
    """
    if isinstance(answer, Reply):
        await request.reply(answer)
        return
    await request.start(answer.status, answer.headers)
    piece = answer.first
    while piece and answer.reader is not None:
        written, ahead = await asyncio.gather(
            request.write(piece), request.run_io(answer.reader.read), return_exceptions=True
        )
        for outcome in (written, ahead):
            if isinstance(outcome, BaseException):
                raise outcome
        assert isinstance(ahead, bytes)
        piece = ahead
    if piece:
        await request.write(piece)
    await request.finish()
