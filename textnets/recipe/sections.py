"""The sections of a recipe as frozen, typed models. No Keras here.

What every task shares stands here; a task adds its own keys by subclassing
(:mod:`textnets.tasks`). The ``model:`` section has no class: the builder's signature
is its schema (:mod:`textnets.recipe.model_section`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError


def as_tuple(value: Any) -> Any:
    """A list of a recipe as the tuple that a frozen section holds."""
    return tuple(value) if isinstance(value, list) else value


#: One name, or several.
Names = str | Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(as_tuple)]
Files = Names
Delimiter = Annotated[str, Field(min_length=1, max_length=1, pattern=r'[^"\r\n]')]
Share = Annotated[float, Field(gt=0, lt=1)]
PositiveInt = Annotated[int, Field(gt=0)]
Rate = Annotated[float, Field(ge=0, lt=1)]
MAX_SEED = 2**31 - 1
_MOST_SEEDS = 1000  # of an ensemble's member


def mistake(key: str, message: str) -> PydanticCustomError:
    """What a section's validator raises, so that the message stands at ``key``'s line; a key of
    a section inside it is ``inside.key``."""
    # In the context, not in the template, where braces of the message would be filled in.
    return PydanticCustomError("mistake", "{message}", {"key": key, "message": message})


class Section(BaseModel):
    """Frozen; unknown keys are errors; a number is never taken for text, nor text for one."""

    # Booleans and numbers are strict too: `epochs: true` or `epochs: "3"` is a mistake.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    #: Keys that have an effect only with some values of another: (its name, those values).
    only_with: ClassVar[Mapping[str, tuple[str, tuple[Any, ...]]]] = {}

    @model_validator(mode="after")
    def _no_key_without_effect(self) -> Self:
        for key, (owner, values) in self.only_with.items():
            chosen = getattr(self, owner)
            if key in self.model_fields_set and chosen not in values:
                wanted = " or ".join(map(_as_yaml, values))
                raise mistake(
                    key,
                    f"has no effect with {owner}: {_as_yaml(chosen)}; it goes with "
                    f"{owner}: {wanted}",
                )
        return self

    #: Keys that are left out of what is written where they have their default.
    not_written: ClassVar[frozenset[str]] = frozenset()

    def as_written(self) -> dict[str, Any]:
        """Every key that has an effect, with its value: it reads back."""
        written = self.model_dump(mode="json")
        for key in written:
            if isinstance(value := getattr(self, key), Section):
                written[key] = value.as_written()
        for key in self.not_written:
            if getattr(self, key) == type(self).model_fields[key].default:
                del written[key]
        for key, (owner, values) in self.only_with.items():
            if getattr(self, owner) not in values:
                written.pop(key, None)
        return written


def _as_yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class DataSection(Section):
    """Where the text comes from. Files are looked for beside the recipe, beside it under
    ``data/``, under ``$TEXTNETS_DATA``, and in the user's cache."""

    dataset: str | None = Field(
        None, description="A name from 'textnets data'; fills in the files and columns below."
    )
    train: Files | None = Field(
        None,
        description="The training file or folder; several files as a list, or with * in the name.",
    )
    validation: Share | Files | None = Field(
        None, description="A seeded share of the training split, or a file. Chooses the model."
    )
    test: Share | Files | None = Field(
        None, description="A file, or a seeded share of a set that has no split of its own."
    )
    encoding: str = Field(
        "utf-8", description="Of the files, such as latin-1, windows-1252, utf-16 or gb18030."
    )
    comment: Annotated[str, Field(min_length=1)] | None = Field(
        None, description='Lines that begin so are passed over, such as "#".'
    )
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] | None = Field(
        None, description="Of the shares that are drawn; by default the recipe's seed."
    )
    folds: Annotated[int, Field(ge=2, le=100)] | None = Field(
        None,
        description="Train so many times, each time tested on another part of the training file, "
        "where a set has no test split (cross-validation).",
    )
    limit: PositiveInt | None = Field(
        None, description="Read only this many examples of each file, to try a recipe out."
    )

    not_written: ClassVar[frozenset[str]] = frozenset({"seed", "folds", "encoding", "comment"})

    @field_validator("encoding")
    @classmethod
    def _is_an_encoding(cls, value: str) -> str:
        try:
            "a".encode(value)
        except (LookupError, ValueError):
            known = "known are utf-8, latin-1, windows-1252, utf-16, gb18030 and others"
            raise mistake("encoding", f"no encoding of text; {known}") from None
        return value

    @model_validator(mode="after")
    def _has_a_source(self) -> DataSection:
        if self.dataset is None and self.train is None:
            raise mistake("train", "name a 'train' file, or a 'dataset' of the catalog")
        return self

    def files_of(self, split: str) -> list[str]:
        """The names of a split's files; none where it is a share, or is not there."""
        given = getattr(self, split)
        if isinstance(given, str):
            return [given]
        return list(given) if isinstance(given, tuple) else []


