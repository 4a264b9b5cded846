"""What a result was made from -> the digests that decide whether it may be used again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from batchscan.domain.card import ModelCard
from batchscan.domain.records import EngineInfo, ModelInfo, ScanSettings, SlideInfo

# Raised whenever a change of the code changes numbers: results of older code are then redone. What stays within an
# engine's tolerance, and so depends on the processor and on OpenVINO's version too, is no change.
NUMBERS_VERSION = 3


def scan_digest(slide: SlideInfo, model: ModelInfo, engine: EngineInfo, settings: ScanSettings) -> str:
    """`sha256:<hex>` of what decides each patch's p_raw: pixels, spacing, network, arithmetic, grid, tissue rule."""
    return _sha256(
        {
            "numbers_version": NUMBERS_VERSION,
            "fingerprint": slide.fingerprint,
            "um_per_px": slide.spacing.um_per_px,
            "model_sha256": model.sha256,
            "engine": asdict(engine),
            "patch": asdict(settings.patch),
            "min_tissue": settings.min_tissue,
            "orientations": settings.orientations,
        }
    )


def result_digest(scan: str, slide: SlideInfo, model: ModelInfo, settings: ScanSettings, card: ModelCard) -> str:
    """`sha256:<hex>` of what decides every number, name and page of a result, given its scan digest.

    The model's card is part of it: a report prints its limits and figures.
    """
    return _sha256(
        {
            "scan_digest": scan,
            "slide_id": slide.slide_id,
            "patient_id": slide.patient_id,
            "um_per_px_source": slide.spacing.source,
            "model": asdict(model),
            "threshold": settings.threshold,
            "tolerance": settings.tolerance,
            "max_unreadable": settings.max_unreadable,
            "aggregation": asdict(settings.aggregation),
            "quality": asdict(settings.quality),
            "card": card.model_dump(mode="json"),
        }
    )


def _sha256(value: dict[str, object]) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
