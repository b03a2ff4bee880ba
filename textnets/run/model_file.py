"""A run's model: saved without its optimizer, and loaded without running code of the file."""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from textnets.errors import RunError
from textnets.run.files import bytes_written_whole


def save_model(model: Any, path: Path) -> None:
    """Save the model without its optimizer: what predicts, and nothing else.

    The same model gives the same bytes: without the date and the numbers of objects in memory
    that Keras writes.
    """
    import keras
    from keras.src.saving import saving_lib  # its public door takes no file that is open

    written = io.BytesIO()
    saving_lib.save_model(keras.Model(model.input, model.output, name=model.name), written)
    with zipfile.ZipFile(written) as archive:
        members = {name: archive.read(name) for name in _MEMBERS}
    metadata = json.loads(members["metadata.json"])
    metadata.pop("date_saved", None)
    config = _numbered(json.loads(members["config.json"]), {})
    members["metadata.json"] = json.dumps(metadata).encode()
    members["config.json"] = json.dumps(config).encode()
    with bytes_written_whole(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name)  # of 1980
            member.create_system, member.external_attr = _UNIX, _READABLE
            archive.writestr(member, content)


def _numbered(found: Any, numbers: dict[Any, int]) -> Any:
    """A config whose shared objects are numbered in their order, from 0."""
    if isinstance(found, list):
        return [_numbered(one, numbers) for one in found]
    if not isinstance(found, dict):
        return found
    return {
        key: numbers.setdefault(value, len(numbers))
        if key == _SHARED
        else _numbered(value, numbers)
        for key, value in found.items()
    }


def load_model(path: Path, allow_modules: Sequence[str] = ()) -> Any:
    """Load a ``.keras`` file that textnets wrote; no code in it is run.

    Keras's safe mode is on. Before, everything that the file names is compared with the list of
    what a model may be made of, and while it is made it gets no more memory than its weights need.

    Args:
        path: the file.
        allow_modules: whose layers it may hold, besides those of Keras and textnets.

    Raises:
        RunError: the file is no such model.
    """
    import keras

    import textnets.layers  # noqa: F401  (registers our layers)

    try:
        trusted = {name.split(".")[0] for name in allow_modules}
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            _check_members(archive, path.stat().st_size)
            sizes = _weights_in(archive)
            config = json.loads(archive.read("config.json"))
            _check_config(config, trusted, max([_LARGEST_NUMBER, *map(max, filter(None, sizes))]))
        with _memory_for(4 * sum(map(math.prod, sizes)) + _SMALL):
            model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises many kinds for a file that is not its own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(f"{path}: the model cannot be loaded: {reason}") from None
    return model


# --- What a file may hold ---

_MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
_UNIX, _READABLE = 3, 0o600 << 16  # of a zip archive
_SHARED = "shared_object_id"
_LARGEST_CONFIG = 2**24  # bytes, unpacked; those of our models have thousands
_LARGEST_NUMBER = 2**20  # in a config, but for seeds and the sizes of weights
_SMALL = 2**26  # bytes that variables may always have: those of a seed are in no file
_DEEPEST = 64  # levels of a config


def _check_members(archive: zipfile.ZipFile, size: int) -> None:
    """Refuse an archive of something else, and one that unpacks to much more than it is."""
    found = archive.infolist()
    names = [member.filename for member in found]
    if strangers := sorted(set(names) - set(_MEMBERS)):
        raise ValueError(f"{strangers[0]!r} does not belong in it")
    if sorted(names) != sorted(_MEMBERS):
        raise ValueError("a part of it is missing, or there twice")
    if sum(member.file_size for member in found) > 2 * size + _SMALL:
        raise ValueError("it unpacks to much more than it is")
    if archive.getinfo("config.json").file_size > _LARGEST_CONFIG:
        raise ValueError("its config.json is too large")


