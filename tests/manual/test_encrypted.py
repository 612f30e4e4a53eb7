"""Encrypted libraries of every form: made by server or client, written, read, packed, brought elsewhere."""

from __future__ import annotations

import hashlib
import io
import random
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from seafleet.formats.encryption import new_encryption
from seafleet.ids import LibraryId
from seafleet.library.model import Head
from seafleet.store.contract import Kind
from tests.manual.scene import Caller
from tests.support.inprocess import InProcessServer

pytestmark = pytest.mark.slow

OLD, NEW = "an öld password", "a new one"
CONTENT = random.Random(5).randbytes(9 << 20)
FIXED = bytes.fromhex("da9045c306c7cc26")

FORMS: dict[str, dict[str, Any]] = {
    "2": {"enc_version": 2},
    "3": {"enc_version": 3},
    "4": {"enc_version": 4},
    "2, pbkdf2": {"enc_version": 2, "pwd_hash_algo": "pbkdf2_sha256", "pwd_hash_params": "2000"},
    "4, argon2id": {"enc_version": 4, "pwd_hash_algo": "argon2id", "pwd_hash_params": "1,1024,2"},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcessServer]:
    """A server that makes libraries of the newest form."""
    data = tmp_path_factory.mktemp("encrypted") / "data"
    settings = {"encrypted_library_version": 4, "throttle_exempt": "127.0.0.0/8"}
    with InProcessServer(data, **settings) as running:
        yield running


@dataclass
class Vault:
    """An encrypted library of `owner`, and calls on it."""

    owner: Caller
    id: str

    @property
    def head(self) -> Head:
        """The library as it is now."""
        return self.owner.server.services.libraries.get(self.id)

    def api(self, method: str, path: str, **options: Any) -> Any:
        """Send a call that has to succeed, and return its answer."""
        answer = self.owner.send(method, path.format(id=self.id), **options)
        assert answer.status_code in (200, 201), f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def unlock(self, password: str = OLD) -> int:
        """Give the password; return the status."""
        return self.owner.send("POST", f"/api2/repos/{self.id}/", data={"password": password}).status_code

    def lock(self) -> None:
        """Have the server forget the password."""
        account = self.owner.account
        assert account is not None
        self.owner.server.services.library_passwords.forget(self.id, account.id)

    def send(self, operation: str, content: bytes, headers: dict[str, str] | None = None, **form: str) -> int:
        """Upload or update; return the status."""
        link = self.api("GET", "/api2/repos/{id}/" + operation + "-link/")
        files = {"file": (form.pop("name", "a.bin"), content)}
        return self.owner.server.http.post(link, data=form, files=files, headers=headers).status_code

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        """Download; return status and content."""
        link = self.api("GET", "/api2/repos/{id}/file/", params={"p": path})
        answer = self.owner.server.http.get(link, headers=headers)
        return answer.status_code, answer.content

    def revert(self, path: str, commit_id: str) -> None:
        """Bring a file back."""
        self.api("PUT", "/api2/repos/{id}/file/revert/", data={"p": path, "commit_id": commit_id})

    def bring(self, verb: str, name: str, target: str) -> None:
        """Copy or move a file into another library."""
        body = {"src_repo_id": self.id, "src_parent_dir": "/", "src_dirents": [name]}
        path = f"/api/v2.1/repos/sync-batch-{verb}-item/"
        self.api("POST", path, json={**body, "dst_repo_id": target, "dst_parent_dir": "/"})

    def zipped(self, *names: str) -> zipfile.ZipFile:
        """Return an archive of some entries."""
        body = {"parent_dir": "/", "dirents": list(names)}
        token = self.api("POST", "/api/v2.1/repos/{id}/zip-task/", json=body)["zip_token"]
        answer = self.owner.server.request("GET", f"/seafhttp/zip/{token}")
        assert answer.status_code == 200, answer.text
        return zipfile.ZipFile(io.BytesIO(answer.content))


def make(owner: Caller, form: dict[str, Any]) -> Vault:
    """Make a library with keys that a client has made; the server sees no password."""
    library_id = LibraryId(str(uuid.uuid4()))
    keys = new_encryption(library_id, OLD, random.Random(7), **form)
    fields = ("enc_version", "magic", "random_key", "salt", "pwd_hash", "pwd_hash_algo", "pwd_hash_params")
    sent = {name: str(value) for name in fields if (value := getattr(keys, name)) is not None}
    answer = owner.send("POST", "/api2/repos/", data={"name": "vault", "repo_id": library_id, **sent})
    assert answer.status_code == 200, answer.text
    return Vault(owner, library_id)


@pytest.fixture(params=list(FORMS))
def vault(request: pytest.FixtureRequest, server: InProcessServer) -> Vault:
    """An unlocked library of each form."""
    made = make(Caller(server, server.account()), FORMS[request.param])
    assert made.unlock("wrong") == 400
    assert made.unlock() == 200
    return made


