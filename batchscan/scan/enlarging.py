"""An OpenVINO graph that enlarges pictures in both directions at once -> the same graph, in one direction at a time.

OpenVINO's CPU plugin works on as many channels at once as a vector has numbers, and a picture has three: 50 to 180
pixels took 0.31 ms a patch, a fifth of the network in float32 and a third in bfloat16. Where it enlarges in one
direction only, all that lies across may pass for channels: two such steps and a transposition take 0.06 ms.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# Linear in each direction by itself; one that is smoothed besides (antialias) is left as it is.
_SEPARABLE = {"linear", "linear_onnx"}
_FEW_CHANNELS = 16
_DIMENSIONS = 4
# Of 0 to 255. Between the two steps bfloat16 keeps 8 bits, and of what is counted from here they reach further.
_MIDDLE = 128


def one_direction_at_a_time(model: Any, opset: Any) -> int:
    """Change an `openvino.Model` in place; returns how many of its `Interpolate` were divided.

    They are those that enlarge (n, rows, cols, channels) of a known shape and few channels, linearly and to a given
    size. What they give stays the same but for rounding.

    Parameters
    ----------
    model
        An `openvino.Model`.
    opset
        `openvino.opset11` or later.
    """
    found = [op for op in model.get_ordered_ops() if op.get_type_name() == "Interpolate" and _is_divisible(op)]
    for op in found:
        divided = _Division(op, opset).output()
        for user in list(op.output(0).get_target_inputs()):
            user.replace_source_output(divided)
    model.validate_nodes_and_infer_types()
    return len(found)


def _is_divisible(op: Any) -> bool:
    facts, before, after = op.get_attributes(), op.get_input_partial_shape(0), op.get_output_partial_shape(0)
    if facts["mode"] not in _SEPARABLE or facts.get("shape_calculation_mode") != "sizes":
        return False
    if op.get_input_element_type(0).get_type_name() != "f32":
        return False
    if facts["antialias"] or any(facts["pads_begin"]) or any(facts["pads_end"]):
        return False
    if not (before.is_static and after.is_static and len(before) == _DIMENSIONS):
        return False
    (n, *_, channels), (same_n, *_, same_channels) = before.to_shape(), after.to_shape()
    return (n, channels) == (same_n, same_channels) and channels < _FEW_CHANNELS


def _are_pixels(value: Any) -> bool:
    """Whether they were uint8 just before."""
    made_by = value.get_node()
    return bool(made_by.get_type_name() == "Convert" and made_by.get_input_element_type(0).get_type_name() == "u8")


class _Division:
    """The two steps of one Interpolate."""

    def __init__(self, op: Any, opset: Any) -> None:
        self._op, self._opset, self._facts = op, opset, op.get_attributes()

    def output(self) -> Any:
        """What takes the place of its own."""
        n, rows, cols, channels = self._op.get_input_partial_shape(0).to_shape()
        _, more_rows, more_cols, _ = self._op.get_output_partial_shape(0).to_shape()
        pictures, middle = self._op.input_value(0), np.float32(_MIDDLE)
        are_pixels = _are_pixels(pictures)
        if are_pixels:
            pictures = self._opset.subtract(pictures, middle)
        wide = self._enlarged(self._turned(pictures), (n, cols, rows, channels), more_cols)
        large = self._enlarged(self._turned(wide), (n, rows, more_cols, channels), more_rows)
        return (self._opset.add(large, middle) if are_pixels else large).output(0)

    def _turned(self, pictures: Any) -> Any:
        """(n, a, b, channels) -> (n, b, a, channels)."""
        return self._opset.transpose(pictures, self._constant(0, 2, 1, 3))

    def _enlarged(self, pictures: Any, shape: tuple[int, int, int, int], more: int) -> Any:
        """(n, a, b, channels) -> (n, more, b, channels)."""
        n, a, b, channels = shape
        enlarged = self._opset.interpolate(
            self._reshaped(pictures, n, a, 1, b * channels),
            self._constant(more, 1),
            self._facts["mode"],
            "sizes",
            coordinate_transformation_mode=self._facts["coordinate_transformation_mode"],
            axes=self._constant(1, 2),
        )
        return self._reshaped(enlarged, n, more, b, channels)

    def _reshaped(self, pictures: Any, *shape: int) -> Any:
        return self._opset.reshape(pictures, self._constant(*shape), special_zero=False)

    def _constant(self, *numbers: int) -> Any:
        return self._opset.constant(np.array(numbers, np.int64))
