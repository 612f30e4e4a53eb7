"""All routes and surfaces of the server, found in the modules below `seafleet.api` and `seafleet.web`.

A module takes part by lying there: its functions that carry `@route` or `@stream_route` are served, its
`SURFACE` says in which manner.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import FunctionType
from typing import TYPE_CHECKING, Final

from seafleet.api.kernel.routes import Route, routes_of
from seafleet.api.kernel.surfaces import Surface

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

PACKAGES: Final = ("seafleet.api", "seafleet.web")


def surface_modules() -> Iterator[ModuleType]:
    """Import and yield every module that may declare routes, in the order of their names."""
    for package in PACKAGES:
        try:
            root = importlib.import_module(package)
        except ModuleNotFoundError as error:
            if error.name != package:
                raise
            continue
        yield root
        for found in pkgutil.walk_packages(root.__path__, f"{package}."):
            if not found.name.startswith("seafleet.api.kernel"):
                yield importlib.import_module(found.name)


def all_routes() -> list[Route]:
    """Return every declared route, in the order of module names and lines."""
    return [declared for module in surface_modules() for declared in _routes_in(module)]


def all_surfaces() -> dict[str, Surface]:
    """Return every surface by its name. Raises ValueError when two bear one name."""
    surfaces: dict[str, Surface] = {}
    for module in surface_modules():
        surface = vars(module).get("SURFACE")
        if isinstance(surface, Surface) and surfaces.setdefault(surface.name, surface) is not surface:
            raise ValueError(f"two surfaces are named {surface.name}")
    return surfaces


def _routes_in(module: ModuleType) -> Iterator[Route]:
    for value in vars(module).values():
        if isinstance(value, FunctionType) and value.__module__ == module.__name__:
            yield from routes_of(value)
