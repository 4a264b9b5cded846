"""The index of a run in a real browser, from a file: sorted and filtered, by mouse and by keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Browser, browser
from night_factory import HOSTILE, attempt, done, empty, ended, facts

from batchscan.domain.records import SlideStatus
from batchscan.report.morning import render_digest, render_slides
from batchscan.report.night import run_figures
from batchscan.stores.ledger_view import LedgerRow
from batchscan.stores.pictures import write_thumbnail

MARKUP = "<img src=x onerror=\"document.title='owned'\">&amp;"
BY_AREA = "th[data-key=idc_mm2]"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


def rows() -> list[LedgerRow]:
    return [
        done("s10", idc_mm2=5.125, qc_grade="good"),
        ended("s2", "failed", "unreadable"),
        done("s1", idc_mm2=120.0, qc_grade="review", qc_findings="blur"),
        empty("s3"),
        ended("s4", "excluded", "no_spacing", MARKUP),
        done(f"{MARKUP}/..", idc_mm2=0.0, n_foci=0, largest_focus_mm=None, idc_fraction=0.0),
        LedgerRow("s5", HOSTILE, SlideStatus.PENDING, "", "", None, 0, {}),
    ]


def write(folder: Path, slides: list[LedgerRow]) -> Path:
    about = facts(len(slides), finished=None, notices={"s2"})
    figures = run_figures(about, slides, [attempt(row.slide_id) for row in slides], None)
    render_slides("overnight", slides, len(slides), folder, reports=True)
    render_digest(figures, folder, pdf=False)
    return folder / "index.html"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    (folder / "slides/s10").mkdir(parents=True)
    write_thumbnail(folder / "slides/s10/thumbnail.jpg", np.full((60, 300, 3), 200, np.uint8))
    return write(folder, rows())


@pytest.fixture
def page(chromium: Browser, index: Path) -> Browser:
    chromium.open(index)
    return chromium


def names(page: Browser) -> list[str]:
    """Of the slides that are shown; they are told apart by their beginnings."""
    return [name[:4] for name in page.texts("#slides .name")]


def test_all_slides_are_there_in_the_order_asked_for_with_their_numbers(page: Browser) -> None:
    assert names(page) == ["s10", "s2", "s1", "s3", "s4", "<img", "s5"]
    assert page.texts("#slides output") == ["7 of 7 slides"]
    cells = page.value("[...document.querySelector('#slides tbody tr').cells].map((one) => one.innerText)")
    # As report/numbers.py writes them; the units are in the head.
    numbers = ["5.12", "9.7 %", "7.4", "2", "241"]
    assert cells == ["", "s10", "P1", "done", "good", *numbers, "", "Report\nHeat map"]
    assert page.texts("#slides tbody tr:nth-child(4) .figure")[0] == "not defined"
    assert page.texts("#slides tbody tr:nth-child(2) td")[1:] == ["s2", "P1", "failed", "it could not be", "Notice"]
    links = page.value(
        "[...document.querySelectorAll('#slides .ended a[aria-label^=Notice]')].map((a) => a.getAttribute('href'))"
    )
    assert links == ["notices/s2.pdf"]


def test_nothing_is_run_asked_for_or_said_but_what_is_the_pages_own(page: Browser, index: Path) -> None:
    page.wait_for("[...document.images].every((image) => image.complete)")
    assert page.complaints() == []
    assert all(address.startswith(f"{index.parent.as_uri()}/") for address in page.asked_for())
    told = page.does("Runtime.evaluate", expression="fetch('summary.csv')", awaitPromise=True)
    assert "exceptionDetails" in told
    put = "const one = document.createElement('script'); one.textContent = 'var ran = 1'; document.head.append(one)"
    assert page.value(f"(() => {{ {put}; return typeof ran; }})()") == "undefined"
    said = " ".join(page.complaints())
    assert "connect-src" in said
    assert "script-src" in said


def test_names_and_reasons_are_words_and_never_markup(page: Browser) -> None:
    assert page.value("document.title") == "overnight \u2013 batchscan run"
    assert page.texts("#slides tbody tr:nth-child(5) .why") == [MARKUP]
    assert page.value("document.querySelectorAll('#slides tbody img:not([src^=slides])').length") == 0
    link = page.value("document.querySelector('#slides tbody tr:nth-child(6) .links a').getAttribute('href')")
    assert link == "slides/%3Cimg%20src%3Dx%20onerror%3D%22document.title%3D%27owned%27%22%3E%26amp%3B%2F../report.pdf"
    assert "\u202e" not in page.texts("#slides tbody")[0]


def test_a_picture_is_shown_and_where_there_is_none_its_place(page: Browser) -> None:
    page.wait_for("document.querySelectorAll('#slides .blank').length === 3")
    assert page.value("[...document.querySelectorAll('#slides img')].map((one) => one.naturalWidth)") == [96]
    assert page.value("document.querySelector('#slides img').getAttribute('src')") == "slides/s10/thumbnail.jpg"
    assert page.value("document.querySelector('#slides img').loading") == "lazy"


def test_a_click_sorts_and_what_is_undefined_is_last_both_ways(page: Browser) -> None:
    for order, down in (("descending", "s1 s10 <img"), ("ascending", "<img s10 s1"), ("none", "s10 s2 s1")):
        page.click(f"{BY_AREA} button")
        assert page.value(f"document.querySelector('{BY_AREA}').ariaSort") == order
        assert names(page)[:3] == down.split()
        assert set(names(page)[3:]) >= ({"s2", "s3", "s4", "s5"} if order != "none" else {"s3"})
    assert page.value("document.querySelectorAll('#slides [aria-sort=none]').length") == 10


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("slide_id", "<img s1 s2 s3 s4 s5 s10"),
        ("status", "s10 s1 s3 <img s2 s4 s5"),
        ("grade", "s10 s1 s2 s3 s4 <img s5"),
        ("reason", "s4 s3 s2 s10 s1 <img s5"),
        ("n_foci", "s10 s1 <img s2 s3 s4 s5"),
        ("tissue_mm2", "s10 s1 <img s3 s2 s4 s5"),
    ],
)
def test_every_column_sorts(page: Browser, key: str, expected: str) -> None:
    page.click(f"th[data-key={key}] button")
    assert names(page) == expected.split()


def test_words_status_quality_and_looks_choose(page: Browser) -> None:
    page.click("[name=q]")
    page.write("NO_spacing  s4")
    assert (names(page), page.texts("#slides output")) == (["s4"], ["1 of 7 slides"])
    page.click("[type=reset]")
    for field, value, expected in (
        ("status", "done", "s10 s1 s3 <img"),
        ("status", "remaining", "s5"),
        ("grade", "review", "s1"),
        ("grade", "not judged", "s3 <img"),
    ):
        page.choose(f"[name={field}]", value)
        assert names(page) == expected.split()
        page.click("[type=reset]")
    page.click("[name=look]")
    assert names(page) == ["s1", "s3"]
    page.choose("[name=status]", "failed")
    assert page.texts(".nothing") == ["No slide is like that."]
    page.click("[type=reset]")
    assert (len(names(page)), page.value("document.querySelector('.nothing').hidden")) == (7, True)


def test_a_view_is_in_the_address_and_comes_back_from_it(page: Browser, index: Path) -> None:
    page.click(f"{BY_AREA} button")
    page.choose("[name=status]", "done")
    page.click("[name=q]")
    page.write("s1")
    fragment = page.value("location.hash")
    assert fragment == "#q=s1&status=done&sort=idc_mm2&down="
    page.open(index, fragment[1:])
    assert names(page) == ["s1", "s10"]
    assert page.value("[...document.forms[0].elements].slice(0, 2).map((one) => one.value)") == ["s1", "done"]
    page.value("void (location.hash = '#look')")
    page.wait_for("document.forms[0].elements.look.checked")
    assert names(page) == ["s1", "s3"]
    # What no page of ours has written.
    page.open(index, "status=owned&sort=constructor&grade=%00&down")
    assert (len(names(page)), page.complaints()) == (7, [])


def test_keys_are_enough(page: Browser) -> None:
    page.value("document.querySelector('[type=reset]').focus()")
    page.press("Tab")
    assert page.value("document.activeElement.className") == "box"
    for _ in range(5):
        page.press("Tab")
    assert page.value("document.activeElement.textContent") == "IDC mm\u00b2"
    assert page.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.press("Enter")
    assert names(page)[0] == "s1"
    # The focus stays where it is: another key turns the order round.
    page.press("Enter")
    assert names(page)[0] == "<img"


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (380, False), (380, True)])
def test_pages_are_as_wide_as_the_window_and_legible(chromium: Browser, index: Path, width: int, dark: bool) -> None:  # noqa: FBT001
    for file in (index, index.with_name("slides-001.html")):
        chromium.open(file, width=width, dark=dark)
        assert chromium.value("document.documentElement.scrollWidth") == width
    chromium.open(index, width=width, dark=dark)
    assert chromium.value("document.querySelector('#slides .box').scrollWidth") <= width
    ink, paper = (luminance(chromium, place) for place in ("color", "backgroundColor"))
    assert (paper < ink) == dark
    assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) > 7


def luminance(page: Browser, place: str) -> float:
    """Relative, of a colour of the page, as WCAG 2 defines it."""
    text = page.value(f"getComputedStyle(document.documentElement).{place}")
    parts = np.array([int(part) for part in text.strip("rgba()").split(",")[:3]]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_without_a_script_the_list_is_there(chromium: Browser, index: Path) -> None:
    chromium.does("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.does("Page.navigate", url=index.as_uri())
        words = ""
        while "listed in slides-001.html" not in words:
            words = chromium.value("document.body ? document.body.innerText : ''")
    finally:
        chromium.does("Emulation.setScriptExecutionDisabled", value=False)
    assert "needs a look (" not in words


def test_ten_thousand_slides_are_there_at_once(chromium: Browser, tmp_path: Path) -> None:
    many: list[Any] = [done(f"s{i}", idc_mm2=(i * 7919) % 10_000 / 10) for i in range(10_000)]
    chromium.open(write(tmp_path, many))
    assert chromium.texts("#slides output") == ["10,000 of 10,000 slides"]
    n_rows = "document.querySelectorAll('#slides tbody tr').length"
    assert 8 < chromium.value(n_rows) < 40
    chromium.click(f"{BY_AREA} button")
    assert chromium.texts("#slides tbody tr:first-child .figure")[0] == "1,000"
    chromium.value("void (document.querySelector('.box').scrollTop = 1e9)")
    chromium.wait_for("[...document.querySelectorAll('#slides .name')].at(-1).innerText === 's0'")
    assert chromium.value("[...document.querySelectorAll('#slides tbody tr')].at(-1).ariaRowIndex") == "10001"
    assert chromium.value(n_rows) < 40
