"""The environment tool: it knows when there is nothing to do, and says what it can do."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import dev

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("requirements.lock", "requirements-dev.lock"):
        (tmp_path / name).write_text(name)
    (tmp_path / "pyproject.toml").write_text('project.version = "1"\ntool.ruff.line-length = 1')
    (tmp_path / ".venv").mkdir()
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    monkeypatch.setattr(dev, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(dev, "STAMP", tmp_path / ".venv" / "stamp.json")
    monkeypatch.setattr(dev, "RUNTIME_LOCK", tmp_path / "requirements.lock")
    monkeypatch.setattr(dev, "DEV_LOCK", tmp_path / "requirements-dev.lock")
    return tmp_path


def stamp(*, for_dev: bool) -> None:
    dev.STAMP.write_text(json.dumps(dev.wanted_stamp(for_dev)))


def test_a_new_environment_is_not_current(project: Path) -> None:
    assert not dev.is_current(dev=False)
    assert not dev.is_current(dev=True)


def test_an_environment_for_development_serves_too(project: Path) -> None:
    stamp(for_dev=True)
    assert dev.is_current(dev=True)
    assert dev.is_current(dev=False)


def test_an_environment_for_serving_does_not_suffice_for_development(project: Path) -> None:
    stamp(for_dev=False)
    assert dev.is_current(dev=False)
    assert not dev.is_current(dev=True)


def test_a_changed_lock_makes_the_environment_stale(project: Path) -> None:
    stamp(for_dev=True)
    (project / "requirements-dev.lock").write_text("changed")
    assert not dev.is_current(dev=True)


def test_a_changed_project_makes_the_environment_stale_but_settings_of_tools_do_not(project: Path) -> None:
    stamp(for_dev=True)
    (project / "pyproject.toml").write_text('project.version = "1"\ntool.ruff.line-length = 2')
    assert dev.is_current(dev=True)
    (project / "pyproject.toml").write_text('project.version = "2"')
    assert not dev.is_current(dev=True)


def test_an_environment_that_was_copied_elsewhere_is_not_current(project: Path) -> None:
    stamp(for_dev=True)
    dev.STAMP.write_text(json.dumps({**dev.read_stamp(), "root": "/elsewhere"}))
    assert not dev.is_current(dev=True)


def test_a_damaged_stamp_counts_as_none(project: Path) -> None:
    dev.STAMP.write_text("{")
    assert dev.read_stamp() == {}
    dev.STAMP.write_text("[]")
    assert dev.read_stamp() == {}


def test_an_interpreter_is_found_outside_of_the_environment() -> None:
    found = dev.find_python()
    assert dev.is_new_enough(found)
    assert str(dev.VENV) not in found


def test_what_is_not_an_interpreter_is_not_new_enough() -> None:
    assert not dev.is_new_enough("/bin/false")
    assert not dev.is_new_enough("/nowhere/python")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert dev.main([]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed for name in dev.COMMANDS)


def test_an_unknown_command_is_refused_with_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert dev.main(["fly"]) == 2
    assert "usage:" in capsys.readouterr().err


def test_the_tool_imports_nothing_but_the_standard_library() -> None:
    probe = "import dev, sys; print({n.partition('.')[0] for n in sys.modules} - sys.stdlib_module_names)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", probe], capture_output=True, text=True, check=True, cwd=dev.ROOT
    )
    assert sorted(ast.literal_eval(done.stdout)) == ["__main__", "dev"]


def test_a_benchmark_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(SystemExit, match="no-such-thing"):
        dev.cmd_bench(["no-such-thing"])
