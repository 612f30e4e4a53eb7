"""Runs commands in this process, as a shell would see them."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from seafleet.cli import main
from seafleet.settings import Settings
from tests.support.world import FAST

PASSWORD = "correct horse"


@dataclass(frozen=True)
class Done:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the data of this test lies; no variable of ours is set."""
    for name in list(os.environ):
        if name.startswith("SEAFLEET_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr("seafleet.accounts.service.Passwords", lambda: FAST)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "seafleet-data"


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `seafleet` with arguments; `stdin` is what is piped into it."""

    def call(*arguments: str, stdin: str = "") -> Done:
        monkeypatch.setattr("sys.argv", ["seafleet", *arguments])
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Done(int(ended.value.code or 0), printed.out, printed.err)

    return call


@pytest.fixture
def data(folder: Path) -> Path:
    """A data folder after its first start."""
    from seafleet.app import build_services, close_services, first_start

    services = build_services(Settings.load(data=folder, admin_password=PASSWORD))
    first_start(services)
    close_services(services)
    return folder
