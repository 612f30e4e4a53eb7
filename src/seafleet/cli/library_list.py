"""`seafleet library list`: all libraries, or those of one owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from seafleet.cli.console import DataOption, JsonOption, open_services, show

if TYPE_CHECKING:
    from seafleet.library.model import Head


def list_libraries(
    owner: Annotated[str | None, typer.Option(help="Only libraries of this account.")] = None,
    json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """List libraries by owner: id, name, owner, bytes, files, time of the last change."""
    with open_services(data) as services:
        accounts = services.accounts
        owners = accounts.list(limit=None) if owner is None else [accounts.get_by_email(owner)]
        heads = [head for account in owners for head in services.libraries.owned_by(account.id)]
    show([_row(head) for head in heads], as_json=json, nothing="There is no library.")


def _row(head: Head) -> dict[str, Any]:
    return {
        "id": str(head.library_id),
        "name": head.name,
        "owner": head.owner_email,
        "size_bytes": head.size_bytes,
        "files": head.file_count,
        "updated": head.updated_at.isoformat(timespec="seconds"),
    }
