"""The project's files as the checks see them: parsed modules, tracked files, and what is wrong with them."""

from __future__ import annotations

import ast
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "seafleet"


@dataclass(frozen=True, order=True)
class Problem:
    """One broken rule, printed as ``path:line: rule: text`` so that editors can jump to it."""

    path: str
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.text}"


@dataclass(frozen=True)
class Import:
    """One imported name: ``from a.b import c`` reads as ``a.b.c``, since c may be a module."""

    target: str
    line: int


@dataclass(frozen=True)
class Module:
    """A Python file and the dotted name it is imported by."""

    name: str
    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed file; a syntax error ends the check, as it should."""
        return ast.parse(self.text, self.path)

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        """Every import in the file, those inside functions and type-checking blocks too."""
        return tuple(_imports(self.tree))

    def line_count(self) -> int:
        """How long the file is."""
        return self.text.count("\n")


def _imports(tree: ast.Module) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (Import(f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def module_name(relative: Path) -> str:
    """Answer the dotted name of a file given by its path below the import root."""
    parts = list(relative.with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules_below(folder: Path, import_root: Path, root: Path = ROOT) -> list[Module]:
    """Answer every Python file below a folder, in path order; nothing when the folder is missing."""
    return [
        Module(
            module_name(path.relative_to(import_root)), str(path.relative_to(root)), path.read_text("utf-8")
        )
        for path in sorted(folder.rglob("*.py"))
        if "fixtures" not in path.parts
    ]


def package_modules(root: Path = ROOT) -> list[Module]:
    """Answer the modules of the package itself."""
    return modules_below(root / "src" / PACKAGE, root / "src", root)


def helper_modules(root: Path = ROOT) -> list[Module]:
    """Answer the modules beside the package: tests, tools, benchmarks and dev.py."""
    found = [m for name in ("tests", "tools", "benchmarks") for m in modules_below(root / name, root, root)]
    dev = root / "dev.py"
    return [*found, Module("dev", "dev.py", dev.read_text("utf-8"))] if dev.exists() else found


def tracked_files(root: Path = ROOT) -> list[Path]:
    """Answer the files that git tracks and that still exist; outside of a clone, nothing."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=False)
    paths = (root / name.decode() for name in done.stdout.split(b"\0") if name)
    return [path for path in paths if path.is_file()]


def report(problems: list[Problem], summary: str) -> int:
    """Print the problems, or the summary when there are none, and answer the exit status."""
    print("\n".join(map(str, sorted(problems))) or summary)
    return 1 if problems else 0
