"""What callers write: a device's texts, groups and attributes, groups by name, in JSON or XML.

Whatever was read may be written back: each of the forms in which groups and attributes are shown is taken,
with hyphens as with underscores.

Source: Device Magic devices §3, §5.5, §6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from seafleet.api.devicemagic.formats import JSON_TYPE, XML_TYPES
from seafleet.api.kernel import ApiError
from seafleet.api.kernel.media_types import media_type
from seafleet.devices.editing import UNSET, DeviceEdit, Unset
from seafleet.devices.errors import InvalidFields
from seafleet.formats import strictjson, xmlform
from seafleet.formats.xmlform import Element

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seafleet.api.kernel import ApiRequest

    Attributes = Mapping[str, str | None] | Unset | None

MAX_GROUPS: Final = 1000

_BYTE_ORDER_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_ATTRIBUTES: Final = ("custom_attributes", "custom-attributes")
_ATTRIBUTE: Final = ("custom_attribute", "custom-attribute")
_DEVICE_IDS: Final = ("device_ids", "device-ids")
_MAX_DIGITS: Final = 18


class _Wrong(Exception):
    """A member is not what it must be."""

    def __init__(self, *sentences: str) -> None:
        super().__init__(*sentences)
        self.sentences = sentences


@dataclass(frozen=True, slots=True)
class GroupEdit:
    """What is to become of a group; None leaves it as it is."""

    name: str | None
    device_ids: tuple[int, ...] | None


def read_body(request: ApiRequest) -> Any:
    """Return the body as JSON has it, or as an Element.

    Without a type the first character decides. Raises MalformedObject, ApiError (415) for other types.
    """
    data = request.body
    name, charset = media_type(request.headers.get("content-type"))
    if name == JSON_TYPE or (not name and not _looks_like_xml(data)):
        return strictjson.loads(data)
    if name in XML_TYPES or not name:
        return xmlform.parse(data, charset)
    raise ApiError(415, "Unsupported Media Type")


def _looks_like_xml(data: bytes) -> bool:
    text = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    return text.startswith((b"<", *_BYTE_ORDER_MARKS))


# -- devices -------------------------------------------------------------------------------------------------


def device_edit(body: Any) -> DeviceEdit:
    """Return what a body asks to be written; everything else in it is passed over. Raises InvalidFields."""
    source = _XmlMembers(body, "device") if isinstance(body, Element) else _JsonMembers(body, "device")
    problems: dict[str, Sequence[str]] = {}
    values: dict[str, Any] = {}
    readers = (
        ("owner", source.text),
        ("description", source.text_or_null),
        ("groups", source.groups),
        ("custom_attributes", source.attributes),
    )
    for name, reader in readers:
        try:
            values[name] = reader(name)
        except _Wrong as error:
            problems[name] = error.sentences
    if problems:
        raise InvalidFields(problems)
    values["attributes"] = values.pop("custom_attributes")
    return DeviceEdit(**values)


class _JsonMembers:
    """Members of an object, which may be wrapped in another one."""

    def __init__(self, body: Any, root: str) -> None:
        inner = body.get(root, body) if isinstance(body, dict) else body
        if not isinstance(inner, dict):
            raise InvalidFields({root: ["must be an object"]})
        self._members: dict[str, Any] = inner

    def text(self, name: str) -> str | Unset:
        """Return a text."""
        value = self.text_or_null(name)
        if value is None:
            raise _Wrong("must not be empty")
        return value

    def text_or_null(self, name: str) -> str | Unset | None:
        """Return a text, or None for null."""
        value = self._members.get(name, UNSET)
        if value is None or isinstance(value, str | Unset):
            return value
        raise _Wrong("must be text")

    def groups(self, name: str) -> Sequence[str] | Unset:
        """Return names of groups, from a text with commas, a list of names, or one of objects."""
        value = self._members.get(name, UNSET)
        if isinstance(value, Unset):
            return value
        if isinstance(value, str):
            return _split(value)
        return _names(value)

    def attributes(self, _name: str) -> Attributes:
        """Return keys with what becomes of each."""
        value = next((self._members[name] for name in _ATTRIBUTES if name in self._members), UNSET)
        if value is None or isinstance(value, Unset):
            return value
        if not isinstance(value, dict):
            raise _Wrong("must be an object")
        sentences = [f"value of {key!r} must be text" for key, item in value.items() if _is_nested(item)]
        if sentences:
            raise _Wrong(*sentences)
        return {key: _text_of(item) for key, item in value.items()}

    def device_ids(self) -> tuple[int, ...] | None:
        """Return numbers of devices, None if none are given."""
        value = next((self._members[name] for name in _DEVICE_IDS if name in self._members), None)
        if value is None:
            return None
        if not isinstance(value, list):
            raise _Wrong("must be a list of numbers")
        return tuple(_number(item) for item in value)


class _XmlMembers:
    """Members of an element."""

    def __init__(self, body: Element, root: str) -> None:
        if body.name != root:
            raise InvalidFields({root: [f"must be the root element, not {body.name[:40]}"]})
        self._root = body

    def text(self, name: str) -> str | Unset:
        """Return a text."""
        value = self.text_or_null(name)
        if value is None:
            raise _Wrong("must not be empty")
        return value

    def text_or_null(self, name: str) -> str | Unset | None:
        """Return a text, or None for nil."""
        found = self._one(name)
        if found is None:
            return UNSET
        if found.children:
            raise _Wrong("must be text")
        return None if _is_nil(found) else found.text

    def groups(self, name: str) -> Sequence[str] | Unset:
        """Return names of groups, from a text with commas or nested elements."""
        found = self._one(name)
        if found is None:
            return UNSET
        if found.children:
            return _element_names(found)
        # An array without members is often written over several lines.
        is_empty = found.attributes.get("type") == "array" and not found.text.strip()
        return _split("" if is_empty else found.text)

    def attributes(self, _name: str) -> Attributes:
        """Return keys with what becomes of each."""
        found = self._one(*_ATTRIBUTES)
        if found is None:
            return UNSET
        if _is_nil(found):
            return None
        entries = list(found.named(*_ATTRIBUTE))
        if len(entries) != len(found.children) or found.text.strip():
            raise _Wrong("must be custom_attribute elements")
        pairs = [_attribute(entry) for entry in entries]
        merged = dict(pairs)
        if len(merged) != len(pairs):
            raise _Wrong("a key is given twice")
        return merged

    def device_ids(self) -> tuple[int, ...] | None:
        """Return numbers of devices, None if none are given."""
        found = self._one(*_DEVICE_IDS)
        if found is None:
            return None
        ids = [child for child in found.children if child.name in ("device_id", "device-id")]
        if len(ids) != len(found.children) or found.text.strip():
            raise _Wrong("must be device_id elements")
        return tuple(_number(child.text.strip()) for child in ids)

    def _one(self, *names: str) -> Element | None:
        found = list(self._root.named(*names))
        if len(found) > 1:
            raise _Wrong("is given twice")
        return found[0] if found else None


def _split(text: str) -> list[str]:
    """Return the names between commas; blanks belong to them."""
    return _checked(text.split(",") if text else [])


def _checked(names: list[str]) -> list[str]:
    if len(names) > MAX_GROUPS:
        raise _Wrong(f"are more than {MAX_GROUPS}")
    return names


def _names(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise _Wrong("must be names of groups")
    given = [item.get("name") if isinstance(item, dict) else item for item in value]
    names = [name for name in given if isinstance(name, str)]
    if len(names) != len(given):
        raise _Wrong("must be names of groups")
    return _checked(names)


def _element_names(found: Element) -> list[str]:
    """Return the texts of `name` elements directly inside, or inside of `group` elements."""
    names: list[str] = []
    for child in found.children:
        inner = list(child.named("name")) if child.name == "group" else [child]
        if len(inner) != 1 or inner[0].name != "name":
            raise _Wrong("must be names of groups")
        names.append(inner[0].text)
    if found.text.strip():
        raise _Wrong("must be names of groups")
    return _checked(names)


def _attribute(entry: Element) -> tuple[str, str | None]:
    keys, values = list(entry.named("key")), list(entry.named("value"))
    if len(keys) != 1 or len(values) != 1 or keys[0].children or values[0].children:
        raise _Wrong("each needs one key and one value")
    return keys[0].text, None if _is_nil(values[0]) else values[0].text


def _is_nil(found: Element) -> bool:
    return found.attributes.get("nil") in ("true", "1")


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict | list)


def _text_of(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def _number(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**_MAX_DIGITS:
        return value
    raise _Wrong("must be numbers of devices")


# -- groups --------------------------------------------------------------------------------------------------


def group_names(body: Any) -> list[str]:
    """Return the names of the groups that a body asks for. Raises InvalidFields."""
    try:
        if isinstance(body, Element):
            if body.name != "groups":
                raise _Wrong(f"must be the root element, not {body.name[:40]}")
            return _element_names(body)
        return _names(body.get("groups") if isinstance(body, dict) else body)
    except _Wrong as error:
        raise InvalidFields({"groups": error.sentences}) from None


def group_edit(body: Any) -> GroupEdit:
    """Return what a body asks of a group; forms are passed over. Raises InvalidFields."""
    source = _XmlMembers(body, "group") if isinstance(body, Element) else _JsonMembers(body, "group")
    problems: dict[str, Sequence[str]] = {}
    name: str | Unset = UNSET
    device_ids: tuple[int, ...] | None = None
    try:
        name = source.text("name")
    except _Wrong as error:
        problems["name"] = error.sentences
    try:
        device_ids = source.device_ids()
    except _Wrong as error:
        problems["device_ids"] = error.sentences
    if problems:
        raise InvalidFields(problems)
    return GroupEdit(None if isinstance(name, Unset) else name, device_ids)
