"""A model package -> an engine that gives p_raw for any number of patches, proven on the package's golden patches.

An engine runs one fixed batch shape; the last batch is padded. So a patch's number depends on the patch alone: not on
its neighbours in the batch, nor on how many there are, nor on how many worker processes share the work.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from batchscan.domain.errors import ModelError, UsageError
from batchscan.domain.records import EngineInfo, Float32Array, Uint8Array
from batchscan.stores.packages import Golden, ModelPackage

log = logging.getLogger(__name__)

MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Proof:
    """What became of one engine on a package's golden patches.

    Parameters
    ----------
    engine, versions
        Its name, and the versions it runs with or, of a `missing` one, what is missing and the remedy.
    precision
        Empty where it could not be opened.
    apart
        Greatest difference from the golden p_raw; None where there is none, NaN if it gave NaN.
    problem
        Why it may not run this model; empty if it may, or is missing.
    """

    engine: str
    versions: str
    precision: str = ""
    apart: float | None = None
    problem: str = ""
    missing: bool = False


class Engine(Protocol):
    """What runs a network."""

    @property
    def info(self) -> EngineInfo:
        """Its name and precision."""
        ...

    @property
    def batch(self) -> int:
        """Patches a call of the network; feeding multiples of it wastes nothing."""
        ...

    @property
    def network_s(self) -> float:
        """Seconds that the network has worked, so far, for the patches of the thread that asks."""
        ...

    def predict(self, patches: Uint8Array) -> Float32Array:
        """p_raw of patches, the network's own probability.

        Parameters
        ----------
        patches
            (n, p, p, 3) uint8 with p the card's patch_px; n may be 0.

        Returns
        -------
        (n,) float32 in 0-1.

        Raises
        ------
        ValueError
            If the array isn't such patches.
        """
        ...


def open_engine(package: ModelPackage, name: str = "auto", threads: int = 1, precision: str = "auto") -> Engine:
    """An engine that has reproduced the package's golden patches within its card's tolerance.

    Parameters
    ----------
    name
        `auto` takes OpenVINO where it is installed and proves itself, else Keras; why not is logged.
    threads
        Threads of the engine; one a worker process is what scales.
    precision
        `f32`, `bf16` (within what the card allows it), or `auto`: bf16 where this machine has it and the card says
        that it is as exact as f32 must be, else f32.

    Raises
    ------
    ModelError
        If the engine isn't installed, can't load the network, can't work in that precision here, or doesn't reproduce
        the golden patches.
    UsageError
        If there is no engine or precision of that name.
    """
    if name not in {"auto", "keras", "openvino"}:
        raise UsageError(f"no engine {name!r}: expected auto, keras or openvino")
    if precision not in {"auto", "f32", "bf16"}:
        raise UsageError(f"no precision {precision!r}: expected auto, f32 or bf16")
    if name == "auto":
        try:
            return _opened("openvino", package, threads, precision)
        except ModelError as error:
            if precision == "bf16" and not _gains_from_bf16("keras"):
                raise
            log.warning("openvino isn't used: %s; keras runs the model instead", error)
        name = "keras"
    return _opened(name, package, threads, precision)


def available_engines() -> dict[str, str]:
    """Engine name -> the versions it would run with, or a text that begins with `missing`. Imports none of them."""
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    return {"keras": _versions("keras", backend), "openvino": _versions("openvino", "keras", backend)}


def proofs(package: ModelPackage, threads: int = 1) -> Iterator[Proof]:
    """What each known engine makes of the package's golden patches, one after the other; in bf16 too where it may."""
    for name, versions in available_engines().items():
        if versions.startswith(MISSING):
            yield Proof(name, versions, missing=True)
            continue
        yield _proof(name, versions, package, threads, "f32")
        if package.card.bf16_tolerance and _gains_from_bf16(name):
            yield _proof(name, versions, package, threads, "bf16")


