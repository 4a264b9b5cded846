"""All steps of a slide on one worker, one after the other: what a slide takes where the others have some of their own.

Each step costs some 7 ms of processor time for its messages, and whoever surveyed a slide has its store open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic

from batchscan.scan.pulse import voice
from batchscan.scan.underway import PATCHES_TOGETHER, R, S, Steps, W


@dataclass(frozen=True, slots=True)
class Whole(Generic[R]):
    """A slide from its survey to its result.

    Parameters
    ----------
    sizes
        Patches of each of its blocks.
    seconds
        What each part of it spent, by stage.
    result
        What its last step returned.
    """

    sizes: tuple[int, ...]
    seconds: tuple[Mapping[str, float], ...]
    result: R


def in_one_go(steps: Steps[W, S, R], work: W) -> S | Whole[R]:
    """Survey a slide, and scan and finish it too; one with more patches than go into one step is only surveyed."""
    gets_on = voice()
    surveyed = steps.survey(work)
    if sum(map(len, surveyed.blocks)) > PATCHES_TOGETHER:
        return surveyed
    gets_on()
    scores = steps.scan(work, surveyed.blocks) if surveyed.blocks else []
    gets_on()
    result = steps.finish(work, surveyed, scores)
    sizes = tuple(len(block.p_raw) for block in scores)
    return Whole(sizes, (surveyed.seconds, *(block.seconds for block in scores)), result)
