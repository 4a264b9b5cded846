"""Two evaluations become the folder of a comparison; counts by hand, and what may not be compared."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from compared_runs import WHEN, evaluated, labels_and_scores, rewrite
from pypdf import PdfReader

from batchscan.cli.compare import compare
from batchscan.domain.compared import Comparison
from batchscan.domain.errors import DamagedResult, NotComparable, OutputError, UsageError
from batchscan.stores.comparisons import ComparisonFolder
from batchscan.stores.evaluations import EvaluationFolder
from batchscan.workflow.compare import (
    CompareOptions,
    ComparisonMade,
    ComparisonPlanned,
    FiguresBegun,
    SlideCompared,
    compare_evaluations,
)

pytestmark = pytest.mark.usefixtures("no_paper")

LABELS, SCORES = labels_and_scores()
Pair = tuple[Path, Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Two evaluations of six slides; nothing may be changed in them."""
    root = tmp_path_factory.mktemp("pair")
    folders = tuple(
        evaluated(root / name, [scores[side] for scores in SCORES], LABELS) for side, name in enumerate(("old", "new"))
    )
    for folder in folders:
        rewrite(
            folder,
            EvaluationFolder(folder).read(),
            score=lambda row: row.found_mm2,
            called=lambda row: row.found_mm2 > 0,
        )
    return folders[0], folders[1]


@pytest.fixture
def pair(made: Pair, tmp_path: Path) -> Pair:
    """Copies that may be changed."""
    copies = tmp_path / "A", tmp_path / "B"
    for old, new in zip(made, copies, strict=True):
        shutil.copytree(old, new)
    return copies


def compared(pair: Pair, out: Path, **options: Any) -> Comparison:
    (*_, ended) = compare_evaluations(*pair, out, CompareOptions(replicates=200, **options), "batchscan compare", WHEN)
    assert isinstance(ended, ComparisonMade)
    assert ComparisonFolder(ended.folder).read() == ended.comparison
    return ended.comparison


@pytest.mark.usefixtures("on_paper")
def test_the_folder_holds_record_and_pages(made: Pair, tmp_path: Path) -> None:
    out = tmp_path / "c"
    seen = list(compare_evaluations(*made, out, CompareOptions(("auroc=0.02",), 200), "batchscan compare", WHEN))
    assert seen[0] == ComparisonPlanned(6)
    assert seen[1:7] == [SlideCompared(f"S{i}", 12) for i in range(1, 7)]
    assert seen[7] == FiguresBegun(6)
    assert sorted(path.name for path in out.iterdir()) == ["comparison.json", "index.html", "report.pdf"]
    first = PdfReader(out / "report.pdf").pages[0].extract_text()
    assert "Research use only" in first
    assert "Is B no worse than A?" in " ".join(page.extract_text() for page in PdfReader(out / "report.pdf").pages)
    html = (out / "index.html").read_text("utf-8")
    assert "Comparison c" in html
    assert "<script" not in html
    # Nothing of the machine: only names of folders.
    assert str(tmp_path) not in html + (out / "comparison.json").read_text()


def test_calls_and_extents_are_those_of_both(made: Pair, tmp_path: Path) -> None:
    found = compared(made, tmp_path / "c")
    label = np.array([[one[row, col] for row in range(3) for col in range(4)] for one in LABELS], dtype=bool)
    called = [np.array([np.ravel(one[side]) for one in SCORES]) >= 0.5 for side in (0, 1)]
    patch = found.levels.patch
    assert patch is not None
    assert (patch.first.tp, patch.second.tp) == tuple(int((label & one).sum()) for one in called)
    assert (patch.first.fp, patch.second.fp) == tuple(int((~label & one).sum()) for one in called)
    assert patch.idc.only_second == int((label & called[1] & ~called[0]).sum()) > 0
    assert [one.n_changed for one in found.per_slide] == (called[0] != called[1]).sum(axis=1).tolist()
    rows = [EvaluationFolder(folder).read().extent.per_slide for folder in made]
    errors = [np.mean([abs(row.found_mm2 - row.reference_mm2) for row in side]) for side in rows]  # type: ignore[operator]
    area = found.extent["area_error_mm2"]
    assert [area.first, area.second, area.value] == pytest.approx([*errors, errors[1] - errors[0]])
    slide = found.levels.slide
    assert slide is not None
    assert (slide.n, slide.independent) == (6, True)
    assert slide.first.tp + slide.first.fn == 5
    assert (found.n_slides, found.n_patients) == (6, 6)
    assert found.unpaired.patches_only_first == 0


def test_one_against_itself_is_no_worse_and_says_so(made: Pair, tmp_path: Path) -> None:
    found = compared((made[0], made[0]), tmp_path / "c", margins=("auroc=0.01", "sensitivity=0.01"))
    assert [(one.shown, one.limit) for one in found.noninferiority] == [(True, None), (True, None)]
    assert {one.value for name, one in found.figures() if one.value is not None and name.startswith("patch")} == {0.0}
    assert "A and B are the same evaluation" in (tmp_path / "c" / "index.html").read_text("utf-8")