def _proof(name: str, versions: str, package: ModelPackage, threads: int, precision: str) -> Proof:
    try:
        engine, apart = _tried(name, package, package.golden(), threads, precision)
    except ModelError as error:
        return Proof(name, versions, precision, problem=str(error))
    problem = _disagreement(engine, apart, package, package.card.tolerance(precision))
    return Proof(name, versions, precision, apart, problem=problem)


def _opened(name: str, package: ModelPackage, threads: int, precision: str) -> Engine:
    card = package.card
    if precision != "auto":
        return _proven(name, package, threads, precision, card.tolerance(precision))
    # By the card, not by trying: machines that share a run would come to different answers.
    if (card.bf16_tolerance or 1.0) <= card.engine_tolerance and _gains_from_bf16(name):
        try:
            return _proven(name, package, threads, "bf16", card.engine_tolerance)
        except ModelError as error:
            log.info("%s works in f32: %s", name, error)
    return _proven(name, package, threads, "f32", card.engine_tolerance)


def _proven(name: str, package: ModelPackage, threads: int, precision: str, tolerance: float) -> Engine:
    engine, apart = _tried(name, package, package.golden(), threads, precision)
    problem = _disagreement(engine, apart, package, tolerance)
    if problem:
        raise ModelError(problem)
    log.debug("%s %s reproduces %s within %.2g", engine.info.name, engine.info.precision, package.info.name, apart)
    return engine


def _apart(engine: Engine, golden: Golden) -> float:
    return float(np.max(np.abs(engine.predict(golden.patches) - golden.p_idc)))


def _tried(name: str, package: ModelPackage, golden: Golden, threads: int, precision: str) -> tuple[Engine, float]:
    """The engine, and how far it is from the golden patches.

    Raises
    ------
    ModelError
        If it can't be opened or run, whatever TensorFlow or OpenVINO raise.
    """
    try:
        engine = (_keras if name == "keras" else _openvino)(package, threads, precision)
        return engine, _apart(engine, golden)
    except ModelError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ModelError(f"engine {name} can't run {package.network_path}: {reason}; use the other engine") from error


def _disagreement(engine: Engine, apart: float, package: ModelPackage, tolerance: float) -> str:
    if apart <= tolerance:  # NaN is no agreement
        return ""
    return (
        f"engine {engine.info.name} ({engine.info.precision}) differs from the golden patches of {package.path} by "
        f"{apart:.2g}, more than the {tolerance:g} of its card: use the other engine, or fetch the package again"
    )


def _gains_from_bf16(name: str) -> bool:
    """Whether bf16 is faster than f32 here: Keras' is on a GPU only."""
    if name == "keras":
        from batchscan.scan.engine_keras import sees_gpu  # noqa: PLC0415 - keras is imported where it runs

        return sees_gpu()
    from batchscan.scan.engine_openvino import has_bf16  # noqa: PLC0415 - openvino is imported where it runs

    return has_bf16()


def _keras(package: ModelPackage, threads: int, precision: str) -> Engine:
    from batchscan.scan.engine_keras import KerasEngine  # noqa: PLC0415 - keras is imported where it runs

    return KerasEngine(package, threads, precision)


def _openvino(package: ModelPackage, threads: int, precision: str) -> Engine:
    from batchscan.scan.engine_openvino import OpenVinoEngine  # noqa: PLC0415 - same

    return OpenVinoEngine(package, threads, precision)


def _versions(*modules: str) -> str:
    found = []
    for module in modules:
        if importlib.util.find_spec(module) is None:
            return f"{MISSING}: the package {module} isn't installed; `pip install {module}`"
        found.append(f"{module} {_version(module)}")
    return ", ".join(found)


def _version(module: str) -> str:
    """The version of the distribution that brings a module; TensorFlow's has one of two names."""
    for distribution in (module, f"{module}-cpu"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(distribution)
    return "of unknown version"
