"""Seafile clients as the agent finds them, speaks to them, and has them let go of libraries."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

import seafleet_agent as agent
from seafleet_agent import Account, Daemon, Library
from tests.agent.installation import CLI_ID, DAEMON_ID, ELSEWHERE, HERE, Installation
from tests.agent.recorded import RecordedMachine

NOBODY = Account(65534, 65534, "nobody", "/nonexistent")
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root may act for others")
# The agent has one thread; what runs tests has more, and newer versions of Python warn of a fork then.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


@pytest.fixture
def client(short_path: Path) -> Installation:
    return Installation(short_path / "mara").set_up()


class FakeDaemon:
    """Listens on a client's socket and speaks as the real daemon was heard to, with a will of its own."""

    def __init__(
        self, data: Path, listed: list[str], *, stubborn: bool = False, fetching: bool = False
    ) -> None:
        self.listed = listed
        self.tasks = [{"repo-id": one, "state": "fetch"} for one in listed] if fetching else []
        self.stubborn = stubborn
        self.heard: list[list[Any]] = []
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._line.bind(str(data / "seafile.sock"))
            self._line.listen()
        except OSError:
            self._line.close()
            raise
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        with closing(self._line):
            self._line.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._line.accept()
            except OSError:
                return
            with closing(line), line.makefile("rb") as file:
                (length,) = struct.unpack("<I", file.read(4))
                request = json.loads(file.read(length))
                assert request["service"] == "seafile-rpcserver"
                data = json.dumps(self._answer(json.loads(request["request"]))).encode()
                line.sendall(struct.pack("<I", len(data)) + data)

    def _answer(self, call: list[Any]) -> dict[str, Any]:
        self.heard.append(call)
        if call[0] == "seafile_get_repo_list":
            listed = [] if self.tasks else self.listed
            return {"ret": [{"id": one} for one in listed] or None}
        if call[0] == "seafile_get_clone_tasks":
            return {"ret": self.tasks or None}
        if call[0] in ("seafile_destroy_repo", "seafile_cancel_clone_task"):
            if not self.stubborn:
                self.listed = [one for one in self.listed if one != call[1]]
                self.tasks = [{**task, "state": "canceled"} for task in self.tasks]
            return {"ret": 0}
        return {"err_code": 500, "err_msg": f"cannot find function {call[0]}."}


@pytest.fixture
def daemons() -> Iterator[list[FakeDaemon]]:
    made: list[FakeDaemon] = []
    with ExitStack() as stack:
        yield made
        for daemon in made:
            stack.callback(daemon.close)


# -- finding -------------------------------------------------------------------------------------------------


def test_a_client_is_found_with_both_its_ids_its_version_and_its_libraries(client: Installation) -> None:
    one = client.add(1, client.home / "notes")
    two = client.add(2, client.home / "other", ELSEWHERE)
    found = client.client()
    assert found.ids == tuple(sorted((CLI_ID, DAEMON_ID)))
    assert found.version == "8.0.10"
    assert found.data == str(client.data)
    assert found.libraries == (
        Library(one, HERE, "mara@example.org", str(client.home / "notes")),
        Library(two, ELSEWHERE, "mara@example.org", str(client.home / "other")),
    )


def test_a_home_without_a_client_has_none(tmp_path: Path) -> None:
    assert agent.read_clients(agent.usual_configurations(str(tmp_path))) == []


@pytest.mark.parametrize("content", ["", "relative/folder\n", "/nonexistent/data\n", "\0"])
def test_a_configuration_that_leads_nowhere_is_no_client(client: Installation, content: str) -> None:
    (client.configuration / "seafile.ini").write_text(content)
    assert agent.read_clients([str(client.configuration)]) == []


def test_damaged_databases_make_a_client_without_libraries(client: Installation) -> None:
    client.add(1, client.home / "notes")
    (client.data / "repo.db").write_bytes(b"this is no database, whatever its name says" * 100)
    (client.data / "config.db").unlink()
    (client.data / "id").write_text("short")
    found = client.client()
    assert (found.ids, found.libraries) == ((), ())


