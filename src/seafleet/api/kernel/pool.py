"""Threads that run plain functions for the event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

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
