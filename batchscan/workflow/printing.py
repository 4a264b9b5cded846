"""Stored results -> heat maps and PDFs, first or again, and notices; needs neither model nor slide."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from batchscan.domain.card import ModelCard
from batchscan.domain.errors import BatchscanError, DamagedResult, OutputError, UsageError
from batchscan.domain.records import Pictures, SlideResult
from batchscan.report.language import language
from batchscan.report.render import load_weasyprint, render_slide_report
from batchscan.report.style_check import check_style
from batchscan.report.styles import SHIPPED, ReportStyle
from batchscan.stores.atomic import write_atomically
from batchscan.stores.enclosures import read_enclosures
from batchscan.stores.ledger import Ledger
from batchscan.stores.open_files import renew_open_files
from batchscan.stores.pictures import read_pictures, with_stored_close_ups, write_thumbnail
from batchscan.stores.results import HEATMAP, REPORT, SIGNATURE, SUMMARY, THUMBNAIL, RunFolder, read_result
from batchscan.stores.signatures import SigningKey
from batchscan.stores.summary import write_summary
from batchscan.workflow.morning import print_digest
from batchscan.workflow.notices import without_result
from batchscan.workflow.styles import style_of_run


def get_ready(style: ReportStyle | None) -> None:
    """Load what draws and prints before a slide waits for it; what is missing is told when it is used.

    `style` is that of the reports, None where there are to be none.
    """
    with contextlib.suppress(ImportError, OSError, BatchscanError):
        importlib.import_module("batchscan.report.figures")  # with matplotlib
        language()
        if style:
            load_weasyprint()
            language(style.language, style.templates)


def print_slide(
    result: SlideResult,
    card: ModelCard,
    pictures: Pictures,
    folder: Path,
    generated: datetime,
    *,
    report: bool,
    style: ReportStyle = SHIPPED,
) -> None:
    """Write heatmap.png, thumbnail.jpg and, if asked for, report.pdf into `folder`, where the result was read from.

    The signature of an older report goes: it isn't one of the new.
    """
    from batchscan.report.figures import heatmap_png  # noqa: PLC0415 - matplotlib is slow to import, a runner needs none

    with write_atomically(folder / HEATMAP, binary=True) as stream:
        stream.write(heatmap_png(result, pictures))
    write_thumbnail(folder / THUMBNAIL, pictures.overview)
    if report:
        enclosures = read_enclosures(folder, card)
        (folder / SIGNATURE).unlink(missing_ok=True)
        path = folder / REPORT
        render_slide_report(result, card, pictures, path, generated, enclosures=enclosures, style=style)


def print_staged(
    run: RunFolder, staged: Path, pictures: Pictures, generated: datetime, *, report: bool, style: ReportStyle
) -> None:
    """Print a result that isn't committed yet as it will be read to print it again: the bytes are then the same.

    Overview and masks in `pictures` come from the files that are copied there; close-ups are read only to be shown.
    """
    result = read_result(staged)
    if report:
        pictures = with_stored_close_ups(staged, pictures)
    card = run.read_card(result.model.sha256)
    print_slide(result, card, pictures, staged, generated, report=report, style=style)


def date_of_print(now: datetime) -> datetime:
    """The date that pages say: SOURCE_DATE_EPOCH where that is set, so that they can be made again byte by byte.

    Raises
    ------
    UsageError
        If it is set to something else than seconds since 1970. (https://reproducible-builds.org/specs/source-date-epoch)
    """
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not given:
        return now
    try:
        return datetime.fromtimestamp(int(given), UTC)
    except (ValueError, OverflowError, OSError) as error:
        text = f"SOURCE_DATE_EPOCH is {given!r}: expected whole seconds since 1970; set it right, or unset it"
        raise UsageError(text) from error


def reprint(
    run: RunFolder,
    slide_ids: tuple[str, ...],
    generated: datetime,
    *,
    style: ReportStyle | None = None,
    key: SigningKey | None = None,
) -> Iterator[Path | DamagedResult]:
    """Print the reports of committed results again. Without ids, all of them; then the digest and the notices.

    Parameters
    ----------
    run, slide_ids, generated
        Of which reports, and the date on them.
    style
        Language, templates and paper; None for those of the run.
    key
        What they are signed with; None leaves them unsigned.

    Yields
    ------
    Path or DamagedResult
        Each PDF, of a slide without a result its notice; or why there is none, where a result can't be read.

    Raises
    ------
    UsageError, OutputError
        If nothing is known of a slide here, or there is nothing to print.
    DamagedResult
        If run.json is damaged, so that there is no digest.
    TemplateError
        If the style can't be used.
    """
    with_result, stopped = _asked(run, slide_ids)
    style = _checked(style or style_of_run(run), run, with_result)
    for slide_id in with_result:
        folder = run.slide(slide_id)
        try:
            result = read_result(folder)
            card, pictures = run.read_card(result.model.sha256), read_pictures(folder)
        except DamagedResult as error:
            yield error
            continue
        print_slide(result, card, pictures, folder, generated, report=True, style=style)
        if key:
            key.sign(folder / REPORT, folder / SIGNATURE)
        renew_open_files(folder, result)
        yield folder / REPORT
    renew_digest(run, style)
    yield from map(run.notice, stopped)


def _checked(style: ReportStyle, run: RunFolder, slide_ids: list[str]) -> ReportStyle:
    """The style, in whose templates reports can be printed, as the first whole result's card shows, before any is."""
    for slide_id in slide_ids if style.templates else ():
        with contextlib.suppress(DamagedResult):
            check_style(style, run.read_card(read_result(run.slide(slide_id)).model.sha256))
            break
    return style


def _asked(run: RunFolder, slide_ids: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Of the slides asked for, or all: those with a result, and those that failed or were excluded."""
    present, stopped = run.results(), _without_result(run)
    unknown = sorted(set(slide_ids) - set(present) - set(stopped))
    if unknown:
        raise UsageError(
            f"{run.path}: no result of slide {', '.join(unknown)}; there are: {', '.join(present) or 'none'}"
        )
    if not present and not stopped:
        raise OutputError(f"{run.path}: holds no results to print; give the folder that --out named")
    printed = [each for each in slide_ids or present if each in present]
    return printed, [each for each in slide_ids or stopped if each in stopped]


def _without_result(run: RunFolder) -> list[str]:
    """The slides that failed or were excluded; none where there is no ledger to ask."""
    if not run.ledger.is_file():
        return []
    with Ledger.read(run.ledger) as ledger:
        return without_result(ledger)


def renew_digest(run: RunFolder, style: ReportStyle | None = None) -> None:
    """Make the digest link the reports and evaluations that are there now; notices in the style, or in the run's.

    Raises
    ------
    DamagedResult
        If run.json is damaged.
    OutputError
        If there is no ledger, or a page can't be written.
    """
    facts = run.read_facts("name", "started", "finished", "model", "engine", "threshold", "counts")
    printed = all((run.slide(slide_id) / REPORT).is_file() for slide_id in run.results())
    with Ledger.read(run.ledger) as ledger:
        write_summary(run.path / SUMMARY, ledger.rows())
        training = run.training_counts(facts["model"]["sha256"])
        print_digest(run, ledger, {**facts, "reports": printed}, training, pdf=True, most_notices=None, style=style)
