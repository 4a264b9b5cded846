"""Patches as the network sees them -> how sharp each is, whatever its stain and contrast.

The variance of the Laplacian (Pech-Pacheco 2000, doi:10.1109/ICPR.2000.903548) rises with contrast: a pale slide in
focus has less than a dark one out of it. Divided by the variance of the grey levels themselves it is a ratio of fine
detail to all detail, that a change of stain or light leaves alone.
"""

from __future__ import annotations

import numpy as np

from batchscan.domain.records import Float32Array, Uint8Array

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
# A block may have thousands: so few stay in the processor's cache.
_AT_ONCE = 64


def sharpness(patches: Uint8Array) -> Float32Array:
    """Variance of the Laplacian over the variance of grey levels, per patch.

    Parameters
    ----------
    patches
        (n, p, p, 3) uint8 RGB, p >= 3.

    Returns
    -------
    (n,) float32, 0 or more; NaN where a patch is all of one grey.
    """
    parts = [_sharpness(patches[start : start + _AT_ONCE]) for start in range(0, len(patches), _AT_ONCE)]
    return np.concatenate([*parts, np.empty(0, np.float32)])


def _sharpness(patches: Uint8Array) -> Float32Array:
    # Patch by patch: of all pixels at once, the last digits would depend on how many there are.
    grey = patches @ _LUMA
    laplacian = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1]
    for beside in (grey[:, 1:-1, :-2], grey[:, 1:-1, 2:], -4 * grey[:, 1:-1, 1:-1]):
        laplacian += beside
    detail = grey.var(axis=(1, 2), dtype=np.float64)
    # Rounding alone gives a flat patch some variance.
    detail[detail < 1e-6] = np.nan  # noqa: PLR2004 - grey levels squared
    return np.asarray(laplacian.var(axis=(1, 2), dtype=np.float64) / detail, dtype=np.float32)
