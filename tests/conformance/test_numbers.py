"""Every case has exactly one test, and its number is in the test's id."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

CASES: Final = range(1, 159)
HERE: Final = Path(__file__).parent


@pytest.mark.slow
def test_each_number_has_exactly_one_test() -> None:
    """Collect in a process of its own, so that it does not matter which tests are run now."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", str(HERE)]
    root = HERE.parent.parent
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False, cwd=root)
    assert done.returncode == 0, done.stdout + done.stderr
    ids = [line for line in done.stdout.splitlines() if "::" in line]
    numbers = [re.findall(r"(?<!\d)\d{3}(?!\d)", line.partition("::")[2]) for line in ids if "case_" in line]
    assert [found for found in numbers if len(found) != 1] == []
    assert Counter(int(found[0]) for found in numbers) == Counter(CASES)
