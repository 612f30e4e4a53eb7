"""How long the device registry takes at its size target: 100,000 devices, 200,000 links, one organization.

Run ``python -m benchmarks.devices``: fills a database (SQLite in a fresh folder, or ``--database-url``),
starts a server on it and calls the lists of all dialects over HTTP. Prints milliseconds, the best and the
middle one of some runs, and the target.

Source: device registry §12.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table as Lines
from sqlalchemy import Table, insert

from benchmarks.rig import EMAIL, PASSWORD, Target, started
from seafleet.accounts.service import Accounts
from seafleet.accounts.tokens import Tokens
from seafleet.activity.audit import Audit
from seafleet.clock import SystemClock
from seafleet.db import tables
from seafleet.db.engine import Database, Transaction
from seafleet.devices.identity import new_identity
from seafleet.devices.model import DeviceInfo
from seafleet.devices.service import Devices
from seafleet.secrets import ServerSecret

DEVICES = 100_000
ACCOUNTS = 20_000
CHUNK = 2_000
STATES = ["ACTIVE"] * 17 + ["LOST", "STOLEN", "DISABLED"]
PAGE_MS, BULK_MS, DECISION_MS = 300.0, 3000.0, 2.0
REGISTRY = "/api/v2.1/admin/device-registry"
MFP = "/mfpadmin/management-apis/2.0/runtimes/mfp/devices"
DECISIONS = 2_000
NOW = SystemClock().timestamp()


def _hwid(number: int) -> str:
    return f"bench-{number:08}"


def _device(chance: random.Random, number: int) -> dict[str, Any]:
    state, name = chance.choice(STATES), f"host {chance.randrange(DEVICES)} {number}"
    expired = chance.random() < 0.1
    model = chance.choice(["ThinkPad X13", "MacBook Air", "Pixel 9", "iPhone"])
    return {
        **new_identity(chance, "linux"),
        "organization_id": 1,
        "hwid": _hwid(number),
        "hwid_key": _hwid(number),
        "display_name": name,
        "name_key": name,
        "platform": chance.choice(["linux", "windows", "mac", "ios", "android"]),
        "model": model,
        "model_key": model.casefold(),
        "admin_state": state,
        "expired": expired,
        "status": "EXPIRED" if expired and state == "ACTIVE" else state,
        "posture": chance.choice(["compliant", "non_compliant", "unreported"]),
        "last_seen": NOW - chance.randrange(80 * 86_400),
        "enrolled_at": 1_690_000_000 + number,
        "created_at": 0,
        "updated_at": 0,
    }


def _link(chance: random.Random, number: int) -> dict[str, Any]:
    return {
        "device_id": number // 2 + 1,
        "account_id": chance.randrange(ACCOUNTS) + 1,
        "platform": "linux",
        "client_device_id": f"{number:040x}",
        "device_name": "host",
        "app_name": "seafile-desktop",
        "last_accessed": NOW - chance.randrange(80 * 86_400),
        "created_at": 0,
    }


def _token(number: int) -> dict[str, Any]:
    named = {"token_hash": f"{number:064x}", "sealed": b"", "account_id": 1, "created_at": 0}
    return {**named, "device_link_id": number + 1}


def _mac(number: int) -> dict[str, Any]:
    return {"device_id": number + 1, "mac": f"0016{number:08x}", "first_seen": 0, "last_seen": 0}


def _member(group_id: int, number: int) -> dict[str, Any]:
    return {"device_id": number + 1, "group_id": group_id, "position": 0}


def _default_group(database: Database) -> int:
    row = {"organization_id": 1, "name": "Default", "created_at": 0, "updated_at": 0}

    def work(tx: Transaction) -> int:
        key = tx.execute(insert(tables.device_group), row).inserted_primary_key
        assert key is not None
        return int(key[0])

    return database.write(work)


def build(database: Database, chance: random.Random, devices: int) -> None:
    """Fill the tables."""
    group_id = _default_group(database)
    makers: list[tuple[Table, Callable[[int], dict[str, Any]], int]] = [
        (tables.account, lambda n: {"email": f"user{n}@example.org", "created_at_us": 0}, ACCOUNTS),
        (tables.device, lambda n: _device(chance, n), devices),
        (tables.device_link, lambda n: _link(chance, n), 2 * devices),
        (tables.api_token, _token, 2 * devices),
        (tables.device_mac, _mac, devices),
        (tables.device_group_member, lambda n: _member(group_id, n), devices),
    ]
    for table, make, count in makers:
        for first in range(0, count, CHUNK):
            rows = [make(number) for number in range(first, min(first + CHUNK, count))]
            database.write(lambda tx, t=table, r=rows: tx.execute(insert(t), r).rowcount)  # type: ignore[misc]


@dataclass(slots=True)
class Figures:
    """What was measured, in milliseconds, and what was hoped for. `target` is the server that is asked: the
    time of its processor tells more than the clock where other programs run too.
    """

    rounds: int
    target: Target | None = None
    rows: list[tuple[str, float, float, float, float]] = field(default_factory=list)

    def time(self, name: str, work: Callable[[], object], target: float = PAGE_MS, rounds: int = 0) -> None:
        """Measure something some times."""
        before = self._cpu_seconds()
        samples = [_milliseconds(work) for _ in range(rounds or self.rounds)]
        cpu = (self._cpu_seconds() - before) * 1000 / len(samples)
        self.note(name, min(samples), statistics.median(samples), target, cpu)

    def note(self, name: str, best: float, middle: float, target: float, cpu: float = 0.0) -> None:
        """Note what was measured otherwise."""
        self.rows.append((name, best, middle, cpu, target))
        print(f"{name:<60} {best:9.2f} {middle:9.2f} {cpu:9.2f}", flush=True)

    def _cpu_seconds(self) -> float:
        return (self.target and self.target.cpu_seconds()) or 0.0

    def show(self) -> None:
        """Print everything."""
        lines = Lines("", "best ms", "middle ms", "processor ms", "target ms", "")
        for name, best, middle, cpu, target in self.rows:
            word = "" if best <= target else "missed"
            lines.add_row(name, f"{best:.2f}", f"{middle:.2f}", f"{cpu:.0f}", f"{target:.0f}", word)
        Console(width=110).print(lines)


def _milliseconds(work: Callable[[], object]) -> float:
    started_at = time.perf_counter()
    work()
    return (time.perf_counter() - started_at) * 1000


class Caller:
    """Who speaks all dialects to the server."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=300)
        answer = self.http.post("/api2/auth-token/", data={"username": EMAIL, "password": PASSWORD})
        self.headers = {"Authorization": f"Token {answer.json()['token']}"}
        self._native("PUT", "/settings/", metaaccess_rate_limit=1_000_000)
        self.magic_token = self._native("POST", "/organizations/1/api-token/")["token"]
        made = self._native("POST", "/oauth-clients/", name="b", organization_id=1, redirect_uris=[])
        form = {name: made[name] for name in ("client_id", "client_secret")}
        answer = self.http.post("/o/oauth/token", data={"grant_type": "client_credentials", **form})
        self.access_token = answer.json()["access_token"]

    def _native(self, method: str, path: str, **body: Any) -> Any:
        return self._checked(
            self.http.request(method, REGISTRY + path, json=body, headers=self.headers)
        ).json()

    @staticmethod
    def _checked(answer: httpx.Response) -> httpx.Response:
        if answer.status_code >= 300:
            raise RuntimeError(f"{answer.request.url} {answer.status_code} {answer.text[:300]}")
        return answer

    def get(self, path: str) -> httpx.Response:
        """Ask as administrator."""
        return self._checked(self.http.get(path, headers=self.headers))

    def magic(self, path: str) -> httpx.Response:
        """Ask in Device Magic's dialect."""
        return self._checked(self.http.get(f"/api/v2/organizations/1{path}", auth=(self.magic_token, "x")))

    def stream_magic(self, path: str) -> int:
        """Read a long answer; return its size."""
        path = f"/api/v2/organizations/1{path}"
        with self.http.stream("GET", path, auth=(self.magic_token, "x")) as answer:
            return sum(len(piece) for piece in answer.iter_raw())

    def mobilefirst(self, **query: Any) -> Any:
        """Ask in MobileFirst's dialect."""
        return self._checked(self.http.get(MFP, params=query, auth=(EMAIL, PASSWORD))).json()

    def metaaccess(self, path: str, **body: Any) -> Any:
        """Ask in MetaAccess' dialect."""
        query = {"access_token": self.access_token}
        return self._checked(self.http.post(f"/o/api{path}", params=query, json=body)).json()


