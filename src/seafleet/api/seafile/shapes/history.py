"""Commits, revisions of files and deleted entries as the Web API shows them.

Source: Web API manual, "Get Library History", "Get Library Trash", "Get File History"; libraries page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from seafleet import paths
from seafleet.api.seafile.shapes.times import iso
from seafleet.ids import ZERO_ID

if TYPE_CHECKING:
    from seafleet.accounts.names import PersonName
    from seafleet.library.history import HistoryEntry, Revision
    from seafleet.library.trash import DeletedEntry

Json = dict[str, Any]


def history_item(entry: HistoryEntry, author: PersonName, labels: Sequence[str], zone: tzinfo) -> Json:
    """Return a commit as the newer history lists it."""
    return {
        "commit_id": entry.commit_id,
        "time": iso(entry.ctime, zone),
        "description": entry.description,
        "creator": entry.creator_name,
        "email": entry.creator_name,
        "name": author.name,
        "contact_email": author.contact_email,
        "client_version": entry.client_version,
        "device_name": entry.device_name,
        "second_parent_id": entry.second_parent_id,
        "tags": list(labels),
    }


def commit_record(library_id: str, entry: HistoryEntry, author: PersonName) -> Json:
    """Return a commit as the older calls list it, without a revision of a file."""
    return {
        "id": entry.commit_id,
        "repo_id": library_id,
        "parent_id": entry.parent_id,
        "second_parent_id": entry.second_parent_id,
        "root_id": entry.root_id,
        "ctime": entry.ctime,
        "creator": ZERO_ID,
        "creator_name": entry.creator_name,
        "desc": entry.description,
        "version": 1,
        "new_merge": entry.new_merge,
        "conflict": entry.conflict,
        "device_name": entry.device_name,
        "client_version": entry.client_version,
        "rev_file_id": None,
        "rev_file_size": 0,
        "rev_renamed_old_path": None,
        "next_start_commit": None,
        "user_info": {
            "email": entry.creator_name,
            "name": author.name,
            "contact_email": author.contact_email,
        },
    }


def revision_record(library_id: str, revision: Revision, people: Mapping[str, PersonName]) -> Json:
    """Return a version of a file as the older call lists it."""
    record = commit_record(library_id, revision.commit, people[revision.commit.creator_name])
    return record | {
        "rev_file_id": revision.entry.id,
        "rev_file_size": revision.entry.size or 0,
        "rev_renamed_old_path": _without_slash(revision.renamed_from),
    }


def revision_item(revision: Revision, author: PersonName, avatar_url: str, zone: tzinfo) -> Json:
    """Return a version of a file as the newer call lists it."""
    commit = revision.commit
    return {
        "commit_id": commit.commit_id,
        "rev_file_id": revision.entry.id,
        "rev_renamed_old_path": _without_slash(revision.renamed_from) or "",
        "ctime": iso(commit.ctime, zone),
        "description": commit.description,
        "size": revision.entry.size or 0,
        "path": revision.path,
        "creator_email": commit.creator_name,
        "creator_name": author.name,
        "creator_contact_email": author.contact_email,
        "creator_avatar_url": avatar_url,
    }


def deleted_item(deleted: DeletedEntry, zone: tzinfo) -> Json:
    """Return a deleted file or folder, and the commit that it can be restored from."""
    parent, name = paths.split(deleted.path)
    is_dir = deleted.entry.is_dir
    return {
        "parent_dir": parent if parent == paths.ROOT else f"{parent}/",
        "obj_name": name,
        "obj_id": "" if is_dir else deleted.entry.id,
        "size": "" if is_dir else deleted.entry.size or 0,
        "is_dir": is_dir,
        "deleted_time": iso(deleted.deleted_at, zone),
        "commit_id": deleted.commit_id,
        "scan_stat": None,
    }


def _without_slash(path: str | None) -> str | None:
    return None if path is None else path.removeprefix("/")
