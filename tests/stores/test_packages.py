"""A model package is opened only when it is whole and what its card says."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_cards import TODAYS, VERSION_1

from batchscan.domain.card import ModelCard
from batchscan.domain.defaults import DEFAULT_MODEL
from batchscan.domain.errors import ModelError, OutputError
from batchscan.stores.packages import (
    Golden,
    ModelPackage,
    check_free,
    open_package,
    shipped_models,
    write_package,
)
from batchscan.stores.seen import SeenSet


def golden(count: int = 16) -> Golden:
    patches = np.arange(count * 300, dtype=np.uint32).astype(np.uint8).reshape(count, 10, 10, 3)
    return Golden(patches, np.linspace(0, 1, count, dtype=np.float32))


def save_network(path: Path, layer: str = "Dense", weights: bytes = b"weights") -> None:
    layers = [{"module": "keras.layers", "class_name": layer, "config": {}}]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr(
            "config.json", json.dumps({"module": "keras", "class_name": "Sequential", "config": {"layers": layers}})
        )
        archive.writestr("model.weights.h5", weights)


@pytest.fixture
def package(tmp_path: Path) -> ModelPackage:
    return write_package(tmp_path / "tiny", save_network, VERSION_1, golden())


EXAMPLES = golden(2).patches[::-1].copy()
SEEN = SeenSet.of(np.array([5, 9], np.uint64), ["sha256:" + "0f" * 32])
LINKED = ["model.keras", "card.json", "golden.npz", "examples.npz", "seen.npz"]


@pytest.fixture
def whole(tmp_path: Path) -> ModelPackage:
    """A package of today's card, with examples and what it was made with."""
    return write_package(tmp_path / "whole", save_network, TODAYS, golden(), examples=EXAMPLES, seen=SEEN)


def change_card(package: ModelPackage, change: Callable[[dict[str, Any]], object]) -> None:
    path = package.path / "card.json"
    card = json.loads(path.read_text())
    change(card)
    path.write_text(json.dumps(card))


def test_a_written_package_is_read_back(package: ModelPackage, tmp_path: Path) -> None:
    again = open_package(tmp_path / "tiny")
    assert again == package
    assert (again.info.name, again.info.version, len(again.info.sha256)) == ("tiny", "7", 64)
    assert np.array_equal(again.golden().patches, golden().patches)
    assert np.array_equal(again.golden().p_idc, golden().p_idc)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny"]


def test_a_text_may_name_a_folder(package: ModelPackage) -> None:
    assert open_package(str(package.path)) == package


@pytest.mark.parametrize("name", ["model.keras", "card.json", "golden.npz"])
def test_a_missing_file_is_named(package: ModelPackage, name: str) -> None:
    (package.path / name).unlink()
    with pytest.raises(ModelError, match=f"lacks {name}"):
        open_package(package.path)


def test_tampered_weights_are_refused(package: ModelPackage) -> None:
    save_network(package.path / "model.keras", weights=b"weighty")
    with pytest.raises(ModelError, match="weights were changed or damaged"):
        open_package(package.path)


@pytest.mark.parametrize("field", sorted(VERSION_1))
def test_every_missing_field_of_the_card_is_named(package: ModelPackage, field: str) -> None:
    change_card(package, lambda card: card.pop(field))
    with pytest.raises(ModelError, match=f"field {field} is missing"):
        open_package(package.path)


def test_a_field_missing_further_in_is_named(package: ModelPackage) -> None:
    change_card(package, lambda card: card["scale"].pop("um_per_px"))
    with pytest.raises(ModelError, match=r"field scale\.um_per_px is missing"):
        open_package(package.path)


OPTIONAL = {"seen_sha256", "profile_sha256", "profile_note", "bf16_tolerance"}


@pytest.mark.parametrize("field", sorted({*ModelCard.model_fields} - OPTIONAL))
def test_every_missing_field_of_todays_card_is_named(whole: ModelPackage, field: str) -> None:
    change_card(whole, lambda card: card.pop(field))
    with pytest.raises(ModelError, match=f"field {field} is missing"):
        open_package(whole.path)


def test_a_card_that_could_steer_a_terminal_is_refused(whole: ModelPackage) -> None:
    change_card(whole, lambda card: card.update(version="1\x1b]0;owned\x07"))
    with pytest.raises(ModelError, match=r"card\.json: version holds a control character") as caught:
        open_package(whole.path)
    assert "\x1b" not in str(caught.value)


def test_a_card_larger_than_any_is_not_read(package: ModelPackage) -> None:
    change_card(package, lambda card: card["recipe"].update(padding="x" * (4 << 20)))
    with pytest.raises(ModelError, match="larger than 4194304 bytes"):
        open_package(package.path)


