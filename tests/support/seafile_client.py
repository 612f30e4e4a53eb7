"""The real sync client: Debian's `seaf-cli` and the daemon that it starts, in a home of their own."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import pytest

from tests.support.processes import ends_with_parent

PROGRAMS: Final = ("seaf-cli", "seaf-daemon")
SYNCED_SECONDS: Final = 60.0
"""A daemon commits about two seconds after the last change of a file, and asks for news every 30 seconds."""

_POLL_SECONDS: Final = 0.05
_COMMAND_SECONDS: Final = 60.0
_LAST_WORDS: Final = 3000
_FOLDER: Final = "folder"


def require_programs() -> None:
    """Skip the test, aloud, where the client is not installed."""
    for name in PROGRAMS:
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed: Debian has it in seafile-cli and seafile-daemon")


def comes_true(condition: Callable[[], bool], seconds: float) -> bool:
    """Return True soon after a condition has come to hold, False when it does not in time.

    Looking takes at most a third of the time, so that those who work towards the condition get the rest.
    """
    deadline = time.monotonic() + seconds
    while True:
        begun = time.monotonic()
        if condition():
            return True
        now = time.monotonic()
        if now > deadline:
            return False
        time.sleep(max(_POLL_SECONDS, 2 * (now - begun)))


def wait_until(
    condition: Callable[[], bool], what: str | Callable[[], str], seconds: float = SYNCED_SECONDS
) -> None:
    """Return soon after a condition has come to hold; fail when it does not in time, and say `what` then."""
    if not comes_true(condition, seconds):
        raise AssertionError(f"not in {seconds:g} s: {what() if callable(what) else what}")


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
    _daemon: subprocess.Popen[bytes] | None = field(default=None, repr=False)

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

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    def resume(self) -> Self:
        """Start the daemon, and wait until it answers.

        It is a child of this process rather than of nobody, as `seaf-cli start` would have it, so that it
        dies with the test run and that its end is noticed.
        """
        data, folders = self.home / "seafile-data", self.home / "seafile"
        places = ["-c", str(self.configuration), "-d", str(data), "-w", str(folders)]
        with (self.home / "daemon.out").open("ab") as out:
            self._daemon = subprocess.Popen(
                ["seaf-daemon", *places],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                preexec_fn=ends_with_parent(),  # noqa: PLW1509 - one system call
            )
        # Whoever ends it, it leaves no corpse that might be taken for a running daemon.
        threading.Thread(target=self._daemon.wait, name="seaf-daemon", daemon=True).start()
        wait_until(lambda: self.call("list").returncode == 0, f"the daemon answers; {self.home}")
        return self

    def stop(self) -> None:
        """Ask the daemon to end, and wait until it has."""
        daemon, self._daemon = self._daemon, None
        self.run("stop")
        if daemon is not None:
            daemon.wait(_COMMAND_SECONDS)

    def kill(self) -> None:
        """Kill the daemon as a power cut would."""
        daemon, self._daemon = self._daemon, None
        if daemon is not None:
            daemon.kill()
            daemon.wait(_COMMAND_SECONDS)

    def daemons(self) -> list[int]:
        """Return the process id of this home's daemon, if it runs."""
        return [] if self._daemon is None or self._daemon.poll() is not None else [self._daemon.pid]

    def has_crashed(self) -> bool:
        """Tell whether the daemon ended by a fault of its own: Debian's may when it lets go of a library."""
        ended = None if self._daemon is None else self._daemon.poll()
        return ended in (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS)

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
        """Run `seaf-cli` with a home and settings of its own; a daemon that was started has to be there."""
        if self._daemon is not None:
            ended = self._daemon.poll()
            assert ended is None, f"the daemon of {self.home} ended: {ended}\n{self.last_words()}"
        command, *rest = arguments
        return subprocess.run(
            ["seaf-cli", command, "-c", str(self.configuration), *rest],
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )

    def last_words(self) -> str:
        """Return the end of what the daemon wrote down, for the message of a test that failed."""
        files = [path for path in (self.home / "daemon.out", self.log) if path.exists()]
        return "\n".join(path.read_text(errors="replace")[-_LAST_WORDS:] for path in files)

    def _environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "XDG_CACHE_HOME": str(self.home / ".cache"),
            "XDG_DATA_HOME": str(self.home / ".local"),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
        }
