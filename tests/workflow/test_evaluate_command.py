"""`batchscan evaluate` as it is typed: what it prints, its exit codes, and what is wrong with its words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from judged_runs import three_slides

from batchscan.cli.evaluate import evaluate
from batchscan.domain.errors import GateError, UsageError
from batchscan.stores.evaluations import EvaluationFolder

pytestmark = pytest.mark.usefixtures("no_paper")


def typed(folder: Path, *words: Any, drop: str = "") -> Result:
    runs, manifest = three_slides(folder)
    if drop:
        kept = [line for line in manifest.read_text().splitlines() if not line.startswith(drop)]
        manifest.write_text("\n".join(kept) + "\n")
    given = [*runs, "--manifest", manifest, "--out", folder / "eval", "--replicates", 200, *words]
    return CliRunner().invoke(evaluate, [str(word) for word in given])


def test_figures_exclusions_and_the_report_are_printed(tmp_path: Path) -> None:
    done = typed(tmp_path)
    assert done.exit_code == 3
    lines = done.stdout.splitlines()
    assert lines[0] == "3 of 4 slides, 2 patients, 35 labelled patches, 6 with IDC"
    assert lines[1].startswith("excluded: S4: ")
    assert any(line.startswith("patches: sensitivity 0.500") for line in lines)
    assert any("too few to be trusted" in line for line in lines)
    assert lines[-1] == str(tmp_path / "eval" / "report.pdf")
    assert (tmp_path / "eval" / "report.pdf").read_bytes().startswith(b"%PDF-")
    assert "slides to judge: 3, excluded: 1" in done.stderr


def test_all_judged_and_every_gate_met_is_success(tmp_path: Path) -> None:
    done = typed(tmp_path, "--gate", "sensitivity.value >= 0.5", drop="S4")
    assert (done.exit_code, "gate met: sensitivity.value >= 0.5" in done.stdout) == (0, True)


def test_a_missed_gate_is_named_and_exits_with_3(tmp_path: Path) -> None:
    done = typed(tmp_path, "--gate", "sensitivity.value >= 0.6", "--gate", "specificity.low >= 0.1", drop="S4")
    assert done.exit_code == 3
    missed = [line for line in done.stdout.splitlines() if line.startswith("gate missed")]
    assert missed[0] == "gate missed: sensitivity.value >= 0.6: it is 0.5"
    assert missed[1].startswith("gate missed: specificity.low >= 0.1")


def test_options_reach_the_evaluation(tmp_path: Path) -> None:
    done = typed(tmp_path, "--prevalence", 0.2, "--slide-score", "max_p", "--seed", 5, "--pictures", 1, drop="S4")
    assert done.exit_code == 0
    found = EvaluationFolder(tmp_path / "eval").read()
    assert (found.settings.prevalences, found.settings.seed) == ((0.2,), 5)
    assert found.settings.slide_score == "greatest p_idc of a patch"
    assert found.levels.patch is not None
    assert [one.prevalence for one in found.levels.patch.at_prevalence] == [0.2]
    assert len(found.failures.patches) == 2
    assert found.provenance.command.startswith("batchscan evaluate north south --manifest manifest.csv --out eval")


def test_wrong_words_are_errors_of_their_own(tmp_path: Path) -> None:
    assert isinstance(typed(tmp_path, "--gate", "sensitivity >= 0.6").exception, GateError)
    assert isinstance(typed(tmp_path, "--readers", "nobody").exception, UsageError)
    assert isinstance(typed(tmp_path, "--prevalence", "nan").exception, UsageError)
    assert not (tmp_path / "eval").exists()


@pytest.mark.parametrize("words", [("--prevalence", "0"), ("--replicates", "10"), ("--outlines", "some")])
def test_numbers_and_choices_are_checked_by_the_command_line(tmp_path: Path, words: tuple[str, str]) -> None:
    assert typed(tmp_path, *words).exit_code == 2
