"""Checks the routes: each is mounted, declares what it needs, and is an operation that is documented.

Documented means: in the catalogs of the Web API (``tests/fixtures/catalog-*.json``), or, for what goes beyond
them, in the first column of a table of ``docs/api/extras.md``, between backticks.
Run ``python -m tools.check_routes``; with ``--missing`` it lists the operations that have no route yet.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tools.check_imports import functions
from tools.source import PACKAGE, ROOT, Module, Problem, package_modules, report

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

SURFACE_PREFIXES = (f"{PACKAGE}.api.", f"{PACKAGE}.web.")
CATALOGS = ROOT / "tests" / "fixtures"
EXTRAS = ROOT / "docs" / "api" / "extras.md"
EXTRA_ROW = re.compile(r"^\|\s*`([^`]+)`\s*\|", re.MULTILINE)
DECORATORS = ("route", "stream_route")
PUBLIC_MARKERS = ("anyone", "bearer")
FILE_SERVER = "/seafhttp"
PLACEHOLDER = re.compile(r"\{[^}]*\}")


class RouteLike(Protocol):
    """What is read of a declared route."""

    @property
    def verb(self) -> str:
        """The HTTP method."""
        ...

    @property
    def pattern(self) -> str:
        """The path, placeholders in braces."""
        ...

    @property
    def operation(self) -> str:
        """The id of the operation it serves."""
        ...

    @property
    def action(self) -> object:
        """What the access evaluator is asked, or a marker that says why it is not."""
        ...

    @property
    def auth(self) -> str:
        """How the caller proves who it is."""
        ...

    @property
    def surface(self) -> str:
        """The family of clients it is for."""
        ...

    @property
    def stream(self) -> bool:
        """Whether it checks its own credentials and moves bytes by itself."""
        ...

    @property
    def name(self) -> str:
        """Where the handler is defined."""
        ...


@dataclass(frozen=True)
class Operation:
    """One entry of a catalog."""

    id: str
    method: str
    path: str
    catalog: str


def read_catalogs(folder: Path = CATALOGS) -> list[Operation]:
    """Answer every operation of the catalogs, in file order."""
    return [
        Operation(entry["id"], entry["method"], entry["path"], path.stem.removeprefix("catalog-"))
        for path in sorted(folder.glob("catalog-*.json"))
        for entry in json.loads(path.read_text("utf-8"))
    ]


def read_extras(path: Path = EXTRAS) -> list[str]:
    """Answer the operations that are documented beyond the catalogs; none when the page is missing."""
    return EXTRA_ROW.findall(path.read_text("utf-8")) if path.exists() else []


def address(verb: str, pattern: str) -> tuple[str, str]:
    """Answer a form of verb and path without names of placeholders, query and trailing slash.

    The catalogs give the file server's paths below its own root.
    """
    return verb, PLACEHOLDER.sub("{}", pattern.partition("?")[0]).rstrip("/").removeprefix(FILE_SERVER)


def problem(route: RouteLike, rule: str, text: str) -> Problem:
    """Answer a problem that names the route and its handler."""
    return Problem(route.name, 1, rule, f"{route.verb} {route.pattern}: {text}")


def undeclared_actions(routes: Iterable[RouteLike]) -> Iterator[Problem]:
    """Routes that say neither which action they need nor why none is needed."""
    for route in routes:
        if not route.action:
            yield problem(route, "route without action", "declare an action or a marker")


def undocumented(
    routes: Sequence[RouteLike], operations: Sequence[Operation], extras: Sequence[str]
) -> Iterator[Problem]:
    """Routes whose operation nobody documented, and documented extras that no route serves."""
    known = {operation.id for operation in operations} | set(extras)
    for route in routes:
        if route.operation not in known:
            yield problem(
                route, "undocumented operation", f"{route.operation} is in no catalog and not in extras.md"
            )
    for name in sorted(set(extras) - {route.operation for route in routes}):
        yield Problem("docs/api/extras.md", 1, "dead extra", f"no route serves {name}")


def misplaced(routes: Sequence[RouteLike], operations: Sequence[Operation]) -> Iterator[Problem]:
    """Operations whose routes all have another verb or path than the catalog says."""
    served: dict[str, set[tuple[str, str]]] = {}
    for route in routes:
        served.setdefault(route.operation, set()).add(address(route.verb, route.pattern))
    for operation in operations:
        if not operation.path.startswith("/") or operation.method == "*" or operation.id not in served:
            continue
        if address(operation.method, operation.path) not in served[operation.id]:
            text = f"{operation.id} is served, but not at {operation.method} {operation.path}"
            yield Problem(f"tests/fixtures/catalog-{operation.catalog}.json", 1, "operation misplaced", text)


def unguarded(routes: Iterable[RouteLike]) -> Iterator[Problem]:
    """Public routes whose action cannot be decided for nobody; streams check their own tokens."""
    for route in routes:
        if route.auth == "public" and not route.stream and str(route.action) not in PUBLIC_MARKERS:
            yield problem(
                route, "public route", f"nobody is known there, so {route.action} cannot be decided"
            )


def surfaceless(routes: Iterable[RouteLike], surfaces: Collection[str]) -> Iterator[Problem]:
    """Routes of a surface that no module defines."""
    for route in routes:
        if route.surface not in surfaces:
            yield problem(route, "unknown surface", route.surface)


def unmounted(routes: Iterable[RouteLike], modules: Iterable[Module]) -> Iterator[Problem]:
    """Functions that are written as handlers, anywhere in a surface module, and are not served."""
    served = {route.name for route in routes}
    surface_modules = [each for each in modules if each.name.startswith(SURFACE_PREFIXES)]
    for module, node in ((each, node) for each in surface_modules for node in functions(each)):
        if _is_handler(node) and f"{module.name}.{node.name}" not in served:
            yield Problem(module.path, node.lineno, "dead route", f"{node.name} is declared, but not served")


def _is_handler(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    calls = (mark.func for mark in node.decorator_list if isinstance(mark, ast.Call))
    return any(ast.unparse(call).rpartition(".")[2] in DECORATORS for call in calls)


def coverage(routes: Iterable[RouteLike], operations: Sequence[Operation]) -> str:
    """Answer one line on how many operations of each catalog have a route."""
    served = {route.operation for route in routes}
    total = Counter(operation.catalog for operation in operations)
    done = Counter(operation.catalog for operation in operations if operation.id in served)
    return "operations with a route: " + ", ".join(
        f"{name} {done[name]} of {total[name]}" for name in sorted(total)
    )


def missing(routes: Iterable[RouteLike], operations: Sequence[Operation]) -> str:
    """Answer the operations of the catalogs that no route serves, one a line."""
    served = {route.operation for route in routes}
    rows = (f"{op.catalog:<8} {op.method:<7} {op.path}  {op.id}" for op in operations if op.id not in served)
    return "\n".join(rows)


def all_problems(
    routes: Sequence[RouteLike], surfaces: Collection[str], operations: Sequence[Operation]
) -> list[Problem]:
    """Answer everything that is wrong with the routes."""
    return [
        *unguarded(routes),
        *surfaceless(routes, surfaces),
        *undeclared_actions(routes),
        *undocumented(routes, operations, read_extras()),
        *misplaced(routes, operations),
        *unmounted(routes, package_modules()),
    ]


def registered() -> tuple[list[RouteLike], Collection[str]]:
    """Answer the routes and the names of the surfaces that the server would serve."""
    registry = importlib.import_module(f"{PACKAGE}.api.registry")
    return list(registry.all_routes()), registry.all_surfaces().keys()


def main(argv: Sequence[str]) -> int:
    """Print what is wrong with the routes, or how much of the catalogs they cover."""
    routes, surfaces = registered()
    operations = read_catalogs()
    if "--missing" in argv:
        print(missing(routes, operations))
        return 0
    return report(all_problems(routes, surfaces, operations), coverage(routes, operations))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
