"""The server's secret, sealed values and token hashes."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import pytest

from seafleet.errors import InvalidArgument, MalformedObject
from seafleet.secrets import ServerSecret, equal, hash_token, new_token


@pytest.fixture
def secret() -> ServerSecret:
    """A secret that is always the same."""
    return ServerSecret(b"s" * 32, random.Random(1))


def test_what_was_sealed_opens_again(secret: ServerSecret) -> None:
    for data in (b"", b"token", os.urandom(1000)):
        assert secret.unseal("purpose", secret.seal("purpose", data)) == data


def test_sealing_twice_gives_different_bytes(secret: ServerSecret) -> None:
    assert secret.seal("purpose", b"x") != secret.seal("purpose", b"x")


def test_a_sealed_value_opens_for_its_purpose_only(secret: ServerSecret) -> None:
    sealed = secret.seal("api-token", b"x")
    with pytest.raises(MalformedObject):
        secret.unseal("sync-token", sealed)


def test_another_secret_opens_nothing(secret: ServerSecret) -> None:
    with pytest.raises(MalformedObject):
        ServerSecret(b"t" * 32).unseal("purpose", secret.seal("purpose", b"x"))


def test_every_changed_byte_is_noticed(secret: ServerSecret) -> None:
    sealed = secret.seal("purpose", b"hello")
    for index in range(len(sealed)):
        changed = bytearray(sealed)
        changed[index] ^= 1
        with pytest.raises(MalformedObject):
            secret.unseal("purpose", bytes(changed))


@pytest.mark.parametrize("length", range(30))
def test_a_sealed_value_that_was_cut_off_does_not_open(secret: ServerSecret, length: int) -> None:
    with pytest.raises(MalformedObject):
        secret.unseal("purpose", secret.seal("purpose", b"x")[:length])


def test_the_file_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret.key"
    first = ServerSecret.open(path)
    assert path.stat().st_mode & 0o777 == 0o600
    again = ServerSecret.open(path)
    assert again.unseal("p", first.seal("p", b"x")) == b"x"
    assert [entry.name for entry in path.parent.iterdir()] == ["secret.key"]


def test_processes_that_start_at_once_agree_on_one_secret(tmp_path: Path) -> None:
    path, barrier = tmp_path / "secret.key", threading.Barrier(8)
    secrets: list[ServerSecret] = []

    def start() -> None:
        barrier.wait()
        secrets.append(ServerSecret.open(path))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({secret.fingerprint("p", "x") for secret in secrets}) == 1
    assert len(secrets) == 8


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    ServerSecret.open(path)
    path.chmod(0o640)
    with pytest.raises(InvalidArgument):
        ServerSecret.open(path)


@pytest.mark.parametrize("text", ["", "short", "x" * 31])
def test_a_short_secret_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidArgument):
        ServerSecret.from_text(text)
    path = tmp_path / "secret.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(InvalidArgument):
        ServerSecret.open(path)


def test_surrounding_blanks_of_a_text_do_not_matter() -> None:
    text = "correct horse battery staple, and more"
    sealed = ServerSecret.from_text(text).seal("p", b"x")
    assert ServerSecret.from_text(f" {text}\n").unseal("p", sealed) == b"x"


def test_the_secret_does_not_show_itself(secret: ServerSecret) -> None:
    assert "s" * 32 not in repr(secret)


def test_keys_differ_by_purpose(secret: ServerSecret) -> None:
    assert secret.signing_key("a") != secret.signing_key("b")
    assert len(secret.signing_key("a")) == 32
    assert secret.fingerprint("a", "1") != secret.fingerprint("b", "1")


def test_tokens_are_forty_hex_digits_and_hash_to_sixty_four() -> None:
    rng = random.Random(1)
    token = new_token(rng)
    assert token != new_token(rng)
    assert len(bytes.fromhex(token)) == 20
    assert len(bytes.fromhex(hash_token(token))) == 32
    assert hash_token(token) == hash_token(token)


def test_secrets_compare_as_text_or_bytes() -> None:
    assert equal("é", "é".encode())
    assert not equal("a", "b")
    assert not equal("a", "aa")
