"""The route check finds routes that are undocumented, undeclared, misplaced or never mounted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from tools import check_routes
from tools.check_routes import Operation
from tools.source import Module

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tools.source import Problem


@dataclass(frozen=True)
class Route:
    verb: str = "GET"
    pattern: str = "/api2/repos/{repo_id}/"
    operation: str = "library-info"
    action: object = "read"
    auth: str = "session"
    surface: str = "seafile"
    stream: bool = False
    name: str = "seafleet.api.seafile.libraries.info"


INFO = Operation("library-info", "GET", "/api2/repos/{repo-id}/", "user")
LINK = Operation("upload", "POST", "{upload link}", "clients")


def rules(problems: Iterable[Problem]) -> list[str]:
    return [problem.rule for problem in problems]


def test_a_route_that_declares_no_action_is_found() -> None:
    assert rules(check_routes.undeclared_actions([Route(), Route(action=None)])) == ["route without action"]


def test_a_route_is_documented_by_a_catalog_or_by_the_page_of_extras() -> None:
    extra = Route(pattern="/x/", operation="own-extra")
    assert rules(check_routes.undocumented([Route(), extra], [INFO], ["own-extra"])) == []
    assert rules(check_routes.undocumented([Route(), extra], [INFO], [])) == ["undocumented operation"]


def test_a_documented_extra_that_no_route_serves_is_found() -> None:
    assert rules(check_routes.undocumented([Route()], [INFO], ["gone"])) == ["dead extra"]


@pytest.mark.parametrize("pattern", ["/api2/repos/{library_id:library}/", "/api2/repos/{id}"])
def test_an_operation_is_in_place_whatever_its_placeholders_are_called(pattern: str) -> None:
    assert rules(check_routes.misplaced([Route(pattern=pattern)], [INFO])) == []


@pytest.mark.parametrize("route", [Route(verb="POST"), Route(pattern="/api2/repo/{id}/")])
def test_an_operation_at_another_verb_or_path_is_found(route: Route) -> None:
    assert rules(check_routes.misplaced([route], [INFO, LINK])) == ["operation misplaced"]


def test_an_operation_may_have_further_paths() -> None:
    assert rules(check_routes.misplaced([Route(), Route(pattern="/old/{id}/")], [INFO])) == []


def test_a_public_route_needs_no_decision_unless_it_checks_a_token_of_its_own() -> None:
    public = Route(auth="public")
    assert rules(check_routes.unguarded([public])) == ["public route"]
    allowed = [
        replace(public, action="anyone"),
        replace(public, action="bearer"),
        replace(public, stream=True),
    ]
    assert rules(check_routes.unguarded([Route(), *allowed])) == []


def test_a_route_of_a_surface_that_nobody_defines_is_found() -> None:
    assert rules(check_routes.surfaceless([Route(), Route(surface="seafil")], ["seafile"])) == [
        "unknown surface"
    ]


@pytest.mark.parametrize(
    ("text", "dead"),
    [
        ("@route('GET', '/')\ndef info(request): ...", []),
        ("@kernel.route('GET', '/')\ndef other(request): ...", ["other is declared, but not served"]),
        (
            "class A:\n  @stream_route('GET', '/')\n  async def get(self): ...",
            ["get is declared, but not served"],
        ),
        ("@cache()\ndef helper(): ...", []),
    ],
)
def test_a_handler_that_is_written_and_not_served_is_found(text: str, dead: list[str]) -> None:
    module = Module("seafleet.api.seafile.libraries", "src/seafleet/api/seafile/libraries.py", text)
    assert [problem.text for problem in check_routes.unmounted([Route()], [module])] == dead


def test_handlers_are_looked_for_in_surfaces_only() -> None:
    module = Module("seafleet.sharing.service", "src/x.py", "@route('GET', '/')\ndef f(request): ...")
    assert rules(check_routes.unmounted([], [module])) == []


def test_missing_operations_are_counted_and_listed() -> None:
    assert check_routes.coverage([Route()], [INFO, LINK]).endswith("clients 0 of 1, user 1 of 1")
    assert check_routes.missing([Route()], [INFO, LINK]).split() == [
        "clients",
        "POST",
        "{upload",
        "link}",
        "upload",
    ]


def test_extras_are_read_from_the_first_column(tmp_path: Path) -> None:
    page = tmp_path / "extras.md"
    page.write_text("| operation | path |\n| --- | --- |\n| `first` | `/a` |\n| `second` | `/b` |\n")
    assert check_routes.read_extras(page) == ["first", "second"]
    assert check_routes.read_extras(tmp_path / "none.md") == []


def test_the_catalogs_can_be_read() -> None:
    assert {operation.catalog for operation in check_routes.read_catalogs()} == {"admin", "clients", "user"}
