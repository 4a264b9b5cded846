"""Slides whose steps do what a script says, on real worker processes: return, raise, die, hang."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from distributed import get_worker

from batchscan.domain.errors import (
    MissingSpacing,
    ModelError,
    OutputError,
    SlideChanged,
    SlideGone,
    SourceVanished,
    UnreadableSlide,
)
from batchscan.scan.dispatch import Steps
from batchscan.scan.grid import Block
from batchscan.scan.pipeline import BlockScores
from batchscan.scan.pulse import herald, voice

# What steps claim to have spent: a survey, and each block.
SURVEY_SECONDS = {"read": 0.25, "tissue": 0.5}
BLOCK_SECONDS = {"read": 0.125, "infer": 2.0}
# By so much a step grows that is to be seen before it dies.
GROWN_MB = 400
_LONGEST_S = 20.0


@dataclass(frozen=True)
class Script:
    """`does` happens in the step `at`, the first `times` times; `notes` is a folder where every step leaves a file.

    On the worker at the address `sick` every step fails. `company` is the slide that a step waits for before it dies.
    A survey that `tells` says its blocks; the first time it goes on only when one of them has been begun.
    """

    slide_id: str
    n_blocks: int = 2
    at: str = ""
    does: str = ""
    times: int = 1_000_000
    notes: Path | None = None
    sick: str = ""
    company: str = ""
    tells: bool = False


@dataclass(frozen=True)
class Found:
    blocks: tuple[Block, ...]
    seconds: Mapping[str, float] = field(default_factory=lambda: SURVEY_SECONDS)


def _act(script: Script, step: str) -> None:
    if script.notes:
        place = script.notes / f"{script.slide_id} {step} {time.monotonic_ns()}"
        place.write_text(str(os.getpid()))
    if script.sick and get_worker().address == script.sick:
        raise OSError("this worker lacks something")
    if script.at != step or (script.notes and tried(script.notes, script.slide_id, step) > script.times):
        return
    if script.does in DEEDS:
        DEEDS[script.does](script, step)
    if script.does not in {"slow", "brief"}:
        raise _error(script.does)


def _slowly(seconds: float) -> None:
    """Long work that says that it gets on, from a thread of its own as an ingest does."""
    gets_on, end = voice(), time.monotonic() + seconds

    def work() -> None:
        while time.monotonic() < end:
            gets_on()
            threading.Event().wait(0.05)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def _die(script: Script, step: str) -> None:
    while script.notes and script.company and not tried(script.notes, script.company, step):
        threading.Event().wait(0.01)
    os._exit(9)


def _grow(script: Script, _: str) -> None:
    """Die once somebody has seen how large it is."""
    grown = np.ones(GROWN_MB << 20, np.uint8)
    while script.notes and not (script.notes / "seen").exists():
        threading.Event().wait(0.01)
    os._exit(int(grown[0]))


DEEDS: Mapping[str, Callable[[Script, str], object]] = {
    "die": _die,
    "grow": _grow,
    "segfault": lambda *_: os.kill(os.getpid(), signal.SIGSEGV),
    "hang": lambda *_: threading.Event().wait(),
    "slow": lambda *_: _slowly(4.0),
    "brief": lambda *_: _slowly(2.0),
    "slow_defect": lambda *_: _slowly(0.25),
}


def _error(does: str) -> Exception:
    return {
        "excluded": MissingSpacing("no spacing"),
        "unreadable": UnreadableSlide("bad pixels"),
        "defect": ZeroDivisionError("two\nlines"),
        "slow_defect": ZeroDivisionError("after a while"),
        "model": ModelError("the wrong weights"),
        "full": OutputError("no space left"),
        "away": SourceVanished("the folder is gone."),
        "gone": SlideGone("the slide is gone."),
        "changed": SlideChanged("another slide"),
    }[does]


def tried(notes: Path, slide_id: str, step: str) -> int:
    """How often a step of a slide was begun."""
    return len(list(notes.glob(f"{slide_id} {step} *")))


def survey(script: Script) -> Found:
    cells = np.arange(3, dtype=np.int32)
    found = Found(tuple(Block(cells + 10 * i, cells, 10 * i, 0, 3, 3) for i in range(script.n_blocks)))
    if script.tells:
        _tell(script, found)
    _act(script, "survey")
    return found


def _tell(script: Script, found: Found) -> None:
    assert script.notes
    herald()(found.blocks)
    end = time.monotonic() + _LONGEST_S
    while not tried(script.notes, script.slide_id, "scan"):
        if time.monotonic() > end:
            raise TimeoutError
        threading.Event().wait(0.01)


def scan(script: Script, blocks: Sequence[Block]) -> list[BlockScores]:
    return [_scan_one(script, block) for block in blocks]


def _scan_one(script: Script, block: Block) -> BlockScores:
    _act(script, "scan")
    p = block.rows.astype(np.float32)
    return BlockScores(block.rows, block.cols, p, np.ones(len(p), np.bool_), np.zeros(len(p), np.uint64), BLOCK_SECONDS)


def finish(script: Script, found: Found, scores: list[BlockScores]) -> tuple[int, list[int], int]:
    _act(script, "finish")
    return len(found.blocks), sorted(int(score.row[0]) for score in scores), os.getpid()


STEPS = Steps(survey, scan, finish)
