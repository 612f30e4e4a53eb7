"""`seafleet user list`: all accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from seafleet.cli.console import DataOption, JsonOption, open_services, show

if TYPE_CHECKING:
    from seafleet.accounts import Account, Accounts


def list_users(
    search: Annotated[str, typer.Option(help="Only accounts whose address or name contains this.")] = "",
    json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """List accounts, oldest first: address, name, state, role, bytes used and bytes allowed."""
    with open_services(data) as services:
        accounts = services.accounts
        found = accounts.search(search, limit=None) if search else accounts.list(limit=None)
        rows = [_row(accounts, account) for account in found]
    show(rows, as_json=json, nothing="There is no such account.")


def _row(accounts: Accounts, account: Account) -> dict[str, Any]:
    return {
        "email": account.email,
        "name": account.name,
        "active": account.is_active,
        "admin": account.is_staff,
        "role": account.role,
        "usage_bytes": accounts.usage(account),
        "quota_bytes": accounts.quota(account),
    }
