"""A reason code of the ledger -> what the operator can do about it, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping

UNKNOWN = "Read the slide\u2019s sentence in summary.csv; scan the slide alone with --debug for more."

_COPY = "Copy the file again from its source, or have it scanned again."
_GIVE_SPACING = "Ingest that file again with --um-per-px, or give um_per_px in the manifest."
_DEFECT = "Scan the slide alone with --workers 1 --debug and report the defect with what it says."
_MODEL = "Run batchscan model verify on the package, and install the same one on every machine."
_WORDS = "Mend what the slide\u2019s sentence names, and start the same command again."

REMEDIES: Mapping[str, str] = {
    # The slide.
    "unopenable": f"Is it a slide, and whole? {_COPY}",
    "unreadable": _COPY,
    "source_vanished": "Bring the folder or drive back, and start the same command again.",
    "slide_gone": "It was moved or deleted: put it back, or take it out of the manifest.",
    "slide_changed": "Let nothing write to the archive during a run, and start the same command again.",
    "no_spacing": _GIVE_SPACING,
    "implausible_spacing": f"What the file says can\u2019t be true. {_GIVE_SPACING}",
    "spacing_conflict": "Leave the given spacing out, or ingest the slide again with the right one.",
    "not_rgb": "Have the H&E section scanned in colour.",
    "too_coarse": "Have the slide scanned at a finer spacing, or use a model for coarser ones.",
    "duplicate": "Keep one of the two names in the manifest: it is the same slide.",
    "slide": _WORDS,
    "excluded": _WORDS,
    # What was found on it.
    "no_tissue": "Look at the overview; if there is tissue, have the slide scanned again.",
    "not_analysable": "Look at what quality control found; clean or restain and have the slide scanned again.",
    # What happened to its workers.
    "worker_died": (
        "Scan the slide alone with --workers 1 on a machine with more memory; if it dies again, its file is damaged."
    ),
    "out_of_memory": "Export the slide again with smaller tiles or chunks, or use a machine with more memory.",
    "hung": f"Its reader never came back. {_COPY}",
    "quarantined": "It had accident after accident and is left alone: look at its file, then start again with --retry.",
    "unexpected": _DEFECT,
    "error": _DEFECT,
    # The run.
    "output": "Make room or mend permissions, and start the same command again.",
    "damaged_result": "Start the same command again: the slide is then scanned anew.",
    "ledger_mismatch": "Start the same command again: whole results are used again.",
    "model": _MODEL,
    "cluster": "See that scheduler and workers are up, and start the same command again.",
    "busy": "Wait for the other runner, or stop it, and start the same command again.",
    # What the command was given.
    "usage": _WORDS,
    "job": _WORDS,
    "manifest": "Mend the manifest\u2019s rows that the sentence names, and start the same command again.",
    "patch_set": "Bring the patch folder into the public layout, and ingest it again.",
    "reference": "Mend the reference file, or leave it out of the manifest.",
    "signing": "Mend what the sentence names about the key, and start the same command again.",
    "unverifiable": "Print the report again with batchscan report.",
    "review": "Mend the rows that the sentence names, and give the file again.",
    "templates": "Mend what the sentence names in the templates folder, and start the same command again.",
    "gate": "Ask for a figure that an evaluation has.",
    "not_comparable": "Evaluate both on the same patches and labels.",
    "seen": "Leave the slide out of the measurement: the model was made with it.",
}
"""Each a sentence or two of 130 letters at most: they stand in a table of one page."""


def remedy(reason: str) -> str:
    """What to do about slides with this reason code."""
    return REMEDIES.get(reason, UNKNOWN)
