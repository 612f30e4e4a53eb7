"""Recursion as deep as a path can be long, and never twice over the same thing.

A folder may lie two thousand levels deep, which is more than Python's stack allows; and since trees are
addressed by content, a small tree may hold one folder in a billion places, which is more than anybody can
walk.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from typing import Any, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


def evaluate(visit: Callable[[Key], Generator[Key, Value, Value]], root: Key) -> Value:
    """Return the value of `root`.

    `visit(key)` is a generator that returns the value of `key`; wherever it needs the value of another key
    it yields that key and is sent the value. Every key is visited once, however often it is asked for.
    Keys must not need each other in a circle; those made of object ids cannot.
    """
    known: dict[Key, Value] = {}
    running = [(root, visit(root))]
    answer: Any = None  # what a generator is started with
    while running:
        key, visitor = running[-1]
        try:
            wanted = visitor.send(answer)
        except StopIteration as end:
            running.pop()
            known[key] = answer = end.value
            continue
        answer = known.get(wanted)
        if wanted not in known:
            running.append((wanted, visit(wanted)))
    return known[root]
