"""What people do all day, on two machines with the real client."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import unicodedata
from pathlib import Path

import pytest

from seafleet.accounts.model import Account
from seafleet.db import tables
from seafleet.formats.encryption import new_encryption
from seafleet.ids import LibraryId
from seafleet.library.edits import Delete, MakeFolder, Rename
from seafleet.library.model import Author, Head
from seafleet.sync.polls import HeadPolls
from tests.clients.conftest import Pair, unsynced
from tests.support.inprocess import InProcessServer
from tests.support.postgresql import PostgresqlServer
from tests.support.seafile_client import SeafileClient, as_snapshot, comes_true, snapshot, wait_until

pytestmark = [pytest.mark.clients, pytest.mark.timeout(240)]

LONG = "ü" * 120 + ".txt"
NFD = unicodedata.normalize("NFD", "é") + ".txt"
NFC = unicodedata.normalize("NFC", "é") + ".txt"


def write(folder: Path, files: dict[str, bytes | None]) -> None:
    """Make files and, for None, folders."""
    for path, content in files.items():
        target = folder / path
        if content is None:
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def test_whatever_is_done_on_one_machine_is_done_on_the_other(pair: Pair) -> None:
    files: dict[str, bytes | None] = {
        "letter.txt": b"Dear Sir",
        "empty.txt": b"",
        "void": None,
        "deep": None,
        "deep/er": None,
        "deep/er/file": b"\0" * 70_000,
        "odd": None,
        f"odd/{LONG}": b"long",
        f"odd/{NFD}": b"decomposed",
        f"odd/{NFC}": b"composed",
        "odd/日本語 😀": "日本語".encode(),
        "odd/with 'quotes' & \\ \" # % ?": b"odd",
        "odd/new\nline": b"odd",
    }
    write(pair.here, files)
    pair.await_same(as_snapshot(files))

    write(pair.there, {"letter.txt": b"Dear Madam", "reply.txt": b"Dear Sir"})
    (pair.there / "deep/er").rename(pair.there / "moved")
    (pair.there / f"odd/{LONG}").rename(pair.there / "odd/short")
    (pair.there / "empty.txt").unlink()
    (pair.there / "void").rmdir()
    expected = {
        **files,
        "letter.txt": b"Dear Madam",
        "reply.txt": b"Dear Sir",
        "moved": None,
        "moved/file": files["deep/er/file"],
        "odd/short": b"long",
    }
    for gone in ("empty.txt", "void", "deep/er", "deep/er/file", f"odd/{LONG}"):
        del expected[gone]
    pair.await_same(as_snapshot(expected))
    assert pair.head().file_count == sum(content is not None for content in expected.values())


def test_changes_on_both_machines_at_once_meet(pair: Pair) -> None:
    write(pair.here, {"mine": b"1", "shared/a": b"a"})
    write(pair.there, {"yours": b"2", "other/b": b"b"})
    expected = {"mine": b"1", "yours": b"2", "shared": None, "shared/a": b"a", "other": None, "other/b": b"b"}
    pair.await_same(as_snapshot(expected))


def test_a_change_on_the_web_is_told_to_both_machines_at_once(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(pair.here, {"a": b"1"})
    pair.await_same(as_snapshot({"a": b"1"}))
    wait_until(lambda: pair.server.listeners(pair.library) == 2, "both machines listen")
    known = {pair.library.library_id: pair.head().commit_id}
    with monkeypatch.context() as patch:
        # Whoever only asks every thirty seconds learns nothing. News that come while a client is busy with
        # the last ones wait for its next question: those are told again by another change.
        patch.setattr(HeadPolls, "heads", lambda _polls, ids: {i: known[i] for i in ids if i in known})
        for number in itertools.count():
            pair.edit(MakeFolder(f"/from the web {number}"))
            if comes_true(lambda: is_as_on_the_server(pair), seconds=10):
                break
            assert number < 5, f"no news arrive: {pair.states()}"
    pair.edit(Delete.path("/from the web 0"))
    pair.edit(Rename("/a", "b"))
    pair.await_state(lambda: is_as_on_the_server(pair), "the rest arrives")


def is_as_on_the_server(pair: Pair) -> bool:
    """Tell whether both machines have what the server has, as far as the top folder goes."""
    here, there = (sorted(os.listdir(folder)) for folder in (pair.here, pair.there))
    return here == there == pair.server.names(pair.library)


def test_of_two_versions_of_a_file_both_survive(pair: Pair) -> None:
    write(pair.here, {"plan.txt": b"the plan"})
    pair.await_same(as_snapshot({"plan.txt": b"the plan"}))
    write(pair.here, {"plan.txt": b"plan A"})
    write(pair.there, {"plan.txt": b"plan B"})

    def both_survive() -> bool:
        found = snapshot(pair.here)
        return len(found) == 2 and set(found.values()) == set(
            as_snapshot({"A": b"plan A", "B": b"plan B"}).values()
        )

    pair.await_state(both_survive, "both versions are there")
    final = pair.await_same()
    (conflict,) = final.keys() - {"plan.txt"}
    assert conflict.startswith("plan (SFConflict ")
    assert conflict.endswith(").txt")


def test_a_file_that_is_edited_here_and_deleted_there_survives(pair: Pair) -> None:
    files: dict[str, bytes | None] = {"d": None, "d/edited": b"1", "d/left": b"2"}
    write(pair.here, files)
    pair.await_same(as_snapshot(files))
    write(pair.here, {"d/edited": b"edited"})
    shutil.rmtree(pair.there / "d")
    pair.await_same(as_snapshot({"d": None, "d/edited": b"edited"}))


def test_a_large_file_is_the_same_at_the_other_end(pair: Pair) -> None:
    numbers = random.Random(1)
    with (pair.here / "large.bin").open("wb") as file:
        for _ in range(200):
            file.write(numbers.randbytes(1 << 20))
    expected = snapshot(pair.here)
    pair.await_same(expected, seconds=180)
    with (pair.there / "large.bin").open("r+b") as file:
        file.seek(100 << 20)
        file.write(b"changed in the middle")
    pair.await_same(snapshot(pair.there), seconds=180)
    assert snapshot(pair.here) != expected


def test_thousands_of_small_files_are_the_same_at_the_other_end(bare: Pair) -> None:
    bare.clone(0)
    files = {f"{n % 50}/{n}.txt": b"%d" % n for n in range(5000)}
    write(bare.here, dict(files))
    wait_until(lambda: bare.head().file_count == 5000, "all files are on the server", 180)
    bare.clone(1)
    bare.await_same({**as_snapshot(dict(files)), **{str(n): "folder" for n in range(50)}}, seconds=180)


def test_an_encrypted_library_is_kept_in_step(bare: Pair) -> None:
    bare.library = bare.server.library(bare.owner, password="its password")
    for machine in (0, 1):
        bare.clone(machine, password="its password")
    content = os.urandom(100_000)
    write(bare.here, {"secret.txt": b"nobody reads this", "large": content})
    bare.await_same(as_snapshot({"secret.txt": b"nobody reads this", "large": content}))
    write(bare.there, {"secret.txt": b"nor this"})
    bare.await_same(as_snapshot({"secret.txt": b"nor this", "large": content}))
    entry = bare.server.entry(bare.library, "/secret.txt")
    assert entry is not None
    services = bare.server.services
    (block_id,) = services.trees.file(bare.library.store_id, entry.id).block_ids
    assert len(services.objects.read_block(bare.library.store_id, block_id)) == 16


def test_a_library_whose_keys_a_client_made_is_kept_in_step(bare: Pair) -> None:
    bare.library = made_by_a_client(bare, enc_version=2)
    for machine in (0, 1):
        bare.clone(machine, password="its password")
    write(bare.here, {"secret.txt": b"nobody reads this"})
    bare.await_same(as_snapshot({"secret.txt": b"nobody reads this"}))
    author = Author(bare.owner.email)
    bare.server.services.library_passwords.change(bare.library.library_id, author, "its password", "another")
    write(bare.there, {"secret.txt": b"nor this"})
    bare.await_same(as_snapshot({"secret.txt": b"nor this"}))


def made_by_a_client(pair: Pair, *, enc_version: int) -> Head:
    """Make an encrypted library as clients with windows do: its id and its keys are their own."""
    random = pair.server.services.random
    library_id = LibraryId.random(random)
    keys = new_encryption(library_id, "its password", random, enc_version=enc_version)
    form = {"name": "theirs", "repo_id": library_id, "enc_version": str(enc_version)}
    form |= {"magic": keys.magic or "", "random_key": keys.random_key or "", "salt": keys.salt or ""}
    headers = {"Authorization": f"Token {pair.server.api_token(pair.owner)}"}
    answer = pair.server.request("POST", "/api2/repos/", data=form, headers=headers)
    assert answer.status_code == 200, answer.text
    return pair.server.services.libraries.get(library_id)


def test_a_wrong_password_opens_nothing(bare: Pair) -> None:
    bare.library = bare.server.library(bare.owner, password="its password")
    assert "Incorrect password" in refused_clone(bare, "a wrong password")


def test_what_this_client_cannot_decrypt_it_does_not_touch(bare: Pair) -> None:
    # Debian's client knows version 2 alone, for which new libraries are therefore made.
    bare.library = bare.server.library(bare.owner, password="its password", enc_version=4)
    assert "Incorrect password" in refused_clone(bare, "its password")
    usual = bare.server.library(bare.owner, password="its password").encryption
    assert usual is not None
    assert usual.enc_version == 2


def refused_clone(pair: Pair, password: str) -> str:
    """Try to clone a library with a password; return what the client says."""
    client, folder = pair.machines[0], pair.machines[0].home / f"refused-{pair.library.library_id}"
    folder.mkdir()
    account = ["-s", client.server, "-u", pair.owner.email, "-T", pair.server.api_token(pair.owner)]
    done = client.call("sync", "-l", pair.library.library_id, *account, "-d", str(folder), "-e", password)
    assert list(folder.iterdir()) == []
    return done.stdout + done.stderr


def test_a_client_makes_libraries_too(bare: Pair) -> None:
    client = bare.machines[0]
    account = ["-s", client.server, "-u", bare.owner.email, "-T", bare.server.api_token(bare.owner)]
    made = client.run("create", "-n", "made by a client", "-e", "its password", *account).split()[-1]
    bare.library = bare.server.services.libraries.get(made)
    assert (bare.library.name, bare.library.encrypted) == ("made by a client", True)
    bare.clone(0, password="its password")
    write(bare.here, {"a": b"1"})
    wait_until(lambda: bare.server.names(bare.library) == ["a"], "the file is on the server")


def test_a_folder_shown_as_a_library_is_kept_in_step_with_the_whole(bare: Pair) -> None:
    bare.clone(0)
    write(bare.here, {"shown/a": b"1", "hidden/b": b"2"})
    wait_until(lambda: bare.head().file_count == 2, "the files are on the server")
    services = bare.server.services
    shown = services.sub_libraries.create(bare.head(), "/shown", "shown", Author(bare.owner.email))
    part = Pair(bare.server, bare.machines, bare.owner, shown)
    folder = part.clone(1)
    assert snapshot(folder) == as_snapshot({"a": b"1"})
    write(folder, {"from the part": b"3"})
    wait_until((bare.here / "shown/from the part").exists, "the part's file is in the whole")
    write(bare.here, {"shown/from the whole": b"4"})
    wait_until((folder / "from the whole").exists, "the whole's file is in the part")


def test_two_machines_are_kept_in_step_by_a_server_on_postgresql(
    postgresql_server: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("pg")
    with (
        postgresql_server.database() as url,
        InProcessServer(folder / "data", database_url=url, throttle_exempt="127.0.0.0/8") as server,
        SeafileClient(folder / "1", server.url) as first,
        SeafileClient(folder / "2", server.url) as second,
    ):
        pair = unsynced(server, (first, second))
        for machine in (0, 1):
            pair.clone(machine)
        write(pair.here, {"a": b"1", "d/b": b"2" * 100_000})
        pair.await_same({**as_snapshot({"a": b"1", "d/b": b"2" * 100_000}), "d": "folder"})
        write(pair.here, {"mine": b"3"})
        write(pair.there, {"yours": b"4"})
        wait_until(lambda: pair.head().file_count == 4, "all files are on the server")
        pair.await_same()
        assert len(snapshot(pair.here)) == 5


def share(pair: Pair, account: Account, permission: str) -> None:
    """Share the library."""
    row = {
        "library_id": pair.library.library_id,
        "from_account_id": pair.owner.id,
        "to_account_id": account.id,
        "permission": permission,
        "created_at": 0,
    }
    pair.server.services.db.write(lambda tx: tx.execute(tables.user_share.insert(), row).rowcount)


def test_who_may_only_read_gets_changes_and_makes_none(bare: Pair) -> None:
    reader = bare.server.account()
    share(bare, reader, "r")
    bare.clone(0)
    bare.clone(1, reader)
    write(bare.here, {"a": b"1"})
    wait_until(lambda: snapshot(bare.there) == as_snapshot({"a": b"1"}), "the reader has it")
    write(bare.there, {"unwanted": b"2"})
    write(bare.here, {"a": b"3"})
    wait_until(lambda: (bare.there / "a").read_bytes() == b"3", "the reader goes on getting changes", 90)
    assert bare.server.names(bare.library) == ["a"]
    assert snapshot(bare.here) == as_snapshot({"a": b"3"})
