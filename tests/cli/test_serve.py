"""The server as a process: start, HTTP on the wire, stop."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seafleet.cli.console import ExitCode

pytestmark = pytest.mark.slow

_PASSWORD = "correct horse"
_START_SECONDS = 30


class Process:
    """`seafleet serve` on a port of its own choice."""

    def __init__(self, data: Path, *arguments: str, **settings: str) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SEAFLEET_")}
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "seafleet",
                "serve",
                "--bind",
                "127.0.0.1:0",
                "--data",
                str(data),
                *arguments,
            ],
            env={**clean, "SEAFLEET_ADMIN_PASSWORD": _PASSWORD, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.greeting = self.process.stdout.readline()
        self.port = int(self.greeting.partition("http://127.0.0.1:")[2].partition(" ")[0])

    def connect(self) -> socket.socket:
        """A new connection; the server listens before it greets."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=_START_SECONDS)

    def exchange(self, request: bytes) -> bytes:
        """Send bytes and return all that comes back until the server closes."""
        with self.connect() as connection:
            connection.sendall(request)
            return read_all(connection)

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Signal the process; return its exit code and what it wrote to stderr."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=_START_SECONDS)
        return self.process.returncode, errors


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """Starts servers; those that a failed test leaves behind are killed."""
    started: list[Process] = []

    def begin(data: Path, *arguments: str, **settings: str) -> Process:
        started.append(Process(data, *arguments, **settings))
        return started[-1]

    yield begin
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.communicate()


def read_all(connection: socket.socket) -> bytes:
    data = b""
    while chunk := connection.recv(65536):
        data += chunk
    return data


def get(path: str, *lines: str) -> bytes:
    head = [f"GET {path} HTTP/1.1", "Host: files.example.com", "Connection: close", *lines]
    return "\r\n".join([*head, "", ""]).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """One process for the tests that only talk to it."""
    running = Process(tmp_path_factory.mktemp("serve") / "data")
    yield running
    assert running.stop()[0] == 0


def test_the_greeting_says_where_the_server_is_and_where_its_data_lies(server: Process) -> None:
    assert server.greeting.startswith("Seafleet ")
    assert server.greeting.count("\n") == 1
    assert "/data (Ctrl-C stops it)" in server.greeting
    assert server.exchange(get("/api2/ping/")).endswith(b'\r\n\r\n"pong"')


def test_answers_say_nothing_of_the_software_behind_them(server: Process) -> None:
    head = server.exchange(get("/api2/ping/")).lower()
    assert b"uvicorn" not in head
    assert b"\r\nserver:" not in head


def test_connections_stay_open_for_further_requests(server: Process) -> None:
    with server.connect() as connection:
        for _ in range(2):
            connection.sendall(b"GET /api2/ping/ HTTP/1.1\r\nHost: x\r\n\r\n")
            data = b""
            while not data.endswith(b'"pong"'):
                data += connection.recv(65536)


@pytest.mark.parametrize("path", ["/api2/%ff/", "/api2/repos/%00/", "/%c0%af"])
def test_a_path_that_is_no_text_is_not_found(server: Process, path: str) -> None:
    assert server.exchange(get(path)).startswith(b"HTTP/1.1 404 ")


def test_forwarded_addresses_are_believed_from_nobody_unless_named(
    start: Callable[..., Process], tmp_path: Path
) -> None:
    forwarded = get("/api2/account/info/", "X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https")
    trusting = start(tmp_path / "a", SEAFLEET_TRUSTED_PROXIES="127.0.0.1")
    trusting.exchange(forwarded)
    assert '"client":"203.0.113.9"' in trusting.stop()[1]
    careful = start(tmp_path / "b")
    careful.exchange(forwarded)
    assert "203.0.113.9" not in careful.stop()[1]


def test_a_body_that_is_too_large_is_refused_without_asking_for_it(server: Process) -> None:
    head = (
        b"POST /api2/auth-token/ HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n"
        b"Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n"
    )
    started = time.monotonic()
    answer = server.exchange(head)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in answer
    assert time.monotonic() - started < 1.5


def test_a_caller_that_asks_first_is_told_to_continue(server: Process) -> None:
    body = b"username=admin%40example.com&password=wrong"
    with server.connect() as connection:
        connection.sendall(
            b"POST /api2/auth-token/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert read_all(connection).startswith(b"HTTP/1.1 400 ")


def test_a_refused_caller_that_keeps_sending_still_reads_its_answer(server: Process) -> None:
    with server.connect() as connection:
        connection.sendall(
            b"POST /api2/auth-token/ HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n"
            b"Content-Type: application/json\r\n\r\n"
        )
        for _ in range(80):
            connection.sendall(b"x" * 100_000)
        assert read_all(connection).startswith(b"HTTP/1.1 413 ")


def test_a_port_that_is_taken_is_told_with_a_way_out(server: Process, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "seafleet", "serve", "--bind", f"127.0.0.1:{server.port}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=_START_SECONDS,
        check=False,
    )
    assert done.returncode == ExitCode.UNAVAILABLE
    assert "Address already in use" in done.stderr
    assert "--bind" in done.stderr
    assert not (tmp_path / "seafleet-data").exists()


def test_sigterm_lets_a_running_request_finish(start: Callable[..., Process], tmp_path: Path) -> None:
    server = start(tmp_path / "data")
    body = b'{"username": "nobody@example.com", "password": "x"}'
    with server.connect() as connection:
        connection.sendall(
            b"POST /api2/auth-token/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        assert b"100 Continue" in connection.recv(65536)
        server.process.send_signal(signal.SIGTERM)
        connection.sendall(body)
        assert b"Unable to login with provided credentials." in read_all(connection)
    code, errors = server.stop()
    assert code == 0
    assert "Traceback" not in errors


def test_no_token_is_logged(start: Callable[..., Process], tmp_path: Path) -> None:
    server = start(tmp_path / "data")
    token, library = "5d0c" * 10, "7460f7ac-a0ff-4585-8906-bb5a57d2e118"
    for path in (f"/seafhttp/files/{library}/a.txt", f"/nowhere/{token}/", f"/api2/ping/?token={token}"):
        server.exchange(get(path, f"Authorization: Token {token}"))
    errors = server.stop()[1]
    assert errors.count('"event":"request"') == 3
    assert token not in errors
    assert library not in errors


def test_several_workers_share_the_port_and_one_database(
    start: Callable[..., Process], tmp_path: Path
) -> None:
    server = start(tmp_path / "data", "--workers", "2")
    form = f"username=admin%40example.com&password={_PASSWORD.replace(' ', '+')}".encode()
    login = (
        b"POST /api2/auth-token/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s" % (len(form), form)
    )
    token = server.exchange(login).rpartition(b'"token":"')[2][:40].decode()
    for _ in range(8):
        assert b'"pong"' in server.exchange(get("/api2/auth/ping/", f"Authorization: Token {token}"))
    code, errors = server.stop()
    assert code == 0
    assert "Traceback" not in errors
