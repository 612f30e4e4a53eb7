"""Checks the architecture: imports point down, domains know no HTTP, files and functions stay small.

The rules themselves are told in docs/architecture.md. Run ``python -m tools.check_imports``.
"""

from __future__ import annotations

import ast
import re
import statistics
import sys
from typing import TYPE_CHECKING

from tools.source import (
    PACKAGE,
    ROOT,
    Module,
    Problem,
    helper_modules,
    package_modules,
    report,
    tracked_files,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

VALUES, FORMATS, DB, STORE, LIBRARY, DOMAINS, ACCESS, SURFACES, APP, CLI = range(10)

# A package that is not named here is a domain, a module that is not named here holds values.
LAYERS = {
    "formats": FORMATS,
    "db": DB,
    "store": STORE,
    "library": LIBRARY,
    "actor": DOMAINS,
    "access": ACCESS,
    "api": SURFACES,
    "web": SURFACES,
    "app": APP,
    "cli": CLI,
    "__main__": CLI,
}
LAYER_NAMES = ("values", "formats", "db", "store", "library", "domains", "access", "surfaces", "app", "cli")

# Parts of the API that speak to different clients and share nothing but the kernel beside them.
API_SURFACES = frozenset(
    (
        "seafile",
        "seafhttp",
        "sync",
        "webdav",
        "devicemagic",
        "mobilefirst",
        "metaaccess",
        "device_registry",
        "device_agent",
    )
)

HTTP_MODULES = frozenset(
    (
        "aiohttp",
        "h11",
        "http",
        "httptools",
        "httpx",
        "multipart",
        "starlette",
        "urllib.request",
        "uvicorn",
        "websockets",
    )
)
SQL_MODULES = frozenset(("sqlalchemy", "sqlite3", "psycopg", f"{PACKAGE}.db.tables"))

# What makes a result depend on when and where it is computed; domain code is handed a clock and settings.
AMBIENT_CALLS = frozenset(
    (
        "time.time",
        "time.time_ns",
        "datetime.now",
        "datetime.utcnow",
        "datetime.today",
        "date.today",
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.date.today",
        "os.getenv",
        "os.environ",
    )
)
AMBIENT_MODULES_ALLOWED = frozenset((f"{PACKAGE}.clock", f"{PACKAGE}.settings"))

MAX_FILE_LINES = 500
MAX_TEST_FILE_LINES = 800
MAX_FUNCTION_LINES = 60

# Spelled in pieces, so that this file passes its own check.
NOTES_TO_SELF = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|NotImplemented" + r"Error)\b")
FOREIGN_TEXT = re.compile(
    "|".join(
        (
            r"(?<![\w.])/wo" + r"rk/",
            r"/tmp/br" + r"ief",
            r"(?<![\w.])/ro" + r"ot/",
            r"py" + r"pi\.org",
            r"python" + r"hosted\.org",
            r"npm" + r"js\.(org|com)",
            r"deb\." + r"debian\.org",
            r"crates" + r"\.io",
            r"proxy\." + r"golang",
        )
    )
)


def component(name: str) -> str:
    """Answer the part of a dotted name below the package: ``seafleet.db.tables`` -> ``db``."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


def layer(name: str, packages: frozenset[str]) -> int:
    """Answer how high a module stands."""
    part = component(name)
    return LAYERS.get(part, DOMAINS if part in packages else VALUES)


def surface(name: str) -> str | None:
    """Answer which surface a module belongs to, none for the API's kernel and everything else."""
    parts = name.split(".")
    if len(parts) > 2 and parts[1] == "api" and parts[2] in API_SURFACES:
        return parts[2]
    return "web" if component(name) == "web" else None


def is_within(name: str, modules: frozenset[str]) -> bool:
    """Answer whether a dotted name is one of these modules or lies below one."""
    return any(name == module or name.startswith(module + ".") for module in modules)


def package_names(modules: Sequence[Module]) -> frozenset[str]:
    """Answer which components are packages rather than single files."""
    return frozenset(
        component(m.name) for m in modules if m.path.endswith("/__init__.py") or m.name.count(".") > 1
    )


# -- rules about imports ---------------------------------------------------------------------------------


