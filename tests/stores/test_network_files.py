"""What a model.keras file may hold is on a list; the files here are real Keras archives that were tampered with."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from batchscan.domain.errors import ModelError
from batchscan.stores import network_files
from batchscan.stores.network_files import check_network_file, check_weights
from batchscan.stores.networks import import_keras, load_network
from batchscan.training.architecture import ARCHITECTURES, build_network

Tamper = Callable[[list[Any]], object]


@pytest.fixture(scope="module")
def members(tmp_path_factory: Any) -> dict[str, bytes]:
    """A functional network with a branch, a network within it, and most of what trained networks have."""
    keras = import_keras(1)
    layers = keras.layers
    patch = keras.Input((10, 10, 3), dtype="uint8", name="patch")
    x = layers.Rescaling(1 / 255)(patch)
    y = layers.Conv2D(3, 3, padding="same", activation="relu", kernel_initializer="he_normal")(x)
    y = layers.SpatialDropout2D(0.2)(layers.BatchNormalization()(y))
    y = layers.GlobalAveragePooling2D()(layers.Add()([x, y]))
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(4, kernel_regularizer=keras.regularizers.L2(1e-4))])
    logits = layers.Dense(2, kernel_initializer=keras.initializers.RandomNormal(seed=3), name="logits")(inner(y))
    network = keras.Model(patch, logits)
    network.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    path = tmp_path_factory.mktemp("network") / "model.keras"
    network.save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def tampered(tmp_path: Path, members: dict[str, bytes], tamper: Tamper) -> Path:
    """The archive with `tamper` called on its configs: the network's and each layer's."""
    config = json.loads(members["config.json"])
    tamper([config, *config["config"]["layers"]])
    return written(tmp_path / "model.keras", {**members, "config.json": json.dumps(config).encode()})


def node(name: Any, module: Any = "keras.layers", registered: str | None = None, **config: Any) -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": config, "registered_name": registered}


DENSE = node("Dense", units=2)
LAMBDA = node("Lambda", function={"class_name": "__lambda__", "config": {"value": "4wAAAA=="}})


def replacing(layer: dict[str, Any]) -> Tamper:
    return lambda configs: configs[2].update(copy.deepcopy(layer))


def setting(key: str, value: Any) -> Tamper:
    """A field of the convolution's configuration."""
    return lambda configs: configs[3]["config"].update({key: copy.deepcopy(value)})


def into_the_inner_network(configs: list[Any]) -> None:
    (inner,) = [one for one in configs[1:] if one["class_name"] == "Sequential"]
    inner["config"]["layers"].append(copy.deepcopy(LAMBDA))


def into_the_inner_compilation(configs: list[Any]) -> None:
    (inner,) = [one for one in configs[1:] if one["class_name"] == "Sequential"]
    inner["compile_config"] = {"loss": node("get_file", "keras.utils")}


TAMPERED: dict[str, tuple[Tamper, str]] = {
    "Lambda": (replacing(LAMBDA), "holds a Lambda layer"),
    "Lambda in a network in the network": (into_the_inner_network, "holds a Lambda layer"),
    "Lambda in a wrapper": (replacing(node("TimeDistributed", layer=LAMBDA)), "a Lambda layer, a TimeDistributed"),
    "a wrapper": (replacing(node("TimeDistributed", layer=DENSE)), "holds a TimeDistributed layer"),
    "Lambda both ways": (replacing(node("Bidirectional", layer=DENSE, backward_layer=LAMBDA)), "a Lambda layer"),
    "TFSMLayer": (replacing(node("TFSMLayer", filepath="/tmp/x")), "holds a TFSMLayer layer"),
    "TorchModuleWrapper": (replacing(node("TorchModuleWrapper", wrapped="eA==")), "holds a TorchModuleWrapper layer"),
    "a file's lines as vocabulary": (replacing(node("StringLookup", vocabulary="/etc/passwd")), "a StringLookup layer"),
    "a lambda as activation": (setting("activation", LAMBDA["config"]["function"]), "'__lambda__' of no module"),
    "a function as activation": (
        setting("activation", {**node("function", "builtins"), "config": "exec"}),
        "'function' of builtins",
    ),
    "a download as activation": (
        setting("activation", {**node("function", "keras.utils"), "config": "get_file"}),
        "'function' of keras.utils",
    ),
    "the unlocking of lambdas": (
        setting("bias_initializer", node("enable_unsafe_deserialization", "keras.config")),
        "'enable_unsafe_deserialization' of keras.config",
    ),
    "a class of another package": (replacing(node("system", "os")), "'system' of os"),
    "a plain name of another module": (replacing(node("Dense", "keras.src.layers.core")), "'Dense' of keras.src"),
    "a registered class": (replacing(node("Dense", registered="lab>Dense", units=2)), "registered as 'lab>Dense'"),
    "a layer of no module": (replacing(node("Dense", None, units=2)), "'Dense' of no module"),
    "a module that is none": (replacing(node("Dense", ["keras.layers"])), "'Dense' of"),
    "a name of many lines": (replacing(node("x\n" * 9999, "y\n" * 9999)), "'x"),
    "a class that is none": (replacing(node(["Lambda"])), "Lambda"),
    "an initializer of one's own": (setting("kernel_initializer", node("Mine", "lab")), "'Mine' of lab"),
    "a type of TensorFlow": (setting("bias_constraint", node("__typespec__", "tensorflow")), "'__typespec__'"),
    "a loss in the inner network": (into_the_inner_compilation, "'get_file' of keras.utils"),
    "Lambda as the network": (lambda configs: configs[0].update(LAMBDA), "holds no network"),
    "a network of one's own": (lambda configs: configs[0].update(registered_name="lab>Net"), "registered as 'lab>Net'"),
}


