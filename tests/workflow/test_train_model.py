"""Packages made end to end from tiny patch sets: with cross-validation, without, and after a kill."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from paper import printed
from patch_folders import write_patch_set
from PIL import Image

from batchscan.domain.defaults import DEFAULT_MODEL
from batchscan.domain.errors import JobError, OutputError, PatchSetError
from batchscan.stores.networks import import_keras, load_network
from batchscan.stores.packages import ModelPackage, open_package
from batchscan.stores.patchsets import PatchSet, read_patch_set
from batchscan.training.dataset import Split
from batchscan.training.events import EpochDone, StepsDone
from batchscan.training.recipe import Context, Recipe
from batchscan.training.scores import predicted
from batchscan.training.transfer import ParentModel, open_parent
from batchscan.workflow import train_model as train_model_module
from batchscan.workflow import training_labels
from batchscan.workflow import trainings as trainings_module
from batchscan.workflow.train_model import Order, train_model
from batchscan.workflow.training_events import PartMeasured, Planned, TrainingBegun, TrainingEnded, WrittenBefore
from batchscan.workflow.training_state import TrainingState

pytestmark = pytest.mark.usefixtures("no_paper")

RECIPE = Recipe(
    name="tiny",
    network="compact",
    epochs=2,
    batch=16,
    precision="float32",
    folds=("a", "b"),
    cv_seeds=1,
    context=Context(orientations=2, sigmas=(0.0, 0.5)),
)
PLAIN = RECIPE.model_copy(update={"epochs": 1})
FILES = [
    *("card.html", "card.json", "card.pdf", "cross_validation.csv"),
    *("golden.npz", "history.csv", "history.png", "model.keras", "out_of_fold.csv", "profile.json", "seen.npz"),
]


@pytest.fixture(scope="module")
def patch_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_patch_set(tmp_path_factory.mktemp("patches") / "set", "abcd")


@pytest.fixture(scope="module")
def made(patch_set: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelPackage, list[Any]]:
    """Cross-validated over a and b, b held out: three trainings; its card is printed."""
    events: list[Any] = []
    out = tmp_path_factory.mktemp("made") / "model"
    order = Order(patch_set, out, RECIPE, 3, ("b",), cross_validate=True, command="batchscan train --seed 3")
    with printed():
        return train_model(order, events.append), events


def weights(package: ModelPackage) -> list[NDArray[np.float32]]:
    found: list[NDArray[np.float32]] = load_network(package.network_path, 1).get_weights()
    return found


def assert_same_weights(one: ModelPackage, other: ModelPackage) -> None:
    assert all(np.array_equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


def test_a_package_is_whole_with_everything_beside_it_and_no_state(made: tuple[ModelPackage, list[Any]]) -> None:
    package = open_package(made[0].path)
    there = sorted(path.name for path in package.path.iterdir())
    assert [name for name in there if name != "examples.npz"] == FILES
    assert [path.name for path in package.path.parent.iterdir()] == ["model"]
    assert len(package.examples()) == len(package.card.examples)
    with Image.open(package.path / "history.png") as image:
        assert image.width > image.height
    assert (package.path / "card.pdf").read_bytes().startswith(b"%PDF")


def test_the_card_says_who_served_for_what(made: tuple[ModelPackage, list[Any]]) -> None:
    card = made[0].card
    assert (card.training_patients, card.validation_patients) == (("a", "c", "d"), ())
    assert [(one.patient_id, one.used_for) for one in card.performance] == [("b", "test")]
    assert "72 patches (36 IDC) of 3 patients" in card.training_data
    assert (card.recipe["seed"], card.recipe["precision"], card.recipe["network"]) == (3, "float32", "compact")
    assert card.history is not None
    assert (card.history.watched, card.history.watched_patients, card.history.kept_epoch) == ("held out", ("b",), 2)
    assert card.parent is None
    found = card.cross_validation
    assert found is not None
    assert (found.command, found.seeds) == ("batchscan train --seed 3", (3,))
    assert [fold.slide for fold in found.slides] == ["a", "b"]
    assert found.pooled.n_patches == 48
    # What the package is judged by was chosen on a alone, by a network that saw neither a nor b.
    assert "over a and one seed, each as networks scored it that had seen neither it nor b" in card.threshold.how_chosen
    assert card.calibration.method == "temperature"
    assert card.context.orientations == 2


def test_the_packages_network_is_the_one_that_was_cross_validated(made: tuple[ModelPackage, list[Any]]) -> None:
    package, events = made
    begun = [event for event in events if isinstance(event, TrainingBegun)]
    assert ["".join(sorted(one.training.left_out)) for one in begun] == ["b", "a", "ab"]
    assert [one.watched for one in begun] == [("b",), (), ()]
    (plan,) = (event for event in events if isinstance(event, Planned))
    assert (len(plan.trainings), plan.there, plan.epochs) == (3, 0, 2)
    steps = [event for event in events if isinstance(event, StepsDone)]
    assert len(steps) == plan.steps == 2 * (5 + 5 + 3)
    rows = (package.path / "out_of_fold.csv").read_text().splitlines()
    own = [row.split(",") for row in rows if row.startswith("b,3,") and row.endswith("measuring")]
    assert len(own) == 24


def test_events_tell_each_training(made: tuple[ModelPackage, list[Any]]) -> None:
    events = made[1]
    ended = [event for event in events if isinstance(event, TrainingEnded)]
    assert [event.number for event in ended] == [1, 2, 3]
    assert [sorted(event.auroc) for event in ended] == [["b"], ["a"], ["a", "b"]]
    assert sum(isinstance(event, EpochDone) for event in events) == 6
    (measured,) = (event for event in events if isinstance(event, PartMeasured))
    assert (measured.used_for, measured.patients) == ("test", ("b",))


def test_golden_patches_are_the_networks_own_and_from_training_patients(
    made: tuple[ModelPackage, list[Any]], patch_set: Path
) -> None:
    golden = made[0].golden()
    network = load_network(made[0].network_path, 1)
    np.testing.assert_allclose(predicted(network, golden.patches), golden.p_idc, atol=1e-6)
    known = {np.asarray(Image.open(file)).tobytes() for who in "acd" for file in (patch_set / who).rglob("*.png")}
    cut = [(patch[30:] == 255).all() for patch in golden.patches]
    assert {
        (patch[:30] if short else patch).tobytes() for patch, short in zip(golden.patches, cut, strict=True)
    } <= known


KILLED = """
import os, signal, sys
from pathlib import Path
from batchscan.training.events import EpochDone
from batchscan.training.recipe import Recipe
from batchscan.workflow.train_model import Order, train_model

