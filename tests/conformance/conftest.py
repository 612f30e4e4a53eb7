"""A fresh copy of the fixture, and a server on it, for every case."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from seafleet.api.registry import all_routes
from tests.conformance.site import Site, copied, make_template

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


# A path of each dialect that is served when the dialect is.
_PATHS = {
    "devicemagic": "/api/v2/organizations/",
    "mobilefirst": "/management-apis/2.0/runtimes/",
    "metaaccess": "/devices/action",
}


def absent(dialects: Iterable[str]) -> list[str]:
    """Return which of these dialects the server does not speak."""
    patterns = [route.pattern for route in all_routes()]
    return [name for name in dialects if not any(_PATHS[name] in pattern for pattern in patterns)]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture, made once."""
    return make_template(tmp_path_factory.mktemp("conformance"))


@pytest.fixture
def site(template: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    """A server of this test's own with the fixture in it."""
    for mark in request.node.iter_markers("dialects"):
        if missing := absent(mark.args):
            pytest.skip(f"this server does not speak {', '.join(missing)}")
    with copied(template, tmp_path) as running:
        yield running