def test_a_real_network_is_let_through_and_loads(members: dict[str, bytes], tmp_path: Path) -> None:
    path = written(tmp_path / "model.keras", members, zipfile.ZIP_STORED)
    check_network_file(path)
    check_weights(path)
    assert load_network(path, 1).output_shape == (None, 2)


@pytest.mark.parametrize("case", TAMPERED)
def test_what_is_not_on_the_list_is_refused_before_keras_sees_it(
    case: str, members: dict[str, bytes], tmp_path: Path
) -> None:
    tamper, said = TAMPERED[case]
    path = tampered(tmp_path, members, tamper)
    with pytest.raises(ModelError) as caught:
        check_network_file(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
    with pytest.raises(ModelError, match=r"only plain Keras layers are loaded|holds no network"):
        load_network(path, 1)


def test_the_networks_own_compilation_is_never_read(members: dict[str, bytes], tmp_path: Path) -> None:
    path = tampered(tmp_path, members, lambda configs: configs[0].update(compile_config={"loss": node("x", "os")}))
    check_network_file(path)
    assert not load_network(path, 1).compiled


def test_the_list_holds_layers_of_keras_that_hold_no_other() -> None:
    keras = import_keras(1)
    for name in network_files._LAYERS.split():
        layer = getattr(keras.layers, name)
        assert issubclass(layer, keras.layers.Layer)
        assert not issubclass(layer, keras.layers.Wrapper | keras.layers.RNN | keras.layers.Lambda)
    for name in network_files._INITIALIZERS.split():
        assert issubclass(getattr(keras.initializers, name), keras.initializers.Initializer)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_whatever_is_trained_here_is_let_through(name: str, tmp_path: Path) -> None:
    network = build_network(import_keras(1), name, seed=1, precision="mixed_bfloat16")
    network.save(tmp_path / "model.keras")
    assert load_network(tmp_path / "model.keras", 1).output_shape == (None, 2)


@pytest.mark.parametrize(
    ("key", "value"), [("filters", 2_000_000_000), ("filters", 65_537.0), ("kernel_size", [3, 10**300]), ("x", -1e9)]
)
def test_a_layer_larger_than_any_is_refused_before_it_is_made(
    key: str, value: Any, members: dict[str, bytes], tmp_path: Path
) -> None:
    path = tampered(tmp_path, members, setting(key, value))
    with pytest.raises(ModelError, match=rf"config\.json says {key} .*, more than 65536"):
        check_network_file(path)


def test_seeds_may_be_of_any_size(members: dict[str, bytes], tmp_path: Path) -> None:
    check_network_file(tampered(tmp_path, members, setting("seed", 2**31)))


def test_one_more_member_is_refused(members: dict[str, bytes], tmp_path: Path) -> None:
    path = written(tmp_path / "model.keras", {**members, "assets/code.py": b"x"})
    with pytest.raises(ModelError, match=r"expected exactly config\.json, metadata\.json, model\.weights\.h5"):
        check_network_file(path)


def test_a_member_twice_is_refused(members: dict[str, bytes], tmp_path: Path) -> None:
    path = written(tmp_path / "model.keras", members)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("config.json", members["config.json"])
    with pytest.raises(ModelError, match="expected exactly"):
        check_network_file(path)


@pytest.mark.parametrize("name", ["config.json", "metadata.json"])
def test_a_bomb_is_not_unpacked(name: str, members: dict[str, bytes], tmp_path: Path) -> None:
    """50 MB of blanks in a file of some 50 kB."""
    path = written(tmp_path / "model.keras", {**members, name: b" " * 50_000_000})
    assert path.stat().st_size < 200_000
    with pytest.raises(ModelError, match=f"{name} unpacks to 50000000 bytes"):
        check_network_file(path)


def test_weights_that_unpack_to_more_than_256_mib_are_refused_unread(members: dict[str, bytes], tmp_path: Path) -> None:
    path = written(tmp_path / "model.keras", members, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    size = len(members["model.weights.h5"]).to_bytes(4, "little")
    place = content.rindex(size)  # in the central directory, which is what is believed
    content[place : place + 4] = (2**28 + 1).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.weights\.h5 unpacks to 268435457 bytes"):
        check_network_file(path)


def test_other_compressions_are_refused(members: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="compressed as Keras never does"):
        check_network_file(written(tmp_path / "model.keras", members, zipfile.ZIP_BZIP2))


@pytest.mark.parametrize(
    "config", [b"", b"[" * 200_000, b'{"config": NaN', b"\xff\xfe", b"[]", b"null"], ids=lambda value: repr(value[:9])
)
def test_a_config_that_is_none_is_refused(config: bytes, members: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"damaged \.keras archive|holds no network"):
        check_network_file(written(tmp_path / "model.keras", {**members, "config.json": config}))


def test_an_encrypted_archive_is_refused(members: dict[str, bytes], tmp_path: Path) -> None:
    path = written(tmp_path / "model.keras", members)
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(mark)
        while place >= 0:
            content[place + offset] |= 1
            place = content.find(mark, place + 1)
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"damaged \.keras archive"):
        check_network_file(path)


def weights(change: Callable[[Any], object], members: dict[str, bytes], tmp_path: Path) -> Path:
    stored = io.BytesIO(members["model.weights.h5"])
    with h5py.File(stored, "a") as file:
        change(file)
    return written(tmp_path / "model.keras", {**members, "model.weights.h5": stored.getvalue()})


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((4,), dtype="f4")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "x", (4,))
    file.create_virtual_dataset("view", layout)


