"""What whoever runs a server meets: start and stop, settings, logs, health, limits."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from psycopg import sql
from sqlalchemy.engine import make_url

from seafleet.cli.console import ExitCode
from tests.support.postgresql import PostgresqlServer
from tests.support.server import ADMIN_EMAIL, ADMIN_PASSWORD, PASSWORD, ApiClient, RunningServer, until
from tests.support.wire import Wire, multipart, multipart_type

pytestmark = pytest.mark.slow

MIB = 1 << 20
Launch = Callable[..., RunningServer]
_PRINTED = re.compile(r"with the password (\S+)\n")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Where a server's data will lie."""
    return tmp_path / "data"


@pytest.fixture
def launch(data: Path) -> Iterator[Launch]:
    """Starts a server on this test's data folder; whatever still runs at the end is killed."""
    started: list[RunningServer] = []

    def start(database_url: str = "", **settings: str) -> RunningServer:
        named = {f"SEAFLEET_{name.upper()}": value for name, value in settings.items()}
        started.append(RunningServer(data, database_url, named))
        return started[-1].start()

    yield start
    for server in started:
        if server.process is not None and server.process.poll() is None:
            server.kill()


# -- stop ------------------------------------------------------------------------------------------------


def is_refused(server: RunningServer) -> bool:
    """Tell whether nobody listens any more."""
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_sigterm_lets_a_running_upload_and_download_finish(own_server: RunningServer) -> None:
    account = own_server.admin
    library_id, content = account.create_library("library"), os.urandom(12 * MIB)
    account.upload(library_id, "/old", content)
    upload, rest = begin_upload(own_server, account, library_id, content)
    with upload, begin_download(own_server, account, library_id) as download:
        assert own_server.process is not None
        own_server.process.send_signal(signal.SIGTERM)
        until(lambda: is_refused(own_server))
        upload.sendall(rest)
        assert read_all(upload).startswith(b"HTTP/1.1 200 OK\r\n")
        assert read_all(download).endswith(content[-1000:])
    assert own_server.process.wait(20) == 0
    own_server.start()
    assert account.download(library_id, "/new") == content


