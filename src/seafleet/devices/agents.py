"""The verbs of the agent protocol: enrol, report, fetch commands, answer them, retire.

Source: device registry §3, §7, §8.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, select

from seafleet.db.tables import device, library
from seafleet.devices import commands, contacts, rows
from seafleet.devices.change import Change
from seafleet.devices.commands import Command
from seafleet.devices.editing import set_attributes
from seafleet.devices.enrolling import Credential, Enrolled, Enrolling
from seafleet.devices.errors import CommandNotFound, DeviceRemoved
from seafleet.devices.loading import issues_of
from seafleet.devices.model import verdict
from seafleet.devices.origin import Origin
from seafleet.devices.posture_runs import evaluate_device, policy_of
from seafleet.devices.record import Issue, MobileFirstStatus, mobilefirst_status
from seafleet.devices.reports import Inventory, write_inventory
from seafleet.devices.sync_errors import SyncError, SyncErrors
from seafleet.errors import InvalidArgument, TokenNotFound
from seafleet.secrets import hash_token
from seafleet.text import is_storable, storable

if TYPE_CHECKING:
    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction
    from seafleet.devices.service import Devices
    from seafleet.devices.settings import SettingsStore
    from seafleet.ids import RandomSource

PING_SECONDS: Final = 60
"""How exact the time of an agent's last contact is kept."""
REMOVED_SECONDS: Final = 30 * 86_400
"""How long a removed device may fetch what is left to do."""
MAX_DETAIL: Final = 1000

_BY_TOKEN: Final = select(device).where(device.c.agent_token_hash == bindparam("hash"))
_LIBRARY_NAME: Final = select(library.c.name).where(library.c.id == bindparam("key"))


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """What an agent is told of its device. `access` is `allowed` or `refused`; `commands` how many wait."""

    status: MobileFirstStatus
    access: str
    posture: str
    issues: tuple[Issue, ...]
    commands: int


