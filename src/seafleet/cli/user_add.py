"""`seafleet user add`: a new account."""

from __future__ import annotations

from typing import Annotated

import typer

from seafleet.cli.console import DataOption, StdinOption, open_services, read_password, say, tell


def add(
    email: Annotated[str, typer.Argument(help="Address that the account logs in with.")],
    name: Annotated[
        str | None, typer.Option(help="Name that others see.", show_default="part before the @")
    ] = None,
    admin: Annotated[bool, typer.Option("--admin", help="Make the account an administrator.")] = False,
    role: Annotated[str, typer.Option(help="Role, such as default or guest.")] = "default",
    generate: Annotated[
        bool, typer.Option("--generate", help="Make up a password and print it, instead of asking for one.")
    ] = False,
    password_stdin: StdinOption = False,
    data: DataOption = None,
) -> None:
    """Make an account and print its address; with --generate its password as well."""
    from seafleet.accounts.passwords import make_up_password

    with open_services(data) as services:
        if generate:
            password = make_up_password(services.random)
        else:
            password = read_password(email, from_stdin=password_stdin)
        account = services.accounts.create(email, password, is_staff=admin, role=role, name=name)
    tell(f"The account {account.email} was made.")
    say(password if generate else account.email)
