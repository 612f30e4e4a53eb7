"""Tokens that are handed out again to who asks again."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from seafleet.actor import Actor
from seafleet.db.engine import Database
from seafleet.ids import LibraryId
from seafleet.transfers.links import REUSE_SECONDS, UploadLinks
from tests.support.world import World


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    database = Database.open(database_url)
    yield World(database)
    database.close()


@pytest.fixture
def links(world: World) -> UploadLinks:
    return UploadLinks(world.access_tokens, world.clock, 3600)


@pytest.fixture
def library(world: World) -> LibraryId:
    return world.library(world.account())


@pytest.fixture
def actor(world: World) -> Actor:
    _, on_device = world.on_device(world.account())
    return on_device


def test_who_asks_again_within_a_minute_gets_the_same_token(
    links: UploadLinks, world: World, library: LibraryId, actor: Actor
) -> None:
    first = links.token(library, "upload", "/a", actor)
    world.clock.advance(REUSE_SECONDS - 1)
    assert links.token(library, "upload", "/a", actor) == first
    world.clock.advance(1)
    assert links.token(library, "upload", "/a", actor) != first


def test_tokens_differ_by_everything_that_they_are_bound_to(
    links: UploadLinks, world: World, library: LibraryId, actor: Actor
) -> None:
    other_library = world.library(world.account())
    _, other_actor = world.on_device(world.account())
    browser = dataclasses.replace(actor, token_id=None, device_link_id=None, device=None)
    asked = [
        links.token(library, "upload", "/a", actor),
        links.token(library, "update", "/a", actor),
        links.token(library, "upload", "/b", actor),
        links.token(other_library, "upload", "/a", actor),
        links.token(library, "upload", "/a", other_actor),
        links.token(library, "upload", "/a", browser),
    ]
    assert len(set(asked)) == len(asked)


def test_a_token_that_was_taken_back_is_not_handed_out_again(
    links: UploadLinks, world: World, library: LibraryId, actor: Actor
) -> None:
    first = links.token(library, "upload", "/a", actor)
    world.access_tokens.revoke(first)
    assert links.token(library, "upload", "/a", actor) != first
