"""Add seen.npz to a package that was trained before packages had one: its patches, from the set it was trained on.

    python scripts/add_seen.py MODEL_DIR PATCHES

PATCHES is the folder or zip that `batchscan train` was given. Nothing else of the package changes but the card's
seen_sha256. Not for packages that were trained on labelled slides or started from another: train those again.
"""

# ruff: noqa: INP001, T201 - a script, which prints

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from pathlib import Path

from batchscan.stores.atomic import write_atomically
from batchscan.stores.packages import CARD_FILE, open_package
from batchscan.stores.seen import SEEN_FILE, SeenSet, write_seen
from batchscan.workflow.training_labels import open_labels


def main(folder: Path, patches: Path) -> None:
    """Write both files; the card goes last, so that a package is whole at any time."""
    card = open_package(folder).card
    if card.parent:
        raise SystemExit(f"{folder} started from {card.parent.name}: train it again")
    used = (*card.training_patients, *card.validation_patients)
    with open_labels(patches, (), card.scale.um_per_px) as labels, tempfile.TemporaryDirectory() as state:
        missing = sorted(set(used) - set(labels.patients()))
        if missing:
            raise SystemExit(f"{patches} lacks {', '.join(missing)}, of whom the card says that they served")
        loaded, _ = labels.load(Path(state), lambda _: None)
        seen = labels.seen(loaded, used)
    _write(folder, seen)
    print(f"{len(seen.patches)} patches of {len(used)} patients")


def _write(folder: Path, seen: SeenSet) -> None:
    with write_atomically(folder / SEEN_FILE, binary=True) as stream:
        write_seen(stream, seen)
    said = json.loads((folder / CARD_FILE).read_text("utf-8"))
    fields: dict[str, object] = {}
    for name, value in said.items():
        if name != "seen_sha256":
            fields[name] = value
        if name == "examples_sha256":
            fields["seen_sha256"] = hashlib.sha256((folder / SEEN_FILE).read_bytes()).hexdigest()
    with write_atomically(folder / CARD_FILE) as text:
        text.write(json.dumps(fields, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
