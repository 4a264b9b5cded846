"""The model card as a page: what it says, that it needs nothing else, and that what isn't there is said so."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from card_factory import COMMAND, PARENT_SHA, cross_validation, example_pixels, full_card, history, version_1_card
from html_page import Page
from PIL import Image
from pypdf import PdfReader
from report_factory import make_card

from batchscan.domain.card import Calibration, Context, ModelCard
from batchscan.domain.errors import OutputError
from batchscan.report.blocks import Bullets, Charts, Facts, Gallery, Matrices, Table, Words
from batchscan.report.model_card import render_model_card
from batchscan.report.model_card_content import ModelCardContent, model_card_content
from batchscan.report.words import Fact

FULL = full_card()
EMPTY = np.empty((0, 50, 50, 3), np.uint8)


def page(card: ModelCard, tmp_path: Path) -> Page:
    render_model_card(card, example_pixels(card), html=tmp_path / "card.html")
    return Page((tmp_path / "card.html").read_text("utf-8"))


def printed(card: ModelCard, tmp_path: Path) -> PdfReader:
    render_model_card(card, example_pixels(card), pdf=tmp_path / "card.pdf")
    return PdfReader(tmp_path / "card.pdf")


def pdf_words(reader: PdfReader) -> str:
    return re.sub(r"\s+", " ", " ".join(one.extract_text() for one in reader.pages))


def blocks(content: ModelCardContent, title: str) -> tuple[Any, ...]:
    (section,) = [one for one in content.sections if one.title == title]
    return section.blocks


def rows(table: Table) -> list[list[str]]:
    return [[f"{cell.value} {cell.note}".strip() for cell in row] for row in table.rows]


def facts(found: Facts) -> dict[str, str]:
    return {fact.label: fact.value for fact in found.facts}


def test_the_page_begins_with_what_and_what_for(tmp_path: Path) -> None:
    words = page(FULL, tmp_path).words
    order = ["idc-best 3", "Version 3", "Licence Apache-2.0", f"sha256 {'5e' * 32}", "Intended use", FULL.intended_use]
    places = [words.index(text) for text in order]
    assert places == sorted(places)
    assert places[-1] < words.index("Cross-validation, networks trained like this one")


def test_the_html_needs_nothing_else_and_runs_nothing(tmp_path: Path) -> None:
    found = page(FULL, tmp_path)
    source = (tmp_path / "card.html").read_text("utf-8")
    assert not {"script", "link", "iframe", "object", "base"} & set(found.tags)
    assert all(link.startswith("data:") for link in found.links)
    assert set(re.findall(r"url\(\"?([a-z]+):", source)) == {"data"}
    assert "default-src 'none'" in source
    assert "http" not in re.sub(r"data:[^\"')]+", "", source).replace("http-equiv", "")


def test_every_picture_is_whole_and_has_its_words(tmp_path: Path) -> None:
    images = page(FULL, tmp_path).images
    assert len(images) == 6 + len(FULL.examples)
    for image in images:
        assert len(image["alt"] or "") > 20
        kind, payload = (image["src"] or "").removeprefix("data:").split(";base64,")
        content = base64.b64decode(payload)
        if kind == "image/png":
            Image.open(io.BytesIO(content)).load()
        else:
            assert (kind, content[:5]) == ("image/svg+xml", b"<?xml")


def test_each_failure_stands_with_its_own_pixels(tmp_path: Path) -> None:
    """By the picture's alternative text, in the order of the page, compared with the pixels by number."""
    pixels = example_pixels(FULL)
    shown = [one for one in page(FULL, tmp_path).images if (one["alt"] or "").startswith("Patch of patient")]
    numbers = [*range(8), *range(8, 14)]  # made worst first: the surest of each kind is the first
    for image, number in zip(shown, numbers, strict=True):
        content = base64.b64decode((image["src"] or "").partition(",")[2])
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), pixels[number])
        example = FULL.examples[number]
        labelled = "IDC" if example.label else "not IDC"
        assert image["alt"] == (
            f"Patch of patient {example.patient_id} at x {example.x_px:.0f}, y {example.y_px:.0f} px, "
            f"labelled {labelled}, p(IDC) {example.p_idc:.3f}."
        )


def test_the_pdf_says_what_the_html_says(tmp_path: Path) -> None:
    reader = printed(FULL, tmp_path)
    words = re.sub(r"\s", "", pdf_words(reader))
    content = model_card_content(FULL)
    for section in content.sections:
        assert re.sub(r"\s", "", section.title) in words
    for text in (FULL.intended_use, *FULL.limits[:4], COMMAND, "5h07min", "8863", "0.957", "2,734\u20132,793"):
        assert re.sub(r"\s", "", text) in words
    for number, one in enumerate(reader.pages, start=1):
        text = re.sub(r"\s+", " ", one.extract_text())
        assert "Research use only \u2013 not for diagnosis" in text
        assert f"{number} / {len(reader.pages)}" in text
    assert len(reader.pages) == 5
    assert reader.metadata is not None
    assert reader.metadata.title == "idc-best 3 \u2013 batchscan model card"


