"""The shipped network -> other programs' form of it: how docs/performance.md compares them on the same slide.

    python benchmarks/peers.py weights W.npz
    python benchmarks/peers.py wsinfer W.npz MODEL_DIR
    python benchmarks/peers.py tiatoolbox W.npz SLIDE OUT

The first runs in batchscan's environment. The second, where torch is, writes model.pt and config.json for `wsinfer
run`; the third runs TIAToolbox where that is, and prints patches a second. docs/performance.md has the steps around.
"""

# ruff: noqa: INP001, T201, PLC0415 - a script, which prints; each part runs in an environment of its own

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

_SIDE_PX, _UM_PER_PX, _NETWORK_PX = 50, 8.0, 180
_BATCH = 32


def save_weights(path: Path) -> None:
    """Kernels and biases by layer, as Keras has them."""
    from batchscan.stores.networks import load_network
    from batchscan.stores.packages import open_package

    network = load_network(open_package("published-cnn").network_path, 1)
    arrays = {}
    for layer in network.layers:
        for name, weight in zip(("kernel", "bias"), layer.get_weights(), strict=False):
            arrays[f"{layer.name}/{name}"] = weight
    np.savez(path, **arrays)
    print(*sorted(arrays))


def torch_network(weights: Path) -> Any:
    """The network in PyTorch: (n, 3, 180, 180) float in 0-1 -> (n, 2) logits."""
    import torch

    arrays = np.load(weights)
    names = sorted({name.split("/")[0] for name in arrays if name.startswith("conv")})

    def tensor(name: str, *order: int) -> Any:
        return torch.nn.Parameter(torch.from_numpy(np.ascontiguousarray(arrays[name].transpose(order))))

    stack: list[Any] = []
    for name in names:
        layer = torch.nn.Conv2d(*arrays[f"{name}/kernel"].shape[2:], 3, padding="same")
        layer.weight, layer.bias = tensor(f"{name}/kernel", 3, 2, 0, 1), tensor(f"{name}/bias", 0)
        stack += [layer, torch.nn.ReLU(), torch.nn.MaxPool2d(2)]
    # Keras flattens with the channels last: the rows of its dense kernel are put in PyTorch's order.
    dense = arrays["dense/kernel"]
    channels = arrays[f"{names[-1]}/bias"].size
    side = round((dense.shape[0] / channels) ** 0.5)
    turned = dense.reshape(side, side, channels, -1).transpose(2, 0, 1, 3).reshape(dense.shape)
    hidden, logits = torch.nn.Linear(*dense.shape), torch.nn.Linear(dense.shape[1], 2)
    hidden.weight = torch.nn.Parameter(torch.from_numpy(np.ascontiguousarray(turned.T)))
    hidden.bias, logits.bias = tensor("dense/bias", 0), tensor("logits/bias", 0)
    logits.weight = tensor("logits/kernel", 1, 0)
    return torch.nn.Sequential(*stack, torch.nn.Flatten(), hidden, torch.nn.ReLU(), logits).eval()


def write_wsinfer(weights: Path, folder: Path) -> None:
    """TorchScript, and the config that WSInfer reads."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    traced = torch.jit.trace(torch_network(weights), torch.zeros(1, 3, _NETWORK_PX, _NETWORK_PX))
    traced.save(folder / "model.pt")
    config = {
        "spec_version": "1.0",
        "architecture": "published-cnn",
        "num_classes": 2,
        "class_names": ["other", "idc"],
        "patch_size_pixels": _SIDE_PX,
        "spacing_um_px": _UM_PER_PX,
        "transform": [{"name": "Resize", "arguments": {"size": _NETWORK_PX}}, {"name": "ToTensor"}],
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")


def run_tiatoolbox(weights: Path, slide: Path, out: Path) -> None:
    """Patches a second of its PatchPredictor, from the call until the predictions are on the disk."""
    import torch
    from tiatoolbox.models.engine.io_config import IOPatchPredictorConfig
    from tiatoolbox.models.engine.patch_predictor import PatchPredictor
    from tiatoolbox.models.models_abc import ModelABC

    class Published(ModelABC):  # type: ignore[misc, no-any-unimported]
        def __init__(self) -> None:
            super().__init__()
            self.network = torch_network(weights)

        def forward(self, batch: Any) -> Any:
            pixels = batch.permute(0, 3, 1, 2).float()
            size = (_NETWORK_PX, _NETWORK_PX)
            large = torch.nn.functional.interpolate(pixels, size=size, mode="bilinear", align_corners=False)
            return torch.softmax(self.network(large / 255), 1)

        @staticmethod
        def infer_batch(model: Any, batch_data: Any, *, device: str) -> Any:
            with torch.inference_mode():
                return model(batch_data.to(device)).cpu().numpy()

    at_spacing = [{"units": "mpp", "resolution": _UM_PER_PX}]
    side = (_SIDE_PX, _SIDE_PX)
    config = IOPatchPredictorConfig(
        input_resolutions=at_spacing, output_resolutions=at_spacing, patch_input_shape=side, stride_shape=side
    )
    predictor = PatchPredictor(model=Published(), batch_size=_BATCH, num_workers=2)
    clock = time.monotonic()
    written = predictor.run([slide], patch_mode=False, ioconfig=config, save_dir=out, output_type="zarr")
    seconds = time.monotonic() - clock
    n_patches = _n_predicted(Path(next(iter(written.values()))))
    print(f"{n_patches} patches in {seconds:.1f} s: {n_patches / seconds:.0f} a second")


def _n_predicted(written: Path) -> int:
    import zarr

    return int(zarr.open(written, mode="r")["predictions"].shape[0])


def main() -> None:
    """Do what the first word says."""
    part, weights, *others = sys.argv[1:]
    if part == "weights":
        save_weights(Path(weights))
    elif part == "wsinfer":
        write_wsinfer(Path(weights), Path(others[0]))
    elif part == "tiatoolbox":
        run_tiatoolbox(Path(weights), Path(others[0]), Path(others[1]))
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
