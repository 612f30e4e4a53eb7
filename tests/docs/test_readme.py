"""What the README tells a newcomer to type is typed here, word for word."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from seafleet.settings import Settings
from tests.support.server import RunningServer

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)

ADDRESS = "http://127.0.0.1:8000"
PLACEHOLDER = "the one that was printed"


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server after its very first start, with the password that it made up."""
    data = tmp_path_factory.mktemp("readme") / "data"
    running = RunningServer(data, settings={"SEAFLEET_ADMIN_PASSWORD": ""}).start()
    yield running
    running.stop()


def printed_password(server: RunningServer) -> str:
    found = re.search(r"with the password (\S+)\n", server.log.read_text())
    assert found is not None
    return found[1]


def type_in(server: RunningServer, folder: Path, *blocks: str) -> subprocess.CompletedProcess[str]:
    """Run blocks in one shell, with this server's address and password in the places of the README's."""
    script = "\n".join(blocks)
    assert ADDRESS in script
    assert PLACEHOLDER in script
    script = script.replace(ADDRESS, server.url).replace(PLACEHOLDER, printed_password(server))
    command = ["bash", "-euo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=50, check=False)


def test_the_two_commands_are_there() -> None:
    targets = re.findall(r"^make (\w+)", BLOCKS[0], re.MULTILINE)
    assert targets == ["serve", "test"]
    for target in targets:
        done = subprocess.run(
            ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert f"dev.py {target}" in done.stdout, done.stderr


def test_the_address_is_the_one_that_a_server_has_unless_told_otherwise() -> None:
    assert f"http://{Settings.model_fields['bind'].default}" == ADDRESS


@pytest.mark.slow
@needs("curl")
def test_the_first_file_goes_up_and_comes_down(server: RunningServer, tmp_path: Path) -> None:
    done = type_in(server, tmp_path, BLOCKS[1])
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("Hello, Seafleet\n")


@pytest.mark.slow
@pytest.mark.clients
@needs("curl")
@needs("rclone")
def test_rclone_brings_it_here_and_sends_back_what_changed(server: RunningServer, tmp_path: Path) -> None:
    # Another library, for the last test has made one of this name already.
    blocks = [block.replace("Holidays", "Travels") for block in BLOCKS[1:3]]
    done = type_in(server, tmp_path, *blocks)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "holidays/hello.txt").read_text() == "Hello, Seafleet\n"
    listed = sorted(line.split() for line in done.stdout.splitlines()[-2:])
    assert listed == [["14", "answer.txt"], ["16", "hello.txt"]]
