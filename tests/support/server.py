"""A real server in a process of its own, and clients that talk to it as users do."""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import httpx

from tests.support.processes import ends_with_parent

ADMIN_EMAIL: Final = "admin@example.com"
ADMIN_PASSWORD: Final = "the administrator's password"
PASSWORD: Final = "a user's password"
_READY_SECONDS: Final = 90.0
_STOP_SECONDS: Final = 20.0
_names = itertools.count(1)


@dataclass
class RunningServer:
    """A server under test: its address, its data folder, and the process that can be stopped or killed."""

    data: Path
    database_url: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    _admin: ApiClient | None = None
    _clients: list[ApiClient] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which the server and its command line run."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith("SEAFLEET_")}
        return clean | {
            "SEAFLEET_DATA": str(self.data),
            "SEAFLEET_BIND": f"127.0.0.1:{self.port}",
            "SEAFLEET_DATABASE_URL": self.database_url,
            "SEAFLEET_ADMIN_EMAIL": ADMIN_EMAIL,
            "SEAFLEET_ADMIN_PASSWORD": ADMIN_PASSWORD,
            "SEAFLEET_THROTTLE_EXEMPT": "127.0.0.0/8",
            **self.settings,
        }

    def start(self) -> Self:
        """Start the process and wait for its first answer. Keeps the port of an earlier start."""
        self.port = self.port or free_port()
        self.data.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "seafleet", "serve"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env=self.environment,
                stdout=log,
                stderr=log,
                preexec_fn=ends_with_parent(),  # noqa: PLW1509 - one system call
            )
        deadline = time.monotonic() + _READY_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"the server did not start:\n{self.log.read_text()}")
            time.sleep(0.02)
        return self

    @property
    def log(self) -> Path:
        """What the server printed."""
        return self.data.with_name(self.data.name + ".log")

    def stop(self) -> int:
        """Ask the server to end, and return its exit code. Closes the clients' connections."""
        assert self.process is not None
        for client in self._clients:
            client.http.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """Kill the server as a crash would, all its processes at once."""
        assert self.process is not None
        workers = self.workers()
        self.process.kill()
        for pid in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        wait_for_end(workers)

    def workers(self) -> list[int]:
        """Return the process ids of the worker processes; a server that works alone has none."""
        assert self.process is not None
        try:
            pids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        except FileNotFoundError:
            return []
        return [int(pid) for pid in pids if b"spawn_main" in _command_line(pid)]

    def command(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run the command line beside the server."""
        return subprocess.run(
            [sys.executable, "-m", "seafleet", *arguments],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def admin(self) -> ApiClient:
        """The administrator, logged in."""
        if self._admin is None:
            self._admin = ApiClient(self, ADMIN_EMAIL, ADMIN_PASSWORD)
        return self._admin

    def user(self, name: str = "user", *options: str) -> ApiClient:
        """Make an account that no other test uses, and log it in. `options` are those of `user add`."""
        email = f"{name}-{next(_names)}-{os.getpid()}@example.com"
        done = self.command("user", "add", email, "--password-stdin", *options, stdin=PASSWORD)
        assert done.returncode == 0, done.stderr
        return ApiClient(self, email, PASSWORD)

    def add(self, client: ApiClient) -> None:
        """Have a client's connections closed with the server."""
        self._clients.append(client)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/api2/ping/", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


class ApiClient:
    """One account's view on a server: paths in, `httpx.Response` out, the token added."""

    def __init__(self, server: RunningServer, email: str, password: str, token: str | None = None) -> None:
        self.server = server
        self.email = email
        self.password = password
        self.http = httpx.Client(base_url=server.url, timeout=120)
        server.add(self)
        self.token = self._login() if token is None else token

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request with this account's token; `headers` may replace it."""
        headers = {"Authorization": f"Token {self.token}"} if self.token else {}
        headers |= options.pop("headers", {})
        return self.http.request(method, path, headers=headers, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Send a GET."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """Send a POST."""
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> httpx.Response:
        """Send a PUT."""
        return self.request("PUT", path, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        """Send a DELETE."""
        return self.request("DELETE", path, **options)

    def create_library(self, name: str = "library", **form: str) -> str:
        """Create a library and return its id."""
        return str(self.json("POST", "/api2/repos/", data={"name": name, **form})["repo_id"])

    def upload(
        self,
        library_id: str,
        path: str,
        content: bytes,
        *,
        replace: bool = False,
        relative_path: str = "",
    ) -> dict[str, Any]:
        """Upload one file through a link of its own; `path` is its full path. Returns name, id and size."""
        folder, _, name = path.rpartition("/")
        link = self.json("GET", f"/api2/repos/{library_id}/upload-link/", params={"p": folder or "/"})
        form = {"parent_dir": folder or "/", "replace": str(int(replace)), "relative_path": relative_path}
        answer = self.http.post(link, params={"ret-json": "1"}, data=form, files={"file": (name, content)})
        assert answer.status_code == 200, answer.text
        entry: dict[str, Any] = answer.json()[0]
        return entry

    def download(self, library_id: str, path: str) -> bytes:
        """Return the content of a file."""
        link = self.json("GET", f"/api2/repos/{library_id}/file/", params={"p": path})
        answer = self.http.get(link)
        assert answer.status_code == 200, answer.text
        return answer.content

    def make_folder(self, library_id: str, path: str) -> None:
        """Make a folder."""
        answer = self.post(f"/api2/repos/{library_id}/dir/", params={"p": path}, data={"operation": "mkdir"})
        assert answer.status_code == 201, answer.text

    def listing(self, library_id: str, path: str = "/", **params: str) -> list[dict[str, Any]]:
        """Return the entries of a folder as the Web API lists them."""
        entries: list[dict[str, Any]] = self.json(
            "GET", f"/api2/repos/{library_id}/dir/", params={"p": path, **params}
        )
        return entries

    def names(self, library_id: str, path: str = "/") -> list[str]:
        """Return the names in a folder."""
        return [entry["name"] for entry in self.listing(library_id, path)]

    def json(self, method: str, path: str, **options: Any) -> Any:
        """Send a request that has to succeed, and return its JSON value."""
        answer = self.request(method, path, **options)
        assert answer.status_code in (200, 201), f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def _login(self) -> str:
        form = {"username": self.email, "password": self.password}
        answer = self.http.post("/api2/auth-token/", data=form)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])


def wait_for_end(pids: Iterable[int], limit_seconds: float = _STOP_SECONDS) -> None:
    """Return when these processes are gone, whoever started them."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(pid)
            ended, _, _ = select.select([handle], [], [], limit_seconds)
            os.close(handle)
            assert ended, f"process {pid} goes on"


def _command_line(pid: str) -> bytes:
    """Return what a process was started with; nothing when it has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def until(condition: Callable[[], object], limit_seconds: float = _READY_SECONDS) -> None:
    """Return when something has come true in another process."""
    deadline = time.monotonic() + limit_seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit_seconds} s"
        time.sleep(0.02)


def free_port() -> int:
    """Return a port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
