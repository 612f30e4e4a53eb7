"""Errors of OAuth, below those of `seafleet.errors`::

InvalidInput
└── NoRedirect            who asks is not known well enough to be answered at the address that he gives
"""

from __future__ import annotations

from seafleet.errors import InvalidInput


class NoRedirect(InvalidInput):
    """An application is unknown, or asks to be answered at an address that is not registered for it."""

    code = "no_redirect"

    def __init__(self, reason: str) -> None:
        super().__init__(f"not answered by a redirect: {reason}")
        self.reason = reason