done = 0
def follow(event):
    global done
    done += isinstance(event, EpochDone)
    if done == 3:
        os.kill(os.getpid(), signal.SIGKILL)

recipe = Recipe.model_validate_json(sys.argv[3])
order = Order(Path(sys.argv[1]), Path(sys.argv[2]), recipe, 3, ("b",), cross_validate=True)
train_model(order, follow, threads=int(sys.argv[4]))
"""


def test_a_killed_cross_validation_goes_on_and_ends_the_same(
    made: tuple[ModelPackage, list[Any]], patch_set: Path, tmp_path: Path
) -> None:
    threads = os.environ["TF_NUM_INTRAOP_THREADS"]  # as this process has, whichever test imported Keras first
    words = [sys.executable, "-c", KILLED, patch_set, tmp_path / "model", RECIPE.model_dump_json(), threads]
    assert subprocess.run(words, check=False, capture_output=True).returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == ["model.training"]
    events: list[Any] = []
    order = Order(patch_set, tmp_path / "model", RECIPE, 3, ("b",), cross_validate=True)
    package = train_model(order, events.append)
    # The first training was finished; the second goes on after its first epoch.
    (plan,) = (event for event in events if isinstance(event, Planned))
    assert plan.there == 1
    assert sum(isinstance(event, EpochDone) for event in events) == 1 + 2
    assert_same_weights(package, made[0])
    same = ("context", "threshold", "calibration", "performance", "examples")
    assert [getattr(package.card, name) for name in same] == [getattr(made[0].card, name) for name in same]
    for name in ("out_of_fold.csv", "cross_validation.csv"):
        assert (package.path / name).read_bytes() == (made[0].path / name).read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_without_anyone_left_out_nothing_is_chosen_or_measured(patch_set: Path, tmp_path: Path) -> None:
    card = train_model(Order(patch_set, tmp_path / "model", PLAIN), lambda _: None).card
    assert (card.performance, card.cross_validation, card.examples) == ((), None, ())
    assert (card.threshold.value, card.context.sigma, card.calibration.method) == (0.5, 0.0, "none")
    assert card.threshold.how_chosen.startswith("Not chosen on data")
    assert card.history is not None
    assert (card.history.watched, card.history.epochs[0].watched_loss) == ("nobody", None)
    assert not (tmp_path / "model/cross_validation.csv").exists()


def test_validation_patients_choose_epoch_and_threshold(patch_set: Path, tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"keep": "best", "validation_patients": ("b", "c")})
    events: list[Any] = []
    card = train_model(Order(patch_set, tmp_path / "model", recipe, 0, ("c",)), events.append).card
    assert (card.training_patients, card.validation_patients) == (("a", "d"), ("b",))
    assert [(one.patient_id, one.used_for) for one in card.performance] == [("c", "test"), ("b", "validation")]
    assert card.history is not None
    assert (card.history.watched, card.history.watched_patients) == ("validation", ("b",))
    assert "validation patients alone" in card.threshold.how_chosen
    (plan,) = (event for event in events if isinstance(event, Planned))
    assert plan.not_validating == ("c",)
    assert [event.used_for for event in events if isinstance(event, PartMeasured)] == ["test", "validation"]


def test_the_seed_decides_the_weights(made: tuple[ModelPackage, list[Any]], patch_set: Path, tmp_path: Path) -> None:
    same = train_model(Order(patch_set, tmp_path / "same", RECIPE, 3, ("b",)), lambda _: None)
    other = train_model(Order(patch_set, tmp_path / "other", RECIPE, 4, ("b",)), lambda _: None)
    assert_same_weights(same, made[0])
    assert not np.array_equal(weights(other)[0], weights(same)[0])


def test_nothing_is_trained_for_a_place_that_is_taken(patch_set: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="never overwritten"):
        train_model(Order(patch_set, tmp_path / "full", RECIPE), lambda _: None)
    assert (tmp_path / "full" / "thesis.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_a_shipped_models_name_is_not_taken_unasked(patch_set: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"would call its model published-cnn.*--recipe"):
        train_model(Order(patch_set, tmp_path / "new" / DEFAULT_MODEL, Recipe(epochs=1)), lambda _: None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("moment", "epochs_left"), [(StepsDone, 1), (TrainingEnded, 0), (PartMeasured, 0)])
def test_an_interrupted_training_leaves_no_package_and_goes_on(
    moment: type, epochs_left: int, patch_set: Path, tmp_path: Path
) -> None:
    def interrupt(event: object) -> None:
        if isinstance(event, moment):
            raise KeyboardInterrupt

    order = Order(patch_set, tmp_path / "out", PLAIN, 0, ("a",))
    with pytest.raises(KeyboardInterrupt):
        train_model(order, interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["out.training"]
    events: list[Any] = []
    train_model(order, events.append)
    assert sum(isinstance(event, EpochDone) for event in events) == epochs_left
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_interrupted_saving_leaves_nothing_half_written(
    patch_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begun(_: Any, path: Path) -> None:
        path.write_bytes(b"half of a network")
        raise KeyboardInterrupt

    monkeypatch.setattr(import_keras(1).Sequential, "save", begun)
    with pytest.raises(KeyboardInterrupt):
        train_model(Order(patch_set, tmp_path / "out", PLAIN), lambda _: None)
    assert [path.name for path in tmp_path.iterdir()] == ["out.training"]


@pytest.fixture
def _diverged(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_: Any, pixels: Any, __: int) -> NDArray[np.float32]:
        return np.full(len(pixels), np.nan, np.float32)

    monkeypatch.setattr(trainings_module, "predicted", nothing)


@pytest.mark.usefixtures("_diverged")
def test_a_network_that_gives_no_numbers_is_named(patch_set: Path, tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"training diverged.*lower learning_rate"):
        train_model(Order(patch_set, tmp_path / "out", PLAIN, 0, ("a",)), lambda _: None)
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_cross_validated_is_refused_before_any_training(patch_set: Path, tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"folds": ("a",)})
    with pytest.raises(PatchSetError, match=r"has 1 slides to leave out \(a\)"):
        train_model(Order(patch_set, tmp_path / "out", recipe, cross_validate=True), lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_an_unreadable_png_is_named_before_training(tmp_path: Path) -> None:
    write_patch_set(tmp_path / "set", "ab")
    broken = tmp_path / "set/b/1/b_idx5_x51_y1_class1.png"
    broken.write_bytes(broken.read_bytes()[:2000])
    with pytest.raises(PatchSetError, match=r"b_idx5_x51_y1_class1\.png"):
        train_model(Order(tmp_path / "set", tmp_path / "out", RECIPE), lambda _: None)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


@pytest.fixture
def _nothing_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def decoded(*_: Any) -> None:
        pytest.fail("a pixel was decoded")

    monkeypatch.setattr(PatchSet, "load_pixels", decoded)


@pytest.mark.usefixtures("_nothing_is_decoded")
@pytest.mark.parametrize(
    ("changes", "holdout", "match"),
    [
        ({}, ("z",), "--holdout names z"),
        ({"folds": ("a", "z")}, (), "folds of the recipe .* names z"),
        ({"validation_patients": ("z",)}, (), "validation_patients of the recipe .* names z"),
    ],
)
def test_a_wrong_name_is_refused_before_a_pixel_is_decoded(
    changes: dict[str, Any], holdout: tuple[str, ...], match: str, patch_set: Path, tmp_path: Path
) -> None:
    recipe = RECIPE.model_copy(update=changes)
    with pytest.raises(PatchSetError, match=match):
        train_model(Order(patch_set, tmp_path / "out", recipe, 0, holdout, cross_validate=True), lambda _: None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("_nothing_is_decoded")
def test_nobody_whom_the_parent_knows_is_chosen_on_in_any_training(
    patch_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = open_parent(DEFAULT_MODEL, 1)
    card = parent.card.model_copy(update={"training_patients": ("d",), "validation_patients": ()})

    def drawn(patches: Any, _: Any, training: Any) -> Split:
        rest = tuple(name for name in patches.patients() if name not in training.left_out)
        # d validates only where both folds are left out.
        last = "d" if len(training.left_out) > 1 else "c"
        return Split(tuple(name for name in rest if name != last), (last,), tuple(sorted(training.left_out)))

    monkeypatch.setattr(train_model_module, "split_for", drawn)
    recipe = Recipe(name="tiny", keep="best", folds=("a", "b"), cv_seeds=1, epochs=1)
    order = Order(patch_set, tmp_path / "out", recipe, cross_validate=True, start=ParentModel(card, parent.network))
    with pytest.raises(PatchSetError, match=r"d \(from validation_patients\) served to make published-cnn"):
        train_model(order, lambda _: None)


def test_the_patch_set_is_let_go_once_it_is_read(
    patch_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[weakref.ref[PatchSet]] = []

    def remembered(path: Path) -> PatchSet:
        found = read_patch_set(path)
        opened.append(weakref.ref(found))
        return found

    def look(event: object) -> None:
        if isinstance(event, Planned):
            gc.collect()
            assert [one() for one in opened] == [None]
            raise KeyboardInterrupt

    monkeypatch.setattr(training_labels, "read_patch_set", remembered)
    with pytest.raises(KeyboardInterrupt):
        train_model(Order(patch_set, tmp_path / "out", PLAIN), look)


def test_a_package_can_be_made_in_the_folder_one_stands_in(
    patch_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    package = train_model(Order(patch_set.absolute(), Path(), PLAIN), lambda _: None)
    assert package.path == here
    assert open_package(here).card.name == "tiny"
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_the_same_training_gives_the_same_file(patch_set: Path, tmp_path: Path) -> None:
    one, two = (train_model(Order(patch_set, tmp_path / name, PLAIN), lambda _: None) for name in ("one", "two"))
    assert one.network_path.read_bytes() == two.network_path.read_bytes()


def test_killed_after_the_package_had_its_name_only_the_rest_is_removed(
    patch_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = Order(patch_set, tmp_path / "out", PLAIN)
    with monkeypatch.context() as patched:
        patched.setattr(TrainingState, "remove", lambda _: None)
        made = train_model(order, lambda _: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out.training"]
    # Another order is not taken for it, and loses nothing.
    with pytest.raises(OutputError, match=r"seed: 0 there, 1 here"):
        train_model(replace(order, seed=1), lambda _: None)
    events: list[Any] = []
    again = train_model(order, events.append)
    assert events == [WrittenBefore(tmp_path / "out")]
    assert again.info == made.info
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
