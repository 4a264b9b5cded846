"""What is kept of a training, for whom, and what is refused."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batchscan.domain.errors import OutputError, PatchSetError, RunBusyError
from batchscan.training.recipe import Augmentation, Context, Recipe
from batchscan.workflow.folds import Scores, Training
from batchscan.workflow.training_state import inputs, open_state, state_folder

WITH = {"keras": "3.15.1 with tensorflow", "precision": "float32", "threads": 2}


def said(patches: str = "sha256:abc", recipe: Recipe | None = None, **other: Any) -> dict[str, Any]:
    rest = {"holdout": (), "seed": 0, "start": None, "computed_with": WITH, **other}
    return inputs(patches, recipe or Recipe(), **rest)


SAID = said()
ONE = Training(frozenset({"8863", "8865"}), 2)


def scores() -> Scores:
    return Scores(np.array([3, 4, 9]), np.array([0.1, 0.25, 1 / 3], np.float32), 12.5)


def begun(out: Path) -> Path:
    with open_state(out, SAID, fresh=False) as state:
        state.keep(ONE, scores())
    return state_folder(out)


def test_scores_come_back_as_they_were(tmp_path: Path) -> None:
    begun(tmp_path / "model")
    with open_state(tmp_path / "model", SAID, fresh=False) as state:
        found = state.scores(ONE)
        assert found is not None
        assert found.rows.tolist() == [3, 4, 9]
        assert found.p_raw.tobytes() == scores().p_raw.tobytes()
        assert found.seconds == 12.5
        assert state.scores(Training(ONE.left_out, 3)) is None
        assert state.scores(Training(frozenset({"8863"}), 2)) is None


def test_damaged_scores_are_no_scores(tmp_path: Path) -> None:
    folder = begun(tmp_path / "model")
    (file,) = folder.rglob("scores.npz")
    file.write_bytes(file.read_bytes()[:100])
    with open_state(tmp_path / "model", SAID, fresh=False) as state:
        assert state.scores(ONE) is None


def test_a_training_of_many_patients_has_a_short_name_of_its_own(tmp_path: Path) -> None:
    many = [Training(frozenset({f"patient-{n}" for n in range(50)} | {last}), 0) for last in ("x", "y")]
    with open_state(tmp_path / "model", SAID, fresh=False) as state:
        first, second = map(state.fit_folder, many)
    assert first != second
    assert max(map(len, first.parts)) < 120


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (said("sha256:def"), "patches: sha256:abc there, sha256:def here"),
        (said(recipe=Recipe(epochs=7)), "recipe: epochs: 15 there, 7 here"),
        (said(recipe=Recipe(balance=False)), "recipe: balance: True there, False here"),
        (said(recipe=Recipe(augment=Augmentation(stain=0.1))), "recipe: augment"),
        (said(recipe=Recipe(context=Context(orientations=4))), "recipe: context.orientations: 1 there, 4 here"),
        (said(holdout=("8863",)), "holdout"),
        (said(seed=1), "seed: 0 there, 1 here"),
        (said(start="f" * 64), "model to start from"),
        (
            said(computed_with={**WITH, "keras": "3.15.1 with jax"}),
            "keras: 3.15.1 with tensorflow there, 3.15.1 with jax here",
        ),
        (
            said(computed_with={**WITH, "threads": 4}),
            "threads: 2 there, 4 here",
        ),
    ],
)
def test_a_state_of_other_inputs_is_refused_by_name(other: dict[str, object], named: str, tmp_path: Path) -> None:
    folder = begun(tmp_path / "model")
    before = sorted(folder.rglob("*"))
    with (
        pytest.raises(OutputError, match=rf"model\.training holds trainings .*\({named}\).*--fresh"),
        open_state(tmp_path / "model", other, fresh=False),
    ):
        pass
    assert sorted(folder.rglob("*")) == before


def test_what_is_chosen_afterwards_makes_no_other_training(tmp_path: Path) -> None:
    begun(tmp_path / "model")
    recipe = Recipe(
        folds=("a", "b"), cv_seeds=5, context=Context(sigmas=(0.5,)), calibration="none", notes=("new",), name="other"
    )
    with open_state(tmp_path / "model", said(recipe=recipe), fresh=False) as state:
        assert state.scores(ONE) is not None


def test_fresh_begins_anew(tmp_path: Path) -> None:
    begun(tmp_path / "model")
    other = said(recipe=Recipe(epochs=7))
    with open_state(tmp_path / "model", other, fresh=True) as state:
        assert state.scores(ONE) is None
        assert [path.name for path in state.folder.iterdir()] == ["inputs.json"]
    assert json.loads((state.folder / "inputs.json").read_text())["recipe: epochs"] == 7


@pytest.mark.parametrize("fresh", [True, False])
def test_a_folder_that_is_something_else_is_left_alone(tmp_path: Path, *, fresh: bool) -> None:
    folder = state_folder(tmp_path / "model")
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    with (
        pytest.raises(OutputError, match=r"isn't the state of a training .*thesis\.txt"),
        open_state(tmp_path / "model", SAID, fresh=fresh),
    ):
        pass
    assert (folder / "thesis.txt").read_text() == "mine"


def test_one_training_of_a_package_at_a_time(tmp_path: Path) -> None:
    with open_state(tmp_path / "model", SAID, fresh=False):
        with (
            pytest.raises(RunBusyError, match=r"another training of this package is running"),
            open_state(tmp_path / "model", SAID, fresh=True),
        ):
            pass
        with open_state(tmp_path / "other", SAID, fresh=False):
            pass
    with open_state(tmp_path / "model", SAID, fresh=False):
        pass


@pytest.mark.parametrize(
    ("error", "trained", "left"),
    [
        (PatchSetError("mend it"), False, []),
        # Decoding the public set takes minutes: an interrupted command keeps it.
        (KeyboardInterrupt(), False, ["model.training"]),
        (PatchSetError("mend it"), True, ["model.training"]),
    ],
)
def test_an_error_before_the_first_epoch_leaves_nothing(
    error: BaseException, left: list[str], tmp_path: Path, *, trained: bool
) -> None:
    def stopped() -> None:
        with open_state(tmp_path / "model", SAID, fresh=False) as state:
            (state.folder / "patches.pixels").write_bytes(b"decoded")
            if trained:
                state.keep(ONE, scores())
            raise error

    with pytest.raises(type(error)):
        stopped()
    assert [path.name for path in tmp_path.iterdir()] == left


def test_what_a_kill_left_half_written_is_removed(tmp_path: Path) -> None:
    folder = begun(tmp_path / "model")
    half = [folder / ".patches.pixels.x1.tmp", next(folder.glob("seed-*")) / ".checkpoint.npz.y2.tmp"]
    for path in half:
        path.write_bytes(b"half")
    with open_state(tmp_path / "model", SAID, fresh=False):
        assert not any(path.exists() for path in half)


def test_checkpoints_go_and_scores_stay(tmp_path: Path) -> None:
    with open_state(tmp_path / "model", SAID, fresh=False) as state:
        state.fit_folder(ONE).mkdir(parents=True)
        state.keep(ONE, scores())
        state.forget_fit(ONE)
        assert not state.fit_folder(ONE).exists()
        assert state.scores(ONE) is not None
        state.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError, match="can't be written"), open_state(tmp_path / "file/model", SAID, fresh=False):
        pass


def test_a_disk_that_cannot_lock_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refused)
    with (
        pytest.raises(OutputError, match=r"can't be locked .*No locks available.*local disk"),
        open_state(tmp_path / "model", SAID, fresh=False),
    ):
        pass


def test_a_folder_that_was_removed_while_it_was_waited_for_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked: list[int] = []

    def removed_before(_: int, how: int) -> None:
        if not locked:
            shutil.rmtree(state_folder(tmp_path / "model"))
        locked.append(how)

    monkeypatch.setattr(fcntl, "flock", removed_before)
    with open_state(tmp_path / "model", SAID, fresh=False) as state:
        assert (state.folder / "inputs.json").exists()
    assert len(locked) == 2


def test_what_a_kill_left_of_a_half_written_package_is_removed(tmp_path: Path) -> None:
    half, other, hidden = (tmp_path / name for name in (".m.half-written-x1", ".mm.half-written-x1", ".m.training"))
    for folder in (half, other, hidden):
        folder.mkdir()
        (folder / "model.keras").write_bytes(b"half")
    with open_state(tmp_path / "m", SAID, fresh=False):
        assert (half.exists(), other.exists(), hidden.exists()) == (False, True, True)


def test_the_package_that_was_written_is_told_from_others(tmp_path: Path) -> None:
    for name in ("staged", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "card.json").write_text(name)
    with open_state(tmp_path / "model", SAID, fresh=False) as state:
        assert not state.has_written(tmp_path / "staged")
        state.note_written(tmp_path / "staged")
        told = [state.has_written(tmp_path / name) for name in ("staged", "other", "nowhere")]
    assert told == [True, False, False]
