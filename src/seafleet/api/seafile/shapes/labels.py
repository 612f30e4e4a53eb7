"""Snapshot labels as the Web API shows them. Source: Web API manual, section "Snapshot Label"."""

from __future__ import annotations

from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from seafleet.api.seafile.shapes.times import iso

if TYPE_CHECKING:
    from seafleet.accounts.names import PersonName
    from seafleet.labels.service import Label
    from seafleet.library.history import HistoryEntry


def label_shape(label: Label, entry: HistoryEntry, author: PersonName, zone: tzinfo) -> dict[str, Any]:
    """Return a label, who set it, and the commit with its own author."""
    return {
        "tag": label.name,
        "tag_creator": label.creator_email,
        "revision": {
            "repo_id": label.library_id,
            "commit_id": label.commit_id,
            "email": entry.creator_name,
            "name": author.name,
            "contact_email": author.contact_email,
            "time": iso(entry.ctime, zone),
            "description": entry.description,
            "link": f"/repo/history/view/{label.library_id}/?commit_id={label.commit_id}",
        },
    }
