"""`seafleet version`: what is installed."""

from __future__ import annotations

import platform

from seafleet import __version__
from seafleet.cli.console import say


def version() -> None:
    """Print the version of Seafleet and of the Python that it runs on."""
    say(f"seafleet {__version__} (Python {platform.python_version()})")
