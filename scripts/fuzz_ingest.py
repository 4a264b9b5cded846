"""Damage real and made-up slides at random, ingest them: no crash, no hang, no wrong success, nothing left over.

    python scripts/fuzz_ingest.py [--mutations 2000] [--seed 1] [--case K] [--keep DIR] [--table FILE.md]

Needs batchscan[dev]. Slides that lie in ../shared/data/slides beside the checkout are used too. `--case K` makes and
judges the case of that number alone, and `--keep` leaves its files there. Exit code 1 if anything is wrong.
"""

# ruff: noqa: E402, INP001, T201 - a script, which prints and says first where its parts are

from __future__ import annotations

import argparse
import collections
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

# What makes small slides is the tests'; a killable process gets the same path.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "tests")]

from fuzzing.batches import Case, Ended, Judge, make_case
from fuzzing.originals import Kind, Original, make_originals

from batchscan.workflow.ingest import IngestOptions, ingest
from batchscan.workflow.ingest_processes import ingest_processes
from batchscan.workflow.killable import Killables, memory_for

REAL = Path(__file__).parents[2] / "shared" / "data" / "slides"
BATCH = 100
STALL_S = 20.0
UM_PER_PX = 0.5


def main() -> int:
    """Run all cases, print what is wrong and a table of how they ended."""
    options = _options()
    numbers = [options.case] if options.case is not None else list(range(options.mutations))
    began = time.monotonic()
    ended: list[Ended] = []
    peak_mib = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        for batch, so_far_mib in _run(
            numbers, options.seed, Path(options.keep or scratch), keep=options.keep is not None
        ):
            ended += batch
            peak_mib = so_far_mib
            for each in batch:
                for fault in each.faults:
                    print(f"case {each.case.number} ({_what(each.case)}): {fault}", flush=True)
            print(f"{len(ended)} of {len(numbers)}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    table = _table(ended, options.seed, f"{time.monotonic() - began:.0f} s, largest process {peak_mib:.0f} MiB")
    print(table)
    if options.table:
        options.table.write_text(table + "\n", encoding="utf-8")
    if options.case is not None:
        print(_what(ended[0].case), ended[0].outcome)
    return int(any(each.faults for each in ended))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--mutations", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", type=int)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--table", type=Path)
    return parser.parse_args()


def _run(numbers: Sequence[int], seed: int, folder: Path, *, keep: bool) -> Iterator[tuple[list[Ended], float]]:
    """Batch by batch, with the memory that the largest process took so far."""
    originals = make_originals(folder / "originals", REAL if REAL.is_dir() else None)
    with (
        ingest_processes(n_threads=2, n_processes=2) as readers,
        Killables("fuzzing.oracle", memory_for(n_threads=1, n_processes=2)) as checks,
    ):
        whole = folder / "whole"
        # Whatever is wrong with the real ones is no concern here: they are only compared with.
        list(ingest([each.path for each in originals], whole, IngestOptions(2, um_per_px=UM_PER_PX), readers))
        judge = Judge(whole, checks, readers, STALL_S)
        for start in sorted({number // BATCH for number in numbers}):
            here = [number for number in numbers if number // BATCH == start]
            yield _one_batch(here, seed, originals, folder / f"batch-{start}", judge), judge.peak_mib
            if not keep:
                shutil.rmtree(folder / f"batch-{start}")


def _one_batch(
    numbers: Sequence[int], seed: int, originals: Sequence[Original], folder: Path, judge: Judge
) -> list[Ended]:
    (folder / "in").mkdir(parents=True)
    cases = [make_case(number, seed, originals, folder / "in") for number in numbers]
    sets = [case for case in cases if case.original.kind is Kind.PATCHES]
    others = [case for case in cases if case.original.kind is not Kind.PATCHES]
    # Every other batch is told its spacing, so that a damaged one doesn't end all of them early.
    um_per_px = UM_PER_PX if (numbers[0] // BATCH) % 2 else None
    ended = judge.batch(others, folder / "archive", um_per_px) if others else []
    return ended + [judge.patch_set(case, folder / f"archive-{case.number}") for case in sets]


def _what(case: Case) -> str:
    return f"{case.original.name}, {case.damage}"


def _table(ended: Sequence[Ended], seed: int, took: str) -> str:
    kinds = list(Kind)
    counts = collections.Counter((each.outcome, each.case.original.kind) for each in ended)
    lines = [f"| outcome (seed {seed}) | {' | '.join(kinds)} | all |", f"|---|{'---|' * (len(kinds) + 1)}"]
    for outcome in sorted({outcome for outcome, _ in counts}):
        row = [counts[outcome, kind] for kind in kinds]
        lines.append(f"| {outcome} | {' | '.join(map(str, row))} | {sum(row)} |")
    totals = [sum(count for (_, kind), count in counts.items() if kind is each) for each in kinds]
    n_wrong = sum(bool(each.faults) for each in ended)
    lines += [
        f"| all | {' | '.join(map(str, totals))} | {len(ended)} |",
        "",
        f"{len(ended)} mutations, {n_wrong} with something wrong; {took}",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
