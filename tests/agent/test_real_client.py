"""A wipe where the real sync client runs: it lets go, the folder goes, and the server keeps every file.

What the agent knows of the client was learned by watching this very program; here it has to hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import seafleet_agent as agent
from seafleet_agent import Daemon, Machine, Order, Orders, People, Result, State, StateFile
from tests.support.seafile_client import SeafileClient, require_programs, wait_until
from tests.support.server import ApiClient, RunningServer

pytestmark = [pytest.mark.clients, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def mara(sqlite_server: RunningServer) -> ApiClient:
    return sqlite_server.user("mara")


@pytest.fixture
def client(mara: ApiClient, short_path: Path) -> Iterator[SeafileClient]:
    """A running client without libraries."""
    require_programs()
    found = SeafileClient(short_path / "home", mara.server.url).start()
    yield found
    found.kill()


@pytest.fixture
def store(client: SeafileClient, tmp_path: Path) -> StateFile:
    """The state of an agent that is enrolled with the same server and looks at that client alone."""
    found = StateFile(str(tmp_path / "state" / "state.json"))
    state = State(client.server, "secret", "K7Q2M4ZT9W1XB5RD", "option", 12)
    state.seafile_configurations = [str(client.configuration)]
    found.save(state)
    return found


def data_of(client: SeafileClient) -> str:
    (value,) = agent.read_clients([str(client.configuration)])
    return str(value["data"])


def wipe(store: StateFile, libraries: object) -> Result:
    machine = Machine()
    orders = Orders(machine, store, People(machine), lambda: "")
    return orders.carry_out(Order(7, "wipe", {"libraries": libraries}, ""))


def is_busy(client: SeafileClient, library_id: str) -> bool:
    """Tell whether the client works on a library; one that crashed does not."""
    try:
        return Daemon(data_of(client)).is_busy_with(library_id)
    except ConnectionRefusedError:
        assert client.has_crashed(), client.last_words()
        return False


def in_step(client: SeafileClient, name: str) -> None:
    wait_until(lambda: "synchronized" in client.status_of(name), f"{name} is in step")


def clone(client: SeafileClient, mara: ApiClient, library_id: str, name: str) -> Path:
    return client.clone(library_id, name, mara.email, mara.token)


def library(mara: ApiClient, name: str) -> str:
    """Make a library with two files."""
    library_id = mara.create_library(name)
    mara.upload(library_id, "/a.txt", b"content of a")
    mara.upload(library_id, "/b.bin", bytes(range(256)) * 1000)
    return library_id


def test_a_client_that_runs_is_read_with_ids_version_and_libraries(
    client: SeafileClient, mara: ApiClient
) -> None:
    library_id = library(mara, "notes")
    folder = clone(client, mara, library_id, "notes")
    in_step(client, "notes")
    (value,) = agent.read_clients([str(client.configuration)])
    found = agent.client_of(value)
    assert len(found.ids) == 2
    assert all(len(one) == 40 for one in found.ids)
    assert found.version
    assert found.libraries == (agent.Library(library_id, mara.server.url, mara.email, str(folder)),)
    assert agent.daemon_processes(Machine(), found.data) == client.daemons()


def test_the_wiped_library_goes_from_the_machine_and_stays_on_the_server(
    client: SeafileClient, mara: ApiClient, store: StateFile
) -> None:
    gone, stays = library(mara, "gone"), library(mara, "stays")
    one, two = clone(client, mara, gone, "gone"), clone(client, mara, stays, "stays")
    in_step(client, "gone")
    in_step(client, "stays")
    head = mara.json("GET", f"/api2/repos/{gone}/")["head_commit_id"]
    daemons = client.daemons()
    status, detail = wipe(store, [gone])
    assert status == "done", detail
    assert not one.exists()
    assert (two / "a.txt").read_bytes() == b"content of a"
    data = data_of(client)
    assert list(Path(data).rglob(f"*{gone}*")) == []
    if client.has_crashed():
        client.resume()
    else:
        assert client.daemons() == daemons
    assert Daemon(data).is_busy_with(stays)
    # A file that comes from the library that stays proves that the client has looked at everything since.
    mara.upload(stays, "/news.txt", b"news")
    wait_until((two / "news.txt").exists, "the other library goes on")
    assert mara.json("GET", f"/api2/repos/{gone}/")["head_commit_id"] == head
    assert mara.names(gone) == ["a.txt", "b.bin"]


def test_what_was_being_fetched_for_the_first_time_goes_as_well(
    client: SeafileClient, mara: ApiClient, store: StateFile
) -> None:
    library_id = mara.create_library("big")
    for number in range(4):
        mara.upload(library_id, f"/{number}.bin", number.to_bytes(4, "big") * 6_000_000)
    folder = clone(client, mara, library_id, "big")
    wait_until(lambda: any(folder.iterdir()), "the first file begins to arrive")
    status, detail = wipe(store, "all")
    assert status == "done", detail
    assert not folder.exists()
    assert not is_busy(client, library_id)
    assert len(mara.names(library_id)) == 4


def test_a_client_that_does_not_run_has_forgotten_the_library_when_it_starts_again(
    client: SeafileClient, mara: ApiClient, store: StateFile
) -> None:
    library_id = library(mara, "notes")
    folder = clone(client, mara, library_id, "notes")
    in_step(client, "notes")
    client.stop()
    status, detail = wipe(store, "all")
    assert status == "done", detail
    client.resume()
    assert library_id not in client.run("list")
    assert not folder.exists()
    other = library(mara, "other")
    again = clone(client, mara, other, "other")
    wait_until((again / "b.bin").exists, "the client is of use as before")
    assert not folder.exists()
    assert mara.names(library_id) == ["a.txt", "b.bin"]


def test_a_client_that_hangs_is_ended(client: SeafileClient, mara: ApiClient, store: StateFile) -> None:
    library_id = library(mara, "notes")
    folder = clone(client, mara, library_id, "notes")
    in_step(client, "notes")
    Path(data_of(client), "seafile.sock").unlink()
    (daemon,) = client.daemons()
    status, detail = wipe(store, "all")
    assert status == "done", detail
    assert not folder.exists()
    assert daemon not in client.daemons()
    assert mara.names(library_id) == ["a.txt", "b.bin"]
