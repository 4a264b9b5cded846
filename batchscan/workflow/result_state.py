"""A slide's committed result and the digests it would have now -> what of it still stands."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from batchscan.domain.errors import DamagedResult
from batchscan.domain.records import SlideResult
from batchscan.stores.pictures import PICTURES, read_pictures
from batchscan.stores.results import HEATMAP, REPORT, RESULT, read_result

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class ResultState:
    """The digests that a slide's result would have, and the committed one whose scan is still good, if there is one.

    `unchanged` says that this is exactly what would come out again; otherwise it is judged and printed anew.
    """

    scan_digest: str
    digest: str
    earlier: SlideResult | None
    unchanged: bool


def compared_result(committed: Path | None, scan_digest: str, digest: str, *, printed: bool) -> ResultState:
    """See what a committed result is worth; nothing is written.

    Parameters
    ----------
    committed
        Its folder, which need not be there; None where an earlier result must not be used.
    scan_digest, digest
        What the slide's result would have now.
    printed
        Whether a PDF is wanted.
    """
    earlier = _result(committed) if committed else None
    if committed and earlier and earlier.digest == digest and _is_complete(committed, printed=printed):
        return ResultState(scan_digest, digest, earlier, unchanged=True)
    if committed and earlier and earlier.scan_digest == scan_digest and _has_pictures(committed):
        return ResultState(scan_digest, digest, earlier, unchanged=False)
    return ResultState(scan_digest, digest, earlier=None, unchanged=False)


def _result(folder: Path) -> SlideResult | None:
    """The committed result, if it can be read."""
    if not (folder / RESULT).is_file():
        return None
    try:
        return read_result(folder)
    except DamagedResult as error:
        _LOG.info("%s is scanned again: %s", folder.name, error)
        return None


def _is_complete(folder: Path, *, printed: bool) -> bool:
    """Whether a committed result has every file that this run wants."""
    wanted = (HEATMAP, PICTURES, REPORT) if printed else (HEATMAP, PICTURES)
    return all((folder / name).is_file() for name in wanted)


def _has_pictures(folder: Path) -> bool:
    """Whether a page can be made of a committed result's pictures."""
    try:
        read_pictures(folder)
    except DamagedResult as error:
        _LOG.info("%s is scanned again: %s", folder.name, error)
        return False
    return True
