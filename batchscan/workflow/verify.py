"""A report's PDF, or a run folder -> whether they agree with their own data, and with model and slides where these are.

Without a signature this shows that nothing was changed by accident, or by somebody who changed one thing only: who
makes everything anew, digests too, makes a report that agrees with itself. A signature shows that too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from batchscan.domain.errors import BatchscanError, DamagedResult, OutputError, SigningError, UnverifiableReport
from batchscan.domain.plain_text import plain
from batchscan.domain.records import SlideStatus
from batchscan.domain.verified import Finding, Verified
from batchscan.stores.ledger import Ledger
from batchscan.stores.pyramids import is_store
from batchscan.stores.report_files import read_report_bytes
from batchscan.stores.results import REPORT, RUN_FACTS, SIGNATURE_SUFFIX, SUMMARY, RunFolder
from batchscan.stores.signatures import PublicKey
from batchscan.stores.summary import read_summary
from batchscan.workflow.archive_tables import MANIFEST
from batchscan.workflow.checked_report import NO_STORE_HERE, Nearby, checked_report, checked_result
from batchscan.workflow.ingest_steps import store_path
from batchscan.workflow.killable import Killables, LostProcess
from batchscan.workflow.sources import find_slides

_STALL_S = 120.0
_MEMORY_BYTES = 4 << 30
_MODULE = checked_report.__module__
# Why an archive that was named doesn't have a slide's store, in words without its path.
_NO_MANIFEST = f"the archive has no {MANIFEST}, nor is it a store; give --archive what batchscan ingest made"
_UNREADABLE = "the archive's manifest can't be read, or has wrong rows; mend it, or give --archive the store itself"
_NOT_IN_IT = "its store isn't in the archive; give --archive the one that holds it"


@dataclass(frozen=True, slots=True)
class RunOpened:
    """So many slides have a result, or should have one."""

    n_slides: int


def verify_report(
    report: Path,
    *,
    model: str | None = None,
    archive: Path | None = None,
    key: PublicKey | None = None,
    again: bool = False,
) -> Verified:
    """Compare a report with what it encloses, and with what is on this machine.

    Parameters
    ----------
    report
        The PDF.
    model
        Package to compare its model with; None for that of its run, or a shipped one.
    archive
        Where its slide is; None for where its run had it from.
    key
        Who should have signed it; None if nobody has to.
    again
        Whether it is also printed anew from its run's files, and compared byte by byte: a second or two.

    Raises
    ------
    UnverifiableReport
        If it isn't a PDF of batchscan's, or is made to harm.
    """
    nearby = replace(_nearby(report, model, archive), again=again)
    with _checkers() as checkers:
        verified = _checked(checkers, checked_report, report, nearby)
    return replace(verified, findings=(*verified.findings, _signature(report, key)))


def verify_run(
    run: Path,
    *,
    model: str | None = None,
    archive: Path | None = None,
    key: PublicKey | None = None,
    again: bool = False,
) -> Iterator[RunOpened | Verified]:
    """Compare each committed result of a run with its files; parameters as of `verify_report`.

    Yields
    ------
    RunOpened or Verified
        How many there are; then each, in the order of their ids.

    Raises
    ------
    OutputError
        If the folder isn't a run's.
    DamagedResult
        If its run.json is damaged.
    """
    folder = RunFolder(run)
    if not folder.ledger.is_file():
        raise OutputError(f"{run}: is no run folder; give one, or a slide's report.pdf")
    facts = folder.read_facts()
    with Ledger.read(folder.ledger) as ledger:
        statuses = ledger.statuses()
    done = {slide_id for slide_id, status in statuses.items() if status is SlideStatus.DONE}
    committed = set(folder.results())
    yield RunOpened(len(done | committed))
    by_slide, rows = _near_run(folder, facts, model, archive), read_summary(folder.path / SUMMARY)

    def near(slide_id: str) -> Nearby:
        return replace(by_slide(slide_id), again=again, row=rows.get(slide_id))

    with _checkers() as checkers, ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        one = partial(_verified_result, checkers, folder, near, key, with_report=bool(facts.get("reports", True)))
        try:
            for slide_id, verified in zip(
                sorted(done | committed), threads.map(one, sorted(done | committed)), strict=True
            ):
                yield verified if slide_id in committed else _gone(slide_id)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


def _gone(slide_id: str) -> Verified:
    return Verified(
        slide_id, (Finding.of("result", "missing: the ledger says that it is done; run again", agrees=False),)
    )


def _verified_result(
    checkers: Killables,
    run: RunFolder,
    near: Callable[[str], Nearby],
    key: PublicKey | None,
    slide_id: str,
    *,
    with_report: bool,
) -> Verified:
    check = partial(checked_result, with_report=with_report)
    try:
        verified = _checked(checkers, check, run.path, slide_id, near(slide_id))
        report = run.slide(slide_id) / REPORT
        signed = (_signature(report, key),) if report.is_file() else ()
    except BatchscanError as error:
        return Verified(slide_id, (Finding.of("its files", str(error), agrees=False),))
    return replace(verified, findings=(*verified.findings, *signed))


@contextmanager
def _checkers() -> Iterator[Killables]:
    with Killables(_MODULE, _MEMORY_BYTES) as checkers:
        yield checkers


def _checked(checkers: Killables, check: Callable[..., Verified], *given: Any) -> Verified:
    try:
        return checkers.run(check, *given, stall_s=_STALL_S)
    except BatchscanError as error:
        if isinstance(error, LostProcess):
            raise UnverifiableReport(f"{given[0]}: reading it went nowhere ({error}); take it for damaged") from error
        raise
    except Exception as error:
        # What is made to harm, and what a library didn't foresee.
        words = f"{type(error).__name__}: {plain(str(error))[:200]}".rstrip(": ")
        raise UnverifiableReport(f"{given[0]}: can't be read ({words}); take it for damaged") from error


def _signature(report: Path, key: PublicKey | None) -> Finding:
    signature = report.with_name(report.name + SIGNATURE_SUFFIX)
    if key is None:
        words = "there is one: give --key to check it" if signature.is_file() else "none: anybody may have made this"
        return Finding.left_out("signature", words)
    try:
        holds = key.holds(read_report_bytes(report), signature.read_bytes())
    except OSError:
        return Finding.of("signature", f"{signature.name} is missing", agrees=False)
    except SigningError as error:
        return Finding.of("signature", str(error), agrees=False)
    words = "the key's, of this very PDF" if holds else "isn't this key's, or the PDF was changed since"
    return Finding.of("signature", words, agrees=holds)


def _nearby(report: Path, model: str | None, archive: Path | None) -> Nearby:
    folder = report.absolute().parent
    run = RunFolder(folder.parent.parent)
    if folder.parent.name == "slides" and (run.path / RUN_FACTS).is_file():
        try:
            return _near_run(run, run.read_facts(), model, archive)(folder.name)
        except BatchscanError:
            return Nearby(folder, model, *_stores(archive, []))
    return Nearby(None, model, *_stores(archive, []))


def _near_run(
    run: RunFolder, facts: Mapping[str, Any], model: str | None, archive: Path | None
) -> Callable[[str], Nearby]:
    """What there is nearby for each slide of a run, by its id."""
    try:
        given, package = facts["job"]["slides"]["sources"], facts["job"]["model"]["package"]
    except (KeyError, TypeError) as error:
        raise DamagedResult(f"{run.path}: {RUN_FACTS} doesn't hold its job; run the job again") from error
    stores, why_none = _stores(archive, [Path(one) for one in given if "://" not in one])

    def near(slide_id: str) -> Nearby:
        made = store_path(run.stores, slide_id)
        store = made if made.is_dir() else stores.get(slide_id)
        return Nearby(run.slide(slide_id), model or package, {slide_id: store} if store else {}, why_none)

    return near


def _stores(archive: Path | None, sources: list[Path]) -> tuple[dict[str, Path], str]:
    """The stores of the archive that was named, or else of a run's sources; and why a slide's isn't among them."""
    try:
        known = [one for one in ([archive] if archive else sources) if _names_stores(one)]
        stores = _stores_of(known)
    except (BatchscanError, OSError):
        # The text of it has paths.
        return {}, _UNREADABLE if archive else NO_STORE_HERE
    if archive is None:
        return stores, NO_STORE_HERE
    return stores, _NOT_IN_IT if known else _NO_MANIFEST


def _names_stores(source: Path) -> bool:
    return is_store(source) or (source / MANIFEST).is_file() or source.suffix.lower() == ".csv"


def _stores_of(sources: list[Path]) -> dict[str, Path]:
    """The stores that archives, manifests and stores come to; no scanner's file is opened to find out."""
    requests = find_slides(sources, None).requests
    return {one.slide_id: one.path for one in requests if isinstance(one.path, Path) and is_store(one.path)}
