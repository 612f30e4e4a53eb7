"""Log lines: one event a line on stderr, as text for people or JSON for machines.

Tokens and passwords are never part of an event: whoever logs a path masks it first, and tracebacks come
without the values of variables.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal, TextIO, cast

import structlog

LogFormat = Literal["auto", "text", "json"]


def wants_json(log_format: LogFormat) -> bool:
    """Tell whether lines are JSON; `auto` means text on a terminal."""
    return log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())


def configure(level: str, log_format: LogFormat) -> None:
    """Send the program's events and its libraries' warnings to stderr, from `level` up."""
    stream = cast("TextIO", _Stderr())
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last = _json_processors() if wants_json(log_format) else _text_processors()
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    # Libraries tell of every connection and statement below this level.
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.WARNING), force=True)


def _json_processors() -> list[structlog.typing.Processor]:
    return [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(sort_keys=False, ensure_ascii=False),
    ]


def _text_processors() -> list[structlog.typing.Processor]:
    return [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]


class _Stderr:
    """Whatever stderr is at the moment."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def logger(name: str) -> Any:
    """Return a logger whose events carry the part of the program that they come from."""
    return structlog.get_logger(part=name)
