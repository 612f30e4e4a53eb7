"""What the modules below `seafleet.api` serve together."""

from __future__ import annotations

from collections import defaultdict

from seafleet.api.registry import all_routes, all_surfaces


def test_no_two_handlers_claim_the_same_verb_and_path() -> None:
    handlers = defaultdict(set)
    for declared in all_routes():
        handlers[declared.verb, declared.pattern.rstrip("/")].add(declared.name)
    assert {place: names for place, names in handlers.items() if len(names) > 1} == {}


def test_every_route_belongs_to_a_surface_that_exists() -> None:
    assert {declared.surface for declared in all_routes()} <= all_surfaces().keys()


def test_every_route_names_its_operation() -> None:
    assert [declared.name for declared in all_routes() if not all(declared.operations)] == []
