"""What the real client does when something goes wrong, and how it goes on afterwards."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from seafleet.actor import Actor
from seafleet.db import tables
from seafleet.devices.model import DeviceInfo
from seafleet.errors import StorageFailure
from seafleet.library.edits import MakeFolder
from seafleet.library.model import Author
from seafleet.sync.pushes import Pushes
from tests.clients.conftest import Pair
from tests.support.inprocess import InProcessServer
from tests.support.seafile_client import (
    SeafileClient,
    as_snapshot,
    require_programs,
    snapshot,
    wait_until,
)
from tests.support.server import RunningServer

pytestmark = [pytest.mark.clients, pytest.mark.timeout(240)]

DEVICE_ID = "d" * 40
SLOW_BYTES_PER_SECOND = 4_000_000
LARGE_BYTES = 60 << 20


@pytest.fixture
def on_device(bare: Pair) -> Actor:
    """The library cloned on the first machine, with the token of a device."""
    tokens = bare.server.services.tokens
    info = DeviceInfo.of("linux", DEVICE_ID, "desk")
    token = tokens.connect(bare.owner, info).token
    bare.clone(0, token=token)
    return tokens.resolve(token).actor


def on_server(pair: Pair) -> dict[str, str]:
    """Return what lies in the top folder on the server."""
    return as_snapshot({name: pair.server.content(pair.library, f"/{name}") for name in names(pair)})


def names(pair: Pair) -> list[str]:
    return pair.server.names(pair.library)


def set_state(pair: Pair, actor: Actor, state: str) -> None:
    assert actor.device is not None
    here = tables.device.c.id == actor.device.device_id
    statement = update(tables.device).where(here).values(admin_state=state)
    pair.server.services.db.write(lambda tx: tx.execute(statement).rowcount)


def poke(pair: Pair) -> None:
    """Have the client look again at once, by news of a change; it would do so by itself within 30 seconds."""
    pair.edit(MakeFolder("/poke"))


def test_a_lost_device_sends_nothing_until_it_is_found(bare: Pair, on_device: Actor) -> None:
    (bare.here / "before").write_bytes(b"1")
    wait_until(lambda: names(bare) == ["before"], "the first file is on the server")
    set_state(bare, on_device, "LOST")
    (bare.here / "lost").write_bytes(b"2")
    bare.await_state(lambda: "Permission denied" in bare.state(0), "the client is refused")
    assert names(bare) == ["before"]
    assert snapshot(bare.here) == as_snapshot({"before": b"1", "lost": b"2"})
    set_state(bare, on_device, "ACTIVE")
    poke(bare)
    wait_until(lambda: names(bare) == ["before", "lost", "poke"], "the second file is on the server", 90)


def test_an_unlinked_device_is_refused_and_keeps_its_files(bare: Pair, on_device: Actor) -> None:
    (bare.here / "before").write_bytes(b"1")
    wait_until(lambda: names(bare) == ["before"], "the first file is on the server")
    assert bare.server.services.tokens.unlink(bare.owner, "linux", DEVICE_ID)
    (bare.here / "after").write_bytes(b"2")
    bare.await_state(lambda: "Permission denied" in bare.state(0), "the client is refused")
    assert names(bare) == ["before"]
    assert snapshot(bare.here) == as_snapshot({"before": b"1", "after": b"2"})


def test_a_full_owner_gets_the_files_when_there_is_room(bare: Pair) -> None:
    bare.server.services.accounts.update(bare.owner, quota_bytes=1000)
    bare.clone(0)
    (bare.here / "large").write_bytes(b"x" * 2000)
    bare.await_state(lambda: "quota" in bare.state(0).lower(), "the client is told of the quota")
    assert names(bare) == []
    bare.server.services.accounts.update(bare.owner, quota_bytes=10_000)
    poke(bare)
    wait_until(lambda: names(bare) == ["large", "poke"], "the file is on the server", 90)


def test_a_library_that_is_deleted_is_let_go_and_its_files_stay(bare: Pair) -> None:
    bare.clone(0)
    (bare.here / "a").write_bytes(b"1")
    wait_until(lambda: names(bare) == ["a"], "the file is on the server")
    client = bare.machines[0]
    assert str(bare.here) in client.run("list")
    author = Author(bare.owner.email)
    bare.server.services.library_bin.delete(bare.library.library_id, author)
    (bare.here / "b").write_bytes(b"2")
    wait_until(lambda: str(bare.here) not in client.run("list"), "the client lets the library go", 90)
    assert snapshot(bare.here) == as_snapshot({"a": b"1", "b": b"2"})


# -- sudden ends ---------------------------------------------------------------------------------------------


@pytest.fixture
def lone(server: InProcessServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeafileClient]:
    """A machine for one test alone, which may be killed."""
    with SeafileClient(tmp_path_factory.mktemp("lone") / "1", server.url) as client:
        yield client


def write_large(path: Path) -> dict[str, str]:
    """Write a file of several blocks; return what the folder holds then."""
    path.write_bytes(random.Random(path.name).randbytes(LARGE_BYTES))
    return snapshot(path.parent)


def blocks_below(data: Path) -> int:
    """Count the blocks that a server keeps as files."""
    return sum(1 for path in (data / "blocks").rglob("*") if path.is_file())


def _not_now(*_: object) -> None:
    raise StorageFailure("not now")


def test_a_client_that_is_killed_in_mid_upload_goes_on_where_it_was(
    bare: Pair, lone: SeafileClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    lone.run("config", "-k", "upload_limit", "-v", str(SLOW_BYTES_PER_SECOND))
    token = bare.server.api_token(bare.owner)
    folder = lone.clone(bare.library.library_id, "library", bare.owner.email, token)
    wait_until(lambda: "synchronized" in lone.status_of(bare.library.name), "cloned")
    before = blocks_below(bare.server.data)
    with monkeypatch.context() as patch:
        patch.setattr(Pushes, "begin", _not_now)  # however slow the machine is, it is not done before it dies
        expected = write_large(folder / "large.bin")
        wait_until(lambda: blocks_below(bare.server.data) > before, "a block is on the server")
        lone.kill()
    assert names(bare) == []
    lone.resume()
    lone.run("config", "-k", "upload_limit", "-v", "0")
    wait_until(lambda: names(bare) == ["large.bin"], "the file is on the server", 120)
    assert on_server(bare) == expected


def test_a_server_that_is_killed_in_mid_upload_gets_everything_in_the_end(
    own_server: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    require_programs()
    user = own_server.user()
    library_id = user.create_library("survivor")
    homes = tmp_path_factory.mktemp("killed")
    first, second = (SeafileClient(homes / name, own_server.url) for name in ("1", "2"))
    try:
        first.start().run("config", "-k", "upload_limit", "-v", str(SLOW_BYTES_PER_SECOND))
        folder = first.clone(library_id, "library", user.email, user.token)
        (folder / "early").write_bytes(b"acknowledged")
        wait_until(lambda: user.names(library_id) == ["early"], "the first file is on the server")
        write_large(folder / "large.bin")
        wait_until(lambda: blocks_below(own_server.data) > 0, "a block is on the server")
        own_server.kill()
        (folder / "late").write_bytes(b"written while the server was away")
        expected = snapshot(folder)
        own_server.start()
        assert user.names(library_id) == ["early"]
        assert user.download(library_id, "/early") == b"acknowledged"
        first.run("config", "-k", "upload_limit", "-v", "0")
        wait_until(lambda: len(user.names(library_id)) == 3, "all files are on the server", 150)
        copy = second.start().clone(library_id, "copy", user.email, user.token)
        wait_until(lambda: snapshot(copy) == expected, "the other machine has the same")
    finally:
        first.kill()
        second.kill()
