"""The real sync client: Debian's `seaf-cli` and the daemon that it starts, in a home of their own."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import pytest

PROGRAMS: Final = ("seaf-cli", "seaf-daemon")
SYNCED_SECONDS: Final = 60.0
"""A daemon commits about two seconds after the last change of a file, and asks for news every 30 seconds."""

_POLL_SECONDS: Final = 0.05
_COMMAND_SECONDS: Final = 60.0
_FOLDER: Final = "folder"


def require_programs() -> None:
    """Skip the test, aloud, where the client is not installed."""
    for name in PROGRAMS:
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed: Debian has it in seafile-cli and seafile-daemon")


def wait_until(condition: Callable[[], bool], what: str, seconds: float = SYNCED_SECONDS) -> None:
    """Return as soon as a condition holds; fail when it does not hold in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not in {seconds:g} s: {what}"
        time.sleep(_POLL_SECONDS)


def snapshot(folder: Path) -> dict[str, str]:
    """Return every path below a folder with the hash of its content, "folder" for a folder."""
    found: dict[str, str] = {}
    for parent, folders, files in os.walk(folder):
        for name in folders:
            found[str((Path(parent) / name).relative_to(folder))] = _FOLDER
        for name in files:
            path = Path(parent) / name
            try:
                found[str(path.relative_to(folder))] = _hash_of(path)
            except FileNotFoundError:  # the daemon has just put another file in its place
                found[str(path.relative_to(folder))] = "gone"
    return found


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha1").hexdigest()


def as_snapshot(files: Mapping[str, bytes | None]) -> dict[str, str]:
    """Return what `snapshot` returns for these files; None stands for a folder."""
    return {
        path: _FOLDER if content is None else hashlib.sha1(content).hexdigest()
        for path, content in files.items()
    }


@dataclass
class SeafileClient:
    """One installation of the client: its home, its daemon, and the folders that it keeps in step."""

    home: Path
    server: str

    @property
    def configuration(self) -> Path:
        """Where the client keeps its settings."""
        return self.home / "ccnet"

    @property
    def log(self) -> Path:
        """What the daemon wrote down."""
        return self.configuration / "logs" / "seafile.log"

    def start(self) -> Self:
        """Begin from nothing: make the home, and start the daemon."""
        self.home.mkdir(parents=True)
        self.run("init", "-d", str(self.home))
        return self.resume()

    def resume(self) -> Self:
        """Start the daemon, and wait until it answers."""
        self.run("start")
        wait_until(lambda: self.call("list").returncode == 0, f"the daemon answers; {self.home}")
        return self

    def stop(self) -> None:
        """Ask the daemon to end, and wait until it has."""
        daemons = self.daemons()
        self.run("stop")
        for process in daemons:
            wait_until(lambda process=process: not _is_alive(process), "the daemon ends")  # type: ignore[misc]

    def kill(self) -> None:
        """Kill the daemon as a power cut would."""
        for process in self.daemons():
            os.kill(process, signal.SIGKILL)
            wait_until(lambda process=process: not _is_alive(process), "the daemon is dead")  # type: ignore[misc]

    def daemons(self) -> list[int]:
        """Return the process ids of this home's daemon."""
        numbered = (entry for entry in Path("/proc").iterdir() if entry.name.isdigit())
        return [int(entry.name) for entry in numbered if self._is_mine(_command_of(entry))]

    def _is_mine(self, command: list[str]) -> bool:
        return command[:1] == ["seaf-daemon"] and str(self.configuration) in command

    def clone(self, library_id: str, name: str, email: str, token: str, password: str | None = None) -> Path:
        """Begin to keep a library in step with a new folder, which is returned."""
        folder = self.home / name
        folder.mkdir()
        account = ["-s", self.server, "-u", email, "-T", token]
        extra = [] if password is None else ["-e", password]
        self.run("sync", "-l", library_id, *account, "-d", str(folder), *extra)
        return folder

    def status_of(self, name: str) -> str:
        """Return what the client says about a library: its name, a state, perhaps why; empty if nothing."""
        lines = self.call("status").stdout.splitlines()
        return next((" ".join(line.split()) for line in lines if line.startswith(name)), "")

    def run(self, *arguments: str) -> str:
        """Run `seaf-cli`, which has to succeed, and return what it printed."""
        done = self.call(*arguments)
        assert done.returncode == 0, f"seaf-cli {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `seaf-cli` with a home and settings of its own."""
        command, *rest = arguments
        return subprocess.run(
            ["seaf-cli", command, "-c", str(self.configuration), *rest],
            env={
                "HOME": str(self.home),
                "XDG_CONFIG_HOME": str(self.home / ".config"),
                "XDG_CACHE_HOME": str(self.home / ".cache"),
                "XDG_DATA_HOME": str(self.home / ".local"),
                "PATH": os.environ["PATH"],
                "LANG": "C.UTF-8",
            },
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )


def _command_of(process: Path) -> list[str]:
    try:
        return (process / "cmdline").read_text().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def _is_alive(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
