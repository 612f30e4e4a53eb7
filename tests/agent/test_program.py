"""The agent as a program: its command line, its exit codes, what starts it, and that it runs anywhere."""

from __future__ import annotations

import ast
import logging
import os
import plistlib
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import seafleet_agent as agent
from seafleet_agent import Machine
from tests.agent.fake_server import CODE, FakeServer
from tests.agent.recorded import RecordedMachine
from tools.source import ROOT

PROGRAM = ROOT / "src" / "seafleet_agent.py"
SECONDS = 60


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the agent as a user would who has copied it somewhere."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("SEAFLEET")}
    command = [sys.executable, "-I", str(PROGRAM), *words]
    return subprocess.run(
        command, env=clean | environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )


@pytest.fixture
def state(tmp_path: Path) -> str:
    return str(tmp_path / "state.json")


def call(state: str, *words: str) -> int:
    """Run a command in this process."""
    return agent.main(["--state", state, *words])


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep this process' logging as it was, and its machine recorded."""
    monkeypatch.setattr(logging, "basicConfig", lambda **_options: None)
    monkeypatch.setattr(agent, "Machine", RecordedMachine)


# -- one file, anywhere --------------------------------------------------------------------------------------


def test_the_program_is_one_file_that_python_3_8_can_read() -> None:
    ast.parse(PROGRAM.read_text("utf-8"), feature_version=(3, 8))


