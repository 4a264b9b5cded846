"""setup.cfg, pyproject.toml and constraints.txt agree with each other and the code; the wheel holds the product."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from module_imports import imported_names
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]

# What is imported under another name than it is installed by.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "openslide": "openslide-python",
    "dask": "distributed",
    "fluent": "fluent-runtime",
    "google_crc32c": "google-crc32c",
}
# What only an extra installs.
EXTRAS = {"cryptography"}
# What Keras may compute with instead of TensorFlow, imported where it does.
OTHER_BACKENDS = {"jax"}
# What is installed without being imported: OpenSlide's own library, and Keras' default backend.
NOT_IMPORTED = {"openslide-bin", "tensorflow", "tensorflow-cpu"}


def configuration() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", "utf-8")
    return parser


def requirements(*options: tuple[str, str]) -> list[Requirement]:
    """The requirements under the given (section, option) places of setup.cfg."""
    parser = configuration()
    lines = [line for section, option in options for line in parser[section][option].splitlines()]
    return [Requirement(line) for line in lines if line.strip()]


RUN = ("options", "install_requires")
DEV = ("options.extras_require", "dev")


def pins(text: str) -> dict[str, str]:
    """The name -> version of each line `name==version`; any other line but a comment is refused."""
    found: dict[str, str] = {}
    for line in filter(None, (line.partition("#")[0].strip() for line in text.splitlines())):
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)", line)
        assert match, f"not a pin: {line!r}"
        name = canonicalize_name(match[1])
        assert name not in found, f"pinned twice: {name}"
        found[name] = match[2]
    return found


PINS = pins((ROOT / "constraints.txt").read_text("utf-8"))


def installed_closure(roots: Iterable[Requirement]) -> set[str]:
    """The names of `roots` and all that they pull in, as the packages installed here say it."""
    todo, seen = list(roots), set[tuple[str, frozenset[str]]]()
    while todo:
        requirement = todo.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in seen:
            continue
        try:
            further = [Requirement(line) for line in requires(requirement.name) or []]
        except PackageNotFoundError:  # for another platform or Python
            continue
        seen.add(key)
        todo += [one for one in further if _applies(one, requirement.extras)]
    return {name for name, _ in seen}


def _applies(requirement: Requirement, extras: set[str]) -> bool:
    if requirement.marker is None:
        return True
    environment = {key: str(value) for key, value in default_environment().items()}
    return any(requirement.marker.evaluate({**environment, "extra": extra}) for extra in ["", *extras])


def test_constraints_pin_what_setup_cfg_asks_for() -> None:
    faults = [
        f"{requirement}: {PINS.get(canonicalize_name(requirement.name), 'no pin')}"
        for requirement in requirements(RUN, DEV)
        if not requirement.specifier.contains(PINS.get(canonicalize_name(requirement.name), "0"))
    ]
    assert faults == []


def test_constraints_pin_what_those_pull_in() -> None:
    pulled_in = installed_closure(requirements(RUN, DEV))
    assert {"numpy", "cffi", "toolz"} <= pulled_in  # cffi and toolz: nobody asks for them directly
    assert pulled_in - PINS.keys() == set()


def test_requirements_are_the_packages_that_are_imported() -> None:
    sources = [path.read_text("utf-8") for path in (ROOT / "batchscan").rglob("*.py")]
    tops = {name.split(".")[0] for source in sources for name, _ in imported_names(source, "batchscan")}
    imported = {DISTRIBUTIONS.get(top, top) for top in tops - sys.stdlib_module_names - {"batchscan"}}
    asked_for = {canonicalize_name(one.name) for one in requirements(RUN)}
    assert asked_for - NOT_IMPORTED == imported - EXTRAS - OTHER_BACKENDS


def test_setup_cfg_and_pyproject_hold_nothing_twice() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert set(pyproject) == {"build-system", "tool"}
    assert "setuptools" not in pyproject["tool"]
    sections = configuration().sections()
    assert [section for section in sections if not section.startswith(("metadata", "options"))] == []
    asked = [(canonicalize_name(one.name), str(one.marker)) for one in requirements(RUN, DEV)]
    assert sorted(asked) == sorted(set(asked))


@pytest.mark.parametrize("text", ["numpy>=2", "numpy==2.0\nNumPy==2.1", "x @ https://example.org/x.whl", "-e ."])
def test_what_is_no_pin_is_refused(text: str) -> None:
    with pytest.raises(AssertionError, match=r"not a pin|pinned twice"):
        pins(text)


def test_the_wheel_holds_the_whole_product(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    litter = shutil.ignore_patterns("__pycache__")
    for name in ("batchscan", "templates", "jobs"):
        shutil.copytree(ROOT / name, source / name, ignore=litter)
    expected = {
        path.relative_to(source).as_posix().removeprefix("batchscan/")
        for folder in ("batchscan", "templates", "jobs")
        for path in (source / folder).rglob("*")
        if path.is_file()
    }
    build = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path)]
    subprocess.run([sys.executable, *build, str(source)], check=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("batchscan-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    held = {name.removeprefix("batchscan/") for name in names if name.startswith("batchscan/")}
    assert held == expected
    assert any(name.endswith("/licenses/LICENSE") for name in names)
