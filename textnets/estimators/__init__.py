"""scikit-learn estimators on raw text, over the same pipeline as the recipes.

The only room, besides the baselines of evaluation, that imports scikit-learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from textnets.errors import InputError
from textnets.estimators.base import TextEstimator
from textnets.estimators.classifier import TextClassifier
from textnets.estimators.ensemble import TextEnsemble
from textnets.estimators.language_model import TextLanguageModel
from textnets.estimators.tagger import TextTagger
from textnets.estimators.translator import TextTranslator

ESTIMATORS: dict[str, type[TextEstimator]] = {
    estimator.task_name: estimator
    for estimator in (TextClassifier, TextTagger, TextTranslator, TextLanguageModel)
}


def load(
    run: str | Path, *, device: str = "auto", allow_builders: Sequence[str] = ()
) -> TextEstimator:
    """A trained run as a fitted estimator, wherever it was trained.

    With the run that the example of :func:`textnets.train` wrote:

    >>> import textnets
    >>> classifier = textnets.load("runs/quick")
    >>> type(classifier).__name__, classifier.predict_proba(["my card is lost"]).shape
    ('TextClassifier', (1, 77))

    Args:
        run: a run directory, of the command line, of :func:`textnets.train` or of
            :meth:`TextEstimator.save`.
        device: where it answers: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        allow_builders: modules that may be imported, for a run whose builder is not one of
            textnets' own.

    Raises:
        RunError: the run is incomplete, damaged or from a newer version, or its builder's module
            is not allowed.
    """
    from textnets.run.directory import open_run
    from textnets.tasks import read_run

    opened = open_run(Path(run))
    task = read_run(opened.folder, allow_builders=allow_builders)
    if task.recipe.ensemble is None:
        return ESTIMATORS[task.name].of_run(opened, task, device, allow_builders)
    if task.name != TextClassifier.task_name:
        raise InputError(
            f"{run}: an ensemble for {task.name} is no estimator; textnets.Predictor.load opens it"
        )
    return TextEnsemble.of_run(opened, task, device, allow_builders)


__all__ = [
    "ESTIMATORS",
    "TextClassifier",
    "TextEnsemble",
    "TextEstimator",
    "TextLanguageModel",
    "TextTagger",
    "TextTranslator",
    "load",
]
