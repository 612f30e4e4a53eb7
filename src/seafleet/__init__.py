"""Seafleet: one self-hosted server for a team's files and for the devices that reach them."""

from __future__ import annotations

__version__ = "0.1.0"
