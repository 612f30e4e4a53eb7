"""Whatever callers do to a device, in whatever order and at the same time, the conflict rules hold.

Source: device registry §6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from seafleet.devices.actions import Action
from seafleet.devices.daily import DAY_SECONDS
from seafleet.devices.editing import DeviceEdit
from seafleet.devices.errors import DeviceChanged, NotApplicable
from seafleet.devices.record import Device, words
from seafleet.errors import DeviceBlocked, DeviceWiped, InvalidArgument, TokenNotFound
from tests.devices.site import BY, RegistrySite

EXPLICIT = ("LOST", "STOLEN", "DISABLED")
WORDS = ("ACTIVE", "EXPIRED", *EXPLICIT)
CALM = (
    *WORDS,
    "approve",
    "exempt",
    "unexempt",
    "edit",
    "group",
    "login",
    "contact",
    "other contact",
    "wiped",
)
STEPS = (*CALM, "other login", "other wiped", "task")


@dataclass
class Mark:
    """What the rules say of one client: when it was marked for wiping, and whether it has heard of that."""

    at: int | None = None
    told: bool = False


@dataclass
class Model:
    """What the rules say of one device and its two clients."""

    admin_state: str = "ACTIVE"
    approval: str = "pending"
    expired: bool = False
    wipe: str = "none"
    requested_at: int = 0
    now: int = 0
    clients: list[Mark | None] = field(default_factory=lambda: [Mark(), None])

    @property
    def marks(self) -> list[bool | None]:
        """Whether each client is marked; None for one that is not linked."""
        return [None if client is None else client.at is not None for client in self.clients]

    def step(self, name: str) -> None:
        """Take one step as the rules have it."""
        self.now += 1
        which = int(name.startswith("other "))
        steps: dict[str, Callable[[], None]] = {
            "approve": self._approve,
            "task": self._task,
            "contact": lambda: self._contact(which),
            "login": lambda: self._login(which),
            "wiped": lambda: self._wiped(which),
        }
        if name in WORDS:
            self._status(name)
        elif step := steps.get(name.removeprefix("other ")):
            step()

    def _approve(self) -> None:
        self.approval = "approved"

    def _task(self) -> None:
        self.expired = self.expired or self.admin_state == "ACTIVE"

    def _status(self, name: str) -> None:
        if name == "ACTIVE":
            self.expired, self.approval = False, "approved"
        if name == "EXPIRED":
            self.expired = True
        if name == "STOLEN":
            if self.admin_state != "STOLEN":
                self._request()
        elif name != "LOST" and self.wipe == "requested":
            self._take_back()
        self.admin_state = name if name in EXPLICIT else "ACTIVE"

    def _request(self) -> None:
        if self.wipe == "requested" or (self.wipe == "delivered" and False not in self.marks):
            return
        self.wipe, self.requested_at = "requested", self.now
        self._mark_all()

    def _mark_all(self) -> None:
        for client in self.clients:
            if client is not None and client.at is None:
                client.at = self.now

    def _take_back(self) -> None:
        for client in self.clients:
            if client is not None and client.at is not None and not client.told:
                client.at = None if client.at >= self.requested_at else client.at
        self.wipe = "delivered" if True in self.marks else "none"

    def _is_told(self, client: Mark) -> bool:
        """Tell whether a contact of a client is answered with the wipe."""
        if self.admin_state == "STOLEN":
            return True
        return client.at is not None and (client.told or self.admin_state == "ACTIVE")

    def _contact(self, which: int) -> None:
        client = self.clients[which]
        if client is None:
            return
        if self._is_told(client):
            self._mark_all()
            if not client.told:
                client.told, self.wipe = True, "delivered"
        elif self.admin_state == "ACTIVE" and self.approval == "approved":
            self.expired = False

    def _login(self, which: int) -> None:
        if self.admin_state != "ACTIVE":
            return
        client = self.clients[which]
        if client is None or client.at is not None:
            self.clients[which] = Mark()
        self.expired = self.expired and self.approval == "pending"

    def _wiped(self, which: int) -> None:
        client = self.clients[which]
        if client is None or not self._is_told(client):
            return
        self.clients[which] = None
        if self.wipe in ("requested", "delivered") and True not in self.marks:
            self.wipe = "done"


class Run:
    """A device with clients of two people, on which steps are taken."""

    def __init__(self, site: RegistrySite) -> None:
        self.site = site
        self.accounts = [site.account(), site.account()]
        self.info = site.world.desktop()
        site.set(require_approval=True)
        self.tokens = [site.world.tokens.issue_device(self.accounts[0], self.info), ""]
        state = site.world.tokens.resolve(self.tokens[0], allow_suspended=True).actor.device
        assert state is not None
        self.number = state.device_id

    @property
    def device(self) -> Device:
        """The record as it is now."""
        return self.site.now(self.number)

    @property
    def marks(self) -> list[bool | None]:
        """Whether each client is marked; None for one that is not linked."""
        links = {link.account_id: link.wiped_at is not None for link in self.device.links}
        return [links.get(account.id) for account in self.accounts]

    def step(self, name: str) -> None:
        """Take one step; what does not apply does nothing."""
        actions = self.site.actions
        which = int(name.startswith("other "))
        made: dict[str, Callable[[], Action]] = {
            "approve": actions.approve,
            "exempt": lambda: actions.exempt(self.site.registry.now() + timedelta(hours=1)),
            "unexempt": actions.unexempt,
            "edit": lambda: actions.edit(DeviceEdit(description="changed", attributes={"a": "1"})),
            "group": lambda: actions.assign_to_group(None),
        }
        doings: dict[str, Callable[[], object]] = {
            "login": lambda: self._log_in(which),
            "contact": lambda: self._contact(which),
            "wiped": lambda: self._report(which),
            "task": self._task,
        }
        if doing := doings.get(name.removeprefix("other ")):
            with suppress(DeviceBlocked, DeviceWiped, TokenNotFound, InvalidArgument):
                doing()
            return
        action = made[name]() if name in made else actions.set_status(_status(name))
        with suppress(NotApplicable):
            self.site.apply(self.number, action)

    def _log_in(self, which: int) -> None:
        self.tokens[which] = self.site.world.tokens.connect(self.accounts[which], self.info).token

    def _contact(self, which: int) -> None:
        tokens = self.site.world.tokens
        tokens.touch(tokens.resolve(self.tokens[which], ip="192.0.2.7"))

    def _report(self, which: int) -> None:
        self.site.world.tokens.acknowledge_wipe(self.tokens[which])

    def _task(self) -> None:
        self.site.clock.advance(91 * DAY_SECONDS)
        self.site.registry.daily.run()


def _status(name: str) -> Any:
    return name


def check_log(site: RegistrySite, number: int) -> None:
    """Check that the log tells a history without gaps, and that it ends at the present."""
    events = [event for event in site.events(number) if event.action not in ("registered",)]
    known: dict[str, Any] = {}
    for event in events:
        for name in ("admin_state", "approval", "expired", "wipe"):
            if name in event.after:
                assert event.before[name] == known.get(name, event.before[name]), (event.action, name)
                known[name] = event.after[name]
        if "admin_state" in event.after:
            assert event.action == "status_set"
    device = site.now(number)
    present = {
        "admin_state": device.admin_state,
        "approval": device.approval,
        "expired": device.expired,
        "wipe": device.wipe.state,
    }
    assert {name: present[name] for name in known} == known
    effective = [event for event in events if event.action != "contact_while_blocked"]
    assert device.row_version == 1 + len(effective)


@given(steps=st.lists(st.sampled_from(STEPS), min_size=3, max_size=14))
@example(steps=["STOLEN", "contact", "ACTIVE", "STOLEN", "ACTIVE"])
@example(steps=["STOLEN", "contact", "ACTIVE", "login", "STOLEN", "ACTIVE", "contact"])
@example(steps=["ACTIVE", "other login", "STOLEN", "contact", "ACTIVE", "login", "STOLEN", "DISABLED"])
@example(steps=["ACTIVE", "other login", "STOLEN", "contact", "wiped", "ACTIVE", "other wiped", "STOLEN"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_sequence_of_steps_ends_where_the_rules_say(site: RegistrySite, steps: list[str]) -> None:
    run, model = Run(site), Model()
    for step in steps:
        site.clock.advance(1)
        run.step(step)
        model.step(step)
        device = run.device
        assert (device.admin_state, device.approval, device.expired, device.wipe.state) == (
            model.admin_state,
            model.approval,
            model.expired,
            model.wipe,
        ), (step, steps)
        assert run.marks == model.marks, (step, steps)
    check_log(site, run.number)


@pytest.mark.parametrize("seed", range(6))
def test_callers_at_the_same_time_are_put_in_order(site: RegistrySite, seed: int) -> None:
    run = Run(site)
    run.step("other login")
    chance = site.world.random
    chance.seed(seed)
    plans = [[chance.choice(CALM) for _ in range(8)] for _ in range(4)]

    def follow(plan: Sequence[str]) -> None:
        for name in plan:
            run.step(name)

    with ThreadPoolExecutor(len(plans)) as pool:
        for done in [pool.submit(follow, plan) for plan in plans]:
            done.result()
    check_log(site, run.number)
    device = run.device
    shown = words(device, site.registry.now())
    if device.admin_state in EXPLICIT:
        assert shown.mobilefirst == device.admin_state
    if device.wipe.state == "requested":
        assert False not in run.marks
    if device.wipe.state in ("none", "done"):
        assert True not in run.marks


def test_nobody_is_told_of_a_wipe_that_is_taken_back_meanwhile(
    site: RegistrySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, devices = Run(site), site.world.devices
    run.step("STOLEN")
    decided = devices.wants_refusal_noted

    def take_back(*arguments: Any) -> bool:
        run.step("ACTIVE")
        return decided(*arguments)

    monkeypatch.setattr(devices, "wants_refusal_noted", take_back)
    assert site.world.tokens.resolve(run.tokens[0]).verdict.allowed
    assert run.device.wipe.state == "none"
    assert run.marks == [False, None]


def test_two_callers_of_one_version_cannot_both_win(site: RegistrySite) -> None:
    device = site.device()
    won = []

    def attempt(status: Any) -> None:
        try:
            site.registry.apply(device.id, site.actions.set_status(status), BY, if_version=device.row_version)
        except DeviceChanged:
            return
        won.append(status)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(attempt, EXPLICIT))
    assert len(won) == 1
    assert site.now(device).admin_state == won[0]
    assert site.told(device) == ["status_set"]
