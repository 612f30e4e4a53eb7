"""Bad input for every route: one part of a good request at a time is replaced by something hostile.

What a good request of an operation looks like is read from the catalogs; which routes there are, from the
server's own registry. So a new route is attacked without being mentioned here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from seafleet.api.registry import all_routes
from tests.support.catalog import CATALOGS, FOLDER, matches
from tests.support.wire import FORM, JSON, Answer, form, multipart, multipart_type

MIB: Final = 1 << 20

TEXTS: Final[Mapping[str, str | bytes]] = {
    "NUL": "a\0b",
    "not UTF-8": b"a\xff\xfeb",
    "half a surrogate pair": b"a\xed\xa0\x80b",
    "5,000 bytes": "n" * 5000,
    "way out": "../../../etc/passwd",
    "line break": "a\r\nX-Injected: yes\r\n\r\n",
    "beyond 64 bits": "99999999999999999999999999",
    "5,000 digits": "9" * 5000,
    "negative": "-9223372036854775809",
    "markup": "<script>alert('&')</script>%s%n{0}",
}
"""Values for one parameter."""

VALUES: Final[Mapping[str, bytes]] = {
    "huge number": b"1" + b"0" * 400,
    "fraction": b"1e308",
    "true": b"true",
    "null": b"null",
    "object": b'{"a": {"b": [1]}}',
    "nested arrays": b"[[1, [2]], [], null]",
    "half a surrogate pair": b'"a\\ud800b"',
    "NUL": b'"a\\u0000b"',
    "raw bytes": b'"a\xff\xfeb"',
}
"""JSON values for one parameter."""

SEGMENTS: Final[Mapping[str, str]] = {
    "NUL": "a%00b",
    "not UTF-8": "a%ff%feb",
    "half a surrogate pair": "a%ed%a0%80b",
    "5,000 bytes": "n" * 5000,
    "way out": "..%2f..%2fetc%2fpasswd",
    "dots": "..",
    "line break": "a%0d%0aX-Injected:%20yes",
    "beyond 64 bits": "99999999999999999999999999",
    "broken escape": "%zz%",
    "somebody": "nobody@example.com",
    "an id of zeros": "00000000-0000-0000-0000-000000000000",
}
"""Values for one segment of a path, as they go over the wire."""

DATABASE_CASES: Final = re.compile(
    "NUL|UTF-8|surrogate|5,000|64 bits|digits|negative|number|fraction|null|raw|zeros"
)
"""The names of the cases that databases differ in."""


@dataclass(frozen=True)
class Spot:
    """One verb and path that the server serves, with the operations that are answered there."""

    verb: str
    pattern: str
    operations: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.verb} {self.pattern}"

    @property
    def is_dear(self) -> bool:
        """Whether each request costs a password's hash."""
        return "auth-token" in self.pattern


@dataclass(frozen=True)
class Attack:
    """One hostile request."""

    name: str
    target: str
    headers: tuple[str, ...] = ()
    body: bytes = b""
    length: int | None = None
    half_close: bool = False


@lru_cache(maxsize=1)
def spots() -> list[Spot]:
    """Return every spot, in the order of the paths."""
    found: dict[tuple[str, str], list[str]] = {}
    for route in all_routes():
        found.setdefault((route.pattern, route.verb), []).extend(route.operations)
    return [Spot(verb, pattern, tuple(found[pattern, verb])) for pattern, verb in sorted(found)]


@lru_cache(maxsize=1)
def documented() -> dict[str, dict[str, Any]]:
    """Return the entries of the catalogs by operation."""
    entries = [
        entry
        for name in CATALOGS
        for entry in json.loads((FOLDER / f"catalog-{name}.json").read_text("utf-8"))
    ]
    return {entry["id"]: entry for entry in entries}


def is_documented(spot: Spot, answer: Answer) -> bool:
    """Tell whether an error is the caller's own, or one that a manual tells of and that says what failed."""
    if answer.status < 500:
        return True
    if not answer.header("Content-Type").startswith("application/json"):
        return False
    errors = [error for name in spot.operations for error in documented().get(name, {}).get("errors", [])]
    known = [error["body"] for error in errors if error["status"] == answer.status]
    said = answer.json()
    return "nternal" not in str(said) and any(matches(said, body) for body in known)


def params_of(operation: str, pattern: str) -> list[Mapping[str, Any]]:
    """Return the parameters of an operation: the catalog's, or those that no catalog tells of."""
    entry = documented().get(SAME_PARAMS.get(operation, operation))
    if entry is not None:
        return list(entry["params"])
    names = UNDOCUMENTED_QUERIES.get(pattern.rstrip("/").rpartition("/")[2], ())
    return [{"name": name, "in": "query", "type": "string"} for name in names]