#: Where a vocabulary comes from.
Vocabulary = Literal["learn", "extend"]
VOCABULARY_ABOUT = (
    "'learn': the tokens of the training split. 'extend': those of model.initialize_from's run, "
    "with their ids, and after them the tokens of the training split that it lacks."
)


class TextKeys(Section):
    """The keys by which texts become token ids, each checked by itself."""

    tokenizer: Literal[
        "whitespace", "words", "characters", "regex", "wordpiece", "sentencepiece"
    ] = Field("words", description="How a text is cut into tokens.")
    pattern: str | None = Field(
        None, description="What one token looks like, as RE2; with tokenizer: regex only."
    )
    normalize: Literal["none", "nfc", "nfkc"] = Field(
        "nfc", description="Unicode normalization, before anything else."
    )
    lowercase: bool = Field(True, description="Lower-case every letter, Unicode-aware.")
    max_tokens: Annotated[int, Field(gt=4)] | None = Field(
        20_000, description="Vocabulary size at most, the four special tokens included."
    )
    min_count: PositiveInt = Field(
        1, description="Tokens seen fewer times in the training split become [UNK]."
    )
    max_length: PositiveInt | None = Field(
        None, description="In tokens; longer texts are truncated."
    )
    truncate: Literal["start", "end"] = Field(
        "end",
        description="Which side of a too long text is cut off: 'start' keeps its last tokens.",
    )
    add_bos: bool = Field(False, description="Put [BOS] before every text.")
    add_eos: bool = Field(False, description="Put [EOS] after every text.")
    vectors: str | None = Field(
        None,
        description="Pretrained word vectors (the text format of GloVe, word2vec or fastText, or "
        "word2vec's binary one; gzip too), or a name from 'textnets data' such as "
        "glove-6b-100d. model.embedding_width must be their width.",
    )
    vocabulary: Vocabulary = Field(
        "learn",
        description=VOCABULARY_ABOUT,
    )

    not_written: ClassVar[frozenset[str]] = frozenset({"vocabulary"})


Auto = Literal["auto"]


