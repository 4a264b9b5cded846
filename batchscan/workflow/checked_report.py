"""A report's PDF, or a committed result with its report -> everything that can be compared in it, a finding each.

This runs in a process of its own with a limit to its memory: a PDF and a table from elsewhere may be made to harm.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from batchscan import __version__
from batchscan.domain.card import ModelCard, parse_card
from batchscan.domain.errors import BatchscanError, DamagedResult, ModelError, UnverifiableReport
from batchscan.domain.records import SlideResult
from batchscan.domain.verified import Finding, Verified, same
from batchscan.report.content import slide_content
from batchscan.report.language import ENGLISH, language, languages, speaking
from batchscan.report.page_words import page_one_words, stands_in
from batchscan.stores.enclosures import CARD, ENCLOSED, SUMS, Enclosures
from batchscan.stores.open_files import OPEN_FILES, write_open_files
from batchscan.stores.packages import open_package, shipped_models
from batchscan.stores.pictures import read_pictures
from batchscan.stores.pyramids import open_store
from batchscan.stores.regions import foci_geojson
from batchscan.stores.report_files import ReportFile, read_report_file
from batchscan.stores.results import HEATMAP, PATCHES, REGIONS, REPORT, RESULT, SUMMARY, RunFolder, read_result
from batchscan.stores.summary import differing_cells
from batchscan.workflow.printed_again import WHAT as PRINTED_AGAIN
from batchscan.workflow.printed_again import printed_again
from batchscan.workflow.recomputed import compared, recomputed

_MOST_CELLS = 5
_RESULT_FILES = (RESULT, REGIONS, PATCHES)
NO_STORE_HERE = "its store isn't here; name its archive with --archive"


@dataclass(frozen=True, slots=True)
class Nearby:
    """What there is on this machine to compare with; None where there is nothing.

    Parameters
    ----------
    folder
        The result's own in its run.
    model
        A model package, by name or folder; None for a shipped one of the same name.
    stores
        Slide stores by the ids of their slides.
    why_no_store
        Why a slide's isn't among them, and what helps.
    again
        Whether a report is to be printed again, too.
    row
        The result's row of summary.csv, as text.
    """

    folder: Path | None
    model: str | None
    stores: Mapping[str, Path]
    why_no_store: str = NO_STORE_HERE
    again: bool = False
    row: Mapping[str, str] | None = None


def checked_report(path: Path, nearby: Nearby, get_on: Callable[[int], None]) -> Verified:
    """Compare a PDF's numbers with what it encloses, and that with what is nearby.

    Raises
    ------
    UnverifiableReport
        If it isn't a PDF that encloses anything.
    """
    found = read_report_file(path)
    get_on(1)
    return Verified(path.name, tuple(_with_signs(_of_report(path, found, nearby), get_on)))


def checked_result(
    run: Path, slide_id: str, nearby: Nearby, get_on: Callable[[int], None], *, with_report: bool
) -> Verified:
    """Compare a committed result with its files, and its report with it."""
    return Verified(
        slide_id, tuple(_with_signs(_of_result(RunFolder(run), slide_id, nearby, with_report=with_report), get_on))
    )


def _with_signs(findings: Iterable[Finding], get_on: Callable[[int], None]) -> Iterator[Finding]:
    """The same; each is a sign of life."""
    for finding in findings:
        get_on(1)
        yield finding


def _of_result(run: RunFolder, slide_id: str, nearby: Nearby, *, with_report: bool) -> Iterator[Finding]:
    folder = run.slide(slide_id)
    try:
        result = read_result(folder)
        card = run.read_card(result.model.sha256)
        made = recomputed(result, card)
        yield from _of_numbers(result, made, card, (folder / REGIONS).read_bytes())
        read_pictures(folder)
    except (BatchscanError, OSError) as error:
        yield Finding.of("its files", str(error), agrees=False)
        return
    has_heatmap = (folder / HEATMAP).is_file()
    yield Finding.of(HEATMAP, "there" if has_heatmap else "missing", agrees=has_heatmap)
    yield from _of_open_files(folder, result)
    yield _of_row(nearby.row, result)
    has_its_name = result.slide.slide_id == slide_id
    yield Finding.of("slide_id", f"{result.slide.slide_id}, in the folder {slide_id}", agrees=has_its_name)
    yield from _of_places(result, nearby)
    if not with_report:
        return
    try:
        found = read_report_file(folder / REPORT)
    except UnverifiableReport as error:
        yield Finding.of(REPORT, str(error), agrees=False)
        return
    yield from _of_enclosures(found)
    # What it encloses is what the numbers above were made from, or the report is another result's.
    yield from _beside(folder, found.enclosed)
    yield from _of_page_one(found, made, card)
    if nearby.again:
        yield printed_again(run, slide_id, folder / REPORT, found, card)


def _of_row(row: Mapping[str, str] | None, result: SlideResult) -> Finding:
    what = f"row of {SUMMARY}"
    if row is None:
        return Finding.left_out(what, "there is none")
    wrong = differing_cells(row, result)
    return Finding.of(what, "; ".join(wrong[:_MOST_CELLS]) or "the result's numbers", agrees=not wrong)


def _of_open_files(folder: Path, result: SlideResult) -> Iterator[Finding]:
    """What QuPath, napari and tables open, made again; an older result may have none of it."""
    with tempfile.TemporaryDirectory() as place:
        write_open_files(Path(place), result)
        for name in OPEN_FILES:
            if not (folder / name).exists():
                yield Finding.left_out(name, "isn't there; batchscan report makes it")
                continue
            same_bytes = _bytes_of(Path(place, name)) == _bytes_of(folder / name)
            words = "as made from the result" if same_bytes else "isn't what the result comes to"
            yield Finding.of(name, words, agrees=same_bytes)


def _bytes_of(path: Path) -> dict[str, bytes]:
    """A file's content, or that of each in a folder by its place there."""
    files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    return {str(each.relative_to(path)): each.read_bytes() for each in files}


