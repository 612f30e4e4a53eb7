"""Which commits of a library are live: the roots from which collection marks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from seafleet.errors import MalformedObject
from seafleet.formats import commit as commits
from seafleet.formats.commit import Commit
from seafleet.ids import ObjectId
from seafleet.store.contract import NOUNS, Kind
from seafleet.store.objects import ObjectStore

KEEP_ALL: Final = -1
KEEP_HEAD_ONLY: Final = 0


def read_commit(objects: ObjectStore, library_id: str, commit_id: ObjectId) -> Commit:
    """Return a commit of a library. Raises ObjectMissing; MalformedObject also when it is another's."""
    commit = commits.decode(objects.get(library_id, Kind.COMMIT, commit_id))
    if commit.commit_id != commit_id or commit.library_id != library_id:
        raise MalformedObject(NOUNS[Kind.COMMIT], "belongs under another name")
    return commit


def live_commits(
    objects: ObjectStore, library_id: str, head_id: ObjectId, truncate_time: int
) -> Iterator[Commit]:
    """Yield the head and the commits behind it that history keeps, each once, roughly newest first.

    These are the commits made at or after `truncate_time` (Unix seconds; KEEP_ALL, KEEP_HEAD_ONLY), and on
    each line of parents the first one made before: it holds what its child deleted. Raises what
    `read_commit` raises when one of them cannot be read.

    Source: storage format §12, "What is live".
    """
    seen = {head_id}
    waiting = deque([head_id])
    while waiting:
        commit = read_commit(objects, library_id, waiting.popleft())
        yield commit
        if truncate_time != KEEP_HEAD_ONLY and commit.ctime >= truncate_time:
            fresh = [parent for parent in commit.parent_ids if parent not in seen]
            seen.update(fresh)
            waiting += fresh
