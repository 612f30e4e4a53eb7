"""`seafleet user passwd`: a new password."""

from __future__ import annotations

from typing import Annotated

import typer

from seafleet.cli.console import DataOption, StdinOption, open_services, read_password, tell


def passwd(
    email: Annotated[str, typer.Argument(help="Address of the account.")],
    password_stdin: StdinOption = False,
    data: DataOption = None,
) -> None:
    """Give an account a new password. Every login and token of the account ends."""
    with open_services(data) as services:
        account = services.accounts.get_by_email(email)
        password = read_password(account.email, from_stdin=password_stdin)
        services.accounts.set_password(account, password)
    tell(f"The password of {account.email} was changed; all its devices have to log in again.")
