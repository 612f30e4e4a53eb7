"""What has to be known, besides the merged tree, to make a pushed commit part of a library.

Source: sync protocol §3, "PUT commit/HEAD"; merging §2, "The merge commit"; storage format §4.1 for why a
history may run in a circle.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Final, Protocol

from seafleet.errors import CommitNotFound
from seafleet.formats.commit import Commit
from seafleet.ids import ObjectId

CLOCK_SKEW_SECONDS: Final = 24 * 60 * 60
"""By how much the clocks of those who make commits are expected to differ."""

ALWAYS_SEARCHED: Final = 1000
"""How many commits are looked at whatever their times say."""


class CommitSource(Protocol):
    """Reads the commits of one library."""

    def commit(self, commit_id: ObjectId) -> Commit:
        """Return a commit. Raises CommitNotFound."""
        ...


def is_ancestor(commits: CommitSource, ancestor: ObjectId, head: ObjectId) -> bool:
    """Tell whether `head` contains the commit `ancestor`: is it, or has it behind a first or second parent.

    Asked before a push is merged, so that a push repeated after a lost answer changes nothing. The search
    goes from the newest commit to older ones and never behind the parents of `ancestor`. It ends a day before
    `ancestor` and its parents were made, but only after a thousand commits: times come from many clocks. So
    True is always right; False may be wrong for a commit far back, of a device whose clock is far off.
    Commits that are not stored any more end their line. Raises CommitNotFound when `ancestor` is not stored.
    """
    if ancestor == head:
        return True
    wanted = commits.commit(ancestor)
    parents = (_stored(commits, parent_id) for parent_id in wanted.parent_ids)
    not_before = min(commit.ctime for commit in (wanted, *parents) if commit) - CLOCK_SKEW_SECONDS
    for visited, commit in enumerate(_newest_first(commits, head, behind=wanted), 1):
        if ancestor in commit.parent_ids:
            return True
        if visited >= ALWAYS_SEARCHED and commit.ctime < not_before:
            return False
    return False


def _newest_first(commits: CommitSource, head: ObjectId, *, behind: Commit) -> Iterator[Commit]:
    """Yield `head` and what it contains, each once, but for the parents of `behind` and all that is older."""
    seen = {*behind.parent_ids, behind.commit_id}
    found: list[tuple[int, ObjectId, Commit]] = []

    def add(commit_id: ObjectId) -> None:
        if commit_id not in seen:
            seen.add(commit_id)
            commit = _stored(commits, commit_id)
            if commit is not None:
                heappush(found, (-commit.ctime, commit_id, commit))

    add(head)
    while found:
        commit = heappop(found)[2]
        yield commit
        for parent_id in commit.parent_ids:
            add(parent_id)


def _stored(commits: CommitSource, commit_id: ObjectId) -> Commit | None:
    try:
        return commits.commit(commit_id)
    except CommitNotFound:
        return None


def merge_commit(
    head: Commit,
    pushed: Commit,
    *,
    root_id: ObjectId,
    description: str,
    conflict: bool,
    ctime: int,
) -> Commit:
    """Return the commit that joins `pushed` with the present `head`, made by the server.

    `description` is that of `describe_merge`, `ctime` the present in Unix seconds. What every commit repeats
    about its library is copied from `head`. If the id is taken by another commit, go on with `later()`.
    """
    return Commit.make(
        library_id=head.library_id,
        root_id=root_id,
        creator_name=pushed.creator_name,
        description=description,
        ctime=ctime,
        parent_id=head.commit_id,
        second_parent_id=pushed.commit_id,
        library_name=head.library_name,
        library_description=head.library_description,
        encryption=head.encryption,
        conflict=conflict,
        new_merge=True,
    )