def lists(figures: Figures, caller: Caller, devices: int) -> None:
    """Measure pages of each dialect."""
    pages = devices // 50
    for page in (1, pages, 2 * pages):
        path = f"/api/v2.1/admin/devices/?per_page=50&page={page}"
        figures.time(f"Seafile: page {page} of clients", partial(caller.get, path))
    figures.time("Seafile: mobile clients", lambda: caller.get("/api/v2.1/admin/devices/?platform=mobile"))
    for page in (1, devices // 100):
        path = f"/devices.json?items=100&page={page}"
        figures.time(f"Device Magic: page {page} of devices", partial(caller.magic, path))
    figures.time("Device Magic: groups", lambda: caller.magic("/groups.json?items=1"))
    for order in ("uid", "friendlyName", "deviceModel", "deviceEnvironment", "status", "lastAccessed"):
        for sign in ("", "-"):
            query = {"orderBy": sign + order}
            figures.time(f"MobileFirst: page 1 by {sign}{order}", partial(caller.mobilefirst, **query))
    for order in ("status", "-lastAccessed"):
        bookmark = _deep(caller, order, devices // 2)
        query = {"orderBy": order, "bookmark": bookmark, "pageSize": "100"}
        figures.time(f"MobileFirst: page in the middle by {order}", partial(caller.mobilefirst, **query))
    for text in ("host 777", "user1234", "nothing at all"):
        query = {"query": text, "orderBy": "friendlyName"}
        figures.time(f"MobileFirst: search for {text!r}", partial(caller.mobilefirst, **query))
    for page in (1, pages):
        body: dict[str, Any] = {"limit": 50, "page": page}
        figures.time(f"MetaAccess: page {page} of devices", partial(caller.metaaccess, "/v3/devices", **body))
    for word in ("non_compliant", "quarantined", "installed"):
        body = {"limit": 50, "page": 1, "filter": {"device_status": [word]}}
        figures.time(f"MetaAccess: filter {word}", partial(caller.metaaccess, "/v3/devices", **body))
    figures.time("MetaAccess: groups", lambda: caller.metaaccess("/v3/groups", limit=50))
    figures.time("registry: 500 devices", lambda: caller.get(f"{REGISTRY}/devices/?limit=500"))
    figures.time("registry: search", lambda: caller.get(f"{REGISTRY}/devices/?q=host 4242&limit=50"))


def _deep(caller: Caller, order: str, skip: int) -> str:
    """Return the bookmark of a page so many devices on."""
    bookmark: dict[str, str] = {}
    for _ in range(skip // 1000):
        bookmark = {
            "bookmark": caller.mobilefirst(orderBy=order, pageSize=1000, **bookmark)["nextPageBookmark"]
        }
    return bookmark["bookmark"]


def bulk(figures: Figures, caller: Caller, chance: random.Random, devices: int) -> None:
    """Measure an action on 500 devices: it changes something every time."""
    hwids = [_hwid(number) for number in chance.sample(range(devices), 500)]
    for types in ("exempt", "unexempt"):
        body = {"types": types, "ids": hwids}
        name = f"MetaAccess: {types} 500 devices"
        figures.time(name, partial(caller.metaaccess, "/v3/devices/action", **body), BULK_MS, 1)


def whole_list(figures: Figures, caller: Caller, target: Target, devices: int) -> None:
    """Measure the whole list of Device Magic, and how much memory it takes: the first one warms up."""
    caller.stream_magic("/devices.json")
    before = target.peak_megabytes() or 0.0
    for suffix in ("json", "xml"):
        name = f"Device Magic: all {devices} devices, {suffix}, per page of 100"
        taken = _milliseconds(partial(caller.stream_magic, f"/devices.{suffix}"))
        per_page = taken / (devices / 100)
        figures.note(name, per_page, per_page, PAGE_MS)
    print(f"memory: {before:.0f} MB before, {target.peak_megabytes() or 0.0:.0f} MB after whole lists (peak)")


def decision(figures: Figures, database: Database, chance: random.Random) -> None:
    """Measure how much longer it takes to look up a token that is bound to a device than one that is not."""
    clock = SystemClock()
    account = Accounts(database, clock, Audit(clock)).create(EMAIL, PASSWORD, is_staff=True)
    devices = Devices(clock, chance)
    tokens = Tokens(database, clock, chance, ServerSecret(bytes(32), chance), devices, Audit(clock))
    info = DeviceInfo.of("linux", "e" * 40, "bench")
    found = {"plain": tokens.issue_plain(account), "bound": tokens.issue_device(account, info)}
    samples: dict[str, list[float]] = {"plain": [], "bound": []}
    for _ in range(DECISIONS):
        for name, token in found.items():
            samples[name].append(_milliseconds(partial(tokens.resolve, token)))
    best = min(samples["bound"]) - min(samples["plain"])
    middle = statistics.median(samples["bound"]) - statistics.median(samples["plain"])
    figures.note("access decision added to a look-up", best, middle, DECISION_MS)


def databases(url: str) -> Iterator[str]:
    """Yield the URL of the database to fill."""
    if url:
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="seafleet-bench-") as folder:
        yield f"sqlite:///{Path(folder) / 'devices.db'}"


def main() -> None:
    """Fill a database and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--database-url", default="", help="an empty database (default: SQLite in a fresh folder)"
    )
    parser.add_argument("--devices", type=int, default=DEVICES)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    chance, figures = random.Random(1), Figures(options.rounds)
    for url in databases(options.database_url):
        database = Database.open(url)
        print(f"filled in {_milliseconds(partial(build, database, chance, options.devices)) / 1000:.1f} s")
        decision(figures, database, chance)
        database.close()
        with started(database_url=url) as target:
            figures.target = target
            caller = Caller(target.url)
            lists(figures, caller, options.devices)
            bulk(figures, caller, chance, options.devices)
            whole_list(figures, caller, target, options.devices)
            caller.http.close()
    figures.show()


if __name__ == "__main__":
    main()