def test_a_card_nested_without_end_is_refused(package: ModelPackage) -> None:
    (package.path / "card.json").write_text('{"recipe":' + "[" * 200_000)
    with pytest.raises(ModelError, match="model card"):
        open_package(package.path)


@pytest.mark.parametrize("name", LINKED)
def test_a_link_out_of_the_package_is_refused(whole: ModelPackage, name: str, tmp_path: Path) -> None:
    (whole.path / name).rename(tmp_path / name)
    (whole.path / name).symlink_to(tmp_path / name)
    with pytest.raises(ModelError, match=rf"{name} is a link to .*outside the package"):
        open_package(whole.path)


@pytest.mark.parametrize("name", LINKED)
def test_a_link_to_itself_is_refused(whole: ModelPackage, name: str) -> None:
    (whole.path / name).unlink()
    (whole.path / name).symlink_to(name)
    with pytest.raises(ModelError, match=rf"{name} leads nowhere"):
        open_package(whole.path)


def test_a_link_to_a_whole_package_is_one(package: ModelPackage, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to(package.path)
    assert open_package(tmp_path / "latest").info == package.info


def test_what_is_no_file_is_missing(package: ModelPackage) -> None:
    (package.path / "golden.npz").unlink()
    os.mkfifo(package.path / "golden.npz")
    with pytest.raises(ModelError, match=r"lacks golden\.npz"):
        open_package(package.path)


def test_examples_are_read_back_in_the_cards_order(whole: ModelPackage) -> None:
    assert np.array_equal(open_package(whole.path).examples(), EXAMPLES)


def test_a_package_without_examples_has_none(package: ModelPackage) -> None:
    assert package.examples().shape == (0, 10, 10, 3)


def test_changed_examples_are_refused(whole: ModelPackage) -> None:
    np.savez_compressed(whole.path / "examples.npz", patches=EXAMPLES[::-1])
    with pytest.raises(ModelError, match=r"examples\.npz isn't what its card says"):
        open_package(whole.path).examples()


def test_missing_examples_are_named(whole: ModelPackage) -> None:
    (whole.path / "examples.npz").unlink()
    with pytest.raises(ModelError, match=r"examples\.npz isn't there"):
        open_package(whole.path).examples()


@pytest.mark.parametrize(
    "patches", [EXAMPLES[:1], EXAMPLES.astype(np.int16), EXAMPLES[:, :9]], ids=["count", "dtype", "size"]
)
def test_examples_that_are_not_the_cards_are_refused(whole: ModelPackage, patches: Any) -> None:
    path = whole.path / "examples.npz"
    np.savez_compressed(path, patches=patches)
    change_card(whole, lambda card: card.update(examples_sha256=hashlib.sha256(path.read_bytes()).hexdigest()))
    with pytest.raises(ModelError, match=r"examples\.npz holds"):
        open_package(whole.path).examples()


def test_what_a_package_was_made_with_is_read_back(whole: ModelPackage) -> None:
    seen = open_package(whole.path).seen()
    assert seen is not None
    assert (seen.patches.tolist(), seen.slides, seen.complete) == ([5, 9], SEEN.slides, True)
    assert whole.seen_path == whole.path / "seen.npz"
    assert whole.card.seen_sha256 == hashlib.sha256((whole.path / "seen.npz").read_bytes()).hexdigest()


def test_packages_of_before_that_was_kept_still_open(package: ModelPackage, whole: ModelPackage) -> None:
    assert (package.seen(), package.seen_path, package.card.seen_sha256) == (None, None, None)
    change_card(whole, lambda card: card.pop("seen_sha256"))
    assert open_package(whole.path).seen() is None


def test_a_changed_or_missing_list_of_what_it_was_made_with_is_refused(whole: ModelPackage) -> None:
    np.savez(whole.path / "seen.npz", patches=np.array([5], np.uint64))
    with pytest.raises(ModelError, match=r"seen\.npz can't be read: it isn't what its card says"):
        open_package(whole.path)
    (whole.path / "seen.npz").unlink()
    with pytest.raises(ModelError, match=r"seen\.npz can't be read: it isn't there"):
        open_package(whole.path)


def test_a_card_that_is_no_json_is_refused(package: ModelPackage) -> None:
    (package.path / "card.json").write_bytes(b"\xff{")
    with pytest.raises(ModelError, match="model card"):
        open_package(package.path)


@pytest.mark.parametrize(
    "content", [b"\x89HDF\r\n\x1a\n" + bytes(100), pickle.dumps({"weights": 1}), b""], ids=["h5", "pickle", "empty"]
)
def test_what_is_no_keras_archive_is_refused(package: ModelPackage, content: bytes) -> None:
    (package.path / "model.keras").write_bytes(content)
    with pytest.raises(ModelError, match=r"isn't a \.keras archive"):
        open_package(package.path)


def test_a_truncated_archive_is_refused(package: ModelPackage) -> None:
    path = package.path / "model.keras"
    path.write_bytes(path.read_bytes()[20:])
    with pytest.raises(ModelError):
        open_package(package.path)


def test_a_network_that_carries_code_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds a Lambda layer"):
        write_package(tmp_path / "bad", lambda path: save_network(path, "Lambda"), VERSION_1, golden())
    assert list(tmp_path.iterdir()) == []


def test_pickled_golden_patches_are_refused_unread(package: ModelPackage, tmp_path: Path) -> None:
    witness = tmp_path / "witness"

    class Touch:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (witness,))

    np.savez(package.path / "golden.npz", patches=np.array([Touch()] * 16, dtype=object), p_idc=golden().p_idc)
    with pytest.raises(ModelError, match=r"golden\.npz can't be read \(.*holds pickled objects"):
        open_package(package.path)
    assert not witness.exists()


