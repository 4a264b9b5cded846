"""`batchscan train` on reviewed slides, and from a model: labels replaced and added, the parent on the card."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from patch_folders import write_patch_set
from store_files import Pixels, write_own

from batchscan.cli.train import train
from batchscan.cli.typed import typed_command
from batchscan.domain.errors import JobError, ManifestError, ModelError, PatchSetError, UsageError
from batchscan.stores.networks import load_network
from batchscan.stores.packages import ModelPackage, open_package
from batchscan.stores.patchsets import read_patch_set
from batchscan.stores.pyramids import open_store
from batchscan.workflow.training_labels import open_labels

pytestmark = pytest.mark.usefixtures("no_paper")

SHIPPED = "published-cnn"


def ran(*words: object) -> Result:
    return CliRunner().invoke(train, [str(word) for word in words])


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A patch set of patients a, b and c, and an archive with the mounts of a and of d, who isn't in the set."""
    root = tmp_path_factory.mktemp("lab")
    write_patch_set(root / "set", "abc")
    write_patch_set(root / "more", "d", seed=1)
    (root / "archive").mkdir()
    for source, patient in (("set", "a"), ("more", "d")):
        with read_patch_set(root / source) as patches:
            mount = patches.mount(patient)
            pixels = mount.read(0, 0, mount.width_px, mount.height_px)
        write_own(root / "archive" / f"{patient}.ome.zarr", Pixels(pixels), 8.0)
    # Of a's patches every second one is IDC: one label is changed, one confirmed, one not given.
    (root / "archive/review.csv").write_text(
        "slide_id,x_px,y_px,side_px,p_idc,label\na,0,0,50,.9,1\na,50,0,50,.8,1\na,100,0,50,.1,\n"
    )
    # The first two columns of d, 100 of the mount's 280 px in height: four cells; then half of a cell.
    outlines = [outline("Stroma", 0, 0, 50, 100), outline("Tumor", 50, 0, 100, 100), outline("Tumor", 100, 0, 120, 50)]
    (root / "archive/d.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": outlines}))
    (root / "archive/manifest.csv").write_text(
        "slide_id,path,reference\na,a.ome.zarr,review.csv\nd,d.ome.zarr,d.geojson\n"
    )
    return root


def outline(name: str, left: int, top: int, right: int, bottom: int) -> dict[str, Any]:
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"objectType": "annotation", "classification": {"name": name}},
    }


@pytest.fixture(scope="module")
def corrected(lab: Path) -> tuple[Result, Path]:
    """The shipped model, one epoch of the last layer further on the set and the review."""
    (lab / "recipe.toml").write_text('frozen_epochs = 1\nprecision = "float32"\nlearning_rate = 0.01\n')
    words = ("--from", SHIPPED, "--patches", lab / "set", "--corrections", lab / "archive", "--epochs", 1)
    out = lab / "corrected"
    return ran(*words, "--holdout", "c", "--recipe", lab / "recipe.toml", "--out", out), out


def test_what_the_labels_came_to_is_printed(corrected: tuple[Result, Path]) -> None:
    result, out = corrected
    assert result.exit_code == 0, result.output
    assert "labels of 2 slides: 4 IDC, 2 not IDC; 1 cell left out" in result.stderr
    assert "outlines: a cell of which outlines of IDC cover at least half is IDC" in result.stderr
    assert "2 labels replaced (1 of them changed), 4 added" in result.stderr
    assert result.stdout.splitlines()[-1] == str(out)


def test_the_card_names_the_parent_and_whom_it_knew(corrected: tuple[Result, Path]) -> None:
    card, parent = open_package(corrected[1]).card, open_package(SHIPPED)
    assert card.parent is not None
    assert (card.parent.name, card.parent.version) == (SHIPPED, parent.card.version)
    assert card.parent.sha256 == hashlib.sha256(parent.network_path.read_bytes()).hexdigest()
    known = {*parent.card.training_patients, *parent.card.validation_patients}
    assert set(card.training_patients) == known | {"a", "b", "d"}
    assert [one.patient_id for one in card.performance] == ["c"]
    # 48 patches of a and b, half of them IDC; one of a became IDC; four of d, two of them IDC.
    assert "52 patches (27 IDC) of 3 patients" in card.training_data
    assert "2 labels replaced (1 of them changed), 4 added" in card.training_data
    assert f"started from {SHIPPED} {parent.card.version}" in card.training_data


def test_how_scores_are_read_is_the_parents_and_said_to_be(corrected: tuple[Result, Path]) -> None:
    card, parent = open_package(corrected[1]).card, open_package(SHIPPED).card
    assert card.threshold.value == parent.threshold.value
    assert card.threshold.how_chosen.startswith(f"As its parent {SHIPPED}")
    assert card.aggregation == parent.aggregation
    assert (card.architecture, card.input_px) == (parent.architecture, parent.input_px)
    assert (card.recipe["learning_rate"], card.recipe["final_learning_rate"]) == (0.01, 1e-6)


def hashes(lab: Path, *patients: str) -> set[int]:
    """Of patients of the set."""
    with open_labels(lab / "set", (), 8.0) as labels:
        patches, _ = labels.load(lab / "state", lambda _: None)
        return set(labels.seen(patches, patients).patches.tolist())


def test_it_says_how_its_own_patches_are_spread(corrected: tuple[Result, Path]) -> None:
    package = open_package(corrected[1])
    profile = package.profile()
    assert profile is not None
    assert package.card.profile_note == profile.how_made
    # Of this training: what its parent was made with is spread as the parent's own profile says.
    assert "all 3 training patients" in profile.how_made
    assert set(profile.patients.get("eosin_od", ())) <= set(package.card.training_patients)


