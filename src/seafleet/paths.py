"""Names and paths inside a library: normal forms, what is refused, and what a taken name becomes.

A path is absolute and `/`-separated, without a final slash except the root. Names are compared byte for byte:
case and Unicode form matter. A backslash is an ordinary character.

Source: conventions §8 and §9; storage format §9; file server §2.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Final

from seafleet.errors import InvalidName, InvalidPath

MAX_NAME_BYTES: Final = 255
MAX_PATH_BYTES: Final = 4096
MAX_NUMBERED_NAMES: Final = 1000
"""How many numbers are tried before a taken name is refused."""

ROOT: Final = "/"


def normalize_folder(text: str) -> str:
    """Return the normal form of a folder's path: `"a//b/"` is `"/a/b"`, nothing at all is `"/"`."""
    return "/" + "/".join(components(text))


def normalize_file(text: str) -> str:
    """Return the normal form of a file's path. The root comes back as `"/"`, which is no file's path."""
    return normalize_folder(text)


def components(path: str) -> list[str]:
    """Return the names that lead to `path`, outermost first; none for the root."""
    return [name for name in path.split("/") if name]


def split(path: str) -> tuple[str, str]:
    """Return parent and name of a normal path; the root is `("/", "")`."""
    parent, _, name = path.rpartition("/")
    return parent or ROOT, name


def join(parent: str, name: str) -> str:
    """Return the path of `name`, which may be a relative path, inside the folder `parent`."""
    if not name:
        return parent
    return f"/{name}" if parent == ROOT else f"{parent}/{name}"


def with_parents(path: str) -> list[str]:
    """Return the path and every folder above it, the root last."""
    found = [path]
    while path != ROOT:
        path, _ = split(path)
        found.append(path)
    return found


def is_inside(path: str, folder: str) -> bool:
    """Tell whether `path` is `folder` or anything below it. Both in normal form."""
    return folder in (ROOT, path) or path.startswith(folder + "/")


def rebase(path: str, old: str, new: str) -> str:
    """Return where `path`, which is `old` or lies below it, is after `old` has become `new`."""
    rest = path[len(old) :].lstrip("/") if old != ROOT else path[1:]
    return join(new, rest)


def validate_name(name: str) -> None:
    """Check the name of a new library, file or folder. Raises InvalidName.

    Refused are the empty name, `.`, `..`, anything with a slash or a control character, what has no UTF-8
    form, and more than 255 bytes of UTF-8.
    """
    reason = _fault_of_name(name)
    if reason is not None:
        raise InvalidName(name.encode("utf-8", "replace").decode(), reason)


def _fault_of_name(name: str) -> str | None:
    if name in ("", ".", ".."):
        return "reserved" if name else "empty"
    if "/" in name:
        return "a slash"
    if not name.isprintable() and any(char < " " or "\x7f" <= char <= "\x9f" for char in name):
        return "a control character"
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "not UTF-8"
    return f"longer than {MAX_NAME_BYTES} bytes" if size > MAX_NAME_BYTES else None


def validate_path(path: str) -> None:
    """Check the path of something new: 4096 bytes at most, no `.` or `..`. Raises InvalidPath."""
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        raise InvalidPath(path.encode("utf-8", "replace").decode(), "not UTF-8") from None
    if size > MAX_PATH_BYTES:
        raise InvalidPath(path, f"longer than {MAX_PATH_BYTES} bytes")
    if "/." in path and any(name in (".", "..") for name in path.split("/")):
        raise InvalidPath(path, "has a component of dots only")


def path_hash(library_id: str, path: str) -> str:
    """Return the 64 hex digits under which tables index a path: SHA-256 of library id, NUL, path."""
    return sha256(f"{library_id}\0{path}".encode("utf-8", "surrogatepass")).hexdigest()


def numbered_names(name: str) -> Iterator[str]:
    """Yield what a taken name may become in the Web API: `a.txt`, then `a (1).txt`, `a (2).txt` and so on.

    `name` itself is not yielded. A name that merely starts with a dot has no extension: `.hid` is `.hid (1)`.
    The stem is shortened where the number would make it longer than a name may be. Ends after 1,000.
    """
    stem, dot, extension = name.rpartition(".")
    if not stem.strip("."):
        stem, dot, extension = name, "", ""
    return _numbered(stem, dot + extension)


def numbered_names_upload(name: str) -> Iterator[str]:
    """Yield what a taken name becomes in the file server: `.bashrc` becomes ` (1).bashrc`."""
    stem, dot, extension = name.rpartition(".")
    if not dot:
        stem, extension = name, ""
    return _numbered(stem, dot + extension)


def _numbered(stem: str, extension: str) -> Iterator[str]:
    if len(extension.encode()) > MAX_NAME_BYTES // 2:  # no room for a number before it
        stem, extension = stem + extension, ""
    for number in range(1, MAX_NUMBERED_NAMES + 1):
        ending = f" ({number}){extension}"
        yield _shortened(stem, MAX_NAME_BYTES - len(ending.encode())) + ending


def _shortened(stem: str, limit: int) -> str:
    data = stem.encode()
    if len(data) <= limit:
        return stem
    return data[:limit].decode(errors="ignore")
