"""A card is complete, says nothing twice in two ways, and one of version 1 is read as what it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from batchscan.domain.card import ModelCard, parse_card
from batchscan.stores.packages import open_package

Path_ = tuple[str | int, ...]
SPREAD = {"mean": 0.5, "low": 0.25, "high": 0.75, "n": 3}
FOLD: dict[str, Any] = {
    "slide": "8863", "n_patches": 9, "n_positive": 3, "thresholds": [0.5], "figures": {"auroc": SPREAD},
    "confusions": [{"tp": 2, "fp": 1, "fn": 1, "tn": 5}], "roc": [[0.0, 0.0], [1.0, 1.0]],
}  # fmt: skip
BIN = {"low": 0.0, "high": 0.5, "n": 3, "mean_p": 0.25, "share_idc": 0.25}
FULL: dict[str, Any] = {
    "schema_version": 2,
    "name": "tiny",
    "version": "7",
    "licence": "CC0-1.0",
    "intended_use": "For the tests of this project.",
    "limits": ["It is made up."],
    "classes": ["not IDC", "IDC"],
    "patch_px": 10,
    "scale": {"um_per_px": 4.0, "how_known": "made up for a test"},
    "input_px": 10,
    "architecture": "none",
    "recipe": {"epochs": 3, "notes": ["one\nand\ttwo"]},
    "training_data": "none",
    "training_patients": ["a"],
    "validation_patients": ["b"],
    "performance": [
        {
            "patient_id": "8863", "used_for": "test", "n_patches": 9, "n_positive": 3, "auroc": 0.5, "f1": None,
            "balanced_accuracy": 0.5, "sensitivity": 0.5, "specificity": 0.5,
        }
    ],
    "cross_validation": {
        "command": "batchscan train", "seconds": 1.5, "seeds": [0], "note": "made up", "slides": [FOLD], "pooled": FOLD,
    },
    "history": {
        "kept_epoch": 1, "how_kept": "the last", "watched": "held out", "watched_patients": ["8863"],
        "epochs": [
            {
                "epoch": 1, "training_loss": 0.5, "training_accuracy": 0.5, "watched_loss": 0.5,
                "watched_accuracy": 0.5,
                "watched_auroc": None, "seconds": 1.5,
            }
        ],
    },
    "context": {"orientations": 1, "sigma": 0.0, "how_chosen": "made up for a test"},
    "threshold": {
        "value": 0.5, "how_chosen": "made up for a test",
        "curve": [{"threshold": 0.5, "sensitivity": 0.5, "specificity": 0.5, "f1": 0.5}],
    },
    "calibration": {
        "method": "temperature", "note": "made up", "temperature": 1.5, "intercept": 0.5,
        "before": [BIN], "after": [BIN],
    },
    "parent": {"name": "grown", "version": "1", "sha256": "ab" * 32},
    "examples": [{"patient_id": "a", "x_px": 1.0, "y_px": 2.0, "label": 0, "p_idc": 0.75}],
    "examples_sha256": "cd" * 32,
    "seen_sha256": "12" * 32,
    "profile_sha256": "34" * 32,
    "profile_note": "Stain of all, scores of some.",
    "weights_sha256": "ef" * 32,
    "engine_tolerance": 0.001,
    "bf16_tolerance": 0.03,
}  # fmt: skip
# Their keys are what a user or a measurement says, not fields.
OPEN = ("recipe", "figures")


def copied() -> dict[str, Any]:
    return json.loads(json.dumps(FULL))  # type: ignore[no-any-return]


def parsed(card: dict[str, Any]) -> ModelCard:
    return parse_card(json.dumps(card))


def fields(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """The path of every field of the card, in the first of each list."""
    if isinstance(value, list):
        yield from fields(value[0], (*path, 0)) if value else ()
    elif isinstance(value, dict):
        for key, inner in value.items():
            if not path or path[-1] not in OPEN:
                yield (*path, key)
            if path[-1:] != ("recipe",):
                yield from fields(inner, (*path, key))


def at(card: Any, path: Path_) -> Any:
    for part in path:
        card = card[part]
    return card


# What packages of before it was kept lack.
OPTIONAL = ("seen_sha256", "profile_sha256", "profile_note", "bf16_tolerance")
ALL = tuple(path for path in fields(FULL) if path[-1] not in OPTIONAL)


def test_a_full_card_is_one() -> None:
    assert json.loads(parsed(copied()).model_dump_json()) == FULL
    assert {len(path) for path in ALL} >= {1, 2, 3, 4}
    assert ("threshold", "curve", 0, "f1") in ALL


@pytest.mark.parametrize("path", ALL, ids=lambda path: ".".join(map(str, path)))
def test_every_missing_field_is_told_however_deep(path: Path_) -> None:
    card = copied()
    del at(card, path[:-1])[path[-1]]
    with pytest.raises(ValidationError) as caught:
        parsed(card)
    told = [error["loc"] for error in caught.value.errors() if error["type"] == "missing"]
    # schema_version 2 tells how the others are read.
    assert path in told


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("calibration", "method"), "none", "temperature 1 and intercept 0"),
        (("calibration", "method"), "isotonic", "temperature"),
        (("cross_validation", "seeds"), [], "at least 1 item"),
        (("cross_validation", "pooled", "roc"), [[0.0, 0.5, 1.0]], "at most 2"),
        (("cross_validation", "pooled", "roc"), [[0.0, 1.5]], "less than or equal to 1"),
        (("training_patients",), ["8863"], "8863 can't be a test"),
        (("validation_patients",), ["8863"], "8863 can't be a test"),
    ],
)
def test_what_contradicts_itself_is_refused(path: Path_, value: Any, said: str) -> None:
    card = copied()
    at(card, path[:-1])[path[-1]] = value
    with pytest.raises(ValidationError, match=said):
        parsed(card)


@pytest.mark.parametrize("sign", ["\x1b[2J", "\x07", "\x9b", "\x7f", "\r", "\x00"])
@pytest.mark.parametrize(
    "path",
    [("version",), ("limits", 0), ("recipe", "notes", 0), ("examples", 0, "patient_id"), ("threshold", "how_chosen")],
)
def test_control_characters_are_refused_in_any_text(path: Path_, sign: str) -> None:
    card = copied()
    at(card, path[:-1])[path[-1]] = f"some text {sign} and more"
    with pytest.raises(ValueError, match=f"{path[0]}.* holds a control character"):
        parsed(card)


def test_control_characters_are_refused_in_names_of_fields() -> None:
    card = copied()
    card["recipe"]["\x1b[2J"] = 1
    with pytest.raises(ValueError, match="the name of a field holds a control character"):
        parsed(card)


def test_only_long_texts_have_lines() -> None:
    assert parsed({**copied(), "intended_use": "For research only.\n\tNot for diagnosis."})
    with pytest.raises(ValueError, match="version holds a control character"):
        parsed({**copied(), "version": "1\n2"})


def version_1(**recipe: Any) -> dict[str, Any]:
    """As `batchscan train` wrote it then, of two epochs."""
    new = ("cross_validation", "history", "context", "parent", "examples", "examples_sha256")
    card = {key: value for key, value in copied().items() if key not in new}
    rows = [
        {"epoch": 1, "training_loss": 0.5, "validation_loss": 0.25, "validation_auroc": 0.875},
        {"epoch": 2, "training_loss": 0.4, "validation_loss": 0.375, "validation_auroc": None},
    ]
    return card | {
        "schema_version": 1,
        "validation_patients": ["v"],
        "threshold": {"value": 0.5, "how_chosen": "made up for a test"},
        "calibration": {"method": "none", "note": ""},
        "recipe": {"best_epoch": 1, "history": rows, **recipe},
    }


def test_what_version_1_did_not_know_is_filled_in() -> None:
    card = parsed(version_1())
    assert (card.threshold.curve, card.calibration.before, card.calibration.after) == ((), (), ())
    assert card.aggregation.is_uncalibrated
    assert (card.context.orientations, card.context.sigma, card.cross_validation) == (1, 0.0, None)


def test_the_history_of_version_1_is_read_from_its_recipe() -> None:
    history = parsed(version_1()).history
    assert history is not None
    assert (history.kept_epoch, history.watched, history.watched_patients) == (1, "validation", ("v",))
    assert history.how_kept == "the one with the least validation loss"
    first, second = history.epochs
    assert (first.training_loss, first.watched_loss, first.watched_auroc) == (0.5, 0.25, 0.875)
    assert (second.training_loss, second.watched_loss, second.watched_auroc) == (0.4, 0.375, None)
    assert (first.training_accuracy, first.watched_accuracy, first.seconds) == (None, None, None)


@pytest.mark.parametrize(
    "recipe",
    [
        {"best_epoch": None},
        {"history": "long"},
        {"history": [1]},
        {"history": []},
        {"history": [{"epoch": 1}]},
        {"history": [{"epoch": 1, "training_loss": "x", "validation_loss": 1.0, "validation_auroc": 1.0}]},
    ],
)
def test_a_history_that_is_none_is_not_made_up(recipe: dict[str, Any]) -> None:
    assert parsed(version_1(**recipe)).history is None


def test_another_way_of_keeping_is_not_called_the_least_loss() -> None:
    history = parsed(version_1(best_epoch=2)).history
    assert history is not None
    assert "least" not in history.how_kept


def test_the_shipped_cards_history_is_there() -> None:
    card = open_package("published-cnn").card
    assert card.history is not None
    assert len(card.history.epochs) == card.recipe["epochs"]
