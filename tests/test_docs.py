"""What the documents promise is there: commands, options, make targets, files."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from batchscan.cli.main import commands
from batchscan.stores.foci_tables import COLUMNS, FOCI
from batchscan.stores.heat_maps import HEAT_MAP
from batchscan.stores.open_files import QUPATH
from batchscan.stores.results import HEATMAP, PATCHES, REGIONS, REPORT, RESULT

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/clusters.md",
    "docs/model.md",
    "docs/training.md",
    "docs/review.md",
    "docs/validation.md",
    "docs/intervals.md",
    "docs/planning.md",
    "docs/s3.md",
    "docs/reliability.md",
    "docs/performance.md",
    "batchscan/demo/README.md",
)


def _shell_lines(page: str) -> Iterator[str]:
    for block in re.findall(r"```(?:sh)?\n(.*?)```", (ROOT / page).read_text(), re.DOTALL):
        yield from (line.split("#")[0].strip() for line in block.splitlines())


def _said_commands() -> list[list[str]]:
    said = [part for page in PAGES for line in _shell_lines(page) for part in line.split(" && ")]
    return [part.split()[1:] for part in said if part.startswith("batchscan ")]


def test_the_documents_show_commands() -> None:
    shown = {words[0] for words in _said_commands()}
    assert {"ingest", "scan", "run", "status", "report", "train", "doctor"} <= shown


@pytest.mark.parametrize("words", _said_commands(), ids=" ".join)
def test_every_shown_command_and_option_exists(words: list[str]) -> None:
    command: click.Command = commands
    for word in words:
        if not isinstance(command, click.Group):
            break
        command = command.commands[word]
    options = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_every_shown_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = {line.split()[1] for page in PAGES for line in _shell_lines(page) if line.startswith("make ")}
    assert {"demo", "test"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file(page: str) -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text()):
        assert ((ROOT / page).parent / link).exists(), link


def test_the_commands_of_the_contract_that_exist_are_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    for name in commands.commands:
        assert f"batchscan {name}" in readme or f"make {name}" in readme, name


def _python_words() -> Iterator[str]:
    """Every text in a block of Python."""
    for page in PAGES:
        for block in re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL):
            yield from (node.value for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Constant))


def test_what_snippets_open_of_a_result_and_ask_of_its_table_is_there() -> None:
    words = [word for word in _python_words() if isinstance(word, str)]
    files = {word.rpartition("/")[2] for word in words if "slides/" in word}
    assert {FOCI, HEAT_MAP} <= files <= {FOCI, HEAT_MAP, QUPATH, PATCHES, REGIONS, RESULT, REPORT, HEATMAP}
    asked = {word for word in words if word.endswith(("_mm2", "_mm", "_id", "_px"))}
    assert {"area_mm2", "slide_id"} <= asked <= set(COLUMNS)
