from __future__ import annotations

import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from batchscan.domain.errors import OutputError
from batchscan.report.index import run_content
from batchscan.report.render import render_run_index

RUN: dict[str, Any] = {
    "name": "overnight",
    "started": "2025-11-23T01:00:00+00:00",
    "finished": "2025-11-23T06:12:00+00:00",
    "model": {"name": "idc-cnn", "version": "1.0.0", "sha256": "5e" * 32},
    "engine": {"name": "openvino", "precision": "bf16"},
    "threshold": 0.5,
    "counts": {"done": 1, "failed": 1, "excluded": 2},
}
NUMBERS = dict.fromkeys(
    ("tissue_mm2", "idc_mm2", "idc_fraction", "n_foci", "largest_focus_mm", "perpendicular_mm", "field_extent_mm",
     "touches_edge", "n_patches", "n_positive", "n_borderline", "n_unreadable", "seconds_total"), ""
)  # fmt: skip


def row(slide_id: str, status: str = "done", reason: str = "", sentence: str = "", **numbers: Any) -> dict[str, Any]:
    words = {"slide_id": slide_id, "patient_id": "P1", "status": status, "reason": reason, "sentence": sentence}
    return words | NUMBERS | numbers


DONE = row(
    "8867", tissue_mm2=241.2, idc_mm2=23.46, idc_fraction=0.0973, n_foci=2, largest_focus_mm=7.41, perpendicular_mm=5.3,
    field_extent_mm=21.4, touches_edge=True, n_patches=1642, n_positive=161, n_borderline=2, n_unreadable=0,
    seconds_total=5.3,
)  # fmt: skip
ROWS = [
    DONE,
    row("a", "failed", "unreadable", "a.svs: pixels can't be read; copy the file again"),
    row("b", "excluded", "no_spacing", "b.svs: nobody says how large a pixel is; give --um-per-px"),
    row("c", "excluded", "no_spacing", "c.svs: nobody says how large a pixel is; give --um-per-px"),
]


class Page(HTMLParser):
    """Links, resources and the cells of each row."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.outside: list[str] = []
        self.rows: list[list[str]] = []
        self.cell = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for key, value in attrs if tag == "a" and key == "href"]
        self.outside += [value or "" for key, value in attrs if tag != "a" and key in ("src", "href")]
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")
            self.cell = True

    def handle_endtag(self, tag: str) -> None:
        self.cell = self.cell and tag != "td"

    def handle_data(self, data: str) -> None:
        if self.cell:
            self.rows[-1][-1] += data


def page(tmp_path: Path, rows: list[dict[str, Any]], **run: Any) -> Page:
    out = tmp_path / "index.html"
    render_run_index(RUN | run, rows, out)
    return Page(out.read_text(encoding="utf-8"))


def test_a_done_slide_is_linked_with_its_numbers(tmp_path: Path) -> None:
    index = page(tmp_path, ROWS)
    assert index.links == ["slides/8867/report.pdf"]
    numbers = "23.5 mm²|9.7 %|2|7.4 \u00d7 5.3 mm|21.4 mm|yes|241 mm²|1,642|161|0|5.30 s"
    assert ["8867", "P1", "done", *numbers.split("|")] in index.rows


def test_nothing_is_linked_when_no_report_was_printed(tmp_path: Path) -> None:
    index = page(tmp_path, ROWS, reports=False)
    assert index.links == []
    assert index.rows[-4][:4] == ["8867", "P1", "done", "23.5 mm\u00b2"]


def test_slides_that_are_not_done_say_why_and_are_counted_by_reason(tmp_path: Path) -> None:
    index = page(tmp_path, ROWS)
    assert ["a", "P1", "failed", "a.svs: pixels can't be read; copy the file again"] in index.rows
    sentence = "b.svs: nobody says how large a pixel is; give --um-per-px"
    assert ["excluded", "no_spacing", "2 slides", sentence] in index.rows
    assert ("Finished", "2025-11-23 06:12 UTC") in [
        (fact.label, fact.value) for fact in run_content(RUN, [], "9").facts
    ]
    assert run_content(RUN, ROWS, "9").headline == "4 slides: 1 done, 1 failed, 2 excluded"


def test_the_text_of_a_csv_is_as_good_as_numbers() -> None:
    as_text = {key: "" if value is None else str(value) for key, value in DONE.items()}
    assert run_content(RUN, [as_text], "9").rows == run_content(RUN, [DONE], "9").rows


def test_a_run_that_stopped_early_says_what_remains() -> None:
    content = run_content(RUN | {"finished": None, "engine": None, "counts": {"done": 1, "remaining": 5}}, ROWS, "9")
    assert content.headline == "6 slides: 1 done, 0 failed, 0 excluded, 5 remaining"
    assert ("Engine", "not chosen yet") in [(fact.label, fact.value) for fact in content.facts]
    assert ("Finished", "not finished: 5 slides remain; the same command goes on") in [
        (fact.label, fact.value) for fact in content.facts
    ]


def test_a_done_slide_without_numbers_says_why(tmp_path: Path) -> None:
    remark = "no tissue was found on the slide"
    empty = row("e", reason="no_tissue", sentence=remark, tissue_mm2=0.0, n_patches=0, n_positive=0, n_unreadable=0)
    index = page(tmp_path, [empty | {"seconds_total": 1.5}])
    assert ["e", "P1", "done", remark, "0 mm²", "0", "0", "0", "1.50 s"] in index.rows


def test_the_page_needs_nothing_from_outside(tmp_path: Path) -> None:
    index = page(tmp_path, ROWS)
    assert index.outside == []
    assert not index.tags & {"script", "link", "img", "iframe"}


def test_hostile_words_come_out_as_words(tmp_path: Path, bait: Path) -> None:
    attack = f"<script>alert(1)</script><img src={bait.as_uri()}>\"'"
    index = page(tmp_path, [row(attack, "failed", attack, attack), DONE | {"slide_id": attack}], name=attack)
    assert not index.tags & {"script", "img"}
    assert any(cells[:1] == [attack] for cells in index.rows)
    assert all("<" not in link and '"' not in link and link.count("/") == 2 for link in index.links)


def test_ten_thousand_slides_in_seconds(tmp_path: Path) -> None:
    rows = [DONE | {"slide_id": f"s{i}"} for i in range(10_000)]
    started = time.process_time()
    index = page(tmp_path, rows, counts={"done": 10_000})
    assert time.process_time() - started < 20
    assert len(index.links) == 10_000
    assert (tmp_path / "index.html").stat().st_size < 6_000_000


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"index\.html: can't be written"):
        render_run_index(RUN, ROWS, tmp_path / "nowhere" / "index.html")


@pytest.mark.parametrize(
    ("sigma", "words"), [(0.0, "not used"), (0.8, "averaged, Gaussian with \u03c3 = 0.8 patch sides")]
)
def test_orientations_and_neighbours_are_told(sigma: float, words: str) -> None:
    run = RUN | {"orientations": 4, "aggregation": {"sigma": sigma, "temperature": 1.0, "intercept": 0.0}}
    facts = {fact.label: fact.value for fact in run_content(run, ROWS, "9").facts}
    assert (facts["Orientations"], facts["Neighbours"]) == ("4", words)
    assert "Neighbours" not in {fact.label for fact in run_content(RUN, ROWS, "9").facts}
