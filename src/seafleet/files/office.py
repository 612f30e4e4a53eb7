"""Empty office documents: what a new `.docx`, `.xlsx` or `.pptx` holds, so that office programs open it.

The bytes are the same every time, so that equal documents share their content.

Source: files page, "v2.1 create"; ECMA-376, parts 1 and 2 (the smallest package of each kind).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from functools import cache
from typing import Final

_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006"
_TYPE: Final = "application/vnd.openxmlformats-officedocument"
_WORD: Final = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_SHEET: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_SLIDE: Final = "http://schemas.openxmlformats.org/presentationml/2006/main"
_DRAWING: Final = "http://schemas.openxmlformats.org/drawingml/2006/main"
_SLIDE_SPACES: Final = f'xmlns:a="{_DRAWING}" xmlns:r="{_OFFICE}/relationships" xmlns:p="{_SLIDE}"'

_EMPTY_SHAPES: Final = (
    "<p:cSld><p:spTree><p:nvGrpSpPr>"
    '<p:cNvPr id="1" name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/></p:spTree></p:cSld>'
)
_COLOR_NAMES: Final = "dk1 lt1 dk2 lt2 accent1 accent2 accent3 accent4 accent5 accent6 hlink folHlink"
_COLORS: Final = "000000 FFFFFF 44546A E7E6E6 4472C4 ED7D31 A5A5A5 FFC000 5B9BD5 70AD47 0563C1 954F72"
_FILL: Final = '<a:solidFill><a:schemeClr val="phClr"/></a:solidFill>'


def empty_document(name: str) -> bytes | None:
    """Return the content of a new file called `name`; None for all but office documents."""
    _, dot, suffix = name.rpartition(".")
    make = _PARTS.get(suffix.lower()) if dot else None
    return None if make is None else _packed(suffix.lower())


@cache
def _packed(suffix: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for path, text in _PARTS[suffix].items():
            part = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
            part.compress_type = zipfile.ZIP_DEFLATED
            package.writestr(part, _DECLARATION + text)
    return buffer.getvalue()


def _types(parts: Mapping[str, str]) -> str:
    overrides = "".join(
        f'<Override PartName="/{path}" ContentType="{_TYPE}.{kind}+xml"/>' for path, kind in parts.items()
    )
    return (
        f'<Types xmlns="{_PACKAGE}/content-types">'
        f'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{overrides}</Types>'
    )


def _links(**targets: str) -> str:
    """Return relationships `rId1`, `rId2` … to parts, each of the kind that its keyword says."""
    links = "".join(
        f'<Relationship Id="rId{number}" Type="{_OFFICE}/relationships/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets.items(), 1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{links}</Relationships>'


def _theme() -> str:
    colors = "".join(
        f'<a:{name}><a:srgbClr val="{value}"/></a:{name}>'
        for name, value in zip(_COLOR_NAMES.split(), _COLORS.split(), strict=True)
    )
    font = '<a:latin typeface="Calibri"/><a:ea typeface=""/><a:cs typeface=""/>'
    line = f'<a:ln w="6350">{_FILL}</a:ln>'
    return (
        f'<a:theme xmlns:a="{_DRAWING}" name="Office"><a:themeElements>'
        f'<a:clrScheme name="Office">{colors}</a:clrScheme>'
        f'<a:fontScheme name="Office"><a:majorFont>{font}</a:majorFont><a:minorFont>{font}</a:minorFont>'
        f'</a:fontScheme><a:fmtScheme name="Office"><a:fillStyleLst>{_FILL * 3}</a:fillStyleLst>'
        f"<a:lnStyleLst>{line * 3}</a:lnStyleLst><a:effectStyleLst>"
        f"{'<a:effectStyle><a:effectLst/></a:effectStyle>' * 3}</a:effectStyleLst>"
        f"<a:bgFillStyleLst>{_FILL * 3}</a:bgFillStyleLst></a:fmtScheme></a:themeElements></a:theme>"
    )


_COLOR_MAP: Final = (
    '<p:clrMap bg1="lt1" tx1="dk1" bg2="lt2" tx2="dk2" accent1="accent1" accent2="accent2" '
    'accent3="accent3" accent4="accent4" accent5="accent5" accent6="accent6" hlink="hlink" '
    'folHlink="folHlink"/>'
)

_PARTS: Final[Mapping[str, Mapping[str, str]]] = {
    "docx": {
        "[Content_Types].xml": _types({"word/document.xml": "wordprocessingml.document.main"}),
        "_rels/.rels": _links(officeDocument="word/document.xml"),
        "word/document.xml": (
            f'<w:document xmlns:w="{_WORD}"><w:body><w:p/><w:sectPr/></w:body></w:document>'
        ),
    },
    "xlsx": {
        "[Content_Types].xml": _types(
            {
                "xl/workbook.xml": "spreadsheetml.sheet.main",
                "xl/worksheets/sheet1.xml": "spreadsheetml.worksheet",
            }
        ),
        "_rels/.rels": _links(officeDocument="xl/workbook.xml"),
        "xl/workbook.xml": (
            f'<workbook xmlns="{_SHEET}" xmlns:r="{_OFFICE}/relationships">'
            '<sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>'
        ),
        "xl/_rels/workbook.xml.rels": _links(worksheet="worksheets/sheet1.xml"),
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_SHEET}"><sheetData/></worksheet>',
    },
    "pptx": {
        "[Content_Types].xml": _types(
            {
                "ppt/presentation.xml": "presentationml.presentation.main",
                "ppt/slideMasters/slideMaster1.xml": "presentationml.slideMaster",
                "ppt/slideLayouts/slideLayout1.xml": "presentationml.slideLayout",
                "ppt/slides/slide1.xml": "presentationml.slide",
                "ppt/theme/theme1.xml": "theme",
            }
        ),
        "_rels/.rels": _links(officeDocument="ppt/presentation.xml"),
        "ppt/presentation.xml": (
            f"<p:presentation {_SLIDE_SPACES}>"
            '<p:sldMasterIdLst><p:sldMasterId id="2147483648" r:id="rId1"/></p:sldMasterIdLst>'
            '<p:sldIdLst><p:sldId id="256" r:id="rId2"/></p:sldIdLst>'
            '<p:sldSz cx="12192000" cy="6858000"/><p:notesSz cx="6858000" cy="9144000"/></p:presentation>'
        ),
        "ppt/_rels/presentation.xml.rels": _links(
            slideMaster="slideMasters/slideMaster1.xml", slide="slides/slide1.xml", theme="theme/theme1.xml"
        ),
        "ppt/slideMasters/slideMaster1.xml": (
            f"<p:sldMaster {_SLIDE_SPACES}>{_EMPTY_SHAPES}{_COLOR_MAP}"
            '<p:sldLayoutIdLst><p:sldLayoutId id="2147483649" r:id="rId1"/></p:sldLayoutIdLst></p:sldMaster>'
        ),
        "ppt/slideMasters/_rels/slideMaster1.xml.rels": _links(
            slideLayout="../slideLayouts/slideLayout1.xml", theme="../theme/theme1.xml"
        ),
        "ppt/slideLayouts/slideLayout1.xml": (
            f'<p:sldLayout {_SLIDE_SPACES} type="blank">{_EMPTY_SHAPES}'
            "<p:clrMapOvr><a:masterClrMapping/></p:clrMapOvr></p:sldLayout>"
        ),
        "ppt/slideLayouts/_rels/slideLayout1.xml.rels": _links(
            slideMaster="../slideMasters/slideMaster1.xml"
        ),
        "ppt/slides/slide1.xml": (
            f"<p:sld {_SLIDE_SPACES}>{_EMPTY_SHAPES}<p:clrMapOvr><a:masterClrMapping/></p:clrMapOvr></p:sld>"
        ),
        "ppt/slides/_rels/slide1.xml.rels": _links(slideLayout="../slideLayouts/slideLayout1.xml"),
        "ppt/theme/theme1.xml": _theme(),
    },
}
