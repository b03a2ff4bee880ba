"""Which backend and device do the work, and with what precision.

Call :func:`prepare_device` before anything imports Keras: a backend can only be told about
devices, memory and its talkative logs before it starts.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from types import FrameType
from typing import Any

from textnets.errors import InputError, MissingExtraError, TextnetsError

DEVICE_HELP = "auto, cpu, gpu or gpu:N"
_OPTIONAL = ("pandas", "sklearn", "matplotlib")
_is_lean = False


@dataclass(frozen=True)
class Device:
    """Where the work is done.

    Attributes:
        backend: ``tensorflow`` or ``jax``.
        kind: ``cpu`` or ``gpu``.
        name: what the backend calls it, such as ``GPU 0 (NVIDIA H200)``.
        reason: why this one.
    """

    backend: str
    kind: str
    name: str
    reason: str


def backend_name() -> str:
    """The backend that Keras uses or will use, without importing Keras."""
    keras: Any = sys.modules.get("keras")
    if keras is not None:
        return str(keras.config.backend())
    return os.environ.get("KERAS_BACKEND", "tensorflow")


def prepare_device(wanted: str = "auto") -> Device:
    """Start the backend on a device.

    Args:
        wanted: ``auto`` (a GPU where there is one), ``cpu``, ``gpu`` or ``gpu:N``.

    Raises:
        InputError: no such device, or no name of one.
        MissingExtraError: the backend is not installed.
    """
    match = re.fullmatch(r"(auto|cpu|gpu)(?::(\d+))?", wanted)
    if match is None or (match[2] and match[1] != "gpu"):
        raise InputError(f"--device: expected {DEVICE_HELP}, was: {wanted!r}")
    kind, index = match[1], int(match[2] or 0)
    backend = backend_name()
    start = {"tensorflow": _start_tensorflow, "jax": _start_jax}.get(backend)
    if start is None:
        raise InputError(f"KERAS_BACKEND: textnets runs on tensorflow and jax, was: {backend!r}")
    with _interrupts_held(), _quiet_start(), _left_out(backend):
        found = start(kind, index)
        import keras  # noqa: F401
    if found is None:
        raise InputError(
            f"--device {wanted}: {backend} sees no such GPU; use --device cpu, or install the "
            "driver and 'textnets[gpu]'"
        )
    return found


def _start_tensorflow(kind: str, index: int) -> Device | None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import tensorflow as tf
    except ImportError as error:
        raise TextnetsError(
            f"tensorflow cannot be imported: {error}; install it, or set KERAS_BACKEND=jax and "
            "train on stored ids (--store)"
        ) from None
    gpus = tf.config.list_physical_devices("GPU")
    if kind == "cpu" or (kind == "auto" and not gpus):
        _show_only(tf, [])
        return Device("tensorflow", "cpu", "CPU", _why("cpu", kind))
    if index >= len(gpus):
        return None
    _show_only(tf, [gpus[index]])
    details = tf.config.experimental.get_device_details(gpus[index])
    name = f"GPU {index} ({details.get('device_name', 'unknown')})"
    return Device("tensorflow", "gpu", name, _why("gpu", kind))


def _show_only(tf: Any, gpus: list[Any]) -> None:
    """Let TensorFlow see these GPUs only, and take their memory as it grows.

    Raises:
        InputError: TensorFlow runs already, and on other devices than were asked for.
    """
    if tf.config.get_visible_devices("GPU") == gpus and not gpus:
        return
    try:
        tf.config.set_visible_devices(gpus, "GPU")
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:
        if tf.config.get_visible_devices("GPU") != gpus:
            raise InputError(
                "TensorFlow runs in this process already, with "
                f"{tf.config.get_visible_devices('GPU') or 'no GPU'}; choose the device before "
                "anything else uses it, or start a new process"
            ) from None


def require_tensorflow(purpose: str) -> None:
    """Raise, with what to do, where the packages that text needs are not installed.

    Raises:
        InputError: TensorFlow or tensorflow-text is missing.
    """
    for package in ("tensorflow", "tensorflow_text"):
        if find_spec(package) is None:
            raise InputError(
                f"{purpose} needs {package.replace('_', '-')}, which is not installed; training on "
                "stored ids does not ('tokenize RECIPE --store DIR', then 'train --store DIR')"
            )


def _start_jax(kind: str, index: int) -> Device | None:
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # JAX's memory growth
    try:
        import jax
    except ImportError:
        raise MissingExtraError("KERAS_BACKEND=jax", extra="jax") from None
    if kind == "cpu":
        jax.config.update("jax_platforms", "cpu")
    devices = jax.devices()
    gpus = [device for device in devices if device.platform in ("gpu", "cuda", "rocm")]
    if kind == "cpu" or (kind == "auto" and not gpus):
        return Device("jax", "cpu", "CPU", _why("cpu", kind))
    if index >= len(gpus):
        return None
    jax.config.update("jax_default_device", gpus[index])
    return Device("jax", "gpu", f"GPU {index} ({gpus[index].device_kind})", _why("gpu", kind))


def _why(found: str, asked: str) -> str:
    if asked != "auto":
        return "asked for"
    return "the first GPU found" if found == "gpu" else "no GPU found"


def start_lean() -> None:
    """Let this process start Keras without the optional packages that Keras imports where it finds
    them, which takes as long as TensorFlow itself.

    For processes of our own, such as the command line's: Keras's wrappers for scikit-learn and its
    slicing of pandas' tables do not work there. The packages can be imported after the start.
    """
    global _is_lean
    _is_lean = True


@contextmanager
def _left_out(backend: str) -> Iterator[None]:
    """Inside the block optional packages seem not to be installed, if :func:`start_lean` was
    called."""
    names = [*_OPTIONAL, *({"jax"} - {backend})] if _is_lean else []
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: not to be found
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Let Ctrl-C act after the block: modules that TensorFlow imports swallow the exception."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[FrameType | None] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append(frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.SIG_DFL)
    if came:
        signal.raise_signal(signal.SIGINT)


@contextmanager
def _quiet_start() -> Iterator[None]:
    """Hold back what C++ libraries print while they load (no log level reaches it); show it
    when the start fails."""
    try:
        stderr = sys.__stderr__.fileno() if sys.__stderr__ else None
    except (OSError, ValueError):
        stderr = None
    if stderr is None or os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0":
        yield
        return
    with tempfile.TemporaryFile() as held:
        kept = os.dup(stderr)
        os.dup2(held.fileno(), stderr)
        try:
            yield
        except InputError:
            raise
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, stderr)
            os.close(kept)


@contextmanager
def precision(name: str) -> Iterator[None]:
    """Build layers with a dtype policy; the caller's own policy is put back after."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
