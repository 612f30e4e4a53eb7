"""Every architecture rule finds what it is meant to find, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tools import check_imports
from tools.source import Module, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    Rule = Callable[[Sequence[Module]], Iterator[Problem]]


def module(name: str, text: str = "", *, package: bool = False) -> Module:
    path = "src/" + name.replace(".", "/") + ("/__init__.py" if package else ".py")
    return Module(name, path, text)


PACKAGES = [
    module(f"seafleet.{name}", package=True)
    for name in ("formats", "db", "store", "library", "sharing", "groups", "api")
]


def found(rule: Rule, name: str, text: str) -> list[str]:
    return [problem.text for problem in rule([*PACKAGES, module(name, text)])]


@pytest.mark.parametrize(
    ("name", "statement"),
    [
        ("seafleet.ids", "from seafleet.formats import commit"),
        ("seafleet.formats.commit", "import seafleet.store.contract"),
        ("seafleet.store.files", "from seafleet.library.heads import Head"),
        ("seafleet.library.heads", "from seafleet.sharing.service import Share"),
        ("seafleet.sharing.service", "from seafleet.access import decide"),
        ("seafleet.access", "from seafleet.api.kernel import Request"),
        ("seafleet.web.pages", "from seafleet.app import build"),
        ("seafleet.library.heads", "def f():\n    from seafleet.sharing import service"),
    ],
)
def test_an_import_that_points_up_is_found(name: str, statement: str) -> None:
    assert len(found(check_imports.upward_imports, name, statement)) == 1


@pytest.mark.parametrize(
    ("name", "statement"),
    [
        ("seafleet.sharing.service", "from seafleet.library.heads import Head"),
        ("seafleet.sharing.service", "from seafleet.groups.service import Group"),
        ("seafleet.store.database", "from seafleet.db.tables import object_"),
        ("seafleet.api.seafile.files", "from seafleet.access import decide"),
        ("seafleet.cli.serve", "from seafleet.app import build"),
        ("seafleet.library.heads", "import json"),
    ],
)
def test_an_import_that_points_down_or_beside_is_fine(name: str, statement: str) -> None:
    assert found(check_imports.upward_imports, name, statement) == []


def test_surfaces_may_use_the_kernel_but_not_each_other() -> None:
    rule = check_imports.sideways_imports
    assert found(rule, "seafleet.api.sync.routes", "from seafleet.api.registry import route") == []
    assert found(rule, "seafleet.api.sync.routes", "from seafleet.api.sync import shapes") == []
    assert len(found(rule, "seafleet.api.sync.routes", "from seafleet.api.seafhttp import shapes")) == 1
    assert len(found(rule, "seafleet.api.registry", "from seafleet.api.sync import routes")) == 1
    assert len(found(rule, "seafleet.web.pages", "from seafleet.api.seafile import shapes")) == 1


def test_http_libraries_are_for_surfaces_only() -> None:
    statements = "import http\nfrom starlette.requests import Request\nfrom urllib.parse import quote"
    assert len(found(check_imports.http_in_domains, "seafleet.sharing.service", statements)) == 2
    assert found(check_imports.http_in_domains, "seafleet.api.kernel", statements) == []


def test_sql_is_not_for_surfaces() -> None:
    statements = "from sqlalchemy import select\nfrom seafleet.db.tables import account"
    assert len(found(check_imports.sql_in_surfaces, "seafleet.api.seafile.files", statements)) == 2
    assert found(check_imports.sql_in_surfaces, "seafleet.sharing.rows", statements) == []


def test_domains_that_need_each_other_are_found() -> None:
    sharing = module("seafleet.sharing.service", "from seafleet.groups.service import Group")
    groups = module("seafleet.groups.service", "from seafleet.sharing.service import Share")
    assert len(list(check_imports.domain_cycles([*PACKAGES, sharing, groups]))) == 2
    assert list(check_imports.domain_cycles([*PACKAGES, sharing])) == []


@pytest.mark.parametrize(
    "expression", ["time.time()", "datetime.now(UTC)", "os.environ['HOME']", "os.getenv('A')"]
)
def test_domains_read_neither_wall_clock_nor_environment(expression: str) -> None:
    rule = check_imports.ambient_inputs
    assert len(found(rule, "seafleet.sharing.service", f"at = {expression}")) == 1
    assert found(rule, "seafleet.clock", f"at = {expression}") == []
    assert found(rule, "seafleet.app", f"at = {expression}") == []


@pytest.mark.parametrize(
    "clause", ["except:", "except Exception:", "except (ValueError, BaseException) as error:"]
)
def test_broad_excepts_are_found_unless_they_raise_again(clause: str) -> None:
    rule = check_imports.broad_excepts
    swallowing = f"try:\n    run()\n{clause}\n    log()"
    assert len(found(rule, "seafleet.sharing.service", swallowing)) == 1
    assert found(rule, "seafleet.app", swallowing) == []
    assert found(rule, "seafleet.jobs.runner", swallowing) == []
    assert found(rule, "seafleet.sharing.service", f"try:\n    run()\n{clause}\n    undo()\n    raise") == []


def test_long_files_and_functions_are_found_at_the_first_line_too_many() -> None:
    assert found(check_imports.long_files, "seafleet.sharing.service", "x = 1\n" * 500) == []
    assert len(found(check_imports.long_files, "seafleet.sharing.service", "x = 1\n" * 501)) == 1
    assert found(check_imports.long_functions, "seafleet.ids", "def f():\n" + "    x = 1\n" * 59) == []
    assert len(found(check_imports.long_functions, "seafleet.ids", "def f():\n" + "    x = 1\n" * 60)) == 1


def test_a_file_that_python_cannot_read_is_found() -> None:
    assert len(found(check_imports.syntax_errors, "seafleet.ids", "def f(:")) == 1
    assert found(check_imports.syntax_errors, "seafleet.ids", "def f(): ...") == []


def test_tests_may_be_longer() -> None:
    long_test = Module("tests.test_long", "tests/test_long.py", "x = 1\n" * 800)
    assert list(check_imports.long_files([long_test])) == []


def test_public_names_without_a_docstring_are_found() -> None:
    text = (
        '"""A module."""\n'
        "class Public:\n    def verb(self): ...\n    def _own(self): ...\n    def __repr__(self): ...\n"
        "def _private(): ...\n"
        "@overload\ndef several(a: int): ...\n"
    )
    assert found(check_imports.missing_docstrings, "seafleet.ids", text) == ["Public", "verb"]


def test_a_list_of_exports_decides_which_names_are_public() -> None:
    text = '"""A module."""\n__all__ = ["shown"]\ndef shown(): ...\ndef hidden(): ...\n'
    assert found(check_imports.missing_docstrings, "seafleet.ids", text) == ["shown"]


@pytest.mark.parametrize(
    "line", ["see /wo" + "rk/main", "# TO" + "DO: later", "py" + "pi.org", "raise NotImplemented" + "Error"]
)
def test_words_that_do_not_belong_in_the_repository_are_found(tmp_path: Path, line: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"first\n{line}\n")
    problems = list(check_imports.foreign_text([page], tmp_path))
    assert [(problem.path, problem.line) for problem in problems] == [("page.md", 2)]


@pytest.mark.parametrize(
    "line", ["a network/work/life balance", "photos/root/x", "method", "https://example.com/"]
)
def test_ordinary_words_are_left_alone(tmp_path: Path, line: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(line)
    assert list(check_imports.foreign_text([page], tmp_path)) == []


def test_fixtures_and_binary_files_are_not_read_for_words(tmp_path: Path) -> None:
    recorded = tmp_path / "fixtures" / "recorded.json"
    recorded.parent.mkdir()
    recorded.write_text("TO" + "DO")
    binary = tmp_path / "picture"
    binary.write_bytes(b"\0TO" + b"DO")
    assert list(check_imports.foreign_text([recorded, binary], tmp_path)) == []
