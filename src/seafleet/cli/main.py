"""Puts the commands together and turns errors into a sentence and an exit code."""

from __future__ import annotations

import sys

import typer

from seafleet.cli import (
    collect,
    library_list,
    library_show,
    serve,
    user_add,
    user_disable,
    user_list,
    user_passwd,
    verify,
    version,
)
from seafleet.cli.console import ExitCode, code_of, tell
from seafleet.errors import SeafleetError

app = typer.Typer(
    name="seafleet",
    help="A self-hosted server for a team's files and for the devices that reach them.\n\n"
    "`seafleet serve` is all it takes: the first start makes a data folder and an administrator, and prints "
    "the password. Settings are environment variables or a TOML file; docs/settings.md lists them.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 conflict, 5 damage found, "
    "6 a value does not fit, 7 port or storage unavailable.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
    rich_markup_mode=None,
)
users = typer.Typer(help="Make, list and change accounts.", no_args_is_help=True, rich_markup_mode=None)
libraries = typer.Typer(help="Look at libraries.", no_args_is_help=True, rich_markup_mode=None)

app.command("serve")(serve.serve)
app.add_typer(users, name="user")
users.command("add")(user_add.add)
users.command("list")(user_list.list_users)
users.command("passwd")(user_passwd.passwd)
users.command("disable")(user_disable.disable)
app.add_typer(libraries, name="library")
libraries.command("list")(library_list.list_libraries)
libraries.command("show")(library_show.show_library)
app.command("verify")(verify.verify)
app.command("collect")(collect.collect)
app.command("version")(version.version)


def main() -> None:
    """Run the command that the process was started with, and exit."""
    try:
        app(prog_name="seafleet")
    except SeafleetError as error:
        tell(f"seafleet: {error}")
        sys.exit(code_of(error))
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
