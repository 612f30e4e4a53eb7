"""Empty office documents: whole packages, whose parts all exist and are well-formed."""

from __future__ import annotations

import io
import posixpath
import zipfile

import pytest
from lxml import etree

from seafleet.files.office import empty_document

_RELATIONSHIP = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_OVERRIDE = "{http://schemas.openxmlformats.org/package/2006/content-types}Override"


@pytest.mark.parametrize("suffix", ["docx", "xlsx", "pptx"])
def test_every_part_that_is_referred_to_is_there_and_well_formed(suffix: str) -> None:
    content = empty_document(f"new.{suffix}")
    assert content is not None
    package = zipfile.ZipFile(io.BytesIO(content))
    names = set(package.namelist())
    parts = {name: etree.fromstring(package.read(name)) for name in names}
    for name, root in parts.items():
        for link in root.iter(_RELATIONSHIP):
            folder = posixpath.dirname(posixpath.dirname(name))
            assert posixpath.normpath(posixpath.join(folder, link.attrib["Target"])) in names
        for override in root.iter(_OVERRIDE):
            assert override.attrib["PartName"].lstrip("/") in names


def test_the_bytes_are_the_same_every_time() -> None:
    assert empty_document("a.docx") == empty_document("B.DOCX")


@pytest.mark.parametrize("name", ["a.txt", "docx", "a.doc", "a.docx.txt", ""])
def test_other_files_stay_empty(name: str) -> None:
    assert empty_document(name) is None
