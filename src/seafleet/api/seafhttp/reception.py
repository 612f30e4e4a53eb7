"""How the body of an upload is taken: what can refuse it first, then the content, then what the form says.

A small request is handled in one visit to a thread. A large one is taken apart on the event loop, as it
comes; its content goes to threads in batches, of which one is worked on while the next one fills. The socket
is read no further meanwhile, so memory per upload is bounded whatever its size.

Source: file server §2; stack §6.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

from seafleet.api.kernel import Reply, StreamRequest
from seafleet.api.kernel.parameters import parse_query
from seafleet.api.seafhttp.errors import refuse_upload
from seafleet.api.seafhttp.forms import MAX_FIELD_BYTES, Event, FormParser
from seafleet.library.model import LibraryStatus
from seafleet.store.generation import Generation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from concurrent.futures import Future

    from seafleet.accounts.access_tokens import AccessGrant
    from seafleet.api.services import Services
    from seafleet.library.model import Head
    from seafleet.transfers.limits import Room
    from seafleet.transfers.progress import UploadCount
    from seafleet.transfers.receiving import Receiver

SMALL_BYTES: Final = 1 << 20
"""Requests up to this size are taken into memory whole."""
BATCH_BYTES: Final = 1 << 20
_FEW_UPLOADS: Final = 4
_PROGRESS_ID: Final = b"X-Progress-ID"
_EVENT_BYTES: Final = 1 << 10
"""What an event weighs besides its content, so that many tiny files do not make a huge batch."""


class Reception(ABC):
    """One upload request. All methods run in threads, one after the other; errors of the domain fly.

    ``admit (feed take)… conclude (answer)``, or `abort` at any time.
    """

    max_field_bytes = MAX_FIELD_BYTES

    def __init__(self, request: StreamRequest, operation: str) -> None:
        self.request = request
        self.operation = operation
        self.grant: AccessGrant
        self.head: Head
        self.seen: Generation
        self.room: Room
        self.receiver: Receiver
        self.parser: FormParser

    @property
    def services(self) -> Services:
        """The server's services."""
        return self.request.services

    @property
    def fields(self) -> dict[str, str]:
        """The fields of the form, complete when `conclude` is called."""
        return self.parser.fields

    def admit(self) -> None:
        """Check everything that can refuse the request before its body is read, in the documented order."""
        services, request = self.services, self.request
        now = services.clock.timestamp()
        self.grant = services.access_tokens.take(request.path_params["token"], self.operation)
        self.head = services.libraries.get(self.grant.library_id)
        if self.head.status is not LibraryStatus.NORMAL:
            raise refuse_upload(403, "Repo status not writable.")
        self.seen = Generation(self.head.store_id, self.head.generation, now)
        if self.head.is_sub_library:  # the generation is kept with its origin
            self.seen = services.objects.generation(self.head.store_id)
        self.check_announced()
        self.parser = FormParser(
            request.headers.get("content-type"),
            request.content_length,
            max_field_bytes=self.max_field_bytes,
        )
        self.receiver = self.open_receiver()

    def check_announced(self) -> None:
        """Check size and quota against what the request says of itself."""
        self.room = self.services.transfers.limits.check(self.head, self.request.content_length or 0)

    def feed(self, chunk: bytes) -> list[Event]:
        """Take the next bytes of the body apart; the only step that may run on the event loop."""
        return self.parser.feed(chunk)

    def take(self, events: Sequence[Event]) -> None:
        """Store content."""
        receiver = self.receiver
        for event in events:
            if isinstance(event, bytes):
                receiver.write(event)
            elif event is None:
                receiver.end()
            else:
                receiver.begin(event)
        self.services.transfers.limits.check_sizes(receiver.sizes[-1:])
        if self.request.content_length is None:
            self.room.check(sum(receiver.sizes))

    def take_whole(self, body: bytes) -> Reply | Future[Any]:
        """Do everything for a body that is complete."""
        kept = False
        try:
            self.admit()
            self.take(self.feed(body))
            self.parser.finish()
            done = self.conclude()
            kept = True
        finally:
            if not kept:
                self.abort()
        return done

    @abstractmethod
    def open_receiver(self) -> Receiver:
        """Return what takes the files."""

    @abstractmethod
    def conclude(self) -> Reply | Future[Any]:
        """Check the form and act on it: the answer, or what is to be given to `answer`."""

    def answer(self, outcome: Any) -> Reply:
        """Return the answer once what `conclude` began has been done."""
        raise LookupError(f"{self.operation} answers at once, not after {outcome}")

    def abort(self) -> None:
        """Drop what was received and is not kept."""
        if hasattr(self, "receiver"):
            self.receiver.abort()


