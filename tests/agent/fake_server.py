"""A server that is strict about the agent protocol, and fails as it is told to, as a real one seldom does.

Source: device registry §8, "Agent protocol".
"""

from __future__ import annotations

import contextlib
import json
import re
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlsplit

BASE: Final = "/api/v2.1/device-agent/"
CODE: Final = "a-good-code"
USER_TOKEN: Final = "5d0c" * 10
FACTS: Final = frozenset(("disk_encryption", "firewall", "screen_lock", "os_up_to_date", "antivirus"))
INVENTORY: Final[Mapping[str, type]] = {
    "hwid": str,
    "macs": list,
    "hostname": str,
    "platform": str,
    "os_name": str,
    "os_version": str,
    "architecture": str,
    "model": str,
    "machine_type": str,
    "agent_version": str,
    "agent_type": str,
    "client_ids": list,
}
REPORT: Final[Mapping[str, type]] = {
    **INVENTORY,
    "interfaces": list,
    "apps": list,
    "posture": dict,
    "users": list,
    "errors": list,
}


@dataclass
class Fault:
    """An answer in place of the proper one. Status 0 hangs up without any."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class FakeServer:
    """Serves one device. `commands` wait for it; `faults` are answered before anything proper, each once."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.device_token = ""
        self.generation = 0
        self.known = True
        self.removed = False
        self.commands: list[dict[str, Any]] = []
        self.results: list[tuple[int, dict[str, Any]]] = []
        self.reports: list[dict[str, Any]] = []
        self.enrolments: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.faults: list[tuple[str, Fault]] = []
        self.complaints: list[str] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._http.daemon_threads = True
        self._scheme = "http" if tls is None else "https"
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"{self._scheme}://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def order(self, kind: str, **params: Any) -> int:
        """Let a command wait; return its number."""
        number = 7 + len(self.commands) + len(self.results)
        created = "2026-05-13T08:00:00Z"
        self.commands.append({"id": number, "type": kind, "params": params, "created_at": created})
        return number

    def fail(self, request: str, status: int, body: Any = None, **headers: str) -> None:
        """Have the next request that begins so (such as `GET commands/`) fail."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.faults.append((request, Fault(status, body, named)))

    # -- answering -------------------------------------------------------------------------------------------

    def answer(self, request: str, authorization: str, query: dict[str, list[str]], body: Any) -> Fault:
        """Return the answer to a request, a fault that was ordered before the proper one."""
        self.requests.append(request)
        for index, (start, fault) in enumerate(self.faults):
            if request.startswith(start):
                del self.faults[index]
                return fault
        if request == "POST enroll/":
            return self._enrol(authorization, body)
        if not self.known or authorization != f"Device {self.device_token}":
            return Fault(401, {"detail": "Invalid token"})
        if request == "GET commands/":
            return self._commands(query)
        if match := re.fullmatch(r"POST commands/(\d+)/result/", request):
            return self._result(int(match[1]), body)
        return self._of_present(request, body)

    def _of_present(self, request: str, body: Any) -> Fault:
        """Return the answer to what only a device that was not removed may ask."""
        if self.removed:
            wipe = any(command["type"] == "wipe" for command in self.commands)
            return Fault(410, {"error_msg": "Device removed.", "wipe": wipe})
        if request == "PUT report/":
            return self._report(body)
        if request == "POST ping/":
            return Fault(200, {"commands": len(self.commands), "status": "ACTIVE"})
        if request == "DELETE self/":
            self.known = False
            return Fault(204)
        return Fault(404, {"error_msg": "Not found."})

    def _enrol(self, authorization: str, body: Any) -> Fault:
        if authorization not in (f"Enrol {CODE}", f"Token {USER_TOKEN}"):
            return Fault(401, {"detail": "Invalid token"})
        if not self._fits(body, INVENTORY, optional={"agent_token": str}):
            return Fault(400, {"error_msg": "hwid invalid."})
        self.enrolments.append(body)
        self.generation += 1
        self.device_token = f"{self.generation:064x}"
        given = {
            "id": 12,
            "uid": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
            "identifier": "Linux_7c9e6679-7425-40de-944b-e07fc1f90ae7",
            "hwid": body["hwid"],
            "organization_id": 1,
            "agent_token": self.device_token,
            "approval": "approved",
            "report_interval": 3600,
            "poll_interval": 60,
        }
        return Fault(201 if self.generation == 1 else 200, given)

    def _report(self, body: Any) -> Fault:
        if not self._fits(body, REPORT):
            return Fault(400, {"error_msg": "body invalid."})
        if set(body["posture"]) != FACTS or not all(
            v in (True, False, None) for v in body["posture"].values()
        ):
            self.complaints.append(f"posture {body['posture']}")
        self.reports.append(body)
        issues = [{"code": "firewall", "severity": "warning", "text": "The firewall is off"}]
        standing = {"status": "ACTIVE", "access": "allowed", "posture": "compliant", "issues": issues}
        return Fault(200, {**standing, "commands": len(self.commands)})

    def _commands(self, query: dict[str, list[str]]) -> Fault:
        (wait,) = query.get("wait", ["0"])
        if not wait.isdigit() or int(wait) > 25:
            self.complaints.append(f"wait {wait}")
        if self.removed and not self.commands:
            return Fault(410, {"error_msg": "Device removed.", "wipe": False})
        return Fault(200, list(self.commands))

    def _result(self, number: int, body: Any) -> Fault:
        if not self._fits(body, {"status": str, "detail": str}) or body["status"] not in (
            "done",
            "failed",
            "unsupported",
        ):
            return Fault(400, {"error_msg": "status invalid."})
        if number not in [command["id"] for command in self.commands] + [known for known, _ in self.results]:
            return Fault(404, {"error_msg": "Command not found."})
        if number not in [known for known, _ in self.results]:
            self.results.append((number, body))
        self.commands = [command for command in self.commands if command["id"] != number]
        return Fault(200, {"success": True})

    def _fits(self, body: Any, form: Mapping[str, type], optional: Mapping[str, type] | None = None) -> bool:
        """Tell whether a body has these members and no others; what does not fit is complained about."""
        known = {**form, **(optional or {})}
        if not isinstance(body, dict) or not set(form) <= set(body) <= set(known):
            self.complaints.append(f"members {sorted(body) if isinstance(body, dict) else body}")
            return False
        wrong = [name for name, value in body.items() if not isinstance(value, known[name])]
        hwid = body.get("hwid", "x" * 8)
        if wrong or not re.fullmatch(r"[A-Za-z0-9._:-]{8,128}", hwid):
            self.complaints.append(f"{wrong} {hwid}")
            return False
        return True


def _handler_of(server: FakeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            data = self.rfile.read(length)
            if data and self.headers.get("Content-Type") != "application/json":
                server.complaints.append(f"content type {self.headers.get('Content-Type')}")
            parts = urlsplit(self.path)
            if not parts.path.startswith(BASE):
                server.complaints.append(f"path {self.path}")
            request = f"{self.command} {parts.path[len(BASE) :]}"
            authorization = self.headers.get("Authorization") or ""
            body = json.loads(data) if data else None
            found = server.answer(request, authorization, parse_qs(parts.query), body)
            if not found.status:
                self.close_connection = True
                return
            text = b"" if found.body is None else json.dumps(found.body).encode()
            self.send_response(found.status)
            for name, value in {**found.headers, "Content-Length": str(len(text))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - names of the standard library

        def handle(self) -> None:
            """Serve a connection; a client that breaks it off is no concern of a test."""
            with contextlib.suppress(OSError):
                super().handle()

        def log_message(self, format: str, *args: Any) -> None:
            """Stay silent."""

    return Handler
