"""A model package -> p_raw through OpenVINO, from a cached export of the network."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.errors import ModelError
from batchscan.domain.records import EngineInfo, Float32Array, Uint8Array
from batchscan.scan.batches import SharedNetwork, check_shapes, when_waited_for
from batchscan.scan.exports import Export, exported, import_openvino
from batchscan.stores.packages import ModelPackage

# Larger ones are no faster, and a block's last batch is padded: with 32, one in fifteen patches was padding.
BATCH = 8


class OpenVinoEngine:
    """The network as OpenVINO runs it on the CPU, in float32 or, where the processor has it, bfloat16.

    Threads are not pinned to cores: worker processes that know nothing of each other would share the first one.
    """

    batch = BATCH

    def __init__(self, package: ModelPackage, threads: int, precision: str = "f32") -> None:
        self.info = EngineInfo("openvino", precision)
        openvino = import_openvino()
        if precision == "bf16" and not has_bf16():
            raise ModelError("openvino: this processor has no bf16 (AVX512_BF16 or AMX): use --precision f32")
        export = exported(package, BATCH, openvino.__version__)
        try:
            compiled = _compiled(openvino, export, threads, precision)
            _check_precision(compiled, precision)
            self._request = compiled.create_infer_request()
        except RuntimeError as error:
            raise ModelError(
                f"openvino {openvino.__version__} can't run {package.network_path}: "
                f"{str(error).strip().splitlines()[-1][:200]}; use --engine keras"
            ) from error
        patch_px = package.card.patch_px
        check_shapes(package.network_path, patch_px, compiled.inputs[0].shape, compiled.outputs[0].shape)
        # One request at a time: a worker may have several threads, and a request holds one batch.
        self._shared = SharedNetwork(patch_px, when_waited_for(self._logits), lambda: self.batch)

    @property
    def network_s(self) -> float:
        """Seconds that the network has worked for the patches of this thread."""
        return self._shared.seconds

    def predict(self, patches: Uint8Array) -> Float32Array:
        """p_raw of patches (n, p, p, 3) uint8, (n,) float32."""
        return self._shared.predict(patches)

    def _logits(self, batch: Uint8Array) -> NDArray[np.float32]:
        return np.array(self._request.infer({0: batch}, share_inputs=True)[0])


def _check_precision(compiled: Any, precision: str) -> None:
    """What OpenVINO made of the hint is what is recorded.

    Raises
    ------
    ModelError
        If it is another precision.
    """
    name = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    if name != precision:
        raise ModelError(f"openvino computes in {name} here, not in {precision}: use --precision {name}")


def has_bf16() -> bool:
    """Whether OpenVINO is there and finds bfloat16 in the processor itself."""
    try:
        return "BF16" in import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    except (ModelError, RuntimeError):
        return False


def _compiled(openvino: Any, export: Export, threads: int, precision: str) -> Any:
    core = openvino.Core()
    model = core.read_model(export.xml, openvino.Tensor(np.frombuffer(export.weights, dtype=np.uint8)))
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": precision,
        "ENABLE_CPU_PINNING": False,
    }
    return core.compile_model(model, "CPU", settings)
