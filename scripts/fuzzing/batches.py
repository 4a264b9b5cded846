"""A seed and a number -> a damaged slide; damaged slides, ingested by the real command -> what is wrong with it."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import zarr

from batchscan.domain import errors
from batchscan.domain.plain_text import plain
from batchscan.workflow.ingest import IngestOptions, ingest
from batchscan.workflow.ingest_sources import slide_id_of
from batchscan.workflow.killable import Killables, LostProcess
from fuzzing import oracle
from fuzzing.mutations import WAYS, mutate_file, mutate_store
from fuzzing.originals import Kind, Original

MOST_MIB = 1024
# Runs a command and says last how much memory its largest process took, in KiB.
MEASURED = """\
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
CHECK_STALL_S = 60.0
TABLES = {"ingest.csv", "manifest.csv"}
REASONS = {
    kind.code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.BatchscanError)
} - {errors.SlideDefect.code, errors.BatchscanError.code}


@dataclass(frozen=True)
class Case:
    """One damaged slide: its number, what it was, where it lies and what was done to it."""

    number: int
    original: Original
    path: Path
    damage: str

    @property
    def slide_id(self) -> str:
        """As the ingest calls it."""
        return f"c{self.number}"


@dataclass
class Ended:
    """How a case ended: `done`, or a reason; `faults` is what must not be."""

    case: Case
    outcome: str
    faults: list[str] = field(default_factory=list)


def make_case(number: int, seed: int, originals: Sequence[Original], folder: Path) -> Case:
    """The case of that number: the same whenever it is made, whatever was made before."""
    rng = np.random.default_rng([seed, number])
    original = originals[int(rng.integers(len(originals)))]
    endings = {Kind.STORE: ".ome.zarr"}
    path = folder / f"c{number}{endings.get(original.kind, original.path.suffix)}"
    if original.kind is Kind.STORE:
        shutil.copytree(original.path, path)
        damage = mutate_store(path, rng)
    else:
        shutil.copyfile(original.path, path)
        damage = mutate_file(path, WAYS[original.kind], rng)
    return Case(number, original, path, damage)


