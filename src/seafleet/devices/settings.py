"""The registry's settings: kept in the database, changed while the server runs, seen by every worker.

A value that was never set is the one of the server's own settings, or the default here.

Source: device registry §9.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, select

from seafleet.db.engine import upsert
from seafleet.db.tables import setting
from seafleet.devices.model import DevicePolicy
from seafleet.devices.posture import Check, parse_policy
from seafleet.errors import InvalidArgument

if TYPE_CHECKING:
    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction

PREFIX: Final = "device_registry."
MAX_NUMBER: Final = 1_000_000_000
CLOCK_OFFSET: Final = "clock_offset_seconds"

_log = logging.getLogger(__name__)
_is_context_root = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch
_READ: Final = select(setting.c.key, setting.c.value).where(setting.c.key.startswith(PREFIX, autoescape=True))
_insert = upsert(setting).values(key=bindparam("key"), value=bindparam("value"))
_PUT: Final = _insert.on_conflict_do_update(index_elements=["key"], set_={"value": _insert.excluded.value})


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """Every setting of the registry. `posture_policy` goes for organizations without one of their own."""

    require_approval: bool = False
    wipe_on_status: tuple[str, ...] = ("STOLEN",)
    expire_after_days: int = 90
    tombstone_days: int = 365
    posture_mode: str = "off"
    posture_unreported: str = "allow"
    posture_policy: tuple[Check, ...] = ()
    device_limit: int = 0
    allow_unbound_tokens: bool = True
    metaaccess_rate_limit: int = 10
    oauth_access_token_seconds: int = 3600
    device_errors_enabled: bool = True
    mobilefirst_context_root: str = "mfpadmin"
    clock_offset_seconds: int = 0

    @property
    def policy(self) -> DevicePolicy:
        """Return what decides about access."""
        return DevicePolicy(
            require_approval=self.require_approval,
            wipe_on_status=frozenset(self.wipe_on_status),
            posture_mode=self.posture_mode,  # type: ignore[arg-type]  # checked when it was set
            posture_unreported=self.posture_unreported,  # type: ignore[arg-type]
            allow_unbound_tokens=self.allow_unbound_tokens,
        )


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _number(least: int) -> Callable[[object], int]:
    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MAX_NUMBER:
            raise ValueError(f"a whole number from {least}")
        return value

    return check


def _one_of(*words: str) -> Callable[[object], str]:
    def check(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError("one of " + ", ".join(words))
        return value

    return check


def _statuses(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(word in ("LOST", "STOLEN") for word in value):
        raise ValueError("a list of LOST and STOLEN")
    return tuple(dict.fromkeys(value))


def _context_root(value: object) -> str:
    if not isinstance(value, str) or _is_context_root(value) is None:
        raise ValueError("letters, digits, - and _")
    return value


_CHECKS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "require_approval": _boolean,
    "wipe_on_status": _statuses,
    "expire_after_days": _number(1),
    "tombstone_days": _number(1),
    "posture_mode": _one_of("off", "warn", "enforce"),
    "posture_unreported": _one_of("allow", "block"),
    "posture_policy": parse_policy,
    "device_limit": _number(0),
    "allow_unbound_tokens": _boolean,
    "metaaccess_rate_limit": _number(1),
    "oauth_access_token_seconds": _number(1),
    "device_errors_enabled": _boolean,
    "mobilefirst_context_root": _context_root,
    CLOCK_OFFSET: _number(-MAX_NUMBER),
}
NAMES: Final = tuple(field.name for field in fields(RegistrySettings))


def parse(name: str, value: object) -> Any:
    """Return a setting's value from what JSON holds. Raises InvalidArgument naming the setting."""
    if name not in _CHECKS:
        raise InvalidArgument(name, "no such setting")
    try:
        return _CHECKS[name](value)
    except ValueError as error:
        raise InvalidArgument(name, str(error)) from None


def plain(value: object) -> Any:
    """Return a setting's value as JSON holds it."""
    if isinstance(value, tuple):
        return [item.as_json() if isinstance(item, Check) else item for item in value]
    return value


class SettingsStore:
    """Reads and writes the settings. What another worker changed is seen within a second."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        defaults: RegistrySettings | None = None,
        *,
        test_clock: bool = False,
    ) -> None:
        self._database = database
        self._clock = clock
        self._defaults = defaults or RegistrySettings()
        self._lock = threading.Lock()
        self._read_at = -1
        self._current = self._defaults
        self._passed_over: set[str] = set()
        self._policy = self._defaults, self._defaults.policy  # asked for at every request
        self.test_clock = test_clock

    @property
    def current(self) -> RegistrySettings:
        """Return the settings as they are."""
        now = self._clock.timestamp()
        if now != self._read_at:
            with self._lock:
                if now != self._read_at:
                    self._current, self._read_at = self._read(), now
        return self._current

    @property
    def policy(self) -> DevicePolicy:
        """Return what decides about access."""
        current = self.current
        if current is not self._policy[0]:
            self._policy = current, current.policy
        return self._policy[1]

    def as_json(self) -> dict[str, Any]:
        """Return every setting; the clock's only where it may be moved."""
        current = self.current
        names = NAMES if self.test_clock else tuple(name for name in NAMES if name != CLOCK_OFFSET)
        return {name: plain(getattr(current, name)) for name in names}

    def parse_all(self, values: Mapping[str, object]) -> dict[str, Any]:
        """Return checked values. Raises InvalidArgument for the first that is wrong or unknown."""
        for name in values:
            if name == CLOCK_OFFSET and not self.test_clock:
                raise InvalidArgument(name, "no such setting")
        return {name: parse(name, value) for name, value in values.items()}

    def put(self, tx: Transaction, values: Mapping[str, Any]) -> None:
        """Set checked values in the caller's transaction."""
        for name, value in values.items():
            tx.execute(_PUT, {"key": PREFIX + name, "value": json.dumps(plain(value))})
        tx.after_commit(self.forget)

    def forget(self) -> None:
        """Have the next look read the database."""
        self._read_at = -1

    def _read(self) -> RegistrySettings:
        with self._database.read() as connection:
            stored = {
                str(key).removeprefix(PREFIX): json.loads(value) for key, value in connection.execute(_READ)
            }
        if not self.test_clock:
            stored.pop(CLOCK_OFFSET, None)
        return replace(self._defaults, **dict(self._readable(stored)))

    def _readable(self, stored: Mapping[str, object]) -> Iterator[tuple[str, Any]]:
        """Yield what this version understands: a value that another one left must not stop every request."""
        for name in stored.keys() & _CHECKS.keys():
            try:
                yield name, parse(name, stored[name])
            except InvalidArgument as error:
                if name not in self._passed_over:
                    self._passed_over.add(name)
                    _log.warning("a stored setting is not used: %s", error)


class RegistryClock:
    """The server's clock, moved by the setting that tests use."""

    def __init__(self, clock: Clock, settings: SettingsStore) -> None:
        self._clock = clock
        self._settings = settings

    def now(self) -> datetime:
        """Return the registry's time in UTC."""
        return self._clock.now() + timedelta(seconds=self._settings.current.clock_offset_seconds)

    def timestamp(self) -> int:
        """Return the registry's time in whole Unix seconds."""
        return self._clock.timestamp() + self._settings.current.clock_offset_seconds