def test_the_pdf_is_tagged_and_in_the_shipped_typeface(tmp_path: Path) -> None:
    reader = printed(FULL, tmp_path)
    resources: list[Any] = [one["/Resources"] for one in reader.pages]
    fonts = {str(font.get_object()["/BaseFont"]) for used in resources for font in used["/Font"].values()}
    assert fonts
    assert all("IBM-Plex-Sans" in font or "IBMPlexSans" in font for font in fonts), fonts
    indices = [*reader.xref.get(0, {}), *reader.xref_objStm]
    objects: list[Any] = [reader.get_object(index) for index in sorted(set(indices))]
    alts = [str(item.get("/Alt", "")) for item in objects if isinstance(item, dict)]
    assert sum(alt.startswith("Patch of patient") for alt in alts) == len(FULL.examples)
    assert any(alt.startswith("ROC curves") for alt in alts)


def test_the_same_card_gives_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        out = tmp_path / folder
        render_model_card(FULL, example_pixels(FULL), html=out / "card.html", pdf=out / "card.pdf")
    for name in ("card.html", "card.pdf"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_cross_validation_by_hand() -> None:
    """Means and ranges as in the factory; counts by hand: 0.9, 0.88 and 0.92 of 207 IDC patches, 0.05 .. of 772."""
    words, decisions, amounts, matrices, took, command = blocks(model_card_content(FULL), "Cross-validation")
    assert words.text.startswith("Each slide was judged by networks that never saw it.")
    assert decisions.columns[:6] == ("Left-out slide", "Patches", "IDC", "Threshold", "AUROC", "AUPRC")
    assert rows(decisions)[0][:5] == ["8863", "979", "207", "0.414 0.398\u20130.431", "0.957 0.954\u20130.960"]
    assert [row[0] for row in rows(decisions)] == ["8863", "8865", "8867", "Pooled"]
    assert rows(decisions)[3][3] == "each its own"
    assert rows(amounts)[1][3:] == [
        "\u22120.90 \u22122.20 to +0.40",
        "\u221210 % \u221215 % to \u22125 %",
        "1.90 0.80\u20133.00",
    ]
    assert rows(amounts)[3][3:] == ["not defined", "not defined", "2.60 1.50\u20133.70"]
    assert isinstance(matrices, Matrices)
    first = matrices.matrices[0]
    assert [f"{cell.value} {cell.note}" for cell in (first.tp, first.fn, first.fp, first.tn)] == [
        "186 182\u2013190",
        "21 17\u201325",
        "39 31\u201346",
        "733 726\u2013741",
    ]
    assert (took.text, command.text) == ("Made by the following command, in 5 h 07 min of training:", COMMAND)


def test_own_patients_say_what_they_served_and_what_is_not_defined() -> None:
    (table,) = blocks(model_card_content(FULL), "This network on its own held-out patients")
    assert rows(table) == [
        ["8863", "test", "979", "207", "0.961", "0.823", "0.911", "0.903", "0.919"],
        ["8950", "validation (optimistic)", "190", "190", *["not defined"] * 3, "0.768", "not defined"],
    ]
    assert "\u201cTest\u201d: neither network, neighbours, calibration nor threshold were chosen on it;" in table.note
    assert "limits say whether the recipe was." in table.note
    assert "lacks patches of one of the two classes" in table.note


@pytest.mark.parametrize(
    ("watched", "said"),
    [
        ("held out", "Watched: held out 8863; no epoch was chosen on them."),
        ("validation", "Watched: validation 8863; what was chosen on them makes their curve optimistic."),
    ],
)
def test_curves_by_epoch_say_who_was_watched(watched: str, said: str) -> None:
    charts = charts_of(full_card(history=history(watched)))
    for chart in (charts["accuracy"], charts["loss"]):
        assert said in chart.caption
        assert "epoch 15, which was kept (the last: the schedule is fixed, and no epoch was chosen)" in chart.caption


def charts_of(card: ModelCard) -> dict[str, Any]:
    found = blocks(model_card_content(card), "Curves")
    return {chart.name: chart for block in found if isinstance(block, Charts) for chart in block.charts}


def test_curves_say_that_they_are_drawn_from_what_was_chosen_on() -> None:
    charts = charts_of(full_card(threshold=FULL.threshold.model_copy(update={"value": 0.4349})))
    assert "It was chosen on these very predictions" in charts["threshold"].caption
    assert "At 0.43, the point of the curves nearest to the threshold 0.4349: sensitivity" in charts["threshold"].alt
    assert "Calibration was fitted to these very predictions" in charts["reliability"].caption
    assert "slides weigh the same" in charts["reliability"].caption
    assert "each patch once a seed" in charts["distribution"].caption
    alone = FULL.calibration.model_copy(update={"method": "none", "temperature": 1.0, "intercept": 0.0})
    assert "fitted" not in charts_of(full_card(calibration=alone))["reliability"].caption


def test_the_history_of_a_version_1_card_is_shown_as_far_as_it_goes() -> None:
    card = version_1_card()
    charts = charts_of(card)
    assert "loss" in charts
    assert "accuracy" not in charts
    assert "Last: training 0." in charts["loss"].alt
    assert "epoch 7, which was kept (the one with the least validation loss)" in charts["loss"].caption
    absent = [block.text for block in blocks(model_card_content(card), "Curves") if isinstance(block, Words)]
    assert "Accuracy by epoch: not recorded on this card." in absent


def test_curves_without_anybody_watched_say_so() -> None:
    record = history("nobody", watched_patients=())
    charts = blocks(model_card_content(full_card(history=record)), "Curves")[-1].charts
    assert all("Nobody was watched" in chart.caption for chart in charts)


def test_context_calibration_and_parent_are_in_words() -> None:
    content = model_card_content(FULL)
    assert isinstance(content.judgement, Facts)
    judged = facts(content.judgement)
    assert judged["Orientations"].startswith("4 of the 8 ways to turn and mirror a patch")
    assert "\u03c3 = 0.8 patch sides = 320 \u00b5m" in judged["Neighbours"]
    assert judged["Calibration"].startswith("By temperature 1.371 and intercept \u22120.2251")
    made = facts(blocks(content, "How it was made")[0])
    assert made["Started from"] == f"the weights of published-cnn 1, sha256 {PARENT_SHA}"
    assert made["Fitted to"].startswith("19 patients: 8950, 8953,")
    assert made["Validation"] == "nobody"
    assert made["Input"] == "50 \u00d7 50 px"


def test_a_plain_model_is_called_one() -> None:
    card = full_card(
        context=Context(orientations=1, sigma=0.0, how_chosen="a patch is judged alone"),
        calibration=Calibration(
            method="none", note="p_idc is the softmax", temperature=1.0, intercept=0.0, before=(), after=()
        ),
        parent=None,
    )
    content = model_card_content(card)
    assert isinstance(content.judgement, Facts)
    judged = facts(content.judgement)
    assert (judged["Orientations"], judged["Neighbours"]) == (
        "1: a patch is looked at as it lies.",
        "Not used: a patch is judged alone.",
    )
    assert "not a probability" in judged["Calibration"]
    made = facts(blocks(content, "How it was made")[0])
    assert made["Started from"] == "weights drawn at random; no other model"
    assert made["Calibration"] == "p_idc is the softmax"


def test_what_was_not_measured_is_a_sentence_and_never_an_empty_frame(tmp_path: Path) -> None:
    card = make_card(performance=(), recipe={})
    found = page(card, tmp_path)
    for sentence in (
        "Accuracy of this model: not measured on any unseen patient.",
        "Not measured: no networks of this recipe were trained with each slide left out in turn.",
        "Not measured: no patient was held out of the training of this very network.",
        "ROC of left-out slides: not measured.",
        "Sensitivity, specificity and F1 by threshold: not recorded on this card.",
        "Reliability of probabilities: not measured.",
        "Loss and accuracy by epoch: not recorded on this card.",
        "No pictures: the card holds no patches that were called wrong.",
        "Recipe: not recorded on this card.",
    ):
        assert sentence in found.words
    assert found.images == []
    assert "table" not in found.tags
    content = model_card_content(card)
    assert content.figures[:2] == (
        Fact("Accuracy", "not measured", "on patients that the model never saw"),
        Fact("Cross-validation", "not measured"),
    )
    assert not any(isinstance(one, Charts | Gallery) for section in content.sections for one in section.blocks)


def test_a_measure_that_no_seed_defines_is_not_defined() -> None:
    found = cross_validation()
    figures = {name: value for name, value in found.slides[1].figures.items() if name != "auprc"}
    found = cross_validation(slides=(found.slides[0], found.slides[1].model_copy(update={"figures": figures})))
    decisions = blocks(model_card_content(full_card(cross_validation=found)), "Cross-validation")[1]
    assert [row[5] for row in rows(decisions)][1] == "not defined"


def test_a_card_of_version_1_prints(tmp_path: Path) -> None:
    card = version_1_card()
    render_model_card(card, EMPTY, html=tmp_path / "card.html", pdf=tmp_path / "card.pdf")
    words = Page((tmp_path / "card.html").read_text("utf-8")).words
    assert card.weights_sha256 in words
    for text in ("training_loss", "validation_auroc", "{", "None "):
        assert text not in words
    assert len(PdfReader(tmp_path / "card.pdf").pages) == 3


def test_hostile_words_come_out_as_words(tmp_path: Path, bait: Path) -> None:
    attack = f"<img src={bait.as_uri()}><script>alert(1)</script>{{{{ 7*7 }}}}\"'></style>"
    example = FULL.examples[0].model_copy(update={"patient_id": attack})
    history_ = history(how_kept=attack, watched_patients=(attack,))
    found = page(
        full_card(
            limits=(attack,), intended_use=attack, architecture=attack, recipe={attack: attack}, version=attack,
            training_patients=(attack,), examples=(example,), history=history_,
            cross_validation=cross_validation(note=attack, command=attack),
        ),
        tmp_path,
    )  # fmt: skip
    assert found.words.count(re.sub(r"\s+", " ", attack)) >= 10
    assert "script" not in found.tags
    assert all(link.startswith("data:") for link in found.links)


def test_very_long_words_stay_on_the_page(tmp_path: Path) -> None:
    long = "x" * 400
    card = full_card(licence=long, training_patients=(long,), limits=(long,), recipe={"key": long})
    reader = printed(card, tmp_path)
    assert re.sub(r"\s", "", pdf_words(reader)).count(long) >= 4


def test_many_slides_and_pictures_are_all_told(tmp_path: Path) -> None:
    slides = tuple(
        one.model_copy(update={"slide": f"{one.slide}-{i}"}) for i in range(10) for one in cross_validation().slides
    )
    many = tuple(FULL.examples[0].model_copy(update={"x_px": float(i)}) for i in range(25))
    card = full_card(cross_validation=cross_validation(slides=slides), examples=many)
    found = page(card, tmp_path)
    assert all(one.slide in found.words for one in slides)
    assert "7 more in the package\u2019s examples.npz." in found.words
    assert sum((one["alt"] or "").startswith("Patch of") for one in found.images) == 18
    assert len(printed(card, tmp_path).pages) > 5


def test_pictures_and_examples_must_match(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 pictures for the 14 examples"):
        render_model_card(FULL, EMPTY, html=tmp_path / "card.html")
    assert list(tmp_path.iterdir()) == []


def test_an_old_page_is_replaced_and_a_failed_one_leaves_it(
    tmp_path: Path, bait: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "card.pdf"
    out.write_bytes(b"old")
    monkeypatch.setattr("batchscan.report.model_card.model_card_html", lambda *_, **__: f"<img src='{bait.as_uri()}'>")
    with pytest.raises(OutputError, match="outside the report"):
        render_model_card(make_card(), EMPTY, pdf=out)
    assert out.read_bytes() == b"old"
    monkeypatch.undo()
    render_model_card(make_card(), EMPTY, pdf=out)
    assert out.read_bytes()[:5] == b"%PDF-"
    assert [path.name for path in tmp_path.iterdir()] == ["card.pdf"]


def test_a_page_that_cannot_be_written_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"none/card\.html"):
        render_model_card(make_card(), EMPTY, html=tmp_path / "none" / "card.html")


def test_definitions_are_those_of_what_is_shown() -> None:
    shown = blocks(model_card_content(FULL), "What each number means")[0]
    assert {"AUPRC", "ECE", "Brier score", "Area error", "Seed", "p_mean", "TP, FN"} <= {
        one.label for one in shown.facts
    }
    plain = blocks(model_card_content(make_card()), "What each number means")[0]
    assert not {"AUPRC", "ECE", "Brier score", "Area error", "Seed"} & {one.label for one in plain.facts}
    left, right = shown.halves()
    assert (*left, *right) == shown.facts
    assert len(left) < len(right) < 2 * len(left)


def test_a_decimal_without_its_zero_gets_it() -> None:
    content = model_card_content(make_card(limits=("AUROC .942, F1 .706, v1.2, 3.5 and ...",)))
    assert isinstance(content.limits, Bullets)
    assert content.limits.items == ("AUROC 0.942, F1 0.706, v1.2, 3.5 and ...",)


def test_a_card_without_limits_does_not_claim_to_have_none() -> None:
    content = model_card_content(make_card(limits=()))
    assert isinstance(content.limits, Bullets)
    assert content.limits.items == ("The card names none: that is no proof that there are none.",)


def test_failures_are_not_taken_for_how_often_they_happen() -> None:
    lead, wrong, missed = blocks(model_card_content(FULL), "Known failure modes")
    assert isinstance(lead, Words)
    assert "each 400 \u00b5m wide" in lead.text
    assert "not how often these happen" in lead.text
    assert [len(one.pictures) for one in (wrong, missed)] == [8, 6]
    assert wrong.title.startswith("Called IDC, labelled not IDC")
