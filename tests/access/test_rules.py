"""The rules of access, each against the next: pure values, no database."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import pytest

from seafleet.access import Action, Standing, evaluate
from seafleet.ids import LibraryId
from seafleet.sharing.model import FolderRule, Grant, LibraryFacts, Permission, ShareKind, strongest

LIBRARY = LibraryId("00000000-0000-4000-8000-000000000001")
OWNER, OTHER = 1, 2
R, RW, ADMIN = Permission.READ, Permission.WRITE, Permission.ADMIN


def _facts(
    *,
    grants: list[Grant] | None = None,
    rules: list[FolderRule] | None = None,
    origin_path: str | None = None,
    is_read_only: bool = False,
    is_active: bool = True,
) -> LibraryFacts:
    return LibraryFacts(
        LIBRARY, OWNER, is_read_only, is_active, origin_path, tuple(grants or ()), tuple(rules or ())
    )


def _grant(kind: ShareKind, permission: Permission, path: str | None = None) -> Grant:
    return Grant(kind, permission, path)


def test_nobody_stands_anywhere_without_a_share() -> None:
    assert evaluate(_facts(), OTHER, "/") == Standing(None, "no_share")


def test_the_owner_writes_owns_and_manages() -> None:
    assert evaluate(_facts(), OWNER, "/a") == Standing(RW, "owner", is_owner=True, manages=True)


def test_a_disabled_account_stands_nowhere_even_as_owner() -> None:
    facts = _facts(grants=[_grant("user", RW)], is_active=False)
    for account in (OWNER, OTHER):
        assert evaluate(facts, account, "/") == Standing(None, "account_disabled")


# -- shares of the library -----------------------------------------------------------------------------------

KINDS: list[ShareKind] = ["user", "group", "public"]


@pytest.mark.parametrize(
    ("upper", "lower"), [(a, b) for (i, a), (j, b) in product(enumerate(KINDS), repeat=2) if i < j]
)
@pytest.mark.parametrize(("first", "second"), list(product([R, RW, ADMIN], repeat=2)))
def test_the_nearer_kind_of_share_decides_even_if_the_other_is_stronger(
    upper: ShareKind, lower: ShareKind, first: Permission, second: Permission
) -> None:
    for order in (1, -1):
        grants = [_grant(upper, first), _grant(lower, second)][::order]
        found = evaluate(_facts(grants=grants), OTHER, "/")
        assert (found.permission, found.rule) == (first, f"{upper}_share")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("first", "second"), list(product([R, RW, ADMIN], repeat=2)))
def test_of_shares_of_one_kind_the_strongest_counts(
    kind: ShareKind, first: Permission, second: Permission
) -> None:
    found = evaluate(_facts(grants=[_grant(kind, first), _grant(kind, second)]), OTHER, "/")
    assert found.permission is strongest([first, second])


def test_the_admin_flag_lets_manage_and_not_own() -> None:
    found = evaluate(_facts(grants=[_grant("group", ADMIN)]), OTHER, "/a")
    assert found == Standing(ADMIN, "group_share", is_owner=False, manages=True)
    assert found.allows(Action.MANAGE)
    assert not found.allows(Action.OWN)


# -- sub-libraries -------------------------------------------------------------------------------------------

SUB = "/a/b/c"


def test_the_owner_of_the_parent_owns_its_sub_libraries() -> None:
    found = evaluate(_facts(origin_path=SUB), OWNER, "/")
    assert found == Standing(RW, "parent_owner", is_owner=True, manages=True)


@pytest.mark.parametrize(
    ("grants", "permission", "rule"),
    [
        # The shared folder itself, by either kind.
        ([("user", R, SUB)], R, "sub_library_user_share"),
        ([("group", RW, SUB)], RW, "sub_library_group_share"),
        # The nearest folder decides, be it weaker.
        ([("user", R, SUB), ("user", RW, "/a")], R, "sub_library_user_share"),
        ([("user", RW, "/a/b"), ("user", R, "/a")], RW, "sub_library_user_share"),
        ([("group", R, "/a/b"), ("group", RW, "/a")], R, "sub_library_group_share"),
        # Two groups at one folder: the stronger.
        ([("group", R, SUB), ("group", RW, SUB)], RW, "sub_library_group_share"),
        # A personal share further up comes before a group's share of the folder itself.
        ([("user", R, "/a"), ("group", RW, SUB)], R, "sub_library_user_share"),
        # Shares of folders come before those of the parent.
        ([("group", R, "/a"), ("user", RW, None)], R, "sub_library_group_share"),
        # Else the permission on the parent counts, in its own order.
        ([("user", R, None), ("group", RW, None)], R, "parent_user_share"),
        ([("group", ADMIN, None)], ADMIN, "parent_group_share"),
        ([("public", R, None)], R, "parent_public_share"),
        # A public share of a folder is the last resort.
        ([("public", RW, SUB), ("public", R, None)], R, "parent_public_share"),
        ([("public", RW, "/a/b"), ("public", R, "/a")], RW, "sub_library_public_share"),
        # Folders beside, below, or that only begin alike do not count.
        ([("user", RW, "/a/b/c/d"), ("user", RW, "/a/b/cc"), ("user", RW, "/x")], None, "no_share"),
        ([("user", RW, "/a/b/c/d"), ("group", R, "/a/b")], R, "sub_library_group_share"),
        # The right to manage does not come with a folder.
        ([("user", ADMIN, SUB)], RW, "sub_library_user_share"),
    ],
)
def test_a_sub_library_follows_the_nearest_shared_folder_and_then_its_parent(
    grants: list[tuple[ShareKind, Permission, str | None]], permission: Permission | None, rule: str
) -> None:
    facts = _facts(grants=[_grant(*grant) for grant in grants], origin_path=SUB)
    found = evaluate(facts, OTHER, "/")
    assert (found.permission, found.rule) == (permission, rule)
    assert found.manages == (permission is ADMIN)


# -- folder permissions --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """Rules on a library shared for reading, and what they make of a path."""

    name: str
    rules: list[tuple[str, str, Permission]]
    path: str
    permission: Permission
    rule: str


CASES = [
    Case("no rule", [], "/a", R, "user_share"),
    Case("a rule elsewhere", [("/b", "user", RW)], "/a", R, "user_share"),
    Case("a rule below", [("/a/b", "user", RW)], "/a", R, "user_share"),
    Case("a name that begins alike", [("/a", "user", RW)], "/ab", R, "user_share"),
    Case("the folder itself", [("/a", "user", RW)], "/a", RW, "folder_user_permission"),
    Case("a file below", [("/a", "user", RW)], "/a/b/c.txt", RW, "folder_user_permission"),
    Case("the root", [("/", "group", RW)], "/a", RW, "folder_group_permission"),
    Case("deeper wins", [("/a", "user", RW), ("/a/b", "user", R)], "/a/b/c", R, "folder_user_permission"),
    Case("root and deeper", [("/", "user", RW), ("/a", "group", R)], "/a", R, "folder_group_permission"),
    Case(
        "deeper group beats user",
        [("/a", "user", R), ("/a/b", "group", RW)],
        "/a/b",
        RW,
        "folder_group_permission",
    ),
    Case("user beats group", [("/a", "user", R), ("/a", "group", RW)], "/a", R, "folder_user_permission"),
    Case(
        "user beats group, reversed",
        [("/a", "group", R), ("/a", "user", RW)],
        "/a",
        RW,
        "folder_user_permission",
    ),
    Case("rw among groups", [("/a", "group", R), ("/a", "group", RW)], "/a", RW, "folder_group_permission"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("order", [1, -1])
def test_folder_permissions_refine_a_share(case: Case, order: int) -> None:
    rules = [FolderRule(path, kind, permission) for path, kind, permission in case.rules]  # type: ignore[arg-type]
    found = evaluate(_facts(grants=[_grant("user", R)], rules=rules[::order]), OTHER, case.path)
    assert (found.permission, found.rule) == (case.permission, case.rule)


@pytest.mark.parametrize("kind", KINDS)
def test_folder_permissions_refine_every_kind_of_share(kind: ShareKind) -> None:
    rules = [FolderRule("/a", "user", R)]
    assert evaluate(_facts(grants=[_grant(kind, RW)], rules=rules), OTHER, "/a").permission is R


def test_folder_permissions_give_nothing_without_a_share() -> None:
    rules = [FolderRule("/", "user", RW), FolderRule("/a", "group", RW)]
    assert evaluate(_facts(rules=rules), OTHER, "/a").permission is None


def test_folder_permissions_never_restrict_the_owner() -> None:
    rules = [FolderRule("/", "user", R)]
    assert evaluate(_facts(rules=rules), OWNER, "/a").permission is RW


@pytest.mark.parametrize(("permission", "expected"), [(R, R), (RW, ADMIN)])
def test_whoever_manages_is_refined_in_files_but_still_manages(
    permission: Permission, expected: Permission
) -> None:
    rules = [FolderRule("/a", "user", permission)]
    found = evaluate(_facts(grants=[_grant("user", ADMIN)], rules=rules), OTHER, "/a")
    assert found.permission is expected
    assert found.manages
    assert found.allows(Action.WRITE) == (permission is RW)


@pytest.mark.parametrize(
    ("origin_path", "path", "permission"),
    [
        ("/a/b", "/", R),
        ("/a/b", "/c", RW),
        ("/a/b", "/c/d", RW),
        ("/a/b", "/d", R),
        ("/a", "/b/c", RW),
        ("/a/b/c", "/", RW),
    ],
)
def test_in_a_sub_library_rules_speak_of_paths_of_the_origin(
    origin_path: str, path: str, permission: Permission
) -> None:
    facts = _facts(
        grants=[_grant("user", R, origin_path)],
        rules=[FolderRule("/a/b/c", "user", RW)],
        origin_path=origin_path,
    )
    assert evaluate(facts, OTHER, path).permission is permission


# -- read-only libraries -------------------------------------------------------------------------------------


def test_in_a_read_only_library_nobody_writes_and_the_owner_still_owns() -> None:
    facts = _facts(grants=[_grant("user", ADMIN)], is_read_only=True)
    owner, other = evaluate(facts, OWNER, "/"), evaluate(facts, OTHER, "/")
    assert (owner.permission, owner.rule) == (R, "library_read_only")
    assert owner.allows(Action.OWN)
    assert not owner.allows(Action.WRITE)
    assert other.allows(Action.MANAGE)
    assert other.allows(Action.READ)
    assert not other.allows(Action.WRITE)


def test_a_folder_permission_does_not_open_a_read_only_library() -> None:
    facts = _facts(grants=[_grant("user", R)], rules=[FolderRule("/", "user", RW)], is_read_only=True)
    assert evaluate(facts, OTHER, "/a").permission is R


def test_a_stranger_learns_nothing_from_a_read_only_library() -> None:
    assert evaluate(_facts(is_read_only=True), OTHER, "/").permission is None


# -- actions -------------------------------------------------------------------------------------------------

NEEDS = {
    Action.LIST: "r",
    Action.READ: "r",
    Action.SHARE_LINK: "r",
    Action.WRITE: "rw",
    Action.UPLOAD_LINK: "rw",
    Action.MANAGE: "admin",
    Action.OWN: "owner",
}
LEVELS = {
    "none": Standing(None, "no_share"),
    "r": Standing(R, "user_share"),
    "rw": Standing(RW, "user_share"),
    "admin": Standing(ADMIN, "user_share", manages=True),
    "owner": Standing(RW, "owner", is_owner=True, manages=True),
}


@pytest.mark.parametrize("action", NEEDS)
@pytest.mark.parametrize("level", LEVELS)
def test_an_action_needs_its_level_and_is_content_with_a_higher_one(action: Action, level: str) -> None:
    order = list(LEVELS)
    assert LEVELS[level].allows(action) == (order.index(level) >= order.index(NEEDS[action]))
