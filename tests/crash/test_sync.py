"""`kill -9` while sync clients push: what was acknowledged is there afterwards, down to the single block."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import httpx
import pytest

from seafleet.formats.commit import Commit
from seafleet.formats.frames import encode_frames
from seafleet.ids import ObjectId
from tests.crash.workload import SIZES, WEIGHTS, Fuse
from tests.support.peer import Peer, make_tree
from tests.support.server import RunningServer

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(300)]

CLIENTS: Final = 6
POINTS: Final = (7, 100)


@pytest.fixture(scope="module", params=["1", "2"], ids=["one worker", "two workers"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A server that is killed again and again and has to go on with the same data."""
    data = tmp_path_factory.mktemp("crash") / "data"
    running = RunningServer(data, settings={"SEAFLEET_WORKERS": request.param}).start()
    yield running
    running.stop()


@dataclass
class Pusher:
    """A client that pushes one file after the other into a folder of its own, and what it was told."""

    peer: Peer
    name: str
    rng: random.Random
    parent: str
    files: dict[str, bytes] = field(default_factory=dict)
    objects: set[ObjectId] = field(default_factory=set)
    blocks: set[ObjectId] = field(default_factory=set)
    commits: set[ObjectId] = field(default_factory=set)
    under_way: tuple[Commit, dict[str, bytes]] | None = None
    fault: str = ""

    def run(self, fuse: Fuse) -> None:
        """Push until the server is gone; first what was under way when it went."""
        with httpx.Client(timeout=60) as self.peer.http:
            try:
                while not fuse.burnt.is_set():
                    self._push(fuse)
            except httpx.TransportError:
                if not fuse.burnt.wait(10):
                    self.fault = "the connection broke although the server was not killed"
            except AssertionError as error:
                self.fault = str(error)

    def _push(self, fuse: Fuse) -> None:
        if self.under_way is None:
            (size,) = self.rng.choices(SIZES, WEIGHTS)
            files = {**self.files, f"{len(self.files)}": self.rng.randbytes(size)}
            commit = self.peer.make_commit(make_tree({self.name: files}), self.parent)
            self.under_way = commit, files
        commit, files = self.under_way
        tree = make_tree({self.name: files})
        self._ask(self.peer.put_commit(commit), fuse)
        self.commits.add(commit.commit_id)
        new = {name: stored for name, stored in tree.objects.items() if name not in self.objects}
        if new:
            self._ask(self.peer.post("recv-fs/", encode_frames(new.items())), fuse)
            self.objects |= new.keys()
        for name in tree.blocks.keys() - self.blocks:
            self._ask(self.peer.put(f"block/{name}", tree.blocks[name]), fuse)
            self.blocks.add(name)
        self._ask(self.peer.put_head(commit.commit_id), fuse)
        self.files, self.parent, self.under_way = files, commit.commit_id, None

    @staticmethod
    def _ask(answer: httpx.Response, fuse: Fuse) -> None:
        assert answer.status_code == 200, f"{answer.url}: {answer.status_code} {answer.text[:200]}"
        fuse.acknowledged()

    def check(self, found: dict[str, bytes]) -> None:
        """Compare what is there with what was acknowledged."""
        assert self.peer.post("check-fs/", sorted(self.objects)).json() == []
        assert self.peer.post("check-blocks/", sorted(self.blocks)).json() == []
        for commit_id in self.commits:
            assert self.peer.commit(commit_id)["commit_id"] == commit_id
        if self.under_way is not None and found == self.under_way[1]:
            self.files, self.parent = found, self.under_way[0].commit_id  # done, and only the answer was lost
        assert found == self.files, f"{self.name}: {sorted(found)} instead of {sorted(self.files)}"


def test_what_sync_clients_were_acknowledged_survives(server: RunningServer) -> None:
    user = server.admin
    library_id = user.create_library("under fire")
    token = user.json("GET", f"/api2/repos/{library_id}/download-info/")["token"]

    def peer() -> Peer:
        return Peer(server.url, library_id, token, email=user.email, http=user.http)

    base = peer().push(make_tree({})).commit_id
    pushers = [Pusher(peer(), f"client {n}", random.Random(n), base) for n in range(CLIENTS)]
    for after in POINTS:
        fuse = Fuse(server, after)
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(lambda pusher, fuse=fuse: pusher.run(fuse), pushers))
        assert [pusher.fault for pusher in pushers if pusher.fault] == []
        server.start()
        found = peer().clone()
        for pusher in pushers:
            pusher.peer.http = user.http
            pusher.check(found.get(pusher.name, {}))
        assert [path for path in (server.data / "tmp").rglob("*") if path.is_file()] == []
    done = server.command("verify")
    assert done.returncode == 0, done.stdout + done.stderr
