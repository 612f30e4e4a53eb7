"""How devices come into the registry without a login: codes that let agents in, and sightings.

Source: device registry §3, §8.3, §8.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, insert, select, update

from seafleet.db.engine import upsert
from seafleet.db.tables import device, device_group, device_mac, enrolment_code, organization
from seafleet.devices import groups
from seafleet.devices.change import Change, make_device, write_event
from seafleet.devices.errors import DeviceGroupNotFound
from seafleet.devices.identity import new_identity
from seafleet.devices.loading import moment, sure
from seafleet.devices.macs import is_storable_mac, normal_mac, shown_mac
from seafleet.devices.rows import unindexed
from seafleet.errors import InvalidArgument, NotFound, OrganizationNotFound, TokenNotFound
from seafleet.secrets import hash_token, new_token
from seafleet.text import storable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction
    from seafleet.devices.origin import Origin
    from seafleet.ids import RandomSource

MAX_USES: Final = 1_000_000

_code = enrolment_code.c
_CODES: Final = (
    select(enrolment_code, device_group.c.name.label("group_name"))
    .outerjoin(device_group, device_group.c.id == _code.group_id)
    .order_by(_code.id)
)
_BY_HASH: Final = _CODES.where(_code.code_hash == bindparam("hash"))
_ORGANIZATION: Final = select(organization.c.id).where(organization.c.id == bindparam("key"))
_put_mac = upsert(device_mac).values(
    {
        name: bindparam(name)
        for name in ("device_id", "mac", "interface", "ipv4", "ipv6", "dhcp", "first_seen", "last_seen")
    }
)
PUT_MAC: Final = _put_mac.on_conflict_do_update(
    index_elements=["device_id", "mac"],
    set_={name: _put_mac.excluded[name] for name in ("interface", "ipv4", "ipv6", "dhcp", "last_seen")},
)
_SEEN_MAC: Final = (
    update(device_mac)
    .where(device_mac.c.device_id == bindparam("device"), device_mac.c.mac == bindparam("address"))
    .values(last_seen=bindparam("at"), ipv4=bindparam("ip"))
)
_WITH_MAC: Final = (
    select(device.c.id, device.c.kind)
    .join(device_mac, device_mac.c.device_id == device.c.id)
    .where(
        device_mac.c.mac == bindparam("address"),
        unindexed(device.c.organization_id) == bindparam("organization"),
        device.c.removed_at.is_(None),
    )
    .order_by(device.c.id)
)


def put_macs(tx: Transaction, device_id: int, macs: Sequence[dict[str, Any]], now: int) -> None:
    """Keep the addresses of a device: `mac`, and what is known of `interface`, `ipv4`, `ipv6`, `dhcp`."""
    empty = {"interface": "", "ipv4": "", "ipv6": "", "dhcp": None}
    rows = [{**empty, **item, "device_id": device_id, "first_seen": now, "last_seen": now} for item in macs]
    for row in rows:
        tx.execute(PUT_MAC, row)


# -- codes ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EnrolmentCode:
    """A code that lets agents in; `max_uses` 0 is any number, `expires_at` None is never."""

    id: int
    organization_id: int
    max_uses: int
    uses: int
    expires_at: datetime | None
    group_id: int | None
    group_name: str | None
    auto_approve: bool
    created_at: datetime
    created_by: str


class EnrolmentCodes:
    """Codes that administrators make; kept as hashes."""

    def __init__(self, database: Database, clock: Clock, random: RandomSource) -> None:
        self._database = database
        self._clock = clock
        self._random = random

    def all(self) -> list[EnrolmentCode]:
        """Return every code, oldest first, without the codes themselves."""
        with self._database.read() as connection:
            return [to_code(row) for row in connection.execute(_CODES)]

    def create(
        self,
        organization_id: int,
        origin: Origin,
        *,
        max_uses: int = 1,
        expires_at: datetime | None = None,
        group: str | None = None,
        auto_approve: bool = False,
    ) -> tuple[EnrolmentCode, str]:
        """Make a code; return what is known of it and the code, which is shown this once.

        Raises OrganizationNotFound, DeviceGroupNotFound, InvalidArgument("max_uses").
        """
        if not 0 <= max_uses <= MAX_USES:
            raise InvalidArgument("max_uses", f"from 0 to {MAX_USES}")
        code, now = new_token(self._random), self._clock.timestamp()
        row = {
            "code_hash": hash_token(code),
            "organization_id": organization_id,
            "max_uses": max_uses,
            "expires_at": None if expires_at is None else int(expires_at.timestamp()),
            "auto_approve": auto_approve,
            "created_at": now,
            "created_by": origin.name[:255],
        }

        def work(tx: Transaction) -> EnrolmentCode:
            if tx.execute(_ORGANIZATION, {"key": organization_id}).first() is None:
                raise OrganizationNotFound(organization_id)
            group_id = None
            if group is not None:
                group_id = groups.by_names(tx, organization_id, [group]).get(group)
                if group_id is None:
                    raise DeviceGroupNotFound(group)
            tx.execute(insert(enrolment_code), {**row, "group_id": group_id})
            after = {"max_uses": max_uses, "group": group, "auto_approve": auto_approve}
            write_event(tx, origin, "enrolment_code_made", now, organization_id=organization_id, after=after)
            return to_code(tx.execute(_BY_HASH, {"hash": row["code_hash"]}).one())

        return self._database.write(work), code

    def delete(self, code_id: int, origin: Origin) -> None:
        """Take a code back; what enrolled with it stays. Raises NotFound."""
        now = self._clock.timestamp()

        def work(tx: Transaction) -> None:
            row = tx.execute(select(enrolment_code).where(_code.id == code_id)).one_or_none()
            if row is None:
                raise NotFound(code_id)
            tx.execute(delete(enrolment_code).where(_code.id == code_id))
            write_event(tx, origin, "enrolment_code_deleted", now, organization_id=row.organization_id)

        self._database.write(work)


def use_code(tx: Transaction, code: str, now: int) -> EnrolmentCode:
    """Count one use of a code and return it. Raises TokenNotFound if it is unknown, over or used up."""
    row = tx.execute(_BY_HASH, {"hash": hash_token(code)}).one_or_none()
    if row is None or (row.expires_at is not None and row.expires_at <= now):
        raise TokenNotFound("enrolment")
    if row.max_uses and row.uses >= row.max_uses:
        raise TokenNotFound("enrolment")
    tx.execute(update(enrolment_code).where(_code.id == row.id).values(uses=row.uses + 1))
    return to_code(row)


def to_code(row: Any) -> EnrolmentCode:
    """Return the value of a row."""
    return EnrolmentCode(
        row.id,
        row.organization_id,
        row.max_uses,
        row.uses,
        moment(row.expires_at),
        row.group_id,
        row.group_name,
        row.auto_approve,
        sure(row.created_at),
        row.created_by,
    )


# -- sightings -----------------------------------------------------------------------------------------------


class Sightings:
    """Devices that were only seen on the network."""

    def __init__(self, database: Database, clock: Clock, random: RandomSource) -> None:
        self._database = database
        self._clock = clock
        self._random = random

    def observe(
        self, organization_id: int, mac: str, ip: str, host_name: str, origin: Origin
    ) -> tuple[int, bool]:
        """Note that an address was seen; return the number of its device and whether it is new.

        Of several devices with this address the oldest record is told. Raises InvalidArgument("mac"),
        OrganizationNotFound.
        """
        address = normal_mac(mac)
        if address is None or not is_storable_mac(address):
            raise InvalidArgument("mac", "not the address of a network interface")
        seen = {"ip": storable(ip, 45), "name": storable(host_name, 100)}

        def work(tx: Transaction) -> tuple[int, bool]:
            if tx.execute(_ORGANIZATION, {"key": organization_id}).first() is None:
                raise OrganizationNotFound(organization_id)
            known = tx.execute(_WITH_MAC, {"address": address, "organization": organization_id}).all()
            now = self._clock.timestamp()
            if known:
                for row in known:
                    self._seen_again(tx, row, address, seen, origin, now)
                return int(known[0].id), False
            values = {
                **new_identity(self._random, "other"),
                "organization_id": organization_id,
                "kind": "sighting",
                "display_name": seen["name"] or shown_mac(address),
                "host_name": seen["name"],
                "last_seen": now,
                "last_ip": seen["ip"],
            }
            device_id = make_device(tx, values, origin, now, "sighted")
            put_macs(tx, device_id, [{"mac": address, "ipv4": seen["ip"]}], now)
            return device_id, True

        return self._database.write(work)

    def _seen_again(
        self, tx: Transaction, row: Any, address: str, seen: dict[str, str], origin: Origin, now: int
    ) -> None:
        parameters = {"device": row.id, "address": address, "at": now, "ip": seen["ip"]}
        tx.execute(_SEEN_MAC, parameters)
        if row.kind != "sighting":
            return
        change = Change.of(tx, row.id, origin, now)
        assert change is not None
        change.set(last_seen=now, last_ip=seen["ip"] or change["last_ip"])
        if seen["name"]:
            change.set(host_name=seen["name"], display_name=seen["name"])
        change.save("sighted")
