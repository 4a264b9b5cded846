"""The house rules, read off the source: which module may import what, how much a start loads, how long things get."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path

import pytest
from module_imports import imported_names

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "batchscan"

FLOORS = {"domain": 0, "stores": 1, "scan": 2, "evaluation": 2, "training": 2, "report": 2, "workflow": 3, "cli": 4}
DATA_PACKAGES = {"demo", "models", "templates", "jobs"}

# Package -> the only modules that may import it. A package that isn't here may be imported by none.
HOMES: Mapping[str, tuple[str, ...]] = {
    "numpy": ("domain/*", "stores/*", "scan/*", "evaluation/*", "training/*", "report/*", "workflow/*"),
    "scipy": ("stores/area.py", "scan/*", "evaluation/*", "training/augment.py"),
    "sklearn": ("evaluation/*", "training/*"),
    "shapely": (
        "stores/regions.py",
        "stores/annotations.py",
        "stores/review_outlines.py",
        "evaluation/*",
        "report/layout.py",
    ),
    "PIL": (
        "stores/*",
        "training/augment.py",
        "report/figures.py",
        "report/sheet.py",
        "report/render.py",
        "report/styles.py",
        "report/text_width.py",
    ),
    "pydantic": ("domain/*", "stores/*", "training/*"),
    "openslide": ("stores/slides.py", "stores/openslide_pixels.py", "stores/openslide_alone.py"),
    "zarr": ("stores/*",),
    "numcodecs": ("stores/shards.py", "stores/shard_reading.py"),
    "google_crc32c": ("stores/shards.py",),
    "fsspec": ("stores/remote_files.py",),
    "pyarrow": ("stores/*",),
    "sqlite3": ("stores/ledger.py", "stores/ledger_view.py"),
    "jax": ("scan/engine_keras.py",),
    "distributed": tuple(
        f"scan/{name}.py" for name in ("cluster", "dispatch", "fetching", "pulse", "revival", "step", "workforce")
    ),
    "dask": ("scan/cluster.py",),
    "h5py": ("stores/network_files.py",),
    "keras": ("stores/networks.py", "scan/engine*.py", "training/*"),
    "openvino": ("scan/engine*.py", "scan/exports.py"),
    "tensorflow": (),  # only through keras, so that its other backends work too
    "jinja2": ("report/styles.py",),
    "fluent": ("report/language.py",),
    "weasyprint": ("report/render.py",),
    "pypdf": ("stores/report_files.py",),
    "cryptography": ("stores/signatures.py",),
    "contourpy": ("report/figures.py",),
    "matplotlib": ("report/charts.py", "report/*figures.py", "report/sheet.py", "training/*"),
    "click": ("cli/*",),
    "rich": ("cli/*",),
}

HEAVY = set(HOMES) - {"click", "rich"}
SCANNING_ONLY = {"keras", "tensorflow", "jax", "openvino", "distributed", "dask"}

MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 50


def import_faults(path: str, source: str) -> list[str]:
    """What is wrong with the imports of the module at `path` (as in `scan/grid.py`), a sentence each."""
    own, _, inside = path.partition("/")
    own = own if inside else ""
    package = ".".join(["batchscan", *path.split("/")[:-1]])
    faults = []
    for name, line in imported_names(source, package):
        top, _, rest = name.partition(".")
        fault = _inner_fault(own, path, rest.split(".")[0]) if top == "batchscan" else _outer_fault(path, top)
        if fault:
            faults.append(f"{path}:{line}: {fault}")
    return faults


def _inner_fault(own: str, path: str, other: str) -> str:
    if not other or other.startswith("__") or other == own or path == "__main__.py":
        return ""
    if other not in FLOORS:
        return f"batchscan.{other} is no floor of the house: code lives on {', '.join(FLOORS)}"
    if own not in FLOORS or FLOORS[other] >= FLOORS[own]:
        return f"{own or path} may not import batchscan.{other}: imports go down only"
    return ""


def _outer_fault(path: str, top: str) -> str:
    if top in HOMES:
        homes = HOMES[top]
        if not any(fnmatch(path, home) for home in homes):
            return f"{top} belongs to {', '.join(homes) or 'no module'}"
    elif top not in sys.stdlib_module_names:
        return f"{top} is in no list of this test: say in HOMES which modules may import it"
    return ""


def closure(start: Iterable[str], sources: Mapping[str, str]) -> set[str]:
    """The packages from elsewhere that the modules `start`, and all they import, import anywhere in their text."""
    todo, seen, foreign = list(start), set[str](), set[str]()
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        for name, _ in imported_names(sources[path], ".".join(["batchscan", *path.split("/")[:-1]])):
            parts = name.split(".")
            if parts[0] != "batchscan":
                foreign.add(parts[0])
                continue
            # `from batchscan.a import b` may name a module b or a word of module a: whichever exists.
            ways = ["/".join(parts[1:end]) for end in range(2, len(parts) + 1)]
            todo += [file for way in ways for file in (f"{way}.py", f"{way}/__init__.py") if file in sources]
    return foreign


def long_functions(path: str, source: str, limit: int) -> list[str]:
    """The functions of a module that have more lines than `limit`, from `def` to the last."""
    return [
        f"{path}:{node.lineno}: {node.name} has {lines} lines, {limit} at most"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > limit
    ]


def loaded_by(code: str, packages: set[str]) -> set[str]:
    """Which of `packages` a fresh interpreter has loaded after `code`."""
    report = f"import atexit, sys; atexit.register(lambda: print(*({packages!r} & set(sys.modules)), file=sys.stderr))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"{report}\n{code}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


def product_sources() -> dict[str, str]:
    return {path.relative_to(PACKAGE).as_posix(): path.read_text("utf-8") for path in PACKAGE.rglob("*.py")}


SOURCES = product_sources()


def test_imports_go_down_and_packages_stay_in_their_homes() -> None:
    faults = [fault for path, source in sorted(SOURCES.items()) for fault in import_faults(path, source)]
    assert not faults, "\n".join(faults)


def test_every_home_is_lived_in() -> None:
    used = {name.split(".")[0] for source in SOURCES.values() for name, _ in imported_names(source, "batchscan")}
    assert {package for package, homes in HOMES.items() if homes} - used == set()


@pytest.mark.parametrize("package", sorted(DATA_PACKAGES))
def test_data_packages_hold_no_code(package: str) -> None:
    folder = PACKAGE / package if (PACKAGE / package).exists() else ROOT / package
    modules = list(folder.rglob("*.py"))
    assert [module.name for module in modules] == ["__init__.py"]
    # Nothing but a docstring, if that.
    assert all(isinstance(node, ast.Expr) for node in ast.parse(modules[0].read_text("utf-8")).body)


def test_printing_and_evaluating_need_neither_keras_nor_dask() -> None:
    start = [path for path in SOURCES if path.startswith(("report/", "evaluation/"))]
    assert start
    assert closure(start, SOURCES) & SCANNING_ONLY == set()


@pytest.mark.parametrize(
    "code",
    [
        "import batchscan.cli",
        "import sys; sys.argv = ['batchscan', '--help']; from batchscan.cli import main; main()",
        "import sys; sys.argv = ['batchscan', 'run', '--help']; from batchscan.cli import main; main()",
    ],
)
def test_the_command_starts_light(code: str) -> None:
    assert loaded_by(code, HEAVY) == set()


def test_modules_and_functions_stay_short() -> None:
    files = [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    sources = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in files}
    long_modules = [path for path, source in sources.items() if len(source.splitlines()) > MAX_MODULE_LINES]
    assert long_modules == []
    faults = [fault for path, source in sources.items() for fault in long_functions(path, source, MAX_FUNCTION_LINES)]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("path", "source", "complaint"),
    [
        ("domain/geometry.py", "from batchscan.stores import results", "imports go down only"),
        ("domain/geometry.py", "from batchscan import stores", "imports go down only"),
        ("stores/results.py", "def f():\n    import batchscan.scan.grid", "imports go down only"),
        ("scan/grid.py", "from batchscan.evaluation.extent import extent_of", "imports go down only"),
        ("report/content.py", "from ..training import fit", "imports go down only"),
        ("workflow/run.py", "import importlib\nimportlib.import_module('batchscan.cli.main')", "imports go down only"),
        ("__init__.py", "from batchscan.domain import errors", "imports go down only"),
        ("scan/grid.py", "from batchscan.helpers import thing", "no floor of the house"),
        ("scan/grid.py", "import openslide", "openslide belongs to stores/slides.py, stores/openslide_pixels.py"),
        (
            "scan/pipeline.py",
            "def f():\n    from dask import delayed",
            "dask belongs to scan/cluster.py",
        ),
        ("scan/pipeline.py", "import sqlite3", "sqlite3 belongs to stores/ledger.py, stores/ledger_view.py"),
        ("training/fit.py", "import tensorflow as tf", "tensorflow belongs to no module"),
        ("report/content.py", "import importlib\nimportlib.import_module('keras')", "keras belongs to"),
        ("report/content.py", "name = 'keras'\n__import__(name)", "? is in no list"),
        ("stores/slides.py", "import cv2", "cv2 is in no list"),
    ],
)
def test_a_wrong_import_is_found(path: str, source: str, complaint: str) -> None:
    (fault,) = import_faults(path, source)
    assert complaint in fault
    assert fault.startswith(f"{path}:{len(source.splitlines())}:")


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("stores/slides.py", "import openslide\nfrom openslide import OpenSlideError\nimport os.path"),
        (
            "scan/grid.py",
            "from batchscan.domain.geometry import Box\nfrom batchscan.scan import tissue\nfrom . import y",
        ),
        ("cli/main.py", "import click\nfrom batchscan import __version__\nfrom batchscan.workflow.run import run"),
        ("__main__.py", "from batchscan.cli import main"),
    ],
)
def test_a_right_import_passes(path: str, source: str) -> None:
    assert import_faults(path, source) == []


def test_the_closure_goes_through_modules_and_into_functions() -> None:
    sources = {
        "report/content.py": "from batchscan.stores.results import read",
        "report/__init__.py": "",
        "stores/__init__.py": "",
        "stores/results.py": "def f():\n    from batchscan.stores import networks",
        "stores/networks.py": "import importlib\nkeras = importlib.import_module('keras')",
        "stores/other.py": "import dask",
    }
    assert closure(["report/content.py"], sources) == {"importlib", "keras"}


def test_a_loaded_package_is_found() -> None:
    assert loaded_by("import colorsys", {"colorsys", "wave"}) == {"colorsys"}


def test_a_long_function_is_found() -> None:
    body = "\n".join(f"    {number}" for number in range(4))
    assert long_functions("m.py", f"def short():\n{body}", 5) == []
    assert long_functions("m.py", f"class A:\n  pass\ndef long():\n{body}\n    5", 5) == [
        "m.py:3: long has 6 lines, 5 at most"
    ]
