"""Programs that tests start: none of them outlives the test run, however that ends."""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None)


def ends_with_parent(how: signal.Signals = signal.SIGKILL) -> Callable[[], object] | None:
    """Return what `Popen` shall do in the child: have the kernel send it a signal when its parent dies.

    One prepared system call, no lock taken. None where the kernel cannot do that: there a killed test run
    leaves its programs behind.
    """
    if sys.platform != "linux":
        return None
    return partial(_LIBC.prctl, _PR_SET_PDEATHSIG, int(how))
