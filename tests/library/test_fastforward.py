"""Which commits a head contains, and the commit that joins two histories."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seafleet.errors import CommitNotFound
from seafleet.formats.commit import Commit, Encryption
from seafleet.ids import ZERO_ID, LibraryId, ObjectId
from seafleet.library.fastforward import ALWAYS_SEARCHED, CLOCK_SKEW_SECONDS, is_ancestor, merge_commit

LIBRARY = LibraryId("bb182163-0f83-43ea-a37c-ce399683e554")
NOW = 1_700_000_000


class History:
    """Commits in memory; knows how many were read."""

    def __init__(self) -> None:
        self.stored: dict[ObjectId, Commit] = {}
        self.reads = 0

    def commit(self, commit_id: ObjectId) -> Commit:
        self.reads += 1
        try:
            return self.stored[commit_id]
        except KeyError:
            raise CommitNotFound(commit_id) from None

    def add(self, ctime: int, *parents: ObjectId) -> ObjectId:
        """Keep a new commit and return its id."""
        made = Commit(
            commit_id=ObjectId(f"{len(self.stored) + 1:040x}"),
            library_id=LIBRARY,
            root_id=ZERO_ID,
            creator_name="ann@x",
            description="",
            ctime=ctime,
            parent_id=parents[0] if parents else None,
            second_parent_id=parents[1] if len(parents) > 1 else None,
        )
        self.stored[made.commit_id] = made
        return made.commit_id

    def add_line(self, count: int, head: ObjectId, ctime: int) -> ObjectId:
        """Keep `count` commits on top of `head`, a second apart, and return the last."""
        for number in range(count):
            head = self.add(ctime + number, head)
        return head


def test_a_commit_contains_itself() -> None:
    history = History()
    first = history.add(NOW)
    assert is_ancestor(history, first, first)


def test_both_parents_are_followed() -> None:
    history = History()
    base = history.add(NOW)
    mine, pushed = history.add(NOW + 1, base), history.add(NOW + 2, base)
    merge = history.add(NOW + 3, mine, pushed)
    head = history.add_line(10, merge, NOW + 4)
    assert is_ancestor(history, pushed, head)
    assert is_ancestor(history, mine, head)
    assert not is_ancestor(history, head, pushed)


def test_a_push_on_top_of_the_head_is_told_at_once() -> None:
    history = History()
    head = history.add_line(500, history.add(NOW), NOW + 1)
    pushed = history.add(NOW + 600, head)
    history.reads = 0
    assert not is_ancestor(history, pushed, head)
    assert history.reads <= 3


def test_the_search_does_not_go_behind_the_parents_of_what_is_searched() -> None:
    history = History()
    base = history.add_line(500, history.add(NOW), NOW + 1)
    pushed = history.add(NOW + 600, base)
    head = history.add_line(5, base, NOW + 601)
    history.reads = 0
    assert not is_ancestor(history, pushed, head)
    assert history.reads <= 7


def test_the_search_ends_a_day_before_what_is_searched() -> None:
    history = History()
    old = history.add_line(5000, history.add(NOW), NOW + 1)
    base = history.add(NOW + 2 * CLOCK_SKEW_SECONDS, old)
    pushed = history.add(NOW + 2 * CLOCK_SKEW_SECONDS, base)
    stale = history.add(NOW + 2 * CLOCK_SKEW_SECONDS + 1, old)
    head = history.add(NOW + 2 * CLOCK_SKEW_SECONDS + 2, base, stale)
    history.reads = 0
    assert not is_ancestor(history, pushed, head)
    assert ALWAYS_SEARCHED <= history.reads <= ALWAYS_SEARCHED + 10


@pytest.mark.parametrize("skew", [-10 * CLOCK_SKEW_SECONDS, 10 * CLOCK_SKEW_SECONDS])
def test_a_push_of_a_device_with_a_wrong_clock_is_found_again(skew: int) -> None:
    history = History()
    base = history.add(NOW + skew, history.add(NOW))
    pushed = history.add(NOW + skew + 1, base)
    merge = history.add(NOW + 3, history.add(NOW + 2, base), pushed)
    assert is_ancestor(history, pushed, history.add_line(ALWAYS_SEARCHED - 2, merge, NOW + 4))


def test_a_history_that_runs_in_a_circle_is_searched_once() -> None:
    history = History()
    first = history.add(NOW)
    second = history.add(NOW, first)
    history.stored[first] = replace(history.stored[first], parent_id=second)
    other = history.add(NOW)
    assert not is_ancestor(history, other, second)


def test_commits_that_are_gone_end_their_line() -> None:
    history = History()
    gone = ObjectId("f" * 40)
    pushed, other = history.add(NOW + 1, gone), history.add(NOW + 1, gone)
    head = history.add(NOW + 3, history.add(NOW + 2, ObjectId("e" * 40)), pushed)
    assert is_ancestor(history, pushed, head)
    assert not is_ancestor(history, other, head)


def test_a_pushed_commit_that_is_not_stored_is_an_error() -> None:
    history = History()
    with pytest.raises(CommitNotFound):
        is_ancestor(history, ObjectId("f" * 40), history.add(NOW))


@given(st.data())
def test_ancestors_are_what_can_be_reached(data: st.DataObject) -> None:
    history = History()
    ids = [history.add(NOW)]
    for number in range(data.draw(st.integers(0, 12))):
        parents = data.draw(st.lists(st.sampled_from(ids), min_size=1, max_size=2, unique=True))
        ids.append(history.add(NOW + data.draw(st.integers(-5, 5)) + number, *parents))
    head = data.draw(st.sampled_from(ids))
    reached, waiting = set[ObjectId](), [head]
    while waiting:
        reached.add(commit_id := waiting.pop())
        waiting += history.stored[commit_id].parent_ids
    assert {each for each in ids if is_ancestor(history, each, head)} == reached


def test_the_merge_commit_joins_head_and_push() -> None:
    history = History()
    encryption = Encryption(enc_version=2, magic="a" * 64, random_key="b" * 96)
    head = replace(
        history.stored[history.add(NOW)],
        library_name="Ours",
        library_description="All",
        encryption=encryption,
    )
    pushed = replace(
        history.stored[history.add(NOW + 1)],
        creator_name="bob@x",
        creator="d" * 40,
        device_name="laptop",
        client_version="9.0.1",
        library_name="Old name",
    )
    root_id = ObjectId("e" * 40)
    made = merge_commit(
        head, pushed, root_id=root_id, description="Auto merge by system", conflict=True, ctime=NOW + 2
    )
    assert made == Commit.make(
        library_id=LIBRARY,
        root_id=root_id,
        creator_name="bob@x",
        creator=ZERO_ID,
        description="Auto merge by system",
        ctime=NOW + 2,
        parent_id=head.commit_id,
        second_parent_id=pushed.commit_id,
        library_name="Ours",
        library_description="All",
        encryption=encryption,
        conflict=True,
        new_merge=True,
    )
