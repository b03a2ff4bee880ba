"""Which device and backend are asked for, and what is said of those that are not there."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import keras
import pytest

from textnets.backend.devices import backend_name, precision, prepare_device, require_tensorflow
from textnets.errors import InputError


@pytest.mark.parametrize(
    "wanted", ["", "GPU", "cuda", "cpu:0", "auto:1", "gpu:", "gpu:-1", "gpu:x", "gpu:1 ", " cpu"]
)
def test_names_of_no_device_are_refused(wanted: str) -> None:
    with pytest.raises(InputError) as caught:
        prepare_device(wanted)
    assert str(caught.value) == f"--device: expected auto, cpu, gpu or gpu:N, was: {wanted!r}"


def test_a_gpu_that_is_not_there_is_told_by_its_name() -> None:
    with pytest.raises(InputError, match=r"--device gpu:77: tensorflow sees no such GPU; use"):
        prepare_device("gpu:77")


def test_the_cpu_is_taken_where_it_is_asked_for() -> None:
    found = prepare_device("cpu")
    assert (found.backend, found.kind, found.name) == ("tensorflow", "cpu", "CPU")
    assert found.reason == "asked for"
    assert prepare_device("cpu") == found  # as often as one likes


def test_the_backend_is_that_of_keras_once_it_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert backend_name() == keras.config.backend() == "tensorflow"


@pytest.mark.parametrize(("variable", "expected"), [(None, "tensorflow"), ("jax", "jax")])
def test_before_that_it_is_that_of_the_environment(
    variable: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if variable is not None:
        monkeypatch.setenv("KERAS_BACKEND", variable)
    assert backend_name() == expected
    assert "keras" not in sys.modules


@pytest.mark.parametrize("backend", ["torch", "numpy", "tensorflo"])
def test_backends_that_textnets_does_not_run_on(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = SimpleNamespace(backend=lambda: backend)
    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(config=config))
    with pytest.raises(InputError) as caught:
        prepare_device()
    assert str(caught.value) == (
        f"KERAS_BACKEND: textnets runs on tensorflow and jax, was: {backend!r}"
    )


@pytest.mark.parametrize("missing", ["tensorflow", "tensorflow_text"])
def test_what_needs_tensorflow_says_so(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    require_tensorflow("turning text into ids")
    monkeypatch.setattr(
        "textnets.backend.devices.find_spec", lambda name: None if name == missing else object()
    )
    with pytest.raises(InputError, match=f"needs {missing.replace('_', '-')}, which is not inst"):
        require_tensorflow("turning text into ids")


def test_the_callers_precision_is_put_back_after_a_failure() -> None:
    before = keras.config.dtype_policy()
    with pytest.raises(ValueError, match="broken"), precision("mixed_bfloat16"):  # noqa: PT012
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        raise ValueError("broken")
    assert keras.config.dtype_policy() == before
