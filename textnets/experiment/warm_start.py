"""A model that begins with the weights of another run (Dai and Le 2015).

What two models share is found by meaning, not by their builders: tables of token vectors by what
they are of, with a row for each token that both have; recurrent layers by their number and
direction; convolutions, and what reads characters, by their names. The rest begins as it would
without.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from textnets.errors import InputError, RunError
from textnets.experiment.source_runs import SourceRun
from textnets.recipe import Recipe
from textnets.tasks.preprocessor import AnyPreprocessor
from textnets.text.token_mapping import map_tokens
from textnets.text.vocabulary import SPECIAL_TOKENS, Vocabulary

_CELLS = "simple|lstm|gru|peephole_lstm|prototype_lstm|layer_norm_lstm"
_RECURRENT = re.compile(
    rf"(?P<role>(?:decoder_)?)(?P<cell>{_CELLS})(?:_(?P<number>\d+))?(?:_(?P<way>forward|backward))?"
)
# What a model multiplies the vectors of a table with before anything reads them.
_SCALES = {
    "embedding": "scaled_vectors",
    "source_embedding": "source_scaled_vectors",
    "target_embedding": "target_scaled_vectors",
}
_OUTPUT_TABLE = "output_table"
_SHARED_TABLE = "target_embedding"  # the only one of a translator that shares it
_WIDTH_KEYS = {"characters": "character_width"}  # of a table's vectors; else embedding_width


@dataclass(frozen=True)
class Taken:
    """What a layer began with.

    Attributes:
        layer: of the model.
        source: the layer of the other run.
        tokens: how many tokens have their vector from there; ``None`` of what is no table.
        of: tokens that the model has, but for the special ones.
    """

    layer: str
    source: str
    tokens: int | None = None
    of: int | None = None

    @property
    def said(self) -> str:
        """In words."""
        name = self.layer if self.layer == self.source else f"{self.layer} from {self.source}"
        return name if self.tokens is None else f"{name} ({self.tokens:,} of {self.of:,} tokens)"


@dataclass(frozen=True)
class WarmStart:
    """What a model began with of another run; what a run records of it.

    Attributes:
        name: of the other run, as the recipe has it.
        path: where that lay.
        sha256: of its record, which has the hash of every file.
        task: of its recipe.
        builder: of its model.
        taken: layers that began with its weights.
        left: layers that did not, though one of both models has them, and why.
    """

    name: str
    path: str
    sha256: str
    task: str
    builder: str
    taken: list[Taken]
    left: dict[str, str]

    @property
    def said(self) -> str:
        """In words."""
        taken = ", ".join(one.said for one in self.taken)
        left = "; ".join(f"{name}: {reason}" for name, reason in self.left.items())
        named = f"{self.name} ({self.task}, {self.builder})"
        return f"{named}: {taken}" + (f". Not taken: {left}" if left else "")


def begin_with_source(
    model: Any, recipe: Recipe, preprocessor: AnyPreprocessor, source: SourceRun, theirs: Any
) -> WarmStart:
    """Give a model the weights of another one where they fit.

    Args:
        model: of the recipe; its weights are changed.
        recipe: of the model.
        preprocessor: its vocabularies.
        source: the run that it begins with.
        theirs: that run's model.

    Raises:
        InputError: widths, cells or tokens do not fit, each of them named; or nothing fits.
        RunError: the weights of the run are no finite numbers.
    """
    if not all(np.isfinite(np.asarray(weight)).all() for weight in theirs.weights):
        raise RunError(
            f"model.initialize_from: {source.run.folder}: its weights are not all finite numbers"
        )
    start = _Start(model, recipe, preprocessor, source, theirs)
    start.take_tables()
    start.take_layers()
    return start.finish()


# --- What a model is made of ---


@dataclass(frozen=True)
class _Layer:
    """A layer that may be taken, or begin with one that is.

    Attributes:
        layer: the Keras layer.
        part: which of the recipe's parts it is of.
        place: what it is matched by.
        cell: of a recurrent one: what it is made of.
    """

    layer: Any
    part: str
    place: str
    cell: str = ""

    @property
    def name(self) -> str:
        return str(self.layer.name)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [tuple(weight.shape) for weight in self.layer.weights]

    @property
    def units(self) -> int:
        """Size of a recurrent layer's state, or of what a convolution finds."""
        found = getattr(self.layer, "units", None) or getattr(self.layer, "filters", None)
        found = found or getattr(self.layer, "maps", None)
        found = found or getattr(getattr(self.layer, "cell", None), "units", None)
        return int(found) if isinstance(found, int) else int(self.shapes[-1][-1])