class NgramSection(Section):
    """Which n-grams of a text a bag of n-grams holds. What is ``auto`` goes by the training split:
    long texts have n-grams of three words that are in two texts or more, short ones of two words
    and of characters."""

    words: Auto | Annotated[int, Field(ge=1, le=5)] = Field(
        "auto", description="Up to so many words in a row."
    )
    characters: Auto | tuple[PositiveInt, PositiveInt] | None = Field(
        "auto", description="From so many to so many characters inside of a word; null for none."
    )
    min_texts: Auto | PositiveInt = Field(
        "auto", description="In so many texts of the training split, or more."
    )
    max_features: PositiveInt | None = Field(
        None,
        description="The most frequent ones, so many at most; by default as many as make 40 "
        "million weights, one for each n-gram and class.",
    )

    @field_validator("characters", mode="before")
    @classmethod
    def _as_tuple(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if isinstance(self.characters, tuple) and self.characters[0] > self.characters[1]:
            raise mistake("characters", "expected the smaller size first, such as [2, 5]")
        return self


class TextSection(TextKeys):
    """From text to token ids."""

    @model_validator(mode="after")
    def _pattern_goes_with_regex(self) -> TextSection:
        if self.tokenizer == "regex" and self.pattern is None:
            raise mistake("pattern", "this key is missing; tokenizer: regex needs it")
        if self.tokenizer != "regex" and self.pattern is not None:
            raise mistake("pattern", "has no effect without tokenizer: regex")
        return self

    @model_validator(mode="after")
    def _length_leaves_room(self) -> TextSection:
        """BOS and EOS count into ``max_length``, and a text keeps a token of its own."""
        least = 1 + self.add_bos + self.add_eos
        if self.max_length is not None and self.max_length < least:
            raise mistake(
                "max_length", f"expected at least {least}: [BOS], [EOS] and a token of the text"
            )
        return self


class EarlyStopping(Section):
    """Stop when a metric has not improved for a while."""

    metric: str | None = Field(
        None, description="Such as validation_loss; by default the one of training.monitor."
    )
    patience: PositiveInt = Field(
        2, description="Epochs without improvement after which training stops, as in Keras."
    )
    min_delta: Annotated[float, Field(ge=0)] = Field(
        0.0, description="A smaller change is no improvement."
    )


class AverageSection(Section):
    """Predict with a mean of the weights that training goes through, not with the last ones."""

    kind: Literal["ema", "epochs", "steps"] = Field(
        "ema",
        description="ema: of all steps, each counting less the longer ago it was; epochs: of the "
        "ends of epochs (stochastic weight averaging); steps: of all steps since averaging "
        "began (averaged SGD).",
    )
    decay: Rate = Field(
        0.999,
        description="What a step counts when another one is made; less in the first steps, "
        "(1 + steps) / (10 + steps) at most. With kind: ema.",
    )
    first: PositiveInt | None = Field(
        None, description="The epoch with which averaging begins. With kind: epochs or steps."
    )
    last: Annotated[int, Field(ge=2)] | None = Field(
        None, description="So many epochs, the last ones, are averaged. With kind: epochs."
    )
    patience: PositiveInt | None = Field(
        None,
        description="Averaging begins when the monitored metric is no better than its best of "
        "more than so many epochs ago. With kind: steps.",
    )

    only_with: ClassVar[Mapping[str, tuple[str, tuple[Any, ...]]]] = {
        "decay": ("kind", ("ema",)),
        "first": ("kind", ("epochs", "steps")),
        "last": ("kind", ("epochs",)),
        "patience": ("kind", ("steps",)),
    }

    not_written: ClassVar[frozenset[str]] = frozenset({"first", "last", "patience"})

    @property
    def rule(self) -> str:
        """What decides which weights are averaged; a mean by another rule is of no use.

        >>> AverageSection(kind="steps", first=3).rule
        'steps from epoch 3'
        """
        if self.kind == "ema":
            return self.kind
        if self.first is not None:
            return f"{self.kind} from epoch {self.first}"
        return f"{self.kind}, last" if self.last else f"{self.kind}, patience {self.patience}"

    @model_validator(mode="after")
    def _begins_once(self) -> Self:
        other = {"epochs": "last", "steps": "patience"}.get(self.kind)
        if other is None:
            return self
        if (self.first is None) == (getattr(self, other) is None):
            key = "first" if self.first is None else other
            raise mistake(key, f"with kind: {self.kind} give 'first' or '{other}', and not both")
        return self


class VirtualAdversarialSection(Section):
    """Answers shall not change where the token vectors are moved a little, the worst way."""

    epsilon: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.02,
        description="How far, as a share of the norm of a text's vectors. Steps of 0.1 and more "
        "did harm to small nets.",
    )
    weight: Annotated[float, Field(gt=0)] = Field(1.0, description="Of this part of the loss.")


