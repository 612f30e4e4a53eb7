"""What may be done to a device: one function for each transition, on a `Change` in the caller's transaction.

A verb sets what becomes of the record; `Registry` finds the device, saves the change and drops caches. Verbs
that do not go with the state of the device raise NotApplicable.

Source: device registry §5 and §6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, select, update

from seafleet.db.tables import device_app, device_link
from seafleet.devices import commands, groups, rows
from seafleet.devices.errors import DeviceAppNotFound, NotApplicable

if TYPE_CHECKING:
    from collections.abc import Callable

    from seafleet.devices.change import Change
    from seafleet.devices.model import DevicePolicy
    from seafleet.devices.record import MobileFirstStatus

_link = device_link.c
_ID: Final[Any] = bindparam("device")

_SET_APP: Final = (
    update(device_app)
    .where(device_app.c.device_id == _ID, device_app.c.name == bindparam("app"))
    .values(status=bindparam("new_status"))
)
_SET_APP_OF_LINKS: Final = (
    update(device_link)
    .where(_link.device_id == _ID, _link.app_name == bindparam("app"))
    .values(app_status=bindparam("new_status"))
)
_APP_STATUS: Final = select(device_app.c.status).where(
    device_app.c.device_id == _ID, device_app.c.name == bindparam("app")
)


# -- operators' states ---------------------------------------------------------------------------------------


def approve(change: Change) -> None:
    """Let a waiting device in; touches nothing else."""
    change.set(approval="approved")


def set_status(change: Change, status: MobileFirstStatus, policy: DevicePolicy) -> None:
    """Set what MobileFirst calls the status. ACTIVE approves too, so that the caller reads what he wrote."""
    entered = change["admin_state"] != status
    if status == "ACTIVE":
        change.set(admin_state="ACTIVE", expired=False, approval="approved")
    elif status == "EXPIRED":
        change.set(admin_state="ACTIVE", expired=True)
    else:
        change.set(admin_state=status)
    if status in ("ACTIVE", "EXPIRED", "DISABLED"):
        _cancel_status_wipe(change)
    elif entered and status in policy.wipe_on_status:
        request_wipe(change)


def request_wipe(change: Change) -> None:
    """Have every link and the agent told to remove what they hold; an open wipe stays as it is, and so does
    one that all who are there have heard of.
    """
    if change["wipe"] == "requested" or (change["wipe"] == "delivered" and not _has_more_to_wipe(change)):
        return
    change.set(
        wipe="requested",
        wipe_source="status",
        wipe_requested_at=change.now,
        wipe_requested_by=change.origin.name[:255],
        wipe_delivered_at=None,
        wipe_done_at=None,
    )
    change.tx.execute(rows.MARK_LINKS, {"device": change.device_id, "at": change.now})
    if change["agent_type"] is not None:
        commands.queue(change, commands.WIPE, commands.EVERYTHING)


def wipe_clients(change: Change) -> None:
    """Have every client and the agent told to remove what they hold, whatever the operator's state: what
    unlinking with a wipe does for one account. Sync tokens die at once; it cannot be taken back.

    Raises NotApplicable where nobody would hear of it.
    """
    parameters = {"device": change.device_id, "at": change.now}
    clients = change.tx.execute(rows.MARK_LINKS_FOR_GOOD, parameters).rowcount
    has_agent = change["agent_type"] is not None
    if not clients and not has_agent and change.tx.execute(rows.MARKED_LINK, parameters).first() is None:
        raise NotApplicable("wipe", "the device has neither a client nor an agent")
    change.tx.execute(rows.DELETE_SYNC_TOKENS_OF_DEVICE, parameters)
    if change["wipe"] == "requested":
        change.set(wipe_source="unlink")
    if clients:
        change.note("clients", None, {"wipe": "requested", "count": clients})
    if has_agent:
        commands.queue(change, commands.WIPE, commands.EVERYTHING)


def _has_more_to_wipe(change: Change) -> bool:
    """Tell whether somebody came after a wipe was delivered: a fresh login, or an agent."""
    if change.tx.execute(rows.UNMARKED_LINK, {"device": change.device_id}).first() is not None:
        return True
    return change["agent_type"] is not None and commands.open_wipe(change) is None


def _cancel_status_wipe(change: Change) -> None:
    """Take back a wipe that no client or agent has heard of. Source: device registry §6.4.

    If an earlier one was delivered and its end is still awaited, it is that one again which goes on.
    """
    if change["wipe"] != "requested" or change["wipe_source"] != "status":
        return
    requested_at = change["wipe_requested_at"]
    change.tx.execute(rows.UNMARK_LINKS, {"device": change.device_id, "since": requested_at})
    commands.cancel_undelivered_wipe(change)
    marks, told_at = change.tx.execute(rows.STATUS_MARKS, {"device": change.device_id}).one()
    if marks or commands.open_wipe(change) is not None:
        change.set(wipe="delivered", wipe_delivered_at=told_at or requested_at)
        return
    change.set(
        wipe="none", wipe_source="", wipe_requested_at=None, wipe_requested_by="", wipe_delivered_at=None
    )


def set_app_status(change: Change, name: str, *, enabled: bool) -> None:
    """Suspend or release one application on the device. Raises DeviceAppNotFound."""
    parameters = {"device": change.device_id, "app": name, "new_status": "ENABLED" if enabled else "DISABLED"}
    before = change.tx.execute(_APP_STATUS, parameters).scalar_one_or_none()
    if before is None:
        raise DeviceAppNotFound(name)
    change.tx.execute(_SET_APP, parameters)
    change.tx.execute(_SET_APP_OF_LINKS, parameters)
    change.note(f"application {name}", before, parameters["new_status"])


# -- removal -------------------------------------------------------------------------------------------------


def remove(change: Change) -> None:
    """Take the device out of the registry: its tokens die, the record stays as its tombstone.

    Links that were told to wipe and have not heard of it stay, so that the client still learns of it. The
    agent's token serves to fetch `uninstall_agent`, and an open wipe.
    """
    parameters = {"device": change.device_id}
    change.tx.execute(rows.DELETE_SYNC_TOKENS_OF_DEVICE, parameters)
    change.tx.execute(rows.DELETE_LINKS, parameters)
    marked = change.tx.execute(rows.UNTOLD_LINK, parameters).first() is not None
    if marked and change["wipe"] != "requested":
        change.set(wipe="requested", wipe_source="unlink", wipe_requested_at=change.now)
    commands.cancel_for_removal(change)
    if change["agent_type"] is not None:
        commands.queue(change, commands.UNINSTALL)
    groups.leave_all(change)
    retire_keys(change)
    change.set(removed_at=change.now)


def retire_keys(change: Change) -> None:
    """Keep the hardware id as an alias only, so that another record may bear it."""
    if change["hwid_key"] is not None:
        change.tx.execute(rows.HWID_ALIAS, {"device": change.device_id, "value": change["hwid_key"]})
        change.set(hwid_key=None)


# -- exemption, sightings ------------------------------------------------------------------------------------


def exempt(change: Change, until: int | None, reason: str, *, out_of_license: Callable[[], bool]) -> None:
    """Exempt from the posture policy until a time, or for ever; replaces what was."""
    _require_usable(change, "exempt", out_of_license)
    change.set(
        exempted_at=change.now,
        exempt_until=until,
        exempted_by=change.origin.name[:255],
        exempt_reason=reason[:255],
    )


def unexempt(change: Change, *, out_of_license: Callable[[], bool]) -> None:
    """End the exemption; nothing happens without one."""
    _require_usable(change, "unexempt", out_of_license)
    end_exemption(change)


def end_exemption(change: Change) -> None:
    """Take the exemption away."""
    change.set(exempted_at=None, exempt_until=None, exempted_by="", exempt_reason="")


def set_ignored(change: Change, *, ignored: bool) -> None:
    """Set a sighting aside, or take it up again; only from the opposite state."""
    action = "ignore" if ignored else "unignore"
    if change["kind"] != "sighting" or change["ignored"] is ignored:
        raise NotApplicable(action, "not an unknown device" if ignored else "not an ignored device")
    change.set(ignored=ignored)


def _require_usable(change: Change, action: str, out_of_license: Callable[[], bool]) -> None:
    if change["kind"] != "managed":
        raise NotApplicable(action, "the device was only seen on the network")
    if out_of_license():
        raise NotApplicable(action, "the device is out of license usage")


# -- orders for the agent ------------------------------------------------------------------------------------


def dhcp_renew(change: Change) -> None:
    """Have the agent ask for its address again."""
    if change["agent_type"] != "persistent":
        raise NotApplicable("dhcprenew", "the device has no persistent agent")
    commands.queue(change, commands.DHCP_RENEW)


def re_identify(change: Change, *, out_of_license: Callable[[], bool]) -> None:
    """Have the agent ask its user again who he is."""
    _require_usable(change, "re-identify", out_of_license)
    if change["agent_type"] is None:
        raise NotApplicable("re-identify", "the device has no agent")
    commands.queue(change, commands.RE_IDENTIFY)


def uninstall_agent(change: Change) -> None:
    """Have the agent remove itself; the record stays."""
    if change["agent_type"] is None:
        raise NotApplicable("uninstall", "the device has no agent")
    commands.queue(change, commands.UNINSTALL)


def assign_to_group(change: Change, group_id: int | None) -> None:
    """Make a group the primary one in the place of the present one; None means `Default`.

    Raises NotApplicable for domain controllers, DeviceGroupNotFound.
    """
    if change["is_domain_controller"]:
        raise NotApplicable("assign_to_group", "the device is a domain controller")
    groups.make_primary(change, group_id)


def link_user(change: Change, name: str, group: str) -> None:
    """Set the label that says whose device it is; no access follows from it."""
    change.set(linked_user=name[:255], linked_user_group=group[:255])
