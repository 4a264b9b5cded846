"""A graph whose pictures are enlarged in one direction at a time gives what it gave before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from batchscan.domain.defaults import DEFAULT_MODEL
from batchscan.scan.engine_openvino import BATCH
from batchscan.scan.enlarging import one_direction_at_a_time
from batchscan.scan.exports import exported, import_openvino
from batchscan.stores.packages import open_package

openvino = import_openvino()
from openvino import opset11  # noqa: E402 - only once its telemetry is out of the way


def graph(
    shape: tuple[int, ...], size: tuple[int, int], axes: tuple[int, int] = (1, 2), of: Any = np.float32, **named: Any
) -> Any:
    """uint8 pictures, enlarged and doubled."""
    pictures = opset11.parameter(shape, np.uint8)
    facts = {"mode": "linear_onnx", "shape_calculation_mode": "sizes", **named}
    sizes = np.array(size, np.int64) if facts["shape_calculation_mode"] == "sizes" else np.array(size, np.float32)
    enlarged = opset11.interpolate(
        opset11.convert(pictures, of), sizes, axes=opset11.constant(np.array(axes, np.int64)), **facts
    )
    return openvino.Model([opset11.multiply(enlarged, of(2))], [pictures])


def names(model: Any) -> list[str]:
    return [op.get_type_name() for op in model.get_ordered_ops()]


def run(model: Any, pictures: np.ndarray) -> np.ndarray:
    return np.array(openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(pictures)[0])


@pytest.mark.parametrize(
    ("shape", "size", "named"),
    [
        ((2, 50, 50, 3), (180, 180), {}),
        ((1, 7, 12, 3), (31, 20), {}),
        ((3, 9, 5, 1), (9, 40), {"coordinate_transformation_mode": "align_corners"}),
        ((2, 20, 30, 4), (10, 90), {"coordinate_transformation_mode": "asymmetric"}),
        ((2, 16, 16, 3), (64, 64), {"mode": "linear"}),
    ],
    ids=str,
)
def test_pictures_are_the_same_but_for_rounding(
    shape: tuple[int, ...], size: tuple[int, int], named: dict[str, Any]
) -> None:
    pictures = np.random.default_rng(4).integers(0, 256, shape).astype(np.uint8)
    model = graph(shape, size, **named)
    before = run(model, pictures)
    assert one_direction_at_a_time(model, opset11) == 1
    made = [op.get_output_shape(0) for op in model.get_ordered_ops() if op.get_type_name() == "Interpolate"]
    assert [list(each) for each in made] == [
        [shape[0], size[1], 1, shape[1] * shape[3]],
        [shape[0], size[0], 1, size[1] * shape[3]],
    ]
    np.testing.assert_allclose(run(model, pictures), before, rtol=0, atol=2e-4)


@pytest.mark.parametrize(
    "other",
    [
        graph((2, 50, 50, 3), (180, 180), mode="cubic"),
        graph((2, 50, 50, 3), (180, 180), mode="linear", antialias=True),
        graph((2, 50, 50, 3), (60, 60), pads_begin=[0, 1, 0, 0]),
        graph((2, 50, 50, 3), (2.0, 2.0), shape_calculation_mode="scales"),
        graph((2, 50, 50, 16), (180, 180)),
        graph((2, 3, 50, 50), (180, 180), axes=(2, 3)),
        graph((-1, 50, 50, 3), (180, 180)),
        graph((2, 50, 50, 3), (180, 180), of=np.float16),
    ],
    ids=["cubic", "smoothed", "padded", "by scale", "many channels", "channels first", "any number", "half floats"],
)
def test_what_is_something_else_is_left_alone(other: Any) -> None:
    before = names(other)
    assert one_direction_at_a_time(other, opset11) == 0
    assert names(other) == before


def test_only_pixels_are_counted_from_their_middle() -> None:
    """What lies between 0 and 1 would lose seven bits by it."""
    shares = opset11.parameter((1, 8, 8, 3), np.float32)
    size, axes = (opset11.constant(np.array(each, np.int64)) for each in ((20, 20), (1, 2)))
    model = openvino.Model([opset11.interpolate(shares, size, "linear_onnx", "sizes", axes=axes)], [shares])
    pictures = np.random.default_rng(5).random((1, 8, 8, 3)).astype(np.float32)
    before = run(model, pictures)
    assert one_direction_at_a_time(model, opset11) == 1
    assert "Subtract" not in names(model)
    np.testing.assert_allclose(run(model, pictures), before, rtol=0, atol=3e-7)
    pixels = graph((1, 8, 8, 3), (20, 20))
    one_direction_at_a_time(pixels, opset11)
    assert (names(pixels).count("Subtract"), names(pixels).count("Add")) == (1, 1)


def test_the_shipped_network_is_enlarged_so() -> None:
    export = exported(open_package(DEFAULT_MODEL), BATCH, openvino.__version__)
    model = openvino.Core().read_model(export.xml, openvino.Tensor(np.frombuffer(export.weights, dtype=np.uint8)))
    made = [op.get_output_shape(0) for op in model.get_ordered_ops() if op.get_type_name() == "Interpolate"]
    assert [list(each) for each in made] == [[BATCH, 180, 1, 150], [BATCH, 180, 1, 540]]
