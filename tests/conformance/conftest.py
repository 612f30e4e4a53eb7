"""A fresh copy of the fixture, and a server on it, for every case."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.site import Site, copied, make_template

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture, made once."""
    return make_template(tmp_path_factory.mktemp("conformance"))


@pytest.fixture
def site(template: Path, tmp_path: Path) -> Iterator[Site]:
    """A server of this test's own with the fixture in it."""
    with copied(template, tmp_path) as running:
        yield running
