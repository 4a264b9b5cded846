from __future__ import annotations

from pathlib import Path

import pytest
from pypdf import PdfReader

from batchscan.report.language import language, languages
from batchscan.report.render import print_pdf
from batchscan.report.text_width import Setting, Weight
from batchscan.report.words import unbroken

WIDTHS_MM = (38.9, 43.4, 65.4, 91.0, 130.4)
CSS_WEIGHTS: dict[Weight, int] = {"Regular": 400, "SemiBold": 600}
STYLE = "<style>p { margin: 0; font: 8.2pt/1.35 'IBM Plex Sans' }</style>"


def sentences(tag: str) -> list[str]:
    """What pages say, all but the shortest of it, with numbers for its variables."""
    spoken = language(tag)
    values = dict.fromkeys({name for used in spoken.variables.values() for name in used} - {"n"}, "12.5 mm")
    said = (unbroken(spoken.say(name, n=2, **values)) for name in spoken.variables if name[0] != "-")
    return [words for words in said if len(words) > 40]


@pytest.mark.parametrize("tag", languages())
def test_there_are_as_many_lines_as_are_printed(tag: str, tmp_path: Path) -> None:
    """At most a line in twenty more is counted, for safety, and never one less."""
    settings = [Setting(8.2, 1.35, width_mm, weight) for width_mm in WIDTHS_MM for weight in CSS_WEIGHTS]
    cases = [(settings[i % len(settings)], words) for i, words in enumerate(sentences(tag))]
    paragraphs = [
        f"<p style='width: {each.width_mm}mm; font-weight: {CSS_WEIGHTS[each.weight]}'>{words}</p>END"
        for each, words in cases
    ]
    print_pdf(STYLE + "".join(paragraphs), tmp_path / "lines.pdf")
    text = "\n".join(page.extract_text() for page in PdfReader(tmp_path / "lines.pdf").pages)
    printed = [len(part.strip().split("\n")) for part in text.split("END")[:-1]]
    counted = [setting.n_lines(words) for setting, words in cases]
    assert len(printed) == len(counted) > 100
    assert [words for (_, words), a, b in zip(cases, counted, printed, strict=True) if a < b] == []
    assert sum(counted) <= 1.05 * sum(printed)


def test_words_break_at_ordinary_spaces_alone() -> None:
    narrow = Setting(10.0, 1.2, 20.0)
    assert narrow.n_lines("") == 0
    assert narrow.n_lines("patch") == 1
    assert narrow.n_lines("patch patch patch patch") == 2
    assert narrow.n_lines("patch patch\u00a0patch patch") == 3
    assert narrow.height_mm("patch patch patch patch") == pytest.approx(2 * 12 * 25.4 / 72)


def test_a_word_longer_than_a_line_begins_one_and_goes_on_below() -> None:
    assert Setting(10.0, 1.2, 20.0).n_lines("Slide " + "8950." * 12) == 1 + 6
