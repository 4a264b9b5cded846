"""`batchscan model`: a card on the terminal and as a page, and packages that are not what they say."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result
from tiny_cards import TODAYS

from batchscan.cli.model import model
from batchscan.domain.defaults import DEFAULT_MODEL
from batchscan.domain.errors import ModelError
from batchscan.scan import engines
from batchscan.stores.networks import import_keras, positive_probability
from batchscan.stores.packages import Golden, open_package, write_package
from batchscan.stores.seen import SeenSet

CARD = {**TODAYS, "architecture": "one layer", "examples": TODAYS["examples"][:1]}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: Any) -> Path:
    """A package with a network that two engines can run."""
    keras = import_keras(1)
    keras.utils.set_random_seed(3)
    layers = keras.layers
    network = keras.Sequential(
        [
            keras.Input((10, 10, 3), dtype="uint8"), layers.Rescaling(1 / 255), layers.Conv2D(2, 3),
            layers.GlobalAveragePooling2D(), layers.Dense(2, name="logits"),
        ]
    )  # fmt: skip
    patches = np.random.default_rng(5).integers(0, 256, (16, 1, 1, 3)).astype(np.uint8).repeat(10, 1).repeat(10, 2)
    golden = Golden(patches, positive_probability(np.asarray(network.predict_on_batch(patches))))
    folder: Path = tmp_path_factory.mktemp("packages") / "tiny"
    seen = SeenSet.of(np.uint64([3]), [f"sha256:{digit * 64}" for digit in "12"])
    return write_package(folder, network.save, CARD, golden, examples=patches[:1], seen=seen).path


@pytest.fixture
def copied(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "tiny"))


def ran(*words: object) -> Result:
    return CliRunner().invoke(model, [str(word) for word in words])


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(package: Path, **changed: bytes) -> None:
    """Change members of model.keras and say its new sha256 in the card: what a clever hand would do."""
    path = package / "model.keras"
    kept = members(path)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in kept.items():
            archive.writestr(name, changed.get(name.replace(".", "_"), content))
    change_card(package, weights_sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def change_card(package: Path, **fields: Any) -> None:
    card = json.loads((package / "card.json").read_text())
    (package / "card.json").write_text(json.dumps({**card, **fields}))


def test_show_is_a_text_no_wider_than_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    result = ran("show", DEFAULT_MODEL)
    card = open_package(DEFAULT_MODEL).card
    assert result.exit_code == 0
    # A command is one line, however long, so that it can be copied.
    lines = [line for line in result.stdout.splitlines() if "batchscan train" not in line]
    assert lines[0] == f"{card.name} {card.version}"
    assert 60 < max(len(line) for line in lines) <= 73  # the sha256 has no place to break at
    for title in ("Limits", "Cross-validation", "How it was made", "What each number means"):
        assert title in lines


def test_show_as_json_is_the_card() -> None:
    shown = json.loads(ran("show", DEFAULT_MODEL, "--json").stdout)
    stored = open_package(DEFAULT_MODEL).card.model_dump(mode="json")
    assert shown == stored


@pytest.mark.parametrize(
    ("name", "begins"), [("card.pdf", b"%PDF-"), ("card.html", b"<!doctype html>"), ("C.PDF", b"%PDF-")]
)
def test_a_card_becomes_the_page_that_its_suffix_says(whole: Path, tmp_path: Path, name: str, begins: bytes) -> None:
    out = tmp_path / name
    out.write_bytes(b"old")
    result = ran("card", whole, "--out", out)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{out}\n"
    assert out.read_bytes().startswith(begins)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [name]


@pytest.mark.parametrize("name", ["card.doc", "card", "card.htm"])
def test_another_suffix_is_a_wrong_word(whole: Path, tmp_path: Path, name: str) -> None:
    result = ran("card", whole, "--out", tmp_path / name)
    assert result.exit_code == 2
    assert "expected .pdf or .html" in result.stderr
    assert not list(tmp_path.iterdir())


def test_verify_names_each_engine_with_what_was_measured(whole: Path) -> None:
    result = ran("verify", whole)
    assert result.exit_code == 0, result.output
    first, examples, made_with, keras, openvino = result.stdout.splitlines()
    assert first == "tiny 7: card complete, weights have its sha256"
    assert examples == "examples: 1 picture, with its sha256"
    assert made_with == "made with: 1 patch, 2 slides, with its sha256"
    for line, name in ((keras, "engine keras f32"), (openvino, "engine openvino f32")):
        assert line.startswith(f"{name}: 16 golden patches, greatest difference ")
        assert float(line.split("difference ")[1].split(",")[0]) <= 0.001
        assert "0.001 allowed" in line


def test_verify_says_when_nobody_kept_what_a_model_was_made_with(copied: Path) -> None:
    change_card(copied, seen_sha256=None)
    assert "made with: the package has no list of patches" in ran("verify", copied).stdout.splitlines()


@pytest.fixture
def _without_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed network has no export yet, and to make one takes longer than all else: Keras tells as much."""
    available = {**engines.available_engines(), "openvino": "missing"}
    monkeypatch.setattr(engines, "available_engines", lambda: available)


@pytest.mark.usefixtures("_without_openvino")
def test_changed_weights_with_a_new_hash_are_caught_by_the_golden_patches(copied: Path) -> None:
    """Everything agrees with the card, and the network says other things than it did."""
    stored = io.BytesIO(members(copied / "model.keras")["model.weights.h5"])
    with h5py.File(stored, "a") as file:
        bias = file["layers/dense/vars/1"]
        bias[...] = bias[...] + np.array([0.5, -0.5], np.float32)
    rewrite(copied, model_weights_h5=stored.getvalue())
    open_package(copied)
    result = ran("verify", copied)
    assert isinstance(result.exception, ModelError)
    assert "engine keras f32: FAILED" in result.stdout
    assert "differs from the golden patches" in str(result.exception)
    assert "\n" not in str(result.exception)


@pytest.mark.usefixtures("_without_openvino")
def test_a_network_for_other_patches_is_refused_in_a_sentence(copied: Path) -> None:
    config = json.loads(members(copied / "model.keras")["config.json"])
    text = json.dumps(config).replace("[null, 10, 10, 3]", "[null, 12, 12, 3]")
    assert text != json.dumps(config)
    rewrite(copied, config_json=text.encode())
    result = ran("verify", copied)
    assert isinstance(result.exception, ModelError)
    assert "takes [12, 12, 3] and gives [2]: expected its card's patches [10, 10, 3]" in str(result.exception)


def test_changed_examples_fail(copied: Path) -> None:
    np.savez_compressed(copied / "examples.npz", patches=np.zeros((1, 10, 10, 3), np.uint8))
    result = ran("verify", copied)
    assert isinstance(result.exception, ModelError)
    assert "examples.npz isn't what its card says" in str(result.exception)


def test_an_engine_that_is_missing_is_named_with_the_remedy(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    available = engines.available_engines()
    missing = "missing: the package openvino isn't installed; `pip install openvino`"
    monkeypatch.setattr(engines, "available_engines", lambda: {**available, "openvino": missing})
    result = ran("verify", whole)
    assert result.exit_code == 0, result.output
    assert f"engine openvino: {missing}" in result.stdout.splitlines()
    monkeypatch.setattr(engines, "available_engines", lambda: dict.fromkeys(available, missing))
    assert isinstance(ran("verify", whole).exception, ModelError)


def test_an_engine_that_is_off_fails_and_the_others_are_told(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apart = engines._apart

    def nan_from_openvino(engine: Any, golden: Golden) -> float:
        return float("nan") if engine.info.name == "openvino" else apart(engine, golden)

    monkeypatch.setattr(engines, "_apart", nan_from_openvino)
    result = ran("verify", whole)
    assert isinstance(result.exception, ModelError)
    assert "engine keras f32: 16 golden patches" in result.stdout
    assert "engine openvino f32: FAILED" in result.stdout


def test_a_failure_is_one_line_and_exit_1(copied: Path) -> None:
    (copied / "golden.npz").write_bytes(b"no npz")
    words = [sys.executable, "-m", "batchscan", "model", "verify", str(copied)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "typed", "expected"),
    [
        ("show", "publ", "plain,published-cnn"),
        ("card", "publ", "plain,published-cnn"),
        ("verify", "publ", "plain,published-cnn"),
        ("show", "my-mod", "dir,my-mod"),
    ],
)
def test_names_and_folders_are_completed(command: str, typed: str, expected: str) -> None:
    words = {
        "_BATCHSCAN_COMPLETE": "bash_complete",
        "COMP_WORDS": f"batchscan model {command} {typed}",
        "COMP_CWORD": "3",
    }
    program = "from batchscan.cli.main import commands; commands.main(prog_name='batchscan')"
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **words}, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == [expected]
