"""A model.keras file -> refused, unless it is a plain Keras 3 archive that can neither run code nor reach other files.

Keras' own `safe_mode` stops Python lambdas; what else a config.json may name has let code run more than once
(CVE-2025-1550, -8747, -9906, -12058), and HDF5 can point at other files (CVE-2026-1669). So what is loaded is on a
list, before Keras sees it: layers of a patch classifier, and what they are initialised and regularised with.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from batchscan.domain.errors import ModelError

LARGEST_BYTES: Mapping[str, int] = {"metadata.json": 1 << 16, "config.json": 4 << 20, "model.weights.h5": 256 << 20}
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
GREATEST_NUMBER = 1 << 16
"""In a config: units, filters, sides. Keras sets a layer up as large as it says, before it looks at the weights."""
_DAMAGE = (
    *(OSError, EOFError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error),
    *(TypeError, MemoryError, OverflowError),  # h5py, of types that NumPy doesn't have and sizes that nobody has
)

_ANY_SIZE = ("seed", "shared_object_id")
_NAMED, _LONGEST = 5, 100

_LAYERS = """
    InputLayer Identity Rescaling Resizing Normalization CenterCrop Cropping2D ZeroPadding2D UpSampling2D
    Conv2D SeparableConv2D DepthwiseConv2D Conv2DTranspose Dense Flatten Reshape Permute
    MaxPooling2D AveragePooling2D GlobalMaxPooling2D GlobalAveragePooling2D
    BatchNormalization LayerNormalization GroupNormalization UnitNormalization
    Activation ReLU LeakyReLU PReLU ELU Softmax
    Dropout SpatialDropout2D GaussianDropout GaussianNoise
    Add Subtract Multiply Average Maximum Minimum Concatenate
"""
_INITIALIZERS = """
    Zeros Ones Constant Identity Orthogonal VarianceScaling RandomNormal RandomUniform TruncatedNormal
    GlorotNormal GlorotUniform HeNormal HeUniform LecunNormal LecunUniform