def _of_report(path: Path, found: ReportFile, nearby: Nearby) -> Iterator[Finding]:
    yield from _of_enclosures(found)
    try:
        result, card = _enclosed_result(found.enclosed)
        made = recomputed(result, card)
        yield from _of_numbers(result, made, card, found.enclosed[REGIONS])
    except BatchscanError as error:
        yield Finding.of("result enclosed", str(error), agrees=False)
        return
    yield from _of_page_one(found, made, card)
    if nearby.folder:
        yield from _beside(nearby.folder, found.enclosed)
    yield from _of_places(result, nearby)
    if nearby.again and nearby.folder:
        yield printed_again(RunFolder(nearby.folder.parent.parent), nearby.folder.name, path, found, card)
    elif nearby.again:
        yield Finding.left_out(PRINTED_AGAIN, "its pictures aren't here; give the report in its run folder")


def _of_enclosures(found: ReportFile) -> Iterator[Finding]:
    """Names, then hashes, then the digest of them all as each page has it."""
    missing, others = sorted(ENCLOSED.keys() - found.enclosed), sorted(found.enclosed.keys() - ENCLOSED)
    names = [*(f"{name} is missing" for name in missing), *(f"{name} is none of a report's" for name in others)]
    words = "; ".join(names) or ", ".join(sorted(found.enclosed))
    yield Finding.of("attachments", words, agrees=not names)
    enclosures = Enclosures(
        {name: content for name, content in found.enclosed.items() if name in ENCLOSED and name != SUMS}
    )
    stated = found.enclosed.get(SUMS, b"").decode("utf-8", "replace").splitlines()
    for line in enclosures.sums.decode().splitlines():
        sha256, _, name = line.partition("  ")
        agrees = line in stated
        words = f"{sha256}, by {SUMS}" if agrees else f"{sha256}, which {SUMS} doesn't say"
        yield Finding.of(f"sha256 of {name}", words, agrees=agrees)
    lacking = [str(n) for n, page in enumerate(found.pages, start=1) if not stands_in(enclosures.digest, page)]
    where = f"isn't what page {', '.join(lacking)} says" if lacking else f"as each of {len(found.pages)} pages says"
    yield Finding.of("data digest", f"{enclosures.digest}, {where}", agrees=not lacking and bool(found.pages))
    n_pages = len(found.pages)
    astray = [str(n) for n, page in enumerate(found.pages, start=1) if f"{n} / {n_pages}" not in page]
    words = (
        f"page {', '.join(astray)} isn't of {n_pages} by its number"
        if astray
        else f"{n_pages}, as each one's number says"
    )
    yield Finding.of("pages", words, agrees=not astray)
    added = ", ".join(found.foreign) or "no later revision, note, form, layer, action or script"
    yield Finding.of("nothing added to the PDF", added, agrees=not found.foreign)
    words = "as printed, by the sha256 in its identifier" if found.is_sealed else "changed, or saved by another program"
    yield Finding.of("every byte of the PDF", words, agrees=found.is_sealed)


