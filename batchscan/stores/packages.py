"""A model package (a folder with model.keras, card.json, golden.npz) -> a checked record of what it holds.

Opening one needs no Keras: the files, the card, the weights' hash and the golden patches are checked here; the network
is loaded by who runs it (`networks.py`).
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.resources
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from batchscan.domain.card import ModelCard, parse_card
from batchscan.domain.errors import ModelError, OutputError
from batchscan.domain.profile import TrainingProfile
from batchscan.domain.records import Float32Array, ModelInfo, Uint8Array
from batchscan.stores.array_files import read_arrays
from batchscan.stores.network_files import check_network_file
from batchscan.stores.seen import SEEN_FILE, SeenSet, read_seen, write_seen
from batchscan.stores.staging import give_name
from batchscan.stores.training_profile import PROFILE_FILE, read_training_profile, write_training_profile

MODEL_FILE, CARD_FILE, GOLDEN_FILE = "model.keras", "card.json", "golden.npz"
FILES = (MODEL_FILE, CARD_FILE, GOLDEN_FILE)
EXAMPLES_FILE = "examples.npz"
_OF_FILES = ("seen_sha256", "profile_sha256", "profile_note")
GOLDEN_AT_LEAST = 16
LARGEST_CARD_BYTES = 4 << 20
LARGEST_ARRAY_BYTES = 256 << 20


@dataclass(frozen=True)
class Golden:
    """Patches with the probabilities that the network gave when the package was made; engines prove themselves on them.

    Parameters
    ----------
    patches
        (n, p, p, 3) uint8, n >= 16.
    p_idc
        (n,) float32 in 0-1: the network's own (p_raw), before neighbours and calibration, whatever its name.
    """

    patches: Uint8Array
    p_idc: Float32Array


@dataclass(frozen=True)
class ModelPackage:
    """A package whose files, card and weights' hash have been checked.

    Parameters
    ----------
    path
        The folder, absolute.
    card
        card.json.
    info
        Name, version and sha256 of the weights file.
    """

    path: Path
    card: ModelCard
    info: ModelInfo

    @property
    def network_path(self) -> Path:
        """The model.keras file."""
        return self.path / MODEL_FILE

    def golden(self) -> Golden:
        """The golden patches, read and checked.

        Raises
        ------
        ModelError
            If golden.npz is damaged, holds pickled objects, or lacks what it must hold.
        """
        return _read_golden(self.path / GOLDEN_FILE, self.card.patch_px)

    def examples(self) -> Uint8Array:
        """Pixels of the card's examples, (n, p, p, 3) uint8 in its order.

        Raises
        ------
        ModelError
            If examples.npz is missing, changed, or doesn't hold them.
        """
        return _read_examples(self.path / EXAMPLES_FILE, self.card)

    @property
    def seen_path(self) -> Path | None:
        """The seen.npz file; None where the card knows of none."""
        return self.path / SEEN_FILE if self.card.seen_sha256 else None

    def seen(self) -> SeenSet | None:
        """What the network was made with; None where the package has no list of that.

        Raises
        ------
        ModelError
            If seen.npz is missing, changed or damaged.
        """
        if self.card.seen_sha256 is None:
            return None
        try:
            return read_seen(self.path / SEEN_FILE, self.card.seen_sha256)
        except ValueError as error:
            raise ModelError(f"{self.path / SEEN_FILE} can't be read: {error}; fetch the package again") from error

    @property
    def profile_path(self) -> Path | None:
        """The profile.json file; None where the card knows of none."""
        return self.path / PROFILE_FILE if self.card.profile_sha256 else None

    def profile(self) -> TrainingProfile | None:
        """How the values of what the network was made with are spread; None where the package doesn't say it.

        Raises
        ------
        ModelError
            If profile.json is missing, changed or damaged.
        """
        if self.card.profile_sha256 is None:
            return None
        try:
            return read_training_profile(self.path / PROFILE_FILE, self.card.profile_sha256)
        except ValueError as error:
            raise ModelError(f"{self.path / PROFILE_FILE} can't be read: {error}; fetch the package again") from error


def shipped_models() -> tuple[str, ...]:
    """Names of the packages that ship with the product, sorted."""
    return tuple(sorted(folder.name for folder in _shipped_folder().iterdir() if (folder / CARD_FILE).is_file()))


def open_package(name_or_dir: str | Path) -> ModelPackage:
    """The package of a shipped name, or in a folder.

    A text is a shipped model's name if there is one of that name, else a folder; a Path is always a folder.

    Raises
    ------
    ModelError
        If there is no such model, or the package isn't whole or not what its card says.
    """
    if isinstance(name_or_dir, str) and name_or_dir in shipped_models():
        return _opened(_shipped_folder() / name_or_dir)
    folder = Path(name_or_dir)
    if folder.is_dir():
        _check_inside(folder)
        return _opened(folder.absolute())
    if folder.exists():
        raise ModelError(f"{folder} is a file: expected a model package, a folder with {', '.join(FILES)}")
    shipped = shipped_models()
    near = difflib.get_close_matches(str(name_or_dir), shipped, n=1, cutoff=0.0)
    raise ModelError(
        f"no model {str(name_or_dir)!r}: neither a shipped one ({', '.join(shipped) or 'none'}) nor a folder"
        + (f"; the nearest name is {near[0]}" if near else "")
    )


def check_free(out: Path) -> None:
    """Refuse a place where something is already, or that can't be written to.

    Raises
    ------
    OutputError
        With the remedy in its text.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out} is there already: a model package is never overwritten; name another folder")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}."):
            pass
    except OSError as error:
        raise _cannot_write(out, error) from error


def write_package(
    out: Path,
    save: Callable[[Path], None],
    card: Mapping[str, Any],
    golden: Golden,
    *,
    examples: Uint8Array | None = None,
    seen: SeenSet | None = None,
    profile: TrainingProfile | None = None,
    accompany: Callable[[ModelPackage], None] | None = None,
) -> ModelPackage:
    """Write a package, check it as any reader would, and only then give it its name; it is on the disk (fsync) before.

    Parameters
    ----------
    out
        The folder to make; nothing may be there yet.
    save
        Writes the network to the model.keras path that it is given; what it raises leaves nothing.
    card
        Fields of the card; the hashes of all files, and `profile_note`, are added here.
    golden
        At least 16 patches.
    examples, seen, profile
        Pixels of the card's examples, (n, p, p, 3) uint8; what the network was made with, and how that is spread.
    accompany
        Writes what people read (history, card as a page) into the folder of the checked, still unnamed package.

    Raises
    ------
    OutputError
        If the folder is there already or can't be written.
    ModelError
        If what was written isn't a valid package.
    """
    check_free(out)
    staged = Path(tempfile.mkdtemp(dir=out.parent, prefix=_staged_prefix(out)))
    try:
        save(staged / MODEL_FILE)
        _write_card(staged, card, _written_beside_network(staged, golden, examples, seen, profile))
        package = _opened(staged)
        if accompany is not None:
            accompany(package)
        staged.chmod(0o755)
        give_name(staged, out)
    except OSError as error:
        raise _cannot_write(out, error) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return _opened(out.absolute())


def remove_half_written(out: Path) -> None:
    """Remove what writing packages of this name left when it was killed; the caller is the only one who writes them."""
    for path in out.parent.iterdir():
        if path.name.startswith(_staged_prefix(out)) and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)


def _staged_prefix(out: Path) -> str:
    return f".{out.name}.half-written-"


def _write_card(folder: Path, card: Mapping[str, Any], of_files: Mapping[str, str]) -> None:
    # A card made from another package's must not name that one's files.
    own = {name: value for name, value in card.items() if name not in _OF_FILES}
    text = json.dumps({**own, **of_files}, indent=1, ensure_ascii=False)
    (folder / CARD_FILE).write_text(f"{text}\n", encoding="utf-8")


def _written_beside_network(
    folder: Path,
    golden: Golden,
    examples: Uint8Array | None,
    seen: SeenSet | None,
    profile: TrainingProfile | None,
) -> dict[str, str]:
    """Write the files that go with a network; returns what the card says of all of them."""
    with (folder / GOLDEN_FILE).open("wb") as stream:
        np.savez_compressed(stream, patches=golden.patches, p_idc=golden.p_idc)
    fields: dict[str, str] = {}
    if examples is not None:
        with (folder / EXAMPLES_FILE).open("wb") as stream:
            np.savez_compressed(stream, patches=examples)
        fields["examples_sha256"] = _sha256(folder / EXAMPLES_FILE)
    if seen is not None:
        with (folder / SEEN_FILE).open("wb") as stream:
            write_seen(stream, seen)
        fields["seen_sha256"] = _sha256(folder / SEEN_FILE)
    if profile is not None:
        write_training_profile(folder / PROFILE_FILE, profile)
        fields |= {"profile_sha256": _sha256(folder / PROFILE_FILE), "profile_note": profile.how_made}
    return {**fields, "weights_sha256": _sha256(folder / MODEL_FILE)}


def _cannot_write(out: Path, error: OSError) -> OutputError:
    return OutputError(f"{out}: can't be written ({error.strerror or error}): check permissions and space")


def _shipped_folder() -> Path:
    return Path(str(importlib.resources.files("batchscan.models")))