def test_content_goes_in_and_comes_out_by_every_way(vault: Vault) -> None:
    assert vault.send("upload", CONTENT, parent_dir="/") == 200
    assert vault.get("/a.bin") == (200, CONTENT)
    assert vault.get("/a.bin", Range="bytes=5-9") == (206, CONTENT[5:10])
    first = vault.head.commit_id
    assert vault.send("update", b"new", target_file="/a.bin") == 200
    for start in (0, 16):
        chunk = CONTENT[start : start + 16]
        headers = {
            "Content-Range": f"bytes {start}-{start + 15}/32",
            "Content-Disposition": 'attachment; filename="chunked"',
        }
        assert vault.send("upload", chunk, headers, parent_dir="/") == 200
    assert vault.get("/chunked") == (200, CONTENT[:32])
    with vault.zipped("a.bin", "chunked") as archive:
        assert [archive.read(name) for name in ("a.bin", "chunked")] == [b"new", CONTENT[:32]]
    vault.revert("/a.bin", first)
    assert vault.get("/a.bin") == (200, CONTENT)


def test_content_is_brought_into_and_out_of_a_vault(vault: Vault, server: InProcessServer) -> None:
    assert vault.owner.account is not None
    plain = Vault(vault.owner, server.library(vault.owner.account).library_id)
    other = make(vault.owner, FORMS["2"])
    assert other.unlock() == 200
    vault.send("upload", CONTENT, parent_dir="/")
    vault.bring("copy", "a.bin", plain.id)
    vault.bring("copy", "a.bin", vault.id)
    vault.bring("move", "a.bin", other.id)
    found = [each.get(path) for each, path in ((plain, "/a.bin"), (vault, "/a (1).bin"), (other, "/a.bin"))]
    assert found == [(200, CONTENT)] * 3
    plain.bring("move", "a.bin", vault.id)
    assert vault.get("/a.bin") == (200, CONTENT)


def test_a_locked_vault_takes_and_gives_nothing(vault: Vault) -> None:
    vault.send("upload", b"secret", parent_dir="/")
    vault.lock()
    assert vault.send("upload", b"secret", parent_dir="/") == 500
    assert vault.send("update", b"secret", target_file="/a.bin") == 500
    assert vault.get("/a.bin")[0] == 400
    names = [entry["name"] for entry in vault.api("GET", "/api2/repos/{id}/dir/")]
    assert names == ["a.bin"], "names are not encrypted"


def test_another_password_opens_what_was_there_before(vault: Vault) -> None:
    vault.send("upload", b"secret", parent_dir="/")
    before = vault.head
    form = {"old_password": OLD, "new_password": NEW}
    vault.api("PUT", "/api/v2.1/repos/{id}/set-password/", data=form)
    vault.lock()
    assert (vault.unlock(OLD), vault.unlock(NEW)) == (400, 200)
    assert vault.get("/a.bin") == (200, b"secret")
    assert vault.head.root_id == before.root_id
    info = vault.api("GET", "/api2/repos/{id}/download-info/")
    assert info["random_key"] != (before.encryption and before.encryption.random_key)


def test_a_client_reads_what_the_server_has_encrypted(vault: Vault) -> None:
    """Blocks as they are stored, decrypted by a program of its own with what download-info tells."""
    vault.send("upload", CONTENT, parent_dir="/")
    info = vault.api("GET", "/api2/repos/{id}/download-info/")
    answer = vault.api("GET", "/api2/repos/{id}/file/", params={"p": "/a.bin", "op": "downloadblks"})
    objects = vault.owner.server.services.objects
    key = file_key(OLD, info)
    plain = b""
    for block_id in answer["blklist"]:
        stored = objects.get(vault.id, Kind.BLOCK, block_id)
        assert hashlib.sha1(stored).hexdigest() == block_id
        plain += decrypt(stored, info["enc_version"], *key)
    assert plain == CONTENT


# -- the reference program -------------------------------------------------------------------------------


def derive(data: bytes, info: dict[str, Any]) -> tuple[bytes, bytes]:
    """Return key and IV. Source: encryption §3, §8."""
    salt = bytes.fromhex(info["salt"]) if info["salt"] else FIXED
    key = hashlib.pbkdf2_hmac("sha256", data, salt, 1000, 32)
    return key, hashlib.pbkdf2_hmac("sha256", key, salt, 10, 16)


def decrypt(data: bytes, enc_version: int, key: bytes, iv: bytes) -> bytes:
    """Return the plain bytes. Source: encryption §5, §8."""
    if enc_version == 3:
        decryptor = Cipher(algorithms.AES(key[:16]), modes.ECB()).decryptor()
    else:
        decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    unpadder = PKCS7(128).unpadder()
    return unpadder.update(decryptor.update(data) + decryptor.finalize()) + unpadder.finalize()


def file_key(password: str, info: dict[str, Any]) -> tuple[bytes, bytes]:
    """Return key and IV of the blocks. Source: encryption §4, §8."""
    random_key = bytes.fromhex(info["random_key"])
    secret = decrypt(random_key, info["enc_version"], *derive(password.encode(), info))
    return derive(secret, info)


def test_the_server_makes_keys_of_the_form_that_is_set(server: InProcessServer) -> None:
    owner = Caller(server, server.account())
    made = owner.send("POST", "/api2/repos/", data={"name": "vault", "passwd": OLD}).json()
    assert (made["enc_version"], len(made["salt"]), len(made["magic"])) == (4, 64, 64)
    vault = Vault(owner, made["repo_id"])
    assert vault.unlock() == 200
    assert vault.send("upload", b"secret", parent_dir="/") == 200
    assert vault.get("/a.bin") == (200, b"secret")
