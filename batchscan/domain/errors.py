"""What can go wrong, named after what the operator can do about it.

The text of an error says what happened, where, what was found, what was expected and the remedy,
in one line: it is what the command prints.
"""

from __future__ import annotations

from typing import ClassVar


class BatchscanError(Exception):
    """Any error that the product raises on purpose; its text is meant for the operator."""

    code: ClassVar[str] = "error"


class UsageError(BatchscanError):
    """The command's words are wrong (exit code 2)."""

    code = "usage"


class JobError(BatchscanError):
    """A job file says something that can't be done."""

    code = "job"


class ManifestError(BatchscanError):
    """A manifest has wrong rows; the text names each with its line."""

    code = "manifest"


class OutputError(BatchscanError):
    """A result can't be written where it was asked for."""

    code = "output"


class TemplateError(BatchscanError):
    """A laboratory's own templates or words can't be used."""

    code = "templates"


class DamagedResult(BatchscanError):
    """A stored result has a missing or damaged file; scanning the slide again makes it whole."""

    code = "damaged_result"


class UnverifiableReport(BatchscanError):
    """A PDF isn't a report that can be verified, or is damaged."""

    code = "unverifiable"


class SigningError(BatchscanError):
    """A key can't be used to sign reports or to check their signatures."""

    code = "signing"


class GateError(BatchscanError):
    """An acceptance gate asks for a figure that doesn't exist, or can't be read."""

    code = "gate"


class ModelError(BatchscanError):
    """A model package is damaged, incomplete or not what its card says."""

    code = "model"


class ClusterError(BatchscanError):
    """No workers, or the scheduler can't be reached."""

    code = "cluster"


class RunBusyError(BatchscanError):
    """Another runner is at work in this run folder."""

    code = "busy"


class LedgerMismatch(BatchscanError):
    """The ledger and the results in a run folder don't agree: a slide isn't accounted for."""

    code = "ledger_mismatch"


class PatchSetError(BatchscanError):
    """A patch folder or zip isn't in the public layout."""

    code = "patch_set"


class ReferenceFileError(BatchscanError):
    """Reference labels or regions can't be read as what they should be: mend the file."""

    code = "reference"


class ReferenceMismatch(ReferenceFileError):
    """Reference labels don't lie on the grid that was scanned: they belong to another slide, spacing or origin."""


class ReviewError(BatchscanError):
    """What a reviewer said can't be kept as it is; the text names each wrong row with its line."""

    code = "review"


class NotComparable(BatchscanError):
    """Two evaluations aren't of the same patches, labels or patients: evaluate both on the same."""

    code = "not_comparable"


class SeenInTraining(BatchscanError):
    """What is to be measured on served to make the model: leave it out, or say that it may be seen."""

    code = "seen"


class SlideError(BatchscanError):
    """One slide can't be used; the others can. `code` is the ledger's reason code."""

    code = "slide"


class SlideExcluded(SlideError):
    """The slide can't be analysed as it is: excluded, with the remedy in the text."""

    code = "excluded"


class UnopenableSlide(SlideExcluded):
    """Neither OpenSlide nor the OME-Zarr reader recognises the file."""

    code = "unopenable"


class UnreadableSlide(SlideError):
    """The slide opens, but pixels that are needed can't be read: failed."""

    code = "unreadable"


class HungSlide(SlideError):
    """Reading the slide went nowhere, and the process that did it was ended."""

    code = "hung"


class WorkerDied(SlideError):
    """The process that read the slide died: a library crashed on the file."""

    code = "worker_died"


class HungrySlide(SlideError):
    """Reading the slide takes more memory than a process may have."""

    code = "out_of_memory"


class SlideDefect(SlideError):
    """Something that nobody thought of went wrong with one slide: a defect of batchscan or of a library."""

    code = "unexpected"


class SourceVanished(SlideError):
    """The slide's place can't be reached at the moment: tried again, and failed if it stays away."""

    code = "source_vanished"


class SlideGone(SourceVanished):
    """The slide is gone, while what lay beside it is there: moved or deleted, most likely."""

    code = "slide_gone"


class SlideChanged(SlideError):
    """The slide was replaced or written to while it was scanned: scanned again from the start."""

    code = "slide_changed"


class MissingSpacing(SlideExcluded):
    """Nobody says how many micrometres a pixel is."""

    code = "no_spacing"


class ImplausibleSpacing(SlideExcluded):
    """What is given as spacing can't be one (a 72-dpi tag, say)."""

    code = "implausible_spacing"


class SpacingConflict(SlideExcluded):
    """A spacing is given for a slide store that knows its own from its ingest, and they differ."""

    code = "spacing_conflict"


class UnsuitableColour(SlideExcluded):
    """The slide isn't an RGB image of a stained section."""

    code = "not_rgb"


class SpacingTooCoarse(SlideExcluded):
    """The slide's finest pixels are larger than the model's."""

    code = "too_coarse"
