"""The catalogs of operations, read as tests need them: paths to call, shapes and errors to hold answers to.

A shape is JSON whose leaves say in words what stands there: ``"uuid"``, ``"r|rw"``, ``"40 hex or null"``,
``"int, '' for dirs"``. `faults` compares a value with it; members that are not in the shape are welcome, for
answers are supersets of what is documented.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Protocol

FOLDER: Final = Path(__file__).parent.parent / "fixtures"
CATALOGS: Final = ("user", "clients", "admin")

NO_CREDENTIALS: Final = (403, {"detail": "Authentication credentials were not provided."})
BAD_TOKEN: Final = (401, {"detail": "Invalid token"})


class Answer(Protocol):
    """What is read of a response, be it httpx's or another."""

    @property
    def status_code(self) -> int: ...
    @property
    def text(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    def json(self) -> Any: ...


@dataclass(frozen=True)
class Operation:
    """One documented operation. `errors` are the documented pairs of status and body."""

    id: str
    section: str
    method: str
    path: str
    auth: str
    status: int
    content_type: str
    shape: Any
    headers: Mapping[str, str]
    errors: tuple[tuple[int, Any], ...]

    @property
    def own_errors(self) -> list[tuple[int, str]]:
        """Status and text of the errors that are this operation's own, in the order of the catalog."""
        return [(status, body["error_msg"]) for status, body in self.errors if _is_own(body)]

    def url(self, **values: object) -> str:
        """Return the path with its placeholders filled."""
        return self.path.format_map({name: str(value) for name, value in values.items()})

    def check(self, answer: Answer, **values: object) -> Any:
        """Fail unless this is the documented success; return its JSON value.

        `values` fill placeholders in the shape, such as `{repo_id}`.
        """
        assert answer.status_code == self.status, f"{self.id}: {answer.status_code} {answer.text[:300]}"
        kind = answer.headers["content-type"].partition(";")[0]
        assert kind == self.content_type.partition(";")[0], f"{self.id}: {kind}"
        for name, leaf in self.headers.items():
            assert name in answer.headers, f"{self.id}: no header {name}"
            _require(faults(answer.headers[name], leaf, values), f"{self.id}, header {name}")
        value = answer.json()
        _require(faults(value, self.shape, values), self.id)
        return value

    def check_error(self, answer: Answer, status: int, text: str | None = None) -> None:
        """Fail unless the answer is one of the documented errors, that of this status and, if given, text."""
        body = answer.json()
        told = f"{self.id}: {answer.status_code} {body}"
        assert answer.status_code == status, told
        if text is not None:
            assert body == {"error_msg": text}, told
        assert any(status == known and matches(body, form) for known, form in self.errors), told


def _is_own(body: Any) -> bool:
    return isinstance(body, dict) and "error_msg" in body


def _require(found: list[str], where: str) -> None:
    assert not found, f"{where}: " + "; ".join(found)


@lru_cache(maxsize=1)
def operations() -> dict[str, Operation]:
    """Return every operation of the three catalogs by its id."""
    found = {}
    for name in CATALOGS:
        for entry in json.loads((FOLDER / f"catalog-{name}.json").read_text("utf-8")):
            success = entry["success"]
            found[entry["id"]] = Operation(
                id=entry["id"],
                section=entry["section"],
                method=entry["method"],
                path=entry["path"],
                auth=entry["auth"],
                status=success["status"],
                content_type=success.get("content_type") or "",
                shape=_meant(success.get("shape"), name),
                headers=success.get("headers", {}),
                errors=tuple((error["status"], error["body"]) for error in entry["errors"]),
            )
    return found


def _meant(shape: Any, catalog: str) -> Any:
    """Return a shape with nothing left unsaid: the catalog of clients writes "" where any text may stand."""
    if isinstance(shape, dict):
        return {name: _meant(form, catalog) for name, form in shape.items()}
    if isinstance(shape, list):
        return [_meant(form, catalog) for form in shape]
    return "str" if shape == "" and catalog == "clients" else shape


def operation(name: str) -> Operation:
    """Return one operation. Raises KeyError."""
    return operations()[name]


def in_sections(*sections: str) -> list[Operation]:
    """Return the operations of some sections, in the order of the catalogs."""
    return [each for each in operations().values() if each.section in sections]


# -- shapes ----------------------------------------------------------------------------------------------


def faults(value: Any, shape: Any, values: Mapping[str, object] | None = None, at: str = "$") -> list[str]:
    """Return what is wrong with a value, each with the place where; nothing when it has the shape."""
    return list(_faults(value, shape, values or {}, at))


def _faults(value: Any, shape: Any, values: Mapping[str, object], at: str) -> Iterator[str]:
    if isinstance(shape, dict):
        yield from _object_faults(value, shape, values, at)
    elif isinstance(shape, list):
        yield from _array_faults(value, shape, values, at)
    elif not _fits(value, shape, values):
        yield f"{at} is {value!r}, not {shape!r}"


def _object_faults(value: Any, shape: dict[str, Any], values: Mapping[str, object], at: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{at} is {value!r}, not an object"
        return
    for name, form in shape.items():
        if name.startswith("{"):  # any key
            for key, member in value.items():
                yield from _faults(member, form, values, f"{at}.{key}")
        elif name.endswith("*"):  # modifier_*: who it was
            for key in ("email", "name", "contact_email"):
                yield from _member_faults(value, name[:-1] + key, "str", values, at)
        elif " or " in name:
            if not any(key in value for key in name.split(" or ")):
                yield f"{at} has no {name}"
        else:
            yield from _member_faults(value, name, form, values, at)


def _member_faults(
    value: dict[str, Any], name: str, form: Any, values: Mapping[str, object], at: str
) -> Iterator[str]:
    if name in value:
        yield from _faults(value[name], form, values, f"{at}.{name}")
    elif not _is_optional(form):
        yield f"{at} has no {name}"


def _array_faults(value: Any, shape: list[Any], values: Mapping[str, object], at: str) -> Iterator[str]:
    """Hold each item to whichever of the item shapes it fits best."""
    if not isinstance(value, list):
        yield f"{at} is {value!r}, not an array"
        return
    for number, item in enumerate(value):
        tries = [faults(item, form, values, f"{at}[{number}]") for form in shape]
        yield from min(tries, key=len, default=[])


# -- leaves ----------------------------------------------------------------------------------------------

_CONDITIONS: Final = (
    "only",
    "absent",
    "(7.0+)",
    "(6.3)",
    "(extra",
    "(files)",
    "(group)",
    "(personal)",
    ", files",
    ", group",
    ", shared",
    ", pro",
    ", repo-update",
    ", clean-up",
    "encrypted v3+",
)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d").fullmatch
_HTML_TIME: Final = re.compile(
    r'<time datetime="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d" is="relative-time" title="[^"]+" >[^<]+</time>'
).fullmatch


def _is_optional(form: Any) -> bool:
    return isinstance(form, str) and any(word in form for word in _CONDITIONS)


def _text(pattern: str) -> Callable[[Any], bool]:
    known = re.compile(pattern, re.DOTALL).fullmatch
    return lambda value: isinstance(value, str) and known(value) is not None


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_iso_time(value: Any) -> bool:
    return isinstance(value, str) and _TIME(value) is not None and bool(datetime.fromisoformat(value))


_is_address: Final = _text(r"[^@\s]+@[^@\s]+")

# The first pattern that is found at the beginning of a leaf says what fits; words that are none of these
# stand for themselves.
_KINDS: Final[tuple[tuple[re.Pattern[str], Callable[[Any], bool]], ...]] = tuple(
    (re.compile(pattern), check)
    for pattern, check in (
        (r"40 zeros", _text("0{40}")),
        (r"(str )?40 hex", _text("[0-9a-f]{40}")),
        (r"64 hex", _text("[0-9a-f]{64}")),
        (r"96 hex", _text("[0-9a-f]{96}")),
        (r"32 hex", _text("[0-9a-f]{32}")),
        (r"(str )?hex\b", _text("[0-9a-f]+")),
        (r"uuid\b", _text("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")),
        (r"e-?mail( creator| of the sharer)?( \(|,|$)", _is_address),
        (r"e-?mail of the commit's author", _is_address),
        (r"bool(ean)?\b", lambda value: isinstance(value, bool)),
        (r"int(eger)? 0$", lambda value: _is_int(value) and value == 0),
        (r"int(eger)?\b", _is_int),
        (r"ISO 8601|RFC 3339", _is_iso_time),
        (r"YYYY-MM-DD", _text(r"\d{4}-\d\d-\d\d")),
        (r"html str|html( \(|$)", lambda value: isinstance(value, str) and _HTML_TIME(value) is not None),
        (r"str with NBSP", _text("[0-9.]+\u00a0[A-Za-z]+")),
        (r"str(ing)? ending with /", _text(".*/")),
        (r"str(ing)? x\.y\.z|x\.y\.z", _text(r"\d+\.\d+\.\d+")),
        (r"(absolute )?(file-server )?URL", _text("https?://.+")),
        (
            r"str(ing)?\b|html|group name|host|final name|echo of|commit description|dst_dir as given",
            _text(".*"),
        ),
        (r"null$", lambda value: value is None),
        (r"false$", lambda value: value is False),
        (r"''$", lambda value: value == ""),
        (r"0\|1\b", lambda value: _is_int(value) and value in (0, 1)),
        (r"1$", lambda value: value == 1 and _is_int(value)),
        (r"as |see |every |commit record|(account|group) info|share link object", lambda value: True),
    )
)


def _fits(value: Any, form: Any, values: Mapping[str, object]) -> bool:
    if not isinstance(form, str) or form == "":
        return type(value) is type(form) and bool(value == form)
    if form.startswith("/") and "{" in form:
        return bool(value == form.format_map(values)) if values else _text(_wild(form))(value)
    if "''" in form and value == "":
        return True
    return any(_fits_one(value, part.strip()) for part in form.split(" or "))


def _fits_one(value: Any, form: str) -> bool:
    for pattern, check in _KINDS:
        if pattern.match(form):
            return check(value)
    return value in re.split(r" ?\| ?", re.sub(r" \(.*\)$", "", form))


# -- errors ----------------------------------------------------------------------------------------------


def matches(body: Any, form: Any) -> bool:
    """Tell whether a body is the documented one, where placeholders stand for any text."""
    if isinstance(form, str) and isinstance(body, str):
        return re.fullmatch(_wild(form), body, re.DOTALL) is not None
    if isinstance(form, dict) and isinstance(body, dict):
        return all(name in body and matches(body[name], each) for name, each in form.items())
    return bool(body == form)


def _wild(form: str) -> str:
    pieces = re.split(r"\{[^}]*\}|%s", form)
    return ".+".join(map(re.escape, pieces))
