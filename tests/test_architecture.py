"""The package keeps its own rules: layers, sizes, error handling, wording, locked dependencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tools import check_imports, check_lock, check_routes
from tools.source import Module, Problem, helper_modules, package_modules, tracked_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Rule = Callable[[Sequence[Module]], Iterator[Problem]]


def told(problems: Iterator[Problem] | list[Problem]) -> str:
    return "\n".join(map(str, sorted(problems)))


@pytest.mark.parametrize("rule", check_imports.PACKAGE_RULES, ids=lambda rule: rule.__name__)
def test_the_package_has_no(rule: Rule) -> None:
    assert told(rule(package_modules())) == ""


@pytest.mark.parametrize("rule", check_imports.FILE_RULES, ids=lambda rule: rule.__name__)
def test_package_tests_and_tools_have_no(rule: Rule) -> None:
    assert told(rule([*package_modules(), *helper_modules()])) == ""


def test_no_tracked_file_names_a_machine_a_registry_or_a_note_to_self() -> None:
    assert told(check_imports.foreign_text(tracked_files())) == ""


def test_lock_files_pin_every_dependency_by_hash_and_name_no_address() -> None:
    assert told(check_lock.all_problems()) == ""


def test_every_route_is_served_guarded_and_documented() -> None:
    routes, surfaces = check_routes.registered()
    assert told(check_routes.all_problems(routes, surfaces, check_routes.read_catalogs())) == ""
