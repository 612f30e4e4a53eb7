"""A library with something in it, for tests that only look or that work below a folder of their own."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.support.server import ApiClient


@dataclass
class Sample:
    """A library of alice's: `/a/b/deep.txt`, `/a/empty/`, `/note.md`, `/ünïcode ☃.txt`."""

    owner: ApiClient
    id: str

    def dir(self, version: str = "api2") -> str:
        """Return the path of the calls on folders."""
        return f"/{version}/repos/{self.id}/dir/"

    def file(self, version: str = "api2") -> str:
        """Return the path of the calls on files."""
        return f"/{version}/repos/{self.id}/file/"

    def tree(self) -> list[str]:
        """Return the paths of everything in the library; folders end with a slash."""
        found = []
        for entry in self.owner.listing(self.id, recursive="1"):
            path = f"{entry['parent_dir'].rstrip('/')}/{entry['name']}"
            found.append(path + "/" if entry["type"] == "dir" else path)
        return sorted(found)

    def texts(self) -> list[str]:
        """Return the commit texts, newest first."""
        page = self.owner.json("GET", f"/api/v2.1/repos/{self.id}/history/", params={"per_page": "100"})
        return [item["description"] for item in page["data"]]


def make_sample(owner: ApiClient) -> Sample:
    """Return a new library with the sample tree."""
    library_id = owner.create_library("sample")
    owner.make_folder(library_id, "/a")
    owner.make_folder(library_id, "/a/empty")
    owner.upload(library_id, "/a/deep.txt", b"deep", relative_path="b")
    owner.upload(library_id, "/note.md", b"# note")
    owner.upload(library_id, "/ünïcode ☃.txt", "häßlich".encode())
    return Sample(owner, library_id)


@pytest.fixture(scope="module")
def shared(alice: ApiClient) -> Sample:
    """A sample that tests of one module only look at."""
    return make_sample(alice)


@pytest.fixture
def sample(alice: ApiClient) -> Sample:
    """A sample of this test's own."""
    return make_sample(alice)


@pytest.fixture(scope="session")
def encrypted(alice: ApiClient) -> Sample:
    """An encrypted library of alice's whose password has not been given."""
    return Sample(alice, alice.create_library("secret", passwd="a secret"))
