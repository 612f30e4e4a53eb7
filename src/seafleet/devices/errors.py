"""Errors of the device registry, below those of `seafleet.errors`::

InvalidInput
└── InvalidFields         several arguments at once: `problems` says what is wrong with which
NotFound
├── DeviceNotFound        no such device, or not in this organization
├── DeviceAppNotFound     no such application on the device
├── DeviceGroupNotFound
├── CommandNotFound       no such command of this device
└── TransactionNotFound   no such record of a change
Refused
└── DeviceRemoved         the device was removed; `wipe` if it is still to be wiped
Conflict
├── DeviceChanged         not the version of the record that the caller expects
├── DeviceCloned          another machine reports under this hardware id
├── NotApplicable         the action does not go with the state of the device
└── StillInUse            cannot be deleted while something belongs to it
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seafleet.errors import Conflict, InvalidInput, NotFound, Refused


class InvalidFields(InvalidInput):
    """Several arguments are wrong. `problems` has the sentences for each, by name."""

    code = "invalid_fields"

    def __init__(self, problems: Mapping[str, Sequence[str]]) -> None:
        super().__init__("; ".join(f"{name}: {', '.join(texts)}" for name, texts in problems.items())[:500])
        self.problems = {name: tuple(texts) for name, texts in problems.items()}


class DeviceNotFound(NotFound):
    """No device of this name in this organization."""

    code = "device_not_found"
    noun = "device"


class DeviceAppNotFound(NotFound):
    """No application of this name on the device."""

    code = "device_app_not_found"
    noun = "application"


class DeviceGroupNotFound(NotFound):
    """No device group of this name or number in the organization."""

    code = "device_group_not_found"
    noun = "group"


class CommandNotFound(NotFound):
    """No command of this number for the device."""

    code = "command_not_found"
    noun = "command"


class TransactionNotFound(NotFound):
    """No transaction of this number in the organization."""

    code = "transaction_not_found"
    noun = "transaction"


class DeviceRemoved(Refused):
    """The device was removed from the registry. `wipe` tells whether it is still to remove what it holds."""

    code = "device_removed"

    def __init__(self, *, wipe: bool) -> None:
        super().__init__("device removed")
        self.wipe = wipe


class DeviceChanged(Conflict):
    """The record has another version than the caller expects."""

    code = "device_changed"

    def __init__(self, row_version: int) -> None:
        super().__init__(f"the device has version {row_version} now")
        self.row_version = row_version


class DeviceCloned(Conflict):
    """The hardware id belongs to a device that reported just now from another machine."""

    code = "device_cloned"

    def __init__(self, hwid: str) -> None:
        super().__init__(f"another machine reports as {hwid[:80]}")
        self.hwid = hwid


class NotApplicable(Conflict):
    """The device is known, but the action does not go with its state."""

    code = "not_applicable"

    def __init__(self, action: str, reason: str) -> None:
        super().__init__(f"{action} does not apply: {reason}")
        self.action = action
        self.reason = reason


class StillInUse(Conflict):
    """Something cannot be deleted while other things belong to it."""

    code = "still_in_use"

    def __init__(self, noun: str, reason: str) -> None:
        super().__init__(f"this {noun} cannot be deleted: {reason}")
        self.noun = noun
        self.reason = reason
