"""Device Action v3: one action on many devices, each for itself.

Source: "Device Action v3.0"; MetaAccess devices §3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from seafleet.api.metaaccess.bodies import integer, json_object, members, one_list, text
from seafleet.api.metaaccess.errors import invalid
from seafleet.api.metaaccess.keys import numbers
from seafleet.api.metaaccess.surface import V3_0, caller_of, origin, serves
from seafleet.devices.errors import DeviceGroupNotFound
from seafleet.devices.registry import Outcome

if TYPE_CHECKING:
    from seafleet.api.kernel import ApiRequest
    from seafleet.devices.actions import Action, Actions

MAX_DEVICES: Final = 500
MAX_HOURS: Final = 64_999
DEFAULT_GROUP: Final = "default"

_is_number = re.compile(r"[0-9]{1,18}").fullmatch
_PLAIN: Final[Mapping[str, Callable[[Actions], Action]]] = {
    "unexempt": lambda actions: actions.unexempt(),
    "ignore": lambda actions: actions.ignore(),
    "unignore": lambda actions: actions.unignore(),
    "delete": lambda actions: actions.remove(),
    "dhcprenew": lambda actions: actions.dhcp_renew(),
    "re-identify": lambda actions: actions.re_identify(),
}
_WORDS: Final = frozenset(("exempt", "assign_to_group", *_PLAIN))
_COMMANDS: Final = {"dhcprenew": "dhcp_renew", "re-identify": "re_identify"}
_LATER: Final = {"v3.1": ("fetch_agent_log",), "v3.2": ("fetch_agent_log", "scan_threats")}
"""Actions that later versions have, and that no agent of ours knows."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of an action: for each spelling of a caller the device's number, and for each number the
    outcome.
    """

    numbers: Mapping[str, int | None]
    outcomes: Mapping[int, Outcome]

    def outcome(self, spelled: str) -> Outcome:
        """Return what became of the device that was spelled so."""
        number = self.numbers[spelled]
        return Outcome.FAILED if number is None else self.outcomes[number]


@serves("POST", "/devices/action", *V3_0, operation="metaaccess-device-action")
def device_action(request: ApiRequest) -> dict[str, int]:
    """Apply an action; answer -1 (not supported), 0 (failed) or 1 for each device."""
    _, done = _run(request, ())
    return {spelled: int(done.outcome(spelled)) for spelled in done.numbers}


@serves("POST", "/devices/action", *_LATER, operation="metaaccess-device-action-listed")
def listed_device_action(request: ApiRequest) -> list[dict[str, Any]]:
    """Do the same and answer a list, with the number of the command that an agent gets."""
    version = request.route.pattern.split("/")[3]
    word, done = _run(request, _LATER[version])
    return [
        {
            "id": spelled,
            "status": int(done.outcome(spelled)),
            "command_id": _command_id(request, word, number, done.outcome(spelled)),
        }
        for spelled, number in done.numbers.items()
    ]


def apply(request: ApiRequest, found: Mapping[str, int | None], action: Action) -> Done:
    """Apply an action once to each device that was found."""
    wanted = list(dict.fromkeys(number for number in found.values() if number is not None))
    outcomes = request.services.registry.apply_to_all(wanted, action, origin(request))
    return Done(found, dict(zip(wanted, outcomes, strict=True)))


def _run(request: ApiRequest, unknown_to_agents: tuple[str, ...]) -> tuple[str, Done]:
    values = json_object(request)
    word = text(values, "types")
    if word not in _WORDS and word not in unknown_to_agents:
        raise invalid("types is not an action.")
    place, spelled = one_list(values, "ids", "macs", MAX_DEVICES)
    params = members(values, "params")
    hours = integer(params, "exempt_time", 0, 0, MAX_HOURS) if word == "exempt" else 0
    group = text(params, "group_id", DEFAULT_GROUP) if word == "assign_to_group" else ""
    found = numbers(request, "mac" if place == "macs" else "hwid", spelled)
    if word in unknown_to_agents:
        return word, _all(found, Outcome.NOT_SUPPORTED)
    action = _action(request, word, hours, group)
    return word, _all(found, Outcome.FAILED) if action is None else apply(request, found, action)


def _all(found: Mapping[str, int | None], outcome: Outcome) -> Done:
    return Done(found, {number: outcome for number in found.values() if number is not None})


def _action(request: ApiRequest, word: str, hours: int, group: str) -> Action | None:
    """Return what is to be done, None for a group that does not exist."""
    registry = request.services.registry
    actions = registry.actions
    if word == "exempt":
        return actions.exempt(registry.now() + timedelta(hours=hours) if hours else None)
    if word != "assign_to_group":
        return _PLAIN[word](actions)
    if group == DEFAULT_GROUP:
        return actions.assign_to_group(None)
    if not _is_number(group):
        return None
    try:
        registry.groups.get(caller_of(request).organization_id, int(group))
    except DeviceGroupNotFound:
        return None
    return actions.assign_to_group(int(group))


def _command_id(request: ApiRequest, word: str, number: int | None, outcome: Outcome) -> str:
    if number is None or outcome is not Outcome.APPLIED or word not in _COMMANDS:
        return ""
    commands = request.services.registry.commands_of(number)
    return next((str(each.id) for each in commands if each.type == _COMMANDS[word] and each.is_open), "")