def upward_imports(modules: Sequence[Module]) -> Iterator[Problem]:
    """Imports that point to a higher layer."""
    packages = package_names(modules)
    for module in modules:
        own = layer(module.name, packages)
        for item in module.imports:
            if not item.target.startswith(PACKAGE + ".") or component(item.target) == component(module.name):
                continue
            other = layer(item.target, packages)
            if other > own:
                text = f"{item.target} ({LAYER_NAMES[other]}) is above {module.name} ({LAYER_NAMES[own]})"
                yield Problem(module.path, item.line, "import points up", text)


def sideways_imports(modules: Sequence[Module]) -> Iterator[Problem]:
    """Imports from one surface to another, or from the API's kernel into a surface."""
    for module in modules:
        own = surface(module.name)
        if own is None and component(module.name) != "api":
            continue
        for item in module.imports:
            other = surface(item.target)
            if other is not None and other != own:
                yield Problem(module.path, item.line, "surface imports surface", item.target)


def http_in_domains(modules: Sequence[Module]) -> Iterator[Problem]:
    """HTTP libraries used below the surfaces."""
    packages = package_names(modules)
    for module in modules:
        if layer(module.name, packages) < SURFACES:
            for item in module.imports:
                if is_within(item.target, HTTP_MODULES):
                    yield Problem(module.path, item.line, "domain knows HTTP", item.target)


def sql_in_surfaces(modules: Sequence[Module]) -> Iterator[Problem]:
    """Database libraries or tables used by a surface."""
    packages = package_names(modules)
    for module in modules:
        if layer(module.name, packages) == SURFACES:
            for item in module.imports:
                if is_within(item.target, SQL_MODULES):
                    yield Problem(module.path, item.line, "surface knows SQL", item.target)


def domain_cycles(modules: Sequence[Module]) -> Iterator[Problem]:
    """Domain packages that need each other, directly or through others."""
    packages = package_names(modules)
    edges: dict[str, dict[str, Problem]] = {}
    for module in modules:
        own = component(module.name)
        for item in module.imports:
            other = component(item.target) if item.target.startswith(PACKAGE + ".") else ""
            if (
                other
                and other != own
                and layer(module.name, packages) == layer(item.target, packages) == DOMAINS
            ):
                text = f"{own} and {other} need each other"
                edges.setdefault(own, {}).setdefault(
                    other, Problem(module.path, item.line, "domain cycle", text)
                )
    for own, targets in edges.items():
        yield from (problem for other, problem in targets.items() if _reaches(edges, other, own))


def _reaches(edges: dict[str, dict[str, Problem]], start: str, goal: str) -> bool:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name == goal:
            return True
        if name not in seen:
            seen.add(name)
            waiting.extend(edges.get(name, ()))
    return False


# -- rules about code ------------------------------------------------------------------------------------


def ambient_inputs(modules: Sequence[Module]) -> Iterator[Problem]:
    """The wall clock or the environment read below the surfaces."""
    packages = package_names(modules)
    for module in modules:
        if layer(module.name, packages) >= SURFACES or module.name in AMBIENT_MODULES_ALLOWED:
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in AMBIENT_CALLS:
                yield Problem(
                    module.path, node.lineno, "ambient input", f"{ast.unparse(node)} belongs to an argument"
                )


def may_catch_everything(name: str) -> bool:
    """Answer whether a module is one of the two places that stand between a bug and a dead process."""
    return is_within(name, frozenset((f"{PACKAGE}.app", f"{PACKAGE}.jobs.runner")))


def broad_excepts(modules: Sequence[Module]) -> Iterator[Problem]:
    """``except Exception`` and bare ``except``, unless they clean up and raise the same error again."""
    for module in modules:
        if may_catch_everything(module.name):
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ExceptHandler) and _is_broad(node) and not _raises_again(node):
                yield Problem(
                    module.path, node.lineno, "broad except", "name the errors that are expected here"
                )


