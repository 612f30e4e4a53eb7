"""Many clients change one library at once, and no acknowledged change is lost.

Every client knows what became of its own changes, by the names that the answers told. Put together, these are
all that may be in the library: nothing more, nothing less, and every byte as it was sent last.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.server import ApiClient, RunningServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CLIENTS = 32
STEPS = 12

Tree = dict[str, bytes | None]
"""Full paths: the content of files, None for folders."""


@dataclass
class Editor:
    """One client: what is in the library because of it."""

    account: ApiClient
    library_id: str
    number: int
    rng: random.Random
    mine: Tree = field(default_factory=dict)
    http: httpx.Client = field(init=False)

    def run(self, begin: threading.Barrier) -> Tree:
        """Take the steps together with all others, and return what has to be there because of them."""
        headers = {"Authorization": f"Token {self.account.token}"}
        with httpx.Client(base_url=self.account.server.url, headers=headers, timeout=120) as self.http:
            begin.wait()
            for _ in range(STEPS):
                self.rng.choice(EDITS)(self)
        return self.mine

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Send a request that has to succeed, and return its JSON value."""
        answer = self.http.request(method, f"{path.replace('ID', self.library_id)}", **options)
        told = f"client {self.number}: {method} {path} {options}: {answer.status_code} {answer.text[:300]}"
        assert answer.status_code == 200, told
        return answer.json()

    def content(self) -> bytes:
        """Return content that nobody else sends, mostly small."""
        size = self.rng.choice((10, 10, 1000, 1000, 70_000))
        return b"%d " % self.number + self.rng.randbytes(size)

    def send(self, url: str, name: str, content: bytes, **form: str) -> dict[str, Any]:
        """Send a file, and return what it is called now."""
        answer = self.http.post(url, params={"ret-json": "1"}, data=form, files={"file": (name, content)})
        assert answer.status_code == 200, f"client {self.number}: {answer.status_code} {answer.text}"
        (entry,) = answer.json()
        assert entry["size"] == len(content)
        return dict(entry)

    def files(self) -> list[str]:
        """Return the paths of this client's files."""
        return sorted(path for path, content in self.mine.items() if content is not None)


# -- what clients do -------------------------------------------------------------------------------------


def upload(editor: Editor) -> None:
    """Add a file of the name that everybody uses."""
    content = editor.content()
    link = editor.call("GET", "/api2/repos/ID/upload-link/")
    entry = editor.send(link, "same.txt", content, parent_dir="/shared")
    editor.mine[f"/shared/{entry['name']}"] = content


def upload_below(editor: Editor) -> None:
    """Add a file in a folder that everybody makes with the first file."""
    content = editor.content()
    folder = editor.rng.choice(("made", "made/on", "made/on/the way"))
    link = editor.call("GET", "/api2/repos/ID/upload-link/")
    entry = editor.send(link, "deep.txt", content, parent_dir="/shared", relative_path=folder)
    parts = folder.split("/")
    editor.mine |= {f"/shared/{'/'.join(parts[: count + 1])}": None for count in range(len(parts))}
    editor.mine[f"/shared/{folder}/{entry['name']}"] = content


def make_folder(editor: Editor) -> None:
    """Make a folder of the name that everybody uses."""
    form = {"operation": "mkdir"}
    made = editor.call("POST", "/api/v2.1/repos/ID/dir/", params={"p": "/shared/same"}, data=form)
    editor.mine[f"/shared/{made['obj_name']}"] = None


def rename(editor: Editor) -> None:
    """Give a file of one's own the name that everybody wants."""
    wanted = f"renamed by {editor.number % 4}"
    candidates = [path for path in editor.files() if not path.endswith(f"/{wanted}")]
    if not candidates:
        upload(editor)
        return
    path = editor.rng.choice(candidates)
    parent = path.rpartition("/")[0]
    form = {"operation": "rename", "newname": wanted}
    done = editor.call("POST", "/api/v2.1/repos/ID/file/", params={"p": path}, data=form)
    editor.mine[f"{parent}/{done['obj_name']}"] = editor.mine.pop(path)


