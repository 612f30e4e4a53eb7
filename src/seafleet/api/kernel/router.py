"""Finds the route of a path in one walk over its segments, whatever the number of routes.

A pattern is a path whose segments are literal or a placeholder::

    /api2/repos/{library_id}/dir/       one segment; a library id by its name
    /api2/groups/{group_id:number}/     one segment of decimal digits
    /seafhttp/files/{token}/{name:rest} everything that follows, slashes included, perhaps nothing

A trailing slash never matters. Literal segments win over placeholders, narrow placeholders over wide ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")

_REST: Final = "rest"
_KINDS: Final[Mapping[str, Callable[[str], object]]] = {
    # In order of preference. Any 36 of these characters may name a library; the caller looks closer.
    "library": re.compile(r"[-0-9a-f]{36}").fullmatch,
    "object": re.compile(r"[0-9a-f]{40}").fullmatch,
    "number": re.compile(r"[0-9]{1,18}").fullmatch,
    "email": re.compile(r"[^/\s]+@[^/\s]+").fullmatch,
    "segment": lambda text: text != "",
}
_RANK: Final = {kind: rank for rank, kind in enumerate(_KINDS)}
_KIND_OF_NAME: Final = {"library_id": "library", "repo_id": "library"}
_PLACEHOLDER = re.compile(r"\{([a-z_]+)(?::([a-z]+))?\}")

IMPLIED: Final = {"HEAD": "GET"}


@dataclass(slots=True)
class _Node(Generic[T]):
    literals: dict[str, _Node[T]] = field(default_factory=dict)
    placeholders: list[tuple[str, _Node[T]]] = field(default_factory=list)
    rest: _Node[T] | None = None
    verbs: dict[str, tuple[tuple[str, ...], T]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match(Generic[T]):
    """A route and the values of its placeholders, decoded."""

    route: T
    params: dict[str, str]


@dataclass(frozen=True, slots=True)
class NoRoute:
    """Nothing answers at this path, or it is not UTF-8, or it holds a NUL."""


@dataclass(frozen=True, slots=True)
class WrongVerb(Generic[T]):
    """The path exists, the verb does not: `allowed` are the verbs it has, `routes` what answers them."""

    allowed: tuple[str, ...]
    routes: tuple[T, ...]


class DuplicateRouteError(ValueError):
    """Two routes claim the same verb and pattern, or a pattern is malformed: a mistake in the program."""


def decode_path(raw_path: bytes) -> str | None:
    """Return a percent-encoded path as text, or None when it is not UTF-8 or holds a NUL."""
    try:
        text = (unquote_to_bytes(raw_path) if b"%" in raw_path else raw_path).decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


class Router(Generic[T]):
    """Maps verb and path to a route. Filled once, then only read."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._fixed: dict[bytes, _Node[T]] = {}

    def add(self, verb: str, pattern: str, route: T) -> None:
        """Register a route. Raises DuplicateRouteError."""
        node, names = self._root, []
        for segment in _segments(pattern):
            if placeholder := _PLACEHOLDER.fullmatch(segment):
                name, kind = placeholder.group(1), placeholder.group(2)
                names.append(name)
                node = _placeholder_child(node, kind or _KIND_OF_NAME.get(name, "segment"))
            elif "{" in segment or "}" in segment:
                raise DuplicateRouteError(f"malformed pattern {pattern}")
            else:
                node = node.literals.setdefault(segment, _Node())
        if verb in node.verbs:
            raise DuplicateRouteError(f"{verb} {pattern} is registered twice")
        node.verbs[verb] = (tuple(names), route)
        if not names:
            self._fixed[pattern.encode()] = self._fixed[pattern.rstrip("/").encode()] = node

    def match(self, verb: str, raw_path: bytes) -> Match[T] | NoRoute | WrongVerb[T]:
        """Return what answers this request. `raw_path` is as sent, percent-encoded, without the query."""
        node = self._fixed.get(raw_path)
        if node is not None:
            return _answer(verb, node, ()) or self._search(verb, raw_path)
        return self._search(verb, raw_path)

    def _search(self, verb: str, raw_path: bytes) -> Match[T] | NoRoute | WrongVerb[T]:
        path = decode_path(raw_path)
        if path is None:
            return NoRoute()
        seen: list[_Node[T]] = []
        for node, values in _candidates(self._root, _segments(path), 0, path.endswith("/")):
            if found := _answer(verb, node, values):
                return found
            seen.append(node)
        return _wrong_verb(seen) if seen else NoRoute()


def _segments(path: str) -> list[str]:
    parts = path.split("/")[1:]
    if parts and parts[-1] == "":
        parts.pop()
    return parts


def _placeholder_child(node: _Node[T], kind: str) -> _Node[T]:
    if kind == _REST:
        node.rest = node.rest or _Node()
        return node.rest
    if kind not in _KINDS:
        raise DuplicateRouteError(f"unknown kind of placeholder: {kind}")
    for known, child in node.placeholders:
        if known == kind:
            return child
    child = _Node()
    node.placeholders.append((kind, child))
    node.placeholders.sort(key=lambda item: _RANK[item[0]])
    return child


def _candidates(
    node: _Node[T], segments: list[str], at: int, slash: bool
) -> Iterator[tuple[_Node[T], tuple[str, ...]]]:
    if at == len(segments):
        if node.verbs:
            yield node, ()
    else:
        segment = segments[at]
        literal = node.literals.get(segment)
        if literal is not None:
            yield from _candidates(literal, segments, at + 1, slash)
        for kind, child in node.placeholders:
            if _KINDS[kind](segment):
                for found, values in _candidates(child, segments, at + 1, slash):
                    yield found, (segment, *values)
    if node.rest is not None:
        rest = "/".join(segments[at:])
        yield node.rest, (f"{rest}/" if slash and rest else rest,)


def _answer(verb: str, node: _Node[T], values: tuple[str, ...]) -> Match[T] | None:
    entry = node.verbs.get(verb) or node.verbs.get(IMPLIED.get(verb, verb))
    if entry is None:
        return None
    names, route = entry
    return Match(route, dict(zip(names, values, strict=True)))


def _wrong_verb(nodes: list[_Node[T]]) -> WrongVerb[T]:
    verbs = {verb: route for node in reversed(nodes) for verb, (_, route) in node.verbs.items()}
    allowed = set(verbs) | {"OPTIONS"} | {implied for implied, real in IMPLIED.items() if real in verbs}
    return WrongVerb(tuple(sorted(allowed)), tuple(verbs.values()))
