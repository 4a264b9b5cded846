"""profile.json: how the values of what a network was made with are spread <-> a record."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from batchscan.domain.profile import PROFILE_EDGES, TrainingProfile
from batchscan.stores.atomic import write_atomically

PROFILE_FILE = "profile.json"
_LARGEST_BYTES = 4 << 20
_Count = Annotated[int, Field(ge=0)]


class _File(BaseModel):
    """What the file says."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    schema_version: Literal[1] = 1
    how_made: str
    edges: dict[str, tuple[float, ...]]
    counts: dict[str, tuple[_Count, ...]]
    patients: dict[str, tuple[str, ...]]
    ranges: dict[str, tuple[float, float]]


def write_training_profile(path: Path, profile: TrainingProfile) -> None:
    """Write a profile with the edges of its bins.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    said = _File(
        how_made=profile.how_made,
        edges={name: PROFILE_EDGES[name] for name in profile.counts},
        counts=dict(profile.counts),
        patients=dict(profile.patients),
        ranges=dict(profile.ranges),
    )
    with write_atomically(path) as stream:
        stream.write(said.model_dump_json(indent=1) + "\n")


def read_training_profile(path: Path, sha256: str) -> TrainingProfile:
    """Read a profile that is as its card says; counts in other bins than today's are left out, as if not known.

    Parameters
    ----------
    sha256
        Of the file, from the card.

    Raises
    ------
    ValueError
        If the file is missing, was changed, or isn't a profile. Its text says which.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise ValueError("it is larger than any profile")
        text = path.read_bytes()
    except OSError as error:
        raise ValueError(error.strerror) from error
    if hashlib.sha256(text).hexdigest() != sha256:
        raise ValueError("it isn't what its card says (sha256): it was changed")
    said = _File.model_validate_json(text)
    ours = {name for name, edges in said.edges.items() if PROFILE_EDGES.get(name) == edges}
    if any(name in said.counts and len(said.counts[name]) != len(PROFILE_EDGES[name]) - 1 for name in ours):
        raise ValueError(f"its counts don't fit its bins: {json.dumps(sorted(ours))}")
    return TrainingProfile(
        counts={name: counts for name, counts in said.counts.items() if name in ours},
        patients=said.patients,
        ranges=said.ranges,
        how_made=said.how_made,
    )
