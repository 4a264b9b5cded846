"""`batchscan review` as it is typed."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "workflow"))
from cohort_runs import result
from reviewed_runs import reviewed_run

from batchscan.cli.main import main


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    reviewed_run(tmp_path / "run", result("S1"), result("S2"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str], str]:
    """Exit code, lines on stdout, and stderr."""
    with pytest.raises(SystemExit) as ended:
        main(["review", *words])
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.out.splitlines(), said.err


def answer(form: Path, *verdicts: str) -> None:
    with form.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    with form.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "verdict": verdict} for row, verdict in zip(rows, verdicts, strict=True))


def test_from_the_form_to_the_state_and_the_labels(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(capsys, "run", "--form", "form.csv", "--slide", "S2") == (0, ["foci to review: 2", "form.csv"], "")
    answer(run / "form.csv", "agree", "disagree")
    code, out, _ = typed(capsys, "run", "form.csv", "--reviewer", "A")
    assert (code, out) == (0, ["kept: 1 agree, 1 disagree; slides: 1"])
    code, out, _ = typed(capsys, "run", "form.csv", "--reviewer", "A")
    assert (code, out) == (0, ["kept: nothing new; slides: 0", "said before in the same words: 2"])
    code, (line,), _ = typed(capsys, "run", "form.csv", "--reviewer", "B", "--json")
    assert json.loads(line) == {
        "kept": {"agree": 1, "disagree": 1, "unsure": 0, "missed": 0, "redrawn": 0},
        "slides": ["S2"],
        "said_before": 0,
        "left_as_they_were": 0,
        "drawn_of_other_classes": 0,
    }
    code, out, _ = typed(capsys, "run", str(run / "run" / "slides" / "S1" / "qupath.geojson"), "--reviewer", "A")
    assert (code, out[1]) == (
        0,
        "foci left as they were: 2; they say nothing, unless --all-looked-at says that they do",
    )
    code, out, _ = typed(capsys, "run")
    assert out[0].endswith("foci reviewed: 1 agreed, 1 disagreed, 0 divided, 0 unsure; regions missed: 0")
    assert out[1:] == ["reviewers: A, B", "  S2: 2 of 2"]
    code, (line,), _ = typed(capsys, "run", "--json")
    assert json.loads(line)["slides"][0]["disagreed"] == 1
    (run / "run" / "stores" / "S2.ome.zarr").mkdir(parents=True)
    assert typed(capsys, "run", "--corrections", "run/c.csv") == (0, ["slides with labels: 1", "run/c.csv"], "")
    assert (run / "run" / "c.outlines" / "S2.geojson").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "run/slides/S1/foci.csv"], "has no columns slide_id, focus_id, verdict"),
        (["run", "run/run.json", "--reviewer", "A"], "run.json"),
    ],
)
def test_what_is_wrong_is_one_line(run: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    (run / "run" / "run.json").write_text("{}")
    code, out, err = typed(capsys, *words, *([] if "--reviewer" in words else ["--reviewer", "A"]))
    assert (code, out, err.count("\n")) == (1, [], 1)
    assert said in err


def test_one_errand_at_a_time_and_a_name_for_it(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    typed(capsys, "run", "--form", "form.csv")
    assert (run / "form.csv").is_file()
    code, _, err = typed(capsys, "run", "form.csv", "--form", "other.csv")
    assert (code, "one at a time" in err) == (2, True)
    code, _, err = typed(capsys, "run", "form.csv")
    assert (code, "--reviewer" in err) == (2, True)
    code, _, err = typed(capsys, "run", "form.csv", "--reviewer", "A", "--slide", "S1", "--slide", "S2")
    assert (code, "give one" in err) == (2, True)
    code, _, err = typed(capsys, "run", "--form", "other.csv", "--json")
    assert (code, "--json is for" in err) == (2, True)
    code, _, err = typed(capsys, ".")
    assert (code, "isn't a run folder" in err) == (1, True)
