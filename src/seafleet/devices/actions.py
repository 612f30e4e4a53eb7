"""Actions as values: a verb with its arguments, to be applied to one device or to many.

Source: device registry §5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from seafleet.devices import commands, editing, verbs
from seafleet.devices.errors import CommandNotFound, NotApplicable
from seafleet.devices.licensing import is_out, last_covered
from seafleet.errors import InvalidArgument

if TYPE_CHECKING:
    from seafleet.devices.change import Change
    from seafleet.devices.record import MobileFirstStatus
    from seafleet.devices.settings import SettingsStore

MAX_MESSAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Action:
    """Something to be done to a device. `name` is the word of the log."""

    name: str
    work: Callable[[Change], None]


class Actions:
    """Makes actions. What an action raises is written with its method."""

    def __init__(self, settings: SettingsStore) -> None:
        self._settings = settings

    def approve(self) -> Action:
        """Let a waiting device in; touches nothing else."""
        return Action("approved", verbs.approve)

    def set_status(self, status: MobileFirstStatus) -> Action:
        """Set the operator's state. ACTIVE approves as well, EXPIRED lifts a block."""
        return Action("status_set", lambda change: verbs.set_status(change, status, self._settings.policy))

    def set_app_status(self, name: str, *, enabled: bool) -> Action:
        """Suspend or release an application. Raises DeviceAppNotFound."""
        return Action("app_status_set", lambda change: verbs.set_app_status(change, name, enabled=enabled))

    def remove(self) -> Action:
        """Take the device out of the registry."""
        return Action("removed", verbs.remove)

    def wipe(self) -> Action:
        """Have all clients and the agent remove what they hold; the operator's state stays as it is.

        Raises NotApplicable for a device with neither.
        """
        return Action("wipe_requested", verbs.wipe_clients)

    def exempt(self, until: datetime | None = None, reason: str = "") -> Action:
        """Exempt from the posture policy, for ever without an end. Raises NotApplicable."""
        end = None if until is None else int(until.timestamp())
        return Action(
            "exempted", lambda change: verbs.exempt(change, end, reason, out_of_license=self._out(change))
        )

    def unexempt(self) -> Action:
        """End the exemption; nothing happens without one. Raises NotApplicable."""
        return Action("unexempted", lambda change: verbs.unexempt(change, out_of_license=self._out(change)))

    def ignore(self) -> Action:
        """Set a sighting aside. Raises NotApplicable for everything else."""
        return Action("ignored", lambda change: verbs.set_ignored(change, ignored=True))

    def unignore(self) -> Action:
        """Take an ignored sighting up again. Raises NotApplicable for everything else."""
        return Action("unignored", lambda change: verbs.set_ignored(change, ignored=False))

    def dhcp_renew(self) -> Action:
        """Have the agent ask for its address again. Raises NotApplicable without a persistent agent."""
        return Action("command_queued", verbs.dhcp_renew)

    def re_identify(self) -> Action:
        """Have the agent ask its user who he is. Raises NotApplicable."""
        return Action(
            "command_queued", lambda change: verbs.re_identify(change, out_of_license=self._out(change))
        )

    def uninstall_agent(self) -> Action:
        """Have the agent remove itself; the record stays. Raises NotApplicable without an agent."""
        return Action("command_queued", verbs.uninstall_agent)

    def assign_to_group(self, group_id: int | None) -> Action:
        """Make a group the primary one; None is `Default`. Raises NotApplicable, DeviceGroupNotFound."""
        return Action("group_assigned", lambda change: verbs.assign_to_group(change, group_id))

    def link_user(self, name: str, group: str = "") -> Action:
        """Set the label that says whose device it is."""
        return Action("user_linked", lambda change: verbs.link_user(change, name, group))

    def edit(self, wanted: editing.DeviceEdit) -> Action:
        """Write names, texts, groups and attributes, all or nothing. Raises InvalidFields."""
        return Action("edited", lambda change: editing.edit(change, wanted))

    def command(self, kind: str, params: dict[str, Any]) -> Action:
        """Order something of the agent. Raises InvalidArgument("type" or "text"), NotApplicable."""
        if kind not in commands.TYPES:
            raise InvalidArgument("type", "one of " + ", ".join(commands.TYPES))
        if kind == "message":
            text = params.get("text")
            if not isinstance(text, str) or not 1 <= len(text) <= MAX_MESSAGE:
                raise InvalidArgument("text", f"1 to {MAX_MESSAGE} characters")
            params = {"text": text}
        elif kind == commands.WIPE:
            params = commands.EVERYTHING
        else:
            params = {}

        def work(change: Change) -> None:
            if change["agent_type"] is None:
                raise NotApplicable(kind, "the device has no agent")
            commands.queue(change, kind, params)

        return Action("command_queued", work)

    def cancel_command(self, command_id: int) -> Action:
        """Cancel a command. Raises CommandNotFound, NotApplicable once it has a result."""

        def work(change: Change) -> None:
            command = commands.find(change.tx, change.device_id, command_id)
            if command is None:
                raise CommandNotFound(command_id)
            if not command.is_open:
                raise NotApplicable("cancel", f"the command is {command.state}")
            commands.set_state(change.tx, [command_id], state="cancelled", finished_at=change.now)
            change.note("command", {command.type: command.state}, {command.type: "cancelled"})

        return Action("command_cancelled", work)

    def _out(self, change: Change) -> Callable[[], bool]:
        """Return the question whether the license does not cover the device of a change."""

        def ask() -> bool:
            limit = self._settings.current.device_limit
            last = last_covered(change.tx.connection, change["organization_id"], limit)
            return is_out(change.row, last)

        return ask
