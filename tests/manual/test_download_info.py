"""What a client needs to synchronise: the same call for every kind of library, with a token that opens it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.manual.scene import Caller, Scene
from tests.support.catalog import faults, operation


def _sub_library(scene: Scene, library_id: str, **params: str) -> str:
    path = f"/api2/repos/{library_id}/dir/sub_repo/"
    answer = scene.owner.send("GET", path, params={"p": "/a", "name": "a", **params})
    return str(answer.json()["sub_repo_id"])


def _library(scene: Scene, kind: str) -> str:
    if kind == "sub-library":
        return _sub_library(scene, scene.library.library_id)
    if kind == "encrypted sub-library":
        return _sub_library(scene, scene.vault.library_id, password=scene.values["password"])
    return scene.vault.library_id if kind == "encrypted" else scene.library.library_id


def _info(caller: Caller, library_id: str) -> dict[str, Any]:
    call = operation("fetch-library-download-info")
    answer = caller.send("GET", call.url(repo_id=library_id))
    assert answer.status_code == call.status, answer.text
    told: dict[str, Any] = answer.json()
    shape = call.shape | {"permission": "r|rw"}  # the catalog shows an owner's
    assert faults(told, shape, {"repo_id": library_id}) == []
    return told


@pytest.mark.parametrize("kind", ["plain", "encrypted", "sub-library", "encrypted sub-library"])
def test_every_kind_of_library_tells_its_head_and_what_opens_it(scene: Scene, kind: str) -> None:
    library_id = _library(scene, kind)
    info, head = _info(scene.owner, library_id), scene.server.services.libraries.get(library_id)
    assert (info["head_commit_id"], info["repo_name"]) == (head.commit_id, head.name)
    assert (info["encrypted"] == 1) is head.encrypted is ("encrypted" in kind)
    if head.encryption is not None:
        assert (info["magic"], info["enc_version"]) == (head.encryption.magic, 2)
    token = {"Seafile-Repo-Token": info["token"]}
    answer = scene.server.request("GET", f"/seafhttp/repo/{library_id}/commit/HEAD", headers=token)
    assert answer.json()["head_commit_id"] == head.commit_id


def test_a_token_is_one_callers_for_one_library(scene: Scene) -> None:
    people, library_id = scene.people, scene.library.library_id
    told = {
        name: _info(getattr(people, name), library_id)
        for name in ("writer", "reader", "group_writer", "group_reader")
    }
    assert [told[name]["permission"] for name in told] == ["rw", "r", "rw", "r"]
    assert len({info["token"] for info in told.values()}) == len(told)
    other = _sub_library(scene, library_id)
    headers = {"Seafile-Repo-Token": told["writer"]["token"]}
    answer = scene.server.request("GET", f"/seafhttp/repo/{other}/commit/HEAD", headers=headers)
    assert answer.status_code == 403
