"""A training's state comes back as it was, for the same training only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batchscan.domain.card import Epoch
from batchscan.domain.errors import OutputError
from batchscan.training.checkpoint import CHECKPOINT_FILE, Checkpoint, read_checkpoint, write_checkpoint

ABOUT = {"seed": 1, "augment.stain": 0.25, "watched patches": None, "patience": None}
EPOCH = Epoch(
    epoch=1,
    training_loss=0.1 + 0.2,
    training_accuracy=1 / 3,
    watched_loss=None,
    watched_accuracy=None,
    watched_auroc=None,
    seconds=1.25,
)


def checkpoint(count: int = 12) -> Checkpoint:
    rng = np.random.default_rng(count)
    network = [rng.normal(size=(number % 3 + 1, 2)).astype(np.float32) for number in range(count)]
    return Checkpoint(network, [np.array(7, dtype=np.int64), *network], [], (EPOCH,) * count)


def test_it_comes_back_bit_by_bit(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "state", ABOUT, checkpoint())
    found = read_checkpoint(tmp_path / "state", ABOUT)
    assert found is not None
    for there, here in ((found.network, checkpoint().network), (found.optimizer, checkpoint().optimizer)):
        assert [(a.dtype, a.tobytes()) for a in there] == [(b.dtype, b.tobytes()) for b in here]
    assert (list(found.best), found.history) == ([], (EPOCH,) * 12)


def test_there_is_none_at_first(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path / "state", ABOUT) is None


def test_the_next_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, ABOUT, checkpoint(3))
    write_checkpoint(tmp_path, ABOUT, checkpoint(2))
    found = read_checkpoint(tmp_path, ABOUT)
    assert found is not None
    assert (len(found.network), len(found.history)) == (2, 2)
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT_FILE]


def test_one_that_cannot_be_written_leaves_the_one_before(tmp_path: Path, monkeypatch: Any) -> None:
    write_checkpoint(tmp_path, ABOUT, checkpoint(3))

    def full(stream: Any, **_: Any) -> None:
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OutputError, match="No space left"):
        write_checkpoint(tmp_path, ABOUT, checkpoint(2))
    found = read_checkpoint(tmp_path, ABOUT)
    assert found is not None
    assert len(found.network) == 3
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT_FILE]


@pytest.mark.parametrize(
    ("here", "told"),
    [
        ({**ABOUT, "seed": 2}, r"\(seed is 1 there, 2 here\)"),
        ({**ABOUT, "augment.stain": 0.3, "patience": 4}, r"\(augment.stain is 0.25 there, 0.3 here; patience is None"),
        ({**ABOUT, "watched patches": "held out 12ab"}, "watched patches is None there, held out 12ab here"),
        ({**ABOUT, "new": 1}, "new is None there, 1 here"),
    ],
)
def test_another_trainings_is_refused_with_what_differs(here: Any, told: str, tmp_path: Path) -> None:
    write_checkpoint(tmp_path, ABOUT, checkpoint())
    with pytest.raises(OutputError, match=rf"is of another training.*{told}"):
        read_checkpoint(tmp_path, here)


@pytest.mark.parametrize("damage", ["cut", "text", "pickle"])
def test_a_damaged_one_is_named_and_never_unpickled(damage: str, tmp_path: Path) -> None:
    write_checkpoint(tmp_path, ABOUT, checkpoint())
    path = tmp_path / CHECKPOINT_FILE
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:500])
    elif damage == "text":
        path.write_text("nothing")
    else:
        np.savez(path, said=np.array({"about": ABOUT}, dtype=object))
    with pytest.raises(OutputError, match=r"checkpoint\.npz is damaged .*: remove it to begin the training again"):
        read_checkpoint(tmp_path, ABOUT)
