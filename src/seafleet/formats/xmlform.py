"""XML from strangers, read into plain elements, and XML written as text.

Reading takes well-formed documents without a document type, so that there are no entities but the five that
every parser knows; nothing is ever fetched. Size, depth and number of elements are bounded.

Writing replaces what XML 1.0 cannot carry by U+FFFD, and escapes whatever a parser would change.

Source: XML 1.0 §2.2, §2.4, §3.3.3, §4.6; device registry §11.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from seafleet.errors import MalformedObject

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 32
MAX_ELEMENTS: Final = 20_000
DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>'

_KIND: Final = "XML"
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CODECS: Final = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "latin-1",
    "latin1": "latin-1",
}
_declared = re.compile(
    rb"<\?xml[ \t\r\n][^>]{0,200}?encoding[ \t\r\n]*=[ \t\r\n]*[\"']([A-Za-z0-9._-]{1,40})[\"']"
)
_unfit = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_IN_TEXT: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_IN_ATTRIBUTE: Final = {**_IN_TEXT, **str.maketrans({'"': "&quot;", "\n": "&#10;", "\t": "&#9;"})}


# -- reading -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Element:
    """An element without its namespace. `text` is all character data directly inside, as it stands."""

    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    children: tuple[Element, ...] = ()

    def named(self, *names: str) -> Iterator[Element]:
        """Yield the children of these names, in the order of the document."""
        return (child for child in self.children if child.name in names)


def parse(data: bytes, charset: str = "") -> Element:
    """Return the root of a document. A byte order mark goes before `charset`, that before its declaration.

    Raises MalformedObject("XML", reason) for everything that is not a small document without a DTD.
    """
    if len(data) > MAX_BYTES:
        raise MalformedObject(_KIND, f"larger than {MAX_BYTES} bytes")
    builder: Any = _Builder()
    # The text goes in as UTF-8 whatever its declaration says, so that only our decoder looks at that.
    parser = etree.XMLParser(
        target=builder,
        encoding="utf-8",
        resolve_entities="internal",  # none can be declared, but attributes need the built-in ones
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        recover=False,
    )
    try:
        etree.fromstring(_decoded(data, charset).encode(), parser)
    except etree.XMLSyntaxError as error:
        raise MalformedObject(_KIND, str(error)[:200]) from None
    root: Element = builder.root
    return root


def _decoded(data: bytes, charset: str) -> str:
    """Return the text of a document. Raises MalformedObject for wrong bytes, and most encodings."""
    for mark, codec in _BOMS:
        if data.startswith(mark):
            return _decode(data[len(mark) :], codec)
    found = _declared.match(data)
    name = (charset or (found.group(1).decode("ascii") if found else "utf-8")).lower()
    if name not in _CODECS:
        raise MalformedObject(_KIND, f"its encoding {name[:40]!r} is not taken")
    return _decode(data, _CODECS[name])


def _decode(data: bytes, codec: str) -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        raise MalformedObject(_KIND, f"not {error.encoding}") from None


@dataclass(slots=True)
class _Open:
    """An element whose end has not come yet."""

    name: str
    attributes: dict[str, str]
    text: list[str] = field(default_factory=list)
    children: list[Element] = field(default_factory=list)


class _Builder:
    """Takes the parser's events; what it raises ends the parsing at that place."""

    def __init__(self) -> None:
        self.root = Element("")
        self._open: list[_Open] = []
        self._count = 0

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Take a start tag."""
        self._count += 1
        if len(self._open) >= MAX_DEPTH:
            raise MalformedObject(_KIND, f"deeper than {MAX_DEPTH} elements")
        if self._count > MAX_ELEMENTS:
            raise MalformedObject(_KIND, f"more than {MAX_ELEMENTS} elements")
        self._open.append(_Open(_local(name), {_local(key): value for key, value in attributes.items()}))

    def end(self, _name: str) -> None:
        """Take an end tag."""
        done = self._open.pop()
        element = Element(done.name, done.attributes, "".join(done.text), tuple(done.children))
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element

    def data(self, text: str) -> None:
        """Take character data."""
        self._open[-1].text.append(text)

    def doctype(self, _name: str, _public: str | None, _system: str | None) -> None:
        """Refuse a document type."""
        raise MalformedObject(_KIND, "it has a document type")

    def comment(self, _text: str) -> None:
        """Pass over a comment."""

    def pi(self, _target: str, _data: str | None = None) -> None:
        """Pass over a processing instruction."""

    def close(self) -> None:
        """Take the end of the document."""


def _local(name: str) -> str:
    return name.rpartition("}")[2]


# -- writing -------------------------------------------------------------------------------------------------


def escaped(text: str) -> str:
    """Return text as it stands between tags."""
    return _unfit.sub("\ufffd", text).translate(_IN_TEXT)


def quoted(text: str) -> str:
    """Return text as the value of an attribute, with its quotes."""
    return f'"{_unfit.sub(chr(0xFFFD), text).translate(_IN_ATTRIBUTE)}"'


def element(name: str, /, *content: str, **attributes: str) -> str:
    """Return an element around content that is XML already; attributes are plain text."""
    head = name + "".join(f" {key}={quoted(value)}" for key, value in attributes.items())
    return f"<{head}>{''.join(content)}</{name}>" if content else f"<{head}/>"


def leaf(name: str, text: str) -> str:
    """Return an element around plain text."""
    return f"<{name}>{escaped(text)}</{name}>" if text else f"<{name}/>"


def document(root: str) -> bytes:
    """Return a whole document around an element that is XML already."""
    return f"{DECLARATION}{root}".encode()
