"""Reports and runs that somebody has changed, each in another way: what is said of them."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cohort_runs import result
from pypdf import PdfReader, PdfWriter
from pypdf.annotations import FreeText
from pypdf.generic import DictionaryObject, NameObject
from verified_runs import WHEN, card, print_again, rewritten, true_result, verified_run, with_enclosed

from batchscan.domain.errors import DamagedResult, OutputError, UnverifiableReport
from batchscan.domain.verified import Verdict, Verified
from batchscan.report.render import render_slide_report
from batchscan.stores.enclosures import Enclosures, read_enclosures
from batchscan.stores.open_files import write_open_files
from batchscan.stores.pictures import read_pictures
from batchscan.stores.results import RunFolder, read_result
from batchscan.workflow.checked_report import Nearby, checked_report, checked_result
from batchscan.workflow.printing import renew_digest
from batchscan.workflow.verify import RunOpened, verify_report, verify_run

ALONE = Nearby(None, None, {})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return verified_run(tmp_path_factory.mktemp("verified") / "run", "S1")


@pytest.fixture
def report(run: RunFolder, tmp_path: Path) -> Path:
    """A copy, away from its run."""
    out = tmp_path / "copy.pdf"
    out.write_bytes((run.slide("S1") / "report.pdf").read_bytes())
    return out


@pytest.fixture
def copied(run: RunFolder, tmp_path: Path) -> RunFolder:
    """The run once more, to be spoilt."""
    return RunFolder(shutil.copytree(run.path, tmp_path / "run"))


def checked(path: Path) -> Verified:
    """In this process, without what guards it."""
    return checked_report(path, ALONE, lambda _: None)


def wrong(verified: Verified) -> set[str]:
    return {finding.what for finding in verified.differing}


def edited_json(content: bytes, edit: Callable[[Any], object]) -> bytes:
    data = json.loads(content)
    edit(data)
    return json.dumps(data).encode()


def said(verified: Verified, what: str) -> tuple[Verdict, str]:
    (found,) = (one for one in verified.findings if one.what == what)
    return found.verdict, found.words


def enclosed(report: Path, name: str) -> bytes:
    return next(one.content for one in PdfReader(report).attachment_list if one.name == name)


def test_a_report_agrees_with_itself_anywhere(report: Path) -> None:
    verified = verify_report(report)
    assert wrong(verified) == set()
    left_out = {finding.what for finding in verified.findings if finding.verdict is Verdict.NOT_CHECKED}
    assert left_out == {"model on disk", "slide on disk", "signature"}
    said = {finding.what: finding.words for finding in verified.findings}
    # By another route: 100 px of 4 um are 0.4 mm a side; (0, 0), (0, 1), (1, 0) whole, (1, 3) half on the slide.
    assert said["IDC-positive area"] == "0.56 mm\u00b2"
    assert said["counts of patches"] == "grid 12, tissue 11, positive 4, borderline 0, unreadable 1"
    assert said["foci"] == "2"
    assert "as each of" in said["data digest"]


def test_a_run_agrees_with_its_files(run: RunFolder) -> None:
    opened, verified = verify_run(run.path)
    assert opened == RunOpened(1)
    assert isinstance(verified, Verified)
    assert wrong(verified) == set()
    assert {"patches.parquet in the run folder", "heatmap.png", "page one: answer"} <= {
        finding.what for finding in verified.findings
    }


@pytest.mark.parametrize("name", ["card.json", "patches.parquet", "regions.geojson", "result.json"])
def test_a_changed_byte_in_an_attachment_is_found(report: Path, name: str) -> None:
    content = bytearray(enclosed(report, name))
    content[len(content) // 2] ^= 1
    assert f"sha256 of {name}" in wrong(checked(with_enclosed(report, name, bytes(content))))


def test_a_list_of_hashes_that_was_made_to_fit_is_not_what_the_pages_say(report: Path) -> None:
    files = {one.name: one.content for one in PdfReader(report).attachment_list if one.name != "SHA256SUMS"}
    files["result.json"] += b"\n"
    forged = with_enclosed(report, "result.json", files["result.json"])
    forged = with_enclosed(forged, "SHA256SUMS", Enclosures(files).sums)
    assert wrong(checked(forged)) == {"data digest", "every byte of the PDF"}


def test_a_number_changed_before_printing_is_not_what_the_patch_table_comes_to(copied: RunFolder) -> None:
    path = copied.slide("S1") / "result.json"
    path.write_bytes(edited_json(path.read_bytes(), lambda data: data["extent"].update(idc_mm2=0.08)))
    verified = checked(print_again(copied, "S1"))
    assert {"IDC-positive area", "page one: IDC-positive area", "page one: answer"} <= wrong(verified)
    assert "sha256 of result.json" not in wrong(verified)
    said = next(finding.words for finding in verified.differing if finding.what == "IDC-positive area")
    assert said == "the result says 0.08 mm\u00b2, its patch table comes to 0.56 mm\u00b2"


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (lambda data: data.update(threshold=0.65), "counts of patches"),
        (lambda data: data["slide"].update(um_per_px=4.5), "field extent"),
        (lambda data: data["slide"].update(fingerprint="sha256:" + "0" * 64), "digest of the scan"),
        (lambda data: data["slide"].update(patient_id="P9"), "digest of the result"),
        (lambda data: data["model"].update(sha256="0" * 64), "model's card"),
        (lambda data: data["extent"]["foci"][0].update(mean_p=0.99), "each focus"),
        (lambda data: data["extent"].update(touches_edge=False), "reaches the slide's edge"),
        (lambda data: data["extent"].update(n_foci=True), "foci"),
        (lambda data: data["slide"].update(slide_id="../../etc"), "result enclosed"),
        (lambda data: data["slide"].update(width_px=10**12, height_px=10**12), "result enclosed"),
        (lambda data: data.update(schema_version=99), "result enclosed"),
    ],
)
def test_every_part_of_a_result_is_held_against_the_rest(
    report: Path, edit: Callable[[Any], object], what: str
) -> None:
    changed = with_enclosed(report, "result.json", edited_json(enclosed(report, "result.json"), edit))
    assert what in wrong(checked(changed))


def test_scores_and_outlines_are_held_against_the_rest(report: Path) -> None:
    table = pq.read_table(pa.BufferReader(enclosed(report, "patches.parquet")))
    p_idc = table["p_idc"].to_numpy(zero_copy_only=False).copy()
    p_idc[0] = 0.01
    place = table.schema.get_field_index("p_idc")
    sink = pa.BufferOutputStream()
    pq.write_table(table.set_column(place, "p_idc", pa.array(p_idc)), sink)
    changed = with_enclosed(report, "patches.parquet", sink.getvalue().to_pybytes())
    assert "p(IDC) of each patch" in wrong(checked(changed))
    moved = edited_json(
        enclosed(report, "regions.geojson"),
        lambda data: data["features"][0]["geometry"]["coordinates"][0][1].__setitem__(0, 201.0),
    )
    what, words = "outlines of the foci", "regions.geojson has others than the patch table comes to"
    assert said(checked(with_enclosed(report, "regions.geojson", moved)), what) == (Verdict.DIFFERS, words)
    words = "regions.geojson has those that the patch table comes to"
    assert said(checked(report), what) == (Verdict.AGREES, words)


def test_what_differs_says_what_was_found_and_what_was_expected(report: Path) -> None:
    other = edited_json(enclosed(report, "result.json"), lambda data: data["model"].update(sha256="0" * 64))
    verified = checked(with_enclosed(report, "result.json", other))
    words = f"{card().name} {card().version}, weights {card().weights_sha256}"
    assert said(verified, "model's card") == (Verdict.DIFFERS, f"{words}; the result has {'0' * 64}")
    assert said(checked(report), "model's card") == (Verdict.AGREES, words)
    sha256 = hashlib.sha256(other).hexdigest()
    assert said(verified, "sha256 of result.json") == (Verdict.DIFFERS, f"{sha256}, which SHA256SUMS doesn't say")


def test_a_table_of_more_patches_than_the_slide_has_is_not_unpacked(report: Path) -> None:
    table = pq.read_table(pa.BufferReader(enclosed(report, "patches.parquet")))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.concat_tables([table] * 2), sink)
    changed = checked(with_enclosed(report, "patches.parquet", sink.getvalue().to_pybytes()))
    (found,) = (one for one in changed.differing if one.what == "result enclosed")
    assert "patches.parquet has 22 patches, the slide's grid 12" in found.words


def test_a_page_of_other_numbers_is_found(run: RunFolder, tmp_path: Path) -> None:
    other = replace(result("S1", ((0.9, 0.9, 0.9, 0.1),) * 3), digest=true_result("S1").digest)
    folder, out = run.slide("S1"), tmp_path / "other.pdf"
    enclosures = read_enclosures(folder, card())
    render_slide_report(other, card(), read_pictures(folder), out, WHEN, enclosures=enclosures)
    found = wrong(checked(out))
    assert "page one: IDC-positive area" in found
    assert {what for what in found if not what.startswith("page one: ")} == set()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda pdf: pdf.root_object["/Names"].update({NameObject("/JavaScript"): DictionaryObject()}), "scripts"),
        (lambda pdf: pdf.root_object.update({NameObject("/OpenAction"): DictionaryObject()}), "an action on opening"),
        (
            lambda pdf: pdf.add_annotation(0, FreeText(text="0 mm\u00b2", rect=(50, 550, 200, 650))),
            "notes laid over its pages",
        ),
    ],
)
def test_what_was_added_to_a_report_is_found(report: Path, change: Callable[[PdfWriter], object], what: str) -> None:
    (found,) = (one for one in checked(rewritten(report, change)).findings if one.what == "nothing added to the PDF")
    assert (found.verdict, found.words) == (Verdict.DIFFERS, what)


def test_a_page_that_was_taken_out_is_missed(report: Path) -> None:
    assert "pages" in wrong(checked(rewritten(report, lambda pdf: pdf.remove_page(len(pdf.pages) - 1))))


def test_a_changed_byte_anywhere_is_found(report: Path) -> None:
    """Also in a picture, of which nothing else is compared."""
    content = bytearray(report.read_bytes())
    content[content.index(b"/Subtype /Image") + 2000] ^= 1
    report.write_bytes(content)
    assert wrong(checked(report)) == {"every byte of the PDF"}


def test_a_revision_and_a_foreign_attachment_are_found(report: Path) -> None:
    writer = PdfWriter(report, incremental=True)
    writer.add_metadata({"/Title": "another"})
    revised = report.with_name("revised.pdf")
    writer.write(revised)
    assert "nothing added to the PDF" in wrong(checked(revised))
    (found,) = (one for one in checked(with_enclosed(report, "run.sh", b"x")).differing if one.what == "attachments")
    assert found.words == "run.sh is none of a report's"


@pytest.mark.parametrize(
    ("spoil", "what", "words"),
    [
        (lambda folder: (folder / "report.pdf").unlink(), "report.pdf", "can't be read"),
        (lambda folder: (folder / "report.pdf").write_bytes(b"%PDF-1.7\n"), "report.pdf", "can't be read as a PDF"),
        (lambda folder: (folder / "heatmap.png").unlink(), "heatmap.png", "missing"),
        (lambda folder: (folder / "regions.geojson").unlink(), "its files", "regions.geojson"),
        (lambda folder: (folder / "patches.parquet").write_bytes(b"PAR1"), "its files", "can't be read"),
        (
            lambda folder: (folder / "result.json").write_text((folder / "result.json").read_text() + "\n"),
            "result.json in the run folder",
            "other bytes",
        ),
    ],
)
def test_a_spoilt_result_of_a_run_is_named(
    copied: RunFolder, spoil: Callable[[Path], object], what: str, words: str
) -> None:
    spoil(copied.slide("S1"))
    verified = checked_result(copied.path, "S1", ALONE, lambda _: None, with_report=True)
    assert any(one.what == what and words in one.words for one in verified.differing), verified.differing


def test_what_other_programs_open_is_held_against_the_result(copied: RunFolder) -> None:
    folder = copied.slide("S1")
    names = ("qupath.geojson", "foci.csv", "heatmap.ome.zarr")

    def verdicts() -> list[Verdict]:
        found = checked_result(copied.path, "S1", ALONE, lambda _: None, with_report=True).findings
        return [one.verdict for one in found if one.what in names]

    assert verdicts() == [Verdict.NOT_CHECKED] * 3
    write_open_files(folder, read_result(folder))
    assert verdicts() == [Verdict.AGREES] * 3
    for changed in (folder / "qupath.geojson", folder / "foci.csv", folder / "heatmap.ome.zarr/zarr.json"):
        changed.write_bytes(changed.read_bytes() + b"\n")
    assert verdicts() == [Verdict.DIFFERS] * 3


@pytest.mark.parametrize("facts", [{}, {"name": "n", "started": "", "model": {}, "job": {}}])
def test_a_run_json_that_lacks_something_is_damaged_and_hinders_no_report(
    copied: RunFolder, facts: dict[str, object]
) -> None:
    (copied.path / "run.json").write_text(json.dumps(facts))
    for use in (lambda: list(verify_run(copied.path)), lambda: renew_digest(copied)):
        with pytest.raises(DamagedResult, match=r"run\.json .*run the job again"):
            use()
    assert wrong(verify_report(copied.slide("S1") / "report.pdf")) == set()


def test_a_result_that_is_gone_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    run = verified_run(tmp_path / "run", "S1", "S2", printed=False)
    (run.slide("S1") / "result.json").unlink()
    _, gone, there = verify_run(run.path)
    assert isinstance(gone, Verified)
    assert isinstance(there, Verified)
    assert (gone.subject, wrong(gone)) == ("S1", {"result"})
    assert (there.subject, wrong(there)) == ("S2", set())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "isn't a PDF"),
        (b"PK\3\4", "isn't a PDF"),
        (b"%PDF-1.7\n" + b"\0" * 1000, "can't be read as a PDF"),
        (
            b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF",
            "can't be read as a PDF|encloses no",
        ),
    ],
)
def test_what_is_no_report_is_refused_in_one_line(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(content)
    with pytest.raises(UnverifiableReport, match=words) as caught:
        checked(path)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no run folder"):
        list(verify_run(tmp_path))


def test_what_one_finding_says_is_one_plain_line(report: Path) -> None:
    changed = with_enclosed(report, "\x1b[31mevil\n.txt", b"x")
    assert all(re.fullmatch(r"[^\x00-\x1f]*", one.what + one.words) for one in checked(changed).findings)
