"""The evaluator, rows and SQL included, against a naive model that walks the rules one by one."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seafleet.actor import Actor
from seafleet.db.engine import Database
from seafleet.ids import LibraryId
from tests.support.world import World

PATHS = ["/", "/a", "/a/b", "/a/b/c", "/ab", "/x"]
FOLDERS = ["/a", "/a/b", "/a/b/c", "/x"]
WORDS = ["r", "rw", "admin"]
STRENGTH = {"r": 1, "rw": 2, "admin": 3}
GROUPS = range(4)  # group 0 and 1 stand alone, 2 is a department above 3

words = st.sampled_from(WORDS)
plain_words = st.sampled_from(WORDS[:2])
targets = st.sampled_from(["", *FOLDERS])  # "" is the origin, else the sub-library of that folder


@dataclass
class Scenario:
    """One library with sub-libraries, and all that was shared with one account in it."""

    member_of: set[int]
    is_owner: bool
    read_only: bool
    user_shares: dict[str, str] = field(default_factory=dict)
    group_shares: dict[tuple[str, int], str] = field(default_factory=dict)
    public_shares: dict[str, str] = field(default_factory=dict)
    user_rules: dict[str, str] = field(default_factory=dict)
    group_rules: dict[tuple[str, int], str] = field(default_factory=dict)


scenarios = st.builds(
    Scenario,
    member_of=st.sets(st.sampled_from(GROUPS), max_size=3),
    is_owner=st.sampled_from([False] * 7 + [True]),
    read_only=st.sampled_from([False] * 7 + [True]),
    user_shares=st.dictionaries(targets, words, max_size=3),
    group_shares=st.dictionaries(st.tuples(targets, st.sampled_from(GROUPS)), words, max_size=4),
    public_shares=st.dictionaries(targets, words, max_size=2),
    user_rules=st.dictionaries(st.sampled_from(PATHS), plain_words, max_size=3),
    group_rules=st.dictionaries(
        st.tuples(st.sampled_from(PATHS), st.sampled_from(GROUPS)), plain_words, max_size=3
    ),
)


# -- the model -----------------------------------------------------------------------------------------------


def _ancestors(path: str) -> list[str]:
    """Return the path and all folders above it, deepest first."""
    parts = path.strip("/").split("/") if path != "/" else []
    return ["/" + "/".join(parts[:length]) for length in range(len(parts), -1, -1)]


def _best(found: list[str]) -> str | None:
    return max(found, key=lambda word: STRENGTH[word]) if found else None


def _without_flag(word: str | None) -> str | None:
    return "rw" if word == "admin" else word


class Model:
    """What the rules say, read off the scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.groups = scenario.member_of | ({2} if 3 in scenario.member_of else set())

    def expected(self, folder: str, path: str) -> str | None:
        """Return the permission at a path of the origin (folder "") or of a folder's sub-library."""
        if self.scenario.is_owner:
            return "r" if self.scenario.read_only else "rw"
        base = self._by_folders(folder) if folder else self._by_origin()
        if base is None or self.scenario.read_only:
            return base and "r"
        refined = self._by_rule(path if not folder else folder + ("" if path == "/" else path))
        return "admin" if base == "admin" and refined == "rw" else refined or base

    def _group_share(self, target: str) -> str | None:
        shares = self.scenario.group_shares.items()
        return _best([word for (where, group), word in shares if where == target and group in self.groups])

    def _by_origin(self) -> str | None:
        shares = self.scenario
        return shares.user_shares.get("") or self._group_share("") or shares.public_shares.get("")

    def _by_folders(self, folder: str) -> str | None:
        above = _ancestors(folder)
        users = [self.scenario.user_shares.get(ancestor) for ancestor in above]
        groups = [self._group_share(ancestor) for ancestor in above]
        public = [self.scenario.public_shares.get(ancestor) for ancestor in above]
        folders = [_without_flag(word) for word in users + groups if word]
        if folders:
            return folders[0]
        return self._by_origin() or next((_without_flag(word) for word in public if word), None)

    def _by_rule(self, target: str) -> str | None:
        for ancestor in _ancestors(target):
            rules = self.scenario.group_rules.items()
            own = self.scenario.user_rules.get(ancestor)
            others = _best([word for (where, g), word in rules if where == ancestor and g in self.groups])
            if own or others:
                return own or others
        return None


# -- the rows ------------------------------------------------------------------------------------------------


def _build(world: World, scenario: Scenario) -> tuple[Actor, dict[str, LibraryId]]:
    owner, other = world.account(), world.account()
    asking = owner if scenario.is_owner else other
    members = [[asking] if number in scenario.member_of else [] for number in GROUPS]
    groups = [world.group(*members[number]) for number in (0, 1, 2)]
    groups.append(world.group(*members[3], parent=groups[2]))
    origin = world.library(owner, status=int(scenario.read_only))
    libraries = {"": origin} | {path: world.sub_library(owner, origin, path) for path in FOLDERS}
    giver = owner if asking is other else other
    for target, word in scenario.user_shares.items():
        world.share(libraries[target], giver, asking, word)
    for (target, number), word in scenario.group_shares.items():
        world.share_to_group(libraries[target], giver, groups[number], word)
    for target, word in scenario.public_shares.items():
        world.publish(libraries[target], word)
    for path, word in scenario.user_rules.items():
        world.user_rule(origin, path, asking, word)
    for (path, number), word in scenario.group_rules.items():
        world.group_rule(origin, path, groups[number], word)
    return world.actor(asking), libraries


@pytest.mark.slow
@given(scenario=scenarios)
def test_the_evaluator_agrees_with_the_naive_model(database: Database, scenario: Scenario) -> None:
    world, model = World(database), Model(scenario)
    actor, libraries = _build(world, scenario)
    for folder, library_id in libraries.items():
        permissions = world.access.permissions_in(actor, library_id)
        for path in PATHS:
            permission = world.access.permission(actor, library_id, path)
            assert permission == model.expected(folder, path), (folder, path)
            assert permissions(path) == permission
