"""A trained network -> a model.keras file: the same bytes for the same weights, and proven to give the same scores."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from batchscan.domain.errors import ModelError
from batchscan.stores.networks import load_network
from batchscan.stores.packages import Golden
from batchscan.training.scores import predicted

METADATA_FILE = "metadata.json"
TIME = (1980, 1, 1, 0, 0, 0)
DATE_SAVED = "1980-01-01@00:00:00"


def save_network(network: Any, path: Path) -> None:
    """Save it without the time of day: the same network gives the same file, byte by byte.

    Keras writes into the archive when it was saved. Layers' names are in it too, so a network whose names were counted
    up by Keras has those of its process.
    """
    network.save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    metadata = {**json.loads(members[METADATA_FILE]), "date_saved": DATE_SAVED}
    members[METADATA_FILE] = json.dumps(metadata).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, TIME), content)


def save_proven(network: Any, path: Path, golden: Golden, tolerance: float, threads: int) -> None:
    """Save it, and read it back: what other people load must give the golden patches their scores.

    Parameters
    ----------
    tolerance
        How far a score may be off.
    threads
        Of the backend.

    Raises
    ------
    ModelError
        If the file can't be loaded, or gives other scores.
    """
    save_network(network, path)
    found = predicted(load_network(path, threads), golden.patches)
    apart = float(np.abs(found.astype(np.float64) - golden.p_idc).max())
    if not apart <= tolerance:  # NaN neither
        raise ModelError(
            f"the saved network isn't the trained one: read back, its scores of the golden patches are up to "
            f"{apart:.3g} off, more than {tolerance:g}: a layer doesn't keep all of its state in its weights; "
            "use other layers"
        )
