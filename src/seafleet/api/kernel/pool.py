"""Threads that run plain functions for the event loop, and how it learns what came of them."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import CancelledError
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from concurrent.futures import Future

T = TypeVar("T")


class WorkerPool(Protocol):
    """A bounded number of threads with one queue."""

    def run(self, work: Callable[..., T], *arguments: object) -> Awaitable[T]:
        """Have a thread run `work(*arguments)`; to be awaited for its result or error.

        Called on the event loop only.

        The work begins even when nobody waits any more.
        """
        ...

    def follow(self, work: Callable[..., Any], *arguments: object) -> Awaitable[Any]:
        """Do the same; if `work` returns a future, of something that goes on elsewhere, await its outcome."""
        ...

    def close(self) -> None:
        """Let the threads finish what is queued, and end them."""
        ...


def outcome_of(future: Future[T]) -> asyncio.Future[T]:
    """Return what the event loop awaits for a future that a thread completes.

    Several may await the same one: giving up does not cancel it, unlike with `asyncio.wrap_future`, which
    also costs three times as much.
    """
    awaited: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    future.add_done_callback(partial(pass_on, awaited))
    return awaited


def pass_on(awaited: asyncio.Future[Any], done: Future[Any]) -> None:
    """Hand over what a future came to; in the thread that brought it to its end."""
    error = CancelledError() if done.cancelled() else done.exception()
    hand_over(awaited, None if error is not None else done.result(), error)


def hand_over(awaited: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    """Have the event loop learn a result or an error; in any thread."""
    # The loop may be gone when a server is stopped while work runs: then nobody waits.
    with contextlib.suppress(RuntimeError):
        awaited.get_loop().call_soon_threadsafe(_settle, awaited, result, error)


def _settle(awaited: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if awaited.cancelled():
        return
    if error is not None:
        awaited.set_exception(error)
    else:
        awaited.set_result(result)
