"""Lasting links lead those who may read to what they mean, and nobody else."""

from __future__ import annotations

import io
import zipfile

from seafleet.library.edits import AddFiles, MakeFolders, Rename
from seafleet.library.model import Author, Head
from tests.library.site import new_file
from tests.support.registry import Person, RegistrySite
from tests.web.conftest import LOGIN, Browser

NOWHERE = "/smart-link/0b5c7c3e-0000-4000-8000-000000000001/"


def make(site: RegistrySite, owner: Person) -> Head:
    """Make a library with a file in a folder."""
    libraries = site.server.services.libraries
    head = site.server.library(owner.account)
    author = Author(owner.email)
    libraries.commit_edit(head.library_id, author, MakeFolders("/", "d"))
    libraries.commit_edit(head.library_id, author, AddFiles("/d", (new_file("a.txt", "content"),)))
    return head


def link(site: RegistrySite, head: Head, path: str) -> str:
    """Return a lasting link."""
    return f"/smart-link/{site.server.services.identities.of(head.library_id, path)}/"


def test_whoever_is_not_signed_in_is_asked_to_and_led_on(
    site: RegistrySite, browser: Browser, ann: Person
) -> None:
    address = link(site, make(site, ann), "/d/a.txt")
    answer = browser.get(address)
    assert (answer.status_code, answer.headers["Location"].partition("?")[0]) == (302, LOGIN)
    assert browser.get(answer.headers["Location"]).status_code == 200
    assert browser.sign_in(ann, next=address).headers["Location"] == address


def test_a_link_leads_to_the_file_whatever_it_is_called_now(
    site: RegistrySite, browser: Browser, ann: Person
) -> None:
    head = make(site, ann)
    address = link(site, head, "/d/a.txt")
    rename = Rename("/d/a.txt", "b.txt")
    site.server.services.libraries.commit_edit(head.library_id, Author(ann.email), rename)
    browser.sign_in(ann)
    answer = browser.get(browser.get(address).headers["Location"])
    assert (answer.text, "b.txt" in answer.headers["Content-Disposition"]) == ("content", True)


def test_a_link_to_a_folder_leads_to_an_archive_of_it(
    site: RegistrySite, browser: Browser, ann: Person
) -> None:
    head = make(site, ann)
    browser.sign_in(ann)
    for path, name in (("/d", "d/a.txt"), ("/", "d/a.txt")):
        answer = browser.get(browser.get(link(site, head, path)).headers["Location"])
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert archive.read(name) == b"content"


def test_strangers_and_links_that_lead_nowhere_are_refused(
    site: RegistrySite, browser: Browser, ann: Person
) -> None:
    address = link(site, make(site, site.person(name="eve")), "/d/a.txt")
    empty = link(site, site.server.library(ann.account), "/")
    browser.sign_in(ann)
    assert browser.get(address).status_code == 403
    assert browser.get(empty).status_code == 404
    for nowhere in (NOWHERE, "/smart-link/x/"):
        assert browser.get(nowhere).status_code == 404