def bomb(file: Any) -> None:
    file.create_dataset("bomb", (100_000, 100_000), "f4", chunks=(1000, 1000), compression="gzip")


def time(file: Any) -> None:
    h5py.h5d.create(file.id, b"x", h5py.h5t.UNIX_D32LE, h5py.h5s.create_simple((4,)))


WEIGHTS: dict[str, tuple[Callable[[Any], object], str]] = {
    "a link to another file": (lambda file: file.update(x=h5py.ExternalLink("/etc/other.h5", "/x")), "/x is a link"),
    "a link within": (lambda file: file["layers"].update(x=h5py.SoftLink("/layers")), "/layers/x is a link"),
    "numbers kept in another file": (
        lambda file: file.create_dataset("x", (4,), "f4", external=[("/etc/passwd", 0, 16)]),
        "/x is no plain array",
    ),
    "a view of another file": (virtual, "/view is no plain array"),
    "40 GB of nothing": (bomb, "declares more numbers than are stored"),
    "a circle": (lambda file: file["layers"].update(x=file["layers"]), "is there twice"),
    "a type that NumPy lacks": (time, "No NumPy equivalent"),
    "texts": (lambda file: file.create_dataset("x", data=["a"], dtype=h5py.string_dtype()), "/x is no plain array"),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_weights_that_reach_out_or_pretend_are_refused(case: str, members: dict[str, bytes], tmp_path: Path) -> None:
    change, said = WEIGHTS[case]
    path = weights(change, members, tmp_path)
    check_network_file(path)
    with pytest.raises(ModelError, match="weights that are never loaded") as caught:
        load_network(path, 1)
    assert said in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no h5", np.arange(9).tobytes()])
def test_weights_that_are_none_are_refused(content: bytes, members: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="weights that are never loaded"):
        check_weights(written(tmp_path / "model.keras", {**members, "model.weights.h5": content}))
