"""The folder beside a package in the making: what a training that was killed goes on from."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from batchscan import __version__
from batchscan.domain.errors import BatchscanError, OutputError, RunBusyError
from batchscan.stores.atomic import write_atomically
from batchscan.stores.packages import CARD_FILE, remove_half_written
from batchscan.training.recipe import Recipe
from batchscan.workflow.folds import Scores, Training

SUFFIX = ".training"
INPUTS_FILE, SCORES_FILE, FIT_FOLDER = "inputs.json", "scores.npz", "fit"
WRITTEN_FILE = "written.json"
LAYOUT_VERSION = 1
LONGEST_NAME = 80
_LONGEST_VALUE = 40
_PREFIX = "seed-"
# What a recipe says of the package, and of what is chosen when the networks are there: no network depends on it.
_AFTERWARDS = {
    *("name", "version", "licence", "um_per_px", "spacing_known", "data", "labels_known", "notes"),
    *("engine_tolerance", "bf16_tolerance"),
    *("folds", "cv_seeds", "prevalence", "calibration", "threshold_for", "context"),
}


def state_folder(out: Path) -> Path:
    """Where the state of a package's trainings is: beside it."""
    return out.parent / f"{out.name}{SUFFIX}"


def inputs(
    patches: str,
    recipe: Recipe,
    holdout: Iterable[str],
    seed: int,
    start: str | None,
    computed_with: Mapping[str, str | int],
) -> dict[str, Any]:
    """Everything that decides the networks and what is kept of them.

    Parameters
    ----------
    patches
        Fingerprint of the patches and their labels.
    holdout, seed
        The package's: its training alone is watched.
    start
        sha256 of the weights that trainings start from; None for fresh ones.
    computed_with
        What decides the last bits besides (`training.precision.computed_with`).
    """
    kept = {f"recipe: {key}": value for key, value in recipe.model_dump(mode="json").items() if key not in _AFTERWARDS}
    return {
        "layout": LAYOUT_VERSION,
        "batchscan": __version__,
        "patches": patches,
        "holdout": sorted(holdout),
        "seed": seed,
        "model to start from": start,
        **computed_with,
        **kept,
        # Of the context only this stands behind stored scores.
        "recipe: context.orientations": recipe.context.orientations,
    }


class TrainingState:
    """A folder of this process alone, while it is open; see `open_state`.

    Parameters
    ----------
    folder
        Holds the decoded patches, and a folder a training.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fit_folder(self, training: Training) -> Path:
        """For the checkpoints of a training."""
        return self._of(training) / FIT_FOLDER

    def scores(self, training: Training) -> Scores | None:
        """What a finished training left; None where there is none."""
        try:
            with np.load(self._of(training) / SCORES_FILE, allow_pickle=False) as arrays:
                return Scores(arrays["rows"], arrays["p_raw"], float(arrays["seconds"]))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def keep(self, training: Training, scores: Scores) -> None:
        """Store what a training came to.

        Raises
        ------
        OutputError
            If it can't be written.
        """
        self._of(training).mkdir(exist_ok=True)
        with write_atomically(self._of(training) / SCORES_FILE, binary=True) as stream:
            np.savez(stream, rows=scores.rows, p_raw=scores.p_raw, seconds=np.array(scores.seconds))

    def forget_fit(self, training: Training) -> None:
        """Give back the space of checkpoints that nobody will need."""
        shutil.rmtree(self.fit_folder(training), ignore_errors=True)

    @property
    def began(self) -> bool:
        """Whether there is anything of a training."""
        return any(self.folder.glob(f"{_PREFIX}*"))

    def note_written(self, package: Path) -> None:
        """Keep which package is about to get its name: killed after that, nothing is left to do.

        Raises
        ------
        OutputError
            If it can't be written.
        """
        with write_atomically(self.folder / WRITTEN_FILE) as stream:
            json.dump({"card": _sha256(package / CARD_FILE)}, stream)

    def has_written(self, out: Path) -> bool:
        """Whether the package is what these trainings came to."""
        try:
            said = json.loads((self.folder / WRITTEN_FILE).read_text("utf-8"))
            return bool(said == {"card": _sha256(out / CARD_FILE)})
        except (OSError, ValueError):
            return False

    def remove(self) -> None:
        """The package is there: nothing of this is needed any more."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _of(self, training: Training) -> Path:
        who = "+".join(sorted(training.left_out)) or "nobody"
        if len(who) > LONGEST_NAME:
            who = f"{who[:LONGEST_NAME]}-{hashlib.sha256(who.encode()).hexdigest()[:12]}"
        return self.folder / f"{_PREFIX}{training.seed}-without-{who}"


