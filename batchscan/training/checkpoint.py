"""A training's state after an epoch <-> a file that it can go on from as if it had never stopped."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from batchscan.domain.card import Epoch
from batchscan.domain.errors import OutputError
from batchscan.stores.atomic import write_atomically

CHECKPOINT_FILE = "checkpoint.npz"

Array = NDArray[Any]
About = Mapping[str, Any]
"""What decides a training's numbers, as JSON has it: a checkpoint is of use to the same training only."""


@dataclass(frozen=True)
class Checkpoint:
    """A training after its last finished epoch.

    Parameters
    ----------
    network, optimizer
        All their variables, in Keras' order.
    best
        Weights of the best epoch so far; empty where none is chosen.
    history
        Every finished epoch.
    """

    network: Sequence[Array]
    optimizer: Sequence[Array]
    best: Sequence[Array]
    history: tuple[Epoch, ...]


_PARTS = ("network", "optimizer", "best")


def write_checkpoint(folder: Path, about: About, checkpoint: Checkpoint) -> None:
    """Write it in place of the one before; killed on the way, that one is still there.

    Raises
    ------
    OutputError
        If the folder can't be written to.
    """
    said = {"about": about, "history": [epoch.model_dump() for epoch in checkpoint.history]}
    arrays = {
        f"{part}_{number:04d}": array for part in _PARTS for number, array in enumerate(getattr(checkpoint, part))
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: can't be written ({error.strerror or error}): check permissions") from error
    with write_atomically(folder / CHECKPOINT_FILE, binary=True) as stream:
        np.savez(stream, said=np.array(json.dumps(said)), **arrays)


def read_checkpoint(folder: Path, about: About) -> Checkpoint | None:
    """The checkpoint in a folder; None where there is none.

    Raises
    ------
    OutputError
        If it is another training's (what differs is named), or damaged.
    """
    path = folder / CHECKPOINT_FILE
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            said = json.loads(str(arrays["said"]))
            history = tuple(Epoch.model_validate(each) for each in said["history"])
            parts = {
                part: [arrays[name] for name in sorted(arrays.files) if name.startswith(f"{part}_")] for part in _PARTS
            }
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, ValidationError) as error:
        raise OutputError(
            f"{path} is damaged ({' '.join(str(error).split())[:200]}): remove it to begin the training again"
        ) from error
    _check_same(path, said["about"], json.loads(json.dumps(about)))
    return Checkpoint(parts["network"], parts["optimizer"], parts["best"], history)


def _check_same(path: Path, there: dict[str, Any], here: dict[str, Any]) -> None:
    differing = [key for key in {**there, **here} if there.get(key) != here.get(key)]
    if differing:
        said = "; ".join(f"{key} is {there.get(key)} there, {here.get(key)} here" for key in differing)
        raise OutputError(
            f"{path} is of another training ({said}): go on with what it was begun with, or remove it to begin again"
        )
