"""The answer of the access evaluator: a value that says yes or no, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether an actor may do something, the sentence that explains it, and the rule that decided.

    `rule` is a stable word such as `owner`, `user_share`, `device_lost`, `no_share`.
    """

    allowed: bool
    reason: str
    rule: str

    def __bool__(self) -> bool:
        return self.allowed
