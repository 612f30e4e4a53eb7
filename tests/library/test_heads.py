"""The transaction that moves a head, and what goes with it."""

from __future__ import annotations

import json

from sqlalchemy import select

from seafleet.db.tables import audit_event
from seafleet.library.edits import AddFiles
from seafleet.library.model import Author
from tests.library.site import Site, new_file


def test_every_commit_is_audited_with_who_and_from_where(site: Site) -> None:
    library_id = site.library()
    author = Author("someone@example.com", device_name="desktop", ip="192.0.2.7")
    outcome = site.do(library_id, AddFiles("/", (new_file("a.txt", "one"),)), author)
    with site.database.read() as connection:
        row = connection.execute(select(audit_event).order_by(audit_event.c.id.desc()).limit(1)).one()
    assert (row.tag, row.actor, row.ip, row.library_id) == (
        "library:commit:created",
        "someone@example.com",
        "192.0.2.7",
        library_id,
    )
    assert row.device == "desktop"
    detail = json.loads(row.detail)
    assert detail["commit_id"] == outcome.commit_id
    assert detail["changes"] == ["create /a.txt"]
