"""Engines in each precision keep one contract: golden agreement, any n, a number that depends on the patch alone."""

from __future__ import annotations

import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from batchscan.domain.defaults import DEFAULT_MODEL
from batchscan.domain.errors import ModelError, UsageError
from batchscan.domain.records import EngineInfo
from batchscan.scan import engine_openvino, engines
from batchscan.scan.engine_keras import KerasEngine
from batchscan.scan.engine_openvino import has_bf16
from batchscan.scan.engines import Engine, available_engines, open_engine
from batchscan.stores.networks import import_keras, in_bfloat16, load_network
from batchscan.stores.packages import ModelPackage, open_package


@pytest.fixture(scope="module")
def package() -> ModelPackage:
    return open_package(DEFAULT_MODEL)


_NO_BF16 = pytest.mark.skipif(not has_bf16(), reason="this processor has no bf16")


@pytest.fixture(
    scope="module",
    params=[
        ("keras", "f32"),
        ("keras", "bf16"),
        ("openvino", "f32"),
        pytest.param(("openvino", "bf16"), marks=_NO_BF16),
    ],
    ids="-".join,
)
def engine(request: Any, package: ModelPackage) -> Engine:
    name, precision = request.param
    return open_engine(package, name, precision=precision)


@pytest.fixture(scope="module")
def patches(package: ModelPackage) -> Any:
    return package.golden().patches


def test_it_reproduces_the_golden_patches(engine: Engine, package: ModelPackage) -> None:
    golden = package.golden()
    assert len(golden.p_idc) >= 16
    assert np.ptp(golden.p_idc) > 0.9
    atol = package.card.tolerance(engine.info.precision)
    np.testing.assert_allclose(engine.predict(golden.patches), golden.p_idc, rtol=0, atol=atol)


def test_threads_that_share_it_do_not_disturb_each_other(engine: Engine, patches: Any) -> None:
    """A worker of somebody's cluster may have several threads."""
    alone = engine.predict(patches)
    orders = [np.roll(np.arange(len(patches)), i) for i in range(8)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda order: engine.predict(patches[order]), orders))
    for order, p_idc in zip(orders, together, strict=True):
        np.testing.assert_array_equal(p_idc, alone[order])


def test_no_patches_give_no_numbers(engine: Engine) -> None:
    p_idc = engine.predict(np.empty((0, 50, 50, 3), dtype=np.uint8))
    assert (p_idc.shape, str(p_idc.dtype)) == ((0,), "float32")


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_any_number_gives_the_same_bits(engine: Engine, patches: Any, extra: int) -> None:
    many = np.resize(patches, (engine.batch + extra, 50, 50, 3))
    alone = engine.predict(patches[:1])
    assert alone.tobytes() == engine.predict(many)[:1].tobytes()
    assert engine.predict(many).tobytes() == np.resize(engine.predict(patches), len(many)).tobytes()


