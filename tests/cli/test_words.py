"""What the command says of itself and of wrong words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = (
    "demo",
    "doctor",
    "ingest",
    "plan",
    "run",
    "scan",
    "status",
    "report",
    "review",
    "evaluate",
    "compare",
    "train",
    "model",
    "bench",
)


def _batchscan(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "batchscan", *map(str, words)], capture_output=True, text=True, check=False, cwd=cwd
    )


def test_help_names_every_command_and_research_use() -> None:
    done = _batchscan("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert f"\n  {command} " in done.stdout
    assert "Research use only" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    assert _batchscan(command, "--help").stdout.startswith("Usage: batchscan")


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["scan"],
        ["scan", "x"],
        ["scan", "x", "--out", "r", "--threshold", "2"],
        ["scan", "x", "--out", "r", "--neighbours", "9"],
        ["scan", "x", "--out", "r", "--orientations", "3"],
        ["scan", "none.svs", "--out", "r"],
        ["review"],
        ["review", ".", "none.csv"],
        ["review", ".", "--pixels", "other"],
        ["run"],
        ["plan"],
        ["plan", "x", "--workers", "0"],
        ["ingest", "x"],
    ],
)
def test_wrong_words_exit_with_2_and_leave_nothing(words: list[str], tmp_path: Path) -> None:
    done = _batchscan(*words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "none.toml"], "none.toml: can't be read"),
        (["plan", "none.toml"], "none.toml: can't be read"),
        (["status", "none"], "isn't a run folder"),
        (["report", "none"], "holds no results"),
        (["model", "show", "publishd-cnn"], "published-cnn"),
        (["scan", ".", "--out", "r", "--model", "publishd-cnn"], "published-cnn"),
    ],
)
def test_an_error_is_one_line_and_exit_1(words: list[str], said: str, tmp_path: Path) -> None:
    done = _batchscan(*words, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_debug_adds_the_traceback_wherever_it_stands(tmp_path: Path) -> None:
    for words in (["--debug", "status", "none"], ["status", "none", "--debug"]):
        done = _batchscan(*words, cwd=tmp_path)
        assert done.returncode == 1
        assert "Traceback" in done.stderr


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = _batchscan("scan", "empty", "--out", "r", cwd=tmp_path)
    assert done.returncode == 1
    assert "holds no slides" in done.stderr
    assert not (tmp_path / "r").exists()


def test_no_commands_help_is_cut_short() -> None:
    assert "..." not in _batchscan("--help").stdout.split("Commands:")[1]
