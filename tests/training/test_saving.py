"""A saved network: the same bytes for the same weights, and the trained one's scores when it is read back."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batchscan.domain.errors import ModelError
from batchscan.stores.network_files import check_network_file
from batchscan.stores.networks import import_keras, load_network
from batchscan.stores.packages import Golden
from batchscan.training.architecture import build_network
from batchscan.training.saving import save_network, save_proven
from batchscan.training.scores import predicted

PATCHES = np.random.default_rng(0).integers(0, 256, (16, 50, 50, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def network() -> Any:
    return build_network(import_keras(1), "compact", seed=1)


def test_the_same_network_is_the_same_file(network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_network(network, tmp_path / "one.keras")
    monkeypatch.setattr("time.time", lambda: 2e9)
    monkeypatch.setattr("time.localtime", lambda *_: (2033, 5, 18, 3, 33, 20, 2, 138, 0))
    save_network(build_network(import_keras(1), "compact", seed=1), tmp_path / "two.keras")
    one, two = (hashlib.sha256((tmp_path / f"{name}.keras").read_bytes()).hexdigest() for name in ("one", "two"))
    assert one == two
    with zipfile.ZipFile(tmp_path / "one.keras") as archive:
        members = archive.infolist()
        assert b"1980-01-01@00:00:00" in archive.read("metadata.json")
    assert {(member.date_time, member.compress_type) for member in members} == {((1980, 1, 1, 0, 0, 0), 0)}
    check_network_file(tmp_path / "one.keras")
    again = load_network(tmp_path / "one.keras", 1)
    assert predicted(again, PATCHES).tobytes() == predicted(network, PATCHES).tobytes()


def test_what_is_read_back_must_give_the_golden_scores(network: Any, tmp_path: Path) -> None:
    golden = Golden(PATCHES, predicted(network, PATCHES))
    save_proven(network, tmp_path / "model.keras", golden, 1e-3, 1)
    off = Golden(PATCHES, np.clip(golden.p_idc + 0.01, 0.0, 1.0))
    with pytest.raises(ModelError, match=r"up to 0\.01 off, more than 0\.001"):
        save_proven(network, tmp_path / "model.keras", off, 1e-3, 1)