SAME_PARAMS: Final = {"upload-from-browser": "upload-file-1", "update-from-browser": "update-file-1"}
UNDOCUMENTED_QUERIES: Final[Mapping[str, Sequence[str]]] = {
    "HEAD": ("head",),
    "permission-check": ("op", "client_id", "client_name", "client_ver"),
    "quota-check": ("delta",),
    "fs-id-list": ("server-head", "client-head", "dir-only"),
    "start-fs-id-list": ("server-head", "client-head"),
    "query-fs-id-list": ("token",),
    "retrieve-fs-id-list": ("token",),
    "lock-file": ("p",),
    "unlock-file": ("p",),
    "{path:rest}": ("op",),
    "upload_progress": ("X-Progress-ID", "callback"),
    "idx_progress": ("task_id",),
}
"""By the end of the path: what the sync protocol and the file server read from the query."""


# -- good requests ---------------------------------------------------------------------------------------

Fields = dict[str, str]


@dataclass(frozen=True)
class Good:
    """A request as it should be: what stands in its path, in its query and in its body."""

    path: Fields
    query: Fields
    body: Fields
    as_multipart: bool = False


class Stage:
    """What requests are about: names of parameters and the values that make sense for them."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = dict(values)

    def goods(self, spot: Spot) -> Iterator[Good]:
        """Yield a good request for each operation of a spot; one without parameters if there is none."""
        for name in spot.operations:
            yield self._good(spot, params_of(name, spot.pattern))

    def _good(self, spot: Spot, params: Sequence[Mapping[str, Any]]) -> Good:
        query, body = {}, {}
        for param in params:
            value = self._value(spot, param)
            if param["in"] == "query":
                query[param["name"]] = value
            elif param["in"] not in ("path", "header") and not param["type"].startswith("file"):
                body[param["name"]] = value
        is_multipart = any(param["in"] == "multipart" for param in params) or "upload" in spot.pattern
        return Good(self._path(spot), query, body, is_multipart and spot.verb == "POST")

    def _path(self, spot: Spot) -> Fields:
        names = re.findall(r"\{([a-z_]+)", spot.pattern)
        return {name: self._value(spot, {"name": name}) for name in names}

    def _value(self, spot: Spot, param: Mapping[str, Any]) -> str:
        name = param["name"]
        if param.get("values"):
            return str(param["values"][0]).replace("{repo_id}", self.values["repo_id"])
        kind = spot.pattern.strip("/").split("/")[1]
        for key in (f"{kind} {name}", name):
            if key in self.values:
                return self.values[key]
        if name in ("p", "path"):
            return "/note.md" if "file" in spot.pattern else "/a"
        return str(param.get("default") or "1")


def target_of(spot: Spot, path: Mapping[str, str], query: Sequence[tuple[str, str | bytes]] = ()) -> str:
    """Return path and query of a request; the path's values are escaped already."""
    filled = re.sub(r"\{([a-z_]+)(:[a-z]+)?\}", lambda found: path[found[1]], spot.pattern)
    return filled + ("?" + form(query).decode() if query else "")


# -- hostile ones ----------------------------------------------------------------------------------------


def attacks(spot: Spot, stage: Stage) -> Iterator[Attack]:
    """Yield every attack on a spot, no two alike."""
    seen = set()
    for good in stage.goods(spot):
        for attack in _attacks_from(spot, good):
            key = (attack.name, attack.target, attack.body[:20_000])
            if key not in seen:
                seen.add(key)
                yield attack


def _attacks_from(spot: Spot, good: Good) -> Iterator[Attack]:
    yield from _on_the_path(spot, good)
    yield from _on_the_query(spot, good)
    if spot.verb in ("POST", "PUT", "DELETE"):
        yield from _on_fields(spot, good)
        yield from _on_json(spot, good)
        yield from _on_bodies(spot, good)


def _on_the_path(spot: Spot, good: Good) -> Iterator[Attack]:
    for name in good.path:
        for case, segment in SEGMENTS.items():
            yield Attack(f"{name} in path: {case}", target_of(spot, {**good.path, name: segment}))


def _on_the_query(spot: Spot, good: Good) -> Iterator[Attack]:
    for name in good.query:
        rest = [(other, value) for other, value in good.query.items() if other != name]
        for case, text in TEXTS.items():
            target = target_of(spot, good.path, [*rest, (name, text)])
            yield Attack(f"{name} in query: {case}", target, *_body(good, list(good.body.items())))
        twice = target_of(spot, good.path, [*rest, (name, "1"), (name, "2"), (f"{name}[]", "3")])
        yield Attack(f"{name} in query: three times", twice, *_body(good, list(good.body.items())))
    plain = target_of(spot, good.path)
    yield Attack("query that is none", f"{plain}?%zz&=&&==%ff;a[b]=c")
    yield Attack("format that is none", f"{plain}?format=xml")
    yield Attack("fields without number", f"{plain}?" + "&" * 25_000)


def _on_fields(spot: Spot, good: Good) -> Iterator[Attack]:
    target = target_of(spot, good.path, list(good.query.items()))
    for name in good.body:
        rest = [(other, value) for other, value in good.body.items() if other != name]
        for case, text in TEXTS.items():
            fields: list[tuple[str, str | bytes]] = [*rest, (name, text)]
            yield Attack(f"{name} in form: {case}", target, *_body(good, fields))
        yield Attack(f"{name} in form: twice", target, *_body(good, [*rest, (name, "1"), (name, "2")]))
        yield Attack(f"{name} in form: not there", target, *_body(good, rest))
        yield Attack(f"{name} in form: empty", target, *_body(good, [*rest, (name, "")]))


