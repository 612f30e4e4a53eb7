"""Whatever is sent, the server refuses it in words, changes nothing, leaves nothing behind and goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.blackbox.conftest import Sample, make_sample
from tests.blackbox.hostile import DATABASE_CASES, Attack, Spot, Stage, attacks, is_documented, spots
from tests.support.postgresql import PostgresqlServer
from tests.support.server import PASSWORD, ApiClient, RunningServer, until
from tests.support.wire import Answer, Wire

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

_EVERY: int = 12
"""So many attacks are left out for each that is made where one costs a password's hash."""


@dataclass
class Target:
    """A server that may be harmed, with an administrator who attacks and a library that suffers."""

    server: RunningServer
    kind: str
    log_bytes: int = 0
    _attacker: ApiClient | None = None
    _sample: Sample | None = None
    answers: list[Answer] = field(default_factory=list)

    @property
    def attacker(self) -> ApiClient:
        """An administrator; another one when the last was logged out, removed or disabled."""
        if self._attacker is None or self._attacker.get("/api2/auth/ping/").status_code != 200:
            self._attacker = self.server.user("mallory", "--admin")
            self._sample = None
        return self._attacker

    @property
    def sample(self) -> Sample:
        """A library as it was made."""
        if self._sample is None:
            self._sample = make_sample(self.attacker)
        return self._sample

    def spoil(self) -> None:
        """Have the next attacks find a library that is new."""
        self._sample = None

    def head(self) -> str:
        """Return the head of the library, empty when it is gone."""
        answer = self.attacker.get(f"/api2/repos/{self.sample.id}/")
        return str(answer.json()["head_commit_id"]) if answer.status_code == 200 else ""

    def stage(self) -> Stage:
        """Return values with which requests make sense."""
        owner, library_id = self.attacker, self.sample.id
        values = dict.fromkeys(("library_id", "repo_id", "dst_repo", "dst_repo_id"), library_id)
        values |= {"src_repo_id": library_id, "repos": library_id, "parent_dir": "/", "dst_dir": "/a"}
        values |= {
            "src_parent_dir": "/",
            "dst_parent_dir": "/a",
            "folder_path": "/a",
            "target_file": "/note.md",
        }
        values |= dict.fromkeys(("src_dirents", "dirents", "file_names", "src_dirent_name"), "note.md")
        values |= dict.fromkeys(("email", "username", "user", "to_user", "new_owner", "owner"), self.victim)
        values |= {"user_email": self.victim, "share_to": self.victim, "password": "x", "name": "new"}
        head = self.head()
        values |= dict.fromkeys(("commit_id", "head", "server-head", "client-head"), head)
        values |= {"block_id": "0" * 40, "op": "download", "client_id": "0" * 40, "delta": "1"}
        values |= {"file_id": owner.listing(library_id)[-1]["id"], "start": "2020-01-01", "end": "2020-02-01"}
        values |= self._tokens(library_id)
        return Stage(values)

    @property
    def victim(self) -> str:
        """The address of an account that requests name."""
        return "victim@example.com"

    def _tokens(self, library_id: str) -> dict[str, str]:
        ask = self.attacker.get
        values: dict[str, str] = {}
        for kind in ("upload", "update"):
            token = ask(f"/api2/repos/{library_id}/{kind}-link/").json().rpartition("/")[2]
            values |= {f"{kind}-{way} token": token for way in ("api", "aj", "blks-api")}
            values[f"{kind}-raw-blks-api token"] = token
        link = ask(f"/api2/repos/{library_id}/file/", params={"p": "/note.md", "reuse": "1"}).json()
        return values | {"files token": link.split("/")[-2], "files name": "note.md"}

    def headers(self, spot: Spot) -> tuple[str, ...]:
        """Return what a caller of this spot shows besides its API token."""
        if not spot.pattern.startswith("/seafhttp/repo/"):
            return ()
        token = self.attacker.json("GET", f"/api2/repos/{self.sample.id}/download-info/")["token"]
        return (f"Seafile-Repo-Token: {token}",)

    def mistakes(self) -> str:
        """Return what the server has logged of mistakes in itself since the last time."""
        with self.server.log.open("rb") as log:
            log.seek(self.log_bytes)
            text = log.read()
            self.log_bytes = log.tell()
        lines = text.decode("utf-8", "replace").splitlines()
        return "\n".join(line for line in lines if "Traceback" in line or '"level": "error"' in line)

    def remains(self) -> list[Path]:
        """Return the temporary files."""
        return [path for path in self.server.data.rglob("tmp/**/*") if path.is_file()]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A server for the attacks of this module alone."""
    data = tmp_path_factory.mktemp("hostile") / "data"
    if request.param == "sqlite":
        yield from attacked(RunningServer(data), request.param)
    else:
        databases: PostgresqlServer = request.getfixturevalue("postgresql_server")
        with databases.database() as url:
            yield from attacked(RunningServer(data, url), request.param)


def attacked(server: RunningServer, kind: str) -> Iterator[Target]:
    server.start()
    found = Target(server, kind)
    done = server.command("user", "add", found.victim, "--password-stdin", stdin=PASSWORD)
    assert done.returncode == 0, done.stderr
    yield found
    assert server.stop() == 0


@pytest.mark.parametrize("spot", spots(), ids=str)
def test_no_input_brings_a_route_down(target: Target, spot: Spot) -> None:
    headers, before = target.headers(spot), target.head()
    target.mistakes()  # those of a test that failed are not this one's
    with Wire(target.server.port, target.attacker.token) as wire:
        answers = [attempt(wire, spot, headers, attack) for attack in chosen(target, spot)]
        alive = wire.request("GET", "/api2/ping/")
    assert alive is not None
    assert alive.body == b'"pong"'
    assert target.mistakes() == ""
    until(lambda: not target.remains())
    if all(answer is None or answer.status >= 400 for answer in answers):
        assert target.head() == before, "requests that were refused changed the library"
    else:
        target.spoil()


def chosen(target: Target, spot: Spot) -> list[Attack]:
    found = list(attacks(spot, target.stage()))
    if target.kind == "postgresql":
        found = [attack for attack in found if DATABASE_CASES.search(attack.name)]
    return found[::_EVERY] if spot.is_dear else found


def attempt(wire: Wire, spot: Spot, headers: tuple[str, ...], attack: Attack) -> Answer | None:
    """Make one attack, and check the answer's form: an honest error at most, and nothing smuggled into it."""
    what = f"{spot}, {attack.name}: {attack.target[:300]}"
    try:
        answer = send(wire, spot.verb, (*headers, *attack.headers), attack)
    except TimeoutError:
        pytest.fail(f"{what}: no answer")
    if answer is None:
        assert attack.half_close, f"{what}: closed without an answer"
        return None
    told = f"{what}: {answer.status} {answer.body[:300]!r}"
    assert is_documented(spot, answer), told
    assert not answer.header("X-Injected"), told
    assert b"Traceback" not in answer.body, told
    if answer.status >= 400 and answer.header("Content-Type").startswith("application/json"):
        answer.json()
    return answer


def send(wire: Wire, verb: str, headers: tuple[str, ...], attack: Attack) -> Answer | None:
    lines = [f"{verb} {attack.target} HTTP/1.1", f"Host: 127.0.0.1:{wire.port}", *headers]
    lines.append(f"Authorization: Token {wire.token}")
    length = len(attack.body) if attack.length is None else attack.length
    if length > 0 or (verb != "GET" and length == 0):
        lines.append(f"Content-Length: {length}")
    head = "\r\n".join([*lines, "", ""]).encode()
    return wire.exchange(head + attack.body, verb, half_close=attack.half_close)
