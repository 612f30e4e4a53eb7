"""Reads what callers send: JSON bodies and their members, numbers in queries.

`null` stands for a member that is not there. Integers are JSON's, written without a point or exponent.

Source: MetaAccess devices §2, §3.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from seafleet.api.metaaccess.errors import invalid, refusal
from seafleet.errors import MalformedObject
from seafleet.formats import strictjson
from seafleet.text import is_storable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seafleet.api.kernel import ApiRequest

MAX_LIMIT: Final = 50
_MAX_PAGE: Final = 1 << 40
_is_number = re.compile(r"[0-9]{1,12}").fullmatch


def json_object(request: ApiRequest) -> dict[str, Any]:
    """Return the members of the body that are not null. Raises ApiError: 415 for another type, 400."""
    media_type = request.headers.get("content-type").partition(";")[0].strip().lower()
    if media_type != "application/json" and (media_type or request.body):
        raise refusal(415, "Send application/json.")
    if not request.body:
        return {}
    try:
        value = strictjson.loads(request.body)
    except MalformedObject as error:
        raise invalid(f"The body is not valid JSON: {error.reason}.") from None
    return _present(value, "The body")


def members(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a member that is an object, empty if it is not there."""
    return _present(values.get(name, {}), name)


def _present(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid(f"{name} is not a JSON object.")
    return {key: item for key, item in value.items() if item is not None}


def text(values: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """Return a member that is text; one without a default has to be there."""
    value = values.get(name, default)
    if not isinstance(value, str):
        raise invalid(f"{name} is {'missing' if value is None else 'not text'}.")
    if not is_storable(value):
        raise invalid(f"{name} has a character that cannot be.")
    return value


def integer(values: Mapping[str, Any], name: str, default: int, lowest: int, highest: int) -> int:
    """Return a member that is a whole number within bounds."""
    value = values.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise invalid(f"{name} is not a whole number from {lowest} to {highest}.")
    return value


def texts(value: object, name: str, most: int) -> list[str]:
    """Return a list of 1 to `most` pieces of text that are not empty."""
    if not isinstance(value, list) or not 1 <= len(value) <= most:
        raise invalid(f"{name} is not a list of 1 to {most} elements.")
    if not all(isinstance(item, str) and item.strip() for item in value):
        raise invalid(f"{name} has an element that is not text, or is empty.")
    return value


def one_list(values: Mapping[str, Any], first: str, second: str, most: int) -> tuple[str, list[str]]:
    """Return which of two lists was sent, and its elements; one of them has to be, and only one."""
    sent = [name for name in (first, second) if name in values]
    if len(sent) != 1:
        raise invalid(f"Send {first} or {second}, one of the two.")
    return sent[0], texts(values[sent[0]], sent[0], most)


def limit(values: Mapping[str, Any], default: int) -> int:
    """Return how many rows are asked for. Raises ApiError: 406 above 50, 400."""
    value = integer(values, "limit", default, 1, _MAX_PAGE)
    if value > MAX_LIMIT:
        raise refusal(406, f"limit is above {MAX_LIMIT}.")
    return value


def page(values: Mapping[str, Any]) -> int:
    """Return which page is asked for, from 1."""
    return integer(values, "page", 1, 1, _MAX_PAGE)


def check_page(wanted: int, limit: int, total: int) -> None:
    """Refuse a page beyond the last one; the first one is always there. Raises ApiError (413)."""
    if wanted > max(1, -(-total // limit)):
        raise refusal(413, "There are fewer pages.")


def choice(request: ApiRequest, name: str, default: int, *, among: Sequence[int]) -> int:
    """Return a number in the query out of a few."""
    return _chosen(name, request.query(name), default, among)


def chosen(values: Mapping[str, Any], name: str, default: int, *, among: Sequence[int]) -> int:
    """Return a member out of a few numbers; the oldest calls are written as text as well."""
    value = values.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    elif value is not None and not isinstance(value, str):
        raise invalid(f"{name} is not a number.")
    return _chosen(name, value, default, among)


def _chosen(name: str, value: str | None, default: int, among: Sequence[int]) -> int:
    if not value:
        return default
    if not _is_number(value) or int(value) not in among:
        raise invalid(f"{name} is one of {', '.join(map(str, among))}.")
    return int(value)