def _weights_in(archive: zipfile.ZipFile) -> list[tuple[int, ...]]:
    """The shapes of the weights, which lie in the file itself, each once and as large as it says.

    HDF5 can say of a few bytes that they are a terabyte of zeros, or lie in another file.
    """
    import h5py

    shapes: list[tuple[int, ...]] = []
    with archive.open("model.weights.h5") as packed, io.BytesIO(packed.read()) as content:
        whole = content.getbuffer().nbytes
        with h5py.File(content) as file:
            waiting, total = [file], 0
            while waiting:
                group = waiting.pop()
                for name in group:
                    if type(group.get(name, getlink=True)) is not h5py.HardLink:
                        raise ValueError(f"its weights {name!r} are a link")
                    found = group[name]
                    if isinstance(found, h5py.Group):
                        if len(waiting) > _LARGEST_NUMBER:
                            raise ValueError("its weights are too many")
                        waiting.append(found)
                        continue
                    if found.is_virtual or found.external or found.nbytes > whole:
                        raise ValueError(f"its weights {name!r} are larger than the file")
                    total += found.nbytes + 1
                    shapes.append(tuple(found.shape))
                    if total > whole:
                        raise ValueError("its weights are larger than the file")
    return shapes


def _names(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


# The layers of Keras that compute from what they are given, and nothing else: none that runs code
# of a config (Lambda), reads a file (StringLookup, TFSMLayer) or makes much of a number alone.
_LAYERS = _names(
    """
    InputLayer Dense EinsumDense Embedding ReversibleEmbedding Masking Identity Activation ReLU
    LeakyReLU PReLU ELU Softmax Conv1D SeparableConv1D DepthwiseConv1D Conv1DTranspose Conv2D
    MaxPooling1D AveragePooling1D GlobalMaxPooling1D GlobalAveragePooling1D MaxPooling2D
    AveragePooling2D GlobalMaxPooling2D GlobalAveragePooling2D AdaptiveAveragePooling1D
    AdaptiveMaxPooling1D LSTM LSTMCell GRU GRUCell SimpleRNN SimpleRNNCell RNN StackedRNNCells
    Bidirectional TimeDistributed Attention AdditiveAttention MultiHeadAttention
    GroupQueryAttention LayerNormalization BatchNormalization RMSNormalization GroupNormalization
    UnitNormalization SpectralNormalization Rescaling Dropout SpatialDropout1D GaussianDropout
    GaussianNoise AlphaDropout ActivityRegularization Add Subtract Multiply Average Maximum
    Minimum Concatenate Dot Reshape Flatten Permute RepeatVector Cropping1D ZeroPadding1D
    UpSampling1D
    """
)
_INITIALIZERS = _names(
    """
    Zeros Ones Constant RandomUniform RandomNormal TruncatedNormal VarianceScaling GlorotUniform
    GlorotNormal HeUniform HeNormal LecunUniform LecunNormal Orthogonal OrthogonalInitializer
    Identity IdentityInitializer
    """
)
_CLASSES: dict[str, frozenset[str]] = {
    "keras": frozenset({"Functional", "Model", "Sequential", "DTypePolicy"}),
    "keras.models": frozenset({"Functional", "Model", "Sequential"}),
    "keras.src.models.functional": frozenset({"Functional"}),
    "keras.src.models.model": frozenset({"Model"}),
    "keras.dtype_policies": frozenset({"DTypePolicy"}),
    "keras.layers": _LAYERS,
    "keras.initializers": _INITIALIZERS,
    "keras.regularizers": frozenset({"L1", "L2", "L1L2", "OrthogonalRegularizer"}),
    "keras.constraints": frozenset({"MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"}),
    "keras.random": frozenset({"SeedGenerator"}),
    "keras.src.random.seed_generator": frozenset({"SeedGenerator"}),
}
# Operations of a functional model: those of these modules are arithmetic, and from `core` these.
_OPERATIONS = frozenset({"keras.src.ops.numpy", "keras.src.ops.nn", "keras.src.ops.math"})
_OF_CORE = frozenset(
    {"Cast", "Shape", "Slice", "SliceUpdate", "Scatter", "ScatterUpdate", "StopGradient", "Unstack"}
)
# What is no class: data of a config.
_PLAIN = frozenset(
    {"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__"}
)
_FUNCTIONS = _names(
    """
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh
    leaky_relu linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink
    softmax softplus softsign sparse_plus sparse_sigmoid sparsemax squareplus swish tanh
    tanh_shrink threshold
    """
)
_OF_FUNCTIONS = frozenset(
    {"builtins", "keras.activations", "keras.src.activations.activations", "keras.ops"}
)


def _check_config(config: Any, trusted: set[str], largest: int) -> None:
    """Refuse what no model is made of.

    Args:
        config: of the model.
        trusted: packages whose classes and functions it may name besides.
        largest: the largest number that may stand in it.
    """
    waiting = [(config, "", 0)]
    while waiting:
        found, key, depth = waiting.pop()
        if depth > _DEEPEST:
            raise ValueError("its config is nested too deeply")
        if isinstance(found, dict):
            _check_object(found, trusted)
            waiting.extend((value, name, depth + 1) for name, value in found.items())
        elif isinstance(found, list):
            waiting.extend((value, key, depth + 1) for value in found)
        elif isinstance(found, int | float) and abs(found) > largest and key not in _FREE:
            raise ValueError(f"{key!r} is larger than what a model of this size has")


_CODE = frozenset({"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"})
_FREE = frozenset({"seed", _SHARED})  # whose numbers may be of any size


def _check_object(found: dict[str, Any], trusted: set[str]) -> None:
    """Refuse a class or function that is on no list; see :func:`_check_config`."""
    if found.get("compile_config"):
        raise ValueError("it says how to train it")
    if "class_name" not in found:
        return
    name, module = found["class_name"], found.get("module")
    registered = found.get("registered_name")
    what = f"{module}.{found.get('config') if name == 'function' else name}"
    if not isinstance(name, str) or not isinstance(module, str | None):
        raise ValueError(f"{what} is no name of a class")
    if module is None:
        is_known = name in _PLAIN
    elif module.split(".")[0] in trusted:
        is_known = True
    elif module.split(".")[0] == "textnets":
        is_known = _OUR_LAYERS.fullmatch(module) is not None and registered == f"textnets>{name}"
    elif name == "function":
        called = found.get("config")
        is_known = module in _OF_FUNCTIONS and called in _FUNCTIONS
        is_known = is_known and registered in (None, "function", called)
        is_known = is_known or (bool(trusted) and _is_registered(called))
    else:
        of_core = module == "keras.src.ops.core" and name in _OF_CORE
        is_known = name in _CLASSES.get(module, ()) or _is_operation(module, name) or of_core
        is_known = is_known and registered in (None, name)
    if not is_known and name in _CODE:
        raise ValueError(f"the layer {name} may run code of its own")
    if not is_known:
        raise ValueError(f"{what} is none of the parts that a model of textnets is made of")


_OUR_LAYERS = re.compile(r"textnets\.layers\.\w+")


def _is_registered(name: object) -> bool:
    """Whether code that was imported gave its function this name, to be saved by."""
    import keras

    return isinstance(name, str) and ">" in name and name in keras.saving.get_custom_objects()


def _is_operation(module: str, name: str) -> bool:
    """Whether it is arithmetic on tensors, of Keras's own operations."""
    import importlib

    import keras

    if module not in _OPERATIONS:
        return False
    found = vars(importlib.import_module(module)).get(name)
    return isinstance(found, type) and issubclass(found, keras.Operation)


# --- Memory ---


@contextmanager
def _memory_for(most: int) -> Iterator[None]:
    """Let the layers that are made in this block have variables of so many bytes, and no more."""
    import keras

    real, left = keras.Layer.add_weight, [most]

    def add_weight(layer: Any, shape: Any = None, *arguments: Any, **named: Any) -> Any:
        sizes = shape if isinstance(shape, list | tuple) else (shape or 1,)
        left[0] -= 4 * math.prod(int(size) for size in sizes)
        if left[0] < 0:
            raise ValueError("its config asks for more memory than its weights take")
        return real(layer, shape, *arguments, **named)

    keras.Layer.add_weight = add_weight
    try:
        yield
    finally:
        keras.Layer.add_weight = real
