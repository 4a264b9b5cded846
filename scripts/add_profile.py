"""Add profile.json to a package that was trained before packages had one, from the patch set it was trained on.

    python scripts/add_profile.py MODEL_DIR PATCHES

PATCHES is the folder or zip that `batchscan train` was given. Nothing else of the package changes but the card's
profile_sha256 and profile_note. Not for packages that were trained on labelled slides or started from another: train
those again.
"""

# ruff: noqa: INP001, T201 - a script, which prints

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from pathlib import Path

from batchscan.stores.atomic import write_atomically
from batchscan.stores.networks import load_network
from batchscan.stores.packages import CARD_FILE, ModelPackage, open_package
from batchscan.stores.training_profile import PROFILE_FILE, write_training_profile
from batchscan.training.scores import predicted
from batchscan.workflow.training_labels import open_labels
from batchscan.workflow.training_profile import training_profile, whole_slides


def main(folder: Path, patches: Path) -> None:
    """Write both files; the card goes last, so that a package is whole at any time."""
    package = open_package(folder)
    card = package.card
    if card.parent:
        raise SystemExit(f"{folder} started from {card.parent.name}: train it again")
    with open_labels(patches, (), card.scale.um_per_px) as labels, tempfile.TemporaryDirectory() as state:
        missing = sorted(set(card.training_patients) - set(labels.patients()))
        if missing:
            raise SystemExit(f"{patches} lacks {', '.join(missing)}, on whom the card says that it was trained")
        loaded, _ = labels.load(Path(state), lambda _: None)
        network = load_network(package.network_path, threads=2)
        profile = training_profile(
            loaded,
            card.scale.um_per_px,
            card.training_patients,
            whole_slides(loaded, card.recipe["folds"]),
            lambda rows: predicted(network, loaded.where(rows).pixels, card.context.orientations),
        )
    write_training_profile(folder / PROFILE_FILE, profile)
    _note(package, profile.how_made)
    print(profile.how_made)
    print(profile.ranges)


def _note(package: ModelPackage, how_made: str) -> None:
    said = json.loads((package.path / CARD_FILE).read_text("utf-8"))
    fields: dict[str, object] = {}
    for name, value in said.items():
        if name not in {"profile_sha256", "profile_note"}:
            fields[name] = value
        if name == "seen_sha256":
            fields["profile_sha256"] = hashlib.sha256((package.path / PROFILE_FILE).read_bytes()).hexdigest()
            fields["profile_note"] = how_made
    with write_atomically(package.path / CARD_FILE) as text:
        text.write(json.dumps(fields, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