def move(editor: Editor) -> None:
    """Move a file of one's own where everybody moves to."""
    candidates = [path for path in editor.files() if not path.startswith("/moved/")]
    if not candidates:
        upload(editor)
        return
    path = editor.rng.choice(candidates)
    form = {"operation": "move", "dst_repo": editor.library_id, "dst_dir": "/moved"}
    done = editor.call("POST", "/api/v2.1/repos/ID/file/", params={"p": path}, data=form)
    editor.mine[f"/moved/{done['obj_name']}"] = editor.mine.pop(path)


def update(editor: Editor) -> None:
    """Send new content for a file of one's own."""
    if not editor.files():
        upload(editor)
        return
    path, content = editor.rng.choice(editor.files()), editor.content()
    link = editor.call("GET", "/api2/repos/ID/update-link/")
    answer = editor.http.post(link, data={"target_file": path}, files={"file": ("any", content)})
    assert answer.status_code == 200, f"client {editor.number}: {answer.status_code} {answer.text}"
    editor.mine[path] = content


def replace(editor: Editor) -> None:
    """Upload a file of one's own once more."""
    if not editor.files():
        upload(editor)
        return
    path, content = editor.rng.choice(editor.files()), editor.content()
    parent, _, name = path.rpartition("/")
    link = editor.call("GET", "/api2/repos/ID/upload-link/")
    entry = editor.send(link, name, content, parent_dir=parent, replace="1")
    assert entry["name"] == name
    editor.mine[path] = content


def delete(editor: Editor) -> None:
    """Delete a file of one's own."""
    if not editor.files():
        upload(editor)
        return
    path = editor.rng.choice(editor.files())
    editor.call("DELETE", "/api2/repos/ID/file/", params={"p": path})
    del editor.mine[path]


EDITS: tuple[Callable[[Editor], None], ...] = (
    upload,
    upload,
    upload_below,
    make_folder,
    rename,
    move,
    update,
    replace,
    delete,
)


# -- what has to come of it ------------------------------------------------------------------------------


def edit_together(account: ApiClient, seed: int) -> tuple[str, Tree]:
    """Return a library that all clients have changed, and what has to be in it."""
    library_id = account.create_library("crowded")
    expected: Tree = {}
    for path in ("/shared", "/moved"):
        account.make_folder(library_id, path)
        expected[path] = None
    begin = threading.Barrier(CLIENTS)
    editors = [
        Editor(account, library_id, number, random.Random(seed * 1000 + number)) for number in range(CLIENTS)
    ]
    with ThreadPoolExecutor(CLIENTS) as pool:
        parts = list(pool.map(lambda editor: editor.run(begin), editors))
    for part in parts:
        twice = {path for path in part.keys() & expected.keys() if part[path] is not None}
        assert not twice, f"two clients were told the same names: {twice}"
        expected |= part
    return library_id, expected


def found_in(account: ApiClient, library_id: str) -> Tree:
    """Return everything that is in a library."""
    found: Tree = {}
    for entry in account.listing(library_id, recursive="1"):
        path = f"{entry['parent_dir'].rstrip('/')}/{entry['name']}"
        found[path] = account.download(library_id, path) if entry["type"] == "file" else None
    return found


def check(account: ApiClient, library_id: str, expected: Tree) -> None:
    """Compare a library with what has to be in it; its books have to be right as well."""
    found = found_in(account, library_id)
    assert sorted(found) == sorted(expected)
    assert found == expected
    size = sum(len(content) for content in expected.values() if content is not None)
    assert account.json("GET", f"/api2/repos/{library_id}/")["size"] == size
    done = account.server.command("verify", library_id)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_acknowledged_edit_is_lost(server: RunningServer, alice: ApiClient) -> None:
    check(alice, *edit_together(alice, seed=1))


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[RunningServer]:
    """A server of two processes, which meet in the database only."""
    running = RunningServer(tmp_path / "data", settings={"SEAFLEET_WORKERS": "2"}).start()
    yield running
    running.stop()


def test_no_acknowledged_edit_is_lost_between_two_workers(pair: RunningServer) -> None:
    check(pair.admin, *edit_together(pair.admin, seed=2))
