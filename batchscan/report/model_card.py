"""A model card becomes a page for people: an HTML file that needs nothing else, or a PDF."""

from __future__ import annotations

from pathlib import Path

from batchscan.domain.card import ModelCard
from batchscan.domain.records import Uint8Array
from batchscan.report.model_card_content import model_card_content
from batchscan.report.render import model_card_html, print_pdf
from batchscan.stores.atomic import write_atomically


def render_model_card(
    card: ModelCard, examples: Uint8Array, *, html: Path | None = None, pdf: Path | None = None
) -> None:
    """Write the card as a page; a file has its name only when it is whole, and an old one is replaced.

    The same card gives the same bytes with the same versions of the libraries.

    Parameters
    ----------
    card
        Of any model package.
    examples
        (n, p, p, 3) uint8, the pixels of the card's examples, in its order.
    html, pdf
        Where to; None leaves it out. The HTML file needs neither network nor script nor any other file.

    Raises
    ------
    ValueError
        If there aren't as many pictures as the card has examples.
    OutputError
        If a file can't be written, or Pango is missing for the PDF.
    """
    if len(examples) != len(card.examples):
        raise ValueError(f"{len(examples)} pictures for the {len(card.examples)} examples of the card of {card.name}")
    from batchscan.report import figures, model_card_figures  # noqa: PLC0415 - matplotlib is slow to import

    content, drawn = model_card_content(card), model_card_figures.charts(card)
    pictures = [figures.patch_png(pixels) for pixels in examples]
    if html is not None:
        with write_atomically(html) as stream:
            stream.write(model_card_html(content, drawn, pictures, with_typeface=True))
    if pdf is not None:
        page = model_card_html(content, drawn, pictures, with_typeface=False)
        with write_atomically(pdf, binary=True) as stream:
            print_pdf(page, stream)
