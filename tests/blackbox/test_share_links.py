"""Share links: made and listed through the Web API, opened in a browser without login."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import httpx
import pytest

from tests.blackbox.conftest import Sample
from tests.support.catalog import operation
from tests.support.server import ApiClient

NOWHERE = "00000000-0000-4000-8000-000000000000"
LINKS = "/api/v2.1/share-links/"
PASSWORD = "a link's password"


def create(sample: Sample, path: str, **form: Any) -> dict[str, Any]:
    """Make a link and return it."""
    answer = sample.owner.post(LINKS, json={"repo_id": sample.id, "path": path, **form})
    link: dict[str, Any] = operation("create-share-link").check(answer)
    return link


def visit(url: str, **options: Any) -> httpx.Response:
    """Open an address as a browser without any login does."""
    return httpx.get(url, follow_redirects=True, **options)


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        ({"repo_id": ""}, 400, "repo_id invalid."),
        ({"path": ""}, 400, "path invalid."),
        ({"password": "short"}, 400, "Password is too short."),
        ({"permissions": "no json"}, 400, "permissions invalid: no json"),
        ({"repo_id": NOWHERE}, 404, f"Library {NOWHERE} not found."),
        ({"path": "/no"}, 404, "path /no not found."),
    ],
)
def test_refuses_in_the_documented_words(
    shared: Sample, change: dict[str, str], status: int, text: str
) -> None:
    form = {"repo_id": shared.id, "path": "/note.md"} | change
    operation("create-share-link").check_error(shared.owner.post(LINKS, data=form), status, text)


@pytest.mark.parametrize(
    "form",
    [
        {"expiration_time": "soon"},
        {"expiration_time": "2030-01-01T00:00:00"},
        {"permissions": "[]"},
        {"expire_days": "1", "expiration_time": "2030-01-01T00:00:00+00:00"},
        {"permissions": '{"can_preview": false, "can_download": false}'},
    ],
)
def test_refuses_what_makes_no_sense(shared: Sample, form: dict[str, str]) -> None:
    answer = shared.owner.post(LINKS, data={"repo_id": shared.id, "path": "/note.md", **form})
    assert answer.status_code == 400


def test_strangers_and_encrypted_libraries_get_none(
    shared: Sample, encrypted: Sample, bob: ApiClient
) -> None:
    answer = bob.post(LINKS, data={"repo_id": shared.id, "path": "/note.md"})
    operation("create-share-link").check_error(answer, 403, "Permission denied.")
    answer = encrypted.owner.post(LINKS, data={"repo_id": encrypted.id, "path": "/"})
    assert answer.status_code == 403


def test_one_link_for_each_path_listed_folders_first(sample: Sample) -> None:
    made = [create(sample, path) for path in ("/note.md", "/a", "/ünïcode ☃.txt", "/")]
    assert create(sample, "/note.md")["token"] == made[0]["token"]
    answer = sample.owner.get(LINKS, params={"repo_id": sample.id})
    listed = operation("list-share-links-of-a-library").check(answer)
    assert [link["path"] for link in listed] == ["/", "/a/", "/note.md", "/ünïcode ☃.txt"]
    every = operation("list-all-share-links").check(sample.owner.get(LINKS))
    assert {link["token"] for link in made} <= {link["token"] for link in every}
    one = sample.owner.get(LINKS, params={"repo_id": sample.id, "path": "/a"})
    assert operation("list-share-link-of-a-folder-file").check(one) == [made[1]]
    none = sample.owner.json("GET", LINKS, params={"repo_id": sample.id, "path": "/a/b"})
    assert none == []
    gone = sample.owner.get(LINKS, params={"repo_id": sample.id, "path": "/no"})
    operation("list-share-link-of-a-folder-file").check_error(gone, 404, "path /no not found.")


def test_links_end_when_their_maker_says_so(sample: Sample, bob: ApiClient) -> None:
    link = create(sample, "/note.md")
    url = f"{LINKS}{link['token']}/"
    assert sample.owner.json("GET", url) == link
    operation("delete-share-link").check_error(bob.delete(url), 403, "Permission denied.")
    for _ in range(2):
        operation("delete-share-link").check(sample.owner.delete(url))
    assert visit(link["link"]).status_code == 404
    assert sample.owner.get(url).status_code == 404


def test_a_link_opens_a_file_for_anybody(sample: Sample) -> None:
    link = create(sample, "/ünïcode ☃.txt")
    page = visit(link["link"])
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "ünïcode ☃.txt" in page.text
    assert visit(f"{link['link']}?dl=1").content.decode() == "häßlich"
    again = sample.owner.json("GET", f"{LINKS}{link['token']}/")
    assert again["view_cnt"] == 2


def test_a_link_opens_a_folder_and_what_is_below(sample: Sample) -> None:
    sample.owner.upload(sample.id, "/a/<script>.txt", b"1")
    link = create(sample, "/a")
    page = visit(link["link"])
    assert "&lt;script&gt;.txt" in page.text
    assert "<script>" not in page.text
    assert "deep.txt" in visit(link["link"], params={"p": "/b"}).text
    assert visit(link["link"], params={"p": "/b/deep.txt", "dl": "1"}).content == b"deep"
    archive = zipfile.ZipFile(io.BytesIO(visit(f"{link['link']}?dl=1").content))
    assert sorted(archive.namelist()) == ["a/<script>.txt", "a/b/deep.txt", "a/empty/"]
    for path in ("/..", "/../note.md", "/no", "/b/../../note.md"):
        assert visit(link["link"], params={"p": path, "dl": "1"}).status_code == 404


def test_a_link_asks_for_its_password(sample: Sample) -> None:
    link = create(sample, "/a", password=PASSWORD)
    with httpx.Client(follow_redirects=True) as browser:
        assert "protected by a password" in browser.get(link["link"]).text
        assert "deep" not in browser.get(link["link"], params={"p": "/b"}).text
        assert browser.get(f"{link['link']}?dl=1").headers["content-type"].startswith("text/html")
        wrong = browser.post(link["link"], data={"password": "another password"})
        assert (wrong.status_code, "not the password" in wrong.text) == (403, True)
        assert "empty" in browser.post(link["link"], data={"password": PASSWORD}).text
        assert "deep.txt" in browser.get(link["link"], params={"p": "/b"}).text
    other = create(sample, "/note.md", password=PASSWORD)
    with httpx.Client(cookies=browser.cookies) as stranger:
        assert "protected by a password" in stranger.get(other["link"]).text


def test_a_link_ends_with_its_time(sample: Sample) -> None:
    link = create(sample, "/note.md", expiration_time="2020-01-01T00:00:00+00:00")
    assert (link["is_expired"], visit(link["link"]).status_code) == (True, 404)
    later = create(sample, "/a", expire_days=3)
    assert (later["is_expired"], visit(later["link"]).status_code) == (False, 200)


def test_what_may_only_be_looked_at_is_not_handed_out(sample: Sample) -> None:
    link = create(sample, "/note.md", permissions={"can_preview": True, "can_download": False})
    assert link["permissions"] == {"can_preview": True, "can_download": False}
    assert visit(link["link"]).status_code == 200
    assert visit(f"{link['link']}?dl=1").status_code == 403


def test_lists_a_folder_through_its_link(sample: Sample) -> None:
    link = create(sample, "/a", password=PASSWORD)
    url = f"{sample.owner.server.url}/api2/d/{link['token']}/dir/"
    name = "list-direntry-in-dir-download-link"
    operation(name).check_error(httpx.get(url), 403, "Password is required")
    wrong = httpx.get(url, params={"password": "wrong"})
    operation(name).check_error(wrong, 403, "Invalid Password")
    listed = operation(name).check(httpx.get(url, params={"password": PASSWORD}))
    assert [entry["name"] for entry in listed] == ["b", "empty"]
    below = httpx.get(url, params={"password": PASSWORD, "p": "/b"}).json()
    assert [entry["name"] for entry in below] == ["deep.txt"]
    for path in ("/no", "/../"):
        bad = httpx.get(url, params={"password": PASSWORD, "p": path})
        operation(name).check_error(bad, 400, "Invalid path")
    unknown = httpx.get(f"{sample.owner.server.url}/api2/d/{'0' * 20}/dir/")
    operation(name).check_error(unknown, 400, "Invalid token")
