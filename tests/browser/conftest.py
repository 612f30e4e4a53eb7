"""A server, and one browser for each module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import chromium
from tests.support.chromium import Window
from tests.support.registry import RegistrySite


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Window]:
    """A browser with a new profile."""
    opened = chromium.start(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def site(window: Window, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistrySite]:
    """A server; none is started where there is no browser."""
    running = RegistrySite.start(tmp_path_factory.mktemp("browser") / "data")
    yield running
    running.stop()
