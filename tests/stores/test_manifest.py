from __future__ import annotations

from pathlib import Path

import pytest

from batchscan.domain.errors import ManifestError
from batchscan.domain.geometry import Spacing, SpacingSource
from batchscan.domain.records import SlideRequest
from batchscan.stores.manifest import (
    is_manifest,
    read_manifest,
    read_manifest_lines,
    read_present,
    write_manifest,
)


def _manifest(folder: Path, text: str) -> Path:
    (folder / "a.svs").touch()
    (folder / "b.svs").touch()
    (folder / "a.csv").touch()
    path = folder / "manifest.csv"
    path.write_text(text)
    return path


def test_columns_become_fields_and_the_rest_attributes(tmp_path: Path) -> None:
    path = _manifest(
        tmp_path, "slide_id,path,patient_id,um_per_px,reference,site\nA,a.svs,P1,0.5,a.csv,north\nB,b.svs,,,,\n"
    )
    first, second = read_manifest(path)
    assert first == SlideRequest(
        "A", "P1", tmp_path / "a.svs", Spacing(0.5, SpacingSource.MANIFEST), tmp_path / "a.csv", {"site": "north"}
    )
    assert (second.patient_id, second.spacing, second.reference) == ("B", None, None)


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = _manifest(tmp_path, "\ufeffslide_id,path\nA,a.svs\n")
    assert read_manifest(path)[0].slide_id == "A"


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    rows = read_manifest(_manifest(tmp_path, "slide_id,path,um_per_px,site\nA,a.svs,0.2527,x\nB,b.svs,,\n"))
    write_manifest(tmp_path / "again.csv", rows)
    assert read_manifest(tmp_path / "again.csv") == rows


@pytest.mark.parametrize("text", ["slide_id\nA\n", "path\na.svs\n", "", "a;b\n1;2\n"])
def test_a_missing_column_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(ManifestError, match=r"column (slide_id|path|slide_id and path) is missing"):
        read_manifest(_manifest(tmp_path, text))


def test_every_wrong_row_is_named_with_its_line(tmp_path: Path) -> None:
    path = _manifest(
        tmp_path,
        "slide_id,path,um_per_px\nA,a.svs,\na,b.svs,\nC d,a.svs,\nE,../a.svs,\n"
        "F,none.svs,\nG,a.svs,fine\nH,a.svs,352.8\nI,,\n",
    )
    with pytest.raises(ManifestError) as caught:
        read_manifest(path)
    text = str(caught.value)
    for said in (
        "7 wrong rows",
        "line 3: slide_id 'a' is also on line 2",
        "line 4: slide_id 'C d' has characters",
        "line 5: path '../a.svs' leads out of the manifest's folder",
        "line 6: path 'none.svs' does not exist",
        "line 7: um_per_px 'fine' is not a number",
        "line 8: spacing 352.8 um/px",
        "line 9: path is empty",
    ):
        assert said in text
    assert "\n" not in text


def test_a_symbolic_link_does_not_lead_out(tmp_path: Path) -> None:
    outside = tmp_path / "outside.svs"
    outside.touch()
    folder = tmp_path / "archive"
    folder.mkdir()
    (folder / "link.svs").symlink_to(outside)
    path = folder / "m.csv"
    path.write_text("slide_id,path\nA,link.svs\n")
    with pytest.raises(ManifestError, match="leads out of"):
        read_manifest(path)


@pytest.mark.parametrize("slide_id", ["..", ".", ".a", ".a.ome.zarr"])
def test_an_id_of_a_hidden_file_is_refused(tmp_path: Path, slide_id: str) -> None:
    with pytest.raises(ManifestError, match=r"line 2: slide_id '.*' starts with a dot"):
        read_manifest(_manifest(tmp_path, f"slide_id,path\n{slide_id},a.svs\n"))


def test_an_id_has_a_hundred_characters_at_most(tmp_path: Path) -> None:
    assert read_manifest(_manifest(tmp_path, f"slide_id,path\n{'x' * 100},a.svs\n"))
    with pytest.raises(ManifestError, match=r"1 wrong row: line 2: slide_id 'x+'\.\.\. has 101 characters"):
        read_manifest(_manifest(tmp_path, f"slide_id,path\n{'x' * 101},a.svs\n"))


@pytest.mark.parametrize("slide_id", ["a/b", "", "é", "a\u2028b"])
def test_an_id_that_is_no_plain_name_is_refused(tmp_path: Path, slide_id: str) -> None:
    with pytest.raises(ManifestError, match="has characters other than"):
        read_manifest(_manifest(tmp_path, f"slide_id,path\n{slide_id},a.svs\n"))


