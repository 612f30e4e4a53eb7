"""Lets `python -m seafleet` do what `seafleet` does."""

from seafleet.cli import main

if __name__ == "__main__":
    main()
