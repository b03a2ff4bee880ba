"""What a run can be exported to: one literal dict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textnets.export.subject import Subject
    from textnets.predictions import Prediction

_ALL = ("classification", "tagging", "translation", "language_modeling")


@dataclass(frozen=True)
class Format:
    """One form of a run.

    Attributes:
        summary: what it is, in a line.
        tasks: whose runs it can hold.
        write: writes the files into a folder that is there and empty.
        answering: a module that is started in a process of its own, see
            :mod:`textnets.export.proof`.
        loading: the lines of Python that load it and predict, for the model card.
        extra: of textnets, that brings the packages; empty where nothing else is needed.
        packages: modules that must be there to write and to try it.
        quantizations: how its weights can be made smaller.
        is_alone: whether the module for answering needs nothing of textnets; it is then started as
            a file.
        promised: what of the run's predictions the form gives; all where it is ``None``.
        prepared: the run as the form can answer; as it is where it is ``None``.
        limits: what the form promises less than the run, in words for the model card.
        round_weights: gives the run's models the weights that the small ones stand for, by kind;
            ``None`` for :func:`textnets.export.quantization.quantize_weights`.
    """

    summary: str
    tasks: tuple[str, ...]
    write: Callable[[Subject, Path], None]
    answering: str
    loading: Callable[[Subject], str]
    extra: str = ""
    packages: tuple[str, ...] = ()
    quantizations: tuple[str, ...] = ()
    is_alone: bool = False
    promised: Callable[[Sequence[Prediction]], list[Prediction]] | None = None
    prepared: Callable[[Subject], Subject] | None = None
    limits: Callable[[Subject], str] | None = None
    round_weights: Callable[[Sequence[Any], str], None] | None = None


def _write_numpy(subject: Subject, folder: Path) -> None:
    from textnets.export.numpy_format import write

    write(subject, folder)


def _load_numpy(subject: Subject) -> str:
    from textnets.export.numpy_format import loading

    return loading(subject)


def _write_saved_model(subject: Subject, folder: Path) -> None:
    from textnets.export.saved_model import write

    write(subject, folder)


def _load_saved_model(subject: Subject) -> str:
    from textnets.export.saved_model import loading

    return loading(subject)


def _write_onnx(subject: Subject, folder: Path) -> None:
    from textnets.export.onnx_format import write

    write(subject, folder)


def _load_onnx(subject: Subject) -> str:
    from textnets.export.onnx_format import loading

    return loading(subject)


def _write_litert(subject: Subject, folder: Path) -> None:
    from textnets.export.litert_format import write

    write(subject, folder)


def _load_litert(subject: Subject) -> str:
    from textnets.export.litert_format import loading

    return loading(subject)


def _prepare_litert(subject: Subject) -> Subject:
    from textnets.export.litert_format import prepared

    return prepared(subject)


def _limits_of_litert(subject: Subject) -> str:
    from textnets.export.litert_format import limits

    return limits(subject)


def _round_for_litert(models: Sequence[Any], kind: str) -> None:
    from textnets.export.litert_format import round_weights

    round_weights(models, kind)


def _without_attention(predictions: Sequence[Prediction]) -> list[Prediction]:
    return [one.without_attention() for one in predictions]


FORMATS: dict[str, Format] = {
    "numpy": Format(
        summary="one file, which NumPy alone runs: no TensorFlow, no Keras",
        tasks=_ALL,
        write=_write_numpy,
        answering="textnets.lite.answering",
        loading=_load_numpy,
        quantizations=("int8", "float16"),
    ),
    "savedmodel": Format(
        summary="texts in, answers out, for TensorFlow with tensorflow-text and for TF Serving",
        tasks=("classification", "tagging", "translation"),
        write=_write_saved_model,
        answering="textnets.export.saved_model_answers",
        loading=_load_saved_model,
        is_alone=True,
        promised=_without_attention,
    ),
    "onnx": Format(
        summary="models of ids for onnxruntime, and what turns texts into ids",
        tasks=_ALL,
        write=_write_onnx,
        answering="textnets.lite.onnx",
        loading=_load_onnx,
        extra="onnx",
        packages=("onnx", "onnxruntime", "tf2onnx"),
    ),
    "litert": Format(
        summary="a model of ids of a fixed length for LiteRT, and what turns texts into ids",
        tasks=("classification",),
        write=_write_litert,
        answering="textnets.lite.litert",
        loading=_load_litert,
        extra="litert",
        packages=("ai_edge_litert",),
        quantizations=("float16",),
        prepared=_prepare_litert,
        limits=_limits_of_litert,
        round_weights=_round_for_litert,
    ),
}
