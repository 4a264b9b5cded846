"""A model package -> its network in OpenVINO's form, made once a model and kept in the user's cache folder.

The export runs in a process of its own, so that a worker that scans with OpenVINO never loads TensorFlow. A cached
export is one file with a checksum: whole or not there, made again when damaged, and safe with many workers at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import batchscan
from batchscan.domain.errors import ModelError
from batchscan.scan.enlarging import one_direction_at_a_time
from batchscan.stores.packages import ModelPackage

log = logging.getLogger(__name__)

# Of what is cached: another number makes every export anew.
FORMAT = 2
EXPORT_SECONDS = 600
_LOCK_SECONDS = 60
_DIGEST_BYTES, _LENGTH_BYTES = 32, 8
_WRITABLE_BY_OTHERS = 0o022


@dataclass(frozen=True)
class Export:
    """A network as OpenVINO reads it: the graph and its weights."""

    xml: bytes
    weights: bytes

    def to_bytes(self) -> bytes:
        """Checksum, length of the graph, graph, weights."""
        content = len(self.xml).to_bytes(_LENGTH_BYTES, "big") + self.xml + self.weights
        return hashlib.sha256(content).digest() + content

    @classmethod
    def from_bytes(cls, stored: bytes) -> Export | None:
        """What `to_bytes` gave; None if it is damaged."""
        content = memoryview(stored)[_DIGEST_BYTES:]
        if len(content) < _LENGTH_BYTES or hashlib.sha256(content).digest() != stored[:_DIGEST_BYTES]:
            return None
        start = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "big")
        return cls(bytes(content[_LENGTH_BYTES:start]), bytes(content[start:]))


def exported(package: ModelPackage, batch: int, openvino_version: str) -> Export:
    """The package's network for batches of `batch` patches, from the cache if it is there.

    Raises
    ------
    ModelError
        If the network can't be exported.
    """
    release = openvino_version.split("-", maxsplit=1)[0]
    name = f"{package.info.sha256}-openvino{release}-batch{batch}-format{FORMAT}.export"
    folder = cache_folder()
    if folder is None:
        return _made(package, batch)
    found = _cached(folder / name)
    if found is not None:
        return found
    # All workers of a run ask at the same time, and each would load TensorFlow for it.
    with _alone(folder):
        found = _cached(folder / name)
        if found is not None:
            return found
        made = _made(package, batch)
        _keep(made, folder / name)
        return made


def cache_folder() -> Path | None:
    """Where exports are kept: $XDG_CACHE_HOME/batchscan (default ~/.cache/batchscan); None if there is no safe place.

    Safe is a folder that belongs to this user and that nobody else may write to; it is made if need be.
    """
    stated = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        folder = (stated if stated.is_absolute() else Path.home() / ".cache") / "batchscan"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.stat()
    except (OSError, RuntimeError) as error:
        log.info("no cache folder (%s): the network is exported for this process alone", error)
        return None
    if state.st_uid != os.geteuid() or state.st_mode & _WRITABLE_BY_OTHERS:
        log.warning("cache folder %s isn't used: others may write to it; `chmod go-w` it", folder)
        return None
    return folder


def _cached(path: Path) -> Export | None:
    try:
        stored = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("cached export %s can't be read (%s): made again", path, error.strerror)
        return None
    found = Export.from_bytes(stored)
    if found is None:
        log.warning("cached export %s is damaged: made again", path)
    return found


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process of a machine after the other; all at once where that takes too long, or the disk knows no locks."""
    with contextlib.ExitStack() as held:
        try:
            handle = os.open(folder, os.O_RDONLY)
            held.callback(os.close, handle)
            _lock(handle)
        except OSError as error:
            log.info("%s can't be locked (%s): other processes may make the same export", folder, error.strerror)
        yield


def _lock(handle: int) -> None:
    """Raises OSError if another holds it for too long: it may stand still, or be one of many whose export fails."""
    end = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


def _keep(made: Export, path: Path) -> None:
    """Store under a temporary name, then rename: a reader sees all or nothing, and the last of several writers wins."""
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".export.")
        with os.fdopen(handle, "wb") as stream:
            stream.write(made.to_bytes())
        Path(temporary).replace(path)
    except OSError as error:
        log.info("export isn't cached (%s): the next process makes it again", error)
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()


def _made(package: ModelPackage, batch: int) -> Export:
    """Export in a process of its own."""
    log.info("exporting %s for openvino, once", package.info.name)
    with tempfile.TemporaryDirectory(prefix="batchscan-export-") as folder:
        target = Path(folder) / "network.xml"
        # -P: what lies in the current folder is never imported.
        words = (package.network_path.absolute(), batch, target)
        command = [sys.executable, "-P", "-m", "batchscan.scan.exports", *map(str, words)]
        try:
            done = subprocess.run(  # noqa: S603 - our own module with paths, no shell
                command, env=_environment(), cwd=folder, capture_output=True, text=True, timeout=EXPORT_SECONDS,
                check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _cannot_export(package, str(error)) from error
        if done.returncode or not target.is_file():
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1][:300]
            raise _cannot_export(package, reason)
        return Export(target.read_bytes(), target.with_suffix(".bin").read_bytes())


def _environment() -> dict[str, str]:
    """Ours, with this very package first on Python's path; an empty part of that path would be the current folder."""
    stated = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    parts = [Path(batchscan.__file__).parents[1], *(Path(part).absolute() for part in stated)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, parts))}


def _cannot_export(package: ModelPackage, reason: str) -> ModelError:
    return ModelError(f"{package.network_path} can't be exported for openvino: {reason}; use --engine keras")


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


def export_network(network_path: Path, batch: int, target: Path) -> None:
    """Write the network of a model.keras file as `target` (.xml, with its .bin beside it), for one batch size."""
    from batchscan.stores.networks import import_keras, load_network  # noqa: PLC0415 - only the exporting process needs it

    openvino = import_openvino()
    network = load_network(network_path, threads=1)
    keras = import_keras(threads=1)
    signature = keras.InputSpec(shape=(batch, *network.input_shape[1:]), dtype=network.inputs[0].dtype)
    as_keras_has_it = target.with_name(f"keras-{target.name}")
    network.export(str(as_keras_has_it), format="openvino", input_signature=[signature], verbose=False)
    model = openvino.Core().read_model(as_keras_has_it)
    one_direction_at_a_time(model, importlib.import_module("openvino.opset11"))
    openvino.save_model(model, target, compress_to_fp16=False)


if __name__ == "__main__":
    export_network(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
