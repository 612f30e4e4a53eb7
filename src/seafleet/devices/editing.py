"""What people write about a device: owner, description, name, groups, attributes. All of an edit or nothing.

Source: Device Magic devices §5.5; device registry §9.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, select

from seafleet.db.engine import upsert
from seafleet.db.tables import device_attribute
from seafleet.devices import groups
from seafleet.devices.errors import InvalidFields
from seafleet.text import is_storable

if TYPE_CHECKING:
    from seafleet.devices.change import Change

MAX_OWNER: Final = 255
MAX_DESCRIPTION: Final = 2000
MAX_NAME: Final = 100
MAX_KEY: Final = 100
MAX_VALUE: Final = 1000
MAX_ATTRIBUTES: Final = 100

# What XML 1.0 cannot carry.
_has_control = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]").search

_of = device_attribute.c
_READ: Final = select(_of.key, _of.value).where(_of.device_id == bindparam("device"))
_put = upsert(device_attribute).values({n: bindparam(n) for n in ("device_id", "key", "value")})
_PUT: Final = _put.on_conflict_do_update(
    index_elements=["device_id", "key"], set_={"value": _put.excluded.value}
)
_DELETE: Final = delete(device_attribute).where(
    _of.device_id == bindparam("device"), _of.key == bindparam("old_key")
)


class Unset:
    """The type of `UNSET`."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()
"""Stands for what an edit leaves as it is."""


@dataclass(frozen=True, slots=True)
class DeviceEdit:
    """What is to be written; UNSET leaves a field alone.

    `groups` are names, the primary one first. `attributes` are merged key by key: None deletes a key, None in
    the place of the whole clears all.
    """

    owner: str | Unset = UNSET
    description: str | Unset | None = UNSET
    display_name: str | Unset = UNSET
    is_domain_controller: bool | Unset = UNSET
    groups: Sequence[str] | Unset = UNSET
    attributes: Mapping[str, str | None] | Unset | None = UNSET


def edit(change: Change, wanted: DeviceEdit) -> None:
    """Write an edit. Raises InvalidFields with a sentence for each wrong field; then nothing is written."""
    problems = _problems(change, wanted)
    if problems:
        raise InvalidFields(problems)
    for name in ("owner", "description", "display_name", "is_domain_controller"):
        value = getattr(wanted, name)
        if not isinstance(value, Unset):
            change.set(**{name: value})
    if not isinstance(wanted.groups, Unset):
        groups.replace_all(change, wanted.groups)
    if not isinstance(wanted.attributes, Unset):
        set_attributes(change, wanted.attributes)


def _problems(change: Change, wanted: DeviceEdit) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    checks = (
        ("owner", wanted.owner, 1, MAX_OWNER),
        ("description", wanted.description, 0, MAX_DESCRIPTION),
        ("display_name", wanted.display_name, 1, MAX_NAME),
    )
    for name, value, least, most in checks:
        if isinstance(value, str) and (text := _text_problem(value, least, most)):
            found[name] = [text]
    if not isinstance(wanted.groups, Unset):
        known = groups.by_names(change.tx, change["organization_id"], wanted.groups)
        unknown = [name for name in dict.fromkeys(wanted.groups) if name not in known]
        if unknown:
            found["groups"] = [f"Unknown group: {name}" for name in unknown]
    if isinstance(wanted.attributes, Mapping):
        texts = _attribute_problems(change, wanted.attributes)
        if texts:
            found["custom_attributes"] = texts
    return found


def _text_problem(text: str, least: int, most: int) -> str | None:
    if len(text) < least:
        return "must not be empty"
    if len(text) > most:
        return f"is longer than {most} characters"
    if _has_control(text) or not is_storable(text):
        return "has characters that cannot be kept"
    return None


def _attribute_problems(change: Change, attributes: Mapping[str, str | None]) -> list[str]:
    texts = []
    for key, value in attributes.items():
        if problem := _text_problem(key, 1, MAX_KEY):
            texts.append(f"key {key[:MAX_KEY]!r} {problem}")
        elif value is not None and (problem := _text_problem(value, 0, MAX_VALUE)):
            texts.append(f"value of {key!r} {problem}")
    if not texts:
        present = read_attributes(change)
        after = {key for key, value in {**present, **attributes}.items() if value is not None}
        if len(after) > MAX_ATTRIBUTES:
            texts.append(f"more than {MAX_ATTRIBUTES} attributes")
    return texts


def read_attributes(change: Change) -> dict[str, str]:
    """Return the attributes of a device."""
    return {row.key: row.value for row in change.tx.execute(_READ, {"device": change.device_id})}


def set_attributes(change: Change, attributes: Mapping[str, str | None] | None) -> None:
    """Merge attributes; None as a value deletes the key, None in the place of all clears all."""
    present = read_attributes(change)
    if attributes is None:
        attributes = dict.fromkeys(present)
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for key, value in attributes.items():
        if present.get(key) == value:
            continue
        before[key], after[key] = present.get(key), value
        if value is None:
            change.tx.execute(_DELETE, {"device": change.device_id, "old_key": key})
        else:
            change.tx.execute(_PUT, {"device_id": change.device_id, "key": key, "value": value})
    change.note("custom_attributes", before, after)
