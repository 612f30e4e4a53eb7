"""A machine with an agent on it, run step by step in the test's own process."""

from __future__ import annotations

from pathlib import Path

import seafleet_agent as agent
from seafleet_agent import Agent, People, StateFile
from tests.agent.recorded import RecordedMachine


class Desk:
    """An agent whose machine is recorded, whose clock stands still, and that somebody sits in front of.

    `answer` is what he says when he is asked; None when nobody is there. `shown` is what he saw.
    """

    def __init__(
        self,
        url: str,
        path: Path,
        *,
        hwid: str = "K7Q2M4ZT9W1XB5RD",
        machine: RecordedMachine | None = None,
        configuration: str = "/nonexistent",
    ) -> None:
        self.url = url
        self.hwid = hwid
        self.configuration = configuration
        self.now = 1_800_000_000.0
        self.machine = machine or RecordedMachine()
        self.store = StateFile(str(path / "state" / "state.json"))
        self.agent = Agent(self.machine, self.store, Somebody(self), clock=lambda: self.now)
        self.answer: str | None = None
        self.shown: list[str] = []

    def enrol(self, *words: str, secret: str) -> None:
        """Enrol with a code."""
        line = ["enrol", self.url, "--hwid", self.hwid, "--seafile-config", self.configuration]
        arguments = agent.build_parser().parse_args([*line, "--code", secret, *words])
        agent.enrol(arguments, self.machine, self.store)

    def round(self) -> float:
        """Run a round that does not wait for orders."""
        return self.agent.round(wait_seconds=0)


class Somebody(People):
    """Whoever sits at a desk."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk.machine)
        self._desk = desk

    def ask(self, question: str) -> str | None:
        return self._desk.answer

    def tell(self, text: str) -> bool:
        self._desk.shown.append(text)
        return self._desk.answer is not None
