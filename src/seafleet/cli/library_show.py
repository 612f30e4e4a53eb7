"""`seafleet library show`: everything about one library."""

from __future__ import annotations

from typing import Annotated

import typer

from seafleet.cli.console import DataOption, JsonOption, open_services, show_one
from seafleet.ids import LibraryId


def show_library(
    library_id: Annotated[str, typer.Argument(help="Id of the library, as `library list` prints it.")],
    json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Show a library: owner, size, head commit, encryption, history limit."""
    with open_services(data) as services:
        head = services.libraries.get(LibraryId.parse(library_id))
    limit = head.history_limit_days
    show_one(
        {
            "id": str(head.library_id),
            "name": head.name,
            "description": head.description,
            "owner": head.owner_email,
            "size_bytes": head.size_bytes,
            "files": head.file_count,
            "created": head.created_at.isoformat(timespec="seconds"),
            "updated": head.updated_at.isoformat(timespec="seconds"),
            "last_modifier": head.last_modifier,
            "head_commit": str(head.commit_id),
            "root": str(head.root_id),
            "encrypted": head.encrypted,
            "sub_library_of": str(head.store_id) if head.is_sub_library else "",
            "history_days": "site default" if limit is None else limit,
            "status": head.status.name.lower(),
            "damaged": head.is_damaged,
        },
        as_json=json,
    )
