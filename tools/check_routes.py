"""Checks the routes: each is mounted, declares what it needs, and is an operation that is documented.

Documented means: in the catalogs of the Web API (``tests/fixtures/catalog-*.json``), or, for what goes beyond
them, in the first column of a table of ``docs/api/extras.md``, between backticks.
Run ``python -m tools.check_routes``; with ``--missing`` it lists the operations that have no route yet.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tools.source import PACKAGE, ROOT, Module, Problem, package_modules, report

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

REGISTRY = f"{PACKAGE}.api.registry"
SURFACE_PREFIXES = (f"{PACKAGE}.api.", f"{PACKAGE}.web.")
CATALOGS = ROOT / "tests" / "fixtures"
EXTRAS = ROOT / "docs" / "api" / "extras.md"
EXTRA_ROW = re.compile(r"^\|\s*`([^`]+)`\s*\|", re.MULTILINE)
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
    """Answer a form of verb and path without names of placeholders, query and trailing slash."""
    return verb, PLACEHOLDER.sub("{}", pattern.partition("?")[0]).rstrip("/")


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


def unmounted(routes: Iterable[RouteLike], declared: Iterable[RouteLike]) -> Iterator[Problem]:
    """Handlers that declare a route which the registry does not know."""
    mounted = {(route.verb, route.pattern) for route in routes}
    for route in declared:
        if (route.verb, route.pattern) not in mounted:
            yield problem(route, "dead route", "declared, but its module is not mounted")


def declared_routes(modules: Iterable[Module]) -> list[RouteLike]:
    """Answer the routes declared on functions of all surface modules, mounted or not."""
    routes_of = importlib.import_module(f"{PACKAGE}.api.kernel.routes").routes_of
    found: list[RouteLike] = []
    for module in modules:
        if module.name.startswith(SURFACE_PREFIXES):
            for value in vars(importlib.import_module(module.name)).values():
                if getattr(value, "__module__", None) == module.name:
                    found.extend(routes_of(value))
    return found


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


def all_problems(routes: Sequence[RouteLike], operations: Sequence[Operation]) -> list[Problem]:
    """Answer everything that is wrong with the routes."""
    return [
        *undeclared_actions(routes),
        *undocumented(routes, operations, read_extras()),
        *misplaced(routes, operations),
        *unmounted(routes, declared_routes(package_modules())),
    ]


def main(argv: Sequence[str]) -> int:
    """Print what is wrong with the routes, or how much of the catalogs they cover."""
    if not (ROOT / "src" / Path(*REGISTRY.split("."))).with_suffix(".py").exists():
        print("no routes are declared yet")
        return 0
    routes: list[RouteLike] = list(importlib.import_module(REGISTRY).all_routes())
    operations = read_catalogs()
    if "--missing" in argv:
        print(missing(routes, operations))
        return 0
    return report(all_problems(routes, operations), coverage(routes, operations))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
