"""`python -m seafleet` is the command line."""

from __future__ import annotations

from seafleet.cli import main

if __name__ == "__main__":
    main()