@pytest.mark.parametrize(
    "arrays",
    [
        {"patches": golden().patches},
        {"patches": golden().patches, "p_idc": golden().p_idc[:15]},
        {"patches": golden().patches.astype(np.float32), "p_idc": golden().p_idc},
        {"patches": golden().patches[:, :9], "p_idc": golden().p_idc},
        {"patches": golden().patches, "p_idc": golden().p_idc + np.float32(0.5)},
        {"patches": golden().patches, "p_idc": np.full(16, np.nan, dtype=np.float32)},
        {"patches": golden(15).patches, "p_idc": golden(15).p_idc},
        {"patches": golden().patches, "p_idc": golden().p_idc, "more": golden().p_idc},
    ],
    ids=["no p_idc", "lengths", "dtype", "size", "above 1", "nan", "too few", "one more array"],
)
def test_incomplete_golden_patches_are_refused(package: ModelPackage, arrays: dict[str, Any]) -> None:
    np.savez(package.path / "golden.npz", **arrays)
    with pytest.raises(ModelError, match=r"golden\.npz"):
        open_package(package.path)


def test_an_unknown_name_lists_what_there_is_and_the_nearest() -> None:
    with pytest.raises(ModelError, match=rf"no model 'publishd-cn'.*{DEFAULT_MODEL}.*nearest name is {DEFAULT_MODEL}"):
        open_package("publishd-cn")


def test_a_file_is_no_package(package: ModelPackage) -> None:
    with pytest.raises(ModelError, match="is a file: expected a model package"):
        open_package(package.path / "model.keras")


def test_a_package_is_never_overwritten(package: ModelPackage) -> None:
    before = {path.name: path.read_bytes() for path in package.path.iterdir()}
    with pytest.raises(OutputError, match="never overwritten"):
        write_package(package.path, save_network, {**VERSION_1, "version": "8"}, golden())
    assert {path.name: path.read_bytes() for path in package.path.iterdir()} == before


def test_a_place_below_a_file_is_refused(package: ModelPackage) -> None:
    with pytest.raises(OutputError, match="can't be written"):
        check_free(package.path / "card.json" / "model")


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def full_disk(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left"):
        write_package(tmp_path / "tiny", full_disk, VERSION_1, golden())
    assert list(tmp_path.iterdir()) == []


def test_the_shipped_default_is_whole_and_honest() -> None:
    assert DEFAULT_MODEL in shipped_models()
    for name in shipped_models():
        package = open_package(name)
        card = package.card
        used = {*card.training_patients, *card.validation_patients}
        tested = {one.patient_id for one in card.performance if one.used_for == "test"}
        assert package.info.name == name
        assert "8863" in tested
        assert not used & tested
        assert not set(card.training_patients) & set(card.validation_patients)
        assert "inferred" in card.scale.how_known


def test_all_that_ships_is_less_than_20_mb() -> None:
    files = [path for name in shipped_models() for path in open_package(name).path.iterdir()]
    assert 0 < sum(path.stat().st_size for path in files) < 20_000_000


def test_opening_needs_no_keras() -> None:
    code = (
        "import sys; from batchscan.stores.packages import open_package;"
        f"open_package({DEFAULT_MODEL!r}).examples();"
        "print([name for name in ('keras', 'tensorflow', 'h5py', 'openvino') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
