"""The example of docs/templates.md as a folder: a laboratory's logo, name, words, a section less and one of its own."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs" / "templates.md"
LOGO = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><rect width="40" height="20" fill="#036"/></svg>'


def files_of_the_example() -> dict[str, str]:
    """By path: each block of the page that begins by saying which file it is."""
    found = re.findall(r"^`([\w./-]+)`:\n+```\w*\n(.*?)^```", DOCS.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return dict(found)


def write(folder: Path, **files: str) -> Path:
    """A folder of templates; in names, `__` stands for a slash and `_` for a point."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def write_example(folder: Path) -> Path:
    """Those of the page, and a logo."""
    for name, text in {**files_of_the_example(), "logo.svg": LOGO}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder
