"""The script that adds seen.npz to a package of before packages had one."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from patch_folders import write_patch_set
from tiny_cards import TODAYS

from batchscan.domain.pixel_hash import pixel_hashes
from batchscan.stores.packages import Golden, ModelPackage, open_package, write_package
from batchscan.stores.patchsets import read_patch_set
from batchscan.training.dataset import load_patches

SCRIPT = Path(__file__).parents[1] / "scripts" / "add_seen.py"


def save_network(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", '{"module": "keras", "class_name": "Sequential", "config": {"layers": []}}')
        archive.writestr("model.weights.h5", b"weights")


@pytest.fixture
def package(tmp_path: Path) -> ModelPackage:
    """Trained on a, validated on b."""
    golden = Golden(np.zeros((16, 10, 10, 3), np.uint8), np.zeros(16, np.float32))
    examples = np.zeros((2, 10, 10, 3), np.uint8)
    return write_package(tmp_path / "tiny", save_network, TODAYS, golden, examples=examples)


def ran(*words: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True, check=False)


def test_the_cards_patients_patches_are_added_and_nothing_else_changes(package: ModelPackage, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in package.path.iterdir()}
    known = write_patch_set(tmp_path / "set", "abc")
    done = ran(package.path, known)
    assert (done.returncode, done.stdout) == (0, "48 patches of 2 patients\n"), done.stderr
    after = {path.name: path.read_bytes() for path in package.path.iterdir()}
    cards = [json.loads(files.pop("card.json")) for files in (before, after)]
    assert after.pop("seen.npz")
    assert after == before
    assert cards[1].pop("seen_sha256")
    assert list(cards[1].items()) == list(cards[0].items())
    seen = open_package(package.path).seen()
    with read_patch_set(known) as patches:
        served = load_patches(patches).of("ab").pixels
    assert seen is not None
    assert seen.patches.tolist() == sorted(pixel_hashes(served[:]).tolist())


def test_a_set_without_all_of_them_is_refused(package: ModelPackage, tmp_path: Path) -> None:
    done = ran(package.path, write_patch_set(tmp_path / "set", "ac"))
    assert done.returncode == 1
    assert "lacks b" in done.stderr
    assert open_package(package.path).seen() is None