async def serve(reception: Reception) -> None:
    """Receive a request and answer it."""
    done = await _receive(reception.request, reception)
    if not isinstance(done, Reply):
        done = reception.answer(done)
    await reception.request.reply(done)


async def _receive(request: StreamRequest, reception: Reception) -> Any:
    chunks = request.body_chunks()
    begun = b""
    if _may_be_small(request):
        begun = await _read_up_to(chunks, SMALL_BYTES)
        if request.body_read:
            done = await request.follow_api(reception.take_whole, begun)
            if (count := _count(request)) is not None:
                count.add(len(begun))
                await request.run_io(count.write)
            return done
    kept = False
    try:
        await request.run_api(reception.admit)
        await _stream(reception, begun, chunks)
        done = await request.follow_io(reception.conclude)
        kept = True
    finally:
        if not kept:
            await request.run_io(reception.abort)
    return done


def _may_be_small(request: StreamRequest) -> bool:
    """Tell whether to read on before anything is checked.

    Not if the caller waits to be told to go on, nor for chunks: the last one brings a large file to its end.
    """
    if "expect" in request.headers or "content-range" in request.headers:
        return False
    length = request.content_length
    return length is None or length <= SMALL_BYTES


async def _read_up_to(chunks: AsyncIterator[bytes], limit_bytes: int) -> bytes:
    """Return the next bytes: everything, or a little more than the limit."""
    pieces: list[bytes] = []
    size = 0
    async for chunk in chunks:
        pieces.append(chunk)
        size += len(chunk)
        if size > limit_bytes:
            break
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def _stream(reception: Reception, begun: bytes, chunks: AsyncIterator[bytes]) -> None:
    request, count = reception.request, _count(reception.request)
    async with _Line(reception) as line:
        if begun:
            if count is not None:
                count.add(len(begun))
            await line.put(reception.feed(begun))
        async for chunk in chunks:
            await line.put(reception.feed(chunk))
            if count is not None and count.add(len(chunk)):
                await request.run_io(count.write)
        reception.parser.finish()
        await line.end()
    if count is not None:
        await request.run_io(count.write)


def _count(request: StreamRequest) -> UploadCount | None:
    """Return what counts the body under the id that the sender chose; None if it chose none."""
    if _PROGRESS_ID not in request.query_string:
        return None
    progress_id = _progress_id(request.query_string)
    if not progress_id:
        return None
    return request.services.transfers.progress.begin(progress_id, request.content_length or 0)


def _progress_id(query: bytes) -> str:
    return parse_query(query).get(_PROGRESS_ID.decode(), [""])[-1][:100]


class _Line:
    """Hands batches to threads, in order and never two at once.

    While few uploads run, one batch may wait besides the one that is worked on.
    """

    _running = 0

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._batch: list[Event] = []
        self._size = 0
        self._jobs: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> _Line:
        _Line._running += 1
        return self

    async def __aexit__(self, *_error: object) -> None:
        _Line._running -= 1
        await asyncio.gather(*self._jobs, return_exceptions=True)

    async def put(self, events: Sequence[Event]) -> None:
        """Add to the batch; hand it over when it is full, as soon as its turn comes."""
        for event in events:
            self._batch.append(event)
            self._size += len(event) if isinstance(event, bytes) else _EVENT_BYTES
        if self._size >= BATCH_BYTES:
            await self._hand_over()

    async def end(self) -> None:
        """Hand over what is left, and wait until all is done."""
        await self._hand_over()
        while self._jobs:
            await self._jobs.pop(0)

    async def _hand_over(self) -> None:
        allowed = 2 if _Line._running <= _FEW_UPLOADS else 1
        while len(self._jobs) >= allowed:
            await self._jobs[0]
            del self._jobs[0]
        before = self._jobs[-1] if self._jobs else None
        self._jobs.append(asyncio.create_task(self._work(self._batch, before)))
        self._batch, self._size = [], 0

    async def _work(self, batch: Sequence[Event], before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await before
        await self._reception.request.run_io(self._reception.take, batch)
