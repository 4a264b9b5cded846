"""What is installed is named with its version; what isn't is left out."""

from __future__ import annotations

from importlib.metadata import version

from batchscan.stores.machine import versions_of


def test_what_is_not_installed_has_no_version() -> None:
    assert versions_of(("numpy", "no-such-distribution", "zarr")) == {
        "numpy": version("numpy"),
        "zarr": version("zarr"),
    }