class TrainingSection(Section):
    """How the weights are found."""

    optimizer: Literal["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"] = (
        Field("adam", description="'momentum' and 'nesterov' are SGD with training.momentum.")
    )
    learning_rate: Annotated[float, Field(gt=0)] = Field(1e-3, description="At the start.")
    embedding_rate: Annotated[float, Field(gt=0)] = Field(
        1.0,
        description="Factor on the learning rate of token vectors, those of characters and of a "
        "language model's softmax too.",
    )
    momentum: Rate = Field(0.9, description="With optimizer: momentum or nesterov.")
    weight_decay: Annotated[float, Field(ge=0)] = Field(
        0.01, description="Decoupled, with optimizer: adamw."
    )
    batch_size: PositiveInt = Field(32, description="Examples a step.")
    epochs: PositiveInt = Field(10, description="At most; early stopping may end sooner.")
    min_steps: PositiveInt | None = Field(
        None,
        description="At least so many steps: where texts are few, more epochs than 'epochs' are "
        "trained.",
    )
    schedule: Literal["constant", "halving", "exponential", "cosine", "plateau"] = Field(
        "constant",
        description="halving: half after each epoch; exponential: times decay_rate after each "
        "epoch; cosine: to zero at the end; plateau: times plateau_factor when the "
        "monitored metric stalls.",
    )
    decay_rate: Annotated[float, Field(gt=0, le=1)] = Field(
        0.95, description="With schedule: exponential."
    )
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.5, description="With schedule: plateau."
    )
    plateau_patience: PositiveInt = Field(
        1, description="Epochs without improvement after which the rate falls; schedule: plateau."
    )
    warmup_steps: Annotated[int, Field(ge=0)] = Field(
        0, description="Steps over which the learning rate rises from zero, before the schedule."
    )
    warmup_share: Rate = Field(0.0, description="The same as a share of all steps, such as 0.05.")
    clip_norm: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Largest global norm of the gradient (Pascanu et al. 2013)."
    )
    clip_value: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Largest size of each component of the gradient."
    )
    r_drop: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="Read each example twice, each time with another dropout, and let so many "
        "times the divergence of both answers be a part of the loss (R-Drop, Wu et al. 2021). A "
        "step takes about twice the time. Off unless given.",
    )
    virtual_adversarial: VirtualAdversarialSection | None = Field(
        None,
        description="Let how much the answer changes where the token vectors are moved, the worst "
        "way, be a part of the loss (Miyato et al. 2017); for classifiers, and taggers with head: "
        "softmax. A step takes two to four times the time. Off unless given.",
    )
    refit: Literal["all"] | None = Field(
        None,
        description="'all': when validation has told the best epoch, train once more, for as "
        "many epochs of the same schedule, on the validation examples too.",
    )
    monitor: str | None = Field(
        None,
        description="The metric whose best epoch's weights are kept; by default one that the "
        "task chooses, of the validation split.",
    )
    early_stopping: EarlyStopping | None = Field(None, description="Off unless given.")
    average: AverageSection | None = Field(
        None,
        description="Measure and keep a mean of the weights of many steps; training goes on with "
        "those of the last one. Off unless given.",
    )
    bucket_width: PositiveInt = Field(
        16, description="Batches hold texts of similar length, padded to a multiple of this."
    )
    precision: Literal["float32", "mixed_bfloat16"] = Field(
        "float32", description="mixed_bfloat16 pays on GPUs with tensor cores."
    )
    xla: bool = Field(
        False,
        description="Compile the training step with XLA (TensorFlow; JAX always does). On a CPU "
        "it made every net slower that was measured.",
    )
    checkpoint_minutes: Annotated[float, Field(ge=0)] = Field(
        5.0,
        description="Time between checkpoints; an epoch's end has one as well where that costs "
        "less than a hundredth of the time.",
    )
    checkpoint_every: PositiveInt | None = Field(
        None, description="Steps between checkpoints, besides those in time."
    )

    only_with: ClassVar[Mapping[str, tuple[str, tuple[Any, ...]]]] = {
        "momentum": ("optimizer", ("momentum", "nesterov")),
        "weight_decay": ("optimizer", ("adamw",)),
        "decay_rate": ("schedule", ("exponential",)),
        "plateau_factor": ("schedule", ("plateau",)),
        "plateau_patience": ("schedule", ("plateau",)),
    }

    not_written: ClassVar[frozenset[str]] = frozenset(
        {"refit", "warmup_share", "average", "r_drop", "virtual_adversarial", "min_steps"}
    )

    @model_validator(mode="after")
    def _one_way_each(self) -> Self:
        if self.clip_norm is not None and self.clip_value is not None:
            raise mistake("clip_value", "give 'clip_norm' or 'clip_value', not both")
        if self.warmup_steps and self.warmup_share:
            raise mistake("warmup_share", "give 'warmup_steps' or 'warmup_share', not both")
        if self.average is not None and (self.average.first or 0) > self.epochs:
            message = f"expected an epoch that is trained: there are {self.epochs}"
            raise mistake("average.first", message)
        return self


