"""The digest's pages: what they say, that they lead somewhere, and that the sheet stays one."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from bait_file import SECRET
from html_page import Page
from html_rows import Rows
from night_factory import HOSTILE, attempt, done, facts, in_first_half, small_night, training, words_of, worst_night
from pypdf import PdfReader

from batchscan.domain.errors import OutputError
from batchscan.report import morning
from batchscan.report.morning import render_digest, render_slides
from batchscan.report.morning_content import DigestContent, digest_content
from batchscan.report.morning_lists import PAPER, SCREEN, shortened
from batchscan.report.night import RunFigures, run_figures

GOLDEN = Path(__file__).parent / "golden" / "run.html"
LAST_WORDS = "their order counts, not the band"
PT_A_MM = 72 / 25.4


def content(figures: RunFigures) -> DigestContent:
    return digest_content(figures, SCREEN, (), "9")


def index(figures: RunFigures, folder: Path, *, pdf: bool = False) -> str:
    render_digest(figures, folder, pdf=pdf)
    return (folder / "index.html").read_text("utf-8")


def sheet(figures: RunFigures, folder: Path) -> PdfReader:
    render_digest(figures, folder, pdf=True)
    return PdfReader(folder / "digest.pdf")


def one(slide_count: int) -> RunFigures:
    rows = [done(f"s{i}", profile=in_first_half(500)) for i in range(slide_count)]
    return run_figures(facts(slide_count), rows, [attempt(row.slide_id) for row in rows], training())


def nobody() -> RunFigures:
    return run_figures(facts(0, workers=None), [], [], None)


def words_above(pdf: PdfReader, bottom_mm: float) -> str:
    """What is printed higher than so far above the lower edge of page one."""
    found: list[str] = []

    def visit(text: str, cm: list[float], tm: list[float], *_: Any) -> None:
        y = tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
        if y > bottom_mm * PT_A_MM:
            found.append(text)

    pdf.pages[0].extract_text(visitor_text=visit)
    return " ".join("".join(found).split())


def test_the_answer_in_words() -> None:
    said = content(small_night())
    assert said.headline == "6 slides asked for: 3 done, 1 failed, 2 excluded"
    look = (
        "quality to review 1, extent hangs on borderline patches 1, only focus at the slide\u2019s edge 1, "
        "no tissue found 1, needed another attempt 1"
    )
    things = ("haematoxylin", "eosin", "tissue in a patch", "network\u2019s score")
    drift = ", ".join(f"{thing} much changed (PSI 3.447)" for thing in things)
    assert said.summary == (
        f"2 slides need a look: {look}.",
        "Quality of the done slides: 1 review, 2 not judged.",
        f"Against the model\u2019s training: {drift}.",
    )
    assert [(part.status, part.n, part.share, part.width) for part in said.statuses] == [
        ("done", "3", "50 %", "50.000"),
        ("failed", "1", "17 %", "16.667"),
        ("excluded", "2", "33 %", "33.333"),
        ("remaining", "0", "0 %", "0.000"),
    ]
    assert words_of(said.facts) == [
        "Started: 2025-11-23 01:00 UTC", "Finished: 2025-11-23 02:00 UTC", "Model: idc-cnn 1.0.0",
        "Engine: openvino, bf16", "Threshold: p(IDC) \u2265 0.5", "Orientations: 4",
        "Neighbours: averaged, Gaussian with \u03c3 = 0.8 patch sides",
    ]  # fmt: skip


def test_how_busy_the_gpus_were() -> None:
    attempts = [attempt(slide_id, seconds={"read": 1000.0, "infer": 360.0}) for slide_id in ("a", "b")]
    workers, rows = {"most": 16, "seconds": 50_000.0, "gpus": 2}, [done("a"), done("b")]
    said = content(run_figures(facts(2, workers=workers), rows, attempts, None))
    # 720 s of the network in an hour of two GPUs.
    assert words_of(said.speed)[-1] == "GPU busy: 10 %"
    assert "GPU" not in str(words_of(content(run_figures(facts(2), rows, attempts, None)).speed))


def test_what_it_got_through_and_where_the_time_went() -> None:
    said = content(small_night())
    assert words_of(said.speed) == [
        "Patches scanned: 4,000", "All workers together: 1.11 patches/s", "Slides an hour: 2.00 slides/h", "Workers: 2"
    ]  # fmt: skip
    assert [(line.label, line.time, line.share, line.rate) for line in said.time] == [
        ("Reading pixels", "9.00 s", "<1 %", "500"),
        ("Finding tissue", "4.50 s", "<1 %", "1,000"),
        ("Network", "20.0 s", "<1 %", "200"),
        ("Writing, printing", "8.50 s", "<1 %", "500"),
        ("Attempts without a result", "4.00 s", "<1 %", ""),
        ("In no stage", "115 min 54 s", ">99 %", ""),
    ]
    assert said.time[0].width == "0.13"
    assert "of the 116 min 40 s that all workers were there" in said.time_note
    assert "over 4,000 patches" in said.time_note
    assert [(line.slide.name, line.took, line.mostly, line.n_patches, line.memory) for line in said.slowest[:3]] == [
        ("C3", "30.0 s", "infer, 50 %", "1,642", "1.50 GiB"),
        ("A1", "10.0 s", "infer, 50 %", "1,642", "1.50 GiB"),
        ("B2", "4.00 s", "read, 100 %", "not defined", "1.50 GiB"),
    ]


def test_what_is_not_known_is_not_defined() -> None:
    said = content(nobody())
    assert said.headline == "0 slides asked for: 0 done, 0 failed, 0 excluded"
    assert said.summary == ("Drift is not measured: the model does not say what its training slides looked like.",)
    values = ["0", "not defined", "not defined", "not defined"]
    assert [fact.value for fact in said.speed] == values
    assert (said.time, said.drift) == ((), ())
    reused = content(run_figures(facts(1), [done("a", 0)], [attempt("a", seconds={"write": 0.5})], None))
    assert [fact.value for fact in reused.speed] == ["0", "not defined", "not defined", "2"]
    assert {line.rate for line in reused.time} == {"not defined", ""}


def test_a_run_that_goes_on_says_what_remains() -> None:
    said = content(worst_night(21))
    assert said.headline == "21 slides asked for: 15 done, 1 failed, 2 excluded, 3 remaining"
    assert said.summary[0] == "3 slides remain: the same command goes on with them."
    assert words_of(said.facts)[1] == "Finished: no: 3 slides remain"


@pytest.mark.parametrize(
    ("n", "words"),
    [
        (20, "Drift is not defined: this run has too few values to compare with the training."),
        (500, "Stain, tissue and scores lie as in the model\u2019s training (largest PSI 0.000)."),
    ],
)
def test_the_same_as_in_training_has_not_drifted(n: int, words: str) -> None:
    same = {name: (n // 10,) * len(counts) for name, counts in training().items()}
    figures = run_figures(facts(1), [done("a", profile=same)], [], training())
    assert re.sub(r"PSI <?0.00\d", "PSI 0.000", content(figures).summary[-1]) == words


def test_the_index_names_reasons_remedies_and_slides(tmp_path: Path) -> None:
    rows = Rows(index(small_night(), tmp_path)).rows
    remedy = "Ingest that file again with --um-per-px, or give um_per_px in the manifest."
    assert ["no_spacingexcluded", "2", remedy, "D4, F6D4: it could not be"] in rows
    assert ["Quality to reviewquality control found what may spoil the numbers", "1", "C3 blur "] in rows
    assert ["A1", "Haematoxylin", "3.447"] in rows


def test_every_link_leads_to_a_file_and_its_line(tmp_path: Path) -> None:
    rows = [done(f"s {i}%<&") for i in range(3)]
    figures = run_figures(facts(3, reports=True), rows, [attempt(row.slide_id) for row in rows], None)
    (tmp_path / "summary.csv").touch()
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "evaluation.json").write_text(
        json.dumps({"provenance": {"created": "2025-11-24T00:00:00+00:00"}})
    )
    (tmp_path / "evaluation" / "index.html").touch()
    for row in rows:
        (tmp_path / "slides" / row.slide_id).mkdir(parents=True)
        (tmp_path / "slides" / row.slide_id / "report.pdf").touch()
    render_slides("overnight", rows, 3, tmp_path, reports=True)
    for page in ("index.html", "slides-001.html"):
        render_digest(figures, tmp_path, pdf=True)
        links = Page((tmp_path / page).read_text("utf-8")).links
        assert "slides/s%200%25%3C%26/report.pdf" in links
        assert [link for link in links if not (tmp_path / unquoted(link)).is_file()] == []
    assert "evaluation/index.html" in Page((tmp_path / "index.html").read_text("utf-8")).links


def unquoted(link: str) -> str:
    from urllib.parse import unquote  # noqa: PLC0415 - the browser's part

    return unquote(link.partition("#")[0])


def test_slides_without_a_report_are_linked_to_their_line(tmp_path: Path) -> None:
    links = Page(index(small_night(), tmp_path)).links
    assert {"slides/C3/report.pdf", "slides-001.html#s2", "slides-001.html#s4", "slides-001.html#s6"} <= set(links)
    assert "slides/B2/report.pdf" not in links
    assert not [link for link in Page(index(small_night(reports=False), tmp_path)).links if "report.pdf" in link]


def test_an_evaluation_of_an_earlier_run_is_said_to_be_older(tmp_path: Path) -> None:
    for name, created in (("new one", "2025-11-23T03:00:00+00:00"), ("old", "2025-11-22T03:00:00+00:00")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "evaluation.json").write_text(json.dumps({"provenance": {"created": created}}))
        (tmp_path / name / "report.pdf").touch()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "evaluation.json").write_text("{")
    page = Page(index(small_night(), tmp_path))
    assert [link for link in page.links if link.endswith("/report.pdf") and "slides" not in link] == [
        "new%20one/report.pdf",
        "old/report.pdf",
    ]
    assert "Evaluation new one PDF Evaluation old PDF, made 2025-11-22 03:00 UTC, before this run" in page.words


def test_an_older_sheet_does_not_outlive_its_run(tmp_path: Path) -> None:
    assert "digest.pdf" in Page(index(small_night(), tmp_path, pdf=True)).links
    page = Page(index(small_night(), tmp_path))
    assert not (tmp_path / "digest.pdf").exists()
    assert "digest.pdf" not in page.links
    assert "This digest on one page printed when the run ends" in page.words


def test_where_no_pdf_can_be_printed_the_index_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise OutputError("Pango can't be loaded")

    monkeypatch.setattr(morning, "pdf_library", missing)
    assert "This digest on one page Pango can't be loaded" in Page(index(small_night(), tmp_path, pdf=True)).words


@pytest.mark.parametrize(
    ("figures", "last_words"),
    [
        (nobody, "No worker\u2019s time was recorded in this run."),
        (lambda: one(1), LAST_WORDS),
        (small_night, LAST_WORDS),
        (lambda: worst_night(100), LAST_WORDS),
        (lambda: worst_night(10_000), LAST_WORDS),
    ],
    ids=["no slide", "one slide", "six slides", "worst", "worst of 10,000"],
)
def test_the_sheet_is_one_page_and_whole(figures: Any, last_words: str, tmp_path: Path) -> None:
    found = figures()
    pdf = sheet(found, tmp_path)
    assert len(pdf.pages) == 1
    assert [round(float(side) / PT_A_MM) for side in pdf.pages[0].mediabox[2:]] == [210, 297]
    # The last words of the sheet stand above the lower margin of 13 mm, so nothing was cut.
    assert last_words in words_above(pdf, 13)
    words = words_above(pdf, 0)
    assert f"{found.counts.asked:,} slides asked for".replace("1 slides", "1 slide") in words
    assert "Research use only" in words
    assert "Started 2025-11-23 01:00 UTC" in words


def test_the_sheet_says_how_many_more_there_are(tmp_path: Path) -> None:
    words = words_above(sheet(worst_night(700), tmp_path), 0)
    figures = worst_night(700)
    reasons, slides = len(figures.reasons) - PAPER.reasons, sum(one.n for one in figures.reasons[PAPER.reasons :])
    assert f"and {reasons} more reasons ({slides} slides): see index.html" in words
    assert "No tissue found 100" in words
    assert "and 97 more" in words


def test_hostile_words_come_out_as_words(tmp_path: Path, bait: Path) -> None:
    attack = f"{HOSTILE}<img src={bait.as_uri()}>"
    rows = [done(attack, qc_grade="review", qc_findings=attack, n_foci=1)]
    night = [attempt(attack, "retried", attack), attempt(attack, seconds={attack: 1.0})]
    figures = run_figures(facts(1, name=attack), rows, night, training())
    html = index(figures, tmp_path, pdf=True)
    page = Page(html)
    assert not set(page.tags) & {"img", "link", "iframe"}
    assert html.count("<script") == 2
    assert "\u202e" not in html
    assert shortened(attack, SCREEN.letters) in unescape(html)
    assert SECRET not in words_above(PdfReader(tmp_path / "digest.pdf"), 0)


def test_pages_need_nothing_from_outside(tmp_path: Path) -> None:
    html = index(small_night(), tmp_path)
    assert re.findall(r"(?:https?:|//|@import|url\()[^ ]*", html) == []
    assert "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-" in html


def test_names_are_shortened_in_the_middle() -> None:
    assert shortened("abcdefghij", 10) == "abcdefghij"
    assert shortened("abcdefghijk", 10) == "abcde\u2026hijk"
    assert shortened("a\nb\u202ec", 10) == "a\ufffdb\ufffdc"


def test_the_index_stays_small_whatever_the_run(tmp_path: Path) -> None:
    html = index(worst_night(10_000), tmp_path)
    assert len(re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)) < 400_000
    rows = [done(f"TCGA-A1-{i:05d}-01Z") for i in range(10_000)]
    index(run_figures(facts(10_000), rows, [], None), tmp_path)
    assert (tmp_path / "index.html").stat().st_size < 1_500_000


def numbers_of(html: str) -> Iterator[str]:
    for label, value in re.findall(r"<dt>(.*?)</dt><dd>(.*?)(?: <|</dd>)", html):
        yield f"{label}: {unescape(value)}"


def test_golden_page(tmp_path: Path) -> None:
    """What the index says and how it is marked up; styles and script are scrubbed. REGOLD=1 writes it anew."""
    html = index(small_night(), tmp_path)
    style = re.compile(r"<(style|script)>.*?</\1>", re.DOTALL)
    found = re.sub(r"batchscan \d+\.\d+\.\d+", "batchscan X", style.sub(r"<\1></\1>", html))
    found = re.sub("sha256-[^']+", "sha256-X", found)
    found = re.sub(r'content="batchscan [^"]*"', 'content="batchscan X"', found)
    if os.environ.get("REGOLD"):
        GOLDEN.write_text(found, "utf-8")
    assert found == GOLDEN.read_text("utf-8")
    assert "Patches scanned: 4,000" in numbers_of(html)
