"""Lines of library lists, times and sizes as the Web API spells them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from seafleet.accounts.names import PersonName
from seafleet.api.seafile.shapes.libraries import listed, listed_v21, people_in
from seafleet.api.seafile.shapes.times import relative_html
from seafleet.display import size_text
from seafleet.sharing.reachable import ReachableLibrary, Way
from tests.support.catalog import faults, operation

LIBRARY = "8c0e4f5e-7a09-4d2b-8d8c-0f2f6f1f9a3b"
ORIGIN = "9d1f5f6f-7a09-4d2b-8d8c-0f2f6f1f9a3b"
NOW = datetime(2026, 1, 2, tzinfo=UTC)


class _People(dict[str, PersonName]):
    def __missing__(self, email: str) -> PersonName:
        return PersonName(email.partition("@")[0], email)


def _reached(way: Way, **values: Any) -> ReachableLibrary:
    group = (7, "the group") if way is Way.GROUP else (None, None)
    line = ReachableLibrary(
        way=way.value,
        library_id=LIBRARY,
        store_id=LIBRARY,
        name="a library",
        description="a text",
        owner_email="owner@example.com",
        giver_email="giver@example.com",
        permission="rw",
        group_id=group[0],
        group_name=group[1],
        size_bytes=1449,
        file_count=2,
        version=1,
        updated_at=int(NOW.timestamp()) - 90,
        last_modifier="writer@example.com",
        head_commit_id="0123456789" * 4,
        encrypted=False,
        salt="",
        status=0,
    )
    return line._replace(**values)


@pytest.mark.parametrize("way", list(Way))
def test_every_line_has_the_documented_shape_of_its_way(way: Way) -> None:
    each = _reached(way)
    line = listed(each, _People(), NOW, UTC)
    shape = operation("list-libraries").shape[list(Way).index(way)]
    assert faults(line, shape) == []
    newer = listed_v21(each, _People(), {LIBRARY}, UTC)
    assert faults(newer, operation("v21-repos").shape["repos"][0]) == []
    assert (newer["type"], newer["starred"], newer["owner_email"]) == (way.value, True, "owner@example.com")


def test_a_groups_library_is_the_groups_and_tells_who_shared_it() -> None:
    line = listed(_reached(Way.GROUP, permission="admin"), _People(), NOW, UTC)
    assert (line["owner"], line["groupid"], line["group_name"]) == ("the group", 7, "the group")
    assert (line["share_from"], line["share_from_name"]) == ("giver@example.com", "giver")
    assert (line["permission"], line["is_admin"]) == ("rw", True)
    newer = listed_v21(_reached(Way.GROUP), _People(), (), UTC)
    assert (newer["group_id"], newer["group_name"], newer["is_admin"]) == (7, "the group", False)


def test_a_shared_folder_tells_where_it_comes_from() -> None:
    line = listed(_reached(Way.SHARED, store_id=ORIGIN), _People(), NOW, UTC)
    assert (line["is_virtual"], line["origin_repo_id"]) == (True, ORIGIN)
    assert (line["owner"], line["owner_nickname"]) == ("giver@example.com", "giver")


def test_a_read_only_library_is_said_to_be_so() -> None:
    line = listed_v21(_reached(Way.OWNED, status=2), _People(), (), UTC)
    assert (line["status"], line["permission"]) == ("read-only", "r")


def test_everybody_who_is_named_is_looked_up() -> None:
    assert people_in([_reached(Way.SHARED)]) == {
        f"{name}@example.com" for name in ("owner", "giver", "writer")
    }


def test_relative_times_read_as_in_the_manual() -> None:
    zone = timezone(timedelta(hours=8))
    moment = datetime(2017, 8, 12, 10, 48, 42, tzinfo=zone)
    wanted = (
        '<time datetime="2017-08-12T10:48:42" is="relative-time" '
        'title="Sat, 12 Aug 2017 10:48:42 +0800" >1 minute ago</time>'
    )
    assert relative_html(moment, moment + timedelta(seconds=61), zone) == wanted
    later = relative_html(int(moment.timestamp()), moment + timedelta(days=15), zone)
    assert later.endswith(" >2017-08-12</time>")


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (1, "1 byte"), (1449, "1.4 KB"), (708833229, "676.0 MB")]
)
def test_sizes_read_as_in_the_manual(size: int, text: str) -> None:
    assert size_text(size) == text.replace(" ", "\u00a0")
