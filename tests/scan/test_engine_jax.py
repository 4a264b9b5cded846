"""Keras on JAX as a GPU's worker has it, here on the CPU; where JAX is installed, which the tests don't ask for."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

IN_JAX = """
import numpy as np
from batchscan.scan.engines import open_engine
from batchscan.stores.packages import open_package
package = open_package("published-cnn")
engine, golden = open_engine(package, "keras"), package.golden()
print(engine.batch, engine._shared._most_begun, abs(engine.predict(golden.patches) - golden.p_idc).max() < 1e-5)
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs JAX: `pip install jax`")
def test_jax_is_given_batches_ahead_and_has_the_same_numbers() -> None:
    a_gpus = {"KERAS_BACKEND": "jax", "CUDA_VISIBLE_DEVICES": "0", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", IN_JAX], env={**os.environ, **a_gpus}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["256", "2", "True"]