def _leaves(model: Any) -> Iterator[Any]:
    """All layers, those of models inside too."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(layer)
        else:
            yield layer


def _looks_around(layer: Any) -> bool:
    """Whether a layer is the attention of a Transformer."""
    from textnets import layers

    kinds = layers.SelfAttention | layers.CachedAttention | layers.MemoryAttention
    return isinstance(layer, kinds)


def _layers_of(model: Any) -> dict[str, _Layer]:
    """The layers that may be taken, but for tables of vectors, by their places."""
    found: dict[str, _Layer] = {}
    for layer in _leaves(model):
        described = _described(layer)
        if described is not None:
            found.setdefault(described.place, described)
    return found


def _described(layer: Any) -> _Layer | None:
    import keras

    from textnets import layers

    name, kind = str(layer.name), type(layer).__name__
    if isinstance(layer, layers.CharacterConvolution):
        return _Layer(layer, "characters", name)
    if isinstance(layer, keras.layers.Conv1D):
        return _Layer(layer, "convolutions", name)
    if not isinstance(layer, keras.layers.RNN | keras.layers.Bidirectional | layers.AttentionRNN):
        return None
    cell = type(layer.cell).__name__ if isinstance(layer, keras.layers.RNN) else kind
    if name.startswith("character_"):
        return _Layer(layer, "characters", name, cell)
    if (parts := _RECURRENT.fullmatch(name)) is None:
        return _Layer(layer, "recurrent", name, cell)
    place = f"{parts['role']}layer {parts['number'] or ''} {parts['way'] or 'forward'}"
    return _Layer(layer, "recurrent", place, parts["cell"])


def _tables_of(model: Any, preprocessor: AnyPreprocessor) -> dict[str, Any]:
    """The tables of vectors that a model has, by what they are of."""
    layers = {layer.name: layer for layer in _leaves(model)}
    found = {}
    for table, (name, _) in preprocessor.vector_tables.items():
        layer = layers.get(name) or (layers.get(_SHARED_TABLE) if table == "source" else None)
        if layer is not None and layer.weights:
            found[table] = layer
    return found


def _vectors(layer: Any) -> npt.NDArray[np.float32]:
    """``<float32>[vocabulary, width]``, of a table of whatever kind."""
    return np.asarray(layer.vectors() if hasattr(layer, "vectors") else layer.embeddings)


def _scale(model: Any, table: Any) -> float:
    """What the vectors of a table are multiplied with before a layer reads them."""
    name = _SCALES.get(table.name)
    for layer in _leaves(model):
        if layer.name == name:
            return float(layer.scale)
    return 1.0


# --- Taking ---


@dataclass
class _Start:
    """What :func:`begin_with_source` was given, and what was found so far.

    Attributes:
        misfits: what does not fit, and what to set.
        taken, left: see :class:`WarmStart`.
    """

    model: Any
    recipe: Recipe
    preprocessor: AnyPreprocessor
    source: SourceRun
    theirs: Any
    misfits: list[str] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._parts: Sequence[str] | None = self.recipe.model.get("initialize_parts")
        self._assignments: list[tuple[Any, npt.NDArray[np.float32]]] = []

    def _wants(self, part: str) -> bool:
        return self._parts is None or part in self._parts

    def finish(self) -> WarmStart:
        """Change the weights, if all fits."""
        name = self.source.name
        if self.misfits:
            told = "".join(f"\n  {line}" for line in dict.fromkeys(self.misfits))
            raise InputError(
                f"model.initialize_from: {name} ({self.source.run.folder}) does not fit this "
                f"recipe:{told}\nor take only a part of it: model.initialize_parts"
            )
        if not self.taken:
            why = "; ".join(f"{layer}: {reason}" for layer, reason in self.left.items())
            raise InputError(
                f"model.initialize_from: this recipe's model, {self.recipe.builder}, has nothing "
                f"that {name}, {self.source.task.recipe.builder}, has"
                + (f" ({why})" if why else "")
                + "; remove the key"
            )
        for weight, value in self._assignments:
            weight.assign(value)
        theirs = self.source.task.recipe
        return WarmStart(
            name=name,
            path=self.source.as_json()["path"],
            sha256=self.source.sha256,
            task=theirs.task,
            builder=theirs.builder,
            taken=self.taken,
            left=self.left,
        )

    # --- Tables of vectors ---

    def take_tables(self) -> None:
        """The rows of the tokens that both have."""
        ours = _tables_of(self.model, self.preprocessor)
        known = _tables_of(self.theirs, self.source.preprocessor)
        done: set[int] = set()
        for table, layer in ours.items():
            if id(layer) in done:  # one table for both sides
                continue
            done.add(id(layer))
            part = "characters" if table == "characters" else "embeddings"
            matched = self.source.vocabulary_for(table)
            if not self._wants(part) or matched is None or matched[0] not in known:
                if self._wants(part):
                    self.left[layer.name] = f"{self.source.name} has no vectors of the {table}"
                continue
            self._take_table(table, layer, matched[0], known[matched[0]])
        self._take_output_table()

    def _take_table(self, table: str, layer: Any, their_table: str, theirs: Any) -> None:
        vocabulary = self.preprocessor.vector_tables[table][1]
        known = self.source.preprocessor.vector_tables[their_table][1]
        here_as = self.preprocessor.writing_of(table)
        there_as = self.source.preprocessor.writing_of(their_table)
        vectors = _vectors(theirs)
        if len(vectors) != len(known):
            self.left[layer.name] = f"{theirs.name} of {self.source.name} has no row for each token"
            return
        if not here_as.is_like(there_as):
            self._misfit("text", "tokenizer", here_as.tokenizer, there_as.tokenizer)
            return
        if self._is_alike(layer, theirs, vocabulary, known):
            self._take_whole(layer, theirs, len(vocabulary) - len(SPECIAL_TOKENS))
            return
        width = int(np.shape(layer.weights[0])[1])
        if width != vectors.shape[1]:
            self._misfit("model", _WIDTH_KEYS.get(table, "embedding_width"), width,
                         int(vectors.shape[1]))  # fmt: skip
            return
        if layer.weights[0].shape[0] != len(vocabulary):
            self.misfits.append(
                "model.adaptive_shrink: rare tokens have vectors of other lengths, so that those "
                "of another vocabulary fit none; set model.tie_embeddings: false"
            )
            return
        ids = map_tokens(vocabulary, here_as, known, there_as)
        shared = ids >= 0
        count = int(shared[len(SPECIAL_TOKENS) :].sum())
        if not count:
            self.misfits.append(
                f"{layer.name}: none of the {table} is known there; compare text.tokenizer, "
                "text.normalize and text.lowercase"
            )
            return
        factor = _scale(self.theirs, theirs) / _scale(self.model, layer)
        rows = vectors[ids[shared]]
        self._assign_rows(layer.weights[0], shared, rows if factor == 1.0 else rows * factor)
        self.taken.append(
            Taken(layer.name, theirs.name, count, len(vocabulary) - len(SPECIAL_TOKENS))
        )
        if self._wants("output"):
            self._take_bias(layer, theirs, shared, ids)

    def _take_output_table(self) -> None:
        """What makes the logits of a language model's next token, where it is no embedding."""
        ours = {layer.name: layer for layer in _leaves(self.model)}.get(_OUTPUT_TABLE)
        theirs = {layer.name: layer for layer in _leaves(self.theirs)}.get(_OUTPUT_TABLE)
        if not self._wants("output") or (ours is None and theirs is None):
            return
        if ours is None or theirs is None:
            has = self.source.name if ours is None else "this model"
            self.left[_OUTPUT_TABLE] = f"only {has} has it"
            return
        here, there = self.preprocessor, self.source.preprocessor
        if "tokens" not in here.vector_tables or "tokens" not in there.vector_tables:
            return
        vocabulary, known = here.vector_tables["tokens"][1], there.vector_tables["tokens"][1]
        if self._is_alike(ours, theirs, vocabulary, known):
            self._take_whole(ours, theirs, len(vocabulary) - len(SPECIAL_TOKENS))
            return
        if not type(ours).__name__ == type(theirs).__name__ == "TokenTable":
            self.left[_OUTPUT_TABLE] = "an adaptive softmax fits its own vocabulary alone"
            return
        here_as, there_as = here.writing_of("tokens"), there.writing_of("tokens")
        vectors = _vectors(theirs)
        if vectors.shape[1] != ours.weights[0].shape[1] or not here_as.is_like(there_as):
            self.left[_OUTPUT_TABLE] = "it is not as wide, or of other tokens"
            return
        ids = map_tokens(vocabulary, here_as, known, there_as)
        shared = ids >= 0
        self._assign_rows(ours.weights[0], shared, vectors[ids[shared]])
        self._take_bias(ours, theirs, shared, ids)
        count = int(shared[len(SPECIAL_TOKENS) :].sum())
        of = len(vocabulary) - len(SPECIAL_TOKENS)
        self.taken.append(Taken(ours.name, theirs.name, count, of))

    def _take_bias(
        self, ours: Any, theirs: Any, shared: npt.NDArray[np.bool_], ids: npt.NDArray[np.int64]
    ) -> None:
        """The biases of tokens, of tables that make logits of the same kind."""
        here, there = getattr(ours, "bias", None), getattr(theirs, "bias", None)
        if here is None or there is None or type(ours) is not type(theirs):
            return
        self._assign_rows(here, shared, np.asarray(there)[ids[shared]])

    def _assign_rows(
        self, weight: Any, shared: npt.NDArray[np.bool_], rows: npt.NDArray[Any]
    ) -> None:
        found = np.asarray(weight).copy()
        found[shared] = rows
        self._assignments.append((weight, found))

    def _is_alike(self, ours: Any, theirs: Any, here: Vocabulary, there: Vocabulary) -> bool:
        """Whether two tables are of the same tokens, kind and sizes, so that one is the other."""
        same = type(ours) is type(theirs) and here.ordinary_tokens == there.ordinary_tokens
        shapes = [[tuple(weight.shape) for weight in layer.weights] for layer in (ours, theirs)]
        is_scaled = _scale(self.model, ours) != _scale(self.theirs, theirs)
        return same and shapes[0] == shapes[1] and not is_scaled

    def _take_whole(self, ours: Any, theirs: Any, tokens: int | None = None) -> None:
        pairs = zip(ours.weights, theirs.weights, strict=True)
        self._assignments += [(here, np.asarray(there).copy()) for here, there in pairs]
        self.taken.append(Taken(ours.name, theirs.name, tokens, tokens))

    # --- Other layers ---

    def take_layers(self) -> None:
        """Recurrent layers, convolutions, and what reads characters."""
        ours, theirs = _layers_of(self.model), _layers_of(self.theirs)
        for place, layer in ours.items():
            if self._wants(layer.part):
                self._take_layer(layer, theirs.get(place))
        for place, layer in theirs.items():
            if self._wants(layer.part) and place not in ours:
                self.left.setdefault(layer.name, f"only {self.source.name} has it")
        if any(map(_looks_around, (*_leaves(self.model), *_leaves(self.theirs)))):
            self.left["layers of attention"] = "those of a Transformer are never taken"

    def _take_layer(self, ours: _Layer, theirs: _Layer | None) -> None:
        if theirs is None:
            backward = ours.place.endswith("backward")
            self.left[ours.name] = (
                f"{self.source.name} does not read backward"
                if backward
                else f"{self.source.name} has none"
            )
            return
        if ours.cell != theirs.cell:
            self._misfit("model", "cell", ours.cell, theirs.cell, ours, theirs)
        if ours.units != theirs.units:
            self._misfit_of_units(ours, theirs)
        if (ours.cell, ours.units) != (theirs.cell, theirs.units):
            return
        if ours.shapes != theirs.shapes:
            here, there = ours.shapes[0], theirs.shapes[0]
            if here[-2:-1] != there[-2:-1]:
                self.left[ours.name] = (
                    f"it reads inputs that are {here[-2]} wide, and those of {self.source.name} "
                    f"are {there[-2]} wide"
                )
                return
            self.left[ours.name] = f"its weights have other shapes than those of {theirs.name}"
            return
        self._take_whole(ours.layer, theirs.layer)

    def _misfit_of_units(self, ours: _Layer, theirs: _Layer) -> None:
        here, there = ours.units, theirs.units
        if ours.part == "convolutions":
            self._misfit("model", "maps", here, there, ours, theirs)
            return
        if ours.part == "characters":
            key = "character_units" if ours.cell else "character_maps"
            self._misfit("model", key, here, there, ours, theirs)
            return
        parts = _RECURRENT.fullmatch(ours.name)
        model = self.recipe.builder_parameters
        key = "decoder_units" if parts and parts["role"] and model.get("decoder_units") else "units"
        before = model.get(key)
        number = int(parts["number"] or 0) if parts else 0
        if not isinstance(before, list | tuple) or not 0 < number <= len(before):
            self._misfit("model", "", here, there, ours, theirs)
            return
        wanted = list(before)
        wanted[number - 1] = there
        self._misfit("model", key, list(before), wanted, ours, theirs, says_layers=(here, there))

    def _misfit(
        self,
        section: str,
        key: str,
        here: Any,
        there: Any,
        ours: _Layer | None = None,
        theirs: _Layer | None = None,
        *,
        says_layers: tuple[int, int] | None = None,
    ) -> None:
        """Name both sides of what does not fit, and the key to set, where the recipe has it."""
        name = self.source.name
        has_key = section == "text" or key in self.recipe.builder_parameters
        if not has_key:
            what = f"{ours.name}: " if ours is not None else f"{key}: " if key else ""
            of = f" ({theirs.name})" if theirs is not None else ""
            self.misfits.append(
                f"{what}is {here} here, and {there} of {name}{of}; make this model's {there}"
            )
            return
        one, other = says_layers or (here, there)
        layer = f"{ours.name} has " if ours is not None and says_layers else ""
        self.misfits.append(
            f"{section}.{key}: {layer}{one} here, {other} of {name}; set {section}.{key}: {there}"
        )