def test_the_place_in_the_batch_and_the_neighbours_change_no_bit(engine: Engine, patches: Any) -> None:
    rng = np.random.default_rng(5)
    many = rng.integers(0, 256, (engine.batch, 50, 50, 3), dtype=np.uint8)
    expected = engine.predict(patches[:1])[0]
    for place in (0, 1, 7, engine.batch // 2, engine.batch - 1):
        batch = np.roll(many, place, axis=0)
        batch[place] = patches[0]
        assert engine.predict(batch)[place] == expected, place


def test_a_view_is_as_good_as_an_array(engine: Engine, patches: Any) -> None:
    assert np.array_equal(engine.predict(patches[::-2]), engine.predict(patches)[::-2])


@pytest.mark.parametrize("shape", [(50, 50, 3), (2, 49, 50, 3), (2, 50, 50, 4), (2, 3, 50, 50)])
def test_a_wrong_shape_is_refused(engine: Engine, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected uint8 \(n, 50, 50, 3\)"):
        engine.predict(np.zeros(shape, dtype=np.uint8))


def test_floats_are_refused(engine: Engine) -> None:
    with pytest.raises(ValueError, match="patches are float32"):
        engine.predict(np.zeros((1, 50, 50, 3), dtype=np.float32))


def test_glass_is_not_cancer(engine: Engine, package: ModelPackage) -> None:
    glass = np.full((1, 50, 50, 3), 255, dtype=np.uint8)
    half = package.golden().patches.copy()
    judged = package.card.aggregation.calibrated
    assert judged(engine.predict(glass))[0] < package.card.threshold.value / 2
    half[:, :, 25:] = 255  # a white half must not turn every patch positive
    assert np.mean(judged(engine.predict(half)) >= package.card.threshold.value) < 0.7


def test_both_engines_agree(package: ModelPackage) -> None:
    rng = np.random.default_rng(11)
    many = rng.integers(0, 256, (40, 1, 1, 3)).astype(np.uint8).repeat(50, 1).repeat(50, 2)
    one, two = (open_engine(package, name).predict(many) for name in ("keras", "openvino"))
    np.testing.assert_allclose(one, two, rtol=0, atol=package.card.engine_tolerance)


def test_scanning_from_the_cache_never_imports_tensorflow(package: ModelPackage) -> None:
    open_engine(package, "openvino")  # fills the cache
    code = (
        "import sys; from batchscan.scan.engines import open_engine;"
        "from batchscan.stores.packages import open_package;"
        f"e = open_engine(open_package({package.info.name!r}), 'openvino');"
        "print(e.info.name, 'tensorflow' in sys.modules, 'keras' in sys.modules, "
        "sys.modules.get('openvino_telemetry') is None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["openvino", "False", "False", "True"]


class Fake:
    """An engine that gives what it is told."""

    info = EngineInfo("fake", "f32")
    batch = 4
    network_s = 0.0

    def __init__(self, p_idc: Any) -> None:
        self._p_idc = p_idc

    def predict(self, patches: Any) -> Any:
        return self._p_idc[: len(patches)]


class Rounding(Fake):
    """An engine that is 0.01 off in bf16."""

    def __init__(self, p_idc: Any, precision: str) -> None:
        super().__init__(p_idc + np.float32(0.01 if precision == "bf16" else 0.0))
        self.info = EngineInfo("fake", precision)


@pytest.mark.parametrize("off", [0.01, np.nan])
def test_an_engine_that_is_off_is_refused(package: ModelPackage, off: float, monkeypatch: Any) -> None:
    wrong = package.golden().p_idc.copy()
    wrong[3] += np.float32(off)
    monkeypatch.setattr(engines, "_openvino", lambda *_: Fake(wrong))
    with pytest.raises(ModelError, match="differs from the golden patches"):
        open_engine(package, "openvino")


def test_auto_falls_back_to_keras_and_says_why(package: ModelPackage, monkeypatch: Any, caplog: Any) -> None:
    right = package.golden().p_idc
    monkeypatch.setattr(engines, "_openvino", lambda *_: Fake(right + np.float32(0.1)))
    monkeypatch.setattr(engines, "_keras", lambda *_: Fake(right))
    with caplog.at_level(logging.WARNING):
        assert open_engine(package).predict(package.golden().patches).tobytes() == right.tobytes()
    assert "openvino isn't used: engine fake (f32) differs" in caplog.text


class Broken(Fake):
    """An engine that fails as it runs."""

    def predict(self, patches: Any) -> Any:
        raise RuntimeError(f"Graph execution\nerror at {len(patches)}")


@pytest.mark.parametrize("opened", [True, False])
def test_an_engine_that_breaks_as_it_runs_is_no_defect(
    package: ModelPackage, *, opened: bool, monkeypatch: Any, caplog: Any
) -> None:
    right = package.golden().p_idc

    def broken(*_: Any) -> Fake:
        if not opened:
            raise ValueError("no shape")
        return Broken(right)

    monkeypatch.setattr(engines, "_openvino", broken)
    monkeypatch.setattr(engines, "_keras", lambda *_: Fake(right))
    said = "Graph execution error at" if opened else "no shape"
    with pytest.raises(ModelError, match=rf"engine openvino can't run .*model\.keras: {said}"):
        open_engine(package, "openvino")
    assert open_engine(package).info.name == "fake"
    assert "openvino isn't used: engine openvino can't run" in caplog.text
    proofs = {proof.engine: proof for proof in engines.proofs(package)}
    assert said in proofs["openvino"].problem
    assert proofs["keras"].apart == 0.0


def test_auto_takes_openvino(package: ModelPackage) -> None:
    assert open_engine(package).info == EngineInfo("openvino", "f32")


def _judged(package: ModelPackage, **card: float | None) -> ModelPackage:
    return replace(package, card=package.card.model_copy(update=card))


@pytest.mark.parametrize(
    ("tolerance", "bf16_tolerance", "expected"),
    [(0.001, None, "f32"), (0.1, None, "f32"), (0.1, 0.1, "bf16"), (0.001, 0.001, "f32"), (0.1, 0.2, "f32")],
)
def test_auto_takes_bf16_only_where_it_is_as_exact_as_f32_must_be(
    package: ModelPackage, tolerance: float, bf16_tolerance: float | None, expected: str, monkeypatch: Any
) -> None:
    """By the card's word, and 0.01 off in bf16."""
    right = package.golden().p_idc
    monkeypatch.setattr(engines, "_gains_from_bf16", lambda _: True)
    monkeypatch.setattr(engines, "_openvino", lambda _, __, precision: Rounding(right, precision))
    judged = _judged(package, engine_tolerance=tolerance, bf16_tolerance=bf16_tolerance)
    assert open_engine(judged).info.precision == expected


@pytest.mark.parametrize(("bf16_tolerance", "is_refused"), [(None, True), (0.005, True), (0.02, False)])
def test_bf16_that_is_asked_for_must_keep_to_its_own_tolerance(
    package: ModelPackage, bf16_tolerance: float | None, *, is_refused: bool, monkeypatch: Any
) -> None:
    right = package.golden().p_idc
    monkeypatch.setattr(engines, "_openvino", lambda _, __, precision: Rounding(right, precision))
    judged = _judged(package, bf16_tolerance=bf16_tolerance)
    if is_refused:
        with pytest.raises(ModelError, match=r"bf16.* differs from the golden patches"):
            open_engine(judged, "openvino", precision="bf16")
    else:
        assert open_engine(judged, "openvino", precision="bf16").info.precision == "bf16"


@pytest.mark.parametrize("name", ["keras", pytest.param("openvino", marks=_NO_BF16)])
def test_bf16_is_bf16(package: ModelPackage, patches: Any, name: str) -> None:
    """Nothing would be as fast and as exact as f32 that calls itself bf16."""
    exact, rounded = (open_engine(package, name, precision=each).predict(patches) for each in ("f32", "bf16"))
    assert 1e-4 < np.abs(exact - rounded).max() < 0.03


def test_layers_with_weights_but_the_last_compute_in_bf16(package: ModelPackage) -> None:
    network = in_bfloat16(load_network(package.network_path, 1), 1)
    computed = {layer.name: layer.compute_dtype for layer in network.layers if layer.weights}
    assert computed == {**dict.fromkeys(("conv1", "conv2", "conv3", "dense"), "bfloat16"), "logits": "float32"}


def test_a_network_within_a_network_is_refused_in_bf16() -> None:
    keras = import_keras(1)
    layers = keras.layers
    inner = keras.Sequential([layers.Input((4,)), layers.Dense(3)])
    with pytest.raises(ModelError, match=r"network within .* --precision f32"):
        in_bfloat16(keras.Sequential([layers.Input((4,)), inner, layers.Dense(2)]), 1)


def test_a_hint_that_openvino_ignores_is_no_bf16(package: ModelPackage, monkeypatch: Any) -> None:
    compiled = engine_openvino._compiled
    monkeypatch.setattr(engine_openvino, "has_bf16", lambda: True)
    monkeypatch.setattr(engine_openvino, "_compiled", lambda *words: compiled(*words[:-1], "f32"))
    with pytest.raises(ModelError, match="openvino computes in f32 here, not in bf16"):
        open_engine(package, "openvino", precision="bf16")


def test_a_broken_openvino_has_no_bf16_and_keras_goes_on(package: ModelPackage, monkeypatch: Any) -> None:
    def broken() -> Any:
        raise RuntimeError("no CPU plugin")

    monkeypatch.setattr(engine_openvino, "import_openvino", broken)
    assert not has_bf16()
    assert open_engine(_judged(package, bf16_tolerance=0.001)).info == EngineInfo("keras", "f32")
    assert [proof.engine for proof in engines.proofs(package)] == ["keras", "openvino"]


def test_bf16_that_only_keras_has_is_no_gain_on_a_cpu(package: ModelPackage, monkeypatch: Any) -> None:
    monkeypatch.setattr(engine_openvino, "has_bf16", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    with pytest.raises(ModelError, match="this processor has no bf16"):
        open_engine(package, precision="bf16")


def test_a_processor_without_bf16_says_so(package: ModelPackage, monkeypatch: Any) -> None:
    monkeypatch.setattr("batchscan.scan.engine_openvino.has_bf16", lambda: False)
    with pytest.raises(ModelError, match=r"no bf16 .*use --precision f32"):
        open_engine(package, "openvino", precision="bf16")


def test_an_unknown_precision_is_refused(package: ModelPackage) -> None:
    with pytest.raises(UsageError, match="expected auto, f32 or bf16"):
        open_engine(package, precision="f16")


def test_an_openvino_that_is_not_installed_is_named(package: ModelPackage, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModelError, match=r"openvino can't be imported.*pip install openvino"):
        open_engine(package, "openvino")


def test_an_unknown_engine_is_refused(package: ModelPackage) -> None:
    with pytest.raises(UsageError, match="expected auto, keras or openvino"):
        open_engine(package, "torch")


def test_versions_are_told_and_what_is_missing(monkeypatch: Any) -> None:
    found = available_engines()
    assert found["keras"].startswith("keras 3.")
    assert found["openvino"].startswith("openvino 20")
    monkeypatch.setenv("KERAS_BACKEND", "nosuchbackend")
    assert available_engines()["keras"].startswith("missing: the package nosuchbackend isn't installed")


class Small:
    """A network on a device that has room for so many patches at once."""

    def __init__(self, network: Any, room: int, words: str) -> None:
        self._network, self._room, self._words = network, room, words
        self.tried: list[int] = []

    def predict_on_batch(self, batch: Any) -> Any:
        self.tried.append(len(batch))
        if len(batch) > self._room:
            raise RuntimeError(self._words)
        return self._network.predict_on_batch(batch)


@pytest.mark.parametrize(
    "words", ["RESOURCE_EXHAUSTED: while trying", "CUDA out of memory. Tried", "OOM when allocating"]
)
def test_a_device_with_little_memory_gets_smaller_batches_and_the_same_numbers(
    package: ModelPackage, patches: Any, words: str, monkeypatch: Any, caplog: Any
) -> None:
    engine = KerasEngine(package, 1)
    expected = engine.predict(patches)
    small = Small(engine._network, 12, words)
    monkeypatch.setattr(engine, "_network", small)
    np.testing.assert_allclose(engine.predict(patches), expected, rtol=0, atol=1e-6)
    assert small.tried == [32, 16, *[8] * 4]
    assert engine.batch == 8
    assert "too little memory for 32 patches at once: 16 from now on" in caplog.text
    engine.predict(patches)
    assert small.tried[6:] == [8] * 4
    # One of 16 that was begun with before that doesn't halve it again.
    assert engine._backed_off(16, MemoryError()) is None
    assert engine.batch == 8


def test_a_device_without_room_for_any_batch_ends_the_run(
    package: ModelPackage, patches: Any, monkeypatch: Any
) -> None:
    engine = KerasEngine(package, 1)
    monkeypatch.setattr(engine, "_network", Small(None, 0, "out of memory"))
    with pytest.raises(ModelError, match="too little memory for 8 patches"):
        engine.predict(patches)


def test_other_errors_are_not_taken_for_a_lack_of_memory(package: ModelPackage, patches: Any, monkeypatch: Any) -> None:
    engine = KerasEngine(package, 1)
    monkeypatch.setattr(engine, "_network", Small(None, 0, "no kernel"))
    with pytest.raises(RuntimeError, match="no kernel"):
        engine.predict(patches)


@pytest.mark.parametrize(
    ("seen", "expected"), [(None, 32), ("-1", 32), ("", 32), ("NoDevFiles", 32), ("0", 256), ("GPU-1f2e", 256)]
)
def test_a_gpu_gets_larger_batches(package: ModelPackage, seen: str | None, expected: int, monkeypatch: Any) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if seen is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", seen)
    assert KerasEngine(package, 1).batch == expected
