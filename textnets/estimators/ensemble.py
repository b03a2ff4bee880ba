"""``TextEnsemble``: classifiers that are trained apart and answer together."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal, Self

from textnets.data.sources import IN_MEMORY
from textnets.errors import InputError, did_you_mean
from textnets.estimators.base import RandomState
from textnets.estimators.classifier import TextClassifier
from textnets.estimators.flat_parameters import changed_values, plain
from textnets.estimators.packed_run import PackedRun
from textnets.recipe.document import Document
from textnets.run.directory import Run
from textnets.tasks import AnyTask, task_from

_PARAMETERS = ("members", "seeds", "weights", "validation", "random_state", "device", "verbose")
_OF_MEMBERS = ("text", "model", "training")


def default_members() -> list[tuple[str, TextClassifier]]:
    """What answers well together on texts that nothing is known of, many or few.

    Two bags of n-grams, one that begins as naive Bayes, which suits opinions, and one of inverse
    document frequencies, which suits topics and many classes; and a net that knows order. Each is
    trained once more on all texts, when the held-out ones have said how much it counts.

    Returns:
        Pairs of a name and a classifier, not fitted.
    """
    bag = "ngram_bag_classifier"
    return [
        ("opinions", TextClassifier(bag, refit="all")),
        (
            "topics",
            TextClassifier(
                bag,
                weighting="idf",
                optimizer="momentum",
                learning_rate=5.0,
                batch_size=32,
                epochs=20,
                refit="all",
            ),
        ),
        (
            "phrases",
            TextClassifier(
                "cnn_classifier",
                min_count=2,
                max_length=400,
                truncate="start",
                embedding_width=100,
                maps=100,
                max_norm=None,
                embedding_dropout=0.5,
                dropout=0.5,
                batch_size=50,
                epochs=8,
                min_steps=800,
                schedule="cosine",
                warmup_share=0.05,
                refit="all",
            ),
        ),
    ]


class TextEnsemble(TextClassifier):
    """Several :class:`TextClassifier` that are trained apart and answer together.

    Each has its own tokens, vocabulary and settings. Their answer is the mean of the logarithms of
    their probabilities, weighted by what the held-out texts say, which mostly does better than the
    best member: a bag of n-grams and a net are wrong in different places.

    Args:
        members: pairs of a name and a classifier, not fitted; their ``random_state``, ``device``,
            ``validation`` and ``verbose`` are the ensemble's. ``None``: those of
            :func:`default_members`, for texts with one label each.
        seeds: how many times each member is trained, from other starting weights; by name where
            they differ.
        weights: how much each member counts: chosen by the ``validation`` texts, ``equal``, or a
            number each.
        validation: the share of the texts that chooses epochs and weights; without it the first
            member counts 0.7, and each that follows 0.3 beside those before it.
        random_state: seed of the validation share, and of the first member's weights.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        verbose: 1 shows progress on standard error.

    Attributes:
        classes_: the labels, sorted; for multi-label the labels of each column.
        models_: the fitted ``keras.Model`` of each member, with every seed.

    >>> from textnets import TextClassifier
    >>> texts = ["a fine film", "fine and clever", "a dull film", "dull and long"] * 5
    >>> labels = ["good", "good", "bad", "bad"] * 5
    >>> bag = TextClassifier("ngram_bag_classifier", epochs=3, learning_rate=0.05)
    >>> net = TextClassifier("mlp_classifier", epochs=30, learning_rate=0.05)
    >>> both = TextEnsemble([("bag", bag), ("net", net)], random_state=1)
    >>> both.fit(texts, labels).predict(["clever film"]).tolist()
    ['good']
    """

    def __init__(
        self,
        members: Sequence[tuple[str, TextClassifier]] | None = None,
        *,
        seeds: int | Mapping[str, int] = 1,
        weights: Literal["validation", "equal"] | Sequence[float] = "validation",
        validation: float | None = 0.1,
        random_state: RandomState = None,
        device: str = "auto",
        verbose: int = 0,
    ) -> None:
        self.members, self.seeds, self.weights = members, seeds, weights
        self.validation, self.random_state = validation, random_state
        self.device, self.verbose = device, verbose

    @property
    def multi_label(self) -> bool:
        """Whether a text has any number of labels, as the first member says."""
        first = (self.members or ())[:1]
        return any(bool(getattr(member, "multi_label", False)) for _, member in first)

    # --- Parameters ---

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Every parameter and its value.

        Args:
            deep: the members too, and their parameters as ``NAME__PARAMETER``.
        """
        found = {name: getattr(self, name) for name in _PARAMETERS}
        for name, member in self._members() if deep else ():
            found[name] = member
            found |= {f"{name}__{key}": value for key, value in member.get_params().items()}
        return found

    def set_params(self, **params: Any) -> Self:
        """Set parameters; those of a member as ``NAME__PARAMETER``.

        Raises:
            ValueError: a name is not known.
        """
        for name in [name for name in params if name in _PARAMETERS]:
            setattr(self, name, params.pop(name))
        members = dict(self._members())
        of_members: dict[str, dict[str, Any]] = {}
        for name, value in params.items():
            member, separator, key = name.partition("__")
            if member not in members:
                hint = did_you_mean(member, [*_PARAMETERS, *members])
                raise InputError(f"{type(self).__name__} has no parameter {name!r}; {hint}")
            if separator:
                of_members.setdefault(member, {})[key] = value
            else:
                members[member] = value
        if params:  # where they were the default ones, these are kept
            self.members = list(members.items())
        for name, values in of_members.items():
            members[name].set_params(**values)
        return self

    def _members(self) -> Sequence[tuple[str, TextClassifier]]:
        """Those that were given, or else new ones of :func:`default_members`."""
        return default_members() if self.members is None else self.members

    # --- Fitting ---

    def _make_task(self, **changed: Any) -> AnyTask:
        return self._with_named_weights({})

    def _with_named_weights(self, names: Mapping[Hashable, str]) -> AnyTask:
        document = Document(
            type(self).__name__,
            {
                "task": self.task_name,
                "data": {
                    "train": IN_MEMORY,
                    "validation": plain(self.validation),
                    "multi_label": self.multi_label,
                },
                "ensemble": {
                    "members": [
                        self._member(name, member, names) for name, member in self._checked()
                    ],
                    "weights": plain(self.weights),
                },
                "evaluation": {"baselines": False},
                "seed": self._seed(),
            },
        )
        return task_from(document, None)

    def _checked(self) -> list[tuple[str, TextClassifier]]:
        """The members.

        Raises:
            InputError: they are no pairs of a name and a classifier.
        """
        members = list(self._members())
        if not members:
            raise InputError("members: expected pairs of a name and a TextClassifier, was: none")
        for member in members:
            is_pair = isinstance(member, tuple | list) and len(member) == 2
            if not is_pair or not isinstance(member[1], TextClassifier):
                raise InputError(
                    f"members: expected pairs of a name and a TextClassifier, was: {member!r}"
                )
            if isinstance(member[1], TextEnsemble):
                raise InputError(f"members: {member[0]!r} is an ensemble itself; give its members")
        if isinstance(self.seeds, Mapping):
            names = [name for name, _ in members]
            if unknown := [name for name in self.seeds if name not in names]:
                raise InputError(f"seeds: no member is called {unknown[0]!r}")
        return members

    def _member(
        self, name: str, member: TextClassifier, names: Mapping[Hashable, str]
    ) -> dict[str, Any]:
        task = member._with_named_weights(names) if names else member._make_task()
        sections = task.recipe.as_sections()
        seeds = self.seeds.get(name, 1) if isinstance(self.seeds, Mapping) else self.seeds
        return {"name": name, "seeds": plain(seeds)} | {key: sections[key] for key in _OF_MEMBERS}

    def _keep(self, run: Run, packed: PackedRun) -> None:
        self._run = packed

    @property
    def models_(self) -> list[Any]:
        """The fitted ``keras.Model`` of each member, with every seed, not compiled."""
        return list(self._predictor.models)

    # --- Runs ---

    @classmethod
    def of_run(cls, run: Run, task: AnyTask, device: str, allow_builders: Sequence[str]) -> Self:
        """A fitted ensemble of a run that was opened; see :func:`textnets.load`."""
        recipe = task.recipe
        shared = {"data": recipe.as_sections()["data"]}
        members, seeds = [], {}
        for member in recipe.ensemble.members if recipe.ensemble else ():
            builder = str(member.model["builder"])
            known = TextClassifier._parameters_with(builder) or {}
            values = changed_values({**shared, **member.as_written()}, known)
            members.append((member.name, TextClassifier(builder, device=device, **values)))
            seeds[member.name] = member.seeds
        found = cls(
            members,
            seeds=seeds if len(set(seeds.values())) > 1 else next(iter(seeds.values()), 1),
            weights=recipe.ensemble.weights if recipe.ensemble else "validation",
            validation=recipe.data.validation,
            random_state=recipe.seed,
            device=device,
        )
        packed = PackedRun.of(run, device, allow_builders)
        found._keep(run, packed)
        found._restore(packed.predictor.preprocessor, run)
        return found