def _is_broad(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException") for kind in kinds)


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def syntax_errors(modules: Sequence[Module]) -> Iterator[Problem]:
    """Files that the running Python cannot read."""
    for module in modules:
        try:
            ast.parse(module.text, module.path)
        except SyntaxError as error:
            yield Problem(module.path, error.lineno or 1, "syntax error", error.msg)


def long_files(modules: Sequence[Module]) -> Iterator[Problem]:
    """Files over the line limit; tests may be longer."""
    for module in modules:
        limit = MAX_TEST_FILE_LINES if module.path.startswith("tests/") else MAX_FILE_LINES
        if module.line_count() > limit:
            yield Problem(module.path, limit + 1, "long file", f"{module.line_count()} lines, limit {limit}")


def functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Answer every function and method of a module, nested ones too."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def line_count(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Answer how many lines a function takes, decorators left out."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def long_functions(modules: Sequence[Module]) -> Iterator[Problem]:
    """Functions over the line limit."""
    for module in modules:
        for node in functions(module):
            if line_count(node) > MAX_FUNCTION_LINES:
                text = f"{node.name}: {line_count(node)} lines, limit {MAX_FUNCTION_LINES}"
                yield Problem(module.path, node.lineno, "long function", text)


def missing_docstrings(modules: Sequence[Module]) -> Iterator[Problem]:
    """Public modules, classes and functions of the package that do not say what they answer."""
    for module in modules:
        if ast.get_docstring(module.tree) is None and module.text.strip():
            yield Problem(module.path, 1, "no docstring", module.name)
        exported = _exported(module.tree)
        yield from _undocumented(
            module, [node for node in module.tree.body if exported is None or _is_in(node, exported)]
        )


def _exported(tree: ast.Module) -> set[str] | None:
    """Answer what a module's ``__all__`` lists, None when it has none and every plain name is public."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return {str(name) for name in ast.literal_eval(node.value)}
    return None


def _is_in(node: ast.stmt, names: set[str]) -> bool:
    return getattr(node, "name", None) in names


def _undocumented(module: Module, body: Sequence[ast.stmt]) -> Iterator[Problem]:
    for node in body:
        if not isinstance(
            node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) or node.name.startswith("_"):
            continue
        if ast.get_docstring(node) is None and not _is_variant(node):
            yield Problem(module.path, node.lineno, "no docstring", node.name)
        if isinstance(node, ast.ClassDef):
            yield from _undocumented(module, node.body)


def _is_variant(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Overloads, setters and overrides are documented where the name is first defined."""
    marks = {ast.unparse(mark).rpartition(".")[2] for mark in node.decorator_list}
    return bool(marks & {"overload", "setter", "override"})


# -- rules about text ------------------------------------------------------------------------------------


def is_text_to_check(path: Path, root: Path) -> bool:
    """Answer whether a tracked file is ours to word: recorded fixtures and the licence are not."""
    relative = path.relative_to(root)
    return "fixtures" not in relative.parts and relative.name != "LICENSE"


def foreign_text(paths: Sequence[Path], root: Path = ROOT) -> Iterator[Problem]:
    """Paths of one machine, hosts of package registries, and notes to self in any tracked file."""
    rules = ((FOREIGN_TEXT, "machine path or registry"), (NOTES_TO_SELF, "note to self"))
    for path in paths:
        data = path.read_bytes()
        if b"\0" in data or not is_text_to_check(path, root):
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            for pattern, rule in rules:
                if match := pattern.search(line):
                    yield Problem(str(path.relative_to(root)), number, rule, match[0])


PACKAGE_RULES: tuple[Callable[[Sequence[Module]], Iterator[Problem]], ...] = (
    upward_imports,
    sideways_imports,
    http_in_domains,
    sql_in_surfaces,
    domain_cycles,
    ambient_inputs,
    broad_excepts,
    missing_docstrings,
)
FILE_RULES: tuple[Callable[[Sequence[Module]], Iterator[Problem]], ...] = (long_files, long_functions)


def all_problems(root: Path = ROOT) -> list[Problem]:
    """Answer everything that breaks a rule below this root."""
    package = package_modules(root)
    everything = [*package, *helper_modules(root)]
    if broken := list(syntax_errors(everything)):
        return broken
    problems = [problem for rule in PACKAGE_RULES for problem in rule(package)]
    problems += [problem for rule in FILE_RULES for problem in rule(everything)]
    return [*problems, *foreign_text(tracked_files(root), root)]


def sizes(modules: Sequence[Module]) -> str:
    """Answer one line on how large files and functions are."""
    lengths = [line_count(node) for module in modules for node in functions(module)] or [0]
    files = [module.line_count() for module in modules] or [0]
    return (
        f"{len(files)} files, median {statistics.median(files):.0f} lines; "
        f"{len(lengths)} functions, median {statistics.median(lengths):.0f} lines"
    )


def main() -> int:
    """Print what breaks a rule, or how large the package is when nothing does."""
    return report(all_problems(), sizes(package_modules()))


if __name__ == "__main__":
    sys.exit(main())