def test_the_program_needs_nothing_but_the_standard_library() -> None:
    names: set[str] = set()
    for node in ast.walk(ast.parse(PROGRAM.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(item.name for item in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module))
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


def test_names_that_python_3_8_does_not_have_are_not_used() -> None:
    """What newer versions brought and a checker of syntax does not see."""
    text = PROGRAM.read_text("utf-8")
    newer = r"\.(removeprefix|removesuffix|bit_count)\(|functools\.cache\b|strict=|slots=True|datetime\.UTC"
    assert re.findall(newer, text) == []


def test_the_program_runs_as_a_copy_without_its_package(tmp_path: Path) -> None:
    copy = shutil.copy(PROGRAM, tmp_path / "copied.py")
    command = [sys.executable, "-I", "-S", str(copy), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (done.returncode, done.stdout) == (0, f"seafleet-agent {agent.VERSION}\n")


def test_the_agent_has_the_version_of_the_server() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == agent.VERSION
    assert project["scripts"]["seafleet-agent"] == "seafleet_agent:main"


# -- commands ------------------------------------------------------------------------------------------------


def test_help_tells_the_commands_and_every_exit_code() -> None:
    done = run("--help")
    assert done.returncode == 0
    for word in ("enrol", "run", "status", "report", "retire", "install", "uninstall"):
        assert f"    {word} " in done.stdout
    codes = {int(code) for code in re.findall(r"^  (\d)  ", done.stdout, re.MULTILINE)}
    assert codes == {
        value for name, value in vars(agent).items() if name.startswith("EXIT_") and value != 130
    } - {agent.EXIT_CODES}


def test_the_page_for_administrators_tells_every_exit_code_command_and_option() -> None:
    page = (ROOT / "docs" / "agent.md").read_text("utf-8")
    told = {int(code) for code in re.findall(r"^\| (\d) \|", page, re.MULTILINE)}
    assert told == set(range(agent.EXIT_STATE + 1))
    texts = [
        run(*words, "--help").stdout
        for words in ((), *((c,) for c in ("enrol", "status", "report", "retire")))
    ]
    options = {option for text in texts for option in re.findall(r"--[a-z-]+", text)}
    expected_elsewhere = {"--help", "--version", "--verbose"}
    assert {option for option in options - expected_elsewhere if f"{option}" not in page} == set()
    for command in ("enrol", "run", "status", "report", "retire", "install", "uninstall"):
        assert f"`{command}" in page


@pytest.mark.parametrize("words", [(), ("dance",), ("enrol",), ("run", "--twice")])
def test_a_wrong_command_line_is_told_from_every_other_trouble(words: tuple[str, ...]) -> None:
    assert run(*words).returncode == agent.EXIT_USAGE


@pytest.mark.parametrize("command", ["run", "status", "report", "retire", "install"])
def test_a_machine_that_is_not_enrolled_is_told_so(state: str, command: str) -> None:
    done = run("--state", state, command)
    assert done.returncode == agent.EXIT_NOT_ENROLLED
    assert "not enrolled" in done.stderr


def test_a_server_that_is_away_has_an_exit_code_of_its_own(state: str) -> None:
    done = run("--state", state, "enrol", "http://127.0.0.1:1", "--hwid", "a" * 8, SEAFLEET_ENROL_CODE=CODE)
    assert done.returncode == agent.EXIT_UNREACHABLE
    assert "cannot be reached" in done.stderr


def test_a_life_from_enrolment_to_retirement(state: str, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeServer() as server:
        words = [
            "enrol",
            server.url,
            "--hwid",
            "K7Q2M4ZT",
            "--code",
            CODE,
            "--seafile-config",
            "/nonexistent",
        ]
        assert call(state, *words) == 0
        assert "enrolled as device 12" in capsys.readouterr().out
        assert call(state, "report") == 0
        assert "access allowed" in capsys.readouterr().out
        server.order("report_now")
        assert call(state, "run", "--once") == 0
        assert [result["status"] for _, result in server.results] == ["done"]
        assert call(state, "status") == 0
        assert "orders waiting:        0" in capsys.readouterr().out
        assert call(state, "retire") == 0
        assert call(state, "status") == agent.EXIT_NOT_ENROLLED
        assert server.complaints == []
        assert len(server.reports) == 2


def enrolled(state: str, server: FakeServer) -> None:
    words = ["enrol", server.url, "--hwid", "K7Q2M4ZT", "--code", CODE, "--seafile-config", "/nonexistent"]
    assert call(state, *words) == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [("known", agent.EXIT_REFUSED), ("removed", agent.EXIT_REFUSED), ("away", agent.EXIT_UNREACHABLE)],
)
def test_status_and_run_tell_with_their_exit_code_what_the_server_says(
    state: str, change: str, code: int
) -> None:
    with FakeServer() as server:
        enrolled(state, server)
        server.known = change != "known"
        server.removed = change == "removed"
        if change != "away":
            assert call(state, "status") == code
            assert call(state, "run", "--once") == code
    if change == "away":
        assert call(state, "status") == code
        assert call(state, "run", "--once") == code
        assert call(state, "status", "--offline") == 0


def test_retirement_needs_the_server_unless_forced(state: str) -> None:
    with FakeServer() as server:
        enrolled(state, server)
    assert call(state, "retire") == agent.EXIT_UNREACHABLE
    assert os.path.exists(state)
    assert call(state, "retire", "--force") == 0
    assert not os.path.exists(state)


def test_an_agent_that_the_server_forgot_can_retire(state: str) -> None:
    with FakeServer() as server:
        enrolled(state, server)
        server.known = False
        assert call(state, "retire") == 0


def test_status_as_json_is_for_scripts_and_holds_no_secret(
    state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeServer() as server:
        enrolled(state, server)
        capsys.readouterr()
        assert call(state, "status", "--json") == 0
        text = capsys.readouterr().out
        assert '"orders_waiting": 0' in text
        assert server.device_token not in text


def test_a_report_can_be_read_before_anything_is_sent(state: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(state, "report", "--print") == 0
    text = capsys.readouterr().out
    assert '"hwid": ' in text
    assert not os.path.exists(state)


def test_no_secret_is_logged_whatever_happens(state: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with FakeServer() as server:
        enrolled(state, server)
        for status in (400, 401, 403, 410, 429, 500, 302, 0):
            server.fail("PUT report/", status, {"error_msg": "no"})
            call(state, "--verbose", "run", "--once")
        assert caplog.text
        assert server.device_token not in caplog.text
        assert CODE not in caplog.text


# -- being started by the system -----------------------------------------------------------------------------

COMMAND = ["/usr/bin/python3", "/opt/my agent/seafleet_agent.py", "--state", '/var/100%/"x".json', "run"]


def test_the_unit_starts_the_agent_again_unless_that_is_of_no_use() -> None:
    unit = agent.systemd_unit(COMMAND, root=True)
    quoted = '"/usr/bin/python3" "/opt/my agent/seafleet_agent.py" "--state" "/var/100%%/\\"x\\".json" "run"'
    assert f"ExecStart={quoted}\n" in unit
    assert "Restart=on-failure\n" in unit
    assert f"RestartPreventExitStatus={agent.EXIT_NOT_ENROLLED} {agent.EXIT_REFUSED}\n" in unit
    assert "WantedBy=multi-user.target" in unit
    assert "WantedBy=default.target" in agent.systemd_unit(COMMAND, root=False)


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for root in (True, False):
        unit = tmp_path / agent._UNIT
        unit.write_text(agent.systemd_unit([sys.executable, str(PROGRAM), "run"], root=root))
        done = subprocess.run(
            ["systemd-analyze", "verify", str(unit)],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert [line for line in done.stderr.splitlines() if agent._UNIT in line] == []


def test_the_job_for_launchd_is_a_property_list() -> None:
    job = plistlib.loads(agent.launchd_plist(COMMAND, "/var/log/x.log").encode())
    assert job["ProgramArguments"] == COMMAND
    assert job["KeepAlive"] == {"SuccessfulExit": False}


def test_the_task_for_windows_is_xml_with_the_command_quoted() -> None:
    command = [r"C:\Program Files\Python\python.exe", r"C:\a & b\seafleet_agent.py", "run"]
    text = agent.windows_task(command)
    task = ElementTree.fromstring(text.replace('encoding="UTF-16"', ""))
    name = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
    assert task.findtext(f".//{name}Command") == r"C:\Program Files\Python\pythonw.exe"
    assert task.findtext(f".//{name}Arguments") == r'"C:\a & b\seafleet_agent.py" run'


@pytest.mark.parametrize(
    ("system", "root", "path"),
    [
        ("linux", True, "/etc/systemd/system/seafleet-agent.service"),
        ("linux", False, "~/.config/systemd/user/seafleet-agent.service"),
        ("mac", True, "/Library/LaunchDaemons/org.seafleet.agent.plist"),
        ("mac", False, "~/Library/LaunchAgents/org.seafleet.agent.plist"),
        ("windows", False, "/state/SeafleetAgent.xml"),
    ],
)
def test_each_system_has_its_place_for_the_definition(system: str, root: bool, path: str) -> None:
    service = agent.service_for(RecordedMachine(system=system, is_root=root), "/state/state.json")
    assert service.path == os.path.expanduser(path)
    assert "run" in service.text


def test_install_prints_the_definition_and_changes_nothing(
    state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(state, "install", "--print") == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("[Unit]\n")
    assert "systemctl --user enable --now" in printed.err


def installed(home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[RecordedMachine, Path]:
    monkeypatch.setenv("HOME", str(home))
    machine = RecordedMachine(outputs={"systemctl": ""})
    return machine, Path(agent.install_service(machine, "/state/state.json"))


def test_install_and_uninstall_are_each_others_reverse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, path = installed(tmp_path, monkeypatch)
    assert path.read_text().startswith("[Unit]\n")
    assert machine.ran == [
        "systemctl --user daemon-reload",
        "systemctl --user enable --now seafleet-agent.service",
    ]
    assert agent.remove_service(machine, "/state/state.json") == f"removed {path}"
    assert not path.exists()
    assert not any(" stop " in line or "--now" in line for line in machine.ran[2:])
    assert agent.remove_service(machine, "/state/state.json") == ""


def test_an_installation_that_the_system_refuses_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(agent.AgentError, match="systemctl --user daemon-reload failed"):
        agent.install_service(RecordedMachine(), "/state/state.json")


# -- the real machine ----------------------------------------------------------------------------------------


def test_a_program_that_is_missing_hangs_or_prints_rubbish_does_no_harm() -> None:
    machine = Machine()
    assert machine.run("no-such-program-anywhere") is None
    assert machine.run("sleep", "60", seconds=0.05) is None
    out = machine.run("printf", "\\377\\376x")
    assert out is not None
    assert out.text == "\ufffd\ufffdx"


def test_a_program_that_leaves_another_one_behind_does_not_keep_the_agent_waiting() -> None:
    assert Machine().run("sh", "-c", "sleep 60 & wait", seconds=0.1) is None


def test_programs_speak_english_and_get_no_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    out = Machine().run("sh", "-c", 'cat; echo "$LC_ALL $EXTRA"', environment={"EXTRA": "more"})
    assert out is not None
    assert out.text == "C more\n"


def test_as_root_programs_are_looked_for_in_the_systems_folders_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/evil")
    machine: Any = Machine()
    machine.is_root = True
    assert "/evil" not in machine.search_path()
    machine.is_root = False
    assert machine.search_path().startswith("/evil:")


def test_this_very_machine_can_be_described() -> None:
    machine = Machine()
    hwid, _ = agent.hardware_id(machine, {})
    assert re.fullmatch(r"[A-Za-z0-9._:-]{8,128}", hwid)
    facts = agent.identity_facts(machine, {}, agent.Found([], []))
    assert facts["platform"] == "linux"
    assert facts["hostname"]


@pytest.mark.parametrize(
    ("system", "root", "variable", "path"),
    [
        ("linux", True, "XDG_STATE_HOME", "/var/lib/seafleet-agent/state.json"),
        ("linux", False, "XDG_STATE_HOME", "/x/seafleet-agent/state.json"),
        ("mac", True, "", "/Library/Application Support/seafleet-agent/state.json"),
        ("windows", False, "LOCALAPPDATA", "/x/SeafleetAgent/state.json"),
    ],
)
def test_the_state_lies_where_the_system_keeps_such_things(
    system: str, root: bool, variable: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable:
        monkeypatch.setenv(variable, "/x")
    assert agent.default_state_path(RecordedMachine(system=system, is_root=root)) == path


def test_an_interrupted_command_ends_quietly(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(agent, "uninstall", interrupt)
    assert call(state, "uninstall") == agent.EXIT_INTERRUPTED


def test_a_signal_ends_a_waiting_agent_at_once_and_a_busy_one_after_its_work() -> None:
    stopper = agent.Stopper()
    stopper._hear(15, None)
    with pytest.raises(agent.Stopped), stopper.waiting():
        pass
    with pytest.raises(agent.Stopped):
        stopper.sleep(60)
    waiting = agent.Stopper()
    with pytest.raises(agent.Stopped), waiting.waiting():
        waiting._hear(15, None)