class EvaluationSection(Section):
    """How the trained model is measured."""

    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        0.95, description="Level of the bootstrap confidence intervals."
    )
    resamples: Annotated[int, Field(ge=0, le=100_000)] = Field(
        1000, description="Bootstrap resamples; 0 leaves the intervals out."
    )
    baselines: bool = Field(
        True, description="Train the task's baselines on the same split and score them too."
    )
    test: bool = Field(
        True, description="Score the test split at the end; false keeps it unseen while a recipe "
        "is still being chosen by its validation scores."
    )  # fmt: skip


class CacheSection(Section):
    """A cache of the last words of a text, beside a language model's softmax."""

    size: PositiveInt = Field(2000, description="Words that it holds.")
    theta: Annotated[float, Field(ge=0)] = Field(
        0.3, description="How much the likeness of two places counts; 0 counts words."
    )
    weight: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="Its share of the probability."
    )


class Claim(Section):
    """What the recipe promises: ``metric`` on the test split is ``at_least`` or ``at_most``."""

    metric: str = Field(description="A metric of the test split, such as accuracy.")
    at_least: float | None = Field(None, description="It is this or more.")
    at_most: float | None = Field(None, description="It is this or less.")
    seeds: PositiveInt = Field(1, description="As the mean over this many seeds.")

    @model_validator(mode="after")
    def _has_one_bound(self) -> Claim:
        if (self.at_least is None) == (self.at_most is None):
            key = "at_least" if self.at_least is None else "at_most"
            raise mistake(key, "give 'at_least' or 'at_most', and not both")
        return self


class MemberSection(Section):
    """One member of an ensemble; what it leaves out is the recipe's own."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=60)] | None = (
        Field(None, description="What it is called; by default after its builder.")
    )
    recipe: str | None = Field(
        None, description="A recipe whose text, model and training sections are the member's."
    )
    seeds: Annotated[int, Field(ge=1, le=_MOST_SEEDS)] = Field(
        1, description="Train it so many times, from other starting weights; all count the same."
    )
    text: dict[str, Any] | None = Field(None, description="The member's keys of text.")
    model: dict[str, Any] | None = Field(None, description="The member's model.")
    training: dict[str, Any] | None = Field(None, description="The member's keys of training.")


class EnsembleSection(Section):
    """Models that are trained apart and answer together."""

    members: Annotated[list[MemberSection], Field(min_length=1)] | None = Field(
        None, description="The models; without it there is one, the recipe's own."
    )
    seeds: Annotated[int, Field(ge=2, le=_MOST_SEEDS)] | None = Field(
        None, description="Train the recipe's own model so many times."
    )
    weights: Literal["validation", "equal"] | list[Annotated[float, Field(ge=0)]] = Field(
        "validation",
        description="How much each member counts: chosen by the validation split (translators "
        "count alike), all the same, or as given.",
    )

    @model_validator(mode="after")
    def _has_members(self) -> Self:
        if (self.members is None) == (self.seeds is None):
            raise mistake("members", "give 'members', or the 'seeds' of one model")
        if isinstance(self.weights, list):
            wanted = len(self.members or [None])
            if len(self.weights) != wanted or not sum(self.weights):
                raise mistake("weights", f"expected {wanted}, one a member, not all of them 0")
        return self


class Member(BaseModel):
    """One member of an ensemble, resolved.

    Attributes:
        name: of its folder.
        seeds: how many times it is trained.
        text, model, training: its sections, as in :class:`Recipe`.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    seeds: int
    text: Any
    model: dict[str, Any]
    training: Any

    @property
    def run_names(self) -> list[str]:
        """Of each run that is trained for it."""
        if self.seeds == 1:
            return [self.name]
        return [f"{self.name}-{number}" for number in range(1, self.seeds + 1)]

    def as_written(self) -> dict[str, Any]:
        """Plain data with every default written out; it reads back."""
        return {
            "name": self.name,
            "seeds": self.seeds,
            "text": self.text.as_written(),
            "model": dict(self.model),
            "training": self.training.as_written(),
        }