def test_rows_that_make_no_sense_are_passed_over(client: Installation) -> None:
    insert = "INSERT INTO RepoProperty VALUES (?, ?, ?)"
    client.execute("repo.db", insert, "../../etc", "worktree", "/home/x")
    client.execute("repo.db", insert, client.library_id(1), "server-url", HERE)
    client.execute("repo.db", insert, client.library_id(2), "worktree", None)
    assert client.client().libraries == ()


def test_reading_leaves_the_clients_files_as_they_are(client: Installation) -> None:
    client.add(1, client.home / "notes")
    before = {path: path.stat().st_mtime_ns for path in client.data.rglob("*")}
    client.client()
    assert {path: path.stat().st_mtime_ns for path in client.data.rglob("*")} == before


def test_only_the_named_configurations_are_looked_at(client: Installation) -> None:
    found = agent.find_clients(RecordedMachine(is_root=True), [str(client.configuration)])
    assert [one.data for one in found.all()] == [str(client.data)]
    assert found.problems == []


def test_sync_errors_since_the_last_report_are_told_in_words(client: Installation) -> None:
    ours, other = client.add(1, client.home / "notes"), client.add(2, client.home / "other")
    insert = "INSERT INTO FileSyncError (repo_id, path, err_id, timestamp) VALUES (?, ?, ?, ?)"
    client.execute("repo.db", insert, ours, None, 10, 2000)
    client.execute("repo.db", insert, ours, "a/b.txt", 3, 2001)
    client.execute("repo.db", insert, ours, None, 10, 1000)
    client.execute("repo.db", insert, other, None, 10, 2002)
    assert agent.sync_errors(str(client.data), [ours], 1500) == [
        {"repo_id": ours, "message": "Sync error 3: a/b.txt"},
        {"repo_id": ours, "message": "Permission denied on server"},
    ]


def test_versions_are_compared_by_their_numbers() -> None:
    assert sorted(["8.0.10", "8.0.9", "", "10.0"], key=agent.numbers_of) == ["", "8.0.9", "8.0.10", "10.0"]


# -- letting go ----------------------------------------------------------------------------------------------


def stop(client: Installation, *library_ids: str, seconds: float = 5.0) -> str:
    return agent.stop_syncing(RecordedMachine(), str(client.data), library_ids, seconds)


def test_a_daemon_that_answers_is_asked_and_its_databases_are_left_to_it(
    client: Installation, daemons: list[FakeDaemon]
) -> None:
    library_id = client.add(1, client.home / "notes")
    daemons.append(FakeDaemon(client.data, [library_id]))
    assert stop(client, library_id) == ""
    assert ["seafile_destroy_repo", library_id] in daemons[0].heard
    assert client.client().libraries != ()  # the fake daemon keeps no databases


def test_fetching_for_the_first_time_is_broken_off(client: Installation, daemons: list[FakeDaemon]) -> None:
    library_id = client.begin(1, client.home / "notes")
    daemons.append(FakeDaemon(client.data, [library_id], fetching=True))
    assert stop(client, library_id) == ""
    assert ["seafile_cancel_clone_task", library_id] in daemons[0].heard


def test_a_daemon_that_does_not_obey_is_ended_and_its_databases_forget(
    client: Installation, daemons: list[FakeDaemon]
) -> None:
    gone, stays = client.add(1, client.home / "notes"), client.add(2, client.home / "other", ELSEWHERE)
    daemons.append(FakeDaemon(client.data, [gone, stays], stubborn=True))
    assert stop(client, gone, seconds=0) == ""
    assert [library.id for library in client.client().libraries] == [stays]


