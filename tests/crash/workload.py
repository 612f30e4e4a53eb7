"""Clients that change a library while its server is about to be killed, and what they know afterwards.

Each client works in a folder of its own and keeps two pictures of it: as it is by what was acknowledged, and
as it would be if the request under way had been carried out too. After a crash the folder has to look like
one of the two. Kill points are counts of acknowledgements, so that they come where the work is.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from tests.support.server import ApiClient, RunningServer

KIB: Final = 1 << 10
SIZES: Final = (0, 1, 5 * KIB, 60 * KIB, 64 * KIB + 1, 300 * KIB, 1 << 20, (8 << 20) + 1)
"""Empty, small enough for a row, just too large for one, streamed, more than one block."""
WEIGHTS: Final = (1, 6, 6, 4, 4, 4, 2, 1)

Folder = dict[str, bytes | None]
"""Paths below a client's folder: the content of files, None for folders."""


class Fuse:
    """Kills the server at a certain number of acknowledgements, from the thread that received the last."""

    def __init__(self, server: RunningServer, after: int) -> None:
        self._server = server
        self._left = after
        self._guard = threading.Lock()
        self.burnt = threading.Event()

    def acknowledged(self) -> None:
        """Count one acknowledgement."""
        with self._guard:
            self._left -= 1
            if self._left == 0:
                self.burnt.set()
                self._server.kill()


@dataclass
class Worker:
    """One client: its folder, its two pictures of it, and what went wrong before the server was killed."""

    account: ApiClient
    library_id: str
    name: str
    rng: random.Random
    certain: Folder = field(default_factory=dict)
    possible: Folder = field(default_factory=dict)
    fault: str = ""
    number: int = 0
    http: httpx.Client = field(init=False)

    @property
    def folder(self) -> str:
        """Where this client works."""
        return f"/{self.name}"

    def run(self, steps: Sequence[Callable[[Worker], None]], fuse: Fuse) -> None:
        """Take steps until the server is gone."""
        headers = {"Authorization": f"Token {self.account.token}"}
        with httpx.Client(base_url=self.account.server.url, headers=headers, timeout=30) as self.http:
            try:
                while not fuse.burnt.is_set():
                    self.possible = dict(self.certain)
                    self.rng.choice(steps)(self)
                    self.certain = dict(self.possible)
                    fuse.acknowledged()
            except httpx.TransportError:
                if not fuse.burnt.wait(10):
                    self.fault = "the connection broke although the server was not killed"
            except AssertionError as error:
                self.fault = str(error)

    def files(self) -> list[str]:
        """Return the paths of the files that are there for certain."""
        return sorted(path for path, content in self.certain.items() if content is not None)

    def fresh_name(self) -> str:
        """Return a name that was not used before."""
        self.number += 1
        return f"{self.number}"

    def content(self) -> bytes:
        """Return new content of a size that matters."""
        (size,) = self.rng.choices(SIZES, WEIGHTS)
        return self.rng.randbytes(size)

    def expect(self, status: int, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request that has to succeed."""
        answer = self.http.request(method, path, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:200]}"
        return answer

    def send(self, url: str, form: dict[str, str], name: str, content: bytes, **params: str) -> None:
        """Send a file to the file server."""
        files = {"file": (name, content)}
        answer = self.http.post(url, params=params, data=form, files=files)
        assert answer.status_code == 200, f"{url}: {answer.status_code} {answer.text[:200]}"


# -- steps -----------------------------------------------------------------------------------------------


def upload(worker: Worker) -> None:
    """Add a file."""
    name, content = worker.fresh_name(), worker.content()
    worker.possible[name] = content
    link = worker.expect(200, "GET", f"/api2/repos/{worker.library_id}/upload-link/").json()
    worker.send(link, {"parent_dir": worker.folder}, name, content)


def upload_below(worker: Worker) -> None:
    """Add a file in a folder that is made with it."""
    folder, content = worker.fresh_name(), worker.content()
    worker.possible |= {folder: None, f"{folder}/file": content}
    link = worker.expect(200, "GET", f"/api2/repos/{worker.library_id}/upload-link/").json()
    worker.send(link, {"parent_dir": worker.folder, "relative_path": folder}, "file", content)


def update(worker: Worker) -> None:
    """Replace the content of a file, starting from a commit that is no longer the head: a merge."""
    if not worker.files():
        upload(worker)
        return
    path, content = worker.rng.choice(worker.files()), worker.content()
    base = head_of(worker)  # while this client looks away, the others move on
    worker.expect(200, "GET", f"/api2/repos/{worker.library_id}/dir/", params={"p": worker.folder})
    link = worker.expect(200, "GET", f"/api2/repos/{worker.library_id}/update-link/").json()
    worker.possible[path] = content
    worker.send(link, {"target_file": f"{worker.folder}/{path}"}, "file", content, head=base)


def head_of(worker: Worker) -> str:
    """Return the head of the library."""
    found = worker.expect(200, "GET", f"/api2/repos/{worker.library_id}/").json()
    return str(found["head_commit_id"])


def make_folder(worker: Worker) -> None:
    """Make a folder."""
    name = worker.fresh_name()
    worker.possible[name] = None
    where = {"p": f"{worker.folder}/{name}"}
    url = f"/api2/repos/{worker.library_id}/dir/"
    worker.expect(201, "POST", url, params=where, data={"operation": "mkdir"})


def rename(worker: Worker) -> None:
    """Rename a file."""
    if not worker.files():
        upload(worker)
        return
    path = worker.rng.choice(worker.files())
    parent, slash, _ = path.rpartition("/")
    name = worker.fresh_name()
    worker.possible[f"{parent}{slash}{name}"] = worker.possible.pop(path)
    where = {"p": f"{worker.folder}/{path}"}
    form = {"operation": "rename", "newname": name}
    worker.expect(200, "POST", f"/api/v2.1/repos/{worker.library_id}/file/", params=where, data=form)


def delete(worker: Worker) -> None:
    """Delete a file, or a folder with all it holds."""
    if not worker.certain:
        upload(worker)
        return
    path = worker.rng.choice(sorted(worker.certain))
    kind = "dir" if worker.certain[path] is None else "file"
    for each in list(worker.possible):
        if each == path or each.startswith(f"{path}/"):
            del worker.possible[each]
    where = {"p": f"{worker.folder}/{path}"}
    worker.expect(200, "DELETE", f"/api2/repos/{worker.library_id}/{kind}/", params=where)


UPLOADS: Final = (upload, upload, upload_below)
EDITS: Final = (upload, upload_below, update, update, make_folder, rename, delete)
DELETIONS: Final = (upload, delete, delete)


# -- afterwards ------------------------------------------------------------------------------------------


def present(worker: Worker, listing: Sequence[dict[str, Any]]) -> Folder:
    """Return what is in a client's folder now, every byte of it."""
    found: Folder = {}
    for entry in listing:
        path = f"{entry['parent_dir'].rstrip('/')}/{entry['name']}"
        if path.startswith(f"{worker.folder}/"):
            is_file = entry["type"] == "file"
            content = worker.account.download(worker.library_id, path) if is_file else None
            found[path.removeprefix(f"{worker.folder}/")] = content
    return found