def test_no_rows_and_no_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no slides"):
        read_manifest(_manifest(tmp_path, "slide_id,path\n"))
    with pytest.raises(ManifestError, match="can't be read"):
        read_manifest(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("slide_id,path\nA,a.svs,x,y\nB,b.svs\n", "1 wrong row: line 2: has 4 cells, the header 2"),
        ("slide_id,path,\nA,a.svs,\nB,b.svs,north\n", "1 wrong row: line 3: cell 'north' stands in a column without"),
        ("slide_id,path,site,site\nA,a.svs,x,y\n", "line 1: column site is there twice"),
        ("slide_id,path,path\nA,a.svs,b.svs\n", "line 1: column path is there twice"),
        (
            f"slide_id,path,note\nA,a.svs,{'x' * 140_000}\nB,none.svs,\n",
            "2 wrong rows: line 2: isn't CSV (field larger",
        ),
        ('slide_id,path,note\nA,a.svs,x\nB,b.svs,"open\n', "1 wrong row: line 3: isn't CSV (unexpected end of data)"),
        ('slide_id,path,note\nA,a.svs,"two\nlines"\nB,none.svs,\n', "1 wrong row: line 4: path 'none.svs' does not"),
        (
            "slide_id,path\nA,a.svs\n\na,none.svs\n",
            "line 4: slide_id 'a' is also on line 2; give each slide its own; path",
        ),
        ("slide_id,path\nA,none.svs\nA,b.svs\n", "line 3: slide_id 'A' is also on line 2"),
        (f"slide_id,path\nA,{'x' * 5000}\n", "does not exist below"),
        ("slide_id,path\nA,a\0.svs\n", "can't be a path"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ManifestError) as caught:
        read_manifest(_manifest(tmp_path, text))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cell_may_have_any_kind_of_line_break(tmp_path: Path) -> None:
    path = _manifest(tmp_path, 'slide_id,path,note\nA,a.svs,"one\ntwo"\nB,b.svs,one\u2028two\u0085three\n')
    rows = read_manifest(path)
    assert [row.attributes["note"] for row in rows] == ["one\ntwo", "one\u2028two\u0085three"]
    write_manifest(tmp_path / "again.csv", rows)
    assert read_manifest(tmp_path / "again.csv") == rows


def test_what_is_gone_can_be_left_out(tmp_path: Path) -> None:
    path = _manifest(tmp_path, "slide_id,path,reference\nA,none.svs,\nB,b.svs,none.csv\nC,a.svs,a.csv\n")
    found = [(row.slide_id, row.reference) for row in read_present(path)]
    assert found == [("B", None), ("C", tmp_path / "a.csv")]
    path.write_text("slide_id,path\nA,none.svs\nB b,b.svs\n")
    with pytest.raises(ManifestError, match="1 wrong row: line 3"):
        read_present(path)


def test_manifests_are_told_from_other_tables(tmp_path: Path) -> None:
    assert is_manifest(_manifest(tmp_path, "\ufeffpath,site,slide_id\n"))
    assert not is_manifest(_manifest(tmp_path, "id,filename,md5\n"))
    assert not is_manifest(_manifest(tmp_path, ""))
    assert not is_manifest(tmp_path)
    assert not is_manifest(tmp_path / "none.csv")


def test_named_readers_and_slide_labels_are_kept(tmp_path: Path) -> None:
    (tmp_path / "b.csv").touch()
    path = _manifest(
        tmp_path,
        "slide_id,path,reference,reference_ann,reference_b-2,slide_label\n"
        "A,a.svs,a.csv,b.csv,,1\nB,b.svs,,,a.csv,0\nC,a.svs,,,,\n",
    )
    first, second, third = rows = read_manifest(path)
    assert first.references == {"": tmp_path / "a.csv", "ann": tmp_path / "b.csv"}
    assert (first.reference, first.slide_label, first.attributes) == (tmp_path / "a.csv", True, {})
    assert (second.references, second.slide_label) == ({"b-2": tmp_path / "a.csv"}, False)
    assert (third.references, third.slide_label) == ({}, None)
    write_manifest(tmp_path / "again.csv", rows)
    assert read_manifest(tmp_path / "again.csv") == rows
    (tmp_path / "b.csv").unlink()
    assert [list(row.references) for row in read_present(path)] == [[""], ["b-2"], []]


def test_a_wrong_slide_label_and_one_file_of_two_readers_are_named(tmp_path: Path) -> None:
    header = "slide_id,path,reference,reference_ann,slide_label\n"
    path = _manifest(tmp_path, f"{header}A,a.svs,,,yes\nB,b.svs,a.csv,a.csv,\nC,b.svs,,none.csv,\n")
    with pytest.raises(ManifestError) as caught:
        read_manifest(path)
    for said in (
        "line 2: slide_label 'yes' is neither 0",
        "line 3: reference and reference_ann name the same file",
        "line 4: reference_ann 'none.csv' does not exist",
    ):
        assert said in str(caught.value)


@pytest.mark.parametrize("column", ["reference_", "reference_a b", "reference_any", "reference_reference"])
def test_a_reader_has_a_name_that_is_no_rule(tmp_path: Path, column: str) -> None:
    with pytest.raises(ManifestError, match=f"column '{column}' names no reader"):
        read_manifest(_manifest(tmp_path, f"slide_id,path,{column}\nA,a.svs,\n"))


def test_who_needs_no_slides_reads_a_manifest_without_them(tmp_path: Path) -> None:
    path = _manifest(tmp_path, "slide_id,path,reference\nA,gone.svs,a.csv\n")
    ((line, request),) = read_manifest_lines(path, without_slides=True)
    assert (line, request.path, request.reference) == (2, tmp_path / "gone.svs", tmp_path / "a.csv")
    with pytest.raises(ManifestError, match=r"line 2: path 'gone.svs' does not exist"):
        read_manifest_lines(path)
    path.write_text("slide_id,path\nA,../gone.svs\n")
    with pytest.raises(ManifestError, match="leads out"):
        read_manifest_lines(path, without_slides=True)