class Agents:
    """What agents may do. The token says which device speaks."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        random: RandomSource,
        settings: SettingsStore,
        devices: Devices,
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._devices = devices
        self._enrolling = Enrolling(clock, random, settings)
        self._errors = SyncErrors(database, clock)

    def enrol(self, found: Inventory, credential: Credential, ip: str = "", request_id: str = "") -> Enrolled:
        """Let an agent in: match it to a record or make one, and give it a new token.

        Raises TokenNotFound (code), DeviceBlocked, DeviceCloned. See `enrolling`.
        """
        return self._database.write(lambda tx: self._enrolling.enrol(tx, found, credential, ip, request_id))

    def status(self, token: str, ip: str = "") -> AgentStatus:
        """Note that the agent is there. Raises TokenNotFound, DeviceRemoved."""
        row = self._present(token)
        now = self._clock.timestamp()
        if row.expired or now - row.last_seen >= PING_SECONDS or ip not in ("", row.last_ip):
            self._database.write(lambda tx: self._contact(tx, row.id, ip))
        with self._database.read() as connection:
            row = connection.execute(_BY_TOKEN, {"hash": hash_token(token)}).one()
            waiting = commands.open_commands(connection, row.id)
        return self._status_of(row, waiting)

    def report(self, token: str, found: Inventory, ip: str = "") -> AgentStatus:
        """Take a report and judge the device's posture by it at once.

        Raises TokenNotFound, DeviceRemoved.
        """
        device_id = self._present(token).id

        def work(tx: Transaction) -> None:
            change = self._change(tx, device_id, ip)
            write_inventory(change, found)
            facts: dict[str, Any] = json.loads(change["posture_facts"]) | (found.posture or {})
            change.set(
                posture_facts=json.dumps(facts, sort_keys=True),
                posture_evaluated_at=change.now,
                agent_reported_at=change.now,
            )
            evaluate_device(change, policy_of(tx.connection, self._settings, change["organization_id"]))
            self._note_contact(change, ip, "reported")
            self._note_errors(change, found, ip)

        self._database.write(work)
        return self.status(token, ip)

    def waiting(self, token: str) -> bool:
        """Tell whether there is a command for the agent now. Raises TokenNotFound, DeviceRemoved."""
        row = self._known(token)
        with self._database.read() as connection:
            found = handed_out(row, commands.open_commands(connection, row.id))
        self._check_removed(row, found)
        return bool(found)

    def take_commands(self, token: str, ip: str = "") -> list[Command]:
        """Return what the agent has to do, oldest first, and note that it was told.

        Raises TokenNotFound, DeviceRemoved once a removed device has nothing left to do.
        """
        self.waiting(token)

        def work(tx: Transaction) -> list[Command]:
            row = tx.execute(_BY_TOKEN, {"hash": hash_token(token)}).one_or_none()
            if row is None:
                raise TokenNotFound("agent")
            change = self._change(tx, row.id, ip)
            found = handed_out(row, commands.open_commands(tx.connection, row.id))
            new = [command.id for command in found if command.state == "queued"]
            commands.set_state(tx, new, state="delivered", delivered_at=change.now)
            action = "contact"
            if any(
                c.type == commands.WIPE and c.params == commands.EVERYTHING and c.id in new for c in found
            ):
                self._deliver_wipe(change)
                action = "wipe_delivered"
            if row.removed_at is None:
                self._note_contact(change, ip, action)
            else:
                change.save(action)
            return found

        return self._database.write(work)

    def answer(self, token: str, command_id: int, status: str, detail: str, ip: str = "") -> None:
        """Take the result of a command: `done`, `failed` or `unsupported`. The first one stays.

        Raises TokenNotFound, DeviceRemoved, CommandNotFound, InvalidArgument("status").
        """
        if status not in commands.RESULTS:
            raise InvalidArgument("status", "one of " + ", ".join(commands.RESULTS))
        row = self._known(token)

        def work(tx: Transaction) -> None:
            command = commands.find(tx, row.id, command_id)
            if command is None:
                raise CommandNotFound(command_id)
            if not command.is_open:
                return
            change = self._change(tx, row.id, ip)
            text = storable(detail, MAX_DETAIL)
            commands.set_state(tx, [command_id], state=status, finished_at=change.now, detail=text)
            change.note("command", {command.type: command.state}, {command.type: status})
            self._follow_up(change, command, status, text)
            change.save("command_answered")
            if command.type == commands.WIPE:
                self._devices.finish_wipe(tx, row.id, change.origin)

        self._database.write(work)

    def retire(self, token: str, ip: str = "") -> None:
        """Let the agent go; the device and its users' tokens stay. Raises TokenNotFound, DeviceRemoved."""
        device_id = self._present(token).id

        def work(tx: Transaction) -> None:
            change = self._change(tx, device_id, ip)
            commands.cancel_for_removal(change)
            _end_agent(change)
            change.save("agent_retired")

        self._database.write(work)

    # -- who speaks ------------------------------------------------------------------------------------------

    def _known(self, token: str) -> Any:
        if not is_storable(token):
            raise TokenNotFound("agent")
        with self._database.read() as connection:
            row = connection.execute(_BY_TOKEN, {"hash": hash_token(token)}).one_or_none()
        if row is None:
            raise TokenNotFound("agent")
        return row

    def _present(self, token: str) -> Any:
        """Return the row of a device that was not removed."""
        row = self._known(token)
        if row.removed_at is not None:
            with self._database.read() as connection:
                wipe = commands.count_open(connection, row.id, [commands.WIPE]) > 0
            raise DeviceRemoved(wipe=wipe)
        return row

    def _check_removed(self, row: Any, left: Sequence[Command]) -> None:
        if row.removed_at is None:
            return
        if not left or self._clock.timestamp() - row.removed_at >= REMOVED_SECONDS:
            raise DeviceRemoved(wipe=any(command.type == commands.WIPE for command in left))

    def _change(self, tx: Transaction, device_id: int, ip: str) -> Change:
        row = tx.execute(select(device.c.uid).where(device.c.id == device_id)).one()
        origin = Origin("agent", row.uid, "agent", ip)
        change = Change.of(tx, device_id, origin, self._clock.timestamp())
        assert change is not None
        return change

    # -- notes -----------------------------------------------------------------------------------------------

    def _contact(self, tx: Transaction, device_id: int, ip: str) -> None:
        self._note_contact(self._change(tx, device_id, ip), ip, "returned")

    def _note_contact(self, change: Change, ip: str, action: str) -> None:
        """Save a change together with the contact that it came with."""
        found = contacts.note(change, ip, self._settings.policy)
        change.save(action)
        if not found.allowed and found.status != "NON_COMPLIANT":
            contacts.tell_if_blocked(change.tx, change.device_id, change.origin, change.now, found.status)

    def _status_of(self, row: Any, waiting: Sequence[Command]) -> AgentStatus:
        state = contacts.state_of(row._mapping)
        found = verdict(state, self._settings.policy, self._clock.timestamp())
        return AgentStatus(
            mobilefirst_status(row.admin_state, row.approval, expired=row.expired),
            "allowed" if found.allowed else "refused",
            row.posture,
            issues_of(row.posture_issues),
            len(handed_out(row, waiting)),
        )

    def _deliver_wipe(self, change: Change) -> None:
        """Note that the agent knows of the wipe: from now on it cannot be taken back."""
        change.tx.execute(rows.DELETE_SYNC_TOKENS_OF_DEVICE, {"device": change.device_id})
        if change["wipe"] == "requested":
            change.set(wipe="delivered", wipe_delivered_at=change.now)

    def _follow_up(self, change: Change, command: Command, status: str, detail: str) -> None:
        if command.type == commands.WIPE and command.params == commands.EVERYTHING and status != "done":
            if change["wipe"] in ("requested", "delivered"):
                change.set(wipe="failed")
        elif command.type == commands.UNINSTALL and status == "done" and change["removed_at"] is None:
            _end_agent(change)
        elif command.type == commands.RE_IDENTIFY and status == "done":
            _identify(change, detail)

    def _note_errors(self, change: Change, found: Inventory, ip: str) -> None:
        if not found.errors:
            return
        user = change.tx.execute(rows.FIRST_USER, {"device": change.device_id}).scalar_one_or_none()
        for library_id, message in found.errors:
            name = change.tx.execute(_LIBRARY_NAME, {"key": library_id}).scalar_one_or_none()
            error = SyncError(
                email=user or "",
                library_id=library_id,
                message=message,
                library_name=name or "",
                peer_id=change["uid"],
                device_name=change["display_name"],
                ip=ip,
                client_version=change["agent_version"],
            )
            self._errors.report_in(change.tx, error)


def handed_out(row: Any, waiting: Sequence[Command]) -> list[Command]:
    """Return which of the open commands a device is given in its state. Source: device registry §7."""
    if row.removed_at is not None:
        types: tuple[str, ...] = (commands.WIPE, commands.UNINSTALL)
    elif row.admin_state in ("LOST", "STOLEN"):
        types = (commands.WIPE,)
    elif row.admin_state == "DISABLED" or row.approval != "approved":
        types = ()
    else:
        types = commands.TYPES
    return [command for command in waiting if command.type in types]


def _end_agent(change: Change) -> None:
    change.set(agent_type=None, agent_token_hash=None, agent_reported_at=None)


def _identify(change: Change, detail: str) -> None:
    """Write the user's answer: an object's `owner` and the rest as `identity.*`, or a name."""
    try:
        said = json.loads(detail)
    except ValueError:
        said = detail
    if isinstance(said, dict):
        owner = said.pop("owner", None)
        answers = {f"identity.{key}"[:100]: str(value)[:1000] for key, value in list(said.items())[:20]}
        set_attributes(change, {key: value for key, value in answers.items() if is_storable(key + value)})
    else:
        owner = said
    if isinstance(owner, str) and owner.strip():
        change.set(owner=owner.strip()[:255])
