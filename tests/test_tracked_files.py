"""What a file of the project may hold: no large lump, no path or registry of one machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_MB = 20

# Written so that none of these lines is found by itself.
OF_ONE_MACHINE = re.compile(
    r"(?<![\w.])/(work|root|farm)/|file:[/]{3}\w|index[-]url|find[-]links|pypi\.org/simple|python[h]osted|deb\.debian"
)


def machine_words(text: str) -> list[str]:
    """The lines, each with its number, that name a path or a registry of one machine."""
    lines = enumerate(text.splitlines(), start=1)
    return [f"{number}: {line.strip()}" for number, line in lines if OF_ONE_MACHINE.search(line)]


def large_files(files: list[Path], limit_mb: float) -> list[str]:
    """The names of the files over `limit_mb` million bytes."""
    return [file.name for file in files if file.stat().st_size > limit_mb * 1e6]


def project_files() -> list[Path]:
    """What git tracks, and what it would track at the next `git add`."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_file_is_large() -> None:
    assert large_files(project_files(), MAX_MB) == []


def test_no_text_is_about_one_machine() -> None:
    faults = []
    for path in project_files():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        faults += [f"{path.relative_to(ROOT)}:{line}" for line in machine_words(text)]
    assert not faults, "\n".join(faults)


def test_a_machine_word_is_found() -> None:
    bad = [f"open('/{folder}/x')" for folder in ("work", "root", "farm")]
    bad += [f"--index{'-'}url x", f"file:{'/' * 3}opt", f"https://files.python{'hosted'}.org/x"]
    good = [f"home{'work'}/{'root'}/x", f"docs/{'work'}/", "the root of the tree"]
    assert machine_words("\n".join([*good, *bad])) == [f"{4 + i}: {line}" for i, line in enumerate(bad)]


def test_a_large_file_is_found(tmp_path: Path) -> None:
    for name, size in (("at_limit", 1000), ("over", 1001)):
        (tmp_path / name).write_bytes(bytes(size))
    assert large_files(sorted(tmp_path.iterdir()), 0.001) == ["over"]