def _body(good: Good, fields: Sequence[tuple[str, str | bytes]]) -> tuple[tuple[str, ...], bytes]:
    if good.as_multipart:
        return (multipart_type(),), multipart(fields, [("file", "attack.txt", b"content")])
    return ((f"Content-Type: {FORM}",), form(fields)) if fields else ((), b"")


def _on_json(spot: Spot, good: Good) -> Iterator[Attack]:
    if good.as_multipart:
        return
    target, kind = target_of(spot, good.path, list(good.query.items())), (f"Content-Type: {JSON}",)
    for name in good.body:
        for case, value in VALUES.items():
            members = [
                json.dumps(other).encode() + b": " + (value if other == name else json.dumps(text).encode())
                for other, text in good.body.items()
            ]
            yield Attack(f"{name} in JSON: {case}", target, kind, b"{" + b", ".join(members) + b"}")


def _on_bodies(spot: Spot, good: Good) -> Iterator[Attack]:
    target = target_of(spot, good.path, list(good.query.items()))
    for name, kind, body in BODIES:
        yield Attack(f"body: {name}", target, (f"Content-Type: {kind}",) if kind else (), body)
    kind = f"Content-Type: {FORM}"
    yield Attack("body: cut off", target, (kind,), b"a=b", length=1000, half_close=True)
    chunked = ("Transfer-Encoding: chunked", kind)
    yield Attack("body: chunks of no size", target, chunked, b"zz\r\nabc\r\n", length=-1)
    yield Attack("body: chunk cut off", target, chunked, b"ff\r\nabc", length=-1, half_close=True)


def _multipart(*lines: bytes) -> bytes:
    return b"\r\n".join(lines)


_FIELD: Final = b'Content-Disposition: form-data; name="p"'
_MULTI: Final = "multipart/form-data; boundary=boundary"

BODIES: Final[Sequence[tuple[str, str, bytes]]] = (
    ("JSON cut off", JSON, b'{"p": "/a'),
    ("JSON of 100,000 levels", JSON, b"[" * 100_000),
    ("objects of 50,000 levels", JSON, b'{"p":' * 50_000 + b"1" + b"}" * 50_000),
    ("JSON with a name twice", JSON, b'{"p": "/nowhere", "p": "/nowhere either"}'),
    ("JSON that is a text", JSON, b'"text"'),
    ("JSON that is a list", JSON, b'[1, "a", null]'),
    ("JSON that is a number", JSON, b"1e400"),
    ("JSON with NaN", JSON, b'{"p": NaN}'),
    ("JSON that is not UTF-8", JSON, b'{"p": "\xff"}'),
    ("JSON with NUL in a name", JSON, b'{"\\u0000": "a"}'),
    ("JSON in UTF-16", JSON, '{"p": "/a"}'.encode("utf-16")),
    ("form that is none", FORM, b"%zz=%&=&&&=%ff"),
    ("form of bytes", FORM, bytes(range(256))),
    ("form without number", FORM, b"a=&" * 30_000),
    ("form with 10 MB", FORM, b"p=" + b"x" * (10 * MIB)),
    ("unknown type", "text/xml", b"<p>/a</p>"),
    ("no type", "", b"p=/a"),
    ("type of junk", "; =;/\x01\x7f", b"p=/a"),
    ("multipart without boundary", "multipart/form-data", b"--b\r\n\r\n--b--"),
    ("multipart with empty boundary", "multipart/form-data; boundary=", b"--\r\n\r\n----"),
    ("multipart with long boundary", f"multipart/form-data; boundary={'b' * 3000}", b"--b\r\n"),
    ("multipart that is none", _MULTI, b"p=/a"),
    ("multipart cut off", _MULTI, _multipart(b"--boundary", _FIELD, b"", b"/a")),
    ("multipart without name", _MULTI, _multipart(b"--boundary", b"X: y", b"", b"/a", b"--boundary--", b"")),
    ("multipart of bytes", _MULTI, _multipart(b"--boundary", _FIELD, b"", b"\xff\x00", b"--boundary--", b"")),
    (
        "multipart with a huge head",
        _MULTI,
        _multipart(b"--boundary", _FIELD, b"X: " + b"y" * 200_000, b"", b"/a", b"--boundary--", b""),
    ),
    (
        "multipart name with NUL",
        _MULTI,
        _multipart(b"--boundary", _FIELD.replace(b"p", b"p\0"), b"", b"/a", b"--boundary--", b""),
    ),
    (
        "multipart with an unknown charset",
        f"{_MULTI}; charset=utf-7",
        _multipart(
            b"--boundary", _FIELD, b"Content-Type: text/plain; charset=x", b"", b"/a", b"--boundary--"
        ),
    ),
)
"""Bodies that are wrong as a whole: name, type, bytes."""
