from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from seafleet.errors import MalformedObject
from seafleet.formats.xmlform import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_ELEMENTS,
    Element,
    document,
    element,
    escaped,
    leaf,
    parse,
    quoted,
)

BOMB = b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;"><!ENTITY d "&c;&c;">]><a>&d;</a>'
legal_texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\t\n\r"))


def nested(depth: int) -> bytes:
    return b"<a>" * depth + b"</a>" * depth


def test_a_document_is_read_with_attributes_texts_and_children_in_order() -> None:
    root = parse(b'<a k="1"> x<b>1</b> y<c/>z <b>2</b></a>')
    assert (root.name, root.attributes, root.text) == ("a", {"k": "1"}, " x yz ")
    assert [child.name for child in root.children] == ["b", "c", "b"]
    assert [child.text for child in root.named("b")] == ["1", "2"]


def test_built_in_entities_character_references_and_sections_are_read() -> None:
    assert parse(b"<a>&lt;&gt;&amp;&quot;&apos;&#65;&#x263a;<![CDATA[<b>&amp;]]></a>").text == (
        "<>&\"'A\u263a<b>&amp;"
    )


def test_comments_instructions_and_namespaces_are_passed_over() -> None:
    root = parse(b'<!-- c --><?p x?><d:a xmlns:d="urn:d" d:k="v"><!-- <!DOCTYPE a> --><d:b/></d:a>')
    assert root == Element("a", {"k": "v"}, "", (Element("b"),))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(BOMB, id="entities of its own"),
        pytest.param(b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', id="a document type elsewhere"),
        pytest.param(
            b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', id="an entity elsewhere"
        ),
        pytest.param(
            b'<!DOCTYPE a [<!ENTITY % x SYSTEM "http://192.0.2.1/x">%x;]><a/>', id="a parameter entity"
        ),
        pytest.param(b"<!DOCTYPE a><a/>", id="an empty document type"),
        pytest.param(b"<a>&nbsp;</a>", id="an unknown entity"),
        pytest.param(b'<a k="&x;"/>', id="an unknown entity in an attribute"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"  \n", id="blanks"),
        pytest.param(b"a", id="no element"),
        pytest.param(b"<a>", id="no end"),
        pytest.param(b"<a></b>", id="another end"),
        pytest.param(b"<a/><a/>", id="two roots"),
        pytest.param(b'<a k="1" k="2"/>', id="an attribute twice"),
        pytest.param(b"<a>\x00</a>", id="a NUL"),
        pytest.param(b"<a>&#0;</a>", id="a reference to NUL"),
        pytest.param(b"<a>&#xd800;</a>", id="half a surrogate pair"),
        pytest.param(b"<a>\x0b</a>", id="a control character"),
        pytest.param(b"<a>\xff</a>", id="not UTF-8"),
        pytest.param(b'<?xml version="1.0" encoding="utf-8"?><a>\xe4</a>', id="not what it declares"),
        pytest.param(b'<?xml version="1.0" encoding="utf-7"?><a>+ADw-b/+AD4-</a>', id="UTF-7"),
        pytest.param(b'<?xml version="1.0" encoding="nonsense"?><a/>', id="an encoding that nobody knows"),
        pytest.param("<a/>".encode("utf-16-le"), id="UTF-16 without a mark"),
        pytest.param("<a/>".encode("utf-32"), id="UTF-32"),
        pytest.param(b"\xff\xfe<", id="half a character"),
    ],
)
def test_what_is_not_a_plain_document_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedObject):
        parse(data)


@pytest.mark.parametrize(
    ("data", "charset"),
    [
        ("<a>\u00fc</a>".encode(), ""),
        (b"\xef\xbb\xbf" + "<a>\u00fc</a>".encode(), ""),
        ('<?xml version="1.0" encoding="UTF-16"?><a>\u00fc</a>'.encode("utf-16"), ""),
        (b"\xfe\xff" + "<a>\u00fc</a>".encode("utf-16-be"), "iso-8859-1"),
        ('<?xml version="1.0" encoding="ISO-8859-1"?><a>\u00fc</a>'.encode("latin-1"), ""),
        (b"<?xml version='1.0' encoding='us-ascii'?><a>&#252;</a>", ""),
        ('<?xml version="1.0" encoding="utf-8"?><a>\u00fc</a>'.encode("latin-1"), "ISO-8859-1"),
    ],
)
def test_a_mark_goes_before_the_charset_and_that_before_the_declaration(data: bytes, charset: str) -> None:
    assert parse(data, charset).text == "\u00fc"


def test_depth_is_bounded() -> None:
    assert parse(nested(MAX_DEPTH)).name == "a"
    with pytest.raises(MalformedObject, match="deeper"):
        parse(nested(MAX_DEPTH + 1))
    with pytest.raises(MalformedObject):
        parse(nested(100_000))


def test_size_and_number_of_elements_are_bounded() -> None:
    assert len(parse(b"<a>" + b"x" * (MAX_BYTES - 7) + b"</a>").text) == MAX_BYTES - 7
    with pytest.raises(MalformedObject, match="larger"):
        parse(b"<a>" + b"x" * (MAX_BYTES - 6) + b"</a>")
    with pytest.raises(MalformedObject, match="more than"):
        parse(b"<a>" + b"<b/>" * MAX_ELEMENTS + b"</a>")


@given(legal_texts, legal_texts)
def test_what_is_written_is_read_back_by_any_parser(text: str, value: str) -> None:
    written = document(element("a", leaf("b", text), k=value))
    assert parse(written) == Element("a", {"k": value}, "", (Element("b", {}, text),))
    other = etree.fromstring(written)
    assert (other.get("k"), other[0].text or "") == (value, text)


@given(st.text())
def test_whatever_the_text_the_document_is_well_formed(text: str) -> None:
    written = document(element("a", leaf("b", text), k=text))
    assert etree.fromstring(written).tag == "a"


@pytest.mark.parametrize("text", ["\0", "\x0b", "\x1f", "\ud800", "\ufffe", "\uffff"])
def test_characters_that_xml_cannot_carry_are_replaced(text: str) -> None:
    assert escaped(f"a{text}b") == "a\ufffdb"
    assert quoted(text) == '"\ufffd"'


def test_empty_elements_are_written_as_such() -> None:
    assert element("a") == "<a/>"
    assert leaf("a", "") == "<a/>"
    assert element("a", "", k="1") == '<a k="1"></a>'
