"""Lasting names of files and folders."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from seafleet.db.engine import Database
from seafleet.files.identities import Identities, Identity
from seafleet.library.edits import Delete, Rename
from seafleet.library.moves import Move
from tests.library.site import Site


@pytest.fixture(scope="module")
def database(module_database_url: str) -> Iterator[Database]:
    opened = Database.open(module_database_url, pool_size=12)
    yield opened
    opened.close()


@pytest.fixture
def site(database: Database) -> Iterator[Site]:
    opened = Site(database)
    yield opened
    opened.libraries.close()


def test_a_name_stays_when_its_file_is_renamed_and_moved(site: Site) -> None:
    library, names = site.library(), Identities(site.database, random.Random(1))
    site.build(library, {"/d": None, "/d/a": "x", "/t": None})
    name = names.of(library, "/d/a")
    assert names.of(library, "/d/a") == name != names.of(library, "/d")
    site.do(library, Rename("/d/a", "b"))
    site.do(library, Move("/", ("d",), "/t"))
    assert names.find(name) == Identity(library, "/t/d/b")
    assert names.of(library, "/t/d/b") == name
    site.do(library, Delete.path("/t/d"))
    site.libraries.delete(library, site.owner)
    assert names.find(name) is None


def test_a_name_that_was_never_given_leads_nowhere(site: Site) -> None:
    assert Identities(site.database, random.Random(2)).find("0b5c7c3e-0000-4000-8000-000000000001") is None


def test_who_asks_at_once_gets_the_same_name(site: Site) -> None:
    library = site.library()
    site.upload(library, "/a", "x")
    workers = [Identities(site.database, random.Random(seed)) for seed in range(6)]
    with ThreadPoolExecutor(6) as pool:
        found = set(pool.map(lambda names: names.of(library, "/a"), workers))
    assert len(found) == 1
