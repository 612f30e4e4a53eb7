"""Moving and copying entries, inside a library or into another one, as one call for every route.

Source: files page, "Move and copy"; transfers page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seafleet import paths
from seafleet.api.seafile.places import author_of
from seafleet.library.moves import Copy, Move
from seafleet.library.transfer import copy_across, move_across

if TYPE_CHECKING:
    from seafleet.api.kernel import ApiRequest
    from seafleet.formats.fs import Dirent
    from seafleet.library.model import Head


@dataclass(frozen=True, slots=True)
class Landed:
    """An entry where it came to stand."""

    path: str
    entry: Dirent


def move_or_copy(
    request: ApiRequest,
    source: Head,
    parent: str,
    names: Sequence[str],
    target: Head,
    folder: str,
    *,
    keep: bool,
) -> list[Landed]:
    """Bring entries of a folder into another folder, and return them in the order of the names.

    `keep` says whether they stay where they were. Raises FileNotFound for the first name that is missing,
    FolderNotFound, InvalidPath, FileLocked, QuotaExceeded, and InvalidArgument between libraries that do not
    share a key.
    """
    libraries, author = request.services.libraries, author_of(request)
    if source.library_id == target.library_id:
        verb = Copy if keep else Move
        edit = verb(parent, tuple(names), folder)
        landed = libraries.commit_edit(source.library_id, author, edit).result
        return [Landed(each.path, each.entry) for each in landed]
    across = copy_across if keep else move_across
    full_paths = [paths.join(parent, name) for name in names]
    placed = across(libraries, author, source, full_paths, target.library_id, folder).result
    return [Landed(each.path, each.entry) for each in placed]
