"""A machine whose programs and files answer what was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seafleet_agent import Machine, Output


@dataclass
class RecordedMachine(Machine):
    """Programs answer by the start of their command line, the longest first; files by their path.

    What was not recorded is missing: `run` and `read` answer None. `ran` holds what was run.
    """

    system: str = "linux"
    is_root: bool = False
    outputs: dict[str, Output | str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)

    def run(
        self, *command: str, seconds: float = 10.0, environment: Mapping[str, str] | None = None
    ) -> Output | None:
        line = " ".join(command)
        self.ran.append(line)
        starts = [start for start in self.outputs if line.startswith(start)]
        if not starts:
            return None
        found = self.outputs[max(starts, key=len)]
        return found if isinstance(found, Output) else Output(0, found)

    def read(self, path: str) -> str | None:
        return self.files.get(path)

    def names(self, path: str) -> list[str]:
        prefix = path.rstrip("/") + "/"
        return sorted({file[len(prefix) :].split("/")[0] for file in self.files if file.startswith(prefix)})

    def changed_at(self, path: str) -> float | None:
        return self.times.get(path)
