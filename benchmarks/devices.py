"""How long the device registry takes at its size target: 100,000 devices, 200,000 links, one organization.

Run ``python -m benchmarks.devices [url]``; without a URL on SQLite in a fresh folder. Prints milliseconds.

Source: device registry §12.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Table, insert

from seafleet.clock import SystemClock
from seafleet.db import tables
from seafleet.db.engine import Database
from seafleet.devices.identity import new_identity
from seafleet.devices.listing import DeviceFilter, Sort
from seafleet.devices.origin import Origin
from seafleet.devices.registry import Registry
from seafleet.devices.service import Devices
from seafleet.devices.settings import SettingsStore

DEVICES = 100_000
ACCOUNTS = 20_000
CHUNK = 2_000
STATES = ["ACTIVE"] * 17 + ["LOST", "STOLEN", "DISABLED"]
BY = Origin("task", "benchmark", "system")


def _device(chance: random.Random, number: int) -> dict[str, Any]:
    state, name = chance.choice(STATES), f"host {chance.randrange(DEVICES)} {number}"
    expired = chance.random() < 0.1
    model = chance.choice(["ThinkPad X13", "MacBook Air", "Pixel 9", "iPhone"])
    return {
        **new_identity(chance, "linux"),
        "organization_id": 1,
        "display_name": name,
        "name_key": name,
        "platform": chance.choice(["linux", "windows", "mac", "ios", "android"]),
        "model": model,
        "model_key": model.casefold(),
        "admin_state": state,
        "expired": expired,
        "status": "EXPIRED" if expired and state == "ACTIVE" else state,
        "posture": chance.choice(["compliant", "non_compliant", "unreported"]),
        "last_seen": 1_700_000_000 + chance.randrange(10_000_000),
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
        "last_accessed": 1_700_000_000 + chance.randrange(10_000_000),
        "created_at": 0,
    }


def _token(number: int) -> dict[str, Any]:
    named = {"token_hash": f"{number:064x}", "sealed": b"", "account_id": 1, "created_at": 0}
    return {**named, "device_link_id": number + 1}


def _mac(number: int) -> dict[str, Any]:
    return {"device_id": number + 1, "mac": f"0016{number:08x}", "first_seen": 0, "last_seen": 0}


def build(database: Database, chance: random.Random) -> None:
    """Fill the tables."""
    makers: list[tuple[Table, Callable[[int], dict[str, Any]], int]] = [
        (tables.account, lambda n: {"email": f"user{n}@example.org", "created_at_us": 0}, ACCOUNTS),
        (tables.device, lambda n: _device(chance, n), DEVICES),
        (tables.device_link, lambda n: _link(chance, n), 2 * DEVICES),
        (tables.api_token, _token, 2 * DEVICES),
        (tables.device_mac, _mac, DEVICES),
    ]
    for table, make, count in makers:
        for first in range(0, count, CHUNK):
            rows = [make(number) for number in range(first, min(first + CHUNK, count))]
            database.write(lambda tx, t=table, r=rows: tx.execute(insert(t), r).rowcount)  # type: ignore[misc]


def timed(name: str, work: Callable[[], object], times: int = 3) -> None:
    """Print the best of some runs."""
    best = min(_seconds(work) for _ in range(times))
    print(f"{name:<58} {best * 1000:9.2f} ms")


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure(database: Database, chance: random.Random) -> None:
    """Take all measurements."""
    clock = SystemClock()
    settings = SettingsStore(database, clock)
    devices = Devices(clock, chance, lambda: settings.policy)
    registry = Registry(database, clock, settings, chance, devices)
    everything = DeviceFilter(organization_id=1, kind="managed")
    for sort in Sort:
        for descending in (False, True):
            word = f"first page by {'-' if descending else ''}{sort}"
            timed(word, lambda s=sort, d=descending: registry.listing.page(everything, sort=s, descending=d))  # type: ignore[misc]
    deep = registry.listing.page(everything, sort=Sort.STATUS, limit=1000, offset=DEVICES * 6 // 10).last
    assert deep is not None
    timed(
        "page after three fifths by status",
        lambda: registry.listing.page(everything, sort=Sort.STATUS, after=deep),
    )
    timed(
        "page after three fifths by -status",
        lambda: registry.listing.page(everything, sort=Sort.STATUS, descending=True, after=deep),
    )
    timed(
        "index of that page",
        lambda: registry.listing.count_before(everything, Sort.STATUS, deep, descending=False),
    )
    for text in ("host 777", "user1234", "nothing at all"):
        wanted = DeviceFilter(organization_id=1, kind="managed", text=text)
        timed(f"search for {text!r}", lambda w=wanted: registry.listing.page(w, sort=Sort.NAME))  # type: ignore[misc]
    for word in ("non_compliant", "quarantined", "installed"):
        wanted = DeviceFilter(organization_id=1, statuses=(word,))
        timed(f"filter {word}", lambda w=wanted: registry.listing.page(w, sort=Sort.ID, limit=50))  # type: ignore[misc]
    registry.change_settings({"device_limit": 50_000}, BY)
    timed("first page with a license limit of 50,000", lambda: registry.listing.page(everything))
    registry.change_settings({"device_limit": 0}, BY)
    for page in (0, 1000, 3999):
        timed(f"Seafile's list, page {page}", lambda p=page: registry.clients.page((), p * 50, 50))  # type: ignore[misc]
    timed(
        "Seafile's list of mobiles",
        lambda: registry.clients.page(("android", "ios"), 0, 50),
    )
    numbers = chance.sample(range(1, DEVICES), 500)
    actions = iter([registry.actions.exempt(), registry.actions.unexempt(), registry.actions.exempt()])
    timed("an action on 500 devices", lambda: registry.apply_to_all(numbers, next(actions), BY))
    timed("a device looked up by MAC", lambda: registry.by_mac("00:16:00:00:12:34", 1))
    timed("a device looked up by uid", lambda: registry.get(4711))
    timed("everything, streamed", lambda: sum(1 for _ in registry.listing.stream(everything)), 1)


def main() -> int:
    """Fill a database and measure."""
    chance = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{Path(folder) / 'devices.db'}"
        database = Database.open(url)
        started = time.perf_counter()
        build(database, chance)
        print(f"filled in {time.perf_counter() - started:.1f} s")
        measure(database, chance)
        database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