def test_the_same_gives_the_same_digest_and_another_seed_another(made: Pair, tmp_path: Path) -> None:
    first = compared(made, tmp_path / "one")
    assert compared(made, tmp_path / "two").digest == first.digest
    assert compared(made, tmp_path / "two", seed=1).digest != first.digest
    assert compared((made[1], made[0]), tmp_path / "two").digest != first.digest


def test_slides_that_only_one_has_are_named_and_left_out_on_request(made: Pair, tmp_path: Path) -> None:
    fewer = evaluated(tmp_path / "fewer", [scores[1] for scores in SCORES[:5]], LABELS[:5])
    with pytest.raises(NotComparable, match=r"only A has: S6: .*--intersection"):
        compared((made[0], fewer), tmp_path / "c")
    assert not (tmp_path / "c").exists()
    found = compared((made[0], fewer), tmp_path / "c", intersection=True)
    assert found.unpaired.slides_only_first == ("S6",)
    assert found.unpaired.patches_only_first == 12
    assert (found.n_slides, found.levels.patch.n) == (5, 60)  # type: ignore[union-attr]
    assert "1 slide and 12 patches that only A has" in (tmp_path / "c" / "index.html").read_text("utf-8")
    # Rows of S6 are in no figure: neither of its own, nor of patients.
    assert [one.slide_id for one in found.per_slide] == ["S1", "S2", "S3", "S4", "S5"]


def test_other_labels_are_refused(tmp_path: Path, made: Pair) -> None:
    labels = [dict(one) for one in LABELS]
    labels[2][1, 3] = 1 - labels[2][1, 3]
    other = evaluated(tmp_path / "other", [scores[1] for scores in SCORES], labels)
    with pytest.raises(NotComparable, match=r"1 of 12 patches of slide S3 .*\(row 1, col 3\) at \(300, 100\) px"):
        compared((made[0], other), tmp_path / "c")


def test_without_scores_of_slides_only_patches_are_compared(pair: Pair, tmp_path: Path) -> None:
    rewrite(pair[1], EvaluationFolder(pair[1]).read(), score=None)
    found = compared(pair, tmp_path / "c", margins=("slide.auroc=0.1",))
    assert found.levels.slide is None
    assert "no slide that both have" in found.levels.why["slide"]
    assert (found.noninferiority[0].shown, found.noninferiority[0].why) == (False, found.levels.why["slide"])


def test_only_a_comparison_is_replaced_and_an_evaluation_must_be_whole(pair: Pair, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="isn't the folder of a comparison"):
        compared(pair, pair[0])
    assert (pair[0] / "evaluation.json").exists()
    compared(pair, tmp_path / "c")
    assert compared(pair, tmp_path / "c", seed=2).seed == 2
    (pair[1] / "patches.parquet").write_bytes(b"PAR1")
    with pytest.raises(DamagedResult, match=r"patches\.parquet"):
        compared(pair, tmp_path / "c")
    assert ComparisonFolder(tmp_path / "c").read().seed == 2
    (pair[1] / "evaluation.json").write_text("{}")
    with pytest.raises(DamagedResult, match=r"evaluation\.json"):
        compared(pair, tmp_path / "c")


def typed(*words: Any) -> Result:
    return CliRunner().invoke(compare, [str(word) for word in words])


def test_the_command_prints_differences_and_exits_with_0_when_margins_are_kept(made: Pair, tmp_path: Path) -> None:
    done = typed(*made, "--out", tmp_path / "c", "--replicates", 200, "--margin", "auroc=0.5")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "A eval, B eval: 6 slides, 6 patients, 72 patches; B less A"
    assert lines[1].startswith("patches: sensitivity +0.")
    assert "non-inferiority shown: patch.auroc, margin 0.5" in lines
    assert lines[-1] == str(tmp_path / "c" / "report.pdf")
    found = ComparisonFolder(tmp_path / "c").read()
    assert found.command == "batchscan compare eval eval --out c --margin auroc=0.5 --replicates 200"


def test_a_margin_that_is_not_kept_is_named_and_exits_with_3(made: Pair, tmp_path: Path) -> None:
    words = (made[1], made[0], "--out", tmp_path / "c", "--replicates", 200, "--margin", "auroc=0.01")
    done = typed(*words, "--margin", "brier=0.5")
    assert done.exit_code == 3
    assert "non-inferiority shown: patch.brier, margin 0.5" in done.stdout
    (missed,) = [line for line in done.stdout.splitlines() if line.startswith("non-inferiority worse")]
    assert "patch.auroc, margin 0.01: B less A is -0." in missed


def test_a_wrong_margin_stops_before_anything_is_read(tmp_path: Path) -> None:
    done = typed("none", "none", "--out", tmp_path / "c", "--margin", "aurok=0.01")
    assert isinstance(done.exception, UsageError)
    assert "did you mean auroc" in str(done.exception)
    assert list(tmp_path.iterdir()) == []
