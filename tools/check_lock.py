"""Checks the lock files: they pin every dependency by hash, agree with each other and name no address."""

from __future__ import annotations

import re
import sys
import tomllib
from typing import TYPE_CHECKING, Any

from tools.source import ROOT, Problem, report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PIN = re.compile(r"^(?P<name>[a-z0-9-]+)(\[.*\])?==(?P<version>[^\s;]+)", re.MULTILINE)
ADDRESS = re.compile(r"://|^\s*(-i|-f|--(extra-)?index-url|--find-links|--trusted-host)\b", re.MULTILINE)
REQUIREMENT_NAME = re.compile(r"[A-Za-z0-9._-]+")


def normalized(requirement: str) -> str:
    """Answer the name of a requirement as lock files spell it."""
    match = REQUIREMENT_NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", match[0]).lower() if match else requirement


def pins(text: str) -> dict[str, set[str]]:
    """Answer which versions a lock pins; a name has several when they differ by platform."""
    found: dict[str, set[str]] = {}
    for match in PIN.finditer(text):
        found.setdefault(match["name"], set()).add(match["version"])
    return found


def hashless(text: str) -> Iterator[tuple[int, str]]:
    """Answer line and name of every pin that no hash follows."""
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if (match := PIN.match(line)) and (number == len(lines) or "--hash=" not in lines[number]):
            yield number, match["name"]


def wanted(project: dict[str, Any], extras: tuple[str, ...]) -> set[str]:
    """Answer the names that pyproject.toml asks for, with these extras."""
    table = project["project"]
    asked = [
        *table["dependencies"],
        *(name for extra in extras for name in table["optional-dependencies"][extra]),
    ]
    return {normalized(requirement) for requirement in asked}


def lock_problems(name: str, text: str, names: set[str]) -> Iterator[Problem]:
    """Problems of one lock file on its own."""
    for match in ADDRESS.finditer(text):
        yield Problem(name, text.count("\n", 0, match.start()) + 1, "address in lock", match[0].strip())
    for number, pin in hashless(text):
        yield Problem(name, number, "pin without hash", pin)
    for missing in sorted(names - pins(text).keys()):
        yield Problem(name, 1, "stale lock", f"{missing} is not pinned; run: python3 dev.py lock")


def all_problems(root: Path = ROOT) -> list[Problem]:
    """Answer everything that is wrong with the two lock files."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    runtime, dev = (
        (root / name).read_text("utf-8") for name in ("requirements.lock", "requirements-dev.lock")
    )
    problems = [
        *lock_problems("requirements.lock", runtime, wanted(project, ("build",))),
        *lock_problems("requirements-dev.lock", dev, wanted(project, ("build", "dev"))),
    ]
    for name, versions in pins(runtime).items():
        if pins(dev).get(name) != versions:
            problems.append(Problem("requirements-dev.lock", 1, "locks differ", name))
    return problems


def main() -> int:
    """Print what is wrong, or that nothing is."""
    return report(all_problems(), "lock files are complete")


if __name__ == "__main__":
    sys.exit(main())
