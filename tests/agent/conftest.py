"""Folders with short names: the path of a socket has room for about a hundred characters."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder of this test's own with a short path."""
    with tempfile.TemporaryDirectory(prefix="agent-") as name:
        yield Path(name).resolve()