def _opened(folder: Path) -> ModelPackage:
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise ModelError(
            f"model package {folder} lacks {', '.join(missing)}: a package is a folder with {', '.join(FILES)}; "
            "fetch it again, or make one with `batchscan train`"
        )
    card = _read_card(folder / CARD_FILE)
    check_network_file(folder / MODEL_FILE)
    found = _sha256(folder / MODEL_FILE)
    if found != card.weights_sha256:
        raise ModelError(
            f"{folder / MODEL_FILE} has sha256 {found[:12]}..., but its card says {card.weights_sha256[:12]}...: "
            "the weights were changed or damaged; fetch the package again"
        )
    package = ModelPackage(folder, card, ModelInfo(card.name, card.version, card.weights_sha256))
    package.golden()
    package.seen()
    package.profile()
    return package


def _check_inside(folder: Path) -> None:
    """A package is its folder: a link out of it would have another file read, or another one tomorrow."""
    for name in (*FILES, EXAMPLES_FILE, SEEN_FILE, PROFILE_FILE):
        try:
            target = (folder / name).resolve()
        except (OSError, RuntimeError) as error:  # RuntimeError: a link that leads to itself
            raise ModelError(f"{folder / name} leads nowhere ({error}): fetch the package again") from error
        if not target.is_relative_to(folder.resolve()):
            raise ModelError(
                f"{folder / name} is a link to {target}, outside the package: copy the package with its files (cp -rL)"
            )


def _read_card(path: Path) -> ModelCard:
    try:
        if path.stat().st_size > LARGEST_CARD_BYTES:
            raise ModelError(f"{path} is larger than {LARGEST_CARD_BYTES} bytes: not a model card")
        return parse_card(path.read_bytes())
    except (ValueError, RecursionError) as error:
        if isinstance(error, json.JSONDecodeError | UnicodeDecodeError | RecursionError):
            raise ModelError(f"model card {path} isn't JSON ({error}); fetch the package again") from error
        if not isinstance(error, ValidationError):
            raise ModelError(f"model card {path}: {error}; fetch the package again") from error
        problems = "; ".join(_sentence(problem) for problem in error.errors())
        raise ModelError(f"model card {path}: {problems}; fetch the package again or complete the card") from error
    except OSError as error:
        raise ModelError(f"model card {path} can't be read ({error.strerror or error})") from error


def _sentence(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "missing":
        return f"field {where} is missing"
    if problem["type"] == "extra_forbidden":
        return f"field {where} is unknown"
    said = str(problem["msg"]).removeprefix("Value error, ")
    return f"{where}: {said}" if where else said


def _read_golden(path: Path, patch_px: int) -> Golden:
    try:
        patches, p_idc = read_arrays(path, ("patches", "p_idc"), LARGEST_ARRAY_BYTES)
    except ValueError as error:
        raise ModelError(
            f"{path} can't be read ({error}): expected the plain arrays patches and p_idc; fetch the package again"
        ) from error
    count = len(p_idc) if p_idc.ndim else 0
    if (
        (patches.dtype, p_idc.dtype) != (np.dtype(np.uint8), np.dtype(np.float32))
        or patches.shape != (count, patch_px, patch_px, 3)
        or p_idc.shape != (count,)
        or not np.all((p_idc >= 0.0) & (p_idc <= 1.0))
    ):
        raise ModelError(
            f"{path} holds {patches.dtype} {patches.shape} and {p_idc.dtype} {p_idc.shape}: expected uint8 patches "
            f"(n, {patch_px}, {patch_px}, 3) and float32 probabilities (n,) in 0-1; fetch the package again"
        )
    if count < GOLDEN_AT_LEAST:
        raise ModelError(f"{path} has {count} golden patches: at least {GOLDEN_AT_LEAST} are needed")
    return Golden(patches, p_idc)


def _read_examples(path: Path, card: ModelCard) -> Uint8Array:
    if not card.examples:
        return np.empty((0, card.patch_px, card.patch_px, 3), np.uint8)
    if not path.is_file():
        raise ModelError(f"{path} isn't there, but its card has examples: fetch the package again")
    if _sha256(path) != card.examples_sha256:
        raise ModelError(f"{path} isn't what its card says (sha256): it was changed; fetch the package again")
    try:
        (patches,) = read_arrays(path, ("patches",), LARGEST_ARRAY_BYTES)
    except ValueError as error:
        raise ModelError(f"{path} can't be read ({error}): fetch the package again") from error
    expected = (len(card.examples), card.patch_px, card.patch_px, 3)
    if patches.dtype != np.uint8 or patches.shape != expected:
        raise ModelError(f"{path} holds {patches.dtype} {patches.shape}: expected uint8 {expected}")
    return patches


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