"""
_NETWORKS = {("keras", "Sequential"), ("keras.src.models.functional", "Functional")}
_PLAIN = {
    *_NETWORKS,
    *(("keras.layers", name) for name in _LAYERS.split()),
    *(("keras.initializers", name) for name in _INITIALIZERS.split()),
    *(("keras.regularizers", name) for name in ("L1", "L2", "L1L2")),
    *(("keras.constraints", name) for name in ("MaxNorm", "NonNeg", "UnitNorm")),
    ("keras", "DTypePolicy"),
    ("keras.random", "SeedGenerator"),
    (None, "__keras_tensor__"),  # how a functional network names what runs from layer to layer
}


def check_network_file(path: Path) -> None:
    """Refuse what isn't a Keras 3 archive of plain layers; nothing is loaded, and Keras isn't needed.

    Raises
    ------
    ModelError
        If it is an .h5, a pickle or damaged, unpacks to too much, or names anything that isn't on the list.
    """
    if not zipfile.is_zipfile(path):
        raise ModelError(
            f"{path} isn't a .keras archive (an .h5, a pickle or a damaged file): only Keras 3's own format is loaded, "
            "since the others can run code"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive.infolist())
            config = json.loads(archive.read("config.json"))
    except _DAMAGE as error:  # RuntimeError: encrypted, an unknown compression, or nested too deep
        raise ModelError(f"{path} is a damaged .keras archive ({error}): fetch the package again") from error
    _check_config(path, config)


def check_weights(path: Path) -> None:
    """Refuse weights that point at other files, or declare more numbers than they store. Needs h5py, as Keras does.

    Raises
    ------
    ModelError
        If the file's model.weights.h5 is such, or no HDF5 at all.
    """
    import h5py  # noqa: PLC0415 - comes with Keras, needed only to load a network

    try:
        with zipfile.ZipFile(path) as archive:
            content = archive.read("model.weights.h5")
        with h5py.File(io.BytesIO(content), "r") as weights:
            _check_stored(h5py, weights, len(content))
    except _DAMAGE as error:
        raise ModelError(
            f"{path} has weights that are never loaded ({' '.join(str(error).split())}): expected plain arrays, all "
            "in the file itself; fetch the package again"
        ) from error


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    if {member.filename for member in members} != set(LARGEST_BYTES) or len(members) != len(LARGEST_BYTES):
        raise ModelError(f"{path} isn't a Keras 3 archive: expected exactly {', '.join(sorted(LARGEST_BYTES))} in it")
    for member in members:
        if member.file_size > LARGEST_BYTES[member.filename]:
            raise ModelError(
                f"{path}: {member.filename} unpacks to {member.file_size} bytes, more than "
                f"{LARGEST_BYTES[member.filename]}: not a model of this product"
            )
        if member.compress_type not in _COMPRESSIONS:
            raise ModelError(f"{path}: {member.filename} is compressed as Keras never does: fetch the package again")


def _check_config(path: Path, config: Any) -> None:
    if not isinstance(config, dict) or _kind(config) not in _NETWORKS:
        raise ModelError(f"{path} holds no network: expected a Sequential or a Functional one in its config.json")
    # `compile_config` of the whole network is never read: networks are loaded uncompiled.
    read = {key: value for key, value in config.items() if key != "compile_config"}
    refused = {_words(node) for node in _nodes(read) if "class_name" in node and not _is_plain(node)}
    if refused:
        named = ", ".join(words[:_LONGEST] for words in sorted(refused, key=_layers_first)[:_NAMED])
        raise ModelError(
            f"{path} holds {named}: only plain Keras layers are loaded, since others can run code or read files; build "
            "the network from those"
        )
    _check_numbers(path, read)


def _check_numbers(path: Path, config: Mapping[str, Any]) -> None:
    for key, number in _numbers(config):
        if not abs(number) <= GREATEST_NUMBER:  # NaN neither
            raise ModelError(
                f"{path}: its config.json says {key[:_LONGEST]} {str(number)[:20]}, more than {GREATEST_NUMBER}: not "
                "a model of this product"
            )


def _is_plain(node: Mapping[str, Any]) -> bool:
    return _kind(node) in _PLAIN and node.get("registered_name") in (None, node["class_name"])


def _kind(node: Mapping[str, Any]) -> tuple[Any, str]:
    module = node.get("module")
    return module if module is None or isinstance(module, str) else repr(module), str(node.get("class_name"))


def _words(node: Mapping[str, Any]) -> str:
    module, name = _kind(node)
    registered = node.get("registered_name")
    article = "an" if name[:1] in "AEIOU" else "a"
    if module == "keras.layers" and registered in (None, name) and name.isidentifier():
        return f"{article} {name} layer"
    stated = "" if registered in (None, name) else f", registered as {registered!r}"
    return f"{name!r} of {' '.join(module.split()) if module else 'no module'}{stated}"


def _layers_first(words: str) -> tuple[bool, str]:
    return words.startswith("'"), words


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object in `value`, without recursion: a config nested without end is no way in."""
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            yield one
            todo += one.values()
        elif isinstance(one, list):
            todo += one


def _numbers(config: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Every number with the key that it stands under, but for seeds and names of objects."""
    todo: list[tuple[str, Any]] = [("", config)]
    while todo:
        key, one = todo.pop()
        if isinstance(one, dict):
            todo += [(name, value) for name, value in one.items() if name not in _ANY_SIZE or isinstance(value, dict)]
        elif isinstance(one, list):
            todo += [(key, value) for value in one]
        elif isinstance(one, int | float) and not isinstance(one, bool):
            yield key, one


def _check_stored(h5py: Any, weights: Any, stored_bytes: int) -> None:
    """Walk hard links only; each array must lie in the file as a whole."""
    todo, seen, declared_bytes = [weights], set(), 0
    while todo:
        group = todo.pop()
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise ValueError(f"{group.name}/{name} is a link")  # noqa: TRY004 - a fault of the file, not of a type
            found = group[name]
            place = h5py.h5o.get_info(found.id).addr
            if place in seen:
                raise ValueError(f"{found.name} is there twice")
            seen.add(place)
            if isinstance(found, h5py.Group):
                todo.append(found)
                continue
            if not isinstance(found, h5py.Dataset) or found.external or found.is_virtual or found.dtype.hasobject:
                raise ValueError(f"{found.name} is no plain array")
            declared_bytes += found.nbytes
            if declared_bytes > stored_bytes:
                raise ValueError(f"{found.name} declares more numbers than are stored")
