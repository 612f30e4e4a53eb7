"""What the commands share: exit codes, where the data lies, how things are said.

Results go to stdout, everything else to stderr, so that output can be piped.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from seafleet import errors
from seafleet.settings import ENV_PREFIX, Settings

if TYPE_CHECKING:
    from seafleet.api.services import Services


class ExitCode(IntEnum):
    """How a command ended; docs/cli.md tells the same."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    DAMAGED = 5
    SETTINGS = 6
    UNAVAILABLE = 7
    INTERRUPTED = 130


MEANINGS: Final[Mapping[ExitCode, str]] = {
    ExitCode.DONE: "Done. For `serve`: stopped as asked, every running request answered.",
    ExitCode.FAILED: "Failed in a way that has no code of its own; the last line on stderr says how.",
    ExitCode.USAGE: "The command line makes no sense: an unknown command or option, or a missing argument.",
    ExitCode.NOT_FOUND: "There is no such account or library.",
    ExitCode.CONFLICT: "It exists already, or the present state does not allow it.",
    ExitCode.DAMAGED: "`verify` found damage.",
    ExitCode.SETTINGS: "A setting or an argument has a value that does not fit.",
    ExitCode.UNAVAILABLE: "The port is taken, or database or data folder cannot be reached.",
    ExitCode.INTERRUPTED: "Interrupted from the keyboard.",
}

_CODES: Final[Sequence[tuple[type[errors.SeafleetError], ExitCode]]] = (
    (errors.NotFound, ExitCode.NOT_FOUND),
    (errors.Conflict, ExitCode.CONFLICT),
    (errors.InvalidInput, ExitCode.SETTINGS),
    (errors.LibraryDamaged, ExitCode.DAMAGED),
    (errors.StorageFailure, ExitCode.UNAVAILABLE),
)

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar=f"{ENV_PREFIX}DATA",
        show_default="./seafleet-data",
        help="Folder that holds everything of this server.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
StdinOption = Annotated[
    bool,
    typer.Option("--password-stdin", help="Read the password from standard input instead of asking for it."),
]


def code_of(error: errors.SeafleetError) -> ExitCode:
    """Return the exit code for an error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.FAILED)


def say(text: str) -> None:
    """Print a line of result. What a terminal would obey is not let through: names come from anybody."""
    sys.stdout.write("".join(_plain(character) for character in text) + "\n")
    sys.stdout.flush()


def say_json(value: object) -> None:
    """Print a value for scripts."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")
    sys.stdout.flush()


def _plain(character: str) -> str:
    return character if character.isprintable() else "?"


def tell(text: str) -> None:
    """Print a line that is not part of the result."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def fail(code: ExitCode, sentence: str) -> NoReturn:
    """End the command with a sentence that says what is wrong and what to do."""
    tell(f"seafleet: {sentence}")
    raise typer.Exit(code)


def show(rows: Sequence[Mapping[str, Any]], *, as_json: bool, nothing: str) -> None:
    """Print rows as a table, or one JSON array; `nothing` is told on stderr when there are none."""
    if as_json:
        say_json(list(rows))
    elif not rows:
        tell(nothing)
    else:
        _print_table([list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)])


def show_one(row: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one thing, a line per field."""
    if as_json:
        say_json(row)
        return
    width = max(map(len, row))
    for name, value in row.items():
        say(f"{name:<{width}}  {_cell(value)}")


def _cell(value: object) -> str:
    return str(value) if not isinstance(value, bool) else "yes" if value else "no"


def _print_table(lines: Sequence[Sequence[str]]) -> None:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        say("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())


def load_settings(data: Path | None) -> Settings:
    """Return the settings, with the data folder of the command line if one was given."""
    return Settings.load() if data is None else Settings.load(data=data)


@contextmanager
def open_services(data: Path | None) -> Iterator[Services]:
    """Lend the services of an existing data folder; the server may run meanwhile."""
    from seafleet import logs
    from seafleet.app import build_services, close_services

    settings = load_settings(data)
    if not settings.data.is_dir() and not settings.database_url:
        fail(
            ExitCode.NOT_FOUND,
            f"there is no data folder at {settings.data.absolute()}. Start the server once with "
            "`seafleet serve`, or name the folder with --data.",
        )
    logs.configure("warning", "text")
    services = build_services(settings)
    try:
        yield services
    finally:
        close_services(services)


def read_password(email: str, *, from_stdin: bool) -> str:
    """Return a new password: the first line of stdin, or asked for twice at the terminal."""
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = getpass(f"New password of {email}: ")
        if getpass("Once more: ") != password:
            fail(ExitCode.SETTINGS, "the two passwords differ; nothing was changed.")
    else:
        fail(
            ExitCode.USAGE,
            "there is no terminal to ask for the password. Pipe it in and add --password-stdin.",
        )
    if not password:
        fail(ExitCode.SETTINGS, "the password is empty; nothing was changed.")
    return password


def hand_down(settings: Settings, names: Sequence[str]) -> None:
    """Put settings into the environment, so that worker processes see them as this one does."""
    for name in names:
        os.environ[f"{ENV_PREFIX}{name.upper()}"] = str(getattr(settings, name))
