"""What tests start ends with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.server import wait_for_end

_ROOT: Final = Path(__file__).parents[2]
_STARTER: Final = """
import subprocess
from tests.support.processes import ends_with_parent
child = subprocess.Popen(["sleep", "600"], preexec_fn=ends_with_parent())
print(child.pid, flush=True)
child.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_program_dies_with_a_test_run_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", _STARTER], cwd=_ROOT, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        child = int(starter.stdout.readline())
        starter.kill()
    wait_for_end([child])
