"""One of several server processes: ends when the process that started it ends, in whatever way that was.

Otherwise a supervisor that is killed would leave workers behind that go on serving and keep the port.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
from typing import Final

from seafleet.app.server import Server, create_app

_PR_SET_PDEATHSIG: Final = 1


def create_worker() -> Server:
    """Return the application for one of several processes; its settings come from the environment."""
    _end_with_parent()
    return create_app()


def _end_with_parent() -> None:
    """Have the kernel send SIGTERM when the parent is gone; if it is gone already, send it now."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        os.kill(os.getpid(), signal.SIGTERM)