class Judge:
    """Ingests cases and looks at what came of them.

    Parameters
    ----------
    originals
        The archive of the undamaged slides, by their names.
    checks
        Processes for the oracle, which reads damaged files too.
    readers
        Processes for the ingests that run here.
    stall_s
        What the ingest is given.
    """

    def __init__(self, originals: Path, checks: Killables, readers: Killables, stall_s: float) -> None:
        self._originals = originals
        self._checks = checks
        self._readers = readers
        self._stall_s = stall_s
        self.peak_mib = 0.0
        """Largest process of any command so far."""

    def batch(self, cases: Sequence[Case], archive: Path, um_per_px: float | None) -> list[Ended]:
        """Slides and stores: one command for all of them."""
        spacing = [] if um_per_px is None else ["--um-per-px", str(um_per_px)]
        words = ["--archive", str(archive), "--workers", "2", "--stall", str(self._stall_s), *spacing]
        batchscan = [sys.executable, "-m", "batchscan", "ingest", *(str(case.path) for case in cases), *words]
        command = [sys.executable, "-c", MEASURED, *batchscan]
        limit_s = 120 + 3 * self._stall_s * len(cases)
        try:
            ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit_s)  # noqa: S603
        except subprocess.TimeoutExpired:
            return [Ended(case, "hang", ["the command hangs"]) for case in cases]
        said = list(_wrong_with_command(ran.returncode, ran.stderr))
        peak_mib = int(ran.stdout.split()[-1]) / 1024
        self.peak_mib = max(peak_mib, self.peak_mib)
        if peak_mib > MOST_MIB:
            said.append(f"{peak_mib:.0f} MiB of memory for the batch")
        ended = [self._ended(case, archive, um_per_px) for case in cases]
        ended[0].faults += said + list(_wrong_with_archive(archive, ended))
        return ended

    def patch_set(self, case: Case, archive: Path) -> Ended:
        """A patch set is refused as a whole, and with it the command: each is an ingest of its own."""
        try:
            list(ingest([case.path], archive, IngestOptions(1, stall_s=self._stall_s), self._readers))
        except errors.BatchscanError as error:
            faults = (
                list(_wrong_with_sentence(plain(str(error)))) if error.code in REASONS else [f"{error.code}: {error}"]
            )
            return Ended(case, f"refused: {error.code}", faults + list(_left_over(archive, set())))
        except Exception as error:  # noqa: BLE001 - this is what is looked for
            return Ended(case, "crash", [f"{type(error).__name__}: {error}"])
        rows = _rows(archive)
        outcomes = sorted({row["reason"] or "done" for row in rows})
        faults = [fault for row in rows for fault in self._wrong_with_row(row, case, archive, None)]
        stores = {row["slide_id"] for row in rows if row["status"] == "done"}
        faults += _left_over(archive, stores, {f"{name}.reference.csv" for name in stores})
        return Ended(case, "+".join(outcomes), faults)

    def _ended(self, case: Case, archive: Path, um_per_px: float | None) -> Ended:
        rows = [row for row in _rows(archive) if row["source"] == case.path.name]
        if len(rows) != 1:
            return Ended(case, "no line", [f"{len(rows)} lines in ingest.csv"])
        (row,) = rows
        faults = list(self._wrong_with_row(row, case, archive, um_per_px))
        outcome = row["reason"] or "done"
        if row["status"] == "done" and outcome == "damaged" and not faults:
            outcome = "done, but for squares that can't be decoded"
        elif outcome == "done" and not faults:
            outcome = (
                "done, pixels of the undamaged" if self._is_unharmed(case, archive) else "done, pixels of the file"
            )
        return Ended(case, outcome, faults)

    def _wrong_with_row(self, row: dict[str, str], case: Case, archive: Path, um_per_px: float | None) -> Iterator[str]:
        store = archive / f"{row['slide_id']}.ome.zarr"
        if row["status"] == "done":
            try:
                fault = self._checks.run(
                    oracle.check, case.original.kind, case.path, store, um_per_px, stall_s=CHECK_STALL_S
                )
            except (LostProcess, MemoryError) as error:
                fault = f"done, but reading it again came to {type(error).__name__}: {error}"
            if fault:
                yield f"wrong success: {fault}"
            if row["reason"] not in {"", "damaged"}:
                yield f"done ({row['reason']})"
            return
        if row["reason"] not in REASONS or row["status"] not in {"failed", "excluded"}:
            yield f"{row['status']} ({row['reason']}): {row['sentence']}"
        yield from _wrong_with_sentence(row["sentence"])
        if str(case.path) in row["sentence"]:
            yield "the sentence has the path"

    def _is_unharmed(self, case: Case, archive: Path) -> bool:
        try:
            one, other = (
                np.asarray(zarr.open_array(place / "0", mode="r")[...])
                for place in (
                    archive / f"{case.slide_id}.ome.zarr",
                    self._originals / f"{slide_id_of(case.original.path)}.ome.zarr",
                )
            )
        except Exception:  # noqa: BLE001 - a store of another kind, or none of the original: not the same
            return False
        return bool(np.array_equal(one, other))


def _rows(archive: Path) -> list[dict[str, str]]:
    table = archive / "ingest.csv"
    if not table.is_file():
        return []
    with table.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _wrong_with_command(code: int, stderr: str) -> Iterator[str]:
    if code not in {0, 3}:
        yield f"exit code {code}: {stderr[-500:]}"
    if "Traceback" in stderr:
        yield f"traceback: {stderr[-500:]}"
    if not all(letter.isprintable() or letter == "\n" for letter in stderr):
        yield "control characters on stderr"


def _wrong_with_sentence(sentence: str) -> Iterator[str]:
    if not sentence or "\n" in sentence or not sentence.isprintable():
        yield f"no plain sentence: {sentence!r}"


def _wrong_with_archive(archive: Path, ended: Sequence[Ended]) -> Iterator[str]:
    done = {each.case.slide_id for each in ended if each.outcome.startswith("done")}
    yield from _left_over(archive, done)
    n_rows = len(_rows(archive))
    if n_rows != len(ended):
        yield f"{n_rows} lines in ingest.csv for {len(ended)} sources"


def _left_over(archive: Path, stores: set[str], others: set[str] = frozenset()) -> Iterator[str]:  # type: ignore[assignment]
    expected = {f"{name}.ome.zarr" for name in stores} | others
    found = {path.name for path in archive.iterdir()} - TABLES if archive.is_dir() else set()
    if found != expected:
        yield f"the archive has {sorted(found ^ expected)[:5]} too much or too little"