def test_a_daemon_that_cannot_be_ended_stops_the_wipe_before_anything_is_removed(
    client: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = client.home / "notes"
    library_id = client.add(1, folder)
    monkeypatch.setattr(agent, "end_processes", lambda _machine, _data: False)
    one = agent.Target(library_id, str(folder), str(client.data), "", HERE, os.getuid())
    (outcome,) = agent.wipe_targets(RecordedMachine(), [one], agent.Protected((), ()))
    assert (outcome["state"], outcome["reason"]) == ("failed", "the sync client goes on")
    assert (folder / "a.txt").exists()


def test_without_a_daemon_the_databases_forget_the_library_and_nothing_else(client: Installation) -> None:
    gone, stays = client.add(1, client.home / "notes"), client.add(2, client.home / "other", ELSEWHERE)
    new = client.begin(3, client.home / "new")
    assert stop(client, gone, new) == ""
    assert [library.id for library in client.client().libraries] == [stays]
    assert client.execute("repo.db", "SELECT repo_id FROM RepoPasswd") == [(stays,)]
    assert client.execute("config.db", "SELECT value FROM Config") == [(DAEMON_ID,)]
    for name in ("repo.db", "clone.db", "branch.db"):
        assert gone.encode() not in (client.data / name).read_bytes()


def test_a_socket_that_nobody_listens_on_is_no_daemon(client: Installation) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as line:
        line.bind(str(client.data / "seafile.sock"))
    library_id = client.add(1, client.home / "notes")
    assert stop(client, library_id) == ""
    assert client.client().libraries == ()


def test_an_unknown_function_answers_none(client: Installation, daemons: list[FakeDaemon]) -> None:
    daemons.append(FakeDaemon(client.data, []))
    assert Daemon(str(client.data)).call("no_such_thing") is None


def test_only_a_daemon_of_that_data_folder_is_taken_for_one() -> None:
    command = "seaf-daemon --daemon -c /home/mara/.ccnet -d /home/mara/seafile-data -w /home/mara/seafile"
    assert agent.is_daemon(command.split(), "/home/mara/seafile-data")
    assert not agent.is_daemon(command.split(), "/home/ines/seafile-data")
    assert not agent.is_daemon(["grep", *command.split()], "/home/mara/seafile-data")
    assert not agent.is_daemon([], "/home/mara/seafile-data")


def test_processes_are_found_by_their_command_line_on_linux_and_mac() -> None:
    line = "seaf-daemon\0-c\0/c\0-d\0/data/\0"
    linux = RecordedMachine(files={"/proc/41/cmdline": "bash\0", "/proc/42/cmdline": line, "/proc/x": ""})
    assert agent.daemon_processes(linux, "/data") == [42]
    lines = "   41 /bin/bash\n   42 seaf-daemon -c /c -d /data\n   43\n"
    assert agent.daemon_processes(RecordedMachine(system="mac", outputs={"ps ": lines}), "/data") == [42]


# -- rights of others ----------------------------------------------------------------------------------------


@as_root
def test_work_for_another_account_is_done_with_its_rights(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    who = agent.in_account(NOBODY, lambda: [os.getuid(), os.geteuid(), os.getgid(), os.environ["HOME"]], 10)
    assert who == [65534, 65534, 65534, "/nonexistent"]
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0o600)
    with pytest.raises(OSError, match="PermissionError"):
        agent.in_account(NOBODY, (tmp_path / "secret").read_text, 10)


@as_root
def test_root_removes_nothing_that_the_account_itself_could_not(short_path: Path) -> None:
    short_path.chmod(0o755)
    client = Installation(short_path / "evil").set_up()
    folder = short_path / "of root"
    library_id = client.add(1, folder)
    for path in [client.home, *client.home.rglob("*")]:
        os.lchown(path, 65534, 65534)
    one = agent.Target(library_id, str(folder), str(client.data), "", HERE, 65534)
    guard = agent.Protected((), ())
    (outcome,) = agent.in_account(NOBODY, lambda: agent.wipe_targets(RecordedMachine(), [one], guard), 60)
    assert outcome["state"] == "failed"
    assert sorted(os.listdir(folder)) == ["a.txt", "b.txt", "sub"]
    assert client.client().libraries == ()


@as_root
def test_work_that_takes_too_long_is_ended() -> None:
    with pytest.raises(TimeoutError):
        agent.in_account(NOBODY, signal.pause, 0.05)


@as_root
def test_work_that_dies_is_an_error() -> None:
    def die() -> None:
        os._exit(3)

    with pytest.raises(OSError, match="nothing came back"):
        agent.in_account(NOBODY, die, 10)


def test_work_for_oneself_is_done_in_place() -> None:
    assert agent.in_account(agent.own_account(), os.getpid, 1) == os.getpid()


def test_nobody_protects_a_folder_of_another_by_claiming_to_sync_it(tmp_path: Path) -> None:
    own = agent.own_account()
    assert agent._belongs_to(own, str(tmp_path))
    assert agent._belongs_to(own, str(tmp_path / "missing"))
    assert not agent._belongs_to(own._replace(uid=own.uid + 1), str(tmp_path))
