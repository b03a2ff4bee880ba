"""A run and raw texts in, typed predictions out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, cast

from textnets.backend.devices import prepare_device
from textnets.backend.folding import folded
from textnets.data.values import checked_stream, checked_texts
from textnets.errors import InputError
from textnets.predictions import Prediction
from textnets.progress import Progress
from textnets.run.directory import Run, open_run
from textnets.run.layout import FOLDS_FOLDER, MEMBERS_FOLDER
from textnets.run.model_file import load_model
from textnets.tasks.columns import Columns
from textnets.tasks.ensemble import Members, as_scored, first_of, read_weights
from textnets.tasks.evaluation import AnyEvaluation
from textnets.tasks.inference import AnyInference
from textnets.tasks.preprocessor import AnyPreprocessor
from textnets.text.encoded import EncodedSplit
from textnets.text.encoder import Token

if TYPE_CHECKING:
    from textnets.tasks.registry import AnyTask

_CHUNK = 1024  # texts held at a time in a stream
_CHANGEABLE = "evaluation."
_Answer = TypeVar("_Answer")


class Predictor:
    """A trained model with its vocabularies.

    The same graph turns text into ids here and in training, so the same sentence gets the
    same ids and the same probabilities.

    With the run that the example of :func:`textnets.train` wrote:

    >>> import textnets
    >>> predictor = textnets.Predictor.load("runs/quick")
    >>> prediction = predictor.predict(["my card still has not arrived"])[0]
    >>> prediction.labels[0] in prediction.probabilities
    True
    """

    #: What kind of model it has, for the message where a run has another.
    kind: ClassVar[str] = "model"
    #: What :meth:`predict` says of a text.
    prediction: ClassVar[type[Prediction]] = Prediction  # type: ignore[type-abstract]
    #: What its labels are called, where it has any.
    labels_are: ClassVar[str] = "labels"
    #: Lines of Python that show what ``model``, which was exported, can do.
    examples: ClassVar[tuple[str, ...]] = ('print(model.predict(["a text", "another"]))',)

    def __init__(
        self,
        run: Run,
        task: AnyTask,
        allow_builders: Sequence[str] = (),
        *,
        is_hasty: bool = False,
    ) -> None:
        self.run, self.task, self._is_hasty = run, task, is_hasty
        prepare = folded if is_hasty else _as_it_is
        self.models: Sequence[Any]
        self.preprocessor: AnyPreprocessor
        self.inference: AnyInference
        if task.recipe.data.folds is not None:
            raise InputError(
                f"{run.folder}: a cross-validation has a model for each fold, such as "
                f"{run.folder / FOLDS_FOLDER / '1'}; a model of all examples is trained without "
                "data.folds"
            )
        if task.recipe.ensemble is None:
            model = load_model(run.model_path, allow_builders)
            self.models, self.preprocessor = [model], task.load(run.folder)
            self.preprocessor.check_model(model, run.folder)
            self.inference = task.inference(self.preprocessor, prepare(model))
        else:
            members = Members.load(task, run.folder, allow_builders, prepare=prepare)
            self.models, self.preprocessor = members.models, members.preprocessor
            self.inference = members.inference(read_weights(task, run.folder))

    @property
    def model(self) -> Any:
        """The ``keras.Model``.

        Raises:
            InputError: an ensemble has several.
        """
        if len(self.models) > 1:
            raise InputError(
                f"{self.run.folder}: an ensemble has several models, each in a run of its own in "
                f"{self.run.folder / MEMBERS_FOLDER} (in Python Predictor.models)"
            )
        return self.models[0]

    @property
    def evaluation(self) -> AnyEvaluation:
        """How its answers are scored."""
        return self.task.evaluation(first_of(self.preprocessor))

    def as_scored(self, split: EncodedSplit) -> EncodedSplit:
        """An encoded split as :attr:`evaluation` takes it."""
        return as_scored(self.preprocessor, split)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        overrides: Sequence[str] = (),
        device: str = "auto",
        allow_builders: Sequence[str] = (),
        for_many: bool = False,
    ) -> Self:
        """Open a run directory.

        Args:
            folder: of a finished run.
            overrides: ``["evaluation.beam_size=1"]``: how this predictor answers, where its
                task knows such keys. Nothing else of a trained run can be changed.
            device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
            allow_builders: modules that may be imported, for a run whose builder is of one.
            for_many: prepare for millions of texts: answers are the same but for the last digits,
                and come sooner on a CPU (:mod:`textnets.backend.folding`).

        Returns:
            The predictor of the run's task, which can do what that task can: of a language model
            a :class:`textnets.tasks.language_modeling.LanguageModelPredictor`.

        Raises:
            RunError: the run is incomplete, damaged or from a newer version, or its builder's
                module is not allowed.
            InputError: the run is of another kind than this class, or an override is none of the
                evaluation's keys, or not in its range.
        """
        from textnets.tasks.registry import read_run  # which knows this class's subclasses

        run = open_run(Path(folder))
        for override in overrides:
            if not override.startswith(_CHANGEABLE):
                raise InputError(
                    f"{override!r}: the run is trained; only keys that start with "
                    f"{_CHANGEABLE!r} can be set now"
                )
        task = read_run(run.folder, allow_builders=allow_builders)
        cls.check_kind(task, folder)
        kind = cast("type[Self]", task.predictor)
        if overrides:
            task = read_run(run.folder, overrides, allow_builders=allow_builders)
        found = prepare_device(device)
        # Elsewhere each new width of a batch costs time: XLA compiles it, cuDNN tries ways for it.
        is_hasty = for_many and found.backend == "tensorflow" and found.kind == "cpu"
        return kind(run, task, allow_builders, is_hasty=is_hasty)

    @classmethod
    def check_kind(cls, task: AnyTask, folder: str | Path) -> None:
        """Refuse a run of another task than this class is for.

        Raises:
            InputError: naming both.
        """
        if not issubclass(task.predictor, cls):
            raise InputError(
                f"{folder}: this run's task is {task.name}; only a {cls.kind} can do this"
            )

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Predictions for some texts, in their order.

        Raises:
            TypeError: a single string was given instead of a list of them.
            InputError: they are no list of texts; of one that is none, naming its row.
        """
        if isinstance(texts, str):
            raise TypeError("expected a list of texts, was: one string")
        texts = checked_texts(list(texts) if isinstance(texts, Iterator) else texts, "texts")
        if not texts:
            return []
        outputs = self.outputs(self.preprocessor.encode_inputs(texts))
        return list(self.inference.predictions(texts, outputs))

    def predict_stream(self, texts: Iterable[str]) -> Iterator[Prediction]:
        """Predictions for any number of texts, a chunk at a time: memory stays flat."""
        return in_chunks(self.predict, checked_stream(texts, "texts"))

    # --- As a service, or in another form ---

    @property
    def labels(self) -> Sequence[str]:
        """What it tells apart; empty where it names nothing."""
        return getattr(first_of(self.preprocessor), "labels", ())

    @property
    def usage(self) -> Sequence[str]:
        """The lines of :attr:`examples`, with texts that this model takes."""
        return self.examples

    @property
    def sample(self) -> str:
        """A text that it answers, whatever it says."""
        return "a text"

    def about(self) -> dict[str, Any]:
        """What a client of the model may want to know of it, for JSON."""
        return {"labels": list(self.labels)} if self.labels else {}

    def respond(self, texts: Sequence[str], wishes: Mapping[str, Any]) -> list[Prediction]:
        """As :meth:`predict`, as a client wants it.

        Args:
            texts: of the request.
            wishes: some of :attr:`textnets.predictions.Prediction.wishes` of :attr:`prediction`;
                of those that are about the search, not about how much of it is told.

        Raises:
            InputError: one of them cannot be had.
        """
        return self.predict(texts)

    def follow(self, prompt: str, wishes: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """What the model writes after a prompt, for JSON, token by token.

        Raises:
            InputError: it does not write, or a wish is out of its range.
        """
        raise InputError(f"{self.run.folder.name}: only a language model writes token by token")

    def everything(self, texts: Sequence[str]) -> list[Prediction]:
        """All that it can say of some texts, to compare another form of it with."""
        return list(self.predict(texts))

    def tokens(self, texts: Sequence[str]) -> list[list[Token]]:
        """The tokens of some texts as the model sees them."""
        return self.preprocessor.tokens(checked_texts(texts, "texts"))

    def outputs(self, split: EncodedSplit, progress: Progress | None = None) -> Any:
        """What the task's predictions are made of, for encoded examples."""
        return self.inference.outputs(split, progress or Progress())

    def columns(
        self,
        texts: Sequence[str],
        split: EncodedSplit | None = None,
        *,
        flat: bool = False,
        details: bool = False,
    ) -> Columns:
        """What :meth:`predict` says of many texts, by column.

        Args:
            texts: one or more.
            split: the same, encoded, where they are.
            flat, details: see :meth:`textnets.tasks.inference.Inference.columns`.
        """
        split = self.preprocessor.encode_inputs(texts) if split is None else split
        outputs = self.inference.outputs(split, Progress(), tight=self._is_hasty)
        return self.inference.columns(texts, outputs, flat=flat, details=details)


def _as_it_is(model: Any) -> Any:
    return model


def in_chunks(
    answer: Callable[[list[str]], Iterable[_Answer]], texts: Iterable[str]
) -> Iterator[_Answer]:
    """An answer for each of any number of texts, which are asked for a chunk at a time."""
    iterator = iter(texts)
    while chunk := list(islice(iterator, _CHUNK)):
        yield from answer(chunk)
