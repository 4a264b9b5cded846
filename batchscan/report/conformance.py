"""The objects of a printed PDF -> the same as PDF/A-3 and PDF/UA-1 ask for them, where WeasyPrint leaves them short.

It can print for one of the two at a time, so what says PDF/UA is added to the PDF/A-3a that it prints. Both standards
were tried on the outcome with veraPDF's engine and rules: docs/report.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from batchscan.stores.enclosures import ENCLOSED

# PDF/A-3 (ISO 19005-3, 6.6.2.3) wants every property described that it doesn't know, such as that of PDF/UA.
_PDF_UA = b"""\
<rdf:Description rdf:about="" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/" pdfuaid:part="1"/>\
<rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"\
 xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">\
<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">\
<pdfaSchema:schema>PDF/UA identification</pdfaSchema:schema>\
<pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>\
<pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>\
<pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource"><pdfaProperty:name>part</pdfaProperty:name>\
<pdfaProperty:valueType>Integer</pdfaProperty:valueType><pdfaProperty:category>internal</pdfaProperty:category>\
<pdfaProperty:description>Part of ISO 14289</pdfaProperty:description></rdf:li></rdf:Seq></pdfaSchema:property>\
</rdf:li></rdf:Bag></pdfaExtension:schemas></rdf:Description>"""
_END = b"</rdf:RDF>"
_PT_A_CSS_PX = 0.75


def finish(document: Any, pdf: Any, zoom: float) -> None:
    """Complete a PDF before it is written; WeasyPrint's `finisher`.

    Parameters
    ----------
    document
        weasyprint.document.Document.
    pdf
        pydyf.PDF, changed in place.
    zoom
        That it was printed with.
    """
    _say_pdf_ua(pdf)
    _describe_enclosures(pdf)
    elements = {item.number: item for item in pdf.objects if _type(item) == "/StructElem"}
    _set_apart_running_heads(pdf, elements)
    heights_px = {page.number: of_page.height for page, of_page in zip(_pages(pdf), document.pages, strict=True)}
    for element in elements.values():
        if element["S"] == "/TH":
            part = elements[_number(elements[_number(element["P"])]["P"])]
            element["A"]["Scope"] = "/Column" if part["S"] == "/THead" else "/Row"
        if element["S"] == "/Figure":
            _place(element, heights_px[_number(element["Pg"])], zoom * _PT_A_CSS_PX)


def _say_pdf_ua(pdf: Any) -> None:
    metadata = pdf.objects[_number(pdf.catalog["Metadata"])]
    metadata.stream = [part.replace(_END, _PDF_UA + _END) for part in metadata.stream]


def _describe_enclosures(pdf: Any) -> None:
    """Kinds by this program's list and not by that of the machine, nor by content; each file associated once."""
    for item in pdf.objects:
        if _type(item) == "/Filespec":
            kind = ENCLOSED[item["F"].string.decode()]
            item["AFRelationship"] = f"/{kind.relationship}"
            pdf.objects[_number(item["EF"]["F"])].extra["Subtype"] = "/" + kind.media_type.replace("/", "#2f")
    if "AF" in pdf.catalog:
        pdf.catalog["AF"][:] = dict.fromkeys(pdf.catalog["AF"])


def _set_apart_running_heads(pdf: Any, elements: Mapping[int, Any]) -> None:
    """Make artefacts of what stands in the margins of each page.

    WeasyPrint gives it elements that hang from no branch of the tree: to some readers it is text without a place.
    """
    apart = elements.keys() - set(_reached(pdf, elements))
    contents = {page.number: pdf.objects[_number(page["Contents"])] for page in _pages(pdf)}
    for number in apart:
        for mcid in elements[number]["K"]:
            if isinstance(mcid, int):
                _make_artefact(contents[_number(elements[number]["Pg"])].stream, mcid)
    names = {elements[number].reference for number in apart}
    places = pdf.objects[_number(pdf.objects[_number(pdf.catalog["StructTreeRoot"])]["ParentTree"])]["Nums"]
    for content in places[1::2]:
        if isinstance(content, list):
            content[:] = ["null" if reference in names else reference for reference in content]


def _reached(pdf: Any, elements: Mapping[int, Any]) -> Iterator[int]:
    todo = list(pdf.objects[_number(pdf.catalog["StructTreeRoot"])]["K"])
    while todo:
        number = _number(todo.pop())
        yield number
        if number in elements:
            todo += [child for child in elements[number]["K"] if not isinstance(child, int)]


def _make_artefact(stream: list[Any], mcid: int) -> None:
    for i, item in enumerate(stream):
        if isinstance(item, dict) and item.get("MCID") == mcid:
            stream[i - 1], stream[i] = "/Artifact", "<</Type /Pagination>>"
            return


def _place(figure: Any, height_px: float, scale: float) -> None:
    """Give a figure's box in points, counted from the page's lower left corner as PDF does."""
    left, top, right, bottom = figure["A"]["BBox"]
    figure["A"]["BBox"][:] = [left * scale, (height_px - bottom) * scale, right * scale, (height_px - top) * scale]


def _pages(pdf: Any) -> list[Any]:
    return [pdf.objects[number] for number in pdf.pages["Kids"][::3]]


def _type(item: Any) -> str | None:
    return item.get("Type") if isinstance(item, dict) else None


def _number(reference: bytes) -> int:
    """Of the object that `12 0 R` refers to."""
    return int(reference.split()[0])
