"""The composition root: settings become services, services become the application that uvicorn serves.

This is one of the two places that stand between a mistake in the program and a dead process (the other runs
jobs): only here everything is caught.
"""

from __future__ import annotations

from seafleet.app.server import FirstStart, Server, create_app, describe_first_start, first_start
from seafleet.app.threads import Periodic, Threads
from seafleet.app.wiring import build_services, close_services

__all__ = [
    "FirstStart",
    "Periodic",
    "Server",
    "Threads",
    "build_services",
    "close_services",
    "create_app",
    "describe_first_start",
    "first_start",
]