def test_what_it_was_made_with_are_its_parents_patches_and_its_own(lab: Path, corrected: tuple[Result, Path]) -> None:
    seen, parents = open_package(corrected[1]).seen(), open_package(SHIPPED).seen()
    assert seen is not None
    assert parents is not None
    assert seen.complete
    assert len(seen.patches) == len(parents.patches) + 24 + 24 + 4
    assert {*parents.patches.tolist(), *hashes(lab, "a", "b")} < set(seen.patches.tolist())
    assert not hashes(lab, "c") & set(seen.patches.tolist())
    assert set(seen.slides) == {open_store(lab / f"archive/{name}.ome.zarr").fingerprint for name in "ad"}


def test_what_an_older_parent_was_made_with_is_said_to_be_missing(lab: Path, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copytree(open_package(SHIPPED).path, older)
    card = json.loads((older / "card.json").read_text())
    del card["seen_sha256"]
    (older / "card.json").write_text(json.dumps(card))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('frozen_epochs = 1\nkeep = "best"\nprecision = "float32"\nvalidation_patients = ["b"]\n')
    words = ("--from", older, "--patches", lab / "set", "--holdout", "c", "--recipe", recipe, "--epochs", 1)
    result = ran(*words, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    made = open_package(tmp_path / "out")
    seen = made.seen()
    assert seen is not None
    assert not seen.complete
    # b chose the epoch: it was seen too.
    assert (made.card.validation_patients, seen.slides) == (("b",), ())
    assert set(seen.patches.tolist()) == hashes(lab, "a", "b")


def weights(package: ModelPackage) -> list[NDArray[np.float32]]:
    found: list[NDArray[np.float32]] = load_network(package.network_path, 1).get_weights()
    return found


def test_frozen_layers_are_the_parents_and_the_last_one_has_learnt(corrected: tuple[Result, Path]) -> None:
    ours, theirs = weights(open_package(corrected[1])), weights(open_package(SHIPPED))
    same = [np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True)]
    assert same == [True] * (len(same) - 2) + [False] * 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--holdout", "a"), r"a patient in training and holdout: a \(from --holdout\)"),
        (("--cross-validate",), r"a patient in training and holdout: a, b \(from --cross-validate\)"),
        (("--recipe", "chosen.toml"), r"a patient in training and holdout: b \(from validation_patients\)"),
    ],
)
def test_nothing_is_measured_on_whom_the_parent_knows(
    lab: Path, corrected: tuple[Result, Path], words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    (tmp_path / "chosen.toml").write_text('validation_patients = ["b"]\n')
    (tmp_path / "folds.toml").write_text('folds = ["a", "b"]\n')
    given = [tmp_path / word if word.endswith(".toml") else word for word in words]
    given += ["--recipe", tmp_path / "folds.toml"] if "--cross-validate" in words else []
    labels = ("--patches", lab / "set", "--corrections", lab / "archive")
    result = ran("--from", corrected[1], *labels, "--out", tmp_path / "out", *given)
    assert isinstance(result.exception, PatchSetError)
    with pytest.raises(PatchSetError, match=said):
        raise result.exception
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chosen.toml", "folds.toml"]


def test_slides_can_stand_alone_and_say_how_their_spacing_is_known(lab: Path, tmp_path: Path) -> None:
    result = ran("--corrections", lab / "archive/manifest.csv", "--epochs", 1, "--out", tmp_path / "own")
    assert result.exit_code == 0, result.output
    assert "0 labels replaced, 6 added" in result.stderr
    card = open_package(tmp_path / "own").card
    assert (card.parent, card.training_patients) == (None, ("a", "d"))
    assert card.scale.how_known.startswith("slides were read at this spacing")
    assert card.threshold.how_chosen.startswith("Not chosen on data")


def test_what_cannot_serve_is_refused_and_nothing_is_left(lab: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("frozen_epochs = 1\n")
    fine = tmp_path / "fine.toml"
    fine.write_text("um_per_px = 4.0\n")
    manifest = lab / "archive/wrong.csv"
    manifest.write_text("slide_id,path,reference\nb,a.ome.zarr,review.csv\nd,d.ome.zarr,review.csv\n")
    patches = ("--patches", lab / "set")
    for words, error, said in (
        ((*patches, "--recipe", recipe), JobError, "frozen_epochs = 1 in the recipe needs a model to start from"),
        ((*patches, "--from", "no-such"), ModelError, "no model 'no-such'"),
        ((*patches, "--from", SHIPPED, "--recipe", fine), ModelError, "8 um/px, the labelled ones are of 4 um/px"),
        (
            (*patches, "--corrections", manifest),
            ManifestError,
            "2 wrong rows: line 2: .*; line 3: .*no row of slide 'd'",
        ),
        ((), UsageError, "nothing to train on"),
    ):
        result = ran(*words, "--out", tmp_path / "out")
        with pytest.raises(error, match=said):
            raise result.exception or AssertionError(result.output)
    assert sorted(tmp_path.iterdir()) == [fine, recipe]


def test_the_card_repeats_the_command_without_folders() -> None:
    here = os.path.dirname(__file__)  # noqa: PTH120 - a folder that is there, as text
    words = ["--from", f"{here}/my-model", "--corrections", here, "--corrections", here, "--out", "x/y", "--fresh"]
    with train.make_context("train", words) as context:
        said = typed_command(context)
    assert said.split()[2:] == [
        "--corrections",
        "cli",
        "--corrections",
        "cli",
        "--from",
        "my-model",
        "--out",
        "y",
        "--fresh",
    ]
