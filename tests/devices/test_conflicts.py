"""Whatever callers do to a device, in whatever order and at the same time, the conflict rules hold.

Source: device registry §6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seafleet.devices.actions import Action
from seafleet.devices.daily import DAY_SECONDS
from seafleet.devices.editing import DeviceEdit
from seafleet.devices.errors import DeviceChanged, NotApplicable
from seafleet.devices.record import Device, words
from seafleet.errors import DeviceBlocked, DeviceWiped
from tests.devices.site import BY, RegistrySite

EXPLICIT = ("LOST", "STOLEN", "DISABLED")
STEPS = (
    "ACTIVE",
    "LOST",
    "STOLEN",
    "DISABLED",
    "EXPIRED",
    "approve",
    "exempt",
    "unexempt",
    "edit",
    "group",
    "login",
    "contact",
    "task",
    "report",
)


@dataclass
class Model:
    """What the rules say of one device: the operator's state, the approval, expiry and the wipe."""

    admin_state: str = "ACTIVE"
    approval: str = "pending"
    expired: bool = False
    wipe: str = "none"
    marked: bool = False

    def step(self, name: str) -> None:
        """Take one step as the rules have it."""
        if name in ("ACTIVE", "EXPIRED", *EXPLICIT):
            self._status(name)
        elif name == "approve":
            self.approval = "approved"
        elif name == "task":
            self.expired = self.expired or self.admin_state == "ACTIVE"
        elif name == "contact":
            self._contact()
        elif name == "login" and self.admin_state == "ACTIVE":
            self.marked = False
            self.expired = self.expired and self.approval == "pending"

    def _status(self, name: str) -> None:
        if name == "ACTIVE":
            self.expired, self.approval = False, "approved"
        if name == "EXPIRED":
            self.expired = True
        if name == "STOLEN":
            if self.admin_state != "STOLEN" and self.wipe != "requested":
                self.wipe, self.marked = "requested", True
        elif name != "LOST" and self.wipe == "requested":
            self.wipe, self.marked = "none", False
        self.admin_state = name if name in EXPLICIT else "ACTIVE"

    def _contact(self) -> None:
        told = self.admin_state == "STOLEN" or (self.marked and self.wipe == "delivered")
        if told and self.marked:
            self.wipe = "delivered"
        if self.admin_state == "ACTIVE" and self.approval == "approved" and not self.marked:
            self.expired = False


class Run:
    """A device with a client and an agent, on which steps are taken."""

    def __init__(self, site: RegistrySite) -> None:
        self.site = site
        self.account = site.account()
        self.info = site.world.desktop()
        site.set(require_approval=True)
        self.token = site.world.tokens.issue_device(self.account, self.info)
        state = site.world.tokens.resolve(self.token, allow_suspended=True).actor.device
        assert state is not None
        self.number = state.device_id

    @property
    def device(self) -> Device:
        """The record as it is now."""
        return self.site.now(self.number)

    def step(self, name: str) -> None:
        """Take one step; what does not apply does nothing."""
        site, actions = self.site, self.site.actions
        made: dict[str, Callable[[], Action]] = {
            "approve": actions.approve,
            "exempt": lambda: actions.exempt(site.registry.now() + timedelta(hours=1)),
            "unexempt": actions.unexempt,
            "edit": lambda: actions.edit(DeviceEdit(description="changed", attributes={"a": "1"})),
            "group": lambda: actions.assign_to_group(None),
        }
        doings: dict[str, Callable[[], object]] = {
            "login": self._log_in,
            "contact": self._contact,
            "task": self._task,
            "report": lambda: None,
        }
        if name in doings:
            doings[name]()
            return
        action = made[name]() if name in made else actions.set_status(_status(name))
        try:
            site.apply(self.number, action)
        except NotApplicable:
            return

    def _log_in(self) -> None:
        try:
            self.token = self.site.world.tokens.connect(self.account, self.info).token
        except DeviceBlocked:
            return

    def _contact(self) -> None:
        tokens = self.site.world.tokens
        try:
            tokens.touch(tokens.resolve(self.token, ip="192.0.2.7"))
        except (DeviceBlocked, DeviceWiped):
            return

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


@given(steps=st.lists(st.sampled_from(STEPS), min_size=3, max_size=12))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_sequence_of_steps_ends_where_the_rules_say(site: RegistrySite, steps: list[str]) -> None:
    run, model = Run(site), Model()
    for step in steps:
        run.step(step)
        model.step(step)
        device = run.device
        assert (device.admin_state, device.approval, device.expired, device.wipe.state) == (
            model.admin_state,
            model.approval,
            model.expired,
            model.wipe,
        ), (step, steps)
        assert (device.links[0].wiped_at is not None) == model.marked, (step, steps)
    check_log(site, run.number)


@pytest.mark.parametrize("seed", range(6))
def test_callers_at_the_same_time_are_put_in_order(site: RegistrySite, seed: int) -> None:
    run = Run(site)
    chance = site.world.random
    chance.seed(seed)
    calm = [name for name in STEPS if name not in ("task", "login")]
    plans = [[chance.choice(calm) for _ in range(8)] for _ in range(4)]

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
        assert all(link.wiped_at is not None for link in device.links)
    if device.wipe.state == "none":
        assert all(link.wiped_at is None for link in device.links)


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
