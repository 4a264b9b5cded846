"""What a report says -> the words of page one that its numbers stand in, to be found again in a printed one."""

from __future__ import annotations

from collections.abc import Iterator

from batchscan.report.content import SlideContent


def page_one_words(content: SlideContent) -> Iterator[tuple[str, str]]:
    """What each is about, and the words themselves, in their order on the page."""
    yield "headline", content.headline
    yield "answer", content.answer
    for fact in content.figures:
        yield fact.label, f"{fact.label} {fact.value} {fact.note}"


def stands_in(words: str, page: str) -> bool:
    """Whether a page's text has these words, wherever its lines break."""
    return "".join(words.split()) in "".join(page.split())
