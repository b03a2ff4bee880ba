"""Virtual adversarial training: answers shall not change where token vectors do a little."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from textnets.errors import InputError
from textnets.recipe.sections import VirtualAdversarialSection
from textnets.training.setup import TrainingSetup


def with_adversary(
    setup: TrainingSetup, section: VirtualAdversarialSection | None, seed: int
) -> TrainingSetup:
    """A training whose loss has a part of :class:`textnets.layers.VirtualAdversary`.

    Args:
        setup: not yet compiled.
        section: the recipe's ``training.virtual_adversarial``.
        seed: of the run.

    Raises:
        InputError: the model has no token vectors to move, or does not answer with probabilities.
    """
    import keras

    from textnets.layers import VirtualAdversary

    if section is None:
        return setup
    model, loss = setup.model, setup.loss
    one_by_one = type(loss) is keras.losses.BinaryCrossentropy
    if not one_by_one and type(loss) is not keras.losses.SparseCategoricalCrossentropy:
        raise InputError(
            "training.virtual_adversarial: is there for classifiers and for taggers with "
            f"head: softmax, whose answers are probabilities, was: a model with the loss "
            f"{loss.name}; remove the key"
        )
    embedding = _token_embedding(model)
    given = {tensor.name: tensor for tensor in model.inputs}
    answer = keras.Model([embedding.output, *given.values()], model.output)
    adversary = VirtualAdversary(
        embedding,
        answer,
        tuple(given),
        epsilon=section.epsilon,
        weight=section.weight,
        one_by_one=one_by_one,
        seed=seed,
        name="virtual_adversary",
    )
    trained = keras.Model(model.input, adversary(model.output, given), name=model.name)
    return replace(setup, model=trained)


def _token_embedding(model: Any) -> Any:
    """The layer that looks up the vectors of ``token_ids``."""
    import keras

    for layer in model.layers:
        if layer.name == "embedding" and isinstance(layer, keras.layers.Embedding):
            return layer
    raise InputError(
        "training.virtual_adversarial: moves token vectors, and this model has no layer "
        "'embedding', a keras.layers.Embedding of token_ids; remove the key"
    )
