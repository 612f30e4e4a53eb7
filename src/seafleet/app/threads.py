"""Threads beside the event loop: pools that run requests, and work that is due again and again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from seafleet import logs
from seafleet.api.kernel.pool import hand_over, pass_on

T = TypeVar("T")

_log = logs.logger("app")


class Threads:
    """A bounded pool of threads that run plain functions for the event loop; started when first needed.

    One queue, one wake-up of the loop per result: a hop costs a fifth of what the standard library's executor
    takes.
    """

    def __init__(self, name: str, size: int) -> None:
        self._name = name
        self._size = size
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def run(self, work: Callable[..., T], *arguments: object) -> Awaitable[T]:
        """Have a thread run `work(*arguments)`; to be awaited. Called on the event loop only."""
        return self._put(work, arguments, follows=False)

    def follow(self, work: Callable[..., Any], *arguments: object) -> Awaitable[Any]:
        """Do the same; if `work` returns a future, await what that comes to.

        The thread does not wait for it, and the loop is woken once, at the end.
        """
        return self._put(work, arguments, follows=True)

    def close(self) -> None:
        """Let the threads finish what is queued, and end them."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _put(self, work: Callable[..., Any], arguments: Sequence[object], *, follows: bool) -> Awaitable[Any]:
        if len(self._threads) < self._size:
            self._start()
        awaited: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.put((work, arguments, awaited, follows))
        return awaited

    def _start(self) -> None:
        thread = threading.Thread(target=self._serve, name=f"{self._name}-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        while (job := self._queue.get()) is not None:
            work, arguments, awaited, follows = job
            try:
                result, error = work(*arguments), None
            except BaseException as raised:
                result, error = None, raised
            if follows and isinstance(result, Future):
                result.add_done_callback(partial(pass_on, awaited))
            else:
                hand_over(awaited, result, error)
            del job, work, arguments, awaited, result, error


_Job = tuple[Callable[..., Any], Sequence[object], asyncio.Future[Any], bool]


class Periodic:
    """Background work that is due again and again, each piece in a thread of its own."""

    def __init__(self) -> None:
        self._tasks: list[_Task] = []
        self._stopped = False

    def add(self, name: str, seconds: float, work: Callable[[], object]) -> Callable[[], None]:
        """Run `work` every so many seconds, the first time after the first interval.

        Returns a function that has it run at once, as soon as a run that is under way has ended.
        """
        task = _Task(name, seconds, work)
        self._tasks.append(task)
        return task.due.set

    def start(self) -> None:
        """Begin."""
        for task in self._tasks:
            task.thread = threading.Thread(target=self._repeat, args=(task,), name=task.name, daemon=True)
            task.thread.start()

    def stop(self) -> None:
        """Let what runs finish, and begin nothing more."""
        self._stopped = True
        for task in self._tasks:
            task.due.set()
            if task.thread is not None:
                task.thread.join()

    def _repeat(self, task: _Task) -> None:
        while True:
            task.due.wait(task.seconds)
            task.due.clear()
            if self._stopped:
                return
            try:
                task.work()
            except Exception:
                _log.exception("background work failed", work=task.name)


@dataclass(slots=True)
class _Task:
    name: str
    seconds: float
    work: Callable[[], object]
    due: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
