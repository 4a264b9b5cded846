"""A folder as nobody should send it: names that pages, spreadsheets and terminals trip over; a patient's name inside.

One slide has it wherever a scanner or a person may put one: description, date, label and macro image, attributes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from slide_files import tissue_like
from store_files import edit_json, write_foreign

SECRETS = ("Jane", "19531224", "Doe", "jane")
# No tissue, no glass and no ink of a report's is of this colour.
LABEL_RGB = (3, 251, 17)

NAMES: dict[bytes, str] = {
    b"<script>alert(1)<a>.svs": "_script_alert_1__a_",
    b"'quoted' \"b\".svs": "_quoted___b_",
    b"new\nline c.svs": "new_line_c",
    b"\x1b[2Jclear d.svs": "__2Jclear_d",
    b"=cmd|' !A0' e.svs": "_cmd____A0__e",
    b"-rf f.svs": "rf_f",
    b"@SUM(1+1) g.svs": "_SUM_1_1__g",
    b"a..%2f..%2fh.svs": "a.._2f.._2fh",
    b"bad \xff\xfe bytes i.svs": "bad____bytes_i",
    "rtl \u202egvs j.svs".encode(): "rtl__gvs_j",
    "e\u0301 combining k.svs".encode(): "e__combining_k",
    "😀 l.svs".encode(): "__l",
    "Ａ wide m.svs".encode(): "__wide_m",  # noqa: RUF001 - that is what is tried
    b"CON.svs": "slide_CON",
    b"{{7*7}} ${x} o.svs": "__7_7_____x__o",
    b"x" * 240 + b".svs": "x" * 100,
}
"""Names of files -> their slides' ids. Worked out by hand: what isn't a letter, digit, dot or dash becomes `_`."""


def write_hostile_folder(folder: Path) -> None:
    """Each of the names on a file that is no slide, and two slides with secrets."""
    folder.mkdir()
    for name in NAMES:
        (Path(os.fsdecode(os.fsencode(folder) + b"/" + name))).write_text("Jane Doe, 19531224: this is no slide")
    write_secret_slide(folder / "secret.svs")
    write_secret_store(folder / "foreign.zarr")


def write_secret_slide(path: Path) -> None:
    """Aperio's layout: a tiled level, a thumbnail, then label and macro in strips."""
    about = "Aperio Image Library v1\r\n400x400|AppMag = 20|MPP = 4.0|Patient = Jane Doe|Date = 19531224|Title = Doe"
    image = np.full((300, 200, 3), LABEL_RGB, np.uint8)
    with tifffile.TiffWriter(path) as writer:
        kept: dict[str, Any] = {"photometric": "rgb", "metadata": None}
        said = {
            "software": "Jane Doe",
            "datetime": "1953:12:24 19:53:12",
            "extratags": [(315, "s", 0, "Jane Doe", True)],
        }
        writer.write(tissue_like(400, 400), tile=(256, 256), description=about, **said, **kept)
        writer.write(image, rowsperstrip=16, description="Aperio Image Library v1\r\nthumbnail Jane", **kept)
        for kind, subfiletype in (("label", 1), ("macro", 9)):
            about = f"Aperio Image Library v1\r\n{kind} 200x300|Patient = Jane Doe"
            writer.write(image, rowsperstrip=16, description=about, subfiletype=subfiletype, **kept)


def write_secret_store(path: Path) -> None:
    """Another program's store, with a label image and names in every document."""
    write_foreign(path, [tissue_like(120, 120).transpose(2, 0, 1)], um=(4.0,))
    write_foreign(path / "labels", [np.full((3, 50, 50), 17, np.uint8)], um=(4.0,))

    def name_somebody(found: dict[str, Any]) -> None:
        attributes = found["attributes"]
        attributes.update(patient="Jane Doe", PatientBirthDate="19531224", batchscan={"writer": "Jane Doe"})
        attributes["ome"].update(creator="Jane Doe", omero={"name": "Jane Doe"})
        attributes["ome"]["multiscales"][0].update(name="Jane Doe")

    edit_json(path / "zarr.json", name_somebody)
    edit_json(path / "0/zarr.json", lambda found: found["attributes"].update(patient="Jane Doe"))
    (path / "OME").mkdir()
    (path / "OME/METADATA.ome.xml").write_text("<OME><Experimenter LastName='Doe' FirstName='Jane'/></OME>")
