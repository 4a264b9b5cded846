"""Slides whose steps do what a script says, for dispatch on workers that can be stopped in mid-step."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from distributed import get_worker

from batchscan.domain.errors import ModelError
from batchscan.scan.dispatch import Steps
from batchscan.scan.grid import Block
from batchscan.scan.pipeline import BlockScores


@dataclass(frozen=True)
class Gated:
    """A slide whose blocks are scanned only while `gate` exists; each that is waited for leaves a file in `waiting`.

    `unfit` is the worker that has another model.
    """

    slide_id: str
    gate: Path
    waiting: Path
    n_blocks: int = 2
    unfit: str = ""


@dataclass(frozen=True)
class Found:
    blocks: tuple[Block, ...]
    seconds: Mapping[str, float] = field(default_factory=dict)


def survey(slide: Gated) -> Found:
    cells = np.arange(3, dtype=np.int32)
    return Found(tuple(Block(cells + 10 * i, cells, 10 * i, 0, 3, 3) for i in range(slide.n_blocks)))


def scan(slide: Gated, blocks: Sequence[Block]) -> list[BlockScores]:
    return [_scan_one(slide, block) for block in blocks]


def _scan_one(slide: Gated, block: Block) -> BlockScores:
    name = str(get_worker().name)
    (slide.waiting / f"{name} {os.getpid()} {slide.slide_id} {block.rows[0]}").touch()
    while not slide.gate.exists():
        time.sleep(0.01)
    if name == slide.unfit:
        raise ModelError("this worker has another model")
    p = np.cos(block.rows, dtype=np.float32)
    seconds = {"read": 0.0, "infer": 0.0}
    return BlockScores(block.rows, block.cols, p, np.ones(len(p), np.bool_), np.zeros(len(p), np.uint64), seconds)


def finish(slide: Gated, found: Found, scores: list[BlockScores]) -> tuple[str, int, list[tuple[int, float]]]:
    rows = sorted((int(row), float(p)) for score in scores for row, p in zip(score.row, score.p_raw, strict=True))
    return slide.slide_id, len(found.blocks), rows


STEPS = Steps(survey, scan, finish)