def _enclosed_result(enclosed: Mapping[str, bytes]) -> tuple[SlideResult, ModelCard]:
    """Files get our names, not those that a PDF may give them."""
    missing = sorted({*_RESULT_FILES, CARD} - enclosed.keys())
    if missing:
        raise DamagedResult(f"{', '.join(missing)} is missing, so that its numbers can't be compared")
    try:
        card = parse_card(enclosed[CARD])
    except ValueError as error:
        raise DamagedResult(f"{CARD} isn't a model's card ({error})") from error
    with tempfile.TemporaryDirectory() as place:
        for name in _RESULT_FILES:
            Path(place, name).write_bytes(enclosed[name])
        try:
            return read_result(Path(place)), card
        except DamagedResult as error:
            raise DamagedResult(str(error).replace(place, "attachments")) from error


def _of_numbers(result: SlideResult, made: SlideResult, card: ModelCard, regions: bytes) -> Iterator[Finding]:
    yield from compared(result, made)
    foci = foci_geojson(result.slide.slide_id, made.extent.foci, result.model, result.settings, made.scan_digest)
    agrees = same(json.loads(regions), json.loads(json.dumps(foci)))
    words = f"{REGIONS} has {'those that' if agrees else 'others than'} the patch table comes to"
    yield Finding.of("outlines of the foci", words, agrees=agrees)
    yield _of_weights("model's card", f"{card.name} {card.version}, ", card.weights_sha256, result)


def _of_weights(what: str, whose: str, sha256: str, result: SlideResult) -> Finding:
    agrees = sha256 == result.model.sha256
    other = "" if agrees else f"; the result has {result.model.sha256}"
    return Finding.of(what, f"{whose}weights {sha256}{other}", agrees=agrees)


def _of_page_one(found: ReportFile, made: SlideResult, card: ModelCard) -> Iterator[Finding]:
    printed = re.fullmatch(r"batchscan (.*)", found.printed_by)
    if not printed or printed[1] != __version__:
        words = f"this is batchscan {__version__}, the report says {found.printed_by or 'nothing'}: verify it with that"
        yield Finding.left_out("version", words)
    page = found.pages[0] if found.pages else ""
    try:
        words_of_page = _words_of_page_one(found.language, made, card)
    except ModelError as error:
        yield Finding.of("page one", str(error), agrees=False)
        return
    for what, words in words_of_page:
        agrees = stands_in(words, page)
        yield Finding.of(f"page one: {what}", words if agrees else f"doesn't say: {words}", agrees=agrees)


def _words_of_page_one(tag: str, made: SlideResult, card: ModelCard) -> list[tuple[str, str]]:
    """What must stand there in the language that the report says it is in."""
    with speaking(language(tag if tag in languages() else ENGLISH)):
        return list(page_one_words(slide_content(made, card, datetime.now(UTC), __version__)))


def _beside(folder: Path, enclosed: Mapping[str, bytes]) -> Iterator[Finding]:
    for name in _RESULT_FILES:
        what = f"{name} in the run folder"
        try:
            agrees = (folder / name).read_bytes() == enclosed.get(name)
        except OSError:
            yield Finding.of(what, "missing", agrees=False)
            continue
        yield Finding.of(what, "the bytes attached" if agrees else "other bytes than those attached", agrees=agrees)


def _of_places(result: SlideResult, nearby: Nearby) -> Iterator[Finding]:
    yield _of_model(result, nearby.model)
    store = nearby.stores.get(result.slide.slide_id)
    if store is None:
        yield Finding.left_out("slide on disk", nearby.why_no_store)
        return
    try:
        fingerprint = open_store(store, result.slide.spacing).fingerprint
    except BatchscanError:
        # The text of it has the store's path.
        yield Finding.left_out("slide on disk", "its store can't be read")
        return
    agrees = fingerprint == result.slide.fingerprint
    other = "" if agrees else f"; the result has {result.slide.fingerprint}"
    yield Finding.of("slide on disk", f"fingerprint {fingerprint}{other}", agrees=agrees)


def _of_model(result: SlideResult, named: str | None) -> Finding:
    name = named or result.model.name
    if not named and name not in shipped_models():
        return Finding.left_out("model on disk", "its package isn't here; name it with --model")
    try:
        info = open_package(name).info
    except ModelError as error:
        return Finding.left_out("model on disk", f"can't be read: {error}")
    if not named and info.version != result.model.version:
        return Finding.left_out(
            "model on disk", f"version {info.version} is here, the result has {result.model.version}"
        )
    return _of_weights("model on disk", "", info.sha256, result)
