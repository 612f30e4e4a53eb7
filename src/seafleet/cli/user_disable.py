"""`seafleet user disable`: switch an account off, or on again."""

from __future__ import annotations

from typing import Annotated

import typer

from seafleet.cli.console import DataOption, ExitCode, fail, open_services, tell


def disable(
    email: Annotated[str, typer.Argument(help="Address of the account.")],
    undo: Annotated[bool, typer.Option("--undo", help="Switch the account on again.")] = False,
    data: DataOption = None,
) -> None:
    """Switch an account off: its tokens end, nobody logs in, its libraries stay.

    The last administrator stays on.
    """
    with open_services(data) as services:
        account = services.accounts.get_by_email(email)
        others = [other for other in services.accounts.staff() if other.is_active and other.id != account.id]
        if account.is_staff and not undo and not others:
            fail(
                ExitCode.CONFLICT,
                f"{account.email} is the last active administrator. Make another one first: "
                "seafleet user add --admin ADDRESS",
            )
        services.accounts.set_active(account, undo)
    tell(f"The account {account.email} was switched {'on' if undo else 'off'}.")
