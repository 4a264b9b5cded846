"""profile.json: read back as written; changed, foreign or of other bins."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from batchscan.domain.profile import PROFILE_EDGES, TrainingProfile
from batchscan.stores.packages import open_package
from batchscan.stores.results import RunFolder
from batchscan.stores.training_profile import PROFILE_FILE, read_training_profile, write_training_profile

COUNTS = {"p_raw": tuple(range(20)), "tissue_fraction": (0,) * 9 + (7,)}
PROFILE = TrainingProfile(COUNTS, {"p_raw": ("A", "B"), "tissue_fraction": ("A",)}, {"eosin_od": (0.1, 0.3)}, "by hand")


def written(folder: Path) -> tuple[Path, str]:
    path = folder / PROFILE_FILE
    write_training_profile(path, PROFILE)
    return path, sha256(path)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def changed(path: Path, **fields: Any) -> str:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    return sha256(path)


def test_a_profile_is_read_back_as_it_was(tmp_path: Path) -> None:
    assert read_training_profile(*written(tmp_path)) == PROFILE


def test_it_says_the_edges_of_its_bins(tmp_path: Path) -> None:
    path, _ = written(tmp_path)
    assert json.loads(path.read_text())["edges"]["p_raw"] == list(PROFILE_EDGES["p_raw"])


def test_counts_in_other_bins_are_as_if_not_known(tmp_path: Path) -> None:
    path, _ = written(tmp_path)
    digest = changed(path, edges={"p_raw": [0.0, 1.0], "tissue_fraction": list(PROFILE_EDGES["tissue_fraction"])})
    found = read_training_profile(path, digest)
    assert set(found.counts) == {"tissue_fraction"}
    assert found.ranges == PROFILE.ranges


def test_what_is_no_profile_is_refused(tmp_path: Path) -> None:
    path, digest = written(tmp_path)
    with pytest.raises(ValueError, match="changed"):
        read_training_profile(path, "0" * 64)
    with pytest.raises(ValueError, match="don't fit its bins"):
        read_training_profile(path, changed(path, counts={"p_raw": [1, 2]}))
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        read_training_profile(path, changed(path, counts={"p_raw": [-1] * 20}))
    path.unlink()
    with pytest.raises(ValueError, match="No such file"):
        read_training_profile(path, digest)


def test_the_shipped_model_says_how_its_training_is_spread() -> None:
    package = open_package("published-cnn")
    profile = package.profile()
    assert profile is not None
    assert set(profile.counts) == set(profile.patients) == set(PROFILE_EDGES)
    assert profile.patients["eosin_od"] == package.card.training_patients
    # Most training patients have patches of one class only: whole slides alone show what slides score.
    assert profile.patients["p_raw"] == ("8863", "8865", "8867")
    # Cells of the three slides that have at least a tenth of tissue; their published patches are 3,333.
    assert 3300 < sum(profile.counts["p_raw"]) <= 3333
    assert sum(profile.counts["p_raw"]) == sum(profile.counts["tissue_fraction"])
    assert package.card.profile_note == profile.how_made
    assert 0.0 < profile.ranges["eosin_od"][0] < profile.ranges["eosin_od"][1] < profile.ranges["haematoxylin_od"][1]


def test_a_run_keeps_it_beside_the_card(tmp_path: Path) -> None:
    run, package = RunFolder(tmp_path), open_package("published-cnn")
    run.keep_card(package.card, package.seen_path, package.profile_path)
    assert run.read_profile(package.info.sha256) == package.profile()
    run.keep_card(package.card.model_copy(update={"profile_sha256": None}))
    assert run.read_profile(package.info.sha256) is None
