"""The library that applications offer first."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from seafleet.accounts.default_library import DefaultLibraries
from seafleet.db.engine import Database
from tests.library.site import Site


@pytest.fixture
def site(database: Database) -> Iterator[Site]:
    opened = Site(database)
    yield opened
    opened.libraries.close()


def test_it_is_made_once_and_again_when_it_is_gone(site: Site) -> None:
    defaults = DefaultLibraries(site.libraries)
    assert defaults.find(site.owner_id) is None
    first = defaults.ensure(site.owner_id, site.owner)
    assert defaults.ensure(site.owner_id, site.owner) == first == defaults.find(site.owner_id)
    head = site.libraries.get(first)
    assert (head.name, head.description, head.owner_id) == ("My Library", "My Library", site.owner_id)
    site.libraries.delete(first, site.owner)
    assert defaults.find(site.owner_id) is None
    assert defaults.ensure(site.owner_id, site.owner) != first


def test_many_who_ask_at_once_get_one_and_the_same(site: Site) -> None:
    defaults = DefaultLibraries(site.libraries)
    with ThreadPoolExecutor(6) as pool:
        found = set(pool.map(lambda _: defaults.ensure(site.owner_id, site.owner), range(6)))
    assert found == {head.library_id for head in site.libraries.owned_by(site.owner_id)}
    assert len(found) == 1
    assert site.libraries.bin.list(site.owner_id) == []


def test_it_begins_with_what_the_template_holds(site: Site) -> None:
    template = site.library("template")
    tree = {"/Read me.txt": "hello", "/folder": None, "/folder/inside.txt": "deep"}
    site.build(template, tree)
    defaults = DefaultLibraries(site.libraries, template)
    account_id, author = site.account()
    made = defaults.ensure(account_id, author)
    assert site.tree(made) == tree
    site.delete(made, "/folder")
    assert defaults.ensure(account_id, author) == made
    assert "/folder" not in site.tree(made), "only what is new is filled"


def test_a_template_that_is_empty_or_gone_is_none(site: Site) -> None:
    for template in (site.library("empty"), "00000000-0000-4000-8000-000000000000"):
        account_id, author = site.account()
        assert site.tree(DefaultLibraries(site.libraries, template).ensure(account_id, author)) == {}
