"""A model package -> p_idc through OpenVINO, from a cached export of the network."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.errors import ModelError
from batchscan.domain.records import EngineInfo, Float32Array, Uint8Array
from batchscan.scan.engines import in_batches
from batchscan.scan.exports import Export, exported
from batchscan.stores.packages import ModelPackage

BATCH = 32


class OpenVinoEngine:
    """The network as OpenVINO runs it on the CPU, in float32.

    Threads are not pinned to cores: worker processes that know nothing of each other would share the first one.
    """

    info = EngineInfo("openvino", "f32")
    batch = BATCH

    def __init__(self, package: ModelPackage, threads: int) -> None:
        openvino = import_openvino()
        self._patch_px = package.card.patch_px
        export = exported(package, BATCH, openvino.__version__)
        try:
            self._request = _compiled(openvino, export, threads).create_infer_request()
        except RuntimeError as error:
            raise ModelError(
                f"openvino {openvino.__version__} can't run {package.network_path}: "
                f"{str(error).strip().splitlines()[-1][:200]}; use --engine keras"
            ) from error

    def predict(self, patches: Uint8Array) -> Float32Array:
        """p_idc of patches (n, p, p, 3) uint8, (n,) float32."""
        return in_batches(patches, self._patch_px, self.batch, self._logits)

    def _logits(self, batch: Uint8Array) -> NDArray[np.float32]:
        return np.array(self._request.infer({0: batch}, share_inputs=True)[0])


def import_openvino() -> Any:
    """The `openvino` module, without its telemetry.

    On being imported OpenVINO reports its use to a server on the internet unless openvino_telemetry is missing; a
    machine with patients' slides must not, so it is made missing.

    Raises
    ------
    ModelError
        If OpenVINO isn't installed or can't be imported.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None makes an import fail
    try:
        return importlib.import_module("openvino")
    except ImportError as error:
        raise ModelError(
            f"openvino can't be imported ({error}): `pip install openvino`, or use --engine keras"
        ) from error


def _compiled(openvino: Any, export: Export, threads: int) -> Any:
    core = openvino.Core()
    model = core.read_model(export.xml, openvino.Tensor(np.frombuffer(export.weights, dtype=np.uint8)))
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,
    }
    return core.compile_model(model, "CPU", settings)
