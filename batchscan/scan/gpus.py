"""CUDA_VISIBLE_DEVICES, or what nvidia-smi lists -> the NVIDIA GPUs that worker processes are spread over."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution

NO_GPU = "-1"
"""What CUDA_VISIBLE_DEVICES says where a process shall see no GPU."""
_VARIABLE = "CUDA_VISIBLE_DEVICES"
# What CUDA takes for a device: an index, or the unique name of a GPU or of a part of one (MIG).
_DEVICE = re.compile(r"\d+|(GPU|MIG)-[\w/-]+")
_LISTED = re.compile(r"^(?P<part> +)?(?P<name>\S.*?):? +\(UUID: (?P<device>[^)]+)\)$")
# A driver that hangs must not hang the run.
_ANSWER_S = 20


@dataclass(frozen=True, slots=True)
class FoundGpus:
    """GPUs of this machine that this process may use.

    Parameters
    ----------
    devices
        One id each, as CUDA_VISIBLE_DEVICES takes it: an index or a UUID.
    names
        What each is called, in the same order.
    source
        Who says so; with no device, why there is none.
    """

    devices: tuple[str, ...]
    names: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class GpuChoice:
    """The devices that a run's workers are given, none for work on the CPU, and what the operator should know of it."""

    devices: tuple[str, ...]
    notes: tuple[str, ...]


def nvidia_smi_list() -> tuple[str, str]:
    """What `nvidia-smi -L` prints, and why it prints nothing (empty where it does)."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "", "no nvidia-smi on the PATH"
    try:
        done = subprocess.run([tool, "-L"], capture_output=True, text=True, check=False, timeout=_ANSWER_S)  # noqa: S603 - fixed words
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", f"nvidia-smi doesn't answer ({type(error).__name__}): look after the driver"
    if done.returncode != 0:
        return "", f"nvidia-smi says: {' '.join((done.stderr + done.stdout).split()) or 'nothing'}"
    return done.stdout, "" if done.stdout.strip() else "nvidia-smi lists none"


def find_gpus(
    environment: Mapping[str, str] = os.environ, listing: Callable[[], tuple[str, str]] = nvidia_smi_list
) -> FoundGpus:
    """The GPUs that this process may use; imports nothing, opens no device.

    Parameters
    ----------
    environment
        Where CUDA_VISIBLE_DEVICES is looked for; set, it has the last word, as with CUDA itself.
    listing
        Asked otherwise.
    """
    said = environment.get(_VARIABLE)
    if said is not None:
        devices = tuple(_devices_of(said))
        return FoundGpus(devices, devices, f"{_VARIABLE}={said}")
    text, problem = listing()
    listed = tuple(_listed(text.splitlines()))
    devices = tuple(device for device, _ in listed)
    return FoundGpus(devices, tuple(name for _, name in listed), problem or "nvidia-smi")


def _devices_of(said: str) -> Iterator[str]:
    """As CUDA reads it: what stands behind the first that is no device (-1, NoDevFiles) doesn't count."""
    for word in dict.fromkeys(map(str.strip, said.split(","))):
        if not _DEVICE.fullmatch(word):
            return
        yield word


def _listed(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(device, name) of each GPU; of one that is split (MIG) its parts, since the whole can't be used then."""
    whole: tuple[str, str] | None = None
    for match in filter(None, map(_LISTED.match, lines)):
        name = " ".join(match["name"].split())
        if match["part"]:
            whole = None
            yield match["device"], name
            continue
        if whole:
            yield whole
        whole = match["device"], name
    if whole:
        yield whole


def keras_without_gpus(environment: Mapping[str, str] = os.environ) -> str:
    """Why the Keras that is installed here can't use a GPU, with the remedy; empty if it may."""
    if environment.get("KERAS_BACKEND", "tensorflow") != "tensorflow" or not _installed("tensorflow-cpu"):
        return ""
    if _installed("tensorflow"):
        return ""
    return (
        "the TensorFlow that is installed is built for CPUs: `pip uninstall tensorflow-cpu`, then "
        "`pip install 'tensorflow[and-cuda]'`"
    )


def _installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def choose_gpus(engine: str, workers: int | None, found: FoundGpus | None = None) -> GpuChoice:
    """The GPUs for the workers of a run on this machine.

    Parameters
    ----------
    engine
        As the job has it. Only `keras` computes on GPUs; `auto` and `openvino` are for CPUs, and `auto` says so.
    workers
        Worker processes that the operator asks for; None for one a GPU.
    found
        What there is; None to look.
    """
    if engine not in {"keras", "auto"}:
        return GpuChoice((), ())
    found = find_gpus() if found is None else found
    if not found.devices:
        return GpuChoice((), ())
    obstacle = keras_without_gpus()
    if engine == "auto":
        remedy = f"; before that: {obstacle}" if obstacle else ""
        return GpuChoice((), (f"{_count(found.devices)} not used: for that give --engine keras{remedy}",))
    if obstacle:
        return GpuChoice((), (f"{_count(found.devices)} not used: {obstacle}",))
    devices = found.devices[:workers]
    if workers is None or workers <= len(devices):
        return GpuChoice(devices, ())
    note = (
        f"{workers} worker processes share {_count(devices)}: each holds a network of its own there; "
        "leave --workers out for one a GPU"
    )
    return GpuChoice(devices, (note,))


def _count(devices: tuple[str, ...]) -> str:
    return f"{len(devices)} GPU" if len(devices) == 1 else f"{len(devices)} GPUs"