def begin_upload(
    server: RunningServer, account: ApiClient, library_id: str, content: bytes
) -> tuple[socket.socket, bytes]:
    """Send the first half of an upload; return the connection and the second half."""
    link = account.json("GET", f"/api2/repos/{library_id}/upload-link/").removeprefix(server.url)
    body = multipart([("parent_dir", "/")], [("file", "new", content)])
    head = f"POST {link} HTTP/1.1\r\nHost: x\r\n{multipart_type()}\r\nContent-Length: {len(body)}\r\n\r\n"
    connection = Wire(server.port).connect()
    connection.sendall(head.encode() + body[: len(body) // 2])
    until(lambda: temporary_bytes(server) > 0)
    return connection, body[len(body) // 2 :]


def begin_download(server: RunningServer, account: ApiClient, library_id: str) -> socket.socket:
    """Read the beginning of a download."""
    link = account.json("GET", f"/api2/repos/{library_id}/file/", params={"p": "/old"})
    connection = Wire(server.port).connect()
    connection.sendall(f"GET {link.removeprefix(server.url)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
    return connection


def read_all(connection: socket.socket) -> bytes:
    data = b""
    while piece := connection.recv(MIB):
        data += piece
    return data


def temporary_bytes(server: RunningServer) -> int:
    return sum(path.stat().st_size for path in (server.data / "tmp").rglob("*") if path.is_file())


def test_an_upload_that_stands_still_does_not_hold_up_the_end_for_ever(launch: Launch) -> None:
    server = launch(shutdown_seconds="1")
    library_id = server.admin.create_library("library")
    connection, _ = begin_upload(server, server.admin, library_id, bytes(4 * MIB))
    with connection:
        assert server.stop() == 0
    assert temporary_bytes(server) == 0
    assert "Traceback" not in server.log.read_text()


# -- start -----------------------------------------------------------------------------------------------


def test_the_first_start_prints_a_password_and_later_ones_do_not(launch: Launch) -> None:
    server = launch(admin_password="")
    (password,) = _PRINTED.findall(server.log.read_text())
    token = ApiClient(server, ADMIN_EMAIL, password).token
    assert server.stop() == 0
    server.start()
    assert _PRINTED.findall(server.log.read_text()) == [password]
    assert ApiClient(server, ADMIN_EMAIL, password).token == token
    assert server.stop() == 0
    assert oct(server.data.stat().st_mode & 0o777) == "0o700"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database of each kind, the file in the data folder and a PostgreSQL by its plain URL."""
    if request.param == "sqlite":
        yield ""
    else:
        databases: PostgresqlServer = request.getfixturevalue("postgresql_server")
        with databases.database() as url:
            yield url.replace("postgresql+psycopg://", "postgresql://")


def test_a_second_start_finds_everything_as_it_was(launch: Launch, database_url: str) -> None:
    server = launch(database_url)
    ann = server.user("ann")
    library_id = ann.create_library("library")
    entry = ann.upload(library_id, "/large", os.urandom(MIB))
    link = ann.json("GET", f"/api2/repos/{library_id}/upload-link/")
    assert server.stop() == 0
    server.start()
    again = ApiClient(server, ann.email, PASSWORD, ann.token)
    assert [(found["name"], found["id"]) for found in again.listing(library_id)] == [("large", entry["id"])]
    files = {"file": ("new", b"content")}
    assert again.http.post(link, data={"parent_dir": "/"}, files=files).status_code == 200
    assert server.stop() == 0


def run_serve(data: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Try to start a server that cannot start."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SEAFLEET_")}
    return subprocess.run(
        [sys.executable, "-m", "seafleet", "serve", "--bind", "127.0.0.1:0", "--data", str(data)],
        env={**clean, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_database_out_of_reach_is_told_without_its_password(data: Path) -> None:
    url = "postgresql://seafleet:top-secret@127.0.0.1:1/files"
    done = run_serve(data, SEAFLEET_DATABASE_URL=url)
    assert done.returncode == ExitCode.UNAVAILABLE
    assert "top-secret" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("workers = 0", "workers"),
        ('log_level = "loud"', "log_level"),
        ("no_such_setting = 1", "no_such_setting"),
        ("this is no TOML", "seafleet.toml"),
        ('time_zone = "Mars/Olympus"', "time_zone"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_is_made(data: Path, line: str, told: str) -> None:
    file = data.with_name("seafleet.toml")
    file.write_text(line)
    done = run_serve(data, SEAFLEET_CONFIG=str(file))
    assert done.returncode == ExitCode.SETTINGS
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not data.exists()


def test_settings_come_from_the_file_unless_the_environment_says_otherwise(
    launch: Launch, data: Path
) -> None:
    data.mkdir()
    (data / "seafleet.toml").write_text('advertised_version = "8.0.1"\nencrypted_libraries = false\n')
    server = launch()
    assert server.admin.json("GET", "/api2/server-info/")["version"] == "8.0.1"
    refused = server.admin.post("/api2/repos/", data={"name": "secret", "passwd": "a secret"})
    assert refused.status_code == 403
    assert server.stop() == 0
    server.settings = {"SEAFLEET_ADVERTISED_VERSION": "9.0.2"}
    server.start()
    assert httpx.get(f"{server.url}/api2/server-info/").json()["version"] == "9.0.2"
    assert server.stop() == 0


# -- watching --------------------------------------------------------------------------------------------


def test_health_readiness_and_metrics_are_for_watchers(server: RunningServer, alice: ApiClient) -> None:
    assert alice.http.get("/healthz").text == "ok\n"
    assert alice.http.get("/readyz").text == "ready\n"
    alice.create_library("counted")
    counted = {
        (sample.labels.get("operation"), sample.labels.get("status")): sample.value
        for family in text_string_to_metric_families(alice.http.get("/metrics").text)
        for sample in family.samples
        if sample.name == "seafleet_http_requests_total"
    }
    assert counted["create-library", "200"] >= 1
    assert not any(re.search("[0-9a-f]{8}-", str(operation)) for operation, _ in counted)


def test_a_server_whose_data_folder_vanishes_is_not_ready_until_it_is_back(own_server: RunningServer) -> None:
    http = own_server.admin.http
    away = own_server.data.with_name("away")
    own_server.data.rename(away)
    try:
        assert http.get("/readyz").status_code == 503
        assert http.get("/healthz").status_code == 200
    finally:
        away.rename(own_server.data)
    assert http.get("/readyz").status_code == 200


# -- when the machine gives out --------------------------------------------------------------------------


def limit(server: RunningServer, what: int, soft: int) -> None:
    """Change a limit of the running server, as a full disk or too many open files would."""
    assert server.process is not None
    _, hard = resource.prlimit(server.process.pid, what)
    resource.prlimit(server.process.pid, what, (soft, hard))


def try_upload(account: ApiClient, library_id: str, name: str, size: int) -> int:
    """Return the status of an upload."""
    link = account.get(f"/api2/repos/{library_id}/upload-link/")
    if link.status_code != 200:
        return link.status_code
    files = {"file": (name, os.urandom(size))}
    return account.http.post(link.json(), data={"parent_dir": "/"}, files=files).status_code


def test_a_full_disk_is_told_and_got_over(own_server: RunningServer) -> None:
    account = own_server.admin
    library_id = account.create_library("library")
    account.upload(library_id, "/before", b"content")
    limit(own_server, resource.RLIMIT_FSIZE, (own_server.data / "seafleet.db-wal").stat().st_size)
    sizes = (100, 50_000, 200_000, 9 * MIB)
    assert {try_upload(account, library_id, f"lost {size}", size) for size in sizes} == {500}
    assert account.names(library_id) == ["before"]
    assert '"error": "StorageFailure: ' in own_server.log.read_text()
    limit(own_server, resource.RLIMIT_FSIZE, resource.RLIM_INFINITY)
    assert {try_upload(account, library_id, f"kept {size}", size) for size in sizes} == {200}
    assert len(account.names(library_id)) == 5
    assert temporary_bytes(own_server) == 0
    assert own_server.command("verify").returncode == 0


def test_too_many_open_files_are_got_over(own_server: RunningServer) -> None:
    account = own_server.admin
    library_id = account.create_library("library")
    account.upload(library_id, "/before", bytes(MIB))
    assert own_server.process is not None
    open_files = len(os.listdir(f"/proc/{own_server.process.pid}/fd"))
    limit(own_server, resource.RLIMIT_NOFILE, open_files + 1)
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(Wire(own_server.port).connect())
        assert try_upload(account, library_id, "lost", 9 * MIB) == 500
        limit(own_server, resource.RLIMIT_NOFILE, 1024)
    assert try_upload(account, library_id, "kept", 9 * MIB) == 200
    assert account.names(library_id) == ["before", "kept"]
    assert own_server.stop() == 0


def test_a_database_that_goes_away_and_comes_back_is_found_again(
    launch: Launch, postgresql_server: PostgresqlServer
) -> None:
    with postgresql_server.database() as url:
        server = launch(url)
        account = server.admin
        library_id = account.create_library("library")
        drop_connections(url)
        account.make_folder(library_id, "/dropped and made anew")
        with out_of_reach(postgresql_server, url):
            assert account.get("/api2/repos/").status_code == 500
            assert account.http.get("/readyz").status_code == 503
            assert account.http.get("/healthz").status_code == 200
        assert account.http.get("/readyz").status_code == 200
        account.make_folder(library_id, "/back again")
        assert account.names(library_id) == ["back again", "dropped and made anew"]
        assert server.stop() == 0


_DROP = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
)


def drop_connections(url: str) -> None:
    """Have the database cut off everybody."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(_DROP, [make_url(url).database])


@contextlib.contextmanager
def out_of_reach(databases: PostgresqlServer, url: str) -> Iterator[None]:
    """Have the database cut off everybody and let nobody in for a while."""
    name = sql.Identifier(make_url(url).database or "")
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    with psycopg.connect(databases.admin_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(allow.format(name, sql.SQL("false")))
        connection.execute(_DROP, [make_url(url).database])
        try:
            yield
        finally:
            connection.execute(allow.format(name, sql.SQL("true")))


# -- secrets ---------------------------------------------------------------------------------------------

LIBRARY_PASSWORD = "the library's password"
METRICS_TOKEN = "the-watchers-token"


def a_session_with_everything(server: RunningServer) -> list[str]:
    """Do what involves secrets, rightly and wrongly; return the secrets."""
    ann = server.user("ann")
    http = ApiClient(server, ann.email, PASSWORD, token="").http
    http.post("/api2/auth-token/", data={"username": ann.email, "password": "a wrong password"})
    http.post("/api2/auth-token/", json={"username": ann.email, "password": "another wrong one"})
    http.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
    form = {"platform": "linux", "device_id": "d" * 40, "device_name": "desk", "username": ann.email}
    device = http.post("/api2/auth-token/", data={**form, "password": PASSWORD}).json()["token"]
    library_id = ann.create_library("secret", passwd=LIBRARY_PASSWORD)
    ann.post(f"/api2/repos/{library_id}/", data={"password": LIBRARY_PASSWORD})
    ann.post(f"/api2/repos/{library_id}/", data={"password": "a wrong library password"})
    ann.upload(library_id, "/file", b"what is in the file")
    ann.download(library_id, "/file")
    links = [
        ann.json("GET", f"/api2/repos/{library_id}/{kind}-link/").rpartition("/")[2]
        for kind in ("upload", "update", "upload-blks", "update-blks")
    ]
    reusable = ann.json("GET", f"/api2/repos/{library_id}/file/", params={"p": "/file", "reuse": "1"})
    http.get(reusable)
    http.get(reusable, headers={"Range": "bytes=9-1"})
    sync = ann.json("GET", f"/api2/repos/{library_id}/download-info/")["token"]
    http.get(f"/seafhttp/repo/{library_id}/commit/HEAD", headers={"Seafile-Repo-Token": sync})
    wrong = "c0ffee" * 6 + "cafe"
    for path in (
        f"/api2/auth/ping/?token={ann.token}",
        f"/nowhere/{ann.token}/",
        f"/seafhttp/files/{sync}/x",
    ):
        http.get(path, headers={"Authorization": f"Token {wrong}"})
    with Wire(server.port, ann.token) as wire:
        wire.exchange(f"GET /{ann.token} HTTP/1.1\r\nbroken {ann.token}\r\n\r\n".encode())
    passwords = [PASSWORD, ADMIN_PASSWORD, LIBRARY_PASSWORD, METRICS_TOKEN, "wrong password", "wrong one"]
    return [
        *passwords,
        *links,
        reusable.split("/")[-2],
        ann.token,
        device,
        sync,
        wrong,
        "what is in the file",
    ]


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_no_secret_is_logged(launch: Launch, log_format: str) -> None:
    server = launch(log_format=log_format, log_level="debug", metrics_token=METRICS_TOKEN)
    secrets = a_session_with_everything(server)
    assert server.stop() == 0
    printed = server.log.read_text()
    assert "/api2/auth/ping/" in printed
    assert [secret for secret in secrets if secret in printed] == []
    if log_format == "json":
        assert all(json.loads(line) for line in printed.splitlines() if line.startswith("{"))


def test_what_opens_doors_does_not_lie_in_the_data_folder(launch: Launch, data: Path) -> None:
    server = launch()
    ann = server.user("ann")
    library_id = ann.create_library("secret", passwd=LIBRARY_PASSWORD)
    ann.post(f"/api2/repos/{library_id}/", data={"password": LIBRARY_PASSWORD})
    ann.upload(library_id, "/file", b"what is in the file")
    assert server.stop() == 0
    stored = b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())
    secrets = (ann.token, PASSWORD, ADMIN_PASSWORD, LIBRARY_PASSWORD, "what is in the file")
    assert [secret for secret in secrets if secret.encode() in stored] == []
    assert (data / "secret.key").stat().st_mode & 0o077 == 0


# -- limits ----------------------------------------------------------------------------------------------


def log_in(server: RunningServer) -> httpx.Response:
    return httpx.post(f"{server.url}/api2/auth-token/", data={"username": "x@example.com"})


@pytest.mark.parametrize("workers", ["1", "2"])
def test_who_asks_too_often_is_told_when_to_come_back(launch: Launch, workers: str) -> None:
    server = launch(throttle_exempt="", throttle_anon_per_minute="5", workers=workers)
    answers = [log_in(server) for _ in range(20)]
    passed = [answer.status_code for answer in answers].index(429)
    assert passed == 5 if workers == "1" else passed in range(5, 8)  # each worker may know of one too few
    assert {answer.status_code for answer in answers[passed:]} == {429}
    wait = int(answers[-1].headers["Retry-After"])
    assert 0 < wait <= 60
    assert answers[-1].json()["detail"].startswith("Request was throttled. Expected available in ")
    assert server.stop() == 0


def test_exempt_addresses_are_not_throttled(launch: Launch) -> None:
    server = launch(throttle_exempt="10.0.0.0/8, 127.0.0.1", throttle_anon_per_minute="1")
    assert {log_in(server).status_code for _ in range(5)} == {400}
    assert server.stop() == 0
