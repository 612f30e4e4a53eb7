"""rclone as a user runs it: configured by variables of the environment, one process for each command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tests.support.server import ApiClient

PROGRAM: Final = shutil.which("rclone")
_SECONDS: Final = 120.0


@dataclass(frozen=True)
class Rclone:
    """The remote `X:` of one account; with a library, what lies in that library.

    It shows the account's token, or logs in with the password when `with_password` is set. `options` are
    those of rclone's backend, such as `library_key`.
    """

    account: ApiClient
    library: str = ""
    with_password: bool = False
    options: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make the remote; no configuration file is read."""
        told = {"type": "seafile", "url": self.account.server.url, "user": self.account.email}
        told["pass"] = obscure(self.account.password)
        if not self.with_password:
            told["auth_token"] = self.account.token
        if self.library:
            told["library"] = self.library
        told |= self.options
        clean = {name: value for name, value in os.environ.items() if not name.startswith("RCLONE_")}
        return clean | {
            "RCLONE_CONFIG": os.devnull,
            **{f"RCLONE_CONFIG_X_{name.upper()}": value for name, value in told.items()},
        }

    def try_to(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command, whatever comes of it; one attempt only, so that no error is hidden by a second."""
        assert PROGRAM is not None
        command = [PROGRAM, *map(str, arguments), "--retries", "1", "--low-level-retries", "1"]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, timeout=_SECONDS, check=False
        )
        out, err = (stream.decode("utf-8", "surrogateescape") for stream in (done.stdout, done.stderr))
        return subprocess.CompletedProcess(command, done.returncode, out, err)

    def __call__(self, *arguments: str | Path) -> str:
        """Run a command that has to succeed, and return what it printed."""
        done = self.try_to(*arguments)
        assert done.returncode == 0, f"rclone {' '.join(map(str, arguments))}: {done.stderr}"
        return done.stdout

    def names(self, path: str = "X:") -> list[str]:
        """Return the paths of everything below a path; folders end with a slash."""
        return sorted(filter(None, self("lsf", "-R", "--fast-list", path).split("\n")))

    def entries(self, path: str = "X:") -> list[dict[str, Any]]:
        """Return everything below a path as `lsjson` describes it."""
        found: list[dict[str, Any]] = json.loads(self("lsjson", "-R", path))
        return found


def obscure(password: str) -> str:
    """Return a password as rclone wants it in its configuration."""
    assert PROGRAM is not None
    command = [PROGRAM, "obscure", "-"]
    done = subprocess.run(command, input=password, capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.strip()
