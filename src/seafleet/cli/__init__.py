"""The command line, `seafleet`: one module per command."""

from __future__ import annotations

from seafleet.cli.main import main

__all__ = ["main"]