class Ensemble(BaseModel):
    """Members, and how much each counts; see :class:`EnsembleSection`."""

    model_config = ConfigDict(frozen=True)

    members: Sequence[Member]
    weights: Literal["validation", "equal"] | Sequence[float]

    def as_written(self) -> dict[str, Any]:
        """Plain data; it reads back."""
        weights = self.weights if isinstance(self.weights, str) else list(self.weights)
        return {
            "members": [member.as_written() for member in self.members],
            "weights": weights,
        }


class Recipe(BaseModel):
    """One experiment, resolved: every key has its value.

    ``data``, ``text``, ``training`` and ``evaluation`` are the task's own subclasses of the
    sections above; ``model`` holds the builder's name and the parameters that the recipe sets
    or defaults.

    Of an ensemble they are those of its first member, and ``ensemble`` holds all of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    data: Any
    text: Any
    model: dict[str, Any]
    training: Any
    evaluation: Any = EvaluationSection()  # type: ignore[call-arg]
    seed: int = 7
    claim: Claim | None = None
    ensemble: Ensemble | None = None
    path: Path | None = None

    @property
    def builder(self) -> str:
        """The builder's name."""
        return str(self.model["builder"])

    @property
    def builders(self) -> list[str]:
        """The builders of all models."""
        members = self.ensemble.members if self.ensemble else ()
        return [str(member.model["builder"]) for member in members] or [self.builder]

    @property
    def member_runs(self) -> list[MemberRun]:
        """What an ensemble trains: every member, with every seed, each as a recipe of its own.

        They share the data's splits, and none of them sees the test split.
        """
        found: list[MemberRun] = []
        for index, member in enumerate(self.ensemble.members if self.ensemble else ()):
            for name in member.run_names:
                recipe = self.model_copy(
                    update={
                        "text": member.text,
                        "model": member.model,
                        "training": member.training,
                        "ensemble": None,
                        "claim": None,
                        "seed": (self.seed + len(found)) % (MAX_SEED + 1),
                        "data": self.data.model_copy(update={"seed": self.data_seed}),
                        "evaluation": self.evaluation.model_copy(
                            update={"baselines": False, "test": False}
                        ),
                    }
                )
                found.append(MemberRun(name, index, 1.0 / member.seeds, recipe))
        return found

    @property
    def data_seed(self) -> int:
        """Of the shares that are drawn from the data."""
        return self.seed if self.data.seed is None else int(self.data.seed)

    @property
    def builder_parameters(self) -> dict[str, Any]:
        """The builder's recipe parameters, without the sizes found in the data."""
        others = ("builder", "initialize_from", "initialize_parts")
        return {key: value for key, value in self.model.items() if key not in others}

    @property
    def initialize_from(self) -> str | None:
        """The run whose weights the model begins with, as written; see
        :class:`textnets.recipe.model_section.ModelSection`."""
        return self.model.get("initialize_from")

    @property
    def source_names(self) -> list[str]:
        """The runs that the models begin with, as written; of all members of an ensemble."""
        models = [member.model for member in self.ensemble.members] if self.ensemble else []
        named = [model.get("initialize_from") for model in models or [self.model]]
        return list(dict.fromkeys(name for name in named if name is not None))

    @property
    def name(self) -> str:
        """The file's name without its suffix."""
        return self.path.stem if self.path else "recipe"

    @property
    def folder(self) -> Path:
        """The folder that relative paths are first looked for in."""
        return self.path.parent if self.path else Path()

    def as_sections(self) -> dict[str, Any]:
        """Plain data with every default written out, as stored in a run; it reads back."""
        sections = self.model_dump(mode="json", exclude={"path", "ensemble"}, serialize_as_any=True)
        for name in ("data", "text", "training", "evaluation"):
            sections[name] = getattr(self, name).as_written()
        if self.ensemble is not None:
            for name in ("text", "model", "training"):
                del sections[name]
            sections["ensemble"] = self.ensemble.as_written()
        if sections["claim"] is None:
            del sections["claim"]
        return sections


@dataclass(frozen=True)
class MemberRun:
    """One training of an ensemble.

    Attributes:
        name: of its folder.
        member: which member it is of, counted from 0.
        share: how much it counts among that member's runs, which sum to 1.
        recipe: to train.
    """

    name: str
    member: int
    share: float
    recipe: Recipe
