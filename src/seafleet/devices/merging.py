"""Two records that turn out to be one device.

Source: device registry §3, the last paragraph on matching.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, select, update

from seafleet.db.engine import upsert
from seafleet.db.tables import device_alias, device_app, device_command, device_link, device_mac
from seafleet.devices import editing, groups, verbs
from seafleet.devices.errors import NotApplicable

if TYPE_CHECKING:
    from sqlalchemy import Table

    from seafleet.devices.change import Change

_STRICTNESS: Final = ("ACTIVE", "DISABLED", "LOST", "STOLEN")
_POSTURE: Final = ("posture", "posture_issue", "posture_issues", "posture_facts", "posture_evaluated_at")
_AGENT: Final = ("agent_type", "agent_version", "agent_token_hash", "agent_generation", "agent_reported_at")
_WIPE: Final = (
    "wipe",
    "wipe_source",
    "wipe_requested_at",
    "wipe_requested_by",
    "wipe_delivered_at",
    "wipe_done_at",
)
_LINKS: Final = select(device_link.c.id).where(device_link.c.device_id == bindparam("device"))


def merge(one: Change, into: Change) -> None:
    """Move everything of `one` to `into`; `one` becomes a tombstone whose keys lead there.

    The stricter state and the newer posture stay. Raises NotApplicable unless both are managed, present and
    different.
    """
    _check(one, into)
    moved = len(one.tx.execute(_LINKS, {"device": one.device_id}).all())
    _move_apps(one, into)
    one.tx.execute(
        update(device_link).where(device_link.c.device_id == one.device_id).values(device_id=into.device_id)
    )
    _move_rows(one, into, device_mac, ("mac",))
    _move_rows(one, into, device_alias, ("kind", "platform", "value"))
    groups.add_behind(into, groups.of_device(into.tx, one.device_id))
    attributes = editing.read_attributes(one) | editing.read_attributes(into)
    editing.set_attributes(into, dict(attributes))
    _join_states(one, into)
    _move_agent(one, into)
    _retire(one, into)
    into.note("merged", None, {"uid": one["uid"], "links": moved})
    into.save("merged")


def _check(one: Change, into: Change) -> None:
    if one.device_id == into.device_id:
        raise NotApplicable("merge", "both are the same device")
    for change in (one, into):
        if change["kind"] != "managed" or change["removed_at"] is not None:
            raise NotApplicable("merge", "both have to be managed devices")
    if one["organization_id"] != into["organization_id"]:
        raise NotApplicable("merge", "the devices belong to different organizations")


def _move_rows(one: Change, into: Change, table: Table, names: tuple[str, ...]) -> None:
    """Move rows of a table; what is there already is left behind and goes."""
    key = [table.c[name] for name in names]
    present = {tuple(row) for row in into.tx.execute(select(*key).where(table.c.device_id == into.device_id))}
    for row in one.tx.execute(select(*key).where(table.c.device_id == one.device_id)).all():
        same = [column == value for column, value in zip(key, row, strict=True)]
        if tuple(row) not in present:
            statement: Any = update(table).where(table.c.device_id == one.device_id, *same)
            one.tx.execute(statement.values(device_id=into.device_id))
    one.tx.execute(delete(table).where(table.c.device_id == one.device_id))


def _move_apps(one: Change, into: Change) -> None:
    """Move applications; one that is disabled on either record is disabled."""
    apps = one.tx.execute(select(device_app).where(device_app.c.device_id == one.device_id)).all()
    for app in apps:
        values = {**app._mapping, "device_id": into.device_id}
        one.tx.execute(upsert(device_app).values(values).on_conflict_do_nothing())
    one.tx.execute(delete(device_app).where(device_app.c.device_id == one.device_id))
    for app in apps:
        if app.status == "DISABLED":
            verbs.set_app_status(into, app.name, enabled=False)
    disabled = select(device_app.c.name).where(
        device_app.c.device_id == into.device_id, device_app.c.status == "DISABLED"
    )
    names = list(one.tx.execute(disabled).scalars())
    one.tx.execute(
        update(device_link)
        .where(device_link.c.device_id == one.device_id, device_link.c.app_name.in_(names))
        .values(app_status="DISABLED")
    )


def _join_states(one: Change, into: Change) -> None:
    if _STRICTNESS.index(one["admin_state"]) > _STRICTNESS.index(into["admin_state"]):
        into.set(admin_state=one["admin_state"])
    if one["approval"] == "pending":
        into.set(approval="pending")
    if (one["posture_evaluated_at"] or 0) > (into["posture_evaluated_at"] or 0):
        into.set(**{name: one[name] for name in _POSTURE})
    if one["wipe"] == "requested" and into["wipe"] != "requested":
        into.set(**{name: one[name] for name in _WIPE})
    if one["last_seen"] > into["last_seen"]:
        into.set(last_seen=one["last_seen"], last_ip=one["last_ip"])


def _move_agent(one: Change, into: Change) -> None:
    """Let the agent that reported last go on; the other one's token dies."""
    newer = (one["agent_reported_at"] or 0) >= (into["agent_reported_at"] or 0)
    if one["agent_type"] is not None and (into["agent_type"] is None or newer):
        agent = {name: one[name] for name in _AGENT}
        one.set(agent_type=None, agent_token_hash=None)
        one.tx.execute(
            update(device_command)
            .where(device_command.c.device_id == one.device_id)
            .values(device_id=into.device_id)
        )
        into.set(**agent)


def _retire(one: Change, into: Change) -> None:
    groups.leave_all(one)
    hwid_key = one["hwid_key"]
    one.set(
        removed_at=one.now, merged_into=into.device_id, hwid_key=None, agent_type=None, agent_token_hash=None
    )
    one.save("merged_away")
    if hwid_key is not None and hwid_key != into["hwid_key"]:
        alias = upsert(device_alias).values(
            device_id=into.device_id, kind="hwid", platform="", value=hwid_key
        )
        into.tx.execute(alias.on_conflict_do_nothing())
