"""Threads for background work. A mistake in one piece of work is logged and ends that piece only."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from seafleet.logs import logger

_log: Any = logger("jobs")


class JobRunner:
    """A bounded number of threads with one queue; started when first needed."""

    def __init__(self, threads: int = 2) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="jobs")

    def start(self, name: str, work: Callable[[], None]) -> None:
        """Have a thread run `work` soon. Raises RuntimeError after `close`."""
        self._executor.submit(_run, name, work)

    def close(self) -> None:
        """Drop what has not begun, and wait for what has."""
        self._executor.shutdown(wait=True, cancel_futures=True)


def _run(name: str, work: Callable[[], None]) -> None:
    try:
        work()
    except Exception:
        _log.exception("a job failed", job=name)