@contextlib.contextmanager
def open_state(out: Path, said: Mapping[str, Any], *, fresh: bool) -> Iterator[TrainingState]:
    """The state of a package's trainings, made where there is none, held against a second process.

    Parameters
    ----------
    out
        The package's folder.
    said
        `inputs` of this training.
    fresh
        Whether what is there is thrown away.

    Raises
    ------
    OutputError
        If the folder isn't such a state, is one of other inputs, or can't be written.
    RunBusyError
        If another training is at work there.
    """
    folder = state_folder(out)
    handle = _locked(folder)
    try:
        _check_ours(folder)
        if fresh:
            _empty(folder)
        _check_same(folder, said)
        remove_half_written(out)
        state = _tidied(TrainingState(folder))
        try:
            yield state
        except BatchscanError:
            # What must be mended makes it another training; decoded pixels alone are no reason to stay.
            if not state.began:
                state.remove()
            raise
    finally:
        os.close(handle)


def _tidied(state: TrainingState) -> TrainingState:
    """Without files that a kill left half-written."""
    for left in state.folder.rglob(".*.tmp"):
        left.unlink(missing_ok=True)
    return state


def _locked(folder: Path) -> int:
    """A handle that holds the folder for this process, until it is closed."""
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise _cannot_write(folder, error) from error
        try:
            _lock(folder, handle)
            if _is_named(folder, handle):
                return handle
        except BaseException:
            os.close(handle)
            raise
        # Who held it before has removed the folder: the lock is on one that has no name any more.
        os.close(handle)


def _lock(folder: Path, handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RunBusyError(
            f"{folder}: another training of this package is running: wait for it, or give another --out"
        ) from error
    except OSError as error:
        raise OutputError(
            f"{folder}: can't be locked against a second training ({error.strerror or error}), as on some network "
            "disks: give an --out on a local disk"
        ) from error


def _is_named(folder: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), folder.stat())
    except FileNotFoundError:
        return False


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _check_ours(folder: Path) -> None:
    strangers = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    if strangers and INPUTS_FILE not in strangers:
        raise OutputError(
            f"{folder} isn't the state of a training (it has no {INPUTS_FILE}, but {strangers[0]}): it is left alone; "
            "give another --out"
        )


def _empty(folder: Path) -> None:
    try:
        # What says that the rest is ours goes last.
        for path in sorted(folder.iterdir(), key=lambda path: path.name == INPUTS_FILE):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _cannot_write(folder: Path, error: OSError) -> OutputError:
    return OutputError(f"{folder}: can't be written ({error.strerror or error}): check permissions and space")


def _check_same(folder: Path, said: Mapping[str, Any]) -> None:
    path = folder / INPUTS_FILE
    try:
        known = json.loads(path.read_text("utf-8")) if path.exists() else None
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} can't be read ({error}): start anew with --fresh") from error
    if known is None:
        with write_atomically(path) as stream:
            json.dump(said, stream, indent=1)
        return
    wanted = json.loads(json.dumps(said))
    differing = [key for key in {**known, **wanted} if known.get(key) != wanted.get(key)]
    if differing:
        named = "; ".join(_differing(key, known.get(key), wanted.get(key)) for key in differing)
        raise OutputError(
            f"{folder} holds trainings that were begun with something else ({named}): repeat that command, on the same "
            "machine and as many cores, to go on with them, start anew with --fresh, or give another --out"
        )


def _differing(key: str, there: object, here: object) -> str:
    """The key, with what it is where that can be read at a glance."""
    short = all(isinstance(one, str | int | float) and len(str(one)) <= _LONGEST_VALUE for one in (there, here))
    return f"{key}: {there} there, {here} here" if short else key
