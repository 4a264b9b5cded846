"""A result -> what other programs open of it, each made of the stored result alone: QuPath, napari, tables.

`regions.geojson` is part of the result itself, and in the store's pixels; what QuPath mostly shows is the file that the
store was made from, which may have more.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from batchscan.domain.errors import OutputError
from batchscan.domain.records import SlideResult
from batchscan.stores.foci_tables import FOCI, write_foci
from batchscan.stores.heat_maps import HEAT_MAP, write_heat_map
from batchscan.stores.regions import frame_of_file, write_regions
from batchscan.stores.staging import SUFFIX, swap_in, sync_tree

QUPATH = "qupath.geojson"
OPEN_FILES = (QUPATH, FOCI, HEAT_MAP)


def write_open_files(folder: Path, result: SlideResult) -> None:
    """Write qupath.geojson, foci.csv and heatmap.ome.zarr into a folder that is nobody's result yet.

    Raises
    ------
    OutputError
        If one can't be written.
    """
    slide = result.slide
    frame = frame_of_file(slide.source_downsample)
    decided_by = (result.model, result.settings, result.scan_digest)
    write_regions(folder / QUPATH, slide.slide_id, result.extent.foci, *decided_by, frame)
    write_foci(folder / FOCI, result)
    write_heat_map(folder / HEAT_MAP, result)


def renew_open_files(folder: Path, result: SlideResult) -> None:
    """The same in the folder of a committed result; each is there whole, or as it was.

    Raises
    ------
    OutputError
        If one can't be written.
    """
    try:
        # What a kill leaves there is removed by the next run.
        with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.", suffix=SUFFIX) as place:
            staged = Path(place)
            write_open_files(staged, result)
            sync_tree(staged)
            for name in (QUPATH, FOCI):
                (staged / name).replace(folder / name)
            swap_in(staged / HEAT_MAP, folder / HEAT_MAP)
    except OSError as error:
        raise OutputError(
            f"{folder}: can't be written ({error.strerror or error}): check permissions and free space"
        ) from error
